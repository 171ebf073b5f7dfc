"""Standbys: a real primary and a standby that streams from it; nobody reads less than they say they have seen."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import httpx
import pytest

from taskruns import AsyncClient
from taskruns_service.app import create_app
from tests.postgres import PostgresServer, database_name, running_postgres, running_standby
from tests.service import call_command, problem_of, running, settings_of

# One worker starts both servers, for all tests here.
pytestmark = pytest.mark.xdist_group("standbys")
POSITION = "X-Taskruns-Position"
WAIT_SECONDS = 120


class Pair(NamedTuple):
    """A primary, its standby, and the name of a migrated database that both have."""

    primary: PostgresServer
    standby: PostgresServer
    name: str

    def settings(self, **others: Any) -> Any:
        """Settings of a service that writes to the primary and reads from the standby."""
        urls = {"database_url": self.primary.url(self.name), "read_database_url": self.standby.url(self.name)}
        return settings_of(**{**urls, **others})


def migrated(primary: PostgresServer) -> str:
    """The name of a new database with the schema."""
    url = primary.create_database()
    assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
    return database_name(url)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A primary and its standby for the tests that leave both as they are."""
    with running_postgres() as primary:
        name = migrated(primary)
        with running_standby(primary) as standby:
            yield Pair(primary, standby, name)


@pytest.fixture
def breakable_pair() -> Iterator[tuple[Pair, Callable[[], None]]]:
    """A primary and its standby for one test, and what stops the primary."""
    with ExitStack() as both:
        first = both.enter_context(ExitStack())
        primary = first.enter_context(running_postgres())
        name = migrated(primary)
        yield Pair(primary, both.enter_context(running_standby(primary)), name), first.close


async def run_on(url: str, statement: str) -> Any:
    """Runs a statement past the service, and gives the first value of its answer."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until(found: Callable[[], Awaitable[Any]]) -> None:
    """Waits until a question is answered with something true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not await found():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@asynccontextmanager
async def paused(pair: Pair) -> AsyncIterator[None]:
    """Keeps the standby at what it knows."""
    standby = pair.standby.url(pair.name)
    await run_on(standby, "SELECT pg_wal_replay_pause()")
    await until(lambda: run_on(standby, "SELECT pg_get_wal_replay_pause_state() = 'paused'"))
    try:
        yield
    finally:
        await run_on(standby, "SELECT pg_wal_replay_resume()")


async def caught_up(pair: Pair, position: str) -> None:
    """Waits until the standby has replayed up to a position."""
    asked = f"SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= {position}"
    await until(lambda: run_on(pair.standby.url(pair.name), asked))


async def create(http: httpx.AsyncClient, flow_name: str) -> httpx.Response:
    """Creates a flow run."""
    answer = await http.post("/flow-runs", json={"flow_name": flow_name})
    assert answer.status_code == 201
    return answer


async def list_flow_names(http: httpx.AsyncClient, position: str | None = None) -> set[str]:
    """The names of the flows that have runs, as a client sees them that has seen a position."""
    answer = await http.get("/flow-runs", headers={} if position is None else {POSITION: position})
    assert answer.status_code == 200
    return {one["flow_name"] for one in answer.json()["items"]}


async def query_flow_names(http: httpx.AsyncClient, position: str | None = None) -> set[str]:
    """What `list_flow_names` returns, by GraphQL."""
    headers = {} if position is None else {POSITION: position}
    data = await graphql(http, "{ flow_run { flow { name } } }", **headers)
    return {one["flow"]["name"] for one in data["flow_run"]}


async def graphql(http: httpx.AsyncClient, query: str, **headers: str) -> Any:
    """The data of the answer to a query."""
    answer = await http.post("/graphql", json={"query": query}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert POSITION not in answer.headers
    assert "errors" not in answer.json()
    return answer.json()["data"]


FlowNames = Callable[..., Awaitable[set[str]]]


@pytest.fixture(params=[list_flow_names, query_flow_names])
def flow_names(request: pytest.FixtureRequest) -> FlowNames:
    """The names of the flows that have runs, by REST and by GraphQL."""
    read: FlowNames = request.param
    return read


async def test_standby_answers_as_soon_as_it_knows_what_the_client_has_seen(pair: Pair, flow_names: FlowNames) -> None:
    old, new = str(uuid4()), str(uuid4())
    async with running(create_app(pair.settings())) as http:
        first = (await create(http, old)).headers[POSITION]
        await caught_up(pair, first)
        async with paused(pair):
            second = (await create(http, new)).headers[POSITION]
            assert int(second) > int(first)
            # It is the standby that answers who has seen the first alone, and who has not said.
            assert new not in await flow_names(http)
            assert await flow_names(http, first) == await flow_names(http)
            assert {old, new} <= await flow_names(http, second)
        await caught_up(pair, second)
        assert {old, new} <= await flow_names(http)


async def test_every_kind_of_question_sees_what_was_written(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http:
        run = f"/flow-runs/{(await create(http, 'kinds')).json()['id']}"
        body = {"items": [{"task_slug": "a", "states": [{"type": "Running"}]}]}
        reported = await http.post(f"{run}/task-runs", json=body)
        await caught_up(pair, reported.headers[POSITION])
        async with paused(pair):
            task_run = f"/task-runs/{reported.json()['items'][0]['task_run_id']}"
            written = await http.post(f"{task_run}/states", json={"type": "Success"})
            seen = {POSITION: written.headers[POSITION]}
            assert (await http.get(task_run)).json()["state"] == "Running"
            assert (await http.get(task_run, headers=seen)).json()["state"] == "Success"
            # A snapshot of several statements, and one statement.
            grouped = await http.get("/task-runs/aggregate?flow_name=kinds&group_by=state", headers=seen)
            assert [one["key"] for one in grouped.json()["groups"]] == [{"state": "Success"}]
            assert (await http.get(f"{task_run}/states", headers=seen)).json()["items"][-1]["type"] == "Success"
            assert len((await http.get(f"{run}/task-runs?state=Success", headers=seen)).json()["items"]) == 1


async def test_version_that_was_seen_is_compared_with_the_newest(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http:
        run = f"/flow-runs/{(await create(http, 'versions')).json()['id']}"
        reported = await http.post(f"{run}/task-runs", json={"items": [{"task_slug": "a"}]})
        await caught_up(pair, reported.headers[POSITION])
        task_run = f"/task-runs/{reported.json()['items'][0]['task_run_id']}"
        async with paused(pair):
            written = await http.post(f"{task_run}/states", json={"type": "Running"})
            same = await http.get(task_run, headers={"If-None-Match": written.headers["etag"]})
            assert (same.status_code, same.headers["etag"]) == (304, written.headers["etag"])
            newer = await http.get(task_run, headers={"If-None-Match": '"0"'})
            assert (newer.status_code, newer.json()["state"]) == (200, "Running")


async def test_new_run_is_found_by_who_knows_nothing_but_its_id(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http:
        async with paused(pair):
            run = f"/flow-runs/{(await create(http, 'new')).json()['id']}"
            assert (await http.get(run)).status_code == 200
            assert (await http.get(f"{run}/task-runs")).json() == {"items": [], "next_cursor": None}
        assert (await http.get("/flow-runs/8e445d74-9ca6-425b-98e5-72754b7ea174")).status_code == 404


async def test_graphql_asks_the_primary_for_what_ids_name_and_the_standby_does_not_know(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http, paused(pair):
        flow_run = (await create(http, "new to graphql")).json()["id"]
        reported = await http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": [{"task_slug": "a"}]})
        task_run = reported.json()["items"][0]["task_run_id"]
        row, of_flow_run = {"id": task_run}, f'task_run(where: {{flow_run_id: {{_eq: "{flow_run}"}}}}) {{ id }}'
        by_id = f'task_run(where: {{id: {{_in: ["{task_run}"]}}}}) {{ id }}'
        with_lists = f'flow_run_by_pk(id: "{flow_run}") {{ task_runs {{ id }} }}'
        assert await graphql(http, f"{{ {by_id} }}") == {"task_run": [row]}
        assert await graphql(http, f"{{ {with_lists} }}") == {"flow_run_by_pk": {"task_runs": [row]}}
        info = f'get_task_run_info(task_run_id: "{task_run}") {{ id }}'
        assert await graphql(http, f"{{ {info} }}") == {"get_task_run_info": row}
        # A list by another field may be empty, as that of REST may, unless the standby was behind for the request.
        assert await graphql(http, f"{{ {of_flow_run} }}") == {"task_run": []}
        assert await graphql(http, f"{{ {with_lists} {of_flow_run} }}") == {
            "flow_run_by_pk": {"task_runs": [row]},
            "task_run": [row],
        }
        batch = [{"query": f"{{ {field} }}"} for field in (with_lists, of_flow_run)]
        assert (await http.post("/graphql", json=batch)).json()[1] == {"data": {"task_run": [row]}}
        nobody = "8e445d74-9ca6-425b-98e5-72754b7ea174"
        unknown = f'{{ flow_run_by_pk(id: "{nobody}") {{ id }} flow_run(where: {{id: {{_eq: "{nobody}"}}}}) {{ id }} }}'
        assert await graphql(http, unknown) == {"flow_run_by_pk": None, "flow_run": []}


async def test_engine_and_agents_of_prefect_1_read_the_primary(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http, paused(pair):
        await create(http, "of the engine")
        query = '{ flow(where: {name: {_eq: "of the engine"}}) { name } }'
        assert await graphql(http, query) == {"flow": []}
        read = await graphql(http, query, **{"X-Prefect-Core-Version": "1.4.1"})
        assert read == {"flow": [{"name": "of the engine"}]}


async def test_mutation_of_graphql_is_read_by_the_rest_of_its_batch_and_by_who_sends_its_position(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http, paused(pair):
        mutation = 'mutation { create_tenant(input: {name: "t", slug: "t"}) { id } }'
        query = '{ tenant(where: {slug: {_eq: "t"}}) { slug } }'
        answer = await http.post("/graphql", json=[{"query": text} for text in (query, mutation, query)])
        before, created, after = answer.json()
        assert before == {"data": {"tenant": []}}
        assert created["data"]["create_tenant"]["id"]
        assert after == {"data": {"tenant": [{"slug": "t"}]}}
        assert await graphql(http, query) == {"tenant": []}
        assert await graphql(http, query, **{POSITION: answer.headers[POSITION]}) == {"tenant": [{"slug": "t"}]}
        alone = await http.post("/graphql", json={"query": mutation.replace('"t"', '"u"')})
        assert int(alone.headers[POSITION]) > int(answer.headers[POSITION])


async def test_python_client_reads_its_own_writes(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http, paused(pair):
        client, other = (AsyncClient("http://localhost", http_client=http) for _ in range(2))
        made = await client.flow_runs.create(flow_name="by the client")
        found = await client.flow_runs.list(flow_name=["by the client"])
        assert [one.id for one in found.items] == [made.id]
        # Another client has not seen it, so a standby may answer.
        assert (await other.flow_runs.list(flow_name=["by the client"])).items == []


@pytest.mark.parametrize("given", ["", "x", "-1", "1.5", "9223372036854775808"])
async def test_position_that_is_none_is_refused(pair: Pair, given: str) -> None:
    async with running(create_app(pair.settings())) as http:
        refused = await http.get("/flow-runs", headers={POSITION: given})
        assert refused.status_code == 400
        assert problem_of(refused)["errors"] == [
            {"detail": "It must be the number from an earlier response.", "header": POSITION}
        ]


async def test_position_that_is_none_is_refused_by_graphql(pair: Pair) -> None:
    async with running(create_app(pair.settings())) as http:
        refused = await http.post("/graphql", json={"query": "{ flow_run { id } }"}, headers={POSITION: "x"})
        assert refused.status_code == 400
        assert refused.json()["errors"] == [
            {
                "message": f"{POSITION}: It must be the number from an earlier response.",
                "extensions": {"code": "BAD_USER_INPUT"},
            }
        ]


async def test_primary_answers_while_no_standby_does(pair: Pair, flow_names: FlowNames) -> None:
    nobody = "postgresql://user:password@127.0.0.1:1/taskruns"
    async with running(create_app(pair.settings(read_database_url=nobody))) as http:
        await create(http, "alone")
        for _ in range(3):
            assert "alone" in await flow_names(http)


async def test_without_standbys_nobody_is_told_a_position(pair: Pair) -> None:
    async with running(create_app(pair.settings(read_database_url=""))) as http:
        assert POSITION not in (await create(http, "plain")).headers


async def test_standby_that_was_promoted_beside_the_primary_is_left(
    breakable_pair: tuple[Pair, Callable[[], None]], flow_names: FlowNames
) -> None:
    pair, _ = breakable_pair
    async with running(create_app(pair.settings())) as http:
        before = (await create(http, "before")).headers[POSITION]
        await caught_up(pair, before)
        assert await flow_names(http) == {"before"}
        assert await run_on(pair.standby.url(pair.name), "SELECT pg_promote()")
        await create(http, "after")

        async def is_seen() -> bool:
            return await flow_names(http) == {"before", "after"}

        await until(is_seen)
        assert await flow_names(http, before) == {"before", "after"}


async def test_what_waits_for_a_silent_standby_is_answered_by_the_primary(pair: Pair) -> None:
    """Each second of silence would otherwise be spent again by the next query that waits for the only connection."""
    async with running(create_app(pair.settings(pool_size=1))) as http:
        await caught_up(pair, (await create(http, "waits")).headers[POSITION])
        await list_flow_names(http)
        with pair.standby.frozen():
            answers = await asyncio.gather(*(list_flow_names(http) for _ in range(40)))
    assert all("waits" in names for names in answers)


async def test_graphql_queries_that_wait_for_a_silent_standby_are_answered_by_the_primary(pair: Pair) -> None:
    async with running(create_app(pair.settings(pool_size=1, max_scans=1))) as http:
        created = await create(http, "waits")
        await caught_up(pair, created.headers[POSITION])
        look_up = f'{{ flow_run_by_pk(id: "{created.json()["id"]}") {{ flow {{ name }} }} }}'
        await graphql(http, look_up)
        with pair.standby.frozen():
            names, *answers = await asyncio.gather(query_flow_names(http), *(graphql(http, look_up) for _ in range(40)))
    assert "waits" in names
    assert answers == [{"flow_run_by_pk": {"flow": {"name": "waits"}}}] * 40


async def test_new_primary_is_found_after_a_fail_over(breakable_pair: tuple[Pair, Callable[[], None]]) -> None:
    pair, stop_primary = breakable_pair
    user = pair.primary.url("").rpartition("@")[0]
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in (pair.standby, pair.primary))
    both = f"{user}@{hosts}/{pair.name}"
    async with running(create_app(pair.settings(database_url=both, read_database_url=both))) as http:
        before = await create(http, "before")
        await caught_up(pair, before.headers[POSITION])
        stop_primary()
        refused = await http.post("/flow-runs", json={"flow_name": "meanwhile"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert problem_of(refused)["code"] == "database-unavailable"
        # Who only reads goes on reading.
        assert await list_flow_names(http) == await query_flow_names(http) == {"before"}
        assert await run_on(pair.standby.url(pair.name), "SELECT pg_promote()")
        position = (await create(http, "after")).headers[POSITION]
        assert await list_flow_names(http, position) == {"before", "after"}
        assert await query_flow_names(http, position) == {"before", "after"}
    checked = await asyncio.to_thread(call_command, "check", TASKRUNS_DATABASE_URL=both)
    assert (checked.returncode, checked.stdout) == (0, "No problems found.\n")
