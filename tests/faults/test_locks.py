"""Locks of somebody else: what they hold back is refused after a while, and nothing else waits for them."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg

from taskruns_service.app import create_app
from tests.faults.asking import (
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
from tests.service import problem_of, running, settings_of

HELD = "Another transaction holds a lock that this request needs. Nothing was recorded; retry the request later."


@asynccontextmanager
async def held(url: str, statement: str, *arguments: object) -> AsyncIterator[asyncpg.Connection]:
    """Holds the locks of a statement in a transaction of another session."""
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        async with other.transaction():
            await other.execute(statement, *arguments)
            yield other
    finally:
        await other.close()


async def wait_until_the_lock_is_waited_for(other: asyncpg.Connection) -> None:
    """Waits until a transaction wants what `other` has."""
    end = time.monotonic() + 10
    while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


LOCK_OF_RUN = "SELECT 1 FROM flow_run WHERE id = $1 FOR UPDATE"


async def test_locked_flow_run_is_refused_and_stops_no_other(url: str) -> None:
    async with running(create_app(settings_of(url, write_timeout=4))) as http:
        locked = await create(http)
        others = [await create(http) for _ in range(5)]
        async with held(url, LOCK_OF_RUN, locked) as other:
            began = time.monotonic()
            waiting = [asyncio.create_task(report(http, locked)) for _ in range(3)]
            waiting += [asyncio.create_task(report(http, locked, *map(str, range(50))))]
            await wait_until_the_lock_is_waited_for(other)
            # While it is held, everything else goes on.
            for _ in range(4):
                answers = await asyncio.gather(*(report(http, flow_run) for flow_run in others))
                assert {answer.status_code for answer in answers} == {200}
            assert not any(task.done() for task in waiting)
            assert await reason_against(http) is None
            for answer in await asyncio.gather(*waiting):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert (problem_of(answer)["code"], answer.json()["detail"]) == ("database-unavailable", HELD)
            assert time.monotonic() - began < 4 * 1.2 + SLACK_SECONDS
        assert (await report(http, locked)).json()["items"][0]["outcome"] == "created"


async def test_write_that_waits_for_a_lock_is_made_once_it_is_released(url: str) -> None:
    async with running(create_app(settings_of(url))) as http:
        locked = await create(http)
        async with held(url, LOCK_OF_RUN, locked) as other:
            first = asyncio.create_task(report(http, locked, "a"))
            await wait_until_the_lock_is_waited_for(other)
            await asyncio.sleep(1.5)  # longer than one statement waits
            second = asyncio.create_task(report(http, locked, "b"))
            await asyncio.sleep(0)
        for answer in (await first, await second):
            assert answer.json()["items"][0]["outcome"] == "created"
        found = await http.get(f"/flow-runs/{locked}")
        assert found.json()["task_run_counts"] == {"Running": 2}


async def test_every_kind_of_change_is_refused_where_a_table_is_locked(url: str) -> None:
    async with running(create_app(settings_of(url, write_timeout=2))) as http:
        flow_run = await create(http)
        async with held(url, "LOCK TABLE flow_run IN EXCLUSIVE MODE"):
            answers = await refusals(http, writes(flow_run), 2 * 2)
            assert answers == dict.fromkeys(answers, UNAVAILABLE)
            assert {status for status, *_ in (await refusals(http, reads(flow_run), 1)).values()} == {200}
            assert await reason_against(http) is None
        assert (await report(http, flow_run)).status_code == 200


async def test_questions_are_refused_where_a_table_is_locked_for_all(url: str) -> None:
    """As while another program changes the table: they do not wait as long as a question may take."""
    async with running(create_app(settings_of(url, write_timeout=2, query_timeout=30))) as http:
        flow_run = await create(http)
        async with held(url, "LOCK TABLE flow_run, task_run, flow IN ACCESS EXCLUSIVE MODE"):
            answers = await refusals(http, reads(flow_run), 2 * 2)
            assert answers == dict.fromkeys(answers, UNAVAILABLE)
        assert (await http.get(f"/flow-runs/{flow_run}")).status_code == 200


async def test_items_of_a_bulk_report_that_wait_for_a_lock_are_refused_by_themselves(url: str) -> None:
    """The others of a GraphQL request are recorded; it is sent again as a whole."""
    async with running(create_app(settings_of(url, write_timeout=2))) as http:
        locked, free = await create(http), await create(http)
        states = [{"flow_run_id": one, "state": {"type": "Running", "message": ""}} for one in (free, locked)]
        body = {
            "query": "mutation($i: set_flow_run_states_input!) { set_flow_run_states(input: $i) { states { id } } }",
            "variables": {"i": {"states": states}},
        }
        async with held(url, LOCK_OF_RUN, locked):
            assert (await http.post("/graphql", json=body)).status_code == 503
            assert (await http.get(f"/flow-runs/{free}")).json()["state"] == "Running"
        assert (await http.post("/graphql", json=body)).json()["data"]["set_flow_run_states"]["states"]


async def test_answers_of_a_batch_are_given_though_a_later_request_of_it_waits_for_a_lock(url: str) -> None:
    def request(flow_run: str) -> dict[str, Any]:
        states = [{"flow_run_id": flow_run, "state": {"type": "Running", "message": ""}}]
        query = "mutation($i: set_flow_run_states_input!) { set_flow_run_states(input: $i) { states { id } } }"
        return {"query": query, "variables": {"i": {"states": states}}}

    async with running(create_app(settings_of(url, write_timeout=2))) as http:
        locked, first, last = [await create(http) for _ in range(3)]
        async with held(url, LOCK_OF_RUN, locked):
            answer = await http.post("/graphql", json=[request(one) for one in (first, locked, last)])
            assert answer.status_code == 200
            changed, waited, left = answer.json()
            assert changed["data"]["set_flow_run_states"]["states"] == [{"id": first}]
            for given_up, message in ((waited, HELD), (left, "An earlier request of the batch was abandoned")):
                (error,) = given_up["errors"]
                assert error["extensions"] == {"code": "DATABASE_UNAVAILABLE", "status": 503, "retry_after": 1}
                assert error["message"].startswith(message)
            assert (await http.get(f"/flow-runs/{last}")).json()["state"] == "Pending"
            # Where nothing was done, the batch is repeated as a whole.
            refused = await http.post("/graphql", json=[request(locked), request(last)])
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert (await http.get(f"/flow-runs/{last}")).json()["state"] == "Pending"


def change_of(alias: str, flow_run: str) -> str:
    """A mutation that brings a flow run to Running."""
    states = f'[{{flow_run_id: "{flow_run}", state: {{type: "Running", message: ""}}}}]'
    return f"{alias}: set_flow_run_states(input: {{states: {states}}}) {{ states {{ id }} }}"


async def test_mutations_of_a_document_are_answered_though_a_later_one_waits_for_a_lock(url: str) -> None:
    async with running(create_app(settings_of(url, write_timeout=2))) as http:
        locked, first, last = [await create(http) for _ in range(3)]
        half = " ".join(map(change_of, ("first", "locked", "last"), (first, locked, last)))
        none = " ".join(map(change_of, ("locked", "last"), (locked, last)))
        async with held(url, LOCK_OF_RUN, locked):
            batch = [{"query": f"mutation {{ {mutations} }}"} for mutations in (half, change_of("next", last))]
            answer = await http.post("/graphql", json=batch)
            assert answer.status_code == 200
            done, left = answer.json()
            assert done["data"] == {"first": {"states": [{"id": first}]}, "locked": None, "last": None}
            assert [error["path"] for error in done["errors"]] == [["locked"], ["last"]]
            for error in (*done["errors"], *left["errors"]):
                assert error["extensions"] == {"code": "DATABASE_UNAVAILABLE", "status": 503, "retry_after": 1}
            assert done["errors"][0]["message"] == HELD
            refused = await http.post("/graphql", json={"query": f"mutation {{ {none} }}"})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert (await http.get(f"/flow-runs/{first}")).json()["state"] == "Running"
            assert (await http.get(f"/flow-runs/{last}")).json()["state"] == "Pending"


async def test_queries_of_a_document_are_refused_as_a_whole(url: str) -> None:
    async with running(create_app(settings_of(url, write_timeout=2))) as http:
        await create(http)
        async with held(url, "LOCK TABLE flow_run IN ACCESS EXCLUSIVE MODE"):
            answer = await http.post(
                "/graphql", json={"query": "{ first: flow { id } flow_run { id } last: flow { id } }"}
            )
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert (problem_of(answer)["code"], answer.json()["detail"]) == ("database-unavailable", HELD)


async def test_locked_file_is_refused_and_read_meanwhile(sqlite_file: Path) -> None:
    async with running(create_app(settings_of(f"sqlite:///{sqlite_file}", write_timeout=2))) as http:
        flow_run = await create(http)
        with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers = await refusals(http, writes(flow_run), 2 * 2)
            assert answers == dict.fromkeys(answers, UNAVAILABLE)
            assert {status for status, *_ in (await refusals(http, reads(flow_run), 1)).values()} == {200}
            assert await reason_against(http) == "Another process holds the lock of the database file."
            other.execute("ROLLBACK")
        await until_ready(http)
        assert (await report(http, flow_run)).status_code == 200
