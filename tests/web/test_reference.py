"""The API reference in a browser: what it shows of the document, what its search finds, requests that it sends."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

from tests.service import Served, call_command, served
from tests.web.accessibility import ALL_LOOKS, Theme, problems
from tests.web.conftest import WAIT_MILLISECONDS, Observed, OpenPage

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "service" / "taskruns_service" / "web" / "docs"
OPENAPI: dict[str, Any] = json.loads((ROOT / "openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: operation["tags"][0].replace(" ", "_")
    for methods in OPENAPI["paths"].values()
    for operation in methods.values()
}
STATES = OPENAPI["components"]["schemas"]["StateType"]["enum"]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that needs keys, behind a proxy that adds a prefix."""
    folder = tmp_path_factory.mktemp("locked")
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder, require_keys="true", root_path="/on/call") as service:
        yield service


@pytest.fixture(scope="module")
def key(locked: Served) -> str:
    """A key of that service, which may read."""
    done = call_command(
        "keys", "create", "--name", "page", "--scope", "read", TASKRUNS_DATABASE_URL=locked.database_url
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


@pytest.fixture(scope="module")
def reference(locked: Served, chromium: Browser) -> Iterator[Page]:
    """The reference with its operations, for all tests that only look at it: it takes seconds to load."""
    page, observed = chromium.new_page(), Observed()
    observed.watch(page)
    page.set_default_timeout(WAIT_MILLISECONDS)
    page.goto(f"{locked.url}/on/call/docs")
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    yield page
    page.close()
    assert observed.problems == []


@pytest.fixture
def own_reference(locked: Served, open_page: OpenPage) -> Page:
    """The reference with its operations, for one test."""
    page = open_page(f"{locked.url}/on/call/docs")
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    return page


def operation(page: Page, operation_id: str) -> Locator:
    """Opens an operation."""
    block = page.locator(f"#operations-{OPERATIONS[operation_id]}-{operation_id}")
    block.locator("button.opblock-summary-control").click()
    block.locator(".responses-wrapper").wait_for()
    return block


def authorize(page: Page, key: str) -> None:
    """Gives the reference a key."""
    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".dialog-ux")
    dialog.get_by_role("textbox").fill(key)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").last.click()


def execute(block: Locator) -> Locator:
    """Sends the request of an operation, and returns the block of its response."""
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response").first


def test_every_operation_is_there(reference: Page) -> None:
    for operation_id, tag in OPERATIONS.items():
        expect(reference.locator(f"#operations-{tag}-{operation_id}")).to_be_visible()


def test_parameters_have_their_types_values_defaults_and_bounds(reference: Page) -> None:
    block = operation(reference, "list_task_runs")
    state = block.locator('tr[data-param-name="state"]')
    expect(state).to_contain_text(f"Available values : {', '.join(STATES)}")
    expect(state).to_contain_text("array<string>")
    limit = block.locator('tr[data-param-name="limit"]')
    expect(limit).to_contain_text("integer")
    expect(limit).to_contain_text("Default value : 100")
    expect(limit).to_contain_text("maximum: 1000")


def test_bodies_and_responses_have_their_members(reference: Page) -> None:
    block = operation(reference, "create_flow_run")
    body = block.locator(".opblock-section-request-body")
    for name, schema in OPENAPI["components"]["schemas"]["FlowRunCreate"]["properties"].items():
        expect(body.get_by_text(name, exact=True).first).to_be_visible()
        expect(body).to_contain_text(schema["description"].replace("`", ""))
    created = block.locator('.responses-wrapper tr[data-code="201"]')
    for name in ("state_timestamp", "task_run_counts"):
        expect(created.get_by_text(name, exact=True).first).to_be_visible()


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("list_flow_run_states", {"list_flow_run_states"}),
        ("DELETE flow run", {"delete_flow_run"}),
        ("/attempts", {"get_task_run_attempts"}),
        ("group_by", {"aggregate_task_runs", "aggregate_flow_runs"}),
    ],
)
def test_search_finds_operations(reference: Page, phrase: str, expected: set[str]) -> None:
    search = reference.get_by_role("searchbox", name="Search operations")
    search.fill(phrase)
    expect(reference.locator(".opblock")).to_have_count(len(expected))
    for operation_id in expected:
        expect(reference.locator(f"#operations-{OPERATIONS[operation_id]}-{operation_id}")).to_be_visible()
    search.fill("")
    expect(reference.locator(".opblock")).to_have_count(len(OPERATIONS))


def test_requests_are_sent_with_the_key(own_reference: Page, observed: Observed, locked: Served, key: str) -> None:
    observed.allow("401")
    block = operation(own_reference, "list_task_runs")
    refused = execute(block)
    expect(refused).to_contain_text("unauthenticated")
    authorize(own_reference, key)
    with own_reference.expect_response("**/task-runs*") as answered:
        block.get_by_role("button", name="Execute").click()
    # Only defaults are sent: the examples of the filters are shown, and would exclude each other.
    assert answered.value.url == f"{locked.url}/on/call/task-runs?sort=-created&limit=100"
    assert answered.value.request.headers["authorization"] == f"Bearer {key}"
    expect(refused).to_contain_text('"next_cursor": null')
    assert own_reference.evaluate("[document.cookie, sessionStorage.length, localStorage.length]") == ["", 0, 0]


def test_streams_cannot_be_tried(reference: Page) -> None:
    block = operation(reference, "watch_flow_runs")
    expect(block.get_by_role("button", name="Try it out")).to_have_count(0)


def test_operation_has_an_address(own_reference: Page, observed: Observed) -> None:
    # Swagger UI takes the underscore of every operation for one of its former addresses.
    observed.allow("escaping deep link whitespace")
    operation(own_reference, "get_readiness")
    assert urlsplit(own_reference.url).fragment == "/service/get_readiness"
    own_reference.reload()
    expect(own_reference.locator("#operations-service-get_readiness .responses-wrapper")).to_be_visible()


def test_everybody_can_read_it(own_reference: Page) -> None:
    operation(own_reference, "create_flow_run")
    backgrounds: dict[Theme, str] = {}
    for theme, width in ALL_LOOKS:
        assert problems(own_reference, [(theme, width)]) == []
        backgrounds[theme] = own_reference.evaluate("getComputedStyle(document.body).backgroundColor")
    assert backgrounds["light"] == "rgb(255, 255, 255)" != backgrounds["dark"]


def test_files_never_change_at_their_address(locked: Served) -> None:
    with locked.client() as http:
        page = http.get("/docs")
        addresses = re.findall(r'(?:src|href)="([^"]*/docs/assets/[^"]+)"', page.text)
        assert {Path(address).name for address in addresses} >= {
            "swagger-ui-bundle.js",
            "swagger-ui.css",
            "reference.js",
        }
        for address in addresses:
            content = (FOLDER / address.split("/", 6)[6]).read_bytes()
            for encoding in ("identity", "gzip", "gzip"):
                answer = http.get(address, headers={"Accept-Encoding": encoding})
                assert answer.content == content
                assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
                assert answer.headers.get("content-encoding", "identity") == encoding
        other = http.get(re.sub("assets/[0-9a-f]{18}", "assets/" + "0" * 18, addresses[0]))
        assert (other.status_code, other.json()["code"]) == (404, "not-found")


def test_vendored_files_have_their_digests() -> None:
    vendored = {path.name: sha256(path.read_bytes()).hexdigest() for path in (FOLDER / "vendor").iterdir()}
    lines = (FOLDER / "vendor" / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert vendored == {**sums, "SHA256SUMS": vendored["SHA256SUMS"]}
    assert (FOLDER / "vendor" / "LICENSES").read_text().startswith("swagger-ui-dist 5.")


def test_theme_is_that_of_the_pages(own_reference: Page) -> None:
    own_reference.evaluate("localStorage.setItem('taskruns.theme', 'dark')")
    own_reference.reload()
    expect(own_reference.locator("html.dark-mode")).to_have_count(1)


def test_nothing_comes_from_elsewhere(locked: Served, open_page: OpenPage, context: BrowserContext) -> None:
    addresses: set[str] = set()

    def note(request: Request) -> None:
        parts = urlsplit(request.url)
        addresses.add(f"{parts.scheme}://{parts.netloc}")

    context.on("request", note)
    page = open_page(f"{locked.url}/on/call/docs")
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    operation(page, "report_task_runs")
    # Pictures of Swagger UI's style sheet are in it.
    assert addresses <= {locked.url, "data://"}
