"""The import of a Prefect Server 1: all that it recorded, once, as if it had been reported here, with right counts."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.prefect1 import importing
from taskruns_service.prefect1.importing import import_prefect1, source
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.postgres import PostgresServer
from tests.service import call_command
from tests.store.factories import (
    at,
    create_flow_run,
    delete_flow_run,
    findings_of,
    get_flow_run,
    get_task_run,
    list_flow_run_states,
    list_states,
    opened,
    report_flow_run,
    report_state,
    report_task_run,
    rows_of,
    run_on,
    state,
)
from tests.store.importing import HISTORY, RESULT, bring, flow_run_with, only, tasks
from tests.store.prefect1 import TABLES, PrefectServer, state_row

ALL = [table for name, table in tables.metadata.tables.items() if name != "api_key"]


async def times_of_parent(database: Database, flow_run_id: UUID) -> tuple[Any, ...]:
    """What the only mapped parent of a flow run is shown with."""
    rows = await database.read(rows_of, tables.task_run)
    (parent,) = [row for row in rows if row.flow_run_id == flow_run_id and row.map_index == -1]
    found = await get_task_run(database, parent.id)
    return found.start_time, found.end_time, found.duration, found.run_time, found.queue_time


async def test_mapped_parent_has_the_times_of_its_children(
    prefect: PrefectServer, database: Database, nightly: UUID
) -> None:
    flow_run_id = await flow_run_with(prefect, nightly, children=3)
    alone = await flow_run_with(prefect, nightly, children=0)
    await bring(prefect, database)
    assert await times_of_parent(database, flow_run_id) == (at(2), at(9), 7.0, 15.0, 2.0)
    assert await times_of_parent(database, alone) == (None, None, None, None, None)


async def everything(database: Database) -> dict[str, list[Any]]:
    """All rows, but for what is counted in another form."""
    return {table.name: await database.read(rows_of, table) for table in ALL if "tally" not in table.name}


# What is copied


async def test_all_rows_are_copied(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    flow_run_id = await flow_run_with(prefect, nightly, 3)
    first = (await prefect.rows("task_run"))[0].id
    await prefect.insert("log", flow_run_id=flow_run_id, task_run_id=first, timestamp=at(1), level="INFO", message="Hi")
    await prefect.insert("log", timestamp=at(1), level="INFO", message="of an agent, with no flow run")
    await prefect.insert("task_run_artifact", task_run_id=first, kind="link", data={"link": "x"})
    await prefect.insert("agent", name="local", type="LocalAgent", labels=["b", "a"], last_queried=at(3))
    imported = await bring(prefect, database)
    assert imported.notes == []
    assert imported.copied == {
        "tenants": 1,
        "projects": 1,
        "flow groups": 1,
        "agents": 1,
        "flows": 1,
        "tasks": 2,
        "edges": 1,
        "flow runs": 1,
        "flow run states": 3,
        "task runs": 4,
        "task run states": 17,
        "artifacts": 1,
        "logs": 1,
    }
    for name in TABLES.keys() - {"log"}:
        ids = {row.id for row in await prefect.rows(name)}
        assert {row.id for row in await database.read(rows_of, tables.metadata.tables[name])} >= ids
    log, agent = await only(database, tables.log), await only(database, tables.agent)
    assert (log["flow_run_id"], log["task_run_id"], log["message"]) == (flow_run_id, first, "Hi")
    assert (agent["labels"], agent["last_queried"]) == (["a", "b"], at(3))
    assert (await only(database, tables.task_run_artifact))["data"] == {"link": "x"}


async def test_flow_keeps_what_registering_it_gave(prefect: PrefectServer, database: Database) -> None:
    project_id = await prefect.project(await prefect.tenant(), "etl")
    flow_id = await prefect.flow(
        project_id,
        version=4,
        version_group_id="v",
        storage={"type": "Local"},
        serialized_flow={"a": [1]},
        archived=True,
    )
    await prefect.task(flow_id, "load-1", retry_delay=timedelta(minutes=2), max_retries=3, is_terminal_task=True)
    await bring(prefect, database)
    flow, task = await only(database, tables.flow), await only(database, tables.task)
    assert (flow["id"], flow["project"], flow["name"], flow["version"]) == (flow_id, "etl", "nightly", 4)
    assert (flow["storage"], flow["serialized_flow"], flow["archived"]) == ({"type": "Local"}, {"a": [1]}, True)
    assert (task["retry_delay"], task["max_retries"], task["is_terminal_task"]) == (120, 3, True)


async def test_logs_may_stay_where_they_are(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    flow_run_id = await flow_run_with(prefect, nightly, 0)
    await prefect.insert("log", flow_run_id=flow_run_id, timestamp=at(1), level="INFO", message="Hi")
    await bring(prefect, database, with_logs=False)
    assert await database.read(rows_of, tables.log) == []


# As if it had been reported


async def test_runs_are_as_if_they_had_been_reported(
    prefect: PrefectServer, nightly: UUID, database: Database, writer: Writer
) -> None:
    flow_run_id = await prefect.flow_run(nightly, ("Scheduled", 0), ("Running", 1), ("Failed", 60))
    task_run_id = await prefect.task_run(flow_run_id, (await tasks(prefect))["load-1"], *HISTORY)
    await bring(prefect, database)
    other = await create_flow_run(writer)
    for type_, seconds in (("Scheduled", 0), ("Running", 1), ("Failed", 60)):
        await report_flow_run(writer, other, state(type_, seconds, message=f"{type_}."))
    reports = [state(type_, seconds, message=f"{type_}.") for type_, seconds in HISTORY]
    reported = await get_task_run(database, (await report_task_run(writer, other, "load-1", *reports)).run_id)

    own = {"id", "flow_run_id", "task_id", "sequence", "created", "updated", "tags", "flow_id", "flow_name", "name"}
    own.add("flow_run_name")
    found = await get_task_run(database, task_run_id)
    assert comparable(found, own) == comparable(reported, own)
    assert (found.tags, found.created, found.updated) == (["etl"], at(0), at(99))
    copied, made = [await get_flow_run(database, one) for one in (flow_run_id, other)]
    assert comparable(copied, own) == comparable(made, own)
    assert copied.task_run_counts == made.task_run_counts


def comparable(run: msgspec.Struct, without: set[str]) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(run).items() if name not in without}


async def test_history_keeps_versions_details_and_results(
    prefect: PrefectServer, nightly: UUID, database: Database
) -> None:
    document = {
        "type": "Scheduled",
        "message": "Soon.",
        "_result": RESULT,
        "start_time": "2021-05-12T18:00:30Z",
        "n": [1],
    }
    waits = {**state_row(7, ("Scheduled", 3)), "serialized_state": document}
    flow_run_id = await prefect.flow_run(nightly, ("Running", 0))
    task_run_id = await prefect.task_run(
        flow_run_id, (await tasks(prefect))["load-1"], ("Pending", 1), waits, version=7
    )
    await bring(prefect, database)
    row, run = (await database.read(rows_of, tables.task_run_state))[-1], await only(database, tables.task_run)
    entries = {entry.type: entry for entry in await database.read(rows_of, tables.task_run_state)}
    row = entries["Scheduled"]
    assert (row.version, row.result, row.start_time, row.accepted) == (7, RESULT, at(30), True)
    assert row.details == {"start_time": "2021-05-12T18:00:30Z", "n": [1]}
    assert row.received_at == at(3) + timedelta(milliseconds=5)
    assert (run["version"], run["has_result"], run["state_start_time"]) == (7, True, at(30))
    assert (await list_states(database, task_run_id))[-1].version == 7


@pytest.mark.parametrize(
    "place", ["https://user:secret@host/x", " javascript://x", "s3://b\\u0040c\uff20d/x", "a\nb", "a\x7fb"]
)
async def test_place_that_misleads_stays_where_it_is(
    prefect: PrefectServer, nightly: UUID, database: Database, place: str
) -> None:
    reference = {"type": "S3Result", "bucket": "b", "location": place, "n": 1}
    ended = {**state_row(2, ("Success", 3)), "serialized_state": {"type": "Success", "_result": reference}}
    flow_run_id = await prefect.flow_run(nightly, ("Running", 0))
    await prefect.task_run(flow_run_id, (await tasks(prefect))["load-1"], ("Running", 1), ended)
    imported = await bring(prefect, database)
    run = await only(database, tables.task_run)
    assert (run["state"], run["result"]) == ("Success", {"type": "S3Result", "location": None, "n": 1})
    assert run["has_result"] is False
    assert imported.notes == ["Skipped locations and links that contain a password or are misleading: 1."]
    assert imported.copied["task runs"] == 1


async def test_link_that_is_a_script_stays_where_it_is(
    prefect: PrefectServer, nightly: UUID, database: Database
) -> None:
    await flow_run_with(prefect, nightly, 3)
    first = (await prefect.rows("task_run"))[0].id
    data = {"link": "javascript:alert(1)", "n": 1}
    await prefect.insert("task_run_artifact", task_run_id=first, kind="link", data=data)
    imported = await bring(prefect, database)
    assert (await only(database, tables.task_run_artifact))["data"] == {"link": None, "n": 1}
    assert imported.notes == ["Skipped locations and links that contain a password or are misleading: 1."]


async def test_current_state_is_that_of_the_highest_version(
    prefect: PrefectServer, nightly: UUID, database: Database
) -> None:
    flow_run_id = await prefect.flow_run(nightly, ("Running", 0))
    task_run_id = await prefect.task_run(flow_run_id, (await tasks(prefect))["load-1"], ("Running", 5), ("Success", 4))
    await bring(prefect, database)
    found = await get_task_run(database, task_run_id)
    assert (found.state, found.end_time, found.start_time) == ("Success", at(4), at(5))


async def test_changes_of_a_flow_run_are_numbered_without_gaps(
    prefect: PrefectServer, nightly: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PIECE", 2)
    flow_run_id = await flow_run_with(prefect, nightly, 4)
    await prefect.task_run(flow_run_id, (await tasks(prefect))["load-1"])
    await bring(prefect, database)
    states = [
        one for table in (tables.flow_run_state, tables.task_run_state) for one in await database.read(rows_of, table)
    ]
    (never_reported,) = [row for row in await database.read(rows_of, tables.task_run) if row.task_slug == "load-1"]
    flow_run = await get_flow_run(database, flow_run_id)
    assert sorted([*(row.sequence for row in states), never_reported.sequence]) == list(range(1, 3 + 22 + 1 + 1))
    assert flow_run.sequence == 26
    assert flow_run.task_run_counts == {"Mapped": 1, "Pending": 1, "Success": 4}


async def test_imported_runs_go_on_being_reported(
    prefect: PrefectServer, nightly: UUID, database: Database, writer: Writer
) -> None:
    flow_run_id = await prefect.flow_run(nightly, ("Running", 0))
    task_run_id = await prefect.task_run(flow_run_id, (await tasks(prefect))["load-1"], ("Running", 1))
    await bring(prefect, database)
    await report_state(writer, task_run_id, state("Success", 5))
    await report_flow_run(writer, flow_run_id, state("Success", 6))
    existing = await report_task_run(writer, flow_run_id, "load-1", state("Cached", 7))
    assert existing.run_id == task_run_id
    assert (await get_task_run(database, task_run_id)).version == 3
    assert len(await list_flow_run_states(database, flow_run_id)) == 2
    assert await findings_of(database) == []
    await delete_flow_run(writer, flow_run_id)
    assert await findings_of(database) == []


# Once


async def test_second_import_changes_nothing(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    await flow_run_with(prefect, nightly, 2)
    await bring(prefect, database)
    before = await everything(database)
    assert not any((await bring(prefect, database)).copied.values())
    assert await everything(database) == before


async def test_second_import_brings_what_is_new(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    await flow_run_with(prefect, nightly, 2)
    await bring(prefect, database)
    await flow_run_with(prefect, nightly, 3)
    assert (await bring(prefect, database)).copied["task runs"] == 4
    assert (await bring(prefect, database)).copied["task runs"] == 0


@pytest.mark.parametrize("piece", [3, 7])
async def test_interrupted_import_goes_on(
    prefect: PrefectServer, nightly: UUID, database: Database, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(source, "PIECE", piece)
    monkeypatch.setattr(importing, "TRANSACTION", 1)
    for _ in range(3):
        await flow_run_with(prefect, nightly, 6)

    def stop(done: int, _total: int) -> None:
        if done > 7:  # within the second flow run
            raise KeyError(done)

    with pytest.raises(KeyError):
        await import_prefect1(prefect.url, database, stop)
    assert len(await database.read(rows_of, tables.flow_run)) == 1
    assert len(await database.read(rows_of, tables.task_run)) == 7
    await bring(prefect, database)
    assert len(await database.read(rows_of, tables.task_run)) == 21
    assert len(await database.read(rows_of, tables.task_run_state)) == 3 * 32


async def test_flow_run_that_is_here_stays_as_it_is(
    prefect: PrefectServer, nightly: UUID, database: Database, writer: Writer
) -> None:
    flow_run_id = await flow_run_with(prefect, nightly, 2)
    await create_flow_run(writer, id=flow_run_id)
    assert (await bring(prefect, database)).copied["flow runs"] == 0
    assert await database.read(rows_of, tables.task_run) == []


async def test_source_is_only_read(prefect: PrefectServer) -> None:
    async with opened(prefect.url) as database, database.snapshot() as session:
        with pytest.raises(DBAPIError, match="read-only"):
            await session.run(run_on, text("DELETE FROM task_run"))


async def test_progress_ends_at_all_task_runs(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    await flow_run_with(prefect, nightly, 2)
    for _ in range(2):
        seen: list[tuple[int, int]] = []
        await import_prefect1(prefect.url, database, lambda *numbers: seen.append(numbers))  # noqa: B023
        assert seen[-1] == (3, 3)


# The command


def test_command_says_what_it_copied(postgres_server: PostgresServer, tmp_path: Path) -> None:
    async def prepared() -> str:
        server = PrefectServer(postgres_server.create_database())
        await server.create()
        flow_id = await server.flow(await server.project(await server.tenant()))
        await server.flow_run(flow_id, ("Running", 1))
        await server.close()
        return server.url

    url = asyncio.run(prepared())
    target = {"TASKRUNS_DATABASE_URL": f"sqlite:///{tmp_path / 'taskruns.db'}"}
    done = call_command("import-prefect1", url, **target)
    assert (done.returncode, done.stderr) == (0, "task runs\n")
    assert {line.rpartition(" ")[0].strip() for line in done.stdout.splitlines()} == {
        *("tenants", "projects", "flow groups", "flows", "flow runs", "flow run states")
    }
    assert call_command("import-prefect1", url, **target).stdout == "There is nothing new to copy.\n"
    assert call_command("check", **target).returncode == 0


# What cannot be imported


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda _: "prefect.db", "The URL of Prefect Server's database must have the form postgresql://"),
        (lambda _: "sqlite:///prefect.db", "The URL of Prefect Server's database must have the form postgresql://"),
        (
            lambda url: url.replace("127.0.0.1", "127.0.0.9"),
            "^Cannot read .*: .*Connect call failed",
        ),
        (lambda url: f"{url}_gone", "^Cannot read .*: database .* does not exist"),
        (
            lambda url: url.replace("postgres:", "postgres:x"),
            "^Cannot read .*: password authentication failed",
        ),
        (
            lambda url: url.rpartition("/")[0] + "/postgres",
            "not a Prefect Server 1 database: it has no project.id",
        ),
    ],
    ids=["no URL", "SQLite", "nobody there", "no database", "wrong password", "no tables"],
)
async def test_wrong_url_is_said_clearly(prefect: PrefectServer, database: Database, change: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        await import_prefect1(change(prefect.url), database, lambda *_: None)


async def test_services_own_database_is_none_of_prefect_server(postgres_url: str, sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        with pytest.raises(ConfigurationError, match=r"it has no flow\.project_id,"):
            await import_prefect1(postgres_url, database, lambda *_: None)
