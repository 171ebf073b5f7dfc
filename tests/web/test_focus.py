"""Where the focus is when another page is shown, and what screen readers hear of it."""

import re

from playwright.sync_api import expect

from tests.client.cli.world import World
from tests.web.conftest import OpenPage


def test_focus_is_on_the_heading_of_the_next_page(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    heading = page.get_by_role("heading", level=1)
    expect(page.locator("tbody tr[data-row]")).to_have_count(4)
    expect(page.locator("body")).to_be_focused()
    for key in ("j", "j", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/ui/flow-runs/*")
    expect(page.locator(".states")).to_be_visible()
    expect(heading).to_be_focused()
    expect(page.get_by_role("status").get_by_text(re.compile(r"etl|nightly"))).to_have_count(1)
    page.keyboard.press("/")
    dialog = page.get_by_role("dialog", name="Search")
    dialog.get_by_role("searchbox").fill("brave")
    expect(dialog.get_by_role("link", name=re.compile("brave-otter"))).to_be_visible()
    page.keyboard.press("Enter")
    expect(heading).to_have_text("brave-otter")
    expect(heading).to_be_focused()
    page.get_by_role("link", name="Now").click()
    expect(heading).to_have_text("Now")
    expect(heading).to_be_focused()


def test_way_back_leads_to_the_link_that_was_followed(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    link = page.get_by_role("link", name="calm-heron")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("calm-heron")
    page.go_back()
    expect(link).to_be_focused()
