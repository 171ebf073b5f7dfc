"""How the pages are served: from memory, at addresses that never change, with a strict policy."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from taskruns_service.web.assets import CONTENT_SECURITY_POLICY, MEDIA_TYPES
from tests.service import served

UI = Path(__file__).parents[2] / "service" / "taskruns_service" / "web" / "ui"
FILES = sorted(path.relative_to(UI).as_posix() for path in UI.rglob("*") if path.suffix in MEDIA_TYPES)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
DEFAULT_ADDRESS = "http://127.0.0.1:4200"
"""The client's own, which the lines of Python that load a result leave out."""
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml", "http://www.w3.org/1998/Math/MathML"}
pytestmark = pytest.mark.xdist_group("assets")


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service."""
    folder = tmp_path_factory.mktemp("assets")
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder) as service, service.client() as http:
        yield http


def address_of(page: str) -> str:
    """The address of the assets that a page names."""
    (address,) = set(re.findall(r'"([^"]*/ui/assets/[0-9a-f]{18})/', page))
    return str(address)


def test_browsers_are_led_to_the_pages_and_others_are_not(http: httpx.Client) -> None:
    led = http.get("/", headers=BROWSER)
    assert (led.status_code, led.headers["location"], led.headers["vary"]) == (303, "/ui/", "Accept")
    assert http.get("/", headers={"Accept": "application/json"}).headers["location"] == "docs"


@pytest.mark.parametrize("path", ["/ui", "/ui/", "/ui/flow-runs/x/tasks/y%2Fz?state=Failed", "/ui/a/b/c/d/e"])
def test_every_path_has_the_same_page(http: httpx.Client, path: str) -> None:
    page = http.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-cache"
    again = http.get(path, headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.headers["content-security-policy"]) == (304, CONTENT_SECURITY_POLICY)


def test_page_names_one_style_sheet_and_no_inline_code(http: httpx.Client) -> None:
    page = http.get("/ui/").text
    assert re.findall(r'<link rel="stylesheet" href="([^"]+)">', page) == [f"{address_of(page)}/styles.css"]
    assert not re.search(r"<script[^>]*>[^<]|<style|\sstyle=|\son\w+=", page)
    styles = http.get(f"{address_of(page)}/styles.css").text
    assert all((UI / path).read_text() in styles for path in FILES if path.endswith(".css"))


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("", "now"),
        ("flow-runs", "flow_runs"),
        ("flow-runs/", "flow_runs"),
        ("flow-runs/x", "flow_run"),
        ("flow-runs/x/tasks/y%20z", "map"),
        ("flow-runs/x/tasks/y/3?state=Failed", "task_run"),
        ("tasks/x/y", "task"),
        ("search", "search"),
        ("nowhere", None),
    ],
)
def test_page_loads_the_modules_that_it_needs_at_once(http: httpx.Client, path: str, page: str | None) -> None:
    index = http.get(f"/ui/{path}").text
    preloaded = re.findall(rf'<link rel="modulepreload" href="{address_of(index)}/([^"]+)">', index)
    assert "vendor/preact.js" in preloaded
    assert len(preloaded) == len(set(preloaded))
    pages = {"now", "flow_runs", "flow_run", "map", "task_run", "task"}
    assert {name.removesuffix(".js") for name in preloaded} & pages == {page} & pages


@pytest.mark.parametrize("path", [path for path in FILES if not path.endswith(".css")])
def test_file_never_changes_at_its_address(http: httpx.Client, path: str) -> None:
    address = address_of(http.get("/ui/").text)
    content = (UI / path).read_bytes()
    for encoding in ("identity", "gzip"):
        answer = http.get(f"{address}/{path}", headers={"Accept-Encoding": encoding})
        assert answer.content == content
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == MEDIA_TYPES[Path(path).suffix]
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers.get("content-encoding", "identity") == encoding


@pytest.mark.parametrize(
    "path",
    ["main.js", "../store.js", "openapi.d.ts", "tsconfig.json", "vendor/SHA256SUMS", "index.html"],
)
def test_other_files_and_other_versions_are_not_there(http: httpx.Client, path: str) -> None:
    address = address_of(http.get("/ui/").text)
    version = "/ui/assets/000000000000000000" if path == "main.js" else address
    answer = http.get(httpx.URL(str(http.base_url), raw_path=f"{version}/{path}".encode()))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_pages_are_not_served_where_they_are_off(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, ui="false") as service, service.client() as http:
        assert [http.get(path).status_code for path in ("/ui", "/ui/", "/ui/flow-runs")] == [404, 404, 404]
        assert http.get("/", headers=BROWSER).headers["location"] == "docs"


def test_prefix_of_a_proxy_is_in_all_addresses_and_may_be_stripped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    with served(url, tmp_path, root_path="/on/call") as service, service.client() as http:
        for prefix in ("", "/on/call"):
            assert http.get(f"{prefix}/", headers=BROWSER).headers["location"] == "/on/call/ui/"
            address = address_of(http.get(f"{prefix}/ui/flow-runs").text)
            assert address.startswith("/on/call/ui/assets/")
            assert http.get(prefix + address.removeprefix("/on/call") + "/main.js").status_code == 200
            created = http.post(f"{prefix}/flow-runs", json={"flow_name": "f"})
            assert created.headers["location"] == f"/on/call/flow-runs/{created.json()['id']}"
        assert http.get("/on/callous/health").status_code == 404


def test_nothing_comes_from_elsewhere() -> None:
    addresses = {match for path in FILES for match in re.findall(r"https?://[^\s\"'`<>)]*", (UI / path).read_text())}
    assert addresses <= {*NAMESPACES, DEFAULT_ADDRESS}
    assert "://" not in (UI / "index.html").read_text()


def test_vendored_files_have_their_digests() -> None:
    folder = UI / "vendor"
    lines = (line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines())
    sums = {name: digest for digest, name in lines}
    files = {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert files == {**sums, "SHA256SUMS": files["SHA256SUMS"]}
    assert {"preact", "htm", "@preact/signals"} <= set(
        re.findall(r"^(\S+) \d", (folder / "LICENSES").read_text(), re.MULTILINE)
    )
