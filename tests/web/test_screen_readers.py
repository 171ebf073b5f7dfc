"""What Chromium tells screen readers of the pages: everything has a name, and says it once."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.client.cli.world import World
from tests.web.conftest import OpenPage

NAMED = {"button", "checkbox", "combobox", "dialog", "image", "link", "region", "searchbox", "table", "textbox"}
"""Roles that mean nothing without a name."""
HEADERS = {"columnheader", "rowheader"}


def text_of(node: dict[str, Any], member: str) -> str:
    return str(node.get(member, {}).get("value", ""))


def faults(page: Page) -> list[str]:
    """What has no name, and what has its name a second time as its description."""
    session = page.context.new_cdp_session(page)
    nodes = [node for node in session.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    nameless = [
        f"{text_of(node, 'role')} without a name: {html_of(session, node)}"
        for node in nodes
        if text_of(node, "role") in NAMED | HEADERS and not text_of(node, "name").strip()
    ]
    twice = [
        f"{text_of(node, 'role')} says its name twice: {text_of(node, 'name')}"
        for node in nodes
        if text_of(node, "name") and text_of(node, "name") == text_of(node, "description")
    ]
    return nameless + twice


def html_of(session: Any, node: dict[str, Any]) -> str:
    """The beginning of the element of a node."""
    described = session.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"]
    return f"{described['nodeName']} {described.get('attributes')}"


def test_everything_has_a_name_and_says_it_once(world: World, open_page: OpenPage) -> None:
    flow_run = f"/flow-runs/{world.flow_runs['calm-heron']}"
    paths = [
        *("/", "/flow-runs", flow_run, f"{flow_run}?children=inc-1", f"{flow_run}/tasks/inc-1"),
        *(
            f"{flow_run}/tasks/extract-1/-1",
            f"{flow_run}/tasks/inc-1/1",
            "/tasks/etl/inc-1?from=2021-05-12",
            "/search?q=et",
        ),
    ]
    found: dict[str, list[str]] = {}
    for path in paths:
        page = open_page(f"{world.url}/ui{path}")
        expect(page.locator(".loading")).to_have_count(0)
        found[path] = faults(page)
        page.close()
    assert {path: texts for path, texts in found.items() if texts} == {}


def test_rows_of_the_timeline_are_known_by_their_names(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs/{world.flow_runs['calm-heron']}")
    table = page.get_by_role("table", name="Task runs of the timeline")
    expect(table.get_by_role("rowheader", name="extract-1")).to_be_visible()
    expect(table.get_by_role("rowheader", name="inc-1")).to_be_visible()


def test_dialogs_have_names_for_all_that_is_in_them(world: World, open_page: OpenPage) -> None:
    page = open_page(f"{world.url}/ui/flow-runs")
    banner = page.get_by_role("banner")
    for control in (banner.get_by_role("button", name="Help"), banner.get_by_role("link", name="Search")):
        control.click()
        page.get_by_role("dialog").wait_for()
        assert faults(page) == []
        page.get_by_role("button", name="Close").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
