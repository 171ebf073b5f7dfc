"""The import of an odd Prefect Server 1: names that clash, and tables, columns or documents that are missing."""

from uuid import UUID, uuid4

import pytest

from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.importing.values import type_of
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    get_flow_run,
    get_task_run,
    rows_of,
    run_on,
)
from tests.store.importing import RESULT, bring, flow_run_with, tasks
from tests.store.prefect1 import PrefectServer, state_row

# Clashes


async def test_tenant_with_a_slug_that_is_here_is_that_tenant(prefect: PrefectServer, database: Database) -> None:
    here = uuid4()
    row = {"id": here, "name": "Acme Inc", "slug": "acme", "created": at(0), "updated": at(0)}
    await database.transact(run_on, tables.tenant.insert().values(row))
    project_id = await prefect.project(await prefect.tenant("acme"))
    await bring(prefect, database)
    (project,) = [row for row in await database.read(rows_of, tables.project) if row.id == project_id]
    assert project.tenant_id == here


async def test_project_of_another_tenant_gets_its_slug(prefect: PrefectServer, database: Database) -> None:
    for tenant in ("a", "b"):
        await prefect.flow(await prefect.project(await prefect.tenant(tenant), "etl"))
    imported = await bring(prefect, database)
    assert imported.notes == ["The project etl was imported as etl (b): another tenant has a project of this name."]
    assert {row.project for row in await database.read(rows_of, tables.flow)} == {"etl", "etl (b)"}
    assert {row.name for row in await database.read(rows_of, tables.project)} >= {"etl", "etl (b)"}


async def test_other_version_group_of_a_name_gets_its_id(prefect: PrefectServer, database: Database) -> None:
    project_id = await prefect.project(await prefect.tenant())
    for group, version in (("first", 1), ("second-group", 1), ("first", 2), ("second-group", 2)):
        await prefect.flow(project_id, version_group_id=group, version=version)
    imported = await bring(prefect, database)
    await prefect.flow(project_id, version_group_id="second-group", version=3)
    await bring(prefect, database)
    found = sorted((row.name, row.version) for row in await database.read(rows_of, tables.flow))
    behind = "nightly (second-g)"
    assert found == [("nightly", 1), ("nightly", 2), (behind, 1), (behind, 2), (behind, 3)]
    assert imported.notes[0] == f"Version 1 of the flow nightly (etl) was imported as {behind}: its name was taken."


async def test_flow_of_the_services_own_keeps_its_name(
    prefect: PrefectServer, database: Database, writer: Writer
) -> None:
    await create_flow_run(writer, "nightly")
    project_id = await prefect.project(await prefect.tenant("default"), "default")
    await prefect.flow(project_id, version_group_id="group")
    await bring(prefect, database)
    assert {row.name for row in await database.read(rows_of, tables.flow)} == {"nightly", "nightly (group)"}


# What a server may lack


async def test_older_server_lacks_tables_and_columns(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    task_run = await flow_run_with(prefect, nightly, 1)
    await prefect.run(
        *(f"DROP TABLE {name}" for name in ("log", "agent", "task_run_artifact", "flow_group", "edge", "tenant")),
        "ALTER TABLE flow DROP run_config, DROP version_group_id, DROP created",
        "ALTER TABLE task DROP tags, DROP retry_delay",
        "ALTER TABLE flow_run DROP run_config, DROP agent_id, DROP labels, DROP name, DROP idempotency_key",
        "ALTER TABLE task_run DROP cache_key, DROP name, DROP created, DROP updated",
        "ALTER TABLE task_run_state DROP result, DROP start_time, DROP created",
        "ALTER TABLE flow_run_state DROP serialized_state",
    )
    imported = await bring(prefect, database)
    assert imported.copied["task runs"] == 2
    assert (await get_flow_run(database, task_run)).state == "Success"


async def test_states_without_a_document_keep_what_their_columns_have(
    prefect: PrefectServer, nightly: UUID, database: Database
) -> None:
    ended = {**state_row(2, ("Success", 3)), "serialized_state": None, "result": RESULT, "start_time": at(8)}
    flow_run_id = await prefect.flow_run(nightly, ("Running", 0))
    task_run_id = await prefect.task_run(flow_run_id, (await tasks(prefect))["load-1"], ("Running", 1), ended)
    await prefect.run("UPDATE task_run_state SET serialized_state = NULL WHERE serialized_state = 'null'")
    await bring(prefect, database)
    entry = next(one for one in await database.read(rows_of, tables.task_run_state) if one.version == 2)
    assert (entry.message, entry.result, entry.details, entry.start_time) == ("Success.", RESULT, None, at(8))
    assert (await get_task_run(database, task_run_id)).has_result


async def test_documents_that_are_no_states_are_left(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    odd = [
        {**state_row(version, ("Running", version)), "serialized_state": one}
        for version, one in enumerate(["x", [1]], 1)
    ]
    flow_run_id = await prefect.flow_run(
        nightly, *odd, {**state_row(3, ("Failed", 3)), "serialized_state": {"_result": 3}}
    )
    await bring(prefect, database)
    entries = await database.read(rows_of, tables.flow_run_state)
    assert {(entry.details, entry.result) for entry in entries} == {(None, None)}
    assert (await get_flow_run(database, flow_run_id)).state_message == "Failed."


async def test_run_whose_history_is_lost_keeps_its_state(
    prefect: PrefectServer, nightly: UUID, database: Database
) -> None:
    flow_run_id = await prefect.flow_run(
        nightly, state="Success", version=3, state_timestamp=at(9), state_message="Done.", start_time=at(2)
    )
    await bring(prefect, database)
    found = await get_flow_run(database, flow_run_id)
    assert (found.state, found.state_message, found.version) == ("Success", "Done.", 3)
    assert (found.start_time, found.end_time, found.duration) == (at(2), at(9), 7)


async def test_task_run_without_its_task_is_left_out(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    flow_run_id = await flow_run_with(prefect, nightly, 1)
    await prefect.task_run(flow_run_id, uuid4(), ("Success", 1))
    imported = await bring(prefect, database)
    assert imported.copied["task runs"] == 2
    assert imported.notes == ["Skipped task runs whose flow, flow run, or task is missing: 1."]


# Types of states


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        *((one, one) for one in StateType),
        ("MyFailed", StateType.Failed),
        ("VeryTriggerFailed", StateType.TriggerFailed),
        ("Aborted", StateType.Finished),
        (None, StateType.Pending),
    ],
)
def test_unknown_type_is_the_known_one_that_ends_its_name(given: str | None, type_: StateType) -> None:
    assert type_of(given) is type_


async def test_unknown_type_is_kept_in_the_details(prefect: PrefectServer, nightly: UUID, database: Database) -> None:
    flow_run_id = await prefect.flow_run(nightly, ("Running", 0), ("MyFailed", 1))
    await bring(prefect, database)
    assert (await get_flow_run(database, flow_run_id)).state == "Failed"
    entry = next(one for one in await database.read(rows_of, tables.flow_run_state) if one.version == 2)
    assert (entry.type, entry.details["original_type"]) == ("Failed", "MyFailed")
