"""The time that runs spent running, from their histories, and indexes of runs by duration, run time and queue time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from taskruns_service.domain.history import fold
from taskruns_service.domain.runs import PastState
from taskruns_service.domain.states import StateType
from taskruns_service.storage.dialects import Id, ListOfIds, Timestamp, Writes, any_of

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

RUNS = ("task_run", "flow_run")
SECONDS = ("duration", "run_time", "queue_time")
BATCH_SIZE = 1000
"""How many runs are in memory, with their histories."""

_metadata = sa.MetaData()
_task_run, _flow_run = (
    sa.Table(
        name,
        _metadata,
        *(sa.Column(column, Id) for column in ("id", "flow_run_id")),
        *(sa.Column(column, sa.String()) for column in ("task_slug", "state")),
        *(sa.Column(column, sa.Integer()) for column in ("map_index", "run_count")),
        sa.Column("run_time", sa.Double()),
    )
    for name in RUNS
)
_map = sa.table(
    "task_run_map",
    sa.column("flow_run_id", Id),
    sa.column("task_slug", sa.String()),
    sa.column("open_children", sa.Integer()),
    sa.column("start_time", Timestamp),
    sa.column("run_time", sa.BigInteger()),
)
_is_mapped_parent = sa.and_(_task_run.c.state == "Mapped", _task_run.c.map_index == -1)


def upgrade() -> None:
    connection = op.get_bind()
    for run in RUNS:
        op.add_column(run, sa.Column("run_time", sa.Double()))
    op.add_column("task_run_map", sa.Column("run_time", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    for table in (_task_run, _flow_run):
        for ids in _batches_of_runs(connection, table):
            run_times = _run_times(connection, table, ids)
            with Writes(connection) as writes:
                writes.update(table, [{"run_time": seconds, "id": run_id} for run_id, seconds in run_times])
    _add_up_maps()
    for run in RUNS:
        for name in SECONDS:
            has_value = sa.text(f"{name} IS NOT NULL")
            op.create_index(f"ix_{run}_{name}", run, [name, "id"], sqlite_where=has_value, postgresql_where=has_value)


def _batches_of_runs(connection: sa.Connection, table: sa.Table) -> Iterator[list[UUID]]:
    """The ids of the runs that were ever Running."""
    ran = sa.select(table.c.id).where(table.c.run_count > 0).order_by(table.c.id).limit(BATCH_SIZE)
    ids = list(connection.scalars(ran))
    while ids:
        yield ids
        ids = list(connection.scalars(ran.where(table.c.id > ids[-1])))


def _run_times(connection: sa.Connection, table: sa.Table, ids: list[UUID]) -> list[tuple[UUID, float | None]]:
    owner = sa.column(f"{table.name}_id", Id)
    columns = [sa.column("id", Id), sa.column("type", sa.String()), sa.column("timestamp", Timestamp)]
    # What was taken before states were marked as forced keeps its place.
    is_forced = sa.func.coalesce(sa.column("forced", sa.Boolean()), sa.column("accepted", sa.Boolean()))
    rows = connection.execute(
        sa.select(owner, *columns)
        .add_columns(is_forced)
        .select_from(sa.table(f"{table.name}_state"))
        .where(any_of(owner, sa.literal(ids, ListOfIds)))
    )
    histories = defaultdict[UUID, list[PastState]](list)
    for run_id, state_id, type_, timestamp, forced in rows:
        histories[run_id].append(PastState(timestamp, StateType[type_], state_id, forced))
    return [(run_id, fold(history).run_time) for run_id, history in sorted(histories.items())]


def _add_up_maps() -> None:
    """Gives maps the run times of their children, and mapped parents those of their maps."""
    child, key = _task_run.alias("child"), ("flow_run_id", "task_slug")
    microseconds = sa.cast(sa.func.round(child.c.run_time * 10**6), sa.BigInteger())
    children = sa.and_(child.c.map_index >= 0, *(child.c[name] == _map.c[name] for name in key))
    total = sa.select(sa.cast(sa.func.coalesce(sa.func.sum(microseconds), 0), sa.BigInteger())).where(children)
    op.execute(sa.update(_map).values(run_time=total.scalar_subquery()))
    has_run = sa.and_(_map.c.open_children == 0, _map.c.start_time.is_not(None))
    seconds = sa.cast(_map.c.run_time, sa.Double()) / sa.literal(10.0**6, sa.Double())
    op.execute(
        sa.update(_task_run)
        .where(_is_mapped_parent, *(_map.c[name] == _task_run.c[name] for name in key))
        .values(run_time=sa.case((has_run, seconds)))
    )


def downgrade() -> None:
    for run in RUNS:
        for name in SECONDS:
            op.drop_index(f"ix_{run}_{name}", run)
        op.drop_column(run, "run_time")
    op.drop_column("task_run_map", "run_time")
