"""What browsers may do with answers: not guess, keep or frame them, and run nothing on pages but the pages' own."""

import re
from base64 import b64encode
from hashlib import sha256

import httpx
import pytest

from tests.service import Served

NOBODY = "019064f2-5b11-7e1d-8a50-88978dabb7c1"
PAGES = ("/docs", "/graphql")
HTML = (*PAGES, "/ui/")
MADE_ONCE = (*HTML, "/openapi.json", "/graphql/schema")
REQUESTS = [
    *(("GET", path) for path in ("/health", "/ready", "/flow-runs", "/task-runs", "/task-runs/aggregate", *MADE_ONCE)),
    *(("GET", path) for path in ("/nowhere", f"/flow-runs/{NOBODY}", "/task-runs?limit=0", "/%ff")),
    *(("POST", path) for path in ("/flow-runs", "/graphql", "/", f"/task-runs/{NOBODY}/states", "/health")),
    *(("HEAD", "/task-runs"), ("OPTIONS", "/task-runs"), ("DELETE", f"/flow-runs/{NOBODY}"), ("BREW", "/docs")),
]


def policy_of(response: httpx.Response) -> dict[str, str]:
    """The rules of a Content-Security-Policy by their names."""
    rules = (rule.strip().partition(" ") for rule in response.headers["content-security-policy"].split(";"))
    return {name: sources for name, _, sources in rules}


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_browsers_do_not_guess_keep_frame_or_pass_on(service: Served, method: str, path: str) -> None:
    with service.client(headers={"Accept": "text/html"}) as http:
        response = http.request(method, path)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert response.headers.get_list("cache-control") == [
        "no-cache" if path in MADE_ONCE and method == "GET" else "no-store"
    ]
    if response.headers.get("content-type") == "application/json":
        return  # which browsers show as text
    assert response.headers["referrer-policy"] == "no-referrer"
    assert len(response.headers.get_list("content-security-policy")) == 1
    policy = policy_of(response)
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert "unsafe" not in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_only_what_a_page_holds_runs_on_it(service: Served, path: str) -> None:
    with service.client(headers={"Accept": "text/html"}) as http:
        response = http.get(path)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = policy_of(response)
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        contents = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", response.text, re.DOTALL)
        digests = [b64encode(sha256(content.encode()).digest()).decode() for content in contents if content]
        # A page has all of its scripts and styles in itself, or all of them in files of the service.
        assert policy[rule] == (" ".join(f"'sha256-{digest}'" for digest in digests) or "'self'")
    assert all(address.startswith("/") for address in re.findall(r'(?:src|href)="([^"]+)"', response.text))
    assert (policy["base-uri"], policy["form-action"]) == ("'none'", "'none'")
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")
    # What a policy without `unsafe-inline` would stop.
    assert not re.search(r"<[^>]+\s(?:style|on\w+)=|javascript:", response.text.partition("<script>")[0])


def test_explorer_keeps_the_key_in_its_page_alone(service: Served) -> None:
    with service.client(headers={"Accept": "text/html"}) as http:
        page = http.get("/graphql").text
    assert 'id="key"' in page
    assert re.findall(r"(?:local|session)Storage\.\w+\(\"(\w+)\"", page) == ["query", "query"]
    assert "cookie" not in page


@pytest.mark.parametrize("path", MADE_ONCE)
def test_what_is_made_once_is_asked_for_again_without_its_body(service: Served, path: str) -> None:
    with service.client(headers={"Accept": "text/html"}) as http:
        whole = http.get(path)
        again = http.get(path, headers={"If-None-Match": whole.headers["etag"]})
        other = http.get(path, headers={"If-None-Match": '"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert (other.status_code, other.content) == (200, whole.content)
    # A browser takes those of the second answer for the page that it has.
    for name in ("etag", "cache-control", "vary", *(("content-security-policy",) if path in HTML else ())):
        assert again.headers.get(name) == whole.headers.get(name)


def test_lists_are_not_kept_by_browsers_and_answer_those_who_keep_them(service: Served) -> None:
    with service.client() as http:
        path = f"/flow-runs/{http.post('/flow-runs', json={'flow_name': 'f'}).json()['id']}"
        for resource in (path, f"{path}/task-runs"):
            whole = http.get(resource)
            again = http.get(resource, headers={"If-None-Match": whole.headers["etag"]})
            assert (again.status_code, again.headers["cache-control"]) == (304, "no-store")
