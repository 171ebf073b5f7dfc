"""The tally: exact counts of task runs by flow, task slug and state, kept as they change and never counted again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Subquery, delete, func, literal, select, union_all

from taskruns_service import dialects, tables
from taskruns_service.dialects import Writes
from taskruns_service.ids import new_id

_tally, _delta, _task_run, _flow_run = (
    tables.task_run_tally,
    tables.task_run_tally_delta,
    tables.task_run,
    tables.flow_run,
)

FOLD_ROWS = 10_000


class Cell(NamedTuple):
    """What the tally counts by."""

    flow_id: UUID
    task_slug: str
    state: str


Deltas = Counter[Cell]


def record(writes: Writes, deltas: Mapping[Cell, int]) -> None:
    """Adds the changes of one transaction to the tally, in that transaction.

    Where transactions write side by side, they append them, since they would wait for each other's counter rows; `fold`
    puts them together later.
    """
    changed = sorted((cell, count) for cell, count in deltas.items() if count)
    if not changed:
        return
    rows = [{**cell._asdict(), "count": count} for cell, count in changed]
    if dialects.traits(writes.connection).appends_deltas:
        writes.insert(_delta, [{"id": new_id(), **row} for row in rows])
    else:
        _add(writes.connection, rows)


def fold(connection: Connection) -> int:
    """Moves appended changes into the tally; how many there were. Counts are the same before, meanwhile and after."""
    some = select(_delta.c.id).order_by(_delta.c.id).limit(FOLD_ROWS).with_for_update(skip_locked=True)
    gone = connection.execute(
        delete(_delta).where(_delta.c.id.in_(some)).returning(*(_delta.c[name] for name in (*Cell._fields, "count")))
    ).all()
    for rows in dialects.batches(dialects.aside(connection, _folded, gone)):
        _add(connection, rows)
    return len(gone)


def _folded(changes: Sequence[Any]) -> list[dict[str, Any]]:
    folded: Deltas = Counter()
    for change in changes:
        folded[Cell(*change[:-1])] += change[-1]
    # In one order everywhere, or two processes that fold at the same time could wait for each other.
    return [{**cell._asdict(), "count": folded[cell]} for cell in sorted(folded)]


def _add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        insert = dialects.insert_for(connection, _tally)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=list(_tally.primary_key), set_={"count": _tally.c.count + insert.excluded.count}
            ),
            list(rows),
        )


def _cells() -> Subquery:
    names = (*Cell._fields, "count")
    return union_all(*(select(*(table.c[name] for name in names)) for table in (_tally, _delta))).subquery("cell")


cells = _cells()
"""The tally with the changes that are not folded yet: rows (flow_id, task_slug, state, count) to be summed up."""


class Drift(NamedTuple):
    """A count that is not what counting gives."""

    what: str
    counted: int
    kept: int


def check(connection: Connection) -> list[Drift]:
    """Counts every task run again and gives every difference from the tally and from the flow runs' own counts."""
    counted = _counts(connection, _task_run.c.flow_id, _task_run.c.task_slug, _task_run.c.state)
    key = [cells.c[name] for name in Cell._fields]
    kept_rows = connection.execute(select(*key, func.sum(cells.c.count)).group_by(*key))
    kept = {tuple(row[:-1]): int(row[-1]) for row in kept_rows}
    drifts = _differences("tally", counted, kept)

    of_runs = _counts(connection, _task_run.c.flow_run_id, _task_run.c.state)
    kept_by_runs = {
        (flow_run_id, state): count
        for flow_run_id, counts in connection.execute(select(_flow_run.c.id, _flow_run.c.state_counts))
        for state, count in counts.items()
    }
    return drifts + _differences("flow run", of_runs, kept_by_runs)


def _counts(connection: Connection, *columns: ColumnElement[Any]) -> dict[tuple[Any, ...], int]:
    rows: list[Row[Any]] = list(connection.execute(select(*columns, func.count(literal(1))).group_by(*columns)))
    return {tuple(row[:-1]): row[-1] for row in rows}


def _differences(what: str, counted: dict[tuple[Any, ...], int], kept: dict[tuple[Any, ...], int]) -> list[Drift]:
    return [
        Drift(f"{what} {' '.join(map(str, key))}", counted.get(key, 0), kept.get(key, 0))
        for key in sorted(counted.keys() | kept.keys(), key=str)
        if counted.get(key, 0) != kept.get(key, 0)
    ]
