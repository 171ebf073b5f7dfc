"""Pages that stay open: they show changes, say how current they are, and go on after the service was away."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.postgres import free_port
from tests.service import Served, served
from tests.waiting import eventually
from tests.web.conftest import LAN_HOST, Observed, OpenPage

AWAY = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE")
"""What browsers say of a service that is away."""


def create(http: httpx.Client, name: str, state: str = "Running") -> str:
    """Creates a flow run; returns its id."""
    flow_run_id: str = http.post("/flow-runs", json={"flow_name": "etl", "name": name}).json()["id"]
    http.post(f"/flow-runs/{flow_run_id}/states", json={"type": state}).raise_for_status()
    return flow_run_id


def report(http: httpx.Client, flow_run_id: str, slug: str, *states: str) -> None:
    """Reports a task run with these states."""
    item = {"task_slug": slug, "states": [{"type": state} for state in states]}
    http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": [item]}).raise_for_status()


def badge(page: Page, text: str | re.Pattern[str]) -> None:
    """Waits until the badge says something."""
    expect(page.locator(".badge")).to_have_text(text)


def names(page: Page) -> list[str]:
    """The names of the flow runs in the table."""
    return [text.split(": ")[1].strip() for text in page.locator("tbody th").all_text_contents()]


def test_rows_change_in_place_and_new_ones_are_announced(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        first = create(http, "first")
        page = open_page(f"{service.url}/ui/flow-runs")
        badge(page, "live")
        report(http, first, "a-1", "Running", "Failed")
        expect(page.get_by_role("img", name="1 Failed")).to_be_visible()
        create(http, "second")
        create(http, "third")
        expect(page.get_by_role("button", name="2 new")).to_be_visible()
        assert names(page) == ["first"]
        page.get_by_role("button", name="2 new").click()
        expect(page.locator("tbody tr[data-row]")).to_have_count(3)
        assert names(page) == ["third", "second", "first"]


def test_now_counts_what_happens(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        flow_run_id = create(http, "busy")
        page = open_page(f"{service.url}/ui/")
        badge(page, "live")
        report(http, flow_run_id, "a-1", "Running")
        expect(page.locator(".glance")).to_contain_text("1 Running")
        report(http, flow_run_id, "b-1", "Running", "Failed")
        expect(page.locator(".glance")).to_contain_text("1 Failed")


def test_paused_changes_wait(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        flow_run_id = create(http, "busy")
        page = open_page(f"{service.url}/ui/flow-runs")
        badge(page, "live")
        page.keyboard.press("p")
        report(http, flow_run_id, "a-1", "Running", "Failed")
        badge(page, re.compile(r"paused · \d+ changes"))
        expect(page.get_by_role("img", name="1 Failed")).to_have_count(0)
        page.keyboard.press("p")
        expect(page.get_by_role("img", name="1 Failed")).to_be_visible()


def test_page_goes_on_after_the_service_was_away(tmp_path: Path, open_page: OpenPage, observed: Observed) -> None:
    observed.allow(*AWAY)
    url, port = f"sqlite:///{tmp_path / 'taskruns.db'}", free_port()
    with served(url, tmp_path, port=port) as service, service.client() as http:
        flow_run_id = create(http, "busy")
        page = open_page(f"{service.url}/ui/flow-runs")
        badge(page, "live")
        service.stop()
        badge(page, re.compile(r"^no connection since \d\d:\d\d:\d\d$"))
        expect(page.get_by_text("The service has not answered since")).to_be_visible()
        assert names(page) == ["busy"]
    with served(url, tmp_path, port=port) as service, service.client() as http:
        report(http, flow_run_id, "a-1", "Running", "Failed")
        badge(page, "live")
        expect(page.get_by_role("img", name="1 Failed")).to_be_visible()
        expect(page.get_by_text("The service has not answered since")).to_have_count(0)


def test_page_that_is_opened_while_the_service_is_away_appears_when_it_is_back(
    tmp_path: Path, open_page: OpenPage, observed: Observed
) -> None:
    observed.allow(*AWAY)
    url, port = f"sqlite:///{tmp_path / 'taskruns.db'}", free_port()
    with served(url, tmp_path, port=port) as service, service.client() as http:
        create(http, "busy")
        page = open_page(f"{service.url}/ui/nowhere")
        service.stop()
    page.get_by_role("link", name="Flow runs").click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    with served(url, tmp_path, port=port):
        expect(page.locator("tbody tr[data-row]")).to_have_count(1)


@pytest.mark.timeout(300)
def test_nothing_is_lost_while_the_browser_is_offline(
    tmp_path: Path, open_page: OpenPage, context: BrowserContext, observed: Observed
) -> None:
    observed.allow(*AWAY, "ERR_INTERNET_DISCONNECTED")
    url, port = f"sqlite:///{tmp_path / 'taskruns.db'}", free_port()
    with served(url, tmp_path, port=port) as service, service.client() as http:
        flow_run_id = create(http, "busy")
        report(http, flow_run_id, "first-1", "Running")
        page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
        badge(page, "live")
        expect(page.locator(".timeline-row")).to_have_count(1)
        # A browser that is offline keeps the connections that it has: the service ends them.
        context.set_offline(True)
        service.stop()
        badge(page, re.compile("^no connection since"))
    with served(url, tmp_path, port=port) as service, service.client() as http:
        for start in range(0, 5000, 1000):
            indexes = range(start, start + 1000)
            items = [{"task_slug": "inc-1", "map_index": index, "states": [{"type": "Failed"}]} for index in indexes]
            http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items}).raise_for_status()
        expect(page.locator(".timeline-row")).to_have_count(1)
        context.set_offline(False)
        badge(page, "live")
        expect(page.get_by_role("button", name="Failed 5,000")).to_be_visible()
        expect(page.locator(".timeline-row.map .row-figures")).to_contain_text("5,000")
        report(http, flow_run_id, "first-1", "Success")
        expect(page.get_by_role("button", name="Success 1")).to_be_visible()


@pytest.mark.timeout(300)
def test_ten_tabs_all_show_changes(service: Served, open_page: OpenPage, context: BrowserContext) -> None:
    with service.client() as http:
        flow_run_id = create(http, "busy")
        pages = [open_page(f"{service.url}/ui/flow-runs") for _ in range(10)]
        for page in pages:
            badge(page, re.compile("^(live|polling)$"))
        eventually(lambda: [page.locator(".badge").inner_text() for page in pages].count("live") == 4)
        report(http, flow_run_id, "a-1", "Running", "Failed")
        for page in pages:
            expect(page.get_by_role("img", name="1 Failed")).to_be_visible()


def test_limit_of_streams_makes_pages_poll(tmp_path: Path, open_page: OpenPage, observed: Observed) -> None:
    observed.allow("503")
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, watchers=0) as service, service.client() as http:
        flow_run_id = create(http, "busy")
        page = open_page(f"{service.url}/ui/flow-runs")
        badge(page, "polling")
        report(http, flow_run_id, "a-1", "Running", "Failed")
        expect(page.get_by_role("img", name="1 Failed")).to_be_visible()


def test_page_works_on_plain_http_in_a_network_and_behind_a_prefix(
    tmp_path: Path, open_page: OpenPage, observed: Observed
) -> None:
    # Browsers that do not trust an origin say that they ignore this header.
    observed.allow("Cross-Origin-Opener-Policy header has been ignored")
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    with (
        served(url, tmp_path, allowed_hosts=LAN_HOST, root_path="/on/call") as service,
        service.client() as http,
    ):
        create(http, "busy")
        address = service.url.replace("127.0.0.1", LAN_HOST)
        page = open_page(f"{address}/on/call/")
        page.wait_for_url(f"{address}/on/call/ui/")
        assert page.evaluate("isSecureContext") is False
        badge(page, "live")
        page.get_by_role("link", name="All flow runs").click()
        page.wait_for_url(f"{address}/on/call/ui/flow-runs")
        badge(page, "live")
        page.keyboard.press("y")
        expect(page.get_by_role("status").get_by_text("Copy it with Ctrl+C.")).to_have_count(1)
