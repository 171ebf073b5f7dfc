"""The lists of the two clients on the real service: pages are turned by themselves, and by hand."""

from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import pytest

from taskruns.client import AsyncClient, Client
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.models import TaskRunFields, TaskRunReport
from tests.client.faults import Ask, asking
from tests.service import Served


@pytest.fixture(scope="session")
def long_flow_run() -> Callable[[str], UUID]:
    """Makes one flow run of 2,300 task runs at a service, the first time that it is asked to."""

    @cache
    def made(url: str) -> UUID:
        with Client(url, timeout=60) as client:
            id = client.flow_runs.create(flow_name="long").id
            for first in range(0, 2300, 1000):
                indexes = range(first, min(first + 1000, 2300))
                items = [TaskRunReport(task_slug="inc-1", map_index=index) for index in indexes]
                client.flow_runs.report(id, items=items)
        return id

    return made


class Pages:
    """A flow run of 2,300 task runs, and what was asked about it."""

    def __init__(self, ask: Ask, id: UUID, urls: list[httpx.URL]) -> None:
        self.ask = ask
        self.id = id
        self._urls = urls

    def asked(self) -> list[tuple[str | None, bool]]:
        """The limit of each request since the last time, and whether it had a cursor."""
        limits = [(url.params.get("limit"), "cursor" in url.params) for url in self._urls]
        self._urls.clear()
        return limits


@pytest.fixture
async def pages(
    kind: type[Client] | type[AsyncClient], service: Served, long_flow_run: Callable[[str], UUID]
) -> AsyncIterator[Pages]:
    """The long flow run, with a client of either kind, on both databases."""
    urls: list[httpx.URL] = []
    id = long_flow_run(service.url)
    if kind is Client:
        with httpx.Client(event_hooks={"request": [lambda request: urls.append(request.url)]}) as http:
            yield Pages(asking(Client(service.url, http_client=http)), id, urls)
        return

    async def note(request: httpx.Request) -> None:
        urls.append(request.url)

    async with httpx.AsyncClient(event_hooks={"request": [note]}) as async_http:
        yield Pages(asking(AsyncClient(service.url, http_client=async_http)), id, urls)


async def all_of(listing: Any) -> list[Any]:
    """All items of what a list gives, of either client."""
    return [item async for item in listing] if hasattr(listing, "__aiter__") else list(listing)


async def test_iterating_over_a_list_turns_its_pages(pages: Pages) -> None:
    page = await pages.ask(lambda client: client.flow_runs.task_runs(pages.id, sort="map_index"))
    assert (len(page.items), pages.asked()) == (100, [(None, False)])
    assert [item.map_index for item in await all_of(page)] == list(range(2300))
    assert pages.asked() == [("1000", True)] * 3
    assert MAX_PAGE_SIZE == 1000


async def test_size_of_a_page_stays_what_the_caller_said(pages: Pages) -> None:
    page = await pages.ask(lambda client: client.task_runs.list(flow_run_id=[pages.id], sort="map_index", limit=800))
    assert [item.map_index for item in await all_of(page)] == list(range(2300))
    assert pages.asked() == [("800", False), ("800", True), ("800", True)]


async def test_further_pages_have_the_same_filters_and_fields(pages: Pages) -> None:
    page = await pages.ask(
        lambda client: client.task_runs.list_fields(
            flow_run_id=[pages.id], task_slug_prefix="inc", run_count_gte=0, sort="-map_index", fields=["map_index"]
        )
    )
    assert await all_of(page) == [TaskRunFields(map_index=index) for index in range(2299, -1, -1)]
    assert len(pages.asked()) == 4


async def test_cursor_of_a_page_goes_on_later(pages: Pages) -> None:
    first = await pages.ask(lambda client: client.flow_runs.task_runs(pages.id, sort="map_index", limit=1000))
    later = await pages.ask(
        lambda client: client.flow_runs.task_runs(pages.id, sort="map_index", limit=1000, cursor=first.next_cursor)
    )
    assert [item.map_index for item in await all_of(later)] == list(range(1000, 2300))
    assert pages.asked() == [("1000", False), ("1000", True), ("1000", True)]


async def test_page_may_be_turned_by_hand(pages: Pages) -> None:
    first = await pages.ask(lambda client: client.flow_runs.task_runs(pages.id, sort="map_index"))
    second = await pages.ask(lambda _: first.next_page())
    assert (second.items[0].map_index, len(second.items)) == (100, 1000)
    assert second.next_cursor is not None


def test_histories_are_lists_too(client: Client) -> None:
    flow_run = client.flow_runs.create(flow_name="f")
    for type in ("Running", "Success"):
        client.flow_runs.set_state(flow_run.id, type=type)
    page = client.flow_runs.states(flow_run.id, limit=1)
    assert page.next_cursor is not None
    assert [state.type for state in page] == ["Running", "Success"]


async def test_list_of_the_async_client_is_awaited_or_iterated_over(
    service: Served, long_flow_run: Callable[[str], UUID]
) -> None:
    async with AsyncClient(service.url) as client:
        listing = client.flow_runs.task_runs(long_flow_run(service.url), limit=1000)
        assert [len(page.items) async for page in listing.pages()] == [1000, 1000, 300]
        assert len([item async for item in listing]) == 2300
        assert len((await listing).items) == 1000


async def test_raw_response_of_a_list_is_parsed_as_a_page_that_goes_on(ask: Ask) -> None:
    flow_run = await ask(lambda client: client.flow_runs.create(flow_name="f"))
    items = [TaskRunReport(task_slug=slug) for slug in "abc"]
    await ask(lambda client: client.flow_runs.report(flow_run.id, items=items))
    raw = await ask(lambda client: client.flow_runs.task_runs.with_raw_response(flow_run.id, limit=1))
    assert (raw.status_code, "etag" in raw.headers) == (200, True)
    assert [item.task_slug for item in await all_of(raw.parse())] == ["a", "b", "c"]
