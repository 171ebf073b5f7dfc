"""Pages of what is as large as the service takes it: messages, tracebacks, and many tasks."""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.service import Served
from tests.web.accessibility import TWO_LOOKS, problems
from tests.web.conftest import OpenPage
from tests.web.task_runs import data

LINE = "0123456789abcdef" * 4
MESSAGE = "\n".join([LINE] * 1000)
"""As long as messages may be, but for a few characters."""
TRACEBACK = "\n".join([LINE] * 14_000)
"""As long as the details of a state may be."""


def test_messages_and_tracebacks_of_any_length_have_a_room_of_their_own(service: Served, open_page: OpenPage) -> None:
    end = datetime.now(UTC) - timedelta(minutes=1)
    failed = data.state("Failed", end, message=MESSAGE, details={"traceback": TRACEBACK})
    with service.client() as http:
        recorded = data.record(http, "etl", [{"task_slug": "load-1", "states": [failed]}])
        data.report_state(http, recorded.flow_run_id, "Failed", end, message=MESSAGE)
    page = open_page(f"{service.url}/ui/flow-runs/{recorded.flow_run_id}/tasks/load-1/-1")
    traceback = page.get_by_role("region", name="Traceback", exact=True)
    expect(traceback).to_contain_text(LINE)
    assert len(traceback.text_content() or "") == len(TRACEBACK)
    assert problems(page, TWO_LOOKS) == []
    assert page.evaluate("document.documentElement.scrollHeight") < 8000
    assert len(page.title()) < 200
    page = open_page(f"{service.url}/ui/flow-runs/{recorded.flow_run_id}")
    expect(page.locator(".run-message")).to_contain_text(LINE)
    expect(page.locator(".failure-groups li")).to_have_count(1)
    assert problems(page, TWO_LOOKS) == []
    assert page.evaluate("document.documentElement.scrollHeight") < 8000


def test_flow_run_of_2000_tasks_has_few_elements(service: Served, open_page: OpenPage) -> None:
    begin = datetime.now(UTC) - timedelta(hours=1)
    task_runs = [
        {
            "task_slug": f"step-{number}",
            "states": [
                data.state("Running", begin + timedelta(seconds=number)),
                data.state("Success", begin + timedelta(seconds=number + 3)),
            ],
        }
        for number in range(2000)
    ]
    with service.client() as http:
        recorded = data.record(http, "etl", task_runs)
    page = open_page(f"{service.url}/ui/flow-runs/{recorded.flow_run_id}")
    expect(page.get_by_role("table", name="Tasks")).to_have_attribute("aria-rowcount", "2001")
    timeline = page.get_by_role("table", name="Task runs of the timeline")
    expect(timeline).to_have_attribute("aria-rowcount", "2001")
    assert page.locator("*").count() <= 1500
    page.get_by_role("region", name="Timeline").evaluate("element => { element.scrollTop = element.scrollHeight; }")
    expect(timeline.get_by_role("link", name="step-1999")).to_be_visible()
    assert page.locator("*").count() <= 1500
