"""Pages of a service that needs API keys: they ask for one, keep it as the reader wishes, and forget it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.service import Served, call_command, served
from tests.web.accessibility import violations
from tests.web.conftest import Observed, OpenPage
from tests.web.task_runs import data as task_run_data
from tests.web.test_live import create


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that needs keys."""
    folder = tmp_path_factory.mktemp("locked")
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder, require_keys="true") as service:
        yield service


def new_key(service: Served, scope: str = "read") -> str:
    """Creates a key."""
    done = call_command(
        "keys", "create", "--name", "page", "--scope", scope, TASKRUNS_DATABASE_URL=service.database_url
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def revoke(service: Served, key: str) -> None:
    """Revokes a key."""
    done = call_command("keys", "revoke", key.split("_")[1], TASKRUNS_DATABASE_URL=service.database_url)
    assert done.returncode == 0, done.stderr


def give(page: Page, key: str, *, remember: bool = False) -> None:
    """Fills in the dialog."""
    dialog = page.get_by_role("dialog", name="API key")
    expect(dialog.get_by_label("Key", exact=True)).to_be_focused()
    dialog.get_by_label("Key", exact=True).fill(key)
    if remember:
        dialog.get_by_label("Remember on this device").check()
    dialog.get_by_role("button", name="Use the key").click()


@pytest.mark.parametrize("remember", [False, True])
def test_key_is_asked_for_once(locked: Served, open_page: OpenPage, observed: Observed, remember: bool) -> None:
    observed.allow("401")
    key = new_key(locked)
    page = open_page(f"{locked.url}/ui/flow-runs")
    give(page, "wrong")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("does not know this key")
    assert violations(page) == []
    give(page, key, remember=remember)
    expect(page.get_by_text("There are no flow runs yet.")).to_be_visible()
    storages = page.evaluate("[sessionStorage.getItem('taskruns.key'), localStorage.getItem('taskruns.key')]")
    assert storages == ([None, key] if remember else [key, None])
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.get_by_text("There are no flow runs yet.")).to_be_visible()
    expect(page.locator(".badge")).to_have_text("live")
    page.get_by_role("button", name="Key").click()
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("dialog", name="API key").get_by_label("Key", exact=True)).to_be_focused()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_key_is_sent_as_a_header_to_the_service_alone(locked: Served, open_page: OpenPage, observed: Observed) -> None:
    observed.allow("401")
    key = new_key(locked)
    page = open_page(f"{locked.url}/ui/flow-runs")
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: urls.append(message.text))
    give(page, key)
    expect(page.get_by_text("There are no flow runs yet.")).to_be_visible()
    for link in ("Now", "Flow runs"):
        page.get_by_role("link", name=link, exact=True).click()
        expect(page.locator(".badge")).to_have_text("live")
        urls.append(page.url)
        urls += page.locator(".sources a, .sources code").evaluate_all("all => all.map(({ outerHTML }) => outerHTML)")
    secret = key.split("_")[-1]
    assert urls
    assert not [text for text in urls if secret in text]
    assert secret not in page.content()
    assert secret not in locked.output()
    assert {httpx.URL(url).host for url in urls if url.startswith("http")} == {"127.0.0.1"}


def test_reader_without_a_key_sees_why_nothing_is_shown(
    locked: Served, open_page: OpenPage, observed: Observed
) -> None:
    observed.allow("401")
    page = open_page(f"{locked.url}/ui/flow-runs")
    dialog = page.get_by_role("dialog", name="API key")
    dialog.get_by_label("Key", exact=True).wait_for()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("alert").first).to_contain_text("This service needs an API key")
    page.get_by_role("button", name="Give a key").first.click()
    give(page, new_key(locked))
    expect(page.get_by_text("There are no flow runs yet.")).to_be_visible()


@pytest.mark.parametrize("has_key", [False, True], ids=["without a key", "with a revoked key"])
def test_every_page_says_what_is_wrong_with_the_key(
    locked: Served, open_page: OpenPage, context: BrowserContext, observed: Observed, has_key: bool
) -> None:
    observed.allow("401")
    with locked.client(headers={"Authorization": f"Bearer {new_key(locked, 'write')}"}) as http:
        recorded = task_run_data.record_failed(http, "etl", datetime.now(UTC), {"type": "PrefectResult"})
    if has_key:
        key = new_key(locked)
        revoke(locked, key)
        context.add_init_script(f"sessionStorage.setItem('taskruns.key', '{key}')")
    flow_run = f"/flow-runs/{recorded.flow_run_id}"
    task_run = f"/task-runs/{recorded.task_run_ids['load-1', -1]}"
    paths = ["/", "/flow-runs", flow_run, f"{flow_run}/tasks/load-1", f"{flow_run}/tasks/load-1/-1", task_run]
    for path in (*paths, "/tasks/etl/load-1", "/search?q=etl"):
        page = open_page(f"{locked.url}/ui{path}")
        dialog = page.get_by_role("dialog", name="API key")
        dialog.get_by_label("Key", exact=True).wait_for()
        page.keyboard.press("Escape")
        alert = page.get_by_role("alert").first
        expect(alert).to_contain_text("or it was revoked" if has_key else "needs an API key, and this page has none")
        expect(alert.get_by_role("button")).to_have_text(["Give a key"])
        expect(page.locator(".loading")).to_have_count(0)
        # What else the page reads is refused without asking again.
        page.wait_for_load_state("networkidle")
        expect(dialog).to_have_count(0)
        assert violations(page) == []
        page.close()


def test_page_goes_on_with_a_key_that_is_given_after_it_was_refused(
    locked: Served, open_page: OpenPage, observed: Observed
) -> None:
    observed.allow("401", "403")
    key = new_key(locked)
    page = open_page(f"{locked.url}/ui/flow-runs")
    give(page, key)
    expect(page.locator(".badge")).to_have_text("live")
    revoke(locked, key)
    dialog = page.get_by_role("dialog", name="API key")
    dialog.get_by_label("Key", exact=True).wait_for()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator(".badge")).to_have_text("key refused")
    page.locator(".badge").click()
    give(page, new_key(locked))
    expect(page.locator(".badge")).to_have_text("live")
    with locked.client(headers={"Authorization": f"Bearer {new_key(locked, 'write')}"}) as http:
        create(http, "busy")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()


def test_key_that_is_revoked_is_asked_for_again(locked: Served, open_page: OpenPage, observed: Observed) -> None:
    observed.allow("401")
    key = new_key(locked)
    page = open_page(f"{locked.url}/ui/flow-runs")
    give(page, key)
    expect(page.locator(".badge")).to_have_text("live")
    revoke(locked, key)
    give(page, new_key(locked, "write"))
    expect(page.locator(".badge")).to_have_text("live")
