"""The log of a task run: filters in the address, only the lines on the screen in the page, and new lines."""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import Locator, Page, expect

from tests.service import Served
from tests.web.conftest import OpenPage
from tests.web.task_runs import data
from tests.web.task_runs.conftest import LINES, TaskRuns

MAX_NODES = 1500


def lines(page: Page) -> Locator:
    """The lines in the page."""
    return page.locator(".log-line")


def count_of(page: Page) -> Locator:
    """What the log says of the number of its lines."""
    return page.locator(".logs footer .muted").first


def scroll_to_end(page: Page) -> None:
    """Scrolls to the end of what is loaded until everything is."""
    scroller = page.locator(".log-lines")
    while "loaded" in count_of(page).inner_text():
        before = count_of(page).inner_text()
        scroller.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
        expect(count_of(page)).not_to_have_text(before)
    scroller.evaluate("(element) => element.scrollTo(0, element.scrollHeight)")


def test_long_log_is_read_as_it_is_scrolled(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "load-1"))
    expect(lines(page).first).to_contain_text("Read row 0.")
    scroll_to_end(page)
    expect(count_of(page)).to_contain_text(f"{LINES:,} lines")
    expect(lines(page).last).to_contain_text(f"Row {LINES - 1} is odd")
    assert page.evaluate("document.querySelectorAll('*').length") < MAX_NODES
    expect(lines(page).last).to_have_attribute("aria-posinset", str(LINES))
    overlaps = page.evaluate("""() => {
        const boxes = [...document.querySelectorAll(".log-line")].map((line) => line.getBoundingClientRect());
        return boxes.filter((box, index) => index && Math.abs(box.top - boxes[index - 1].bottom) > 1).length;
    }""")
    assert overlaps == 0


def test_filters_are_in_the_address(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "load-1"))
    page.get_by_label("Level").select_option("ERROR")
    expect(count_of(page)).to_contain_text("lines ·" if LINES < 200 else "lines loaded")
    expect(lines(page).first).to_contain_text("Read row 8.")
    page.get_by_label("Find").fill("IS ODD")
    expect(lines(page).first).to_contain_text("Row 449 is odd")
    expect(page.locator("mark").first).to_have_text("is odd")
    page.get_by_role("button", name="Newest first").click()
    expect(lines(page).first).to_contain_text(f"Row {LINES - 301} is odd")
    assert page.url.endswith("?log_level=ERROR&log_text=IS+ODD&log_order=newest")
    page.reload()
    expect(lines(page).first).to_contain_text(f"Row {LINES - 301} is odd")
    expect(page.get_by_role("button", name="Newest first")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Find").fill("nothing like it")
    expect(page.get_by_text("No line matches.")).to_be_visible()


def test_new_lines_come_by_themselves(service: Served, open_page: OpenPage) -> None:
    begin = datetime.now(UTC)
    with service.client() as client:
        recorded = data.record_running(client, "nightly", begin)
        task_run_id = recorded.task_run_ids["wait-1", -1]

        def report(*messages: str) -> None:
            at = datetime.now(UTC)
            reports = [(at + timedelta(microseconds=n), "INFO", text, task_run_id) for n, text in enumerate(messages)]
            data.report_lines(client, recorded.flow_run_id, reports)

        page = open_page(f"{service.url}/ui/task-runs/{task_run_id}")
        expect(page.get_by_text("Nothing was logged.")).to_be_visible()
        expect(page.locator(".badge")).to_have_text("live")
        report("the first", "the second")
        expect(lines(page)).to_have_count(2)
        page.get_by_role("button", name="Newest first").click()
        expect(lines(page).first).to_contain_text("the second")
        report("the third")
        page.get_by_role("button", name="Show 1 new line").click()
        expect(lines(page).first).to_contain_text("the third")
        page.get_by_role("button", name="Follow").click()
        report(*(f"line {number}" for number in range(500)))
        expect(lines(page).first).to_contain_text("line 499")
        page.locator(".log-lines").evaluate("(element) => element.scrollTo(0, 3000)")
        expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
        line = page.locator(".log-line:nth-child(30)").inner_text()
        report("the last")
        expect(page.get_by_role("button", name="Show 1 new line")).to_be_visible()
        assert page.locator(".log-line:nth-child(30)").inner_text() == line


def test_long_line_is_shown_when_it_is_wanted(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.attack, data.SCRIPT[:200]))
    page.get_by_role("button", name="Show all 65,536 characters").click()
    expect(page.locator(".log-line", has_text="y" * 65_536)).to_be_visible()
