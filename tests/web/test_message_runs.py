"""All task runs of a group of failures: a button shows them, the address has them, and they are those of the group."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.service import Served
from tests.web.accessibility import problems
from tests.web.conftest import OpenPage
from tests.web.large_map import record_large_map
from tests.web.task_runs import data


def failed(slug: str, *messages: str | None) -> list[dict[str, Any]]:
    """Reports of children that failed with these messages a minute ago."""
    end = datetime.now(UTC) - timedelta(minutes=1)
    states = [
        [data.state("Running", end - timedelta(seconds=9)), data.state("Failed", end, message=message)]
        for message in messages
    ]
    return [{"task_slug": slug, "map_index": index, "states": states[index]} for index in range(len(messages))]


def rows(page: Page) -> Locator:
    """The task runs of the group that is open."""
    return page.get_by_role("table", name=re.compile("^Task runs with this message")).locator("tbody tr[data-row]")


@pytest.mark.parametrize("path", ["", "/tasks/transform-1"])
def test_all_task_runs_of_a_message_are_listed(service: Served, open_page: OpenPage, path: str) -> None:
    with service.client() as http:
        flow_run_id = record_large_map(http, 500)
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}{path}")
    page.get_by_role("button", name="Show all 19").click()
    expect(rows(page)).to_have_count(19)
    expect(rows(page).first).to_contain_text(re.compile(r"ValueError: row \d+ has no share"))
    page.reload()
    expect(rows(page)).to_have_count(19)
    page.get_by_role("button", name="Hide all 19").click()
    expect(rows(page)).to_have_count(0)
    page.wait_for_url(re.compile(r"/flow-runs/[^?]*$"))
    page.get_by_role("button", name="Show all 100").click()
    table = page.get_by_role("table", name="Task runs with this message: TimeoutError")
    expect(table).to_have_attribute("aria-rowcount", "101")
    assert problems(page) == []
    table.get_by_role("link").first.click()
    page.wait_for_url("**/tasks/transform-1/*")
    expect(page.locator(".reason")).to_contain_text("TimeoutError: no answer from 10.0.0.")


def test_groups_without_a_message_and_with_an_odd_one_have_their_task_runs(
    service: Served, open_page: OpenPage
) -> None:
    messages = [*[None] * 4, *[" \n"] * 5, *[f"a&b=#{number}+%" for number in range(6)], *["</p>\u202e"] * 7]
    with service.client() as http:
        flow_run_id = data.record(http, "etl", failed("inc-1", *messages)).flow_run_id
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
    for count in (4, 5, 6, 7):
        page.get_by_role("button", name=f"Show all {count}").click()
        expect(rows(page)).to_have_count(count)
        page.reload()
        expect(rows(page)).to_have_count(count)


def test_groups_of_now_and_of_a_task_have_their_task_runs(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        for flow_name, count in (("etl", 5), ("nightly", 6)):
            data.record(http, flow_name, failed("inc-1", *["No share."] * count))
    page = open_page(f"{service.url}/ui/")
    page.get_by_role("button", name="Show all 5").click()
    expect(rows(page)).to_have_count(5)
    assert problems(page) == []
    page = open_page(f"{service.url}/ui/tasks/nightly/inc-1")
    page.get_by_role("button", name="Show all 6").click()
    expect(rows(page)).to_have_count(6)
    assert problems(page) == []
