"""Addresses that nobody means well with, names that addresses encode, and answers of proxies."""

import pytest
from playwright.sync_api import expect

from tests.service import Served
from tests.web.conftest import Observed, OpenPage
from tests.web.test_live import create, report

NAMES = ["100%", "%2e%2e", "a/b", "a?b#c", ".", "..", "~.", "~", "%2e"]


@pytest.mark.parametrize(
    "path", ["/ui/flow-runs/%E0%A4%A", "/ui/%", "//ui/", "/%75i/", "/ui//evil", f"/ui/{'a' * 10_000}"]
)
def test_address_of_nothing_says_so(service: Served, open_page: OpenPage, path: str) -> None:
    page = open_page(f"{service.url}{path}")
    expect(page.locator("h1")).to_have_text("There is no such page")


def test_names_are_in_addresses_as_they_are(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        flow_run_id = create(http, "names")
        for name in NAMES:
            report(http, flow_run_id, name, "Running", "Failed")
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
    heading = page.get_by_role("heading", level=1)
    for name in NAMES:
        page.get_by_role("table", name="Tasks").get_by_role("link", name=name, exact=True).click()
        expect(heading).to_have_text(name)
        page.reload()
        expect(heading).to_have_text(name)
        page.get_by_role("link", name=f"{name} over time", exact=True).click()
        page.wait_for_url(f"{service.url}/ui/tasks/etl/*")
        expect(heading).to_have_text(name)
        page.goto(f"{service.url}/ui/flow-runs/{flow_run_id}")


@pytest.mark.parametrize("time", ["-271821-04-20T00:00:00Z", "%2B275760-09-13T00:00:00Z", "-1e999"])
def test_times_of_no_calendar_do_not_make_a_page_fail(
    service: Served, open_page: OpenPage, observed: Observed, time: str
) -> None:
    observed.allow("400")
    page = open_page(f"{service.url}/ui/tasks/etl/a?from={time}&to={time}&bucket=0")
    expect(page.locator("h1")).to_have_text("a")


def test_curl_gets_an_address_that_stays_one_word(service: Served, open_page: OpenPage, observed: Observed) -> None:
    observed.allow("400", "404")
    page = open_page(f"{service.url}/ui/flow-runs?name=it's")
    page.get_by_text("as curl").first.click()
    expect(page.get_by_text("curl 'http").first).to_contain_text("name_contains=it%27s")
    page = open_page(f"{service.url}/ui/flow-runs/x'y")
    commands = page.locator(".source code").all_text_contents()
    assert all(command.count("'") == 2 for command in commands if command.startswith("curl"))


def test_page_that_failed_does_not_take_the_next_one_with_it(
    service: Served, open_page: OpenPage, observed: Observed
) -> None:
    observed.allow("console: ")
    page = open_page(f"{service.url}/ui/nowhere")
    page.route("**/flow-runs?*", lambda route: route.fulfill(json={"items": [None], "next_cursor": None}))
    page.get_by_role("link", name="Flow runs").click()
    expect(page.locator("h1")).to_have_text("This page failed")
    page.unroute("**/flow-runs?*")
    page.evaluate("history.pushState(null, '', '?state=Failed'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.locator("h1")).to_have_text("Flow runs")


def test_proxy_that_answers_for_a_service_is_not_the_service(
    service: Served, open_page: OpenPage, observed: Observed
) -> None:
    observed.allow("502")
    with service.client() as http:
        create(http, "busy")
    page = open_page(f"{service.url}/ui/nowhere")
    for part in ("flow-runs?*", "flow-runs/aggregate?*", "events?*", "health"):
        page.route(f"**/{part}", lambda route: route.fulfill(status=502, content_type="text/html", body="Bad gateway"))
    page.get_by_role("link", name="Flow runs").click()
    expect(page.locator(".badge")).to_contain_text("no connection since")
    page.unroute_all()
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)
    expect(page.locator(".badge")).to_have_text("live")
