"""The pages of a flow run and of a map: states, failures by message, the timeline, and children."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.client.cli.world import World
from tests.service import Served
from tests.web.accessibility import problems, violations
from tests.web.conftest import Observed, OpenPage

BEGIN = datetime(2026, 2, 1, 8, 0, tzinfo=UTC)
DAY = 86_400


def settle(page: Page) -> None:
    """Waits until a page has all that it asks for."""
    expect(page.locator(".loading")).to_have_count(0)


def rows(page: Page) -> Locator:
    """The rows of the timeline's table."""
    return page.get_by_role("table", name="Task runs of the timeline").locator(".timeline-row")


def task_rows(page: Page) -> Locator:
    """The rows of the table of tasks."""
    return page.get_by_role("table", name="Tasks").locator("tbody tr[data-row]")


def query(page: Page, name: str) -> str | None:
    """A query parameter of the address."""
    value: str | None = httpx.URL(page.url).params.get(name)
    return value


def wait_for_keys(page: Page) -> None:
    """Waits until the keys are those of what is shown: they change after it is painted."""
    page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))"
    )


def wait_for_query(page: Page, name: str) -> None:
    """Waits until the address has a query parameter, which follows a gesture."""
    page.wait_for_url(re.compile(rf"[?&]{name}="))


def states(*moments: tuple[str, float]) -> list[dict[str, str]]:
    """States at seconds after the begin."""
    return [{"type": type_, "timestamp": (BEGIN + timedelta(seconds=at)).isoformat()} for type_, at in moments]


@pytest.mark.parametrize(
    "place", ["calm-heron ?children=inc-1", "night-1 ", "brave-otter /tasks/inc-1", "calm-heron /tasks/inc-1"]
)
def test_page_is_accessible_and_fits(world: World, open_page: OpenPage, place: str) -> None:
    name, path = place.split(" ")
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs[name]}{path}")
    settle(page)
    page.locator("canvas").first.wait_for()
    assert problems(page) == []


def test_flow_run_without_task_runs_says_so(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        flow_run_id = http.post("/flow-runs", json={"flow_name": "etl", "name": "empty"}).json()["id"]
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
    expect(page.get_by_text("No task run has begun yet.")).to_be_visible()
    expect(page.get_by_text("There are no task runs yet.")).to_be_visible()
    assert violations(page) == []
    page.goto(f"{service.url}/ui/flow-runs/{flow_run_id}/tasks/inc-1")
    expect(page.get_by_text("This task has no task runs in this flow run yet.")).to_be_visible()


def test_failures_are_grouped_by_message(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    groups = page.locator(".failure-groups li")
    expect(groups).to_have_count(2)
    expect(groups.filter(has_text="ZeroDivisionError: division by zero").get_by_role("link")).to_have_text("inc-1[1]")
    expect(groups.filter(has_text="Upstream failed.").get_by_role("link")).to_have_text("load-1")
    assert page.title() == "✕ 2 failed · etl · calm-heron · Task runs"


def test_filter_is_a_key_away_and_in_the_address(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    expect(rows(page)).to_have_count(3)
    expect(task_rows(page)).to_have_count(3)
    page.keyboard.press("f")
    expect(rows(page)).to_have_count(2)
    expect(task_rows(page)).to_have_count(2)
    page.reload()
    expect(rows(page)).to_have_count(2)
    page.keyboard.press("r")
    expect(page.get_by_text("No task run is in these states.")).to_be_visible()
    page.keyboard.press("a")
    expect(rows(page)).to_have_count(3)
    assert query(page, "state") is None


def test_map_opens_into_lanes_and_children(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['brave-otter']}")
    expect(rows(page)).to_have_count(3)
    page.get_by_role("button", name="Show how they ran at a time: inc-1").click()
    expect(rows(page).filter(has_text="at a time")).to_have_count(1)
    page.get_by_role("button", name="Show each child: inc-1").click()
    expect(page.get_by_role("link", name=re.compile(r"^\[\d\]$"))).to_have_text(["[0]", "[1]", "[2]"])
    assert query(page, "children") == "inc-1"
    table = page.get_by_role("table", name="Task runs of the timeline")
    expect(table).to_have_attribute("aria-rowcount", "7")
    page.get_by_role("button", name="Close: inc-1").click()
    expect(rows(page)).to_have_count(3)


def test_zoom_is_in_the_address_and_survives(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['brave-otter']}")
    window = page.locator(".timeline-tools p").first
    rows(page).first.wait_for()
    whole = window.inner_text()
    for key in ("+", "+", "ArrowRight"):
        page.keyboard.press(key)
    wait_for_query(page, "from")
    zoomed = window.inner_text()
    assert zoomed != whole
    page.reload()
    expect(window).to_have_text(zoomed)
    page.keyboard.press("0")
    expect(window).to_have_text(whole)
    page.wait_for_url(re.compile(r"flow-runs/[^?]*$"))
    page.get_by_role("button", name="Zoom in").click()
    wait_for_query(page, "from")
    page.get_by_role("button", name="Fit").click()
    expect(window).to_have_text(whole)


def test_wheel_zooms_and_a_double_click_fits(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['brave-otter']}")
    canvas = page.locator(".timeline-plot canvas")
    canvas.scroll_into_view_if_needed()
    canvas.hover()
    window = page.locator(".timeline-tools p").first
    whole = window.inner_text()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(window).not_to_have_text(whole)
    canvas.dblclick()
    expect(window).to_have_text(whole)


def test_next_failure_is_selected_and_says_why(world: World, open_page: OpenPage) -> None:
    url = f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}"
    page = open_page(url)
    rows(page).first.wait_for()
    page.keyboard.press("n")
    tip = page.locator(".tip")
    expect(tip).to_contain_text("inc-1[1]")
    expect(tip).to_contain_text("ZeroDivisionError: division by zero")
    assert query(page, "run") == "inc-1/1"
    page.keyboard.press("n")
    expect(tip).to_contain_text("load-1")
    page.keyboard.press("N")
    expect(tip).to_contain_text("inc-1[1]")
    page.reload()
    expect(tip).to_contain_text("ZeroDivisionError: division by zero")
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    wait_for_keys(page)
    page.keyboard.press("Escape")
    page.wait_for_url("**/ui/flow-runs")


def test_runs_of_the_flow_are_neighbours(world: World, open_page: OpenPage) -> None:
    first, second = world.flow_runs["brave-otter"], world.flow_runs["calm-heron"]
    page = open_page(f"{world.url}/ui/flow-runs/{first}")
    expect(page.get_by_role("heading", level=1)).to_have_text("brave-otter")
    settle(page)
    wait_for_keys(page)
    page.keyboard.press("]")
    page.wait_for_url(f"**/ui/flow-runs/{second}")
    expect(page.get_by_role("heading", level=1)).to_have_text("calm-heron")
    page.get_by_role("button", name="Previous run").click()
    page.wait_for_url(f"**/ui/flow-runs/{first}")


def test_days_between_attempts_are_folded(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        flow_run_id = http.post("/flow-runs", json={"flow_name": "etl", "name": "retried"}).json()["id"]
        tries = [("Running", 0.0), ("Retrying", 60.0), ("Running", 3.0 * DAY), ("Success", 3.0 * DAY + 60)]
        items = [{"task_slug": "flaky-1", "states": states(*tries)}]
        http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items}).raise_for_status()
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
    expect(page.locator(".timeline-axis .fold")).to_have_text("⋯ 3 d 00 h")
    canvas = page.locator(".timeline-plot canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    expect(page.locator(".tip")).to_contain_text("Attempt 1 of 2")


def test_tasks_are_shown_before_what_takes_longer_is_read(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/nowhere")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    for part in ("flow-runs/*/timeline*", "task-runs/aggregate*p95*"):
        page.route(f"**/{part}", hold)
    page.evaluate("path => history.pushState(null, '', path)", f"/ui/flow-runs/{world.flow_runs['calm-heron']}")
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    expect(task_rows(page)).to_have_count(3)
    expect(page.locator(".timeline")).to_have_count(0)
    for route in held:
        route.continue_()
    page.unroute_all()
    expect(rows(page)).to_have_count(3)
    expect(task_rows(page).first).to_contain_text(" s")


def test_what_is_read_of_all_task_runs_waits_for_the_tasks(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/nowhere")
    held: list[Route] = []
    asked: list[str] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/flow-runs/*/tasks", hold)
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("path => history.pushState(null, '', path)", f"/ui/flow-runs/{world.flow_runs['calm-heron']}")
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.locator(".history li").first).to_be_visible()
    expect(page.get_by_role("heading", name="Failures")).to_be_visible()
    assert len(held) == 1
    assert not [url for url in asked if "task-runs/aggregate" in url or url.endswith("/timeline")]
    held[0].continue_()
    page.unroute_all()
    expect(page.locator(".failure-groups li").first).to_be_visible()
    expect(rows(page).first).to_be_visible()


def test_answers_come_while_the_modules_are_loading(world: World, context: BrowserContext) -> None:
    held: list[Route] = []
    asked: list[str] = []

    def hold(route: Route) -> None:
        held.append(route)

    path = f"/flow-runs/{world.flow_runs['calm-heron']}"
    context.route("**/flow_run.js", hold)
    context.on("request", lambda request: asked.append(request.url.removeprefix(world.url)))
    page = context.new_page()
    with page.expect_response(f"**{path}/tasks"), page.expect_response(re.compile(f"[0-9]{path}$")):
        page.goto(f"{world.url}/ui{path}", wait_until="commit")
    assert len(held) == 1
    held[0].continue_()
    expect(task_rows(page)).to_have_count(3)
    assert (asked.count(path), asked.count(f"{path}/tasks")) == (1, 1)


def test_modules_that_did_not_arrive_are_loaded_when_the_service_is_back(
    world: World, open_page: OpenPage, context: BrowserContext, observed: Observed
) -> None:
    observed.allow("net::ERR_FAILED")

    def abort(route: Route) -> None:
        route.abort()

    for path in ("ui/assets/*/timeline.js", "ui/assets/*/failures.js", "health"):
        context.route(f"**/{path}", abort)
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    expect(page.get_by_text("The service has not answered since")).to_be_visible()
    expect(rows(page)).to_have_count(0)
    context.unroute_all()
    expect(rows(page)).to_have_count(3)
    expect(page.locator(".failure-groups li")).to_have_count(2)


def test_a_module_that_did_not_arrive_once_is_loaded_again_where_the_service_answers(
    world: World, open_page: OpenPage, context: BrowserContext, observed: Observed
) -> None:
    observed.allow("net::ERR_FAILED")
    context.route("**/ui/assets/*/timeline.js", lambda route: route.abort(), times=1)
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    expect(rows(page)).to_have_count(3)


def test_changes_are_drawn_as_they_happen(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        flow_run_id = http.post("/flow-runs", json={"flow_name": "etl", "name": "live"}).json()["id"]
        reports = f"/flow-runs/{flow_run_id}/task-runs"
        page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
        expect(page.locator(".badge")).to_have_text("live")
        children = [{"task_slug": "inc-1", "map_index": index, "states": [{"type": "Running"}]} for index in range(3)]
        http.post(reports, json={"items": children}).raise_for_status()
        expect(rows(page)).to_contain_text("inc-1")
        failed = {"task_slug": "inc-1", "map_index": 1, "states": [{"type": "Failed", "message": "No."}]}
        http.post(reports, json={"items": [failed]}).raise_for_status()
        expect(rows(page).locator(".failures")).to_contain_text("1")
        expect(page.locator(".failure-groups")).to_contain_text("No.")
        expect(page.get_by_role("button", name="Failed 1")).to_be_visible()


def test_map_is_one_object(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}/tasks/inc-1")
    expect(page.locator(".facts")).to_contain_text("2 of 2")
    expect(page.locator(".failure-groups li")).to_have_count(1)
    expect(page.locator(".histogram")).to_be_visible()
    expect(page.locator(".slowest li").first).to_contain_text("[1]")
    children = page.get_by_role("table", name="Children by map index").locator("tbody tr[data-row]")
    expect(children).to_have_count(2)
    page.keyboard.press("f")
    expect(children).to_have_count(1)
    page.keyboard.press("a")
    grid = page.get_by_role("group", name="Grid of children")
    grid.focus()
    page.keyboard.press("End")
    expect(page.locator(".grid .timeline-tools")).to_contain_text("[1]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/inc-1/1")


def test_task_that_is_not_mapped_leads_to_its_task_run(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}/tasks/extract-1")
    page.wait_for_url("**/tasks/extract-1/-1")


def test_texts_of_others_are_never_markup(world: World, open_page: OpenPage) -> None:
    flow_run_id = next(id_ for name, id_ in world.flow_runs.items() if "vil" in name)
    page = open_page(f"{world.url}/ui/flow-runs/{flow_run_id}")
    expect(page.locator(".failure-groups")).to_contain_text("It said e")
    settle(page)


def test_unknown_flow_run_is_a_sentence(world: World, open_page: OpenPage, observed: Observed) -> None:
    observed.allow("404")
    page = open_page(f"{world.url}/ui/flow-runs/019064f2-5b11-7e1d-8a50-88978dabb7c1")
    expect(page.get_by_role("alert")).to_be_visible()
