"""PgBouncer in front of PostgreSQL: the service works through it with TASKRUNS_POOLER, and says so without."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, make_url, text

from taskruns_service.app import create_app
from taskruns_service.domain.errors import DatabaseUnavailable, QueryTimeout
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.dialects import read_url
from tests.faults.asking import Request, create, reads, report, writes
from tests.faults.conftest import Promise
from tests.pgbouncer import CONNECTIONS, PgBouncer, running_pgbouncer
from tests.postgres import PostgresServer, database_name, running_standby
from tests.service import call_command, running, settings_of

# One worker starts the server, for all tests here.
pytestmark = pytest.mark.xdist_group("pgbouncer")
NAMES_THE_SETTING = "Set TASKRUNS_POOLER=transaction."
CLIENTS = 200
OPEN_CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
)
SETTINGS = ("statement_timeout", "lock_timeout", "enable_seqscan", "plan_cache_mode", "jit", "TimeZone")


@pytest.fixture(scope="module")
def pooler(server: PostgresServer) -> Iterator[PgBouncer]:
    """A PgBouncer in transaction mode."""
    with running_pgbouncer(server) as pooler:
        yield pooler


@pytest.fixture
async def database(url: str, pooler: PgBouncer) -> AsyncIterator[Database]:
    """The database through it."""
    async with open_database(read_url(pooler.url(url)), is_pooled=True) as database:
        yield database


def run(connection: Connection, statement: str) -> Any:
    return connection.execute(text(statement)).scalar()


def settings(connection: Connection) -> tuple[str, ...]:
    columns = ", ".join(f"current_setting('{name}')" for name in SETTINGS)
    return tuple(connection.execute(text(f"SELECT {columns}")).one())


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize(
    "ignored",
    [
        "extra_float_digits",
        "statement_timeout, lock_timeout, jit, enable_seqscan, plan_cache_mode, idle_in_transaction_session_timeout",
    ],
    ids=["refused", "ignored"],
)
def test_service_that_is_not_told_of_the_pooler_does_not_start(
    url: str, server: PostgresServer, mode: str, ignored: str
) -> None:
    with running_pgbouncer(server, f"ignore_startup_parameters = {ignored}", mode=mode) as pooler:
        direct = {"TASKRUNS_DATABASE_URL": pooler.url(url)}
        for command in (["serve"], ["migrate"], ["check"], ["keys", "list"]):
            done = call_command(*command, **direct)
            assert (done.returncode, NAMES_THE_SETTING in done.stderr) == (2, True), done.stderr
        done = call_command("check", **direct, TASKRUNS_POOLER="transaction")
        assert (done.returncode, done.stdout) == (0, "No problems found.\n")


@pytest.mark.parametrize("statements", [["EXECUTE a"], ["PREPARE a AS SELECT 1"] * 2], ids=["missing", "duplicate"])
async def test_prepared_statement_of_another_connection_is_said_to_be_due_to_a_pooler(
    url: str, statements: list[str]
) -> None:
    def run_all(connection: Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    async with open_database(read_url(url)) as database:
        with pytest.raises(DatabaseUnavailable) as refused:
            await database.look_up(run_all)
    assert refused.value.reason.endswith(NAMES_THE_SETTING)


async def test_transactions_have_the_settings_and_leave_none(database: Database) -> None:
    plain = ("0", "0", "on", "auto", "on", "UTC")
    assert await database.write(settings) == ("10s", "1s", "off", "force_generic_plan", "off", "UTC")
    assert await database.scan(settings) == ("30s", "1s", "on", "auto", "off", "UTC")
    assert await database.read_snapshot(settings) == ("30s", "1s", "on", "auto", "off", "UTC")
    assert [await database.look_up(settings) for _ in range(20)] == [plain] * 20


async def test_look_up_without_a_limit_on_the_server_ends_in_its_time(url: str, pooler: PgBouncer) -> None:
    through = read_url(pooler.url(url))
    async with open_database(through, is_pooled=True, query_timeout=1) as database:
        for ask in (database.look_up, database.read, database.scan, database.read_snapshot):
            with pytest.raises((QueryTimeout, DatabaseUnavailable)):
                await ask(run, "SELECT pg_sleep(600)")
        running_sleeps = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active'"
        async with asyncio.timeout(60):
            while await database.look_up(run, running_sleeps):
                pass


async def test_service_leaves_no_statement_with_a_name(url: str, server: PostgresServer) -> None:
    with running_pgbouncer(server, connections=1) as pooler:
        async with running(create_app(settings_of(pooler.url(url), pooler="transaction"))) as http:
            flow_run = await create(http)
            requests = [*reads(flow_run).values(), *writes(flow_run).values()]
            for send in requests * 3:
                answer = await send(http)
                assert answer.is_success, answer.text
        async with open_database(read_url(pooler.url(url)), is_pooled=True) as database:
            assert await database.look_up(run, "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0


async def test_200_clients_share_ten_connections(url: str, pooler: PgBouncer) -> None:
    patient = settings_of(pooler.url(url), pooler="transaction", pool_size=100, max_wait=60)
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(running(create_app(patient))) for _ in range(2)]
        flow_run = await create(services[0])

        async def answered(http: httpx.AsyncClient, send: Request) -> int:
            # On a slow machine, what waits for a connection of PgBouncer for long is refused, and clients repeat it.
            answer = await send(http)
            while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(float(answer.headers["Retry-After"]))
                answer = await send(http)
            return answer.status_code

        async def use(number: int) -> set[int]:
            slugs = [f"task-{slug}" for slug in range(number % 5 + 1)]
            requests: list[Request] = [lambda http: report(http, flow_run, *slugs), *reads(flow_run).values()]
            return {await answered(services[number % 2], send) for send in requests}

        assert await asyncio.gather(*map(use, range(CLIENTS))) == [{httpx.codes.OK}] * CLIENTS
        async with open_database(read_url(pooler.url(url)), is_pooled=True) as database:
            assert await database.look_up(run, OPEN_CONNECTIONS) <= CONNECTIONS
    checked = await asyncio.to_thread(call_command, "check", TASKRUNS_DATABASE_URL=url)
    assert (checked.returncode, checked.stdout) == (0, "No problems found.\n")


async def test_promoted_server_behind_a_pooler_is_found(url: str, server: PostgresServer) -> None:
    """A pooler tells for long what a server was when it connected to that."""
    with running_standby(server) as standby, running_pgbouncer(server) as one, running_pgbouncer(standby) as other:
        user = make_url(one.url(url))
        both = f"postgresql://{user.username}:{user.password}@127.0.0.1:{one.port},127.0.0.1:{other.port}/"
        name = database_name(url)

        async def is_in_recovery(attributes: str) -> bool:
            through = read_url(f"{both}{name}?target_session_attrs={attributes}")
            async with open_database(through, is_pooled=True) as database:
                answer: bool = await database.look_up(run, "SELECT pg_is_in_recovery()")
                return answer

        assert await is_in_recovery("standby")
        assert not await is_in_recovery("read-write")
        async with open_database(read_url(standby.url(name))) as direct:
            assert await direct.look_up(run, "SELECT pg_promote()")
        with pytest.raises(DatabaseUnavailable):
            await is_in_recovery("standby")
        assert not await is_in_recovery("read-write")


@pytest.mark.fault
@pytest.mark.timeout(1800)
def test_store_and_replicas_work_through_it(promises: list[Promise]) -> None:
    files = ["tests/store", "tests/api/test_replicas.py", "-k", "postgresql or replicas"]
    workers = ["--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadgroup"]
    command = [sys.executable, "-m", "pytest", "--quiet", "--pgbouncer", *files, *workers]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0 and passed is not None, done.stdout  # noqa: PT018 - the output says what is wrong
    promises.append(Promise("the store and two processes work through PgBouncer", f"{passed[1]} tests", "–", "–"))
