"""A database that does not answer: frozen, unreachable, or gone without a word. Every request has an answer in time."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from taskruns_service.app import create_app
from taskruns_service.storage import dialects
from tests.faults.asking import (
    ANSWER_SECONDS,
    SLACK_SECONDS,
    UNAVAILABLE,
    create,
    reads,
    reason_against,
    refusals,
    report,
    until_ready,
    writes,
)
from tests.faults.proxy import Proxy, proxied
from tests.postgres import PostgresServer, children_of, database_name, running_standby
from tests.service import problem_of, running, settings_of

NO_ANSWER = "The database does not respond."


@asynccontextmanager
async def behind_proxy(
    url: str, server: PostgresServer, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Proxy]]:
    """The service, and what stands between it and its database."""
    async with proxied(server.port) as proxy:
        there = url.replace(f":{server.port}/", f":{proxy.port}/")
        async with running(create_app(settings_of(there, **settings))) as http:
            yield http, proxy


@contextmanager
def swallowing(proxy: Proxy) -> Iterator[None]:
    """Is a black hole for the time of a `with` block."""
    proxy.swallow()
    try:
        yield
    finally:
        proxy.forward()


@pytest.mark.parametrize("kind", ["frozen", "black hole"])
async def test_every_request_is_answered_while_the_primary_is_silent(
    kind: str, url: str, server: PostgresServer
) -> None:
    async with behind_proxy(url, server) as (http, proxy):
        flow_run = await create(http)
        await asyncio.gather(*(send(http) for send in reads(flow_run).values()))  # so that there are connections
        requests = {**reads(flow_run), **writes(flow_run)}
        with server.frozen() if kind == "frozen" else swallowing(proxy):
            assert await refusals(http, requests) == dict.fromkeys(requests, UNAVAILABLE)
            assert await reason_against(http) == NO_ANSWER
            # What comes later is answered as well.
            assert await refusals(http, requests) == dict.fromkeys(requests, UNAVAILABLE)
        await until_ready(http)
        assert (await report(http, flow_run)).status_code == 200


async def test_connections_that_went_silent_are_left_though_the_server_takes_new_ones(
    url: str, server: PostgresServer
) -> None:
    async with running(create_app(settings_of(url, query_timeout=1, write_timeout=1))) as http:
        flow_run = await create(http)
        requests = {**reads(flow_run), **writes(flow_run)}
        await asyncio.gather(*(send(http) for send in reads(flow_run).values()))
        with server.frozen(children_of(server.process.pid)):
            for name, (status, *_) in (await refusals(http, requests, 4)).items():
                assert status in (200, 201, 503), name
            assert (await report(http, flow_run)).status_code == 200
            assert (await http.get(f"/flow-runs/{flow_run}")).status_code == 200


async def test_processes_of_the_server_that_are_frozen_are_left_long_before_a_question_has_taken_too_long(
    url: str, server: PostgresServer
) -> None:
    """With the times that the service has by itself: a question may take 30 s, and these are answered."""
    async with running(create_app(settings_of(url))) as http:
        flow_run = await create(http)
        requests = {**reads(flow_run), **writes(flow_run)}
        many = {f"{name} {number}": send for name, send in requests.items() for number in range(4)}
        await asyncio.gather(*(send(http) for send in many.values()))  # so that all connections are there
        with server.frozen(children_of(server.process.pid)):
            for name, (status, *_) in (await refusals(http, many)).items():
                assert status in (200, 201) or name.startswith("graphql heartbeat"), name
        assert (await report(http, flow_run)).status_code == 200


async def test_silence_during_a_commit_leaves_the_outcome_open(url: str, server: PostgresServer) -> None:
    async with behind_proxy(url, server, write_timeout=1) as (http, proxy):
        flow_run = await create(http)
        proxy.swallow_after(b"COMMIT")
        answer = await report(http, flow_run)
        assert (answer.status_code, problem_of(answer)["code"]) == (503, "outcome-unknown")
        assert "retry-after" not in answer.headers


async def test_silence_during_the_commit_of_a_mutation_tells_which_ones_were_carried_out(
    url: str, server: PostgresServer
) -> None:
    async with behind_proxy(url, server, write_timeout=1) as (http, proxy):
        names = ("first", "second", "third")
        mutations = " ".join(
            f'{name}: create_tenant(input: {{name: "{name}", slug: "{name}"}}) {{ id }}' for name in names
        )
        proxy.swallow_after(b"second", b"COMMIT")
        answer = await http.post("/graphql", json={"query": f"mutation {{ {mutations} }}"})
        proxy.forward()
        assert answer.status_code == 200
        body = answer.json()
        assert body["data"]["first"]["id"]
        assert (body["data"]["second"], body["data"]["third"]) == (None, None)
        assert [error["path"] for error in body["errors"]] == [["second"], ["third"]]
        assert [error["extensions"] for error in body["errors"]] == [
            {"code": "OUTCOME_UNKNOWN", "status": 503},
            {"code": "DATABASE_UNAVAILABLE", "status": 503, "retry_after": 1},
        ]


async def test_changes_that_wait_for_a_silent_transaction_are_answered_with_it(
    url: str, server: PostgresServer
) -> None:
    async with behind_proxy(url, server, write_timeout=2) as (http, proxy):
        flow_run = await create(http)
        with swallowing(proxy):
            first = asyncio.create_task(report(http, flow_run))
            await asyncio.sleep(0)
            began = time.monotonic()
            others = await asyncio.gather(*(report(http, flow_run, f"b{number}") for number in range(5)))
            assert {answer.status_code for answer in [await first, *others]} == {503}
            assert time.monotonic() - began < 2 * 2 + SLACK_SECONDS


async def test_standby_that_is_silent_is_passed_over(url: str, server: PostgresServer) -> None:
    with running_standby(server) as standby:
        async with running(create_app(settings_of(url, read_database_url=standby.url(database_name(url))))) as http:
            flow_run = await create(http)
            await asyncio.gather(*(send(http) for send in reads(flow_run).values()))
            with standby.frozen():
                answers = await refusals(http, reads(flow_run), 3)
                assert {status for status, *_ in answers.values()} == {200}
                assert await reason_against(http) is None


@pytest.mark.parametrize("place", [0, 1])
async def test_host_that_is_silent_does_not_take_the_time_of_the_others(
    place: int, url: str, server: PostgresServer
) -> None:
    async with proxied(server.port) as proxy:
        hosts = [f"127.0.0.1:{server.port}"]
        hosts.insert(place, f"127.0.0.1:{proxy.port}")
        proxy.swallow()
        both = url.replace(f"127.0.0.1:{server.port}", ",".join(hosts))
        async with running(create_app(settings_of(both, read_database_url=both))) as http:
            flow_run = await create(http)
            answers = await refusals(http, {**reads(flow_run), **writes(flow_run)}, 4)
            assert {status for status, *_ in answers.values()} <= {200, 201}


async def test_kernel_notices_a_server_that_is_gone(url: str) -> None:
    connection = await dialects.connect(**connect_arguments(url), timeout=3)
    try:
        connected = connection._transport.get_extra_info("socket")
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < ANSWER_SECONDS
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) < ANSWER_SECONDS * 1000
    finally:
        await connection.close()


def connect_arguments(url: str) -> dict[str, Any]:
    parts = make_url(url)
    return {
        "host": parts.host,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "database": parts.database,
    }
