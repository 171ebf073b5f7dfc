"""The attempts of task runs, made from their histories on every database."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice, permutations
from uuid import UUID

import msgspec
import pytest

from taskruns_service import schemas
from taskruns_service.commands.reports import SetTaskRunState
from taskruns_service.domain.errors import TaskRunNotFound, TerminalState
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import StateType
from taskruns_service.queries import attempts
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import at, create_task_run, get_task_run, report_state, run_on, state

Expected = tuple[str, float, float | None, str | None, bool]
"""The state, the start and the end in seconds, the message, and whether it is the current one."""


def attempts_like(task_run_id: UUID, expected: Sequence[Expected], run_time: float) -> schemas.TaskRunAttempts:
    return schemas.TaskRunAttempts(
        task_run_id=task_run_id,
        items=[
            schemas.TaskRunAttempt(
                number=number,
                state=StateType(type_),
                message=message,
                start_time=at(start),
                end_time=None if end is None else at(end),
                duration=None if end is None else max(0.0, end - start),
                is_current=is_current,
            )
            for number, (type_, start, end, message, is_current) in enumerate(expected, 1)
        ],
        run_time=run_time,
        truncated=False,
    )


async def attempts_of(database: Database, task_run_id: UUID) -> schemas.TaskRunAttempts:
    return await database.read(attempts.get_task_run_attempts, task_run_id)


HISTORIES: dict[str, tuple[list[tuple[str, float]], list[Expected], float]] = {
    "a retry": (
        [("Pending", 0), ("Running", 1), ("Retrying", 3), ("Running", 60), ("Success", 64)],
        [("Retrying", 1, 3, "Retrying at 3", False), ("Success", 60, 64, "Success at 64", True)],
        6,
    ),
    "a pause": (
        [("Running", 0), ("Paused", 2), ("Resume", 9), ("Running", 10)],
        [("Paused", 0, 2, "Paused at 2", False), ("Running", 10, None, "Running at 10", True)],
        2,
    ),
    "a restart": (
        [("Running", 0), ("Running", 5), ("Failed", 6)],
        [("Running", 0, 5, "Running at 0", False), ("Failed", 5, 6, "Failed at 6", True)],
        6,
    ),
    "ends of several reporters": (
        [("Running", 1), ("Success", 3), ("Failed", 4), ("Cancelled", 5)],
        [("Success", 1, 3, "Success at 3", True)],
        2,
    ),
    "ties": ([("Pending", 1), ("Running", 1), ("Success", 1)], [("Success", 1, 1, "Success at 1", True)], 0),
    "an end of another clock": (
        [("Running", 10), ("Success", 9.5)],
        [("Success", 10, 9.5, "Success at 9.5", True)],
        0,
    ),
    "a map": ([("Running", 1), ("Mapped", 2)], [("Mapped", 1, 2, "Mapped at 2", True)], 1),
    "a cached result": ([("Pending", 0), ("Cached", 1)], [], 0),
    "a failure without running": ([("Pending", 0), ("TriggerFailed", 1)], [], 0),
}


@pytest.mark.parametrize("name", HISTORIES)
async def test_attempts_are_those_of_the_history_whatever_the_order_of_arrival(
    database: Database, writer: Writer, name: str
) -> None:
    steps, expected, run_time = HISTORIES[name]
    for order in islice(permutations(steps), 12):
        first, *rest = [state(type_, second, message=f"{type_} at {second}") for type_, second in order]
        task_run_id = await create_task_run(writer, "extract-1", first)
        for report in rest:
            with suppress(TerminalState):
                await report_state(writer, task_run_id, report)
        assert await attempts_of(database, task_run_id) == attempts_like(task_run_id, expected, run_time)
        assert (await get_task_run(database, task_run_id)).run_count == len(expected)


async def test_task_run_without_states_has_no_attempts(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer)
    assert await attempts_of(database, task_run_id) == attempts_like(task_run_id, [], 0)


async def test_task_run_that_is_not_there_is_not_found(database: Database) -> None:
    with pytest.raises(TaskRunNotFound):
        await attempts_of(database, new_id())


async def test_history_from_before_states_were_marked_as_forced_keeps_its_attempts(
    database: Database, writer: Writer
) -> None:
    reports = [state("Running", 1), state("Success", 4), state("Running", 5, force=True), state("Failed", 6)]
    task_run_id = await create_task_run(writer, "extract-1", *reports)
    await database.transact(run_on, tables.task_run_state.update().values(forced=None))
    expected: list[Expected] = [("Success", 1, 4, None, False), ("Failed", 5, 6, None, True)]
    assert await attempts_of(database, task_run_id) == attempts_like(task_run_id, expected, 4)


async def test_long_history_gives_the_attempts_of_its_oldest_states(database: Database, writer: Writer) -> None:
    count = schemas.MAX_ATTEMPT_STATES
    task_run_id = await create_task_run(writer)
    for extra in (0, 1):
        items = [
            SetTaskRunState(task_run_id, state("Running", second)) for second in range(extra * count, count + extra)
        ]
        await writer.submit(items, [task_run_id] * len(items))
        answer = await attempts_of(database, task_run_id)
        assert (len(answer.items), answer.truncated) == (count, bool(extra))
    assert msgspec.structs.astuple(answer.items[-1])[2:4] == (None, at(count - 1))
    assert answer.run_time == count - 1
