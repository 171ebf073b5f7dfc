"""The tasks of a flow run: its task runs summed up by task slug, on every database."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row

from taskruns_service import schemas
from taskruns_service.domain.errors import FlowRunNotFound
from taskruns_service.domain.ids import id_of, new_id
from taskruns_service.domain.states import StateType, worst
from taskruns_service.queries.flow_run_tasks import get_flow_run_tasks
from taskruns_service.schemas.flow_run_tasks import MAX_TASKS
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import insert_many
from taskruns_service.storage.writer import Writer
from tests.store.dataset import Dataset
from tests.store.factories import at, create_flow_run, get_flow_run, report_task_run, rows_of, state, statements_seen


async def tasks_of(database: Database, flow_run_id: UUID) -> schemas.FlowRunTasks:
    return await database.read(get_flow_run_tasks, flow_run_id)


def summed_up(task_runs: Sequence[Row[Any]]) -> schemas.FlowRunTask:
    """The task of some task runs, in plain Python."""
    parents = [task_run.id for task_run in task_runs if task_run.map_index == -1]
    return schemas.FlowRunTask(
        task_slug=task_runs[0].task_slug,
        task_run_id=parents[0] if parents else None,
        is_mapped=any(task_run.map_index >= 0 or task_run.state == "Mapped" for task_run in task_runs),
        state=worst(StateType(task_run.state) for task_run in task_runs),
        count=len(task_runs),
        task_run_counts=Counter(task_run.state for task_run in task_runs),
        first_start_time=min((row.start_time for row in task_runs if row.start_time is not None), default=None),
        last_end_time=max((row.end_time for row in task_runs if row.end_time is not None), default=None),
        retries=sum(max(0, task_run.run_count - 1) for task_run in task_runs),
    )


async def test_tasks_are_the_task_runs_summed_up_by_task_slug(dataset: Dataset) -> None:
    for flow_run in dataset.flow_runs:
        answer = await tasks_of(dataset.database, flow_run.id)
        by_slug: dict[str, list[Row[Any]]] = {}
        for task_run in dataset.task_runs:
            if task_run.flow_run_id == flow_run.id:
                by_slug.setdefault(task_run.task_slug, []).append(task_run)
        expected = [summed_up(task_runs) for task_runs in by_slug.values()]
        expected.sort(key=lambda task: (task.first_start_time is None, task.first_start_time or at(0), task.task_slug))
        assert answer == schemas.FlowRunTasks(
            flow_run_id=flow_run.id, sequence=flow_run.sequence, items=expected, truncated=False
        )
        whole: Counter[str] = Counter()
        for task in answer.items:
            whole.update(task.task_run_counts)
        assert whole == (await get_flow_run(dataset.database, flow_run.id)).task_run_counts


async def test_flow_run_without_task_runs_has_no_tasks(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    answer = await tasks_of(database, flow_run_id)
    assert (answer.items, answer.truncated) == ([], False)
    assert answer.sequence == (await get_flow_run(database, flow_run_id)).sequence


async def test_tasks_of_no_flow_run_are_not_found(database: Database) -> None:
    with pytest.raises(FlowRunNotFound):
        await tasks_of(database, new_id())


async def test_map_over_nothing_and_children_alone_are_mapped(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "empty", state("Running", 1), state("Mapped", 2))
    await report_task_run(writer, flow_run_id, "orphan", state("Running", 3), map_index=7)
    await report_task_run(writer, flow_run_id, "plain", state("Running", 4))
    answer = await tasks_of(database, flow_run_id)
    shown = {task.task_slug: (task.is_mapped, task.task_run_id is None, task.state) for task in answer.items}
    assert shown == {
        "empty": (True, False, "Mapped"),
        "orphan": (True, True, "Running"),
        "plain": (False, False, "Running"),
    }


async def test_tasks_are_read_with_one_statement(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "a", state("Success", 1))
    with statements_seen() as seen:
        await tasks_of(database, flow_run_id)
    assert len(seen) == 1


async def test_too_many_tasks_are_those_that_started_first(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "z-first", state("Running", 1))
    await report_task_run(writer, flow_run_id, "a-never", state("Pending", 1))
    (template,) = await database.read(lambda connection: rows_of(connection, tables.task_run)[:1])
    rows = [
        {
            **template._mapping,
            "id": id_of(at(number), f"{number}".encode()),
            "task_slug": f"loop-{number}",
            "start_time": at(number),
        }
        for number in range(2, MAX_TASKS + 2)
    ]
    await database.transact(insert_many, tables.task_run, rows)
    answer = await tasks_of(database, flow_run_id)
    assert answer.truncated
    slugs = [task.task_slug for task in answer.items]
    assert slugs == ["z-first", *(f"loop-{number}" for number in range(2, MAX_TASKS + 1))]
