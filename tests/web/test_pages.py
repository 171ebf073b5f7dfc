"""Every page in a real browser, light and dark, wide and narrow: complete, accessible, and without an error."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.client.cli.world import World
from tests.service import Served
from tests.web.accessibility import problems, violations
from tests.web.conftest import Observed, OpenPage

NOBODY = "019064f2-5b11-7e1d-8a50-88978dabb7c1"


def settle(page: Page) -> None:
    """Waits until a page has all that it asks for."""
    expect(page.locator(".loading")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/flow-runs", "/flow-runs?state=Failed", "/flow-runs?name=nobody", "/nowhere"])
def test_page_is_accessible_and_fits(world: World, open_page: OpenPage, path: str) -> None:
    page = open_page(f"{world.url}/ui{path}")
    settle(page)
    assert problems(page) == []


@pytest.mark.parametrize("path", ["/", "/flow-runs"])
def test_new_service_says_what_to_do(service: Served, open_page: OpenPage, path: str) -> None:
    page = open_page(f"{service.url}/ui{path}")
    expect(page.get_by_text("taskruns demo")).to_be_visible()
    assert violations(page) == []


def test_texts_of_others_are_never_markup(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    link = page.get_by_role("link", name=re.compile(r"^Running: evil\s+\\u202eeman$"))
    expect(link).to_be_visible()


def test_states_bar_is_the_filter_and_the_filter_is_in_the_address(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    expect(page.locator("tbody tr[data-row]")).to_have_count(4)
    page.get_by_role("button", name="Failed").click()
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)
    assert page.url.endswith("/ui/flow-runs?state=Failed")
    page.reload()
    expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)
    page.get_by_role("button", name="All").click()
    expect(page.locator("tbody tr[data-row]")).to_have_count(4)


def test_filters_combine(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    page.get_by_role("combobox", name=re.compile("^Flow")).select_option("etl")
    expect(page.locator("tbody tr[data-row]")).to_have_count(2)
    page.get_by_label("Name").fill("HERON")
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)
    assert page.url.endswith("/ui/flow-runs?flow=etl&name=HERON")
    page.get_by_label("Name").fill("nobody")
    page.get_by_role("button", name="Remove all filters").click()
    expect(page.locator("tbody tr[data-row]")).to_have_count(4)
    assert page.url.endswith("/ui/flow-runs")


def test_everything_is_done_by_keys(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    rows = page.locator("tbody tr[data-row]")
    for key, count in (("f", 1), ("r", 2), ("a", 4)):
        page.keyboard.press(key)
        expect(rows).to_have_count(count)
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    expect(rows.nth(0).get_by_role("link")).to_be_focused()
    href = rows.nth(0).get_by_role("link").get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{href}")
    page.keyboard.press("Escape")
    page.wait_for_url("**/ui/flow-runs")
    page.keyboard.press("/")
    expect(page.get_by_role("dialog", name="Search").get_by_role("searchbox", name="Search")).to_be_focused()


def test_help_lists_the_keys_and_switches_them_off(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    settle(page)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Help")
    expect(dialog.get_by_text("Show only failed flow runs")).to_be_visible()
    assert violations(page) == []
    dialog.get_by_label("Use single keys").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("f")
    page.keyboard.press("Escape")  # does what it did, and nothing came before it
    page.wait_for_url("**/ui/")


def test_times_are_local_or_utc_everywhere_and_stay_so(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    started = page.locator("tbody tr[data-row] time").first
    expect(started).to_have_text(re.compile(r"^2021-05-1\d \d\d:\d\d:\d\d$"))
    local = started.inner_text()
    page.keyboard.press("u")
    expect(page.get_by_text("times in UTC", exact=True)).to_be_visible()
    expect(started).not_to_have_text(local)
    page.reload()
    expect(page.get_by_text("times in UTC", exact=True)).to_be_visible()


def test_theme_stays_as_chosen(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/")
    page.get_by_role("button", name="Theme: Auto").click()
    page.get_by_role("button", name="Theme: Light").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


@pytest.mark.parametrize("path", ["/", "/flow-runs"])
def test_page_works_with_the_readers_preferences(world: World, open_page: OpenPage, path: str) -> None:
    page = open_page(f"{world.url}/ui{path}")
    page.emulate_media(forced_colors="active", reduced_motion="reduce", contrast="more")
    settle(page)
    assert violations(page) == []


@pytest.mark.parametrize(
    ("path", "heading"),
    [("/tasks/etl/100%25", "100%"), ("/tasks/etl/%252F", "%2F"), ("/tasks/etl/%E0%A4%A", "There is no such page")],
)
def test_address_is_decoded_once(world: World, open_page: OpenPage, path: str, heading: str) -> None:
    page = open_page(f"{world.url}/ui{path}")
    expect(page.locator("h1")).to_have_text(heading)


def test_only_flow_runs_that_came_later_are_new(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        for number in range(51):
            http.post("/flow-runs", json={"flow_name": "etl", "name": f"etl-{number}"}).raise_for_status()
        page = open_page(f"{service.url}/ui/flow-runs?sort=created")
        expect(page.locator(".badge")).to_have_text("live")
        expect(page.locator("tbody tr[data-row]").first).to_be_visible()
        http.post("/flow-runs", json={"flow_name": "etl", "name": "etl-51"}).raise_for_status()
    expect(page.get_by_role("button", name="1 new", exact=True)).to_be_visible()


def test_moments_in_the_address_are_shown_as_filters(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs?from=2021-05-12T00:00:00Z&to=2021-05-13T00:00:00Z")
    created = page.get_by_label("Created in")
    expect(created.locator("option:checked")).to_have_text("since 2021-05-12T00:00:00Z until 2021-05-13T00:00:00Z")
    created.select_option("")
    expect(page.locator("tbody tr[data-row]")).to_have_count(4)
    assert page.url.endswith("/ui/flow-runs")


def test_way_back_leads_to_the_place_in_the_list(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        for number in range(120):
            http.post("/flow-runs", json={"flow_name": "etl", "name": f"etl-{number}"}).raise_for_status()
    page = open_page(f"{service.url}/ui/flow-runs?flow=etl")
    link = page.get_by_role("link", name="etl-40", exact=False).last
    page.get_by_role("link", name=re.compile("etl-119$")).wait_for()
    while not link.count():  # Rows that are far down are read as the reader scrolls.
        page.mouse.wheel(0, 1000)
        page.evaluate("new Promise(requestAnimationFrame)")
    link.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 1000
    link.click()
    page.wait_for_url("**/ui/flow-runs/*")
    page.go_back()
    expect(link).to_be_in_viewport()
    assert page.url.endswith("/ui/flow-runs?flow=etl")


def test_flow_run_that_does_not_exist_is_searched_for(world: World, open_page: OpenPage, observed: Observed) -> None:
    observed.allow("404")
    page = open_page(f"{world.url}/ui/flow-runs/{NOBODY}")
    expect(page.get_by_role("alert")).to_contain_text("no flow run with this id")
    expect(page).to_have_title("Not found · Task runs")
    page.get_by_role("searchbox", name="Search").fill("brave")
    expect(page.get_by_role("link", name=re.compile("brave-otter")).first).to_be_visible()
    assert violations(page) == []
