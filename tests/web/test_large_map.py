"""A map of 100,000 children of which 419 failed: each failure is visible, named, and one step away."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tests.postgres import free_port
from tests.service import Served, served
from tests.web import large_map
from tests.web.conftest import Observed, OpenPage
from tests.web.test_live import AWAY, badge

pytestmark = pytest.mark.timeout(600)

FAILED_COLUMNS = """([selector, variable]) => {
  const canvas = document.querySelector(selector);
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const failed = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
  probe.remove();
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const columns = {};
  for (let k = 0; k < width * height; k++) {
    if (failed.every((value, part) => data[4 * k + part] === value)) columns[k % width] = (columns[k % width] ?? 0) + 1;
  }
  return { width, height, columns };
}"""
"""How many pixels of a canvas have the color of failures, by column."""


@pytest.fixture(scope="module")
def map_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service for the large map."""
    folder = tmp_path_factory.mktemp("map")
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder, log_level="error") as service:
        yield service


@pytest.fixture(scope="module")
def flow_run_id(map_service: Served) -> UUID:
    """The flow run with the large map."""
    with map_service.client() as http:
        return large_map.record_large_map(http)


def failed_pixels(page: Page, selector: str) -> dict[str, Any]:
    """The size of a canvas, and how many pixels of each column have the color of failures."""
    pixels: dict[str, Any] = page.evaluate(FAILED_COLUMNS, [selector, "--state-failed"])
    return pixels


def ends_of_failures(service: Served, flow_run_id: UUID) -> list[float]:
    """When each failed child of the map ended, in milliseconds since 1970."""
    with service.client() as http:
        path = f"/flow-runs/{flow_run_id}/task-runs"
        filters = {"task_slug": "transform-1", "state": "Failed", "is_mapped_child": "true"}
        items = http.get(path, params={**filters, "limit": "1000"}).raise_for_status().json()["items"]
    return [large_map.milliseconds(item["end_time"]) for item in items]


def test_each_of_419_failures_is_seen_at_full_zoom(map_service: Served, flow_run_id: UUID, open_page: OpenPage) -> None:
    page = open_page(f"{map_service.url}/ui/flow-runs/{flow_run_id}")
    plot = page.locator(".timeline-plot")
    expect(page.locator(".timeline-row.map")).to_contain_text("419")
    first, last = (float(plot.get_attribute(f"data-{edge}") or "nan") for edge in ("from", "to"))
    pixels = failed_pixels(page, ".timeline-plot canvas")
    ends = ends_of_failures(map_service, flow_run_id)
    assert len(ends) == large_map.FAILURES
    columns = {int((end - first) * pixels["width"] / (last - first)) for end in ends}
    assert columns <= {int(column) for column in pixels["columns"]}


def test_messages_and_the_first_failure_are_two_keys_away(
    map_service: Served, flow_run_id: UUID, open_page: OpenPage
) -> None:
    page = open_page(f"{map_service.url}/ui/flow-runs/{flow_run_id}")
    page.locator(".timeline-row.map").wait_for()
    page.keyboard.press("f")
    groups = page.locator(".failure-groups li")
    expect(groups.locator(".failure-count")).to_have_text(["300 failed", "100 failed", "19 failed", "1 failed"])
    expect(groups.nth(1)).to_contain_text("TimeoutError: no answer from #.#.#.# after # s")
    page.keyboard.press("n")
    expect(page.locator(".tip")).to_contain_text(re.compile(r"transform-1\[\d+\]"))
    expect(page.locator(".tip-message")).to_contain_text(re.compile("KeyError|TimeoutError|ValueError"))


def test_child_is_reached_by_key_and_by_address(map_service: Served, flow_run_id: UUID, open_page: OpenPage) -> None:
    page = open_page(f"{map_service.url}/ui/flow-runs/{flow_run_id}/tasks/transform-1")
    page.keyboard.press("g")
    page.keyboard.type("77777")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/transform-1/77777")
    expect(page.get_by_role("heading", level=1)).to_contain_text("77777")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("77777")


def test_grid_has_a_cell_of_the_failed_color_for_each_failure(
    map_service: Served, flow_run_id: UUID, open_page: OpenPage
) -> None:
    page = open_page(f"{map_service.url}/ui/flow-runs/{flow_run_id}/tasks/transform-1")
    expect(page.locator(".facts")).to_contain_text("100,000 of 100,000")
    expect(page.get_by_text("A cell for each child, by map index")).to_be_visible()
    pixels = failed_pixels(page, ".grid-plot canvas")
    # The smallest cell is two pixels wide and high.
    assert sum(pixels["columns"].values()) == 4 * large_map.FAILURES


def test_few_elements_are_in_the_page_however_many_rows(
    map_service: Served, flow_run_id: UUID, open_page: OpenPage
) -> None:
    page = open_page(f"{map_service.url}/ui/flow-runs/{flow_run_id}?children=transform-1")
    table = page.get_by_role("table", name="Task runs of the timeline")
    expect(table).to_have_attribute("aria-rowcount", "100004")
    body = page.get_by_role("region", name="Timeline")
    body.evaluate("element => { element.scrollTop = element.scrollHeight; }")
    expect(page.get_by_role("link", name="[99999]")).to_be_visible()
    assert page.locator("*").count() <= 1500
    page.goto(f"{map_service.url}/ui/flow-runs/{flow_run_id}/tasks/transform-1")
    expect(page.get_by_role("table", name="Children by map index")).to_have_attribute("aria-rowcount", "100001")
    assert page.locator("*").count() <= 1500


def test_nothing_is_lost_while_the_service_restarts(tmp_path: Path, open_page: OpenPage, observed: Observed) -> None:
    observed.allow(*AWAY)
    url, port = f"sqlite:///{tmp_path / 'taskruns.db'}", free_port()
    children = 3000
    with served(url, tmp_path, port=port) as service, service.client() as http:
        flow_run_id = large_map.record_large_map(http, children)
        page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
        expect(page.locator(".timeline-row.map .row-figures")).to_contain_text("419")
        badge(page, "live")
        service.stop()
        badge(page, re.compile("^no connection since"))
        expect(page.locator(".timeline-row.map .row-figures")).to_contain_text("419")
    with served(url, tmp_path, port=port) as service, service.client() as http:
        late = [
            {"task_slug": "transform-1", "map_index": children + k, "states": [{"type": "Failed"}]} for k in range(81)
        ]
        http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": late}).raise_for_status()
        badge(page, "live")
        expect(page.locator(".timeline-row.map .row-figures")).to_contain_text("500")
        expect(page.get_by_role("button", name="Failed 500")).to_be_visible()
        timeline = http.get(f"/flow-runs/{flow_run_id}/timeline").json()
    (task,) = (task for task in timeline["tasks"] if task["task_slug"] == "transform-1")
    assert len(task["spans"]["map_index"]) == children + 81 + 1
