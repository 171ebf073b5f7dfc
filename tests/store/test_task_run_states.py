"""States of task runs: the transitions that reports bring about, and their history."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from taskruns_service import schemas
from taskruns_service.commands.reports import SetTaskRunState
from taskruns_service.domain.errors import (
    StateIdConflict,
    TaskRunNotFound,
    TerminalState,
    VersionConflict,
)
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import StateType
from taskruns_service.queries import runs
from taskruns_service.queries.listings import TASK_RUN_STATES
from taskruns_service.schemas import CurrentRun
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_task_run,
    get_task_run,
    list_states,
    report_state,
    reported,
    state,
    update_task_run,
)

UNKNOWN = UUID(int=1)


# Transitions


async def test_each_state_replaces_the_one_before(database: Database, writer: Writer) -> None:
    result = {"type": "LocalResult", "location": "/r"}
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 1, message="Done.", result=result))
    assert (await get_task_run(database, task_run_id)).has_result
    outcome = await report_state(writer, task_run_id, state("Skipped", 2))
    assert outcome == reported("recorded", task_run_id, 2, StateType.Skipped)
    found = await get_task_run(database, task_run_id)
    assert (found.state, found.state_message, found.state_timestamp) == ("Skipped", None, at(2))
    assert (found.has_result, found.end_time) == (False, at(2))


async def test_retry_runs_again_from_its_first_start(database: Database, writer: Writer) -> None:
    chain = [("Running", 1), ("Failed", 2), ("Retrying", 3), ("Running", 4), ("Success", 6)]
    task_run_id = await create_task_run(writer, "extract-1", *(state(*one) for one in chain))
    found = await get_task_run(database, task_run_id)
    assert (found.run_count, found.start_time, found.end_time, found.duration) == (2, at(1), at(6), 5.0)


async def test_run_that_runs_again_has_no_end(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Running", 1), state("Failed", 2))
    await report_state(writer, task_run_id, state("Retrying", 3))
    found = await get_task_run(database, task_run_id)
    assert (found.end_time, found.duration) == (None, None)


async def test_duplicate_writes_nothing(database: Database, writer: Writer) -> None:
    report = state("Running", message="Starting.", details={"x": [1, 1.5, None]})
    task_run_id = await create_task_run(writer, "extract-1", report)
    before = await get_task_run(database, task_run_id), await list_states(database, task_run_id)
    assert await report_state(writer, task_run_id, report) == reported("duplicate", task_run_id, 1, StateType.Running)
    assert (await get_task_run(database, task_run_id), await list_states(database, task_run_id)) == before


async def test_other_state_with_a_known_id_is_refused_and_writes_nothing(database: Database, writer: Writer) -> None:
    report = state("Running", 1)
    task_run_id = await create_task_run(writer, "extract-1", report)
    before = await get_task_run(database, task_run_id), await list_states(database, task_run_id)
    with pytest.raises(StateIdConflict) as refused:
        await report_state(writer, task_run_id, state("Success", 2, id=report.id))
    assert [fault.pointer for fault in refused.value.faults] == ["/type", "/timestamp"]
    assert (await get_task_run(database, task_run_id), await list_states(database, task_run_id)) == before


async def test_late_state_is_in_the_history_alone(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Running", 1), state("Success", 10, message="Done."))
    outcome = await report_state(writer, task_run_id, state("Cancelling", 5, message="Stop."))
    assert outcome == reported("late", task_run_id, 2, StateType.Success)
    found = await get_task_run(database, task_run_id)
    assert (found.state, found.state_message, found.version, found.sequence) == ("Success", "Done.", 2, 3)
    assert [(one.type, one.version, one.is_late) for one in await list_states(database, task_run_id)] == [
        ("Running", 1, False),
        ("Cancelling", None, True),
        ("Success", 2, False),
    ]


async def test_late_state_that_changes_nothing_leaves_the_task_run_as_it_is(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Pending", 0), state("Success", 9))
    before = await database.read(runs.get_task_run, task_run_id)
    assert (await report_state(writer, task_run_id, state("Submitted", 5))).outcome == "late"
    assert await database.read(runs.get_task_run, task_run_id) == before


async def test_late_state_counts_for_times(database: Database, writer: Writer) -> None:
    result = {"type": "LocalResult", "location": "/r"}
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 10, result=result))
    await report_state(writer, task_run_id, state("Running", 4))
    await report_state(writer, task_run_id, state("Pending", 1))
    found = await get_task_run(database, task_run_id)
    assert (found.version, found.sequence, found.run_count, found.has_result) == (1, 4, 1, True)
    assert (found.start_time, found.end_time, found.duration, found.queue_time) == (at(4), at(10), 6.0, 3.0)


async def test_late_duplicate_is_a_duplicate(writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 10))
    late = state("Running", 4)
    outcomes = [(await report_state(writer, task_run_id, late)).outcome for _ in range(2)]
    assert outcomes == ["late", "duplicate"]


async def test_finished_run_refuses_running(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Running", 9), state("Success", 10))
    before = await get_task_run(database, task_run_id)
    with pytest.raises(TerminalState) as refused:
        await report_state(writer, task_run_id, state("Running", 11))
    assert refused.value.members == {
        "current_run": CurrentRun(version=2, state=StateType.Success, state_timestamp=at(10))
    }
    assert await get_task_run(database, task_run_id) == before


async def test_refused_state_may_be_sent_again_with_force(writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Running", 9), state("Success", 10))
    refused = state("Running", 11)
    with pytest.raises(TerminalState):
        await report_state(writer, task_run_id, refused)
    forced = state("Running", 11, id=refused.id, force=True)
    assert await report_state(writer, task_run_id, forced) == reported("recorded", task_run_id, 3, StateType.Running)


async def test_expected_version_is_recorded_and_another_refused(writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Running", 1))
    with pytest.raises(VersionConflict) as refused:
        await report_state(writer, task_run_id, state("Success", 2, expected_version=0))
    assert refused.value.members == {
        "current_run": CurrentRun(version=1, state=StateType.Running, state_timestamp=at(1))
    }
    assert (await report_state(writer, task_run_id, state("Success", 2, expected_version=1))).version == 2


async def test_of_two_that_expect_one_version_one_is_recorded(writer: Writer) -> None:
    task_run_id = await create_task_run(writer)
    items = [SetTaskRunState(task_run_id, state(type_, 1, expected_version=0)) for type_ in ("Running", "Skipped")]
    outcomes = await writer.submit(items, [task_run_id] * 2)
    assert outcomes[0] == reported("recorded", task_run_id, 1, StateType.Running)
    assert isinstance(outcomes[1], VersionConflict)


async def test_state_without_a_timestamp_is_as_of_its_arrival(database: Database, writer: Writer) -> None:
    before = datetime.now(UTC)
    task_run_id = await create_task_run(writer, "extract-1", state("Running"))
    found = await get_task_run(database, task_run_id)
    assert found.state_timestamp == found.start_time == found.created
    assert before <= found.created <= datetime.now(UTC)


@pytest.mark.parametrize(
    "text",
    [
        *(f"2021-05-12T18:00:01.{fraction}Z" for fraction in ("000000", "000001", "999999")),
        *("1970-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z"),
    ],
)
async def test_times_are_kept_to_the_microsecond(database: Database, writer: Writer, text: str) -> None:
    moment = datetime.fromisoformat(text)
    report = Report(id=new_id(), type=StateType.Running, timestamp=moment)
    task_run_id = await create_task_run(writer, "extract-1", report)
    assert (await get_task_run(database, task_run_id)).start_time == moment
    assert [one.timestamp for one in await list_states(database, task_run_id)] == [moment]


@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "together"])
async def test_state_id_is_of_one_task_run(writer: Writer, together: bool) -> None:
    one, other = [await create_task_run(writer) for _ in range(2)]
    report = state("Running", 1)
    items = [SetTaskRunState(one, report), SetTaskRunState(other, report)]
    if together:
        outcomes = await writer.submit(items, [one, one])
    else:
        outcomes = [outcome for item in items for outcome in await writer.submit([item], [item.task_run_id])]
    assert outcomes[0] == reported("recorded", one, 1, StateType.Running)
    assert isinstance(outcomes[1], StateIdConflict)


async def test_task_run_that_is_not_there_is_refused(database: Database, writer: Writer) -> None:
    with pytest.raises(TaskRunNotFound):
        await report_state(writer, UNKNOWN, state("Running", 1))
    with pytest.raises(TaskRunNotFound):
        await update_task_run(writer, UNKNOWN, name="a")
    for ask in (get_task_run, list_states):
        with pytest.raises(TaskRunNotFound):
            await ask(database, UNKNOWN)


# History


async def test_history_is_as_it_was_reported(database: Database, writer: Writer) -> None:
    result = {"type": "MyResult", "anything": [1, None, {"größe": 0.1}]}
    reports = [
        state("Scheduled", 0, details={"start_time": "2021-05-12T18:00:00Z", "n": 2**60}),
        state("Running", 1, message="Running."),
        state("Success", 2, result=result, details={"cached_inputs": {"x": {"type": "NoResult"}}}),
    ]
    task_run_id = await create_task_run(writer, "extract-1", *reports)
    history = await list_states(database, task_run_id)
    (received,) = {one.received for one in history}
    assert history == [
        schemas.State(
            id=report.id,
            type=report.type,
            version=number,
            sequence=number + 1,
            message=report.message,
            timestamp=at(number - 1),
            received=received,
            result=report.result,
            details=report.details or None,
            is_late=False,
        )
        for number, report in enumerate(reports, 1)
    ]


async def test_history_is_oldest_first_and_of_one_moment_in_the_order_of_arrival(
    database: Database, writer: Writer
) -> None:
    moments = [5, 5, 3, 9, 3, 1, 5]
    reports = [state("Running", moment, message=f"{number}") for number, moment in enumerate(moments)]
    task_run_id = await create_task_run(writer)
    for report in reports:
        await report_state(writer, task_run_id, report)
    found = [one.message for one in await list_states(database, task_run_id)]
    assert found == ["5", "2", "4", "0", "1", "6", "3"]


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_history_is_paged(database: Database, writer: Writer, limit: int) -> None:
    reports = [state("Running", moment) for moment in (1, 2, 2, 2, 3)]
    task_run_id = await create_task_run(writer, "extract-1", *reports)
    pages: list[list[schemas.State]] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        query = TASK_RUN_STATES.query({"limit": limit, "cursor": cursor}, task_run_id)
        page = await database.read(runs.list_task_run_states, query)
        pages.append(msgspec.json.decode(page.items, type=list[schemas.State]))
        cursor = page.next_cursor
    assert [item.id for items in pages for item in items] == [report.id for report in reports]
    assert [len(items) for items in pages[:-1]] == [limit] * (len(pages) - 1)


async def test_state_that_can_not_follow_names_what_it_is(writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Cancelled", 1))
    with pytest.raises(TerminalState, match="The run is Cancelled, and Queued would reopen it"):
        await report_state(writer, task_run_id, state("Queued", 2))
