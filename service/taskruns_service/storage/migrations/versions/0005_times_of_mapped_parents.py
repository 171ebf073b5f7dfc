"""What mapped parents keep of their children, in whose times they are shown, found and measured."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from taskruns_service.storage.dialects import Id, Name, Timestamp, seconds_between

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_task_run = sa.table(
    "task_run",
    *(sa.column(name, Id) for name in ("id", "flow_run_id")),
    *(sa.column(name, sa.String()) for name in ("task_slug", "state")),
    sa.column("map_index", sa.Integer()),
    *(sa.column(name, Timestamp) for name in ("first_timestamp", "state_timestamp", "start_time", "end_time")),
    *(sa.column(name, sa.Double()) for name in ("duration", "queue_time")),
)
_map = sa.table(
    "task_run_map",
    sa.column("flow_run_id", Id),
    sa.column("task_slug", sa.String()),
    sa.column("open_children", sa.Integer()),
    sa.column("is_exact", sa.Boolean()),
    *(sa.column(name, Timestamp) for name in ("start_time", "last_end_time")),
)
_is_mapped_parent = sa.and_(_task_run.c.state == "Mapped", _task_run.c.map_index == -1)


def upgrade() -> None:
    op.create_table(
        "task_run_map",
        sa.Column("flow_run_id", Id, nullable=False),
        sa.Column("task_slug", Name, nullable=False),
        sa.Column("open_children", sa.Integer(), nullable=False),
        sa.Column("start_time", Timestamp),
        sa.Column("last_end_time", Timestamp),
        sa.Column("is_exact", sa.Boolean(), nullable=False),
        sa.Column("previous_start_time", Timestamp),
        sa.PrimaryKeyConstraint("flow_run_id", "task_slug", name="pk_task_run_map"),
    )
    child, key = _task_run.alias("child"), (_task_run.c.flow_run_id, _task_run.c.task_slug)
    children = sa.and_(child.c.map_index >= 0, *(child.c[column.name] == column for column in key))
    counted = {
        "open_children": sa.func.count(child.c.id) - sa.func.count(child.c.end_time),
        "start_time": sa.func.min(child.c.start_time),
        "last_end_time": sa.func.max(child.c.end_time),
        "is_exact": sa.true(),
    }
    of_parents = (
        sa.select(*key, *counted.values())
        .join_from(_task_run, child, children, isouter=True)
        .where(_is_mapped_parent)
        .group_by(*key)
    )
    op.execute(sa.insert(_map).from_select(["flow_run_id", "task_slug", *counted], of_parents))
    start_time, end_time = _map.c.start_time, sa.case((_map.c.open_children == 0, _map.c.last_end_time))
    op.execute(
        sa.update(_task_run)
        .where(_is_mapped_parent, *(_map.c[column.name] == column for column in key))
        .values(
            start_time=start_time,
            end_time=end_time,
            duration=_seconds(start_time, end_time),
            queue_time=_seconds(_task_run.c.first_timestamp, start_time),
        )
    )


def downgrade() -> None:
    """Gives mapped parents their own end again; their own start, which hardly any has, stays unknown."""
    own = {"start_time": None, "end_time": _task_run.c.state_timestamp, "duration": None, "queue_time": None}
    op.execute(sa.update(_task_run).where(_is_mapped_parent).values(own))
    op.drop_table("task_run_map")


def _seconds(start: sa.ColumnElement[object], end: sa.ColumnElement[object]) -> sa.ColumnElement[float]:
    seconds = seconds_between(start, end)
    return sa.case((seconds < 0, sa.literal(0.0, sa.Double())), else_=seconds)
