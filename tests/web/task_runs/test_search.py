"""Search: the dialog, the page, and the box where something is not found."""

import re

from playwright.sync_api import Page, expect

from tests.web.accessibility import violations
from tests.web.conftest import OpenPage
from tests.web.task_runs import data
from tests.web.task_runs.conftest import TaskRuns


def focused(page: Page) -> str:
    """The text of what has the focus."""
    return str(page.evaluate("document.activeElement.innerText"))


def test_dialog_is_used_by_keys_alone(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(f"{task_runs.url}/ui/flow-runs")
    page.keyboard.press("/")
    box = page.get_by_role("dialog", name="Search").get_by_role("searchbox")
    expect(box).to_be_focused()
    page.keyboard.type("etl-f")
    expect(page.locator(".hit")).to_have_count(1)
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    assert focused(page).startswith("etl-failed")
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/flow-runs/{task_runs.failed.flow_run_id}")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    page.get_by_role("button", name="etl-f").click()
    expect(page.locator(".hit")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_enter_does_not_wait_for_the_hits(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(f"{task_runs.url}/ui/search")
    page.keyboard.type(task_runs.failed.task_run_ids["load-1", -1])
    page.keyboard.press("Enter")
    page.wait_for_url(task_runs.page_of(task_runs.failed, "load-1"))


def test_page_keeps_what_is_searched_for_in_the_address(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(f"{task_runs.url}/ui/search")
    page.keyboard.type("load")
    expect(page.get_by_role("link", name=re.compile("^load-1"))).to_have_attribute("href", "/ui/tasks/etl/load-1")
    page.wait_for_url("**/ui/search?q=load")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("load")
    expect(page.get_by_role("link", name=re.compile("^load-1"))).to_be_visible()
    assert violations(page) == []


def test_hits_have_their_kinds_and_states(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(f"{task_runs.url}/ui/search?q=etl")
    for name in ("Flows", "Flow runs"):
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    page.goto(f"{task_runs.url}/ui/search?q={task_runs.failed.flow_run_id}")
    expect(page.locator(".hit .state")).to_have_text("Failed")


def test_names_of_others_are_never_markup(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(f"{task_runs.url}/ui/search?q=%3Cimg")
    expect(page.locator(".hit").first).to_contain_text("<img")
    assert page.locator("main img, main script").count() == 0
    assert page.locator(".hit").first.inner_text().startswith(data.SCRIPT[:20])


def test_nothing_found_and_no_page_are_said(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(f"{task_runs.url}/ui/search?q=nothing-like-it")
    expect(page.get_by_text("Nothing begins with")).to_be_visible()
    assert violations(page) == []
    page = open_page(f"{task_runs.url}/ui/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    page.get_by_role("searchbox").fill("etl-failed")
    page.locator(".hit").first.click()
    page.wait_for_url(f"**/ui/flow-runs/{task_runs.failed.flow_run_id}")
