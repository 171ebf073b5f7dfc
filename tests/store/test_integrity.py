"""Integrity: what was recorded is right, whatever it was, and each kind of damage is named."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, text

from taskruns_service.commands.reports import SetFlowRunState
from taskruns_service.domain.errors import FlowRunNotFound
from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.commands.engine_states import RenameTaskRun
from taskruns_service.queries import integrity
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    create_flow_run,
    findings_of,
    report_flow_run,
    report_state,
    report_task_run,
    rows_of,
    state,
    update_task_run,
)

_task_run, _flow_run = tables.task_run, tables.flow_run
_task_run_state, _flow_run_state = tables.task_run_state, tables.flow_run_state


async def record(writer: Writer) -> tuple[UUID, UUID]:
    """Records a flow run with two task runs; the ids of the flow run and of the task run `a`."""
    flow_run_id = await create_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Running", 1))
    result = {"type": "LocalResult", "location": "a"}
    outcome = await report_task_run(
        writer,
        flow_run_id,
        "a",
        *(state("Pending", 1), state("Running", 2), state("Success", 3, message="Done.", result=result)),
    )
    await report_task_run(writer, flow_run_id, "b", state("Running", 2), map_index=4)
    return flow_run_id, outcome.run_id


@pytest.mark.parametrize("page", [1, 2, 1000])
async def test_recorded_runs_are_right_in_pages_of_any_size(
    database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(integrity, "FLOW_RUNS", page)
    monkeypatch.setattr(integrity, "TASK_RUNS", page)
    monkeypatch.setattr(integrity, "NUMBERS", 10 * page)
    flow_run_ids = [(await record(writer))[0] for _ in range(3)]
    assert await findings_of(database) == []
    for flow_run_id in flow_run_ids:
        assert await findings_of(database, flow_run_id) == []


few = st.integers(0, 4)
reports = st.lists(st.tuples(few, st.sampled_from(StateType), st.none() | few, st.booleans()), max_size=12)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(reports)
async def test_whatever_is_reported_in_any_order_is_right(
    database: Database, writer: Writer, reports: list[tuple[int, StateType, int | None, bool]]
) -> None:
    flow_run_id = await create_flow_run(writer)
    outcome = await report_task_run(writer, flow_run_id, "a")
    await report_task_run(writer, flow_run_id, "b")
    for whose, type_, seconds, force in reports:
        report = state(type_, seconds, force=force)
        if whose == 0:
            await update_task_run(writer, outcome.run_id, name=type_)
            await writer.submit_one(RenameTaskRun(outcome.run_id, "again"), outcome.run_id)
        elif whose == 1:
            await writer.submit([_flow_run_item(flow_run_id, report)], [flow_run_id])
        else:
            await report_task_run(writer, flow_run_id, "ab"[whose % 2], report)
    assert await findings_of(database, flow_run_id) == []


def _flow_run_item(flow_run_id: UUID, report: Any) -> Any:

    return SetFlowRunState(flow_run_id, report)


def values(table: Table, where: Any = None, **changed: Any) -> Callable[[Connection], None]:
    """Changes rows past all rules."""

    def change(connection: Connection) -> None:
        statement = table.update() if where is None else table.update().where(where)
        assert connection.execute(statement.values(**changed)).rowcount

    return change


def gone(table: Table, where: Any) -> Callable[[Connection], None]:
    def delete(connection: Connection) -> None:
        assert connection.execute(table.delete().where(where)).rowcount

    return delete


A, SUCCESS = _task_run.c.task_slug == "a", _task_run_state.c.type == "Success"
DAMAGE: dict[str, tuple[Callable[[Connection], None], str]] = {
    "state": (values(_task_run, A, state="Failed"), "task run {a}: its state is Failed, but its history gives Success"),
    "state that there is not": (
        values(_task_run, A, state="Sucess"),
        "task run {a}: there is no state type 'Sucess'",
    ),
    "current state": (values(_task_run, A, state_id=uuid4()), "task run {a}: its state_id is "),
    "message": (
        values(_task_run, A, state_message="x"),
        "task run {a}: its message differs from that of its current state",
    ),
    "result": (
        values(_task_run, A, result={"x": 1}),
        "task run {a}: its result differs from that of its current state",
    ),
    "has a result": (
        values(_task_run, A, has_result=False),
        "task run {a}: its has_result is False, which contradicts its result",
    ),
    "run count": (values(_task_run, A, run_count=2), "task run {a}: its run_count is 2, but its history gives 1"),
    "duration": (values(_task_run, A, duration=2.0), "task run {a}: its duration is 2.0, but its history gives 1.0"),
    "version that is higher": (values(_task_run, A, version=8), "versions of its runs count 5 changes"),
    "version that is lower": (
        values(_task_run, A, version=2),
        "task run {a}: its version is 2, but its history gives 3",
    ),
    "version of a state": (values(_task_run_state, SUCCESS, version=2), "has version 2, but should have 3"),
    "mark of a state": (values(_task_run_state, SUCCESS, accepted=False), "should be marked accepted"),
    "last state": (gone(_task_run_state, SUCCESS), "task run {a}: its state is Success, but its history gives Running"),
    "earlier state": (
        gone(_task_run_state, _task_run_state.c.type == "Pending"),
        "task run {a}: its first_timestamp is ",
    ),
    "type of a state": (
        values(_task_run_state, SUCCESS, type="Failed"),
        "task run {a}: its state is Success, but its history gives Failed",
    ),
    "flow run's state": (
        values(_flow_run, state="Success"),
        "flow run {flow_run}: its state is Success, but its history gives Running",
    ),
    "flow run's history": (
        gone(_flow_run_state, _flow_run_state.c.type == "Running"),
        "flow run {flow_run}: its state is Running, but its history gives Pending",
    ),
    "sequence of a task run": (
        values(_task_run, A, sequence=99),
        "task run {a}: its sequence is 99, but should be from ",
    ),
    "sequence of a task run that is lower": (values(_task_run, A, sequence=1), "task run {a}: its sequence is 1, but"),
    "sequence of a state": (values(_task_run_state, SUCCESS, sequence=77), "task run {a}: a state has the sequence 77"),
    "sequence given twice": (
        values(_task_run_state, SUCCESS, sequence=1),
        "flow run {flow_run}: the sequence 1 occurs several times",
    ),
    "sequence of a flow run": (
        values(_flow_run, sequence=6),
        "flow run {flow_run}: its sequence is 6, but its task runs",
    ),
    "natural key": (
        values(_task_run, A, task_slug="c"),
        "task run {a}: its natural key has the task slug c, but its task has a",
    ),
    "map index": (values(_task_run, A, map_index=-2), "task run {a}: its natural key has the map index -2"),
    "flow": (values(_task_run, A, flow_id=uuid4()), "task run {a}: it belongs to the flow "),
    "counts": (values(_flow_run, state_counts={"Success": 2}), "flow run {flow_run} Running: counted 1, kept 0"),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damage_is_named(database: Database, writer: Writer, kind: str) -> None:
    other, _ = await record(writer)
    flow_run_id, task_run_id = await record(writer)
    assert await findings_of(database) == []
    plant, expected = DAMAGE[kind]
    sentence = expected.format(a=task_run_id, flow_run=flow_run_id)
    await database.transact(plant)
    assert [one for one in await findings_of(database, flow_run_id) if sentence in one]
    found = await findings_of(database)
    assert [one for one in found if sentence in one]
    assert len(found) >= len(await findings_of(database, other))


async def test_task_run_that_was_removed_by_hand_is_found(database: Database, writer: Writer) -> None:
    flow_run_id, task_run_id = await record(writer)
    await database.transact(gone(_task_run, A))
    found = await findings_of(database)
    assert f"flow run {flow_run_id} Success: counted 0, kept 1" in found
    assert sum(one.endswith(f"there is no task run {task_run_id}") for one in found) == 3
    assert sum(" a Success: counted 0, kept 1" in one for one in found) == 1


async def test_natural_key_that_is_there_twice_is_found(database: Database, writer: Writer) -> None:
    flow_run_id, _ = await record(writer)

    def twice(connection: Connection) -> None:
        (row,) = [row for row in rows_of(connection, _task_run) if row.task_slug == "a"]
        # Neither database drops the constraint alone without help.
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("CREATE TABLE twice AS SELECT * FROM task_run")
            connection.exec_driver_sql("DROP TABLE task_run")
            connection.exec_driver_sql("ALTER TABLE twice RENAME TO task_run")
        else:
            connection.execute(text("ALTER TABLE task_run DROP CONSTRAINT uq_task_run_natural_key"))
        connection.execute(_task_run.insert().values(**{**row._mapping, "id": uuid4(), "sequence": 1}))
        if connection.dialect.name != "sqlite":
            found.extend(str(one) for one in integrity._check_rows(connection, [flow_run_id], _totals(connection)))
            raise _UndoError

    def _totals(connection: Connection) -> Any:
        return integrity._read_totals(connection, [flow_run_id])

    found: list[str] = []
    try:
        await database.transact(twice)
    except _UndoError:
        pass
    else:
        found = await findings_of(database, flow_run_id)
    assert f"flow run {flow_run_id}: several task runs have the natural key a -1" in found


class _UndoError(Exception):
    """Takes back what a transaction has done to the schema that other tests share."""


async def test_unknown_flow_run_is_an_error(database: Database) -> None:
    with pytest.raises(FlowRunNotFound):
        await findings_of(database, uuid4())


async def test_state_of_a_single_task_run_is_right_after_late_ones(database: Database, writer: Writer) -> None:
    flow_run_id, task_run_id = await record(writer)
    for report in (state("Running", 1), state("Failed", 2.5), state("Cached", 4), state("Pending", 0)):
        await report_state(writer, task_run_id, report)
    assert await findings_of(database, flow_run_id) == []
