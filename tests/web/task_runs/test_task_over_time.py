"""The page of a task over time: its ranges, its charts, and the same numbers as a table."""

import pytest
from playwright.sync_api import expect

from tests.web.accessibility import TWO_LOOKS, problems
from tests.web.conftest import OpenPage
from tests.web.task_runs import data
from tests.web.task_runs.conftest import FLOW, TaskRuns

TALL = 10_000
"""A screen with room for all rows of all tables: others are not in the page."""


def page_of(task_runs: TaskRuns, query: str = "") -> str:
    """The address of the page of `load-1`."""
    return f"{task_runs.url}/ui/tasks/{FLOW}/load-1{query}"


@pytest.mark.parametrize(
    "query",
    [
        *("", "?from=30d", "?from=2021-01-01T00:00:00Z"),
        *("?from=2019-01-01T00:00:00Z&to=2019-02-01T00:00:00Z", "?from=2019-01-01T00:00:00Z&to=2019-01-01T00:15:00Z"),
    ],
)
def test_page_is_accessible_and_fits(task_runs: TaskRuns, open_page: OpenPage, query: str) -> None:
    page = open_page(page_of(task_runs, query))
    expect(page.locator(".chart" if "2019" not in query else ".empty").first).to_be_visible()
    assert problems(page, TWO_LOOKS) == []


def test_numbers_are_a_table_and_charts_are_small(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(page_of(task_runs), height=TALL)
    expect(page.locator(".key-figures")).to_contain_text("41")
    rows = page.get_by_role("table", name="Over time").locator("tbody tr[data-row]")
    expect(rows.first).to_be_visible()
    assert sum(int(text) for text in rows.locator("td:nth-child(2)").all_inner_texts()) == 41
    assert page.locator(".chart rect, .chart path").count() < 1000
    expect(page.get_by_role("table", name="Slowest").locator("tbody tr[data-row]")).to_have_count(20)
    expect(page.locator(".failures-of-task tbody tr")).to_have_count(2)
    expect(page.locator(".failures-of-task")).to_contain_text("Row # has no share.")


def test_range_and_steps_are_in_the_address(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(page_of(task_runs))
    page.get_by_role("button", name="24 hours").click()
    expect(page.get_by_label("in steps of")).to_have_value("PT15M")
    assert page.url.endswith("?from=24h")
    page.get_by_label("in steps of").select_option("PT1H")
    page.reload()
    expect(page.get_by_role("button", name="24 hours")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("in steps of")).to_have_value("PT1H")


def test_stretch_of_a_chart_opens_by_the_keyboard(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(page_of(task_runs), height=TALL)
    row = page.get_by_role("table", name="Over time").locator("tbody tr[data-row]").first
    row.get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".range .chip[aria-pressed=true]")).to_contain_text(" to ")
    expect(page.locator(".chart")).to_have_count(2)
    page.go_back()
    expect(page.get_by_role("button", name="7 days")).to_have_attribute("aria-pressed", "true")


def test_time_without_task_runs_leads_to_the_last(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(page_of(task_runs, "?from=2019-01-01T00:00:00Z&to=2019-02-01T00:00:00Z"))
    expect(page.get_by_text("No task run started in this time.")).to_be_visible()
    page.get_by_role("link", name="show the day before that").click()
    expect(page.locator(".chart")).to_have_count(2)


def test_task_of_any_name_has_a_page(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.attack, data.SCRIPT[:200]))
    page.get_by_role("link", name="over time").click()
    expect(page.locator(".chart")).to_have_count(2)
    assert page.locator("main img, main script").count() == 0
    expect(page.get_by_role("heading", level=1)).to_have_text(data.SCRIPT[:200])
