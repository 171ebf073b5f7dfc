"""Hostile requests for streams: none is an error of the service, and none leaves anything behind."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from taskruns_service.app import create_app
from tests.service import Served, call_command, running, served, settings_of
from tests.sockets import begin_flow_run, connect, read_until
from tests.streams import Watched, streaming
from tests.waiting import eventually

PLACES = 20
DROPPED = 1_000
ACCEPTED_IDS = ["0", "000", "1", "1.0", "1.99999999999999999"]
REFUSED_IDS = [
    *("", " ", "-1", "+1", "1e3", "0x1", "1.", ".1", "1.2.3", "1, 2", "1 2", "1_000", "NaN", "None", "1\t"),
    *("\u00b2", "\u00bd", "\u0661", "1\x7f", "1\x01", "1;2", "'", "1" * 1_000_000),
]


@pytest.fixture(scope="module")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema and nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "taskruns.db"
    assert call_command("migrate", TASKRUNS_DATABASE_URL=f"sqlite:///{file}").returncode == 0
    return file


@pytest.fixture
async def watched(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Watched]:
    """The application with a flow run to watch, and with places for some streams."""
    file = shutil.copy(migrated_file, tmp_path / "taskruns.db")
    app = create_app(settings_of(f"sqlite:///{file}", watchers=PLACES))
    async with running(app) as client:
        service = Watched(app, client)
        await service.begin()
        yield service


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_at_rest(watched: Watched) -> None:
    """Waits until no stream is open; fails if one has left anything behind."""
    live = watched.live()
    await until(lambda: not live.streams.count and not live.ticker.hubs)


async def status(watched: Watched, target: str, headers: dict[str, str] | None = None, method: str = "GET") -> int:
    async with streaming(watched.app, target, headers, method) as stream:
        return stream.status


@pytest.mark.parametrize("identifier", REFUSED_IDS, ids=lambda text: ascii(text)[:20])
async def test_odd_position_is_refused(watched: Watched, identifier: str) -> None:
    assert await status(watched, f"{watched.path}/events", {"Last-Event-ID": identifier}) == 400
    await until_at_rest(watched)


@pytest.mark.parametrize("identifier", ACCEPTED_IDS)
async def test_plain_position_is_accepted(watched: Watched, identifier: str) -> None:
    await watched.report("t")
    for logs in ("false", "true"):
        target = f"{watched.path}/events?logs={logs}"
        async with streaming(watched.app, target, {"Last-Event-ID": identifier}) as stream:
            assert stream.status == 200
            await stream.named("flow_run")
    await until_at_rest(watched)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"after_sequence={2**63 - 1}", 410),
        (f"after_sequence={2**63}", 400),
        (f"after_sequence={'9' * 10_000}", 400),
        ("after_sequence=%D9%A1", 400),
        ("after_sequence=1&after_sequence=2", 400),
        ("after_sequence=", 400),
        ("after_sequence=%00", 400),
        ("task_slug=%00", 400),
        ("task_slug=", 400),
        ("&".join(f"task_slug=t-{number}" for number in range(1_000)), 400),
        ("&".join(f"task_slug=t-{number}" for number in range(100)), 200),
        (f"task_slug={'x' * 255}", 200),
        (f"task_slug={'x' * 256}", 400),
        ("task_slug=%FF", 400),
        ("task_slug=%27%3B--&task_slug=%25", 200),
        ("logs=maybe", 400),
        ("events=all", 400),
        ("%", 400),
    ],
    ids=lambda value: f"{value}"[:30],
)
async def test_odd_parameters_are_refused(watched: Watched, query: str, expected: int) -> None:
    assert await status(watched, f"{watched.path}/events?{query}") == expected
    await until_at_rest(watched)


@pytest.mark.parametrize("path", ["/flow-runs/{id}/events", "/events"])
async def test_streams_are_read_with_get_alone(watched: Watched, path: str) -> None:
    target = path.format(id=watched.path.rpartition("/")[2])
    assert await status(watched, target, method="HEAD") == 200
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = await watched.client.request(method, target)
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    await until_at_rest(watched)


async def test_page_of_another_origin_cannot_read_a_stream(watched: Watched) -> None:
    headers = {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"}
    async with streaming(watched.app, f"{watched.path}/events", headers) as stream:
        assert not [name for name in stream.headers if name.startswith("access-control")]
    assert await status(watched, f"{watched.path}/events", {"Host": "example.org"}) >= 400
    await until_at_rest(watched)


async def test_streams_that_end_leave_no_tasks(watched: Watched) -> None:
    await watched.report("t")
    flow_run_id = watched.path.rpartition("/")[2]
    targets = cycle(
        [
            f"{watched.path}/events",
            f"{watched.path}/events?after_sequence=0&logs=true",
            f"{watched.path}/events?task_slug=t",
            f"/events?topic=now&flow_run_id={flow_run_id}&flow_run_id={uuid4()}",
            f"{watched.path}/events?after_sequence=99999",
            f"/flow-runs/{uuid4()}/events",
        ]
    )
    before = len(asyncio.all_tasks())
    for number, target in zip(range(200), targets, strict=False):
        async with streaming(watched.app, target) as stream:
            if number % 2 and stream.status == 200:
                await stream.next()
    await until_at_rest(watched)
    await until(lambda: len(asyncio.all_tasks()) <= before)


async def test_flow_run_that_is_deleted_and_created_again_is_another(watched: Watched) -> None:
    flow_run_id = watched.path.rpartition("/")[2]
    for _ in range(3):
        await watched.report("a", "b", "c")
        async with (
            streaming(watched.app, f"{watched.path}/events") as stream,
            streaming(watched.app, f"/events?flow_run_id={flow_run_id}"),
        ):
            last = (await stream.named("flow_run")).id
            await watched.client.delete(watched.path)
            created = await watched.client.post("/flow-runs", json={"flow_name": "etl", "id": flow_run_id})
            assert created.status_code == 201
            event: Any = await stream.next()
            while event.name == "flow_run":
                event = await stream.next()
            assert event.name in ("gone", "resync")
            assert await stream.next() is None
        assert last is not None
        assert await status(watched, f"{watched.path}/events", {"Last-Event-ID": last}) == 410
    await until_at_rest(watched)


@pytest.fixture
def small_service(tmp_path: Path) -> Iterator[Served]:
    """The service with places for some streams."""
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, watchers=PLACES, receive_timeout=2) as service:
        yield service


def test_streams_that_are_dropped_leave_their_places(small_service: Served) -> None:
    with small_service.client() as client:
        path = begin_flow_run(client)
        for number in range(DROPPED):
            connection = connect(small_service, f"{path}/events" if number % 2 else "/events")
            if number % 3 == 0:
                connection.recv(1)
            connection.close()
        with ExitStack() as stack:

            def has_places() -> bool:
                while len(streams) < PLACES:
                    response = stack.enter_context(client.stream("GET", f"{path}/events"))
                    if response.status_code != httpx.codes.OK:
                        return False
                    streams.append(response)
                return True

            streams: list[httpx.Response] = []
            eventually(has_places)
        assert client.get("/health").status_code == httpx.codes.OK
        assert '"status": 5' not in small_service.output().replace('"status": 503', "")


def test_stream_with_a_body_is_sent(small_service: Served) -> None:
    with small_service.client() as client:
        path = begin_flow_run(client)
        for body in (b"x", b"x" * 100_000):
            with closing(connect(small_service, f"{path}/events", f"Content-Length: {len(body)}", body=body)) as stream:
                assert b" 200 OK" in read_until(stream, b"event: flow_run")
        eventually(lambda: small_service.output().count("stream ended") == 2)


def test_place_of_a_client_whose_body_does_not_arrive_becomes_free(small_service: Served) -> None:
    with small_service.client() as client, ExitStack() as stack:
        path = begin_flow_run(client)
        for headers in (["Content-Length: 10"], ["Transfer-Encoding: chunked"]):
            stack.enter_context(closing(connect(small_service, f"{path}/events", *headers)))
        eventually(lambda: small_service.output().count("stream ended") == 2)


def test_key_that_may_only_read_is_enough(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    keys = {}
    for scope in ("read", "write"):
        done = call_command("keys", "create", "--name", scope, "--scope", scope, TASKRUNS_DATABASE_URL=url)
        keys[scope] = {"Authorization": f"Bearer {done.stdout.split()[-1]}"}
    with served(url, tmp_path, require_keys=True) as service, service.client() as client:
        flow_run = client.post("/flow-runs", json={"flow_name": "etl"}, headers=keys["write"]).json()
        path = f"/flow-runs/{flow_run['id']}/events"
        with client.stream("GET", path, headers=keys["read"]) as response:
            assert response.status_code == httpx.codes.OK
        for headers in ({}, {"Authorization": "Bearer trk_x_y"}, {"Authorization": "Basic eDp5"}):
            assert client.get(path, headers=headers).status_code == httpx.codes.UNAUTHORIZED
