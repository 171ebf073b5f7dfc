"""Tallies: exact counts of runs by flow and state, kept as they change and never counted again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Table, bindparam, delete, func, literal, select, union_all

from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.storage import dialects, tables
from taskruns_service.storage.dialects import ListOfIds, Writes, any_of

_read_sizes = select(*(tables.flow_run.c[name] for name in ("id", "state", "state_counts"))).where(
    any_of(tables.flow_run.c.id, bindparam("ids", type_=ListOfIds))
)

FOLD_BATCH_SIZE = 10_000


class Cell(NamedTuple):
    """What the tally of task runs counts by."""

    flow_id: UUID
    task_slug: str
    state: str


class FlowRunCell(NamedTuple):
    """What the tally of flow runs counts by."""

    flow_id: UUID
    state: str


Deltas = Counter[Cell]
FlowRunDeltas = Counter[FlowRunCell]


class Drift(NamedTuple):
    """What is kept and is not what counting gives."""

    subject: str
    counted: object
    stored: object


class Tally:
    """The counts of one kind of runs: a table of cells, and one of changes that are not folded into it yet."""

    def __init__(self, runs: Table, counts: Table, deltas: Table) -> None:
        self._runs, self._counts, self._deltas = runs, counts, deltas
        self._key = tuple(column.name for column in counts.primary_key)
        names = (*self._key, "count")
        self.cells = union_all(*(select(*(table.c[name] for name in names)) for table in (counts, deltas))).subquery(
            "cell"
        )
        """The tally with the changes that are not folded yet: rows (key, count) to be summed up."""

    def record(self, writes: Writes, deltas: Mapping[Cell, int] | Mapping[FlowRunCell, int]) -> None:
        """Adds the changes of one transaction to the tally, in that transaction.

        Where transactions write side by side, they append them, since they would wait for each other's counter rows;
        `fold` puts them together later.
        """
        changed = sorted((cell, count) for cell, count in deltas.items() if count)
        if not changed:
            return
        rows = [{**cell._asdict(), "count": count} for cell, count in changed]
        if dialects.capabilities(writes.connection).defers_tally:
            writes.insert(self._deltas, [{"id": new_id(), **row} for row in rows])
        else:
            self._add(writes.connection, rows)

    def fold(self, connection: Connection) -> int:
        """Moves appended changes into the tally, without changing any count; how many there were."""
        change = self._deltas.c
        oldest = select(change.id).order_by(change.id).limit(FOLD_BATCH_SIZE).with_for_update(skip_locked=True)
        returned = [change[name] for name in (*self._key, "count")]
        gone = connection.execute(delete(self._deltas).where(change.id.in_(oldest)).returning(*returned)).all()
        for rows in dialects.batches(dialects.aside(connection, self._folded, gone)):
            self._add(connection, rows)
        return len(gone)

    def check(self, connection: Connection) -> list[Drift]:
        """Counts every run again and gives every difference; the database compares in one statement."""
        key = [self._runs.c[name] for name in self._key]
        counted = select(*key, func.count().label("counted"), literal(0, BigInteger).label("stored")).group_by(*key)
        stored = select(*(self.cells.c[name] for name in self._key), literal(0, BigInteger), self.cells.c["count"])
        both = union_all(counted, stored).subquery("both")
        cell = [both.c[name] for name in self._key]
        sums = func.sum(both.c.counted), func.sum(both.c.stored)
        rows = connection.execute(select(*cell, *sums).group_by(*cell).having(sums[0] != sums[1]).order_by(*cell))
        return [Drift(" ".join(map(str, cell)), int(counted), int(stored)) for *cell, counted, stored in rows]

    def _folded(self, changes: Sequence[dialects.Row]) -> list[dict[str, object]]:
        folded: Counter[tuple[object, ...]] = Counter()
        for *cell, count in changes:
            folded[tuple(cell)] += count
        # In one order everywhere, or two processes that fold at the same time could wait for each other.
        return [{**dict(zip(self._key, cell, strict=True)), "count": folded[cell]} for cell in sorted(folded)]

    def _add(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            insert = dialects.insert_for(connection, self._counts)
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=list(self._counts.primary_key),
                    set_={"count": self._counts.c.count + insert.excluded.count},
                ),
                list(rows),
            )


TASK_RUNS = Tally(tables.task_run, tables.task_run_tally, tables.task_run_tally_delta)
FLOW_RUNS = Tally(tables.flow_run, tables.flow_run_tally, tables.flow_run_tally_delta)


def fold(connection: Connection) -> int:
    """Moves appended changes into both tallies; how many there were in the one that had more."""
    return max(TASK_RUNS.fold(connection), FLOW_RUNS.fold(connection))


def check(connection: Connection) -> list[Drift]:
    """Counts every run again and gives every difference from the tallies."""
    return [*TASK_RUNS.check(connection), *FLOW_RUNS.check(connection)]


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
