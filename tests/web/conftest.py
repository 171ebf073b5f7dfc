"""What the tests of the pages share: a real Chromium, and a service with a small world to look at."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests.browser import find_chromium
from tests.client.cli.world import World, serve_world
from tests.service import Served, served
from tests.web.accessibility import Theme

OpenPage = Callable[..., Page]
WAIT_MILLISECONDS = 60_000
expect.set_options(timeout=WAIT_MILLISECONDS)
LAN_HOST = "service.lan"
"""A name of this machine that browsers do not trust as they trust localhost."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Groups the tests that need a browser: one worker starts it, and one world for all of them.

    All are slow but those of what every page has: quick runs open pages too.
    """
    if isinstance(item, pytest.Function) and "chromium" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group("web"))
        if item.path.name != "test_pages.py":
            item.add_marker("slow")


# Not of the session: while Playwright is there, no other test of this worker could run a loop of its own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A browser for all tests of the pages."""
    program = find_chromium()
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", f"--host-resolver-rules=MAP {LAN_HOST} 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with what `taskruns demo` records and with hostile texts, to look at and not to change."""
    folder = tmp_path_factory.mktemp("world")
    with serve_world(folder) as world:
        yield world


@pytest.fixture(scope="package")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that one test after another has for itself: each start of one takes more than a second of CPU."""
    folder = tmp_path_factory.mktemp("shared")
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder, log_level="error") as service:
        yield service


@pytest.fixture
def service(shared_service: Served) -> Served:
    """A service with nothing in it."""
    with shared_service.client() as http:
        while items := http.get("/flow-runs", params={"limit": "1000"}).raise_for_status().json()["items"]:
            for item in items:
                http.delete(f"/flow-runs/{item['id']}").raise_for_status()
    return shared_service


class Observed:
    """What went wrong in the pages of a test: errors on the console, requests that failed, and refused ones."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.allowed: list[str] = []

    def allow(self, *texts: str) -> None:
        """Expects problems with these texts."""
        self.allowed += texts

    def watch(self, page: Page) -> None:
        """Listens to a page from now on."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._note(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        # What a page no longer needs is stopped, as its stream is when it is left.
        if request.failure != "net::ERR_ABORTED":
            self._note(f"failed: {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.status}: {response.url}")

    def _note(self, problem: str) -> None:
        if not any(text in problem for text in self.allowed):
            self.problems.append(problem)


@pytest.fixture
def observed() -> Iterator[Observed]:
    """What goes wrong in the test's pages, which must be nothing."""
    observed = Observed()
    yield observed
    assert observed.problems == []


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser profile of the test's own."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, timezone_id="Europe/Berlin")
    context.set_default_timeout(WAIT_MILLISECONDS)
    yield context
    context.close()


@pytest.fixture
def open_page(context: BrowserContext, observed: Observed) -> OpenPage:
    """Opens a page of a service, and waits for its heading."""

    def open_(url: str, *, theme: Theme = "light", width: int = 1280, height: int = 800) -> Page:
        page = context.new_page()
        observed.watch(page)
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(url)
        page.locator("h1").wait_for()
        return page

    return open_
