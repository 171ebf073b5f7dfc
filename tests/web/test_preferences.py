"""What readers set in their systems and browsers: forced colours, zoom, and the keyboard in place of the mouse."""

import pytest
from playwright.sync_api import expect

from tests.service import Served
from tests.web.conftest import OpenPage
from tests.web.large_map import record_large_map

FIND_COLORS = """() => new Promise((resolve) => {
    const look = () => {
        const colors = new Set();
        for (const canvas of document.querySelectorAll("main canvas")) {
            if (!canvas.width || !canvas.height) continue;
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colors.add(data.slice(i, i + 3).join());
        }
        if (colors.size) resolve(colors.size);
        else requestAnimationFrame(look);
    };
    look();
})"""
"""Waits until something is drawn, and counts its colours."""


@pytest.mark.parametrize("path", ["", "/tasks/transform-1"])
def test_pictures_keep_the_colors_of_states_where_others_are_forced(
    service: Served, open_page: OpenPage, path: str
) -> None:
    with service.client() as http:
        flow_run_id = record_large_map(http, 500)
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}{path}")
    page.emulate_media(forced_colors="active")
    page.reload()
    page.locator("main canvas").first.wait_for()
    assert page.evaluate(FIND_COLORS) > 1


def test_failure_is_selected_and_opened_by_two_keys(service: Served, open_page: OpenPage) -> None:
    with service.client() as http:
        flow_run_id = record_large_map(http, 500)
    page = open_page(f"{service.url}/ui/flow-runs/{flow_run_id}")
    page.locator("main canvas").first.wait_for()
    page.keyboard.press("n")
    link = page.locator(".tip a")
    expect(link).to_be_focused()
    first = link.inner_text()
    page.keyboard.press("n")
    expect(link).not_to_have_text(first)
    expect(link).to_be_focused()
    href = link.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{href}")


@pytest.mark.parametrize("width", [320, 620, 640, 720])
def test_page_fits_a_window_at_twice_the_size(service: Served, open_page: OpenPage, width: int) -> None:
    with service.client() as http:
        flow_run_id = record_large_map(http, 500)
    task = "/tasks/nightly-prices/transform-1?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z"
    for path in ("/flow-runs", f"/flow-runs/{flow_run_id}", task):
        page = open_page(f"{service.url}/ui{path}", width=width)
        page.locator("tbody tr").first.wait_for()
        expect(page.locator(".loading")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
