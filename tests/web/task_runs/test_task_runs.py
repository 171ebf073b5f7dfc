"""The page of a task run: why it failed, its attempts, its result, and its address before it exists."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.service import Served
from tests.web.accessibility import TWO_LOOKS, problems, violations
from tests.web.conftest import Observed, OpenPage
from tests.web.task_runs import data
from tests.web.task_runs.conftest import TaskRuns, report

SLUGS = [
    ("failed", "load-1", -1), ("failed", "extract-1", -1), ("failed", "inc-1", -1), ("failed", "inc-1", 1),
    ("running", "wait-1", -1), ("running", "later-1", -1), ("attack", data.SCRIPT[:200], -1),
    ("attack", "stored-1", -1), ("attack", "own-1", -1), ("attack", "value-1", -1),
]  # fmt: skip


def settle(page: Page) -> None:
    """Waits until a page has all that it asks for."""
    page.wait_for_load_state("load")
    expect(page.locator("main .state").first).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)


@pytest.mark.parametrize("place", SLUGS, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(SLUGS)])
def test_page_is_accessible_and_fits(task_runs: TaskRuns, open_page: OpenPage, place: tuple[str, str, int]) -> None:
    name, task_slug, map_index = place
    page = open_page(task_runs.page_of(getattr(task_runs, name), task_slug, map_index))
    settle(page)
    assert problems(page, TWO_LOOKS) == []


def test_why_it_failed_comes_first(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "load-1"))
    expect(page.get_by_role("region", name="Message", exact=True)).to_have_text(data.MESSAGE)
    expect(page.get_by_role("region", name="Traceback", exact=True)).to_have_text(data.TRACEBACK)
    assert page.title().startswith("Failed · load-1 · etl-failed")
    assert (
        page.get_by_role("region", name="Message").evaluate("(pre) => getComputedStyle(pre).whiteSpace") == "pre-wrap"
    )


def test_attempts_and_late_states_are_rows(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "load-1"))
    attempts = page.locator(".attempts tbody tr")
    expect(attempts).to_have_count(4)
    expect(attempts.nth(3)).to_contain_text("1 d 01 h")
    expect(attempts.nth(3).locator(".wait.folded")).to_have_count(1)
    widths = attempts.locator(".run").evaluate_all("(bars) => bars.map((bar) => bar.getBoundingClientRect().width)")
    assert all(width >= 2 for width in widths)
    expect(page.locator(".state-history tbody tr.late")).to_have_count(1)
    expect(page.locator(".state-history tbody tr.late")).to_contain_text("It came late.")


def test_attempts_fit_the_narrowest_window(service: Served, open_page: OpenPage) -> None:
    end = datetime.now(UTC)
    types = ("Running", "Retrying", "Running", "ValidationFailed")
    moments = (end - timedelta(days=13, hours=23), end - timedelta(days=9), end - timedelta(hours=23), end)
    states = [data.state(type_, moment) for type_, moment in zip(types, moments, strict=True)]
    with service.client() as http:
        recorded = data.record(http, "etl", [{"task_slug": "load-1", "states": states}])
    page = open_page(f"{service.url}/ui/flow-runs/{recorded.flow_run_id}/tasks/load-1/-1", width=320)
    attempts = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="2", exact=True))
    expect(attempts).to_contain_text("Validation failed")
    expect(attempts.get_by_role("cell").last).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_lines_of_python_load_the_result(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "extract-1"))
    expect(page.get_by_text("LocalResult")).to_be_visible()
    expect(page.locator("[data-kind=uri]")).to_have_text(f"file://{task_runs.folder}/rows.json")
    code = page.get_by_role("region", name="Python that loads the result").inner_text()
    done = subprocess.run([sys.executable, "-c", code + "\nprint(result)"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[1, 2, 3]\n", "")


def test_pickles_come_with_a_warning(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.attack, "stored-1"))
    expect(page.get_by_text("It is a pickle, which runs code")).to_be_visible()
    code = page.get_by_role("region", name="Python that loads the result")
    expect(code).to_contain_text('# pip install "taskruns[s3]"')
    assert "trust" not in code.inner_text()


def test_neighbours_are_links_and_keys(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "inc-1", 1))
    beside = page.get_by_role("table", name="Beside it")
    for name in ("inc-1", "inc-1[0]", "inc-1[2]"):
        expect(beside.get_by_role("link", name=name, exact=True)).to_be_visible()
    page.keyboard.press("]")
    expect(page.get_by_role("heading", level=1)).to_have_text("inc-1[2]")
    expect(page.get_by_role("table", name="Beside it").get_by_role("link", name="inc-1[1]")).to_be_visible()
    page.keyboard.press("[")
    expect(page.get_by_role("heading", level=1)).to_have_text("inc-1[1]")
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/ui/flow-runs/{task_runs.failed.flow_run_id}")


def test_earlier_runs_of_the_task_are_listed(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "load-1"))
    expect(page.get_by_role("table", name="In earlier flow runs").locator("tbody tr")).to_have_count(10)


def test_texts_of_others_are_never_markup(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.attack, data.SCRIPT[:200]))
    settle(page)
    expect(page.locator(".artifacts li")).to_have_count(4)
    assert page.locator("main img, main script, main iframe").count() == 0
    assert page.title().startswith("Failed · <img")
    hrefs = page.locator(".artifacts a").evaluate_all("(links) => links.map((link) => link.href)")
    assert hrefs == ["https://example.com/report?x=%3Cb%3E"]
    assert page.locator(".artifacts a").get_attribute("rel") == "noopener noreferrer external"
    shown = page.locator("main").inner_text()
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u0007\u001b]", shown)
    assert r"\u202e" in shown


def test_only_addresses_of_the_web_become_links(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.failed, "extract-1"))
    script = """async (links) => {
        const main = document.querySelector("script[src$='/main.js']").src;
        const { webAddress } = await import(main.replace("main.js", "neighbours.js"));
        return links.map((link) => [link, webAddress(link)]);
    }"""
    address = "http://example.com/a"
    texts = ["javascript:alert(1)", " java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "//x", "x"]
    others: list[object] = [*texts, None, 5]
    assert page.evaluate(script, [address, *others]) == [[address, address], *([link, None] for link in others)]


def test_address_works_before_the_task_run_exists(service: Served, open_page: OpenPage) -> None:
    now = datetime.now(UTC)
    with service.client() as client:
        recorded = data.record_running(client, "nightly", now)
    page = open_page(f"{service.url}/ui/flow-runs/{recorded.flow_run_id}/tasks/after-1/-1")
    expect(page.get_by_text("It has not started yet")).to_be_visible()
    assert violations(page) == []
    expect(page.locator(".badge")).to_have_text("live")
    report(service.url, recorded.flow_run_id, "after-1", data.state("Running", now))
    expect(page.locator(".reason .state")).to_have_text("Running")
    report(
        service.url, recorded.flow_run_id, "after-1", data.state("Success", datetime.now(UTC), message="Read 5 rows.")
    )
    expect(page.locator(".reason .state")).to_have_text("Success")
    expect(page.get_by_role("region", name="Message")).to_have_text("Read 5 rows.")
    expect(page.locator(".state-history tbody tr")).to_have_count(2)


def test_finished_flow_run_says_that_the_task_run_was_not_reported(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(f"{task_runs.url}/ui/flow-runs/{task_runs.failed.flow_run_id}/tasks/load-1/7")
    expect(page.get_by_text("It was not reported")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("load-1[7]")


def test_unknown_task_run_can_be_searched_for(task_runs: TaskRuns, open_page: OpenPage, observed: Observed) -> None:
    observed.allow("404")
    page = open_page(f"{task_runs.url}/ui/task-runs/019064f2-5b11-7e1d-8a50-88978dabb7c1")
    expect(page.get_by_text("There is no task run with this id.")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("019064f2-5b11-7e1d-8a50-88978dabb7c1")


def test_running_task_run_shows_its_heartbeat(task_runs: TaskRuns, open_page: OpenPage) -> None:
    page = open_page(task_runs.page_of(task_runs.running, "wait-1"))
    expect(page.locator(".overview")).to_contain_text("heartbeat")
    page = open_page(task_runs.page_of(task_runs.running, "later-1"))
    expect(page.locator(".reason")).to_contain_text("It is due")
