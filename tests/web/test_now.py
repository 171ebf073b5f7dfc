"""Now: its figures are those of the lists that they lead to, its failures are legible, and keys reach all its rows."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.client.cli.world import World
from tests.service import Served
from tests.web.accessibility import violations
from tests.web.conftest import OpenPage
from tests.web.large_map import record_large_map
from tests.web.task_runs import data

RESULT = {"type": "PrefectResult", "location": "1"}


def test_figure_is_that_of_the_list_it_leads_to(service: Served, open_page: OpenPage) -> None:
    now = datetime.now(UTC)
    with service.client() as http:
        for hours in (1, 48):
            flow_run = data.record(http, "etl", [])
            data.report_state(http, flow_run.flow_run_id, "Failed", now - timedelta(hours=hours))
    page = open_page(f"{service.url}/ui/")
    figure = page.locator(".glance .bad")
    expect(figure).to_contain_text("Flow runs failed in 24 hours")
    expect(figure.get_by_role("link")).to_have_text("1")
    figure.get_by_role("link").click()
    page.wait_for_url("**/flow-runs?group=failed&ended=24h")
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)
    expect(page.get_by_label("Ended in")).to_have_value("24h")


def test_rows_of_all_tables_are_reached_by_keys(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/")
    running = page.get_by_role("table", name="Running flow runs")
    oldest = page.get_by_role("table", name="Task runs that have run for longest")
    for table in (running, oldest):
        table.locator("[data-row]").first.wait_for()
    count = running.locator("tr[data-row]").count()
    for _ in range(count + 1):
        page.keyboard.press("j")
    expect(oldest.locator("[data-row='0'] th a")).to_be_focused()
    page.keyboard.press("k")
    expect(running.locator(f"[data-row='{count - 1}'] th a")).to_be_focused()


@pytest.mark.parametrize("width", [1440, 360])
def test_failures_are_accessible_and_say_since_when(service: Served, open_page: OpenPage, width: int) -> None:
    now = datetime.now(UTC)
    with service.client() as http:
        for flow_name in ("etl", "nightly"):
            data.record_failed(http, flow_name, now - timedelta(hours=1), RESULT)
        flow_run_id = record_large_map(http, 500)
    page = open_page(f"{service.url}/ui/", width=width)
    failures = page.locator(".failures-list > li")
    expect(failures).to_have_count(2)
    expect(failures.first).to_contain_text("first at")
    if width == 1440:  # They started a day before they failed, and each is a bar of the hour in which it failed.
        expect(failures.first.locator(".spark .some")).to_have_count(1)
        expect(failures.first.locator(".spark rect").first).not_to_have_class("some")
    assert violations(page) == []
    for path in (f"/flow-runs/{flow_run_id}", f"/flow-runs/{flow_run_id}/tasks/transform-1"):
        page = open_page(f"{service.url}/ui{path}", width=width)
        page.get_by_role("link", name="transform-1[").first.wait_for()
        assert violations(page) == []
