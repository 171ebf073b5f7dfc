"""Maps: what the parent of a map keeps of its children, since it never runs itself and is shown with their times."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    true,
    update,
)

from taskruns_service.domain.runs import Run
from taskruns_service.domain.states import StateType
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    Column,
    ListOfIds,
    Merge,
    Prepared,
    RowSelect,
    any_of,
    placeholder,
    seconds_between,
    upsert,
)
from taskruns_service.storage.tally import Drift

MapKey = tuple[UUID, str]
"""What a map is known by: its flow run and its task slug."""

_task_run, _map = tables.task_run, tables.task_run_map
_parent, _child = _task_run.alias("parent"), _task_run.alias("child")

# An end that reaches the last one is the last; else that may be the one which a child has lost.
_IS_LAST = "(task_run_map.last_end_time IS NULL OR new.last_end_time >= task_run_map.last_end_time)"
_IS_FIRST = "(task_run_map.start_time IS NULL OR new.start_time < task_run_map.start_time)"
MERGE = Merge(
    _map,
    key=("flow_run_id", "task_slug"),
    values=(
        ("open_children", "task_run_map.open_children + new.open_children"),
        ("start_time", f"CASE WHEN {_IS_FIRST} THEN new.start_time ELSE task_run_map.start_time END"),
        ("last_end_time", f"CASE WHEN {_IS_LAST} THEN new.last_end_time ELSE task_run_map.last_end_time END"),
        ("run_time", "task_run_map.run_time + new.run_time"),
        ("is_exact", f"CASE WHEN {_IS_LAST} THEN true ELSE task_run_map.is_exact AND new.is_exact END"),
        ("previous_start_time", "task_run_map.start_time"),
    ),
    condition=(
        "(new.open_children <> 0 OR new.last_end_time IS NOT NULL OR NOT new.is_exact OR new.run_time <> 0 OR "
        f"{_IS_FIRST})"
    ),
)
"""Adds what has changed with some children to the maps that there are; a child that starts later changes none."""


class Times(NamedTuple):
    """When the children of a map started and ended, and the seconds that all of them ran, as their parent is shown."""

    start_time: datetime | None = None
    end_time: datetime | None = None
    run_time: float | None = None


NO_TIMES = Times()


def times_of_run(run: Run) -> Times:
    """What a parent is shown with of this run, its child."""
    return Times(run.start_time, run.end_time, run.run_time)


class Children(NamedTuple):
    """What a map keeps of its children.

    `run_time` is in microseconds. `last_end_time` is the latest end that a child ever had. It is not `exact` once a
    child that had it may have started again: then it may be too late, unless another end reaches it.
    """

    open: int
    start_time: datetime | None
    last_end_time: datetime | None
    run_time: int
    is_exact: bool

    @property
    def is_known(self) -> bool:
        """Whether the times are right as they are, and the children need not be counted again."""
        return self.is_exact or self.open > 0

    @property
    def times(self) -> Times:
        """The first start, and once all children have ended the latest end and the run time; right if known."""
        if self.open:
            return Times(self.start_time)
        return Times(self.start_time, self.last_end_time, None if self.start_time is None else self.run_time / 10**6)


class Change:
    """What has changed with some children of one map."""

    def __init__(self) -> None:
        self.opened = 0
        self.start_time: datetime | None = None
        self.last_end_time: datetime | None = None
        self.run_time = 0
        self.is_exact = True
        self.starts_later = False
        """Whether a child does not start any more when it did: only one whose history was not imported can do that."""

    def add(self, before: Run | None, after: Run) -> None:
        """Adds one child; a new one has no `before`."""
        started, ended = (None, None) if before is None else (before.start_time, before.end_time)
        start_time, end_time = after.start_time, after.end_time
        self.opened += (end_time is None) - (before is not None and ended is None)
        if start_time is not None and (self.start_time is None or start_time < self.start_time):
            self.start_time = start_time
        if end_time is not None and (self.last_end_time is None or end_time > self.last_end_time):
            self.last_end_time = end_time
        self.run_time += _microseconds(after) - (0 if before is None else _microseconds(before))
        self.is_exact &= ended is None or ended == end_time
        self.starts_later |= started is not None and (start_time is None or start_time > started)

    def row(self, key: MapKey) -> dict[str, object]:
        """The row that is merged."""
        flow_run_id, task_slug = key
        return {
            "flow_run_id": flow_run_id,
            "task_slug": task_slug,
            "open_children": self.opened,
            "start_time": self.start_time,
            "last_end_time": self.last_end_time,
            "run_time": self.run_time,
            "is_exact": self.is_exact,
        }


def _microseconds(run: Run) -> int:
    return round((run.run_time or 0.0) * 10**6)


def is_mapped_parent(state: StateType, map_index: int) -> bool:
    """Whether a task run in this state is the parent of a map."""
    return map_index == -1 and state is StateType.Mapped


def mapped_parents(task_run: FromClause) -> ColumnElement[bool]:
    """SQL for `is_mapped_parent`: the condition for rows of `task_run`, the table or an alias of it."""
    return and_(task_run.c.map_index == -1, task_run.c.state == StateType.Mapped)


def shown(run: Run, times: Times) -> Run:
    """The run of a mapped parent with the times with which it is shown."""
    return replace(run, **times._asdict())


def count_children(connection: Connection, parent_ids: Iterable[UUID]) -> dict[MapKey, Times]:
    """Counts the children of these mapped parents and keeps the counts; returns the times of the maps."""
    rows = _of_parents.rows(connection, {"ids": list(parent_ids)})
    return {(flow_run_id, task_slug): Children(*values).times for flow_run_id, task_slug, *values in rows}


def count_children_of_flow_runs(connection: Connection, flow_run_ids: Sequence[UUID]) -> None:
    """Does the same for all mapped parents of these flow runs, and gives the parents their times."""
    _of_flow_runs.rows(connection, {"ids": list(flow_run_ids)})
    start_time, end_time, run_time = _map.c.start_time, *_when_all_have_ended(_map)
    connection.execute(
        update(_task_run)
        .where(
            any_of(_task_run.c.flow_run_id, literal(list(flow_run_ids), ListOfIds)),
            *(_task_run.c[name] == _map.c[name] for name in MERGE.key),
            mapped_parents(_task_run),
        )
        .values(
            start_time=start_time,
            end_time=end_time,
            duration=_seconds(start_time, end_time),
            run_time=run_time,
            queue_time=_seconds(_task_run.c.first_timestamp, start_time),
        )
    )


def check(connection: Connection, flow_run_ids: Sequence[UUID]) -> list[Drift]:
    """Counts the children of all mapped parents of these flow runs again; returns what is kept of them otherwise."""
    of_parents = _counted(any_of(_parent.c.flow_run_id, literal(list(flow_run_ids), ListOfIds)))
    counted = of_parents.add_columns(_parent.c.id).group_by(_parent.c.id).subquery("counted")
    names = ("open", "start time", "end time", "run time")
    end_time, run_time = _when_all_have_ended(counted)
    statement = (
        select(
            counted.c.id,
            *(counted.c.open_children, counted.c.start_time, end_time, run_time),
            *(_map.c.open_children, _task_run.c.start_time, _task_run.c.end_time, _task_run.c.run_time),
        )
        .join_from(counted, _task_run, _task_run.c.id == counted.c.id)
        .join(_map, and_(*(_map.c[name] == counted.c[name] for name in MERGE.key)), isouter=True)
        .order_by(counted.c.id)
    )
    return [
        Drift(f"{name} of the children of task run {identifier}", actual, stored)
        for identifier, *values in connection.execute(statement)
        for name, actual, stored in zip(names, values[: len(names)], values[len(names) :], strict=True)
        if actual != stored
    ]


def _counted(which: ColumnElement[bool]) -> RowSelect:
    """The maps of some mapped parents, with what there is to know of the children of each."""
    children = and_(
        _child.c.flow_run_id == _parent.c.flow_run_id,
        _child.c.task_slug == _parent.c.task_slug,
        _child.c.map_index >= 0,
    )
    key = [_parent.c[name] for name in MERGE.key]
    microseconds = cast(func.round(_child.c.run_time * 10**6), BigInteger)
    return (
        select(
            *key,
            (func.count(_child.c.id) - func.count(_child.c.end_time)).label("open_children"),
            func.min(_child.c.start_time).label("start_time"),
            func.max(_child.c.end_time).label("last_end_time"),
            cast(func.coalesce(func.sum(microseconds), 0), BigInteger).label("run_time"),
            true().label("is_exact"),
        )
        .join_from(_parent, _child, children, isouter=True)
        .where(which, mapped_parents(_parent))
        .group_by(*key)
    )


def _count(which: ColumnElement[bool]) -> Prepared:
    """Counts the children of some mapped parents, and keeps the counts; the rows that are kept then."""
    counted = _counted(which)
    names = counted.selected_columns.keys()
    insert = upsert(_map).from_select(names, counted)
    values = {name: insert.excluded[name] for name in names if name not in MERGE.key}
    statement = insert.on_conflict_do_update(index_elements=MERGE.key, set_=values)
    return Prepared(statement.returning(*(_map.c[name] for name in names)))


def _when_all_have_ended(children: FromClause) -> tuple[Column, Column]:
    """The latest end and the run time in seconds of maps without open children; null for others."""
    ended = children.c.open_children == 0
    has_run = and_(ended, children.c.start_time.is_not(None))
    run_time = cast(children.c.run_time, Double) / literal(10.0**6, Double())
    return case((ended, children.c.last_end_time)), case((has_run, run_time))


def _seconds(start: Column, end: Column) -> ColumnElement[float]:
    """The seconds between two moments, 0 where clocks differ and the end comes first; null without both."""
    seconds = seconds_between(start, end)
    return case((seconds < 0, literal(0.0, Double())), else_=seconds)


_of_parents = _count(any_of(_parent.c.id, placeholder("ids", ListOfIds)))
_of_flow_runs = _count(any_of(_parent.c.flow_run_id, placeholder("ids", ListOfIds)))
