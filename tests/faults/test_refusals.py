"""What the database refuses for a while: 503 for every request, a reason in `/ready`, and nothing of it is final."""

import asyncio
import json
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import Engine, event

from taskruns_service.app import create_app
from tests.faults.asking import (
    UNAVAILABLE,
    Request,
    create,
    reads,
    reason_against,
    refusals,
    report,
    until_ready,
    writes,
)
from tests.faults.proxy import proxied
from tests.postgres import PostgresServer, children_of, database_name, running_standby, unprivileged_user
from tests.service import call_command, problem_of, running, served, settings_of

DISK_FULL = "The disk of the database is full."
DISK_ERRORS = "The disk of the database has errors."
READ_ONLY = "The database is read-only."


async def execute(url: str, *statements: str) -> None:
    """Runs statements past the service, in a database that is not the service's own."""
    connection = await asyncpg.connect(url.replace("+asyncpg", "").rpartition("/")[0] + "/postgres")
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def user_url(url: str) -> AsyncIterator[str]:
    """The URL of the database for a user who is no superuser."""
    owner = await asyncpg.connect(url.replace("+asyncpg", ""))
    await owner.execute("CREATE ROLE clerk LOGIN PASSWORD 'first'; GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
    yield "postgresql+asyncpg://clerk:first@" + url.rpartition("@")[2]
    await owner.execute("DROP OWNED BY clerk; DROP ROLE clerk")
    await owner.close()


CUT_OFF = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'clerk'"
REFUSED_CONNECTIONS = {
    "password": (
        "ALTER ROLE clerk PASSWORD 'second'",
        "ALTER ROLE clerk PASSWORD 'first'",
        "The database rejects the service's user name or password.",
    ),
    "connections": (
        "ALTER ROLE clerk CONNECTION LIMIT 0",
        "ALTER ROLE clerk CONNECTION LIMIT -1",
        "The database has no free connection for the service.",
    ),
    "read-only": (
        "ALTER ROLE clerk SET default_transaction_read_only = on",
        "ALTER ROLE clerk RESET default_transaction_read_only",
        READ_ONLY,
    ),
}


@pytest.mark.parametrize("kind", REFUSED_CONNECTIONS)
async def test_refused_connections_are_unavailable_and_made_again(kind: str, user_url: str, url: str) -> None:
    refuse, accept, reason = REFUSED_CONNECTIONS[kind]
    async with running(create_app(settings_of(user_url))) as http:
        flow_run = await create(http)
        await execute(url, refuse, CUT_OFF)
        requests = writes(flow_run) if kind == "read-only" else {**reads(flow_run), **writes(flow_run)}
        assert await refusals(http, requests) == dict.fromkeys(requests, UNAVAILABLE)
        answer = await report(http, flow_run)
        assert problem_of(answer)["detail"].startswith(reason)
        assert await reason_against(http) == reason
        await execute(url, accept)
        await until_ready(http)
        assert {status for status, *_ in (await refusals(http, reads(flow_run))).values()} == {200}
        assert (await report(http, flow_run)).status_code == 200


async def test_database_that_is_not_there_is_unavailable(url: str) -> None:
    name = database_name(url)
    async with running(create_app(settings_of(url))) as http:
        flow_run = await create(http)
        cut_off = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
        await execute(
            url, f"ALTER DATABASE {name} CONNECTION LIMIT 0", cut_off, f"ALTER DATABASE {name} RENAME TO away"
        )
        requests = {**reads(flow_run), **writes(flow_run)}
        assert await refusals(http, requests) == dict.fromkeys(requests, UNAVAILABLE)
        assert await reason_against(http) == "The database server has no database of this name."
        await execute(url, f"ALTER DATABASE away RENAME TO {name}", f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await until_ready(http)
        assert (await report(http, flow_run)).status_code == 200


async def test_pooler_without_a_server_is_unavailable(url: str) -> None:
    """As PgBouncer says it."""
    message = b"SFATAL\0C08P01\0Mserver login has been failing, try again later (server_login_retry)\0\0"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # the service may leave at any moment
            await reader.read(1000)
            writer.write(b"N")  # no TLS
            await reader.read(1000)
            writer.write(b"E" + (len(message) + 4).to_bytes(4) + message)
            await writer.drain()
        writer.close()

    pooler = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = pooler.sockets[0].getsockname()[1]
    async with pooler, running(create_app(settings_of(f"postgresql://u:p@127.0.0.1:{port}/runs"))) as http:
        requests = {**reads("00000000-0000-7000-8000-000000000001"), "create": writes("")["create"]}
        assert await refusals(http, requests) == dict.fromkeys(requests, UNAVAILABLE)
        assert await reason_against(http) == "The proxy in front of the database cannot reach it."


def error_message(code: str, text: str) -> bytes:
    """A message of PostgreSQL's protocol that ends a connection."""
    fields = b"SFATAL\0VFATAL\0C" + code.encode() + b"\0M" + text.encode() + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4) + fields


UNEXPECTED = {
    "shutdown": error_message("57P01", "terminating connection due to administrator command"),
    "protocol violation": error_message("08P01", "no more connections allowed"),
    "no message at all": b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
}


@pytest.mark.parametrize("kind", UNEXPECTED)
async def test_connections_that_were_told_something_in_a_switchover_are_never_an_internal_error(
    kind: str, url: str, server: PostgresServer
) -> None:
    """The driver raises InternalClientError for what comes between two answers while the connection stays open."""
    async with proxied(server.port) as proxy:
        there = url.replace(f":{server.port}/", f":{proxy.port}/")
        async with running(create_app(settings_of(there))) as http:
            flow_run = await create(http)
            requests = {**reads(flow_run), **writes(flow_run)}
            many = {f"{name} {number}": send for name, send in requests.items() for number in range(4)}
            await asyncio.gather(*(send(http) for send in many.values()))  # so that there are connections
            proxy.say(UNEXPECTED[kind])
            await asyncio.sleep(0.1)  # until it has arrived
            for name, (status, _, retry_after) in (await refusals(http, many)).items():
                assert status in (200, 201) or (status == 503 and retry_after is not None), name
            await until_ready(http)
            again = await refusals(http, requests)
            assert {status for status, *_ in again.values()} <= {200, 201}


@pytest.mark.parametrize("kind", UNEXPECTED)
async def test_errors_of_the_protocol_in_place_of_answers_are_unavailable(
    kind: str, url: str, server: PostgresServer
) -> None:
    async with proxied(server.port) as proxy:
        there = url.replace(f":{server.port}/", f":{proxy.port}/")
        async with running(create_app(settings_of(there))) as http:
            flow_run = await create(http)
            requests = {**reads(flow_run), **writes(flow_run)}
            await asyncio.gather(*(send(http) for send in requests.values()))
            proxy.answer(UNEXPECTED[kind])
            assert await refusals(http, requests) == dict.fromkeys(requests, UNAVAILABLE)
            proxy.answer(None)
            await until_ready(http)
            assert (await report(http, flow_run)).status_code == 200


REFUSED_STATEMENTS = {
    "53100": DISK_FULL,
    "53200": "The database is out of memory.",
    "58030": DISK_ERRORS,
    "42501": "The service's user lacks the database permissions for this.",
    "40001": "The transaction conflicts with other transactions.",
    "40P01": "The transaction conflicts with other transactions.",
    "55P03": "Another transaction holds a lock that this request needs.",
    "57P03": "The database does not respond.",
}


@pytest.mark.parametrize("code", REFUSED_STATEMENTS)
async def test_refused_statements_are_unavailable_and_sent_again(code: str, url: str) -> None:
    owner = await asyncpg.connect(url.replace("+asyncpg", ""))
    await owner.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'as a test says' USING ERRCODE = '{code}'; END $$"
    )
    async with running(create_app(settings_of(url, write_timeout=4))) as http:
        flow_run = await create(http)
        await report(http, flow_run, "before")
        requests = {**writes(flow_run)}
        for table in ("flow_run", "task_run"):
            await owner.execute(
                f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        answers = await refusals(http, requests)
        assert answers == dict.fromkeys(requests, UNAVAILABLE)
        assert {status for status, *_ in (await refusals(http, reads(flow_run))).values()} == {200}
        answer = await report(http, flow_run)
        assert problem_of(answer)["detail"].startswith(REFUSED_STATEMENTS[code])
        expected = None if code == "55P03" else REFUSED_STATEMENTS[code]  # a lock is in the way of some changes only
        assert await reason_against(http) == expected
        await owner.execute("DROP TRIGGER refuse ON flow_run; DROP TRIGGER refuse ON task_run")
        assert (await report(http, flow_run)).status_code == 200
        assert await reason_against(http) is None
    await owner.close()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder of 24 MiB for PostgreSQL, which is a disk of its own."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24M", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("This user may not mount a disk.")
    try:
        if user := unprivileged_user():
            shutil.chown(folder, user)
        for above in folder.parents[:-2]:
            above.chmod(above.stat().st_mode | 0o011)  # for the server's user
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


async def move_back(url: str) -> None:
    """Moves a database to its first disk, once no checkpoint fails any more that has met the full one."""
    async with asyncio.timeout(30):
        while True:
            with suppress(asyncpg.InternalServerError):
                await execute(url, f"ALTER DATABASE {database_name(url)} SET TABLESPACE pg_default")
                return


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a disk of its own")
async def test_full_disk_of_the_server_is_unavailable_until_there_is_room(url: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        name = database_name(url)
        await execute(url, f"CREATE TABLESPACE small LOCATION '{disk}'", f"ALTER DATABASE {name} SET TABLESPACE small")
        try:
            async with running(create_app(settings_of(url))) as http:
                flow_run = await create(http)
                await fill(http, flow_run)
                large: dict[str, Request] = {
                    "bulk": lambda http: report(http, flow_run, *(f"t{number}" for number in range(1000)))
                }
                assert await refusals(http, large) == {"bulk": UNAVAILABLE}
                assert await reason_against(http) == DISK_FULL
                assert {status for status, *_ in (await refusals(http, reads(flow_run))).values()} == {200}
                command = ["mount", "-o", "remount,size=200M", str(disk)]
                await asyncio.to_thread(lambda: subprocess.run(command, check=True))
                answer = await large["bulk"](http)
                assert answer.status_code == 200
                assert {item["outcome"] for item in answer.json()["items"]} == {"created"}
                assert await reason_against(http) is None
        finally:
            await move_back(url)
            await execute(url, "DROP TABLESPACE small")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a disk of its own")
async def test_full_disk_of_a_file_is_unavailable_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        url = f"sqlite:///{disk / 'taskruns.db'}"
        migrated = await asyncio.to_thread(call_command, "migrate", TASKRUNS_DATABASE_URL=url)
        assert migrated.returncode == 0, migrated.stderr
        async with running(create_app(settings_of(url))) as http:
            flow_run = await create(http)
            (disk / "other").write_bytes(bytes(20 * 2**20))
            await fill(http, flow_run)
            large: dict[str, Request] = {
                "bulk": lambda http: report(http, flow_run, *(f"t{number}" for number in range(1000)))
            }
            assert await refusals(http, large) == {"bulk": UNAVAILABLE}
            assert await reason_against(http) in (DISK_FULL, DISK_ERRORS)
            (disk / "other").unlink()
            answer = await large["bulk"](http)
            assert {item["outcome"] for item in answer.json()["items"]} == {"created"}
            assert await reason_against(http) is None


async def test_reads_are_answered_at_once_after_a_restart(url: str, server: PostgresServer) -> None:
    async with running(create_app(settings_of(url))) as http:
        flow_run = await create(http)
        many = [send for send in reads(flow_run).values() for _ in range(10)]
        await asyncio.gather(*(send(http) for send in many))  # the pool is full
        await asyncio.to_thread(server.restart)
        assert {answer.status_code for answer in await asyncio.gather(*(send(http) for send in many))} == {200}
        assert (await report(http, flow_run)).status_code == 200


async def test_address_that_led_to_a_standby_for_a_while_leads_back(url: str, server: PostgresServer) -> None:
    with running_standby(server) as standby:
        async with proxied(standby.port) as proxy:
            there = url.replace(f":{server.port}/", f":{proxy.port}/")
            async with running(create_app(settings_of(there))) as http:
                refused = await http.post("/flow-runs", json={"flow_name": "f"})
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                await asyncio.gather(*(http.get("/flow-runs") for _ in range(20)))
                assert await reason_against(http) == READ_ONLY
                proxy.target = server.port
                await until_ready(http)
                for _ in range(10):
                    # The standby would need a moment to know it.
                    flow_run = await create(http)
                    assert (await http.get(f"/flow-runs/{flow_run}")).status_code == 200


def test_log_has_the_place_and_the_cause(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        name = database_name(url)
        asyncio.run(execute(url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        asyncio.run(
            execute(url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
        )
        assert http.get("/flow-runs").status_code == 503
        lines = [json.loads(line) for line in service.output().splitlines() if line.startswith("{")]
        (line,) = [one for one in lines if one["event"] == "database unavailable"]
        assert (line["host"], line["port"]) == ("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))
        assert line["cause"] == f'Database "{name}" is not currently accepting connections.'
        asyncio.run(execute(url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))


@contextmanager
def connections_with(pragmas: dict[str, Any]) -> Iterator[None]:
    """Has all new connections to SQLite begin with these, whose values may change meanwhile."""

    def prepare(connection: Any, _: Any) -> None:
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name} = {value}")

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)


async def fill(http: httpx.AsyncClient, flow_run: str) -> None:
    """Reports until something is refused."""
    for number in range(1000):
        if (await report(http, flow_run, *(f"f{number}-{place}" for place in range(50)))).status_code != 200:
            return
    pytest.fail("There was always room.")


def large_report(flow_run: str) -> dict[str, Request]:
    """A report of a thousand task runs, by name, as `refusals` takes it."""
    return {"bulk": lambda http: report(http, flow_run, *(f"t{number}" for number in range(1000)))}


async def test_full_file_is_unavailable_until_there_is_room(sqlite_file: Path) -> None:
    with closing(sqlite3.connect(sqlite_file)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    pragmas = {"max_page_count": pages + 20}
    with connections_with(pragmas):
        async with running(create_app(settings_of(f"sqlite:///{sqlite_file}"))) as http:
            flow_run = await create(http)
            await fill(http, flow_run)
            large: dict[str, Request] = {
                "bulk": lambda http: report(http, flow_run, *(f"t{number}" for number in range(1000)))
            }
            assert await refusals(http, large) == {"bulk": UNAVAILABLE}
            assert await reason_against(http) == DISK_FULL
            # Several at a time share a transaction, and none of them has an item that is refused for good.
            answers = await asyncio.gather(*(send(http) for send in large.values() for _ in range(5)))
            assert {answer.status_code for answer in answers} == {503}
            assert {status for status, *_ in (await refusals(http, reads(flow_run))).values()} == {200}
            pragmas["max_page_count"] = 2**31
            answer = await large["bulk"](http)
            assert answer.status_code == 200
            assert {item["outcome"] for item in answer.json()["items"]} == {"created"}
            assert await reason_against(http) is None


async def test_read_only_file_is_unavailable(sqlite_file: Path) -> None:
    pragmas = {"query_only": "ON"}
    with connections_with(pragmas):
        async with running(create_app(settings_of(f"sqlite:///{sqlite_file}"))) as http:
            requests = {"create": writes("")["create"]}
            assert await refusals(http, requests) == dict.fromkeys(requests, UNAVAILABLE)
            assert await reason_against(http) == "The database file is read-only."
            pragmas["query_only"] = "OFF"
            await create(http)
            assert await reason_against(http) is None


def test_file_that_can_not_grow_is_unavailable(tmp_path: Path) -> None:
    """An I/O error, as the system gives it for a file beyond the limit of its process."""
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path) as service, service.client() as http:
        flow_run = http.post("/flow-runs", json={"flow_name": "f"}).json()["id"]
        items = [{"task_slug": f"t{number}", "states": [{"type": "Running"}]} for number in range(1000)]
        for worker in [service.process.pid, *children_of(service.process.pid)]:
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        answer = http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        for worker in children_of(service.process.pid):
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items}).status_code == 200
