"""Rows: what is written of an entry, by what has happened to it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from taskruns_service.commands.unit_of_work.entries import Entry, FlowRunEntry, TaskRunEntry
from taskruns_service.commands.unit_of_work.tasks import Task
from taskruns_service.domain import results
from taskruns_service.domain.runs import Run
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Writes

_flow_run, _task_run = tables.flow_run, tables.task_run
_OF_STARTS = ("first_timestamp", "start_time", "queue_time")


def write_new(
    writes: Writes, created: Sequence[TaskRunEntry], tasks: dict[tuple[UUID, str], Task], now: datetime
) -> None:
    """Inserts new task runs, of these tasks."""
    writes.insert(_task_run, [_new(entry, tasks[entry.flow_run.flow_id, entry.task_slug], now) for entry in created])


def write_changed(
    writes: Writes, task_runs: Sequence[TaskRunEntry], flow_runs: Sequence[FlowRunEntry], now: datetime
) -> None:
    """Updates runs, those that have changed alike together."""
    with_new_state = [entry for entry in task_runs if entry.has_new_state]
    have_new_starts = any(map(_has_new_start, with_new_state))
    changed: tuple[tuple[Table, Callable[[Any, datetime], dict[str, object]], Iterable[Entry]], ...] = (
        (_task_run, _state_columns if have_new_starts else _columns_after_start, with_new_state),
        (_flow_run, _state_columns, (entry for entry in flow_runs if entry.has_new_state)),
        (_flow_run, _sequence_columns, (entry for entry in flow_runs if not entry.has_new_times)),
        (_task_run, _time_columns, (entry for entry in task_runs if entry.has_new_times and not entry.has_new_state)),
        (_flow_run, _time_columns, (entry for entry in flow_runs if entry.has_new_times and not entry.has_new_state)),
    )
    for table, columns, entries in changed:
        writes.update(table, [{**columns(entry, now), "id": entry.id} for entry in entries])


def _has_new_start(entry: TaskRunEntry) -> bool:
    """Whether a task run is shown with another start or another first timestamp than before."""
    before, after = entry.read_run, entry.run
    if before is None or entry.was_mapped_parent or entry.is_mapped_parent:
        return True
    return (before.first_timestamp, before.start_time) != (after.first_timestamp, after.start_time)


def write_times(writes: Writes, parents: Sequence[TaskRunEntry], now: datetime) -> None:
    """Updates mapped parents that are shown with other times, and the sequences of their flow runs."""
    writes.update(_task_run, [{**_times(entry, now), "id": entry.id} for entry in parents])
    flow_runs = {entry.flow_run.id: entry.flow_run for entry in parents}
    writes.update(_flow_run, [{**_sequence_columns(entry, now), "id": entry.id} for entry in flow_runs.values()])


def _new(entry: TaskRunEntry, task: Task, now: datetime) -> dict[str, object]:
    created = entry.created or {}
    return {
        **_state_columns(entry, now),
        "id": entry.id,
        "flow_run_id": entry.flow_run.id,
        "flow_id": entry.flow_run.flow_id,
        "task_id": task.id,
        "task_slug": entry.task_slug,
        "task_name": task.name,
        "map_index": entry.map_index,
        "name": created["name"],
        "tags": created["tags"] or task.tags or [],
        "cache_key": task.cache_key,
        "created": now,
    }


def _sequence_columns(entry: FlowRunEntry, now: datetime) -> dict[str, object]:
    counted = {state: count for state, count in entry.state_counts.items() if count}
    return {"sequence": entry.sequence, "state_counts": counted, "updated": entry.updated or now}


def _times(entry: TaskRunEntry, now: datetime) -> dict[str, object]:
    run = entry.shown
    return {
        "start_time": run.start_time,
        "end_time": run.end_time,
        "duration": run.duration,
        "run_time": run.run_time,
        "queue_time": run.queue_time,
        "sequence": entry.sequence,
        "updated": entry.updated or now,
    }


def _time_columns(entry: Entry, now: datetime) -> dict[str, object]:
    return _time_columns_of(entry, entry.shown, now)


def _time_columns_of(entry: Entry, run: Run, now: datetime) -> dict[str, object]:
    return {
        **(_sequence_columns(entry, now) if isinstance(entry, FlowRunEntry) else {}),
        "version": run.version,
        "run_count": run.run_count,
        "first_timestamp": run.first_timestamp,
        "start_time": run.start_time,
        "duration": run.duration,
        "run_time": run.run_time,
        "queue_time": run.queue_time,
        "sequence": entry.sequence,
        "updated": entry.updated or now,
    }


def _state_columns(entry: Entry, now: datetime) -> dict[str, object]:
    run = entry.shown
    columns = {
        **_time_columns_of(entry, run, now),
        "state": run.state,
        "state_id": run.state_id,
        "state_message": run.state_message,
        "state_timestamp": run.state_timestamp,
        "state_start_time": run.state_start_time,
        "end_time": run.end_time,
    }
    if isinstance(entry, TaskRunEntry):
        columns |= {"result": run.result, "has_result": results.is_kept(run.result)}
    return columns


def _columns_after_start(entry: Entry, now: datetime) -> dict[str, object]:
    """Those of a new state that leaves the start as it was: SQLite writes indexes of all columns that it is given."""
    columns = _state_columns(entry, now)
    for name in _OF_STARTS:
        del columns[name]
    return columns
