"""Changes: the sequences of flow runs, and the changes of one of them after a sequence, as streams send them."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Integer, func, literal_column, select

from taskruns_service.domain.states import FINISHED
from taskruns_service.queries.listings import FLOW_RUN_TASK_RUNS
from taskruns_service.queries.members import FLOW_RUN_SUMMARY_MEMBERS
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    MAX_STATEMENTS,
    ListOfIds,
    ListOfTexts,
    Prepared,
    any_of,
    by_no_index,
    joined,
    json_object,
    placeholder,
)

MAX_CHANGES = 1_000
"""The most task runs in a batch."""
MAX_BATCH_BYTES = 1024 * 1024
"""A larger batch is read again with fewer task runs."""
MAX_BEHIND = 10_000
"""The most task runs that a stream catches up on: beyond that, loading all of them again costs less."""

_flow_run, _task_run = tables.flow_run, tables.task_run
_is_listed = any_of(_flow_run.c.id, placeholder("ids", ListOfIds))


class FlowRunNow(NamedTuple):
    """A flow run at one moment."""

    sequence: int
    is_finished: bool
    """Whether it and all its task runs are finished."""
    summary: str
    """A `FlowRunSummary` as JSON."""


class Selection(NamedTuple):
    """Which task runs of a flow run a client watches, and which of their members it gets."""

    task_slugs: tuple[str, ...] = ()
    """Only these tasks; all if it is empty."""
    fields: tuple[str, ...] = ()
    """Only these members; all if it is empty."""


EVERYTHING = Selection()


class Batch(NamedTuple):
    """The task runs that changed after one sequence, up to another."""

    sequence: int
    items: str
    """The task runs in their latest state, in ascending order of sequence: a JSON list without its brackets."""
    next_limit: int
    """How many task runs to read for the next batch, if they are as large as these."""


_read_sequences = Prepared(select(_flow_run.c.id, _flow_run.c.sequence).where(_is_listed))
_read_flow_runs = Prepared(
    select(
        *(_flow_run.c[name] for name in ("id", "sequence", "state", "state_counts")),
        json_object(FLOW_RUN_SUMMARY_MEMBERS),
    )
    .join_from(_flow_run, tables.flow)
    .where(_is_listed)
)
_is_change = (
    _task_run.c.flow_run_id == placeholder("flow_run_id"),
    _task_run.c.sequence > placeholder("after", BigInteger()),
    _task_run.c.sequence <= placeholder("until", BigInteger()),
)
_first_changes = select(literal_column("1")).where(*_is_change).limit(literal_column(str(MAX_BEHIND + 1))).subquery()
_count_changes = Prepared(select(func.count()).select_from(_first_changes))


def selection_of(task_slugs: Iterable[str], fields: Iterable[str]) -> Selection:
    """The selection of some tasks and members, equal for all clients who select the same.

    Members without which a client could not tell what has changed are always among them.
    """
    chosen = set(fields)
    if chosen:
        chosen |= {"id", "sequence"}
    members = (name for name in FLOW_RUN_TASK_RUNS.members if name in chosen)
    return Selection(tuple(sorted(set(task_slugs))), tuple(members))


def read_sequences(connection: Connection, flow_run_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """The sequences of flow runs; those that do not exist are missing."""
    return {row[0]: row[1] for row in _read_sequences.rows(connection, {"ids": list(flow_run_ids)})}


def read_flow_runs(connection: Connection, flow_run_ids: Collection[UUID]) -> Mapping[UUID, FlowRunNow]:
    """The present state of flow runs; those that do not exist are missing."""
    return {
        identifier: FlowRunNow(sequence, _are_finished(state, counts), summary)
        for identifier, sequence, state, counts, summary in _read_flow_runs.rows(
            connection, {"ids": list(flow_run_ids)}
        )
    }


def _are_finished(state: str, counts: Mapping[str, int]) -> bool:
    return state in FINISHED and all(state in FINISHED for state, count in counts.items() if count)


def read_batch(
    connection: Connection,
    flow_run_id: UUID,
    after: int,
    until: int,
    selection: Selection = EVERYTHING,
    *,
    limit: int = MAX_CHANGES,
) -> Batch | None:
    """The first task runs that changed after a sequence, up to another; None if there are more than MAX_BEHIND.

    Only the task runs and members of `selection`. Read `until` from the flow run first: what changes in between has a
    greater sequence, and belongs to the next batch.
    """
    values = {"flow_run_id": flow_run_id, "after": after, "until": until}
    if until - after > MAX_BEHIND and _count_changes.rows(connection, values)[0][0] > MAX_BEHIND:
        return None
    if selection.task_slugs:
        values["task_slugs"] = list(selection.task_slugs)
    read_changes = _read_changes(bool(selection.task_slugs), selection.fields)
    limit = min(limit, MAX_CHANGES)
    while True:
        numbers = {"limit": limit, "limit_plus_one": limit + 1, "last_index": limit - 1}
        ((items, count, last_sequence),) = read_changes.rows(connection, {**values, **numbers})
        if items is None or len(items) <= MAX_BATCH_BYTES or limit == 1:
            is_small = items is None or 4 * len(items) <= MAX_BATCH_BYTES
            next_limit = min(2 * limit, MAX_CHANGES) if is_small else limit
            return Batch(last_sequence if count > limit else until, items or "", next_limit)
        limit = max(1, min(limit, count) * MAX_BATCH_BYTES // (2 * len(items)))


@lru_cache(MAX_STATEMENTS)
def _read_changes(is_filtered: bool, fields: tuple[str, ...]) -> Prepared:
    """Reads one row: the first task runs as text, their number including one more, and the sequence of the last."""
    limit, limit_plus_one, last_index = (
        placeholder(name, Integer()) for name in ("limit", "limit_plus_one", "last_index")
    )
    members = FLOW_RUN_TASK_RUNS.members
    item = json_object({name: members[name] for name in fields or members}).label("item")
    rows = select(item, _task_run.c.sequence).where(*_is_change)
    if is_filtered:
        # The changes are few, and an index of slugs has all unchanged task runs as well.
        rows = rows.where(any_of(by_no_index(_task_run.c.task_slug), placeholder("task_slugs", ListOfTexts)))
    changes = rows.order_by(_task_run.c.sequence).limit(limit_plus_one).cte("changes")
    shown = select(changes.c.item).limit(limit).subquery("shown")
    return Prepared(
        select(
            select(joined(shown.c.item)).scalar_subquery(),
            select(func.count()).select_from(changes).scalar_subquery(),
            select(changes.c.sequence).limit(1).offset(last_index).scalar_subquery(),
        )
    )
