"""Flow runs: creating them once, bringing them to states, and deleting them with all that is theirs."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from taskruns_service import schemas
from taskruns_service.commands.flow_runs import CreatedFlowRun, DeleteFlowRun
from taskruns_service.commands.reports import SetFlowRunState, SetTaskRunState
from taskruns_service.domain.errors import (
    Fault,
    FlowRunConflict,
    FlowRunNotFound,
    StateIdConflict,
    TaskRunNotFound,
    TerminalState,
    VersionConflict,
)
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import StateType
from taskruns_service.queries import runs
from taskruns_service.schemas import CurrentRun
from taskruns_service.storage import tables
from taskruns_service.storage.command import Command, execute_commands
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    ask_for_flow_run,
    at,
    create_flow_run,
    create_task_run,
    delete_flow_run,
    findings_of,
    flow_run_item,
    get_flow_run,
    get_task_run,
    list_flow_run_states,
    report_flow_run,
    report_task_run,
    reported,
    rows_of,
    state,
)

ID = UUID("019064f2-5a3c-7e1d-9a26-72754b7ea174")
ASKED: dict[str, Any] = {
    "id": ID,
    "name": "nightly",
    "parameters": {"x": 1, "deep": [{"größe": None}], "big": 2**60, "float": 0.1},
    "labels": ["prod", "eu"],
    "context": {"scheduled_start_time": "2021-05-12T18:00:00Z"},
    "idempotency_key": "2021-05-12",
}

# Creating


async def test_flow_run_is_created_as_it_was_asked_for(database: Database, writer: Writer) -> None:
    before = datetime.now(UTC)
    assert await ask_for_flow_run(writer, "etl", **ASKED) == CreatedFlowRun(ID, created=True)
    found = await get_flow_run(database, ID)
    assert before <= found.created <= datetime.now(UTC)
    assert found == schemas.FlowRun(
        **ASKED,
        flow_id=found.flow_id,
        flow_name="etl",
        parent_task_run_id=None,
        last_heartbeat=None,
        state=StateType.Pending,
        state_message=None,
        state_timestamp=None,
        version=0,
        run_count=0,
        start_time=None,
        end_time=None,
        duration=None,
        run_time=None,
        queue_time=None,
        sequence=0,
        task_run_counts={},
        created=found.created,
        updated=found.created,
    )


async def test_flow_run_keeps_the_task_run_that_started_it(database: Database, writer: Writer) -> None:
    """Whether that is known or not: reports of a parent may come after those of its child."""
    for parent in (await create_task_run(writer), UUID(int=7)):
        flow_run_id = await create_flow_run(writer, "child", parent_task_run_id=parent)
        assert (await get_flow_run(database, flow_run_id)).parent_task_run_id == parent
        with pytest.raises(FlowRunConflict):
            await ask_for_flow_run(writer, "child", id=flow_run_id, parent_task_run_id=UUID(int=8))


async def test_flow_run_gets_a_name_and_nothing_else(database: Database, writer: Writer) -> None:
    found = await get_flow_run(database, await create_flow_run(writer, "etl"))
    assert found.name == f"etl-{found.id.hex[-6:]}"
    assert (found.parameters, found.labels, found.context, found.idempotency_key) == ({}, [], {}, None)


async def test_made_name_fits_whatever_the_flow_is_called(database: Database, writer: Writer) -> None:
    found = await get_flow_run(database, await create_flow_run(writer, "f" * 255))
    assert found.name == "f" * 248 + f"-{found.id.hex[-6:]}"


async def test_flow_runs_of_one_flow_share_it(database: Database, writer: Writer) -> None:
    one, other = [await get_flow_run(database, await create_flow_run(writer, "etl")) for _ in range(2)]
    third = await get_flow_run(database, await create_flow_run(writer, "other"))
    assert one.flow_id == other.flow_id != third.flow_id


async def test_flow_names_differ_in_case_and_in_composed_letters(database: Database, writer: Writer) -> None:
    names = ["etl", "ETL", "größe", "gro\u0308ße", "etl "]
    found = [await get_flow_run(database, await create_flow_run(writer, name)) for name in names]
    assert [one.flow_name for one in found] == names
    assert len({one.flow_id for one in found}) == len(names)


async def test_flow_run_is_found_again_by_its_id(database: Database, writer: Writer) -> None:
    await create_flow_run(writer, "etl", **ASKED)
    assert await ask_for_flow_run(writer, "etl", id=ID) == CreatedFlowRun(ID, created=False)
    assert await ask_for_flow_run(writer, "etl", **ASKED) == CreatedFlowRun(ID, created=False)
    assert (await get_flow_run(database, ID)).name == "nightly"


async def test_flow_run_is_found_again_by_its_key(writer: Writer) -> None:
    created = await ask_for_flow_run(writer, "etl", idempotency_key="k", parameters={"x": 1})
    again = await ask_for_flow_run(writer, "etl", idempotency_key="k", parameters={"x": 1})
    assert again == CreatedFlowRun(created.id, created=False)


async def test_key_is_one_of_its_flow(writer: Writer) -> None:
    assert (await ask_for_flow_run(writer, "etl", idempotency_key="k")).created
    assert (await ask_for_flow_run(writer, "other", idempotency_key="k")).created


async def test_flow_run_without_a_key_is_new_every_time(writer: Writer) -> None:
    outcomes = [await ask_for_flow_run(writer, "etl") for _ in range(3)]
    assert len({outcome.id for outcome in outcomes if outcome.created}) == 3


DIFFERENT: dict[str, tuple[str, dict[str, Any]]] = {
    "flow_name": ("other", {}),
    "name": ("etl", {"name": "weekly"}),
    "parameters": ("etl", {"parameters": {"x": 2}}),
    "labels": ("etl", {"labels": ["eu", "prod"]}),
    "context": ("etl", {"context": {}}),
    "idempotency_key": ("etl", {"idempotency_key": "2021-05-13"}),
}


@pytest.mark.parametrize("name", DIFFERENT)
async def test_flow_run_with_this_id_that_differs_is_a_conflict(writer: Writer, name: str) -> None:
    await create_flow_run(writer, "etl", **ASKED)
    flow_name, members = DIFFERENT[name]
    with pytest.raises(FlowRunConflict) as refused:
        await ask_for_flow_run(writer, flow_name, id=ID, **members)
    assert refused.value.faults == (
        Fault(pointer=f"/{name}", detail=f"The flow run {ID} has a different value in {name}."),
    )


async def test_flow_run_with_this_key_that_differs_is_a_conflict(writer: Writer) -> None:
    found = await create_flow_run(writer, "etl", idempotency_key="k", name="nightly")
    with pytest.raises(FlowRunConflict) as refused:
        await ask_for_flow_run(writer, "etl", id=ID, idempotency_key="k", name="weekly")
    assert refused.value.faults == (
        Fault(pointer="/id", detail=f"The flow run {found} has a different value in id."),
        Fault(pointer="/name", detail=f"The flow run {found} has a different value in name."),
    )


async def test_conflict_writes_nothing(database: Database, writer: Writer) -> None:
    await create_flow_run(writer, "etl", **ASKED)
    before = await get_flow_run(database, ID)
    with pytest.raises(FlowRunConflict):
        await ask_for_flow_run(writer, "etl", id=ID, name="weekly")
    assert await get_flow_run(database, ID) == before


async def test_flow_runs_of_one_batch_are_created_once(writer: Writer) -> None:
    items = [flow_run_item("etl", idempotency_key="k") for _ in range(5)]
    outcomes = await writer.submit(items, [ID] * len(items))
    assert len({outcome.id for outcome in outcomes}) == 1
    assert sorted(outcome.created for outcome in outcomes) == [False] * 4 + [True]


async def test_flow_run_that_another_of_its_batch_keeps_out_is_not_called_created(
    database: Database, writer: Writer
) -> None:
    taken = await create_flow_run(writer, "etl", idempotency_key="taken")
    first = flow_run_item("etl", id=ID, idempotency_key="taken")
    second = flow_run_item("other", id=ID)
    outcomes = await database.transact(execute_commands, [first, second])
    assert isinstance(outcomes[0], FlowRunConflict)
    assert outcomes[1] == CreatedFlowRun(ID, created=True)
    assert (await get_flow_run(database, taken)).idempotency_key == "taken"


# States


async def test_state_changes_the_flow_run(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Scheduled", 0))
    await report_flow_run(writer, flow_run_id, state("Running", 2.5, message="Running flow."))
    outcome = await report_flow_run(writer, flow_run_id, state("Success", 10, message="All succeeded."))
    assert outcome == reported("recorded", flow_run_id, 3, StateType.Success)
    found = await get_flow_run(database, flow_run_id)
    assert (found.state, found.state_message, found.state_timestamp) == ("Success", "All succeeded.", at(10))
    assert (found.version, found.run_count, found.sequence) == (3, 1, 3)
    assert (found.start_time, found.end_time, found.duration, found.queue_time) == (at(2.5), at(10), 7.5, 2.5)


async def test_history_of_a_flow_run_is_as_it_was_reported(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    first = state("Scheduled", 0, details={"start_time": "2021-05-12T18:00:00Z"})
    second = state("Failed", 5, message="No.", result={"type": "LocalResult", "location": "/r"})
    before = datetime.now(UTC)
    for report in (first, second):
        await report_flow_run(writer, flow_run_id, report)
    history = await list_flow_run_states(database, flow_run_id)
    assert all(before <= one.received <= datetime.now(UTC) for one in history)
    assert history == [
        entry(report, one, number) for number, (report, one) in enumerate(zip((first, second), history, strict=True), 1)
    ]


def entry(report: Report, found: schemas.State, number: int) -> schemas.State:
    return schemas.State(
        id=report.id,
        type=report.type,
        version=number,
        sequence=number,
        message=report.message,
        timestamp=report.timestamp or found.timestamp,
        received=found.received,
        result=report.result,
        details=report.details or None,
        is_late=False,
    )


async def test_late_state_of_a_flow_run_counts_for_its_times(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Success", 10))
    outcome = await report_flow_run(writer, flow_run_id, state("Running", 4))
    assert outcome == reported("late", flow_run_id, 1, StateType.Success)
    await report_flow_run(writer, flow_run_id, state("Scheduled", 1))
    found = await get_flow_run(database, flow_run_id)
    assert (found.version, found.run_count, found.sequence) == (1, 1, 3)
    assert (found.start_time, found.end_time, found.duration, found.queue_time) == (at(4), at(10), 6.0, 3.0)
    assert [one.type for one in await list_flow_run_states(database, flow_run_id)] == [
        "Scheduled",
        "Running",
        "Success",
    ]


async def test_finished_flow_run_refuses_running(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Running", 9))
    await report_flow_run(writer, flow_run_id, state("Success", 10))
    with pytest.raises(TerminalState) as refused:
        await report_flow_run(writer, flow_run_id, state("Running", 11))
    current = CurrentRun(version=2, state=StateType.Success, state_timestamp=at(10))
    assert refused.value.members == {"current_run": current}


async def test_sequence_of_a_flow_run_counts_its_task_runs_changes(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "extract-1", state("Running", 1), state("Success", 2))
    await report_flow_run(writer, flow_run_id, state("Running", 0, expected_sequence=3))
    found = await get_flow_run(database, flow_run_id)
    assert (found.sequence, found.version, found.task_run_counts) == (4, 1, {"Success": 1})


async def test_flow_run_refuses_another_sequence_than_expected(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "extract-1")
    with pytest.raises(VersionConflict):
        await report_flow_run(writer, flow_run_id, state("Running", 0, expected_sequence=0))


async def test_state_id_is_of_one_flow_run(writer: Writer) -> None:
    one, other = [await create_flow_run(writer) for _ in range(2)]
    report = state("Running", 1)
    await report_flow_run(writer, one, report)
    with pytest.raises(StateIdConflict):
        await report_flow_run(writer, other, report)


@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "together"])
async def test_state_id_may_be_of_a_flow_run_and_of_a_task_run(writer: Writer, together: bool) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id = (await report_task_run(writer, flow_run_id, "extract-1")).run_id
    report = state("Running", 1)
    items = [SetFlowRunState(flow_run_id, report), SetTaskRunState(task_run_id, report)]
    batches = [items] if together else [[item] for item in items]
    outcomes = [one for batch in batches for one in await writer.submit(batch, [flow_run_id] * len(batch))]
    assert outcomes == [
        reported("recorded", flow_run_id, 1, StateType.Running),
        reported("recorded", task_run_id, 1, StateType.Running),
    ]


async def test_changes_to_a_flow_run_that_is_not_there_are_refused(database: Database, writer: Writer) -> None:
    await create_flow_run(writer)
    with pytest.raises(FlowRunNotFound):
        await report_flow_run(writer, ID, state("Running", 1))
    with pytest.raises(FlowRunNotFound):
        await report_task_run(writer, ID, "extract-1", state("Running", 1))
    with pytest.raises(FlowRunNotFound):
        await delete_flow_run(writer, ID)
    assert await database.read(rows_of, tables.task_run) == []


async def test_questions_about_a_flow_run_that_is_not_there_are_refused(database: Database) -> None:
    for ask in (get_flow_run, list_flow_run_states):
        with pytest.raises(FlowRunNotFound):
            await ask(database, ID)
    with pytest.raises(FlowRunNotFound):
        await database.read(runs.get_flow_run_sequence, ID)


# Deleting


async def test_deleted_flow_run_leaves_nothing_of_its_own(database: Database, writer: Writer) -> None:
    kept, gone = [await create_flow_run(writer) for _ in range(2)]
    for flow_run_id in (kept, gone):
        await report_flow_run(writer, flow_run_id, state("Running", 0))
        for slug in ("extract-1", "load-1"):
            await report_task_run(writer, flow_run_id, slug, state("Running", 1), state("Success", 2))
    task_run_id = (await report_task_run(writer, gone, "extract-1")).run_id
    await delete_flow_run(writer, gone)
    with pytest.raises(FlowRunNotFound):
        await get_flow_run(database, gone)
    with pytest.raises(TaskRunNotFound):
        await get_task_run(database, task_run_id)
    assert {row.id for row in await database.read(rows_of, tables.flow_run)} == {kept}
    assert {row.flow_run_id for row in await database.read(rows_of, tables.flow_run_state)} == {kept}
    assert {row.flow_run_id for row in await database.read(rows_of, tables.task_run)} == {kept}
    task_runs = {row.id for row in await database.read(rows_of, tables.task_run)}
    assert {row.task_run_id for row in await database.read(rows_of, tables.task_run_state)} == task_runs
    assert await findings_of(database) == []


async def test_flow_run_is_deleted_once(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await delete_flow_run(writer, flow_run_id)
    with pytest.raises(FlowRunNotFound):
        await delete_flow_run(writer, flow_run_id)


async def test_flow_run_is_deleted_once_in_a_batch(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    item = DeleteFlowRun(flow_run_id)
    outcomes = await writer.submit([item, item], [flow_run_id] * 2)
    assert [type(outcome) for outcome in outcomes] == [type(None), FlowRunNotFound]


async def test_deleted_flow_run_may_be_created_again(writer: Writer) -> None:
    await create_flow_run(writer, "etl", **ASKED)
    await delete_flow_run(writer, ID)
    assert await ask_for_flow_run(writer, "etl", **ASKED) == CreatedFlowRun(ID, created=True)


async def test_batch_creates_then_reports_then_deletes(database: Database, writer: Writer) -> None:
    created, gone = flow_run_item(id=new_id()), flow_run_item(id=new_id())
    items: list[Command[Any]] = [
        DeleteFlowRun(gone.id),
        SetFlowRunState(created.id, state("Running", 1)),
        SetFlowRunState(gone.id, state("Running", 1)),
        created,
        gone,
    ]
    outcomes = await database.transact(execute_commands, items)
    assert outcomes == [
        None,
        reported("recorded", created.id, 1, StateType.Running),
        reported("recorded", gone.id, 1, StateType.Running),
        CreatedFlowRun(created.id, created=True),
        CreatedFlowRun(gone.id, created=True),
    ]
    with pytest.raises(FlowRunNotFound):
        await get_flow_run(database, gone.id)
