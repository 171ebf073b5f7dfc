"""Maps: what the parent of a map keeps of its children, since it never runs itself and is shown with their times."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Double, Select, and_, case, func, literal, select, update

from taskruns_service import tables
from taskruns_service.counts import Drift
from taskruns_service.dialects import ListOfIds, any_of, seconds_between
from taskruns_service.states import Run, StateType

_task_run = tables.task_run
_parent, _child = _task_run.alias("parent"), _task_run.alias("child")


class Children(NamedTuple):
    """What a mapped parent keeps of its children; without any child it has no times.

    `last_end` is the latest end that a child ever had. It is not `exact` once the child that had it may have started
    again: then it is too late, unless another end reaches it.
    """

    open: int = 0
    start_time: datetime | None = None
    last_end: datetime | None = None
    exact: bool = True

    @property
    def end_time(self) -> datetime | None:
        """The latest end, once all children have ended."""
        return None if self.open else self.last_end

    @property
    def is_known(self) -> bool:
        """Whether the times are right as they are, and the children need not be looked at."""
        return self.exact or self.open > 0

    def changed(self, before: Run | None, after: Run) -> "Children":
        """The same after one child has changed; a new child has no `before`."""
        opened = (after.end_time is None) - (before is not None and before.end_time is None)
        start_time, last_end, exact = self.start_time, self.last_end, self.exact
        if after.start_time is not None and (start_time is None or after.start_time < start_time):
            start_time = after.start_time
        if after.end_time is not None and (last_end is None or after.end_time >= last_end):
            last_end, exact = after.end_time, True
        elif before is not None and before.end_time is not None and before.end_time == last_end:
            exact = False
        return Children(self.open + opened, start_time, last_end, exact)


def is_mapped_parent(state: StateType, map_index: int) -> bool:
    """Whether a task run in this state is the parent of a map."""
    return state is StateType.Mapped and map_index == -1


def shown(run: Run, children: Children | None) -> Run:
    """A run with the times with which it is shown."""
    if children is None:
        return run
    return replace(run, start_time=children.start_time, end_time=children.end_time)


def count_children(connection: Connection, task_run_ids: Sequence[UUID]) -> None:
    """Counts the children of those of these task runs that are mapped parents, and gives the parents their times."""
    _count(connection, any_of(_parent.c.id, literal(list(task_run_ids), ListOfIds)))


def count_children_of_flow_runs(connection: Connection, flow_run_ids: Sequence[UUID]) -> None:
    """The same for all mapped parents of these flow runs."""
    _count(connection, any_of(_parent.c.flow_run_id, literal(list(flow_run_ids), ListOfIds)))


def check(connection: Connection, flow_run_ids: Sequence[UUID]) -> list[Drift]:
    """Counts the children of all mapped parents of these flow runs again; returns what parents keep otherwise."""
    counted = _counted(any_of(_parent.c.flow_run_id, literal(list(flow_run_ids), ListOfIds))).subquery("counted")
    names = ("open", "start_time", "end_time")
    statement = (
        select(
            counted.c.id,
            *(counted.c.open, counted.c.start_time, case((counted.c.open == 0, counted.c.last_end))),
            *(_task_run.c.children_open, _task_run.c.start_time, _task_run.c.end_time),
        )
        .join_from(counted, _task_run, _task_run.c.id == counted.c.id)
        .order_by(counted.c.id)
    )
    return [
        Drift(f"{name.replace('_', ' ')} of the children of task run {identifier}", made, kept)
        for identifier, *values in connection.execute(statement)
        for name, made, kept in zip(names, values[:3], values[3:], strict=True)
        if made != kept
    ]


def _counted(which: ColumnElement[bool]) -> Select[Any]:
    """Some mapped parents, with what there is to know of the children of each."""
    children = and_(
        _child.c.flow_run_id == _parent.c.flow_run_id,
        _child.c.task_slug == _parent.c.task_slug,
        _child.c.map_index >= 0,
    )
    return (
        select(
            _parent.c.id,
            (func.count(_child.c.id) - func.count(_child.c.end_time)).label("open"),
            func.min(_child.c.start_time).label("start_time"),
            func.max(_child.c.end_time).label("last_end"),
        )
        .join_from(_parent, _child, children, isouter=True)
        .where(which, _parent.c.state == StateType.Mapped, _parent.c.map_index == -1)
        .group_by(_parent.c.id)
    )


def _count(connection: Connection, which: ColumnElement[bool]) -> None:
    counted = _counted(which).subquery("counted")
    start_time, end_time = counted.c.start_time, case((counted.c.open == 0, counted.c.last_end))
    connection.execute(
        update(_task_run)
        .where(_task_run.c.id == counted.c.id)
        .values(
            children_open=counted.c.open,
            children_end=counted.c.last_end,
            children_end_is_exact=True,
            start_time=start_time,
            end_time=end_time,
            duration=_seconds(start_time, end_time),
            queue_time=_seconds(_task_run.c.first_timestamp, start_time),
        )
    )


def _seconds(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[float]:
    """The seconds between two moments, 0 where clocks differ and the end comes first; null without both."""
    seconds = seconds_between(start, end)
    return case((seconds < 0, literal(0.0, Double())), else_=seconds)
