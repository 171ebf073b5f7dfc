"""The tally: exact counts of task runs by flow, task slug and state, kept as they change and never counted again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Subquery, bindparam, delete, func, literal, select, union_all

from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.storage import dialects, tables
from taskruns_service.storage.dialects import ListOfIds, Writes, any_of

_tally, _delta, _task_run = tables.task_run_tally, tables.task_run_tally_delta, tables.task_run
_read_sizes = select(*(tables.flow_run.c[name] for name in ("id", "state", "state_counts"))).where(
    any_of(tables.flow_run.c.id, bindparam("ids", type_=ListOfIds))
)

FOLD_BATCH_SIZE = 10_000


class Cell(NamedTuple):
    """What the tally counts by."""

    flow_id: UUID
    task_slug: str
    state: str


Deltas = Counter[Cell]


class Size(NamedTuple):
    """How many task runs a flow run has, and in which state it is."""

    state: StateType
    counts: Mapping[StateType, int]

    @property
    def all(self) -> int:
        """How many task runs there are."""
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        """How many task runs are not finished."""
        return sum(count for state, count in self.counts.items() if state not in FINISHED)


def read_sizes(connection: Connection, flow_run_ids: Sequence[UUID]) -> dict[UUID, Size]:
    """The sizes of those of the flow runs that there are."""
    rows = connection.execute(_read_sizes, {"ids": list(flow_run_ids)})
    return {row.id: Size(StateType(row.state), row.state_counts) for row in rows}


def record(writes: Writes, deltas: Mapping[Cell, int]) -> None:
    """Adds the changes of one transaction to the tally, in that transaction.

    Where transactions write side by side, they append them, since they would wait for each other's counter rows; `fold`
    puts them together later.
    """
    changed = sorted((cell, count) for cell, count in deltas.items() if count)
    if not changed:
        return
    rows = [{**cell._asdict(), "count": count} for cell, count in changed]
    if dialects.capabilities(writes.connection).defers_tally:
        writes.insert(_delta, [{"id": new_id(), **row} for row in rows])
    else:
        _add(writes.connection, rows)


def fold(connection: Connection) -> int:
    """Moves appended changes into the tally; how many there were. Counts are the same before, meanwhile and after."""
    oldest = select(_delta.c.id).order_by(_delta.c.id).limit(FOLD_BATCH_SIZE).with_for_update(skip_locked=True)
    gone = connection.execute(
        delete(_delta).where(_delta.c.id.in_(oldest)).returning(*(_delta.c[name] for name in (*Cell._fields, "count")))
    ).all()
    for rows in dialects.batches(dialects.aside(connection, _folded, gone)):
        _add(connection, rows)
    return len(gone)


def _folded(changes: Sequence[dialects.Row]) -> list[dict[str, object]]:
    folded: Deltas = Counter()
    for change in changes:
        folded[Cell(*change[:-1])] += change[-1]
    # In one order everywhere, or two processes that fold at the same time could wait for each other.
    return [{**cell._asdict(), "count": folded[cell]} for cell in sorted(folded)]


def _add(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
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
    """What is kept and is not what counting gives."""

    subject: str
    counted: object
    stored: object


def check(connection: Connection) -> list[Drift]:
    """Counts every task run again and gives every difference from the tally; the database compares in one statement."""
    key = [_task_run.c[name] for name in Cell._fields]
    counted = select(*key, func.count().label("counted"), literal(0, BigInteger).label("stored")).group_by(*key)
    stored = select(*(cells.c[name] for name in Cell._fields), literal(0, BigInteger), cells.c["count"])
    both = union_all(counted, stored).subquery("both")
    cell = [both.c[name] for name in Cell._fields]
    sums = func.sum(both.c.counted), func.sum(both.c.stored)
    rows = connection.execute(select(*cell, *sums).group_by(*cell).having(sums[0] != sums[1]).order_by(*cell))
    return [Drift(" ".join(map(str, cell)), int(counted), int(stored)) for *cell, counted, stored in rows]
