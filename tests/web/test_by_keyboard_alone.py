"""A reader with a keyboard and a screen reader: from what runs to why a task run failed, and what is said of it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.client.cli.world import World
from tests.service import Served
from tests.web.conftest import Observed, OpenPage
from tests.web.test_flow_run import rows, task_rows, wait_for_keys
from tests.web.test_live import AWAY

QUIET_MILLISECONDS = 5000
"""How long the live region keeps what it says; what is said meanwhile waits, and only the last of it is said."""


def said(page: Page) -> Locator:
    """What the live region says."""
    return page.locator("[aria-live=polite]")


def heading(page: Page) -> Locator:
    """The heading of the page."""
    return page.get_by_role("heading", level=1)


def test_failure_is_found_and_left_without_a_pointer(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    wait_for_keys(page)
    page.keyboard.press("/")
    expect(page.get_by_role("dialog").get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("calm")
    expect(page.get_by_role("dialog").get_by_role("link", name=re.compile("calm-heron"))).to_be_visible()
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("calm-heron")
    expect(rows(page)).to_have_count(3)
    wait_for_keys(page)
    page.keyboard.press("n")
    expect(page.locator(".tip")).to_contain_text("inc-1")
    expect(page.locator(".tip").get_by_role("link").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading(page)).to_contain_text("inc-1")
    expect(page.get_by_text("ZeroDivisionError").first).to_be_visible()
    wait_for_keys(page)
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/flow-runs/{world.flow_runs['calm-heron']}*")
    expect(heading(page)).to_have_text("calm-heron")
    wait_for_keys(page)
    page.keyboard.press("Escape")
    page.wait_for_url("**/flow-runs")
    wait_for_keys(page)
    page.keyboard.press("Escape")
    expect(heading(page)).to_have_text("Now")


def test_every_control_of_a_flow_run_is_reached_by_tab(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    expect(rows(page)).to_have_count(3)
    expect(page.locator(".loading")).to_have_count(0)
    controls = page.locator("button:visible:enabled, a[href]:visible, summary:visible, input:visible, select:visible")
    # A table is one stop: the keys go on from row to row, and from there to all that is in a row.
    single = controls.evaluate_all("all => all.filter((one) => one.tabIndex >= 0).length")
    reached = page.evaluate_handle("() => new Set()")
    for _ in range(2 * single):
        page.keyboard.press("Tab")
        reached.evaluate("set => { if (document.activeElement !== document.body) set.add(document.activeElement); }")
    missed = reached.evaluate(
        """set => [...document.querySelectorAll("button, a[href], summary, input, select")]
          .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true }))
          .filter((one) => !set.has(one)).map((one) => one.outerHTML.slice(0, 100))"""
    )
    assert missed == []


def test_keys_say_what_they_did(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    expect(rows(page)).to_have_count(3)
    wait_for_keys(page)
    page.keyboard.press("n")
    expect(said(page)).to_have_text("Failure 1 of 2: inc-1/1")
    page.keyboard.press("p")
    expect(said(page)).to_have_text("Changes are paused.")


def test_live_region_says_one_thing_at_a_time(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/nowhere")
    page.clock.install()
    page.goto(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    expect(task_rows(page)).to_have_count(3)
    wait_for_keys(page)
    # A little later, so that the stream counts as alive.
    page.clock.pause_at((page.evaluate("Date.now()") + QUIET_MILLISECONDS) / 1000)
    page.keyboard.press("f")
    page.clock.run_for(1)
    expect(said(page)).to_have_text("Only failed task runs are shown.")
    for key in "rara":
        page.keyboard.press(key)
        page.clock.run_for(QUIET_MILLISECONDS // 5)
        expect(said(page)).to_have_text("Only failed task runs are shown.")
    page.clock.run_for(QUIET_MILLISECONDS // 5)
    expect(said(page)).to_have_text("All task runs are shown.")


@pytest.mark.timeout(300)
def test_lost_connection_is_said(service: Served, open_page: OpenPage, observed: Observed) -> None:
    observed.allow(*AWAY, "ERR_INTERNET_DISCONNECTED")
    with service.client() as http:
        flow_run_id = http.post("/flow-runs", json={"flow_name": "etl", "name": "calm"}).json()["id"]
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
    expect(page.locator(".badge")).to_have_text("live")
    page.context.set_offline(True)
    page.keyboard.press("[")
    expect(said(page)).to_have_text("The service does not answer.")
    page.context.set_offline(False)
    expect(said(page)).to_have_text("The service answers again.")
