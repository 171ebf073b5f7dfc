"""A client of a service or a proxy that means harm: calls end in time and with little memory, and so do lists."""

import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest

from taskruns.client import AsyncClient, Client
from taskruns.errors import AnswerTooLarge, ConnectionFailed, InvalidAnswer, TimedOut
from tests.client.faults import Ask, asking
from tests.security.hostile import SECONDS, Answer, Connection, answering, every_request, response

HEALTH = b'{"status": "ok", "version": "1"}'
MIB = 1 << 20
ID = UUID(int=1)
Connect = Callable[..., Ask]


@pytest.fixture(params=[Client, AsyncClient], ids=lambda kind: kind.__name__)
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes clients of either kind."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: Any) -> Ask:
            client = request.param(url, **options)
            if isinstance(client, Client):
                stack.enter_context(client)
            else:
                stack.push_async_exit(client)
            return asking(client)

        yield make


# Time


def drip_body(connection: Connection) -> None:
    """Answers well, but slowly."""
    connection.read_request()
    head, _, body = response(HEALTH + b" " * 1000).partition(b"{")
    connection.send(head)
    connection.drip(b"{" + body)


def drip_chunks(connection: Connection) -> None:
    """Answers with chunks of a byte."""
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.drip(b"".join(b"1\r\n%c\r\n" % byte for byte in HEALTH + b" " * 200) + b"0\r\n\r\n")


def drip_header(connection: Connection) -> None:
    """Answers with a header that comes slowly."""
    connection.read_request()
    connection.drip(response(HEALTH, Padding="x" * 1000))


def early_hints(connection: Connection) -> None:
    """Answers that an answer will come, again and again."""
    connection.read_request()
    connection.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200)
    connection.send(response(HEALTH))


SLOW: dict[str, Answer] = {
    "body": drip_body,
    "chunks": drip_chunks,
    "header": drip_header,
    "early hints": early_hints,
}


@pytest.mark.parametrize("answer", SLOW)
@pytest.mark.parametrize("seconds", [0.4, 30])
async def test_deadline_ends_an_answer_that_trickles_in(answer: str, seconds: float, connect: Connect) -> None:
    """No wait for the network is long, so no timeout ends it."""
    with answering(SLOW[answer]) as url:
        ask = connect(url, deadline=0.5, timeout=seconds)
        begin = time.monotonic()
        with pytest.raises(TimedOut, match=r"No response within .* from .*/health"):
            await ask(lambda client: client.service.health())
        assert time.monotonic() - begin < SECONDS / 2


async def test_deadline_of_an_http_client_of_the_users_own_is_looked_at_with_each_piece() -> None:
    with answering(drip_body) as url, httpx.Client() as http, pytest.raises(TimedOut):
        Client(url, deadline=0.5, http_client=http).service.health()


async def test_connection_serves_after_a_deadline_that_was_kept(connect: Connect) -> None:
    """The deadline of one call is none of the next."""
    with answering(every_request(response(HEALTH))) as url:
        ask = connect(url)
        await ask(lambda client: client.with_options(deadline=10).service.health())
        assert (await ask(lambda client: client.service.health())).status == "ok"


# Size


def endless(connection: Connection, header: bytes = b"") -> None:
    """Answers with chunks for ever."""
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\n" + header + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(1024):
        if connection.is_wanted:
            connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")


def until_closed(connection: Connection) -> None:
    """Answers with as much as fits before the connection ends."""
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(1024):
        if connection.is_wanted:
            connection.send(b" " * 65536)


BOMB = gzip.compress(bytes(64 * MIB), compresslevel=1)
LARGE: dict[str, Answer] = {
    "endless": endless,
    "to the end of the connection": until_closed,
    "endless with a length": lambda connection: endless(connection, b"Content-Length: 5\r\n"),
    "said to be large": every_request(response(b"", Content_Length=10**18)),
    "bomb": every_request(response(BOMB, Content_Encoding="gzip")),
    "bomb of a proxy that refuses": every_request(response(BOMB, "502 Bad Gateway", Content_Encoding="gzip")),
}


@pytest.mark.parametrize("answer", LARGE)
async def test_answer_that_is_too_large_is_an_error_and_memory_stays_flat(answer: str, connect: Connect) -> None:
    with answering(LARGE[answer]) as url:
        ask = connect(url, max_answer_bytes=MIB)
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLarge, match=rf"more than {MIB} bytes.*TASKRUNS_MAX_ANSWER_BYTES"):
                await ask(lambda client: client.service.health())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16 * MIB


async def test_answer_may_have_as_many_bytes_as_the_client_takes(connect: Connect) -> None:
    body = HEALTH.ljust(1000)
    for answer in (response(body), response(gzip.compress(body), Content_Encoding="gzip")):
        with answering(every_request(answer)) as url:
            ask = connect(url, max_answer_bytes=1000)
            assert (await ask(lambda client: client.service.health())).status == "ok"
            ask = connect(url, max_answer_bytes=999)
            with pytest.raises(AnswerTooLarge):
                await ask(lambda client: client.service.health())


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "deflate", "\x1b[2J"])
async def test_coding_that_was_not_asked_for_is_refused(coding: str, connect: Connect) -> None:
    """Some make gigabytes of a kilobyte in one step."""
    body = gzip.compress(gzip.compress(HEALTH))
    with answering(every_request(response(body, Content_Encoding=coding))) as url:
        with pytest.raises(InvalidAnswer, match="instead of gzip") as raised:
            await connect(url)(lambda client: client.service.health())
        assert str(raised.value).isprintable()


async def test_broken_compression_is_an_error_of_ours(connect: Connect) -> None:
    answer = every_request(response(b"no gzip", Content_Encoding="gzip"))
    with answering(answer) as url, pytest.raises(InvalidAnswer, match="not valid gzip"):
        await connect(url)(lambda client: client.service.health())


async def test_header_that_is_too_large_is_an_error(connect: Connect) -> None:
    with answering(every_request(response(HEALTH, Padding="x" * MIB))) as url, pytest.raises(ConnectionFailed):
        await connect(url, max_retries=0)(lambda client: client.service.health())


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirect_is_not_followed(status: str, connect: Connect) -> None:
    """Neither the key nor what is reported goes to where a service or a proxy points."""
    requests: list[bytes] = []

    def elsewhere(connection: Connection) -> None:
        requests.append(connection.read_request())
        connection.send(response(HEALTH))

    with answering(elsewhere) as target, answering(every_request(response(b"", status, Location=target))) as url:
        ask = connect(url, api_key="trk_secret", max_retries=0)
        for call in (
            lambda client: client.service.health(),
            lambda client: client.flow_runs.create(flow_name="secret"),
        ):
            with pytest.raises(InvalidAnswer):
                await ask(call)
    assert requests == []


def test_redirect_that_a_client_of_the_users_own_follows_does_not_take_the_key_along() -> None:
    requests: list[bytes] = []

    def elsewhere(connection: Connection) -> None:
        requests.append(connection.read_request())
        connection.send(response(HEALTH))

    with (
        answering(elsewhere) as target,
        answering(every_request(response(b"", "307 Temporary", Location=f"{target}/health"))) as url,
        httpx.Client(follow_redirects=True) as http,
    ):
        assert Client(url, api_key="trk_secret", http_client=http).service.health().status == "ok"
    assert len(requests) == 1
    assert b"secret" not in requests[0]


@pytest.mark.parametrize("position", ["9" * 5000, "9" * 20, "-1", "²"])
async def test_position_that_is_none_is_not_taken(position: str, connect: Connect) -> None:
    requests: list[bytes] = []

    def answer(connection: Connection) -> None:
        while request := connection.read_request():
            requests.append(request)
            connection.send(response(HEALTH, X_Taskruns_Position=position))

    with answering(answer) as url:
        ask = connect(url)
        for _ in range(2):
            assert (await ask(lambda client: client.service.health())).status == "ok"
    assert not any(b"position" in request.lower() for request in requests)


# Pages


def circle(length: int) -> Answer:
    """Answers with pages of which the last leads to the first again."""

    def answer(connection: Connection) -> None:
        while (request := connection.read_request()) and connection.is_wanted:
            place = request.partition(b"cursor=")[2][:1]
            following = str((int(place) + 1) % length if place else 0)
            body: dict[str, Any] = {"next_cursor": following}
            if b"/result" in request:
                body |= {"children": [], "reference": None, "task_run_id": str(ID)}
            else:
                body["items"] = []
            connection.send(response(json.dumps(body).encode()))

    return answer


LISTS: dict[str, Callable[[Any], Any]] = {
    "task runs": lambda client: client.task_runs.list(),
    "fields of task runs": lambda client: client.task_runs.list_fields(fields=["id"]),
    "states of a task run": lambda client: client.task_runs.states(ID),
    "flow runs": lambda client: client.flow_runs.list(),
    "fields of flow runs": lambda client: client.flow_runs.list_fields(fields=["id"]),
    "states of a flow run": lambda client: client.flow_runs.states(ID),
    "task runs of a flow run": lambda client: client.flow_runs.task_runs(ID),
    "fields of task runs of a flow run": lambda client: client.flow_runs.task_runs_fields(ID, fields=["id"]),
}
LENGTHS = [1, 2, 3, 7]


async def turn_by_hand(page: Any) -> None:
    """Turns pages without `pages()`."""
    while page is not None:
        following = page.next_page()
        page = await following if hasattr(following, "__await__") else following


async def iterate(listed: Any) -> None:
    """Iterates over all items, in either kind of client."""
    if hasattr(listed, "__aiter__"):
        async for _ in listed:
            pass
    else:
        list(listed)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", LISTS)
async def test_pages_that_lead_in_a_circle_end_with_an_error(name: str, length: int, connect: Connect) -> None:
    with answering(circle(length)) as url:
        clients: list[Any] = []

        def first_page(client: Any) -> Any:
            clients.append(client)
            return LISTS[name](client)

        page = await connect(url)(first_page)
        for turning in (iterate(LISTS[name](clients[0])), iterate(page), turn_by_hand(page)):
            with pytest.raises(InvalidAnswer, match="form a cycle"):
                await turning
