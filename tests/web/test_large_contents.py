"""Pages of what is as large as the service takes it: messages, tracebacks, and many tasks."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

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

NAME = "W" * 255
"""As long as names, slugs, tags and labels may be, in the widest letter and without a place to break."""


def test_names_of_any_length_fit_on_every_page(service: Served, open_page: OpenPage) -> None:
    end = datetime.now(UTC) - timedelta(minutes=1)
    begin = end - timedelta(seconds=30)
    task_slug, other = f"{NAME[:-2]}-1", f"{NAME[:-2]}-2"
    failed = [data.state("Running", begin), data.state("Failed", end, message=NAME * 4)]
    running = [data.state("Running", begin)]
    task_runs: list[dict[str, Any]] = [
        {"task_slug": task_slug, "name": NAME, "tags": [NAME, f"{NAME[:-1]}V"], "states": failed},
        {"task_slug": other, "states": [data.state("Mapped", begin)]},
        {"task_slug": other, "map_index": 0, "states": failed},
        {"task_slug": other, "map_index": 1, "states": running},
    ]
    with service.client() as http:
        members = {"name": NAME, "labels": [NAME, f"{NAME[:-1]}V"], "parameters": {NAME: NAME}}
        recorded = data.record(http, NAME, task_runs, **members)
        data.report_state(http, recorded.flow_run_id, "Running", begin, message=NAME * 4)
        lines = {"items": [{"id": str(uuid4()), "level": "ERROR", "name": NAME, "message": NAME * 4}]}
        http.post(f"/flow-runs/{recorded.flow_run_id}/logs", json=lines).raise_for_status()
    flow_run = f"/flow-runs/{recorded.flow_run_id}"
    paths = [
        *("/", f"/flow-runs?flow={NAME}", flow_run, f"{flow_run}/tasks/{other}", f"{flow_run}/tasks/{task_slug}/-1"),
        *(f"{flow_run}/tasks/{other}/0", f"/tasks/{NAME}/{task_slug}", f"/search?q={NAME}"),
    ]
    found: dict[str, list[str]] = {}
    for path in paths:
        page = open_page(f"{service.url}/ui{path}")
        expect(page.locator("main")).to_contain_text(NAME[:-2])
        wide = page.evaluate(_HIDDEN)
        found[path] = [*problems(page, TWO_LOOKS), *wide, *page.evaluate(_HIDDEN)]
        page.close()
    assert {path: texts for path, texts in found.items() if texts} == {}


_HIDDEN = """() => [...document.querySelectorAll("main *")].filter((element) => {
  const { textOverflow, overflowX } = getComputedStyle(element);
  if (textOverflow !== "ellipsis" || overflowX === "visible") return false;
  if (element.scrollWidth <= element.clientWidth) return false;
  const text = element.textContent.trim();
  if (text.length < 100) return false;
  const named = [element, ...element.querySelectorAll("[title]")];
  for (let above = element.parentElement; above; above = above.parentElement) named.push(above);
  return !named.some(({ title }) => title && title.includes(text.slice(-100)));
}).map((element) => `cut short: ${element.outerHTML.slice(0, 300)}`)"""
"""What is cut short, and has its whole text nowhere."""


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
    task_runs: list[dict[str, Any]] = [
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
