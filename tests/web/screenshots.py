"""Takes the pictures of docs/ui.md, of a day that is made up: `make screenshots`."""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from taskruns.type_aliases import JsonObject
from tests.browser import find_chromium
from tests.service import served
from tests.web import busy_day
from tests.web.task_runs import data as task_run_data

CHILDREN, FAILED = 20_000, 83
RESULT: JsonObject = {
    "type": "S3Result",
    "bucket": "flows",
    "location": "nightly/rows.json",
    "serializer": {"type": "JSONSerializer"},
}
COLORS = 160
"""Enough for what has few colours, at a third of the size."""
SETTLE_MILLISECONDS = 1500
"""What a page draws last has no sign of its own in the document."""


def take(browser: Browser, url: str, file: Path, *, width: int, height: int, theme: str) -> None:
    """Takes a picture of a page."""
    page = browser.new_page(viewport={"width": width, "height": height}, timezone_id="Europe/Berlin")
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.goto(url)
    page.locator("h1").wait_for()
    expect(page.locator(".loading")).to_have_count(0, timeout=60_000)
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    picture = Image.open(BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLORS).save(file, optimize=True)
    page.close()
    print(f"{file} ({file.stat().st_size // 1000} kB)")  # noqa: T201 — the output is the point


def main(folder: Path) -> None:
    """Takes all pictures, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    with (
        tempfile.TemporaryDirectory() as data,
        served(f"sqlite:///{data}/taskruns.db", Path(data), log_level="error") as service,
        service.client() as http,
        sync_playwright() as playwright,
    ):
        failed = task_run_data.record_failed(http, "nightly-report", now - timedelta(hours=1), RESULT)
        flow_run_id = busy_day.record(http, now, children=CHILDREN, failed=FAILED)
        pictures = {
            "now": ("/", 1280, 860, "light"),
            "flow-runs": ("/flow-runs", 1280, 720, "dark"),
            "flow-run": (f"/flow-runs/{flow_run_id}", 1280, 920, "light"),
            "map": (f"/flow-runs/{flow_run_id}/tasks/transform-1", 1280, 900, "dark"),
            "task-run": (f"/task-runs/{failed.task_run_ids['load-1', -1]}", 1280, 900, "light"),
            "task": ("/tasks/etl/load-1", 1280, 800, "dark"),
            "search": ("/search?q=trans", 1280, 480, "light"),
            "phone": ("/", 360, 720, "dark"),
        }
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for name, (path, width, height, theme) in pictures.items():
            url = f"{service.url}/ui{path}"
            take(browser, url, folder / f"{name}.png", width=width, height=height, theme=theme)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
