"""The order of reports: the same reports make the same run, with the same history, in whatever order they arrive."""

from contextlib import suppress
from itertools import islice, permutations
from typing import Any

import pytest

from taskruns_service.domain.errors import StateIdConflict, TerminalState
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    create_task_run,
    get_flow_run,
    get_task_run,
    list_states,
    report_flow_run,
    report_state,
    report_task_run,
    state,
)


async def test_item_with_the_state_of_another_run_creates_nothing(database: Database, writer: Writer) -> None:
    used = state("Running", 1)
    other = await create_task_run(writer, "extract-1", used)
    flow_run_id = await create_flow_run(writer)
    with pytest.raises(StateIdConflict) as refused:
        await report_task_run(writer, flow_run_id, "new-1", state("Pending", 0), used)
    assert [fault.pointer for fault in refused.value.faults] == ["/states/1"]
    found = await get_flow_run(database, flow_run_id)
    assert (found.task_run_counts, found.sequence) == ({}, 0)
    assert [one.id for one in await list_states(database, other)] == [used.id]


SETS: dict[str, list[tuple[str, float]]] = {
    "ties": [("Pending", 1), ("Running", 1), ("Success", 1)],
    "an end of another clock": [("Pending", 9), ("Running", 10), ("Success", 9.5)],
    "a failure of another clock": [("Pending", 9), ("Running", 10), ("Failed", 9.5)],
    "running after a success": [("Success", 2), ("Running", 3)],
    "ends of several reporters": [("Running", 1), ("Success", 3), ("Failed", 4), ("Cancelled", 5)],
    "a retry between ends": [("Running", 1), ("Failed", 3), ("Retrying", 4), ("Running", 5), ("Failed", 6)],
    "a cancellation": [("Running", 1), ("Cancelling", 3), ("Cancelled", 4)],
    "a pause": [("Running", 1), ("Paused", 3), ("Running", 5), ("Success", 6)],
}


@pytest.mark.parametrize("name", SETS)
async def test_set_of_reports_ends_in_one_way_whatever_its_order(database: Database, writer: Writer, name: str) -> None:
    ends = set()
    for number, order in enumerate(islice(permutations(SETS[name]), 24)):
        for together in (False, True):
            reports = [state(type_, second, message=f"{type_} at {second}") for type_, second in order]
            flow_run_id = await create_flow_run(writer)
            if together:
                outcome = await report_task_run(writer, flow_run_id, f"t-{number}", *reports)
                task_run_id = outcome.run_id
            else:
                task_run_id = await create_task_run(writer, f"t-{number}", reports[0])
                for report in reports[1:]:
                    with suppress(TerminalState):
                        await report_state(writer, task_run_id, report)
            found = await get_task_run(database, task_run_id)
            ends.add(
                (
                    *(found.state, found.state_message, found.state_timestamp, found.run_count),
                    *(found.start_time, found.end_time, found.duration, found.run_time, found.queue_time),
                )
            )
            counted = await get_flow_run(database, found.flow_run_id)
            assert counted.task_run_counts == {found.state: 1}
            await check_history(database, found)
    assert len(ends) == 1, ends


async def check_history(database: Database, task_run: Any) -> None:
    """The current state is in the history and not late, with its version; versions are given once."""
    history = await list_states(database, task_run.id)
    versions = [past.version for past in history if not past.is_late]
    assert len(set(versions)) == len(versions)
    assert all(past.version is None for past in history if past.is_late)
    (current,) = [
        past
        for past in history
        if (past.type, past.timestamp, past.message)
        == (task_run.state, task_run.state_timestamp, task_run.state_message)
    ]
    assert not current.is_late


async def test_past_state_becomes_the_current_one_with_its_message_and_result(
    database: Database, writer: Writer
) -> None:
    """A late Running begins another attempt, so that the failure that was late ends that."""
    result = {"type": "LocalResult", "location": "/r"}
    task_run_id = await create_task_run(writer, "extract-1", state("Running", 0), state("Failed", 1))
    assert (await report_state(writer, task_run_id, state("Failed", 3, message="Why", result=result))).outcome == "late"
    outcome = await report_state(writer, task_run_id, state("Running", 2))
    assert (outcome.outcome, outcome.state) == ("late", "Failed")
    found = await get_task_run(database, task_run_id)
    assert (found.state_message, found.has_result, found.run_count, found.end_time) == ("Why", True, 2, at(3))
    await check_history(database, found)


@pytest.mark.parametrize("name", SETS)
async def test_flow_run_ends_in_one_way_too(database: Database, writer: Writer, name: str) -> None:
    ends = set()
    for order in islice(permutations(SETS[name]), 24):
        flow_run_id = await create_flow_run(writer)
        for type_, second in order:
            with suppress(TerminalState):
                await report_flow_run(writer, flow_run_id, state(type_, second, message=f"{type_} at {second}"))
        found = await get_flow_run(database, flow_run_id)
        times = (found.start_time, found.end_time, found.duration, found.run_time)
        ends.add((found.state, found.state_message, found.run_count, *times))
    assert len(ends) == 1, ends


async def test_run_was_updated_when_it_came_to_its_last_state_or_later(database: Database, writer: Writer) -> None:
    """Of states without a timestamp in one transaction, each is a moment after the one before."""
    states = [state(type_) for type_ in ("Running", "Running", "Failed", "Retrying", "Running", "Failed", "Failed")]
    outcome = await report_task_run(writer, await create_flow_run(writer), "extract-1", *states)
    found = await get_task_run(database, outcome.run_id)
    assert found.state_timestamp is not None
    assert found.updated >= found.state_timestamp
    assert [past.type for past in await list_states(database, outcome.run_id)] == [one.type for one in states]
