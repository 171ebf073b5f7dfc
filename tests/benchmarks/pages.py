"""The pages in a real Chromium: how soon they show something, how they move, and what they take."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import httpx
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from tests.benchmarks import prefect, servers
from tests.benchmarks.load import Rate
from tests.benchmarks.report import Row, Table
from tests.browser import BROWSERS, find_chromium
from tests.postgres import PostgresServer
from tests.service import Served
from tests.web import large_map

ROUND_TRIP = 50
"""Milliseconds, of a network that is not this machine's."""
FRAMES = 60
LIVE_SECONDS = 10
LIVE_CHANGES = 1_000
"""Changes per second while the CPU of an open page is measured."""
_TICKS = os.sysconf("SC_CLK_TCK")
_WAIT_MILLISECONDS = 60_000

_WATCH = """
  window.tasks_ = [];
  new PerformanceObserver((list) => window.tasks_.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: "longtask", buffered: true });
"""
"""Notes every task of more than 50 ms."""
_WATCH_TASKS = r"""
  new MutationObserver((changes, observer) => {
    const added = changes.flatMap((change) => [...change.addedNodes]);
    if (!added.some((node) => /(transform|extract|load)-1/.test(node.textContent))) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.shown_ = performance.now(); }));
  }).observe(document, { childList: true, subtree: true });
"""
"""Notes when the browser has drawn the name of a task, which asking from outside would say later."""
_COUNT_FRAMES = """() => {
  window.gaps_ = [];
  let last = performance.now();
  const next = (moment) => { window.gaps_.push(moment - last); last = moment; requestAnimationFrame(next); };
  requestAnimationFrame(next);
}"""
_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null"""
_ASSETS = """() => {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const assets = entries.filter((entry) => new URL(entry.name).pathname.startsWith("/ui/"));
  const sum = (name) => assets.reduce((total, entry) => total + entry[name], 0);
  return [assets.length, sum("decodedBodySize") / 1000, sum("encodedBodySize") / 1000];
}"""


class Budget(NamedTuple):
    """Something that is measured, and what it may be at most; None where nothing is asked of it."""

    question: str
    most: float | None


class Figures:
    """What was measured, by question."""

    def __init__(self) -> None:
        self.by_question: dict[str, Rate] = {}

    def add(self, question: str, figure: float) -> None:
        """Adds a figure of one round."""
        self.by_question.setdefault(question, Rate()).append(figure)

    def __getitem__(self, question: str) -> Rate:
        return self.by_question.get(question, Rate())


BUDGETS = (
    Budget("first visit: something is painted, ms", 500),
    Budget("first visit: the page shows its data, ms", 700),
    Budget(f"first visit, round trips of {ROUND_TRIP} ms: something is painted, ms", 600),
    Budget(f"second visit, round trips of {ROUND_TRIP} ms: something is painted, ms", 200),
    Budget("requests of a first visit", None),
    Budget("bytes of a first visit, kB", 220),
    Budget("the same as sent, with gzip, kB", 70),
    Budget("100,000 task runs: header, states and tasks are shown, ms", 300),
    Budget("100,000 task runs: the timeline is drawn, ms", 1000),
    Budget("100,000 task runs: heap, MB", 60),
    Budget("100,000 task runs: memory of the process, MB", 250),
    Budget("zoom and pan there: code per frame, ms", 8),
    Budget("zoom and pan there: longest time between two frames, ms", 100),
    Budget("a key there until it is painted, ms", 100),
    Budget(f"{LIVE_CHANGES:,} changes a second: CPU of the page, % of a core", 25),
    Budget(f"{LIVE_CHANGES:,} changes a second: longest task, ms", 50),
    Budget("elements of a list of all children", 1500),
)


def measure(server: PostgresServer, rounds: int) -> Table:
    """The pages on a database with one flow run of 100,000 children, and Prefect 3's page of the same flow run."""
    ours, theirs = Figures(), Figures()
    url = servers.migrated(server.create_database())
    their_url = server.create_database()
    with servers.service(url) as service, chromium() as browser:
        with service.client() as http:
            flow_run_id = large_map.record_large_map(http)
        for _ in range(rounds):
            measure_visits(service, browser, ours)
            measure_large_flow_run(service, browser, flow_run_id, ours)
            measure_live(service, browser, ours)
    with prefect.running(their_url):
        pass  # its server makes the tables when it starts
    asyncio.run(prefect.fill(their_url, url))
    with prefect.running(their_url) as their_service, chromium() as browser:
        for _ in range(rounds):
            measure_prefect(their_service, browser, flow_run_id, theirs)
    rows = [
        Row(question, [ours[question], theirs[question] or "–"], ours[question], most=most)
        for question, most in BUDGETS
        if ours[question]
    ]
    return Table("The pages", INTRODUCTION, ["here", "Prefect 3"], rows)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a graphics card."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=find_chromium(BROWSERS), args=arguments)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser) -> Iterator[tuple[Page, CDPSession]]:
    """A page of a profile of its own, with nothing in its cache."""
    context: BrowserContext = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(_WAIT_MILLISECONDS)
    context.add_init_script(_WATCH)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    yield page, session
    context.close()


def now(page: Page) -> float:
    """Milliseconds since the navigation began."""
    return float(page.evaluate("performance.now()"))


def painted(page: Page) -> float:
    """When something was painted first, in milliseconds since the navigation began."""
    return measured(page, _PAINT)


def measured(page: Page, script: str) -> float:
    """What a script gives as soon as that is something."""
    while (moment := page.evaluate(script)) is None:
        page.wait_for_timeout(5)
    return float(moment)


def tasks_shown(page: Page) -> float:
    """When the tasks of a flow run were drawn, in milliseconds since the navigation began."""
    return measured(page, "window.shown_ ?? null")


def measure_visits(service: Served, browser: Browser, figures: Figures) -> None:
    """A first and a second visit of Now."""
    with opened(browser) as (page, _):
        page.goto(f"{service.url}/ui/", wait_until="commit")
        page.locator(".glance").wait_for()
        figures.add("first visit: the page shows its data, ms", now(page))
        figures.add("first visit: something is painted, ms", painted(page))
        requests, plain, gzipped = page.evaluate(_ASSETS)
        figures.add("requests of a first visit", requests)
        figures.add("bytes of a first visit, kB", plain)
        figures.add("the same as sent, with gzip, kB", gzipped)
    with opened(browser) as (page, session):
        network = {"offline": False, "latency": ROUND_TRIP, "downloadThroughput": -1, "uploadThroughput": -1}
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", network)
        for visit in ("first", "second"):
            page.goto(f"{service.url}/ui/", wait_until="commit")
            page.locator(".glance").wait_for()
            figures.add(f"{visit} visit, round trips of {ROUND_TRIP} ms: something is painted, ms", painted(page))


def measure_large_flow_run(service: Served, browser: Browser, flow_run_id: UUID, figures: Figures) -> None:
    """The page of a flow run with 100,000 children."""
    with opened(browser) as (page, session):
        page.add_init_script(_WATCH_TASKS)
        page.goto(f"{service.url}/ui/flow-runs/{flow_run_id}", wait_until="commit")
        figures.add("100,000 task runs: header, states and tasks are shown, ms", tasks_shown(page))
        page.locator(".timeline-row.map").wait_for()
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        figures.add("100,000 task runs: the timeline is drawn, ms", now(page))
        session.send("HeapProfiler.collectGarbage")
        figures.add("100,000 task runs: heap, MB", session.send("Runtime.getHeapUsage")["usedSize"] / 1e6)
        figures.add("100,000 task runs: memory of the process, MB", largest_renderer().resident)
        measure_frames(page, session, figures)
        measure_key(page, figures)
        page.goto(f"{service.url}/ui/flow-runs/{flow_run_id}?children=transform-1")
        page.get_by_role("link", name="[0]", exact=True).wait_for()
        figures.add("elements of a list of all children", page.locator("*").count())


def measure_frames(page: Page, session: CDPSession, figures: Figures) -> None:
    """What the page's code takes for each frame while the timeline is zoomed and moved."""
    plot = page.locator(".timeline-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate(_COUNT_FRAMES)
    before = script_seconds(session)
    page.keyboard.down("Control")
    for _ in range(FRAMES):
        page.mouse.wheel(0, -40)
    page.keyboard.up("Control")
    for key in ("ArrowRight", "ArrowLeft", "-"):
        for _ in range(FRAMES):
            page.keyboard.press(key)
    after = script_seconds(session)
    gaps = page.evaluate("window.gaps_")
    figures.add("zoom and pan there: code per frame, ms", 1000 * (after - before) / len(gaps))
    figures.add("zoom and pan there: longest time between two frames, ms", max(gaps))


def script_seconds(session: CDPSession) -> float:
    """How long the page's code has run."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == "ScriptDuration")


def measure_key(page: Page, figures: Figures) -> None:
    """From a key to the next painted frame."""
    script = """() => new Promise((done) => {
      addEventListener("keydown", () => {
        const begin = performance.now();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
      }, { once: true, capture: true });
    })"""
    waiting = page.evaluate_handle(f"() => ({{ pressed: ({script})() }})")
    page.keyboard.press("f")
    figures.add("a key there until it is painted, ms", float(waiting.evaluate("({ pressed }) => pressed")))


def measure_live(service: Served, browser: Browser, figures: Figures) -> None:
    """What the page of a flow run takes while its task runs change."""
    with service.client() as http:
        created = http.post("/flow-runs", json={"flow_name": "live"}).raise_for_status().json()
        items = [{"task_slug": "busy-1", "map_index": index, "states": [{"type": "Running"}]} for index in range(5000)]
        for start in range(0, len(items), 1000):
            path = f"/flow-runs/{created['id']}/task-runs"
            http.post(path, json={"items": items[start : start + 1000]}).raise_for_status()
    with opened(browser) as (page, _):
        page.goto(f"{service.url}/ui/flow-runs/{created['id']}")
        page.locator(".badge").get_by_text("live").wait_for()
        page.evaluate("window.tasks_.length = 0")
        with changing(service, created["id"]):
            before = largest_renderer()
            page.wait_for_timeout(1000 * LIVE_SECONDS)
            after = largest_renderer()
        cpu = 100 * (after.seconds - before.seconds) / LIVE_SECONDS
        figures.add(f"{LIVE_CHANGES:,} changes a second: CPU of the page, % of a core", cpu)
        figures.add(f"{LIVE_CHANGES:,} changes a second: longest task, ms", max([0, *page.evaluate("window.tasks_")]))


@contextmanager
def changing(service: Served, flow_run_id: str) -> Iterator[None]:
    """Reports a state of some task runs of a flow run four times a second, until the end of the block."""
    is_over = threading.Event()

    def report() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as http:
            number = 0
            due = time.monotonic()
            while not is_over.wait(max(0.0, due - time.monotonic())):
                due += 0.25
                state = {"type": "Retrying" if number // 20 % 2 else "Running"}
                first = number * LIVE_CHANGES // 4
                items = [
                    {"task_slug": "busy-1", "map_index": (first + index) % 5000, "states": [state]}
                    for index in range(LIVE_CHANGES // 4)
                ]
                http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items})
                number += 1

    thread = threading.Thread(target=report)
    thread.start()
    yield
    is_over.set()
    thread.join()


def measure_prefect(url: str, browser: Browser, flow_run_id: UUID, figures: Figures) -> None:
    """The same of Prefect 3's pages, where they have it."""
    with opened(browser) as (page, _):
        page.goto(f"{url}/dashboard", wait_until="commit")
        page.locator("h1, h2, .p-heading, [class*=heading]").first.wait_for()
        figures.add("first visit: the page shows its data, ms", now(page))
        figures.add("first visit: something is painted, ms", painted(page))
    with opened(browser) as (page, session):
        page.add_init_script(_WATCH_TASKS)
        page.goto(f"{url}/runs/flow-run/{flow_run_id}", wait_until="commit")
        page.get_by_text("Task Runs", exact=True).last.click()
        figures.add("100,000 task runs: header, states and tasks are shown, ms", tasks_shown(page))
        session.send("HeapProfiler.collectGarbage")
        figures.add("100,000 task runs: heap, MB", session.send("Runtime.getHeapUsage")["usedSize"] / 1e6)
        figures.add("100,000 task runs: memory of the process, MB", largest_renderer().resident)


class Process(NamedTuple):
    """What a process has taken."""

    resident: float
    """MB."""
    seconds: float
    """Of CPU."""


def largest_renderer() -> Process:
    """The process that shows the page: of those that browsers have for pages, the one with the most memory."""
    renderers: list[Process] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                pages = int((folder / "statm").read_text().split()[1])
                renderers.append(Process(pages * 4096 / 1e6, (int(fields[11]) + int(fields[12])) / _TICKS))
    return max(renderers)


INTRODUCTION = f"""\
The pages in Chromium without a graphics card, at 1440 × 900, on the same two cores as the service and PostgreSQL, with
one flow run of a map of 100,000 children, 419 of which failed. Prefect 3's own page shows the same flow run; it lists
task runs page by page, and hides its graph where there are more than 2,000. "{LIVE_CHANGES:,} changes a second" are
changes of 5,000 task runs of one flow run, whose page is open."""
