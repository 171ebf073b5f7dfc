"""What mapped parents keep of their children, in whose times they are shown, found and measured."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from taskruns_service.dialects import Id, Timestamp, seconds_between

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COLUMNS: dict[str, Any] = {
    "children_open": sa.Integer(),
    "children_end": Timestamp,
    "children_end_is_exact": sa.Boolean(),
}

_task_run = sa.table(
    "task_run",
    *(sa.column(name, Id) for name in ("id", "flow_run_id")),
    *(sa.column(name, sa.String()) for name in ("task_slug", "state")),
    sa.column("map_index", sa.Integer()),
    *(sa.column(name, Timestamp) for name in ("first_timestamp", "state_timestamp", "start_time", "end_time")),
    *(sa.column(name, sa.Double()) for name in ("duration", "queue_time")),
    *(sa.column(name, type_) for name, type_ in COLUMNS.items()),
)


def upgrade() -> None:
    for name, type_ in COLUMNS.items():
        op.add_column("task_run", sa.Column(name, type_, nullable=True))
    parent, child = _task_run.alias("parent"), _task_run.alias("child")
    children = sa.and_(
        child.c.flow_run_id == parent.c.flow_run_id, child.c.task_slug == parent.c.task_slug, child.c.map_index >= 0
    )
    counted = (
        sa.select(
            parent.c.id,
            (sa.func.count(child.c.id) - sa.func.count(child.c.end_time)).label("open"),
            sa.func.min(child.c.start_time).label("start_time"),
            sa.func.max(child.c.end_time).label("last_end"),
        )
        .join_from(parent, child, children, isouter=True)
        .where(parent.c.state == "Mapped", parent.c.map_index == -1)
        .group_by(parent.c.id)
        .subquery("counted")
    )
    start_time, end_time = counted.c.start_time, sa.case((counted.c.open == 0, counted.c.last_end))
    op.execute(
        sa.update(_task_run)
        .where(_task_run.c.id == counted.c.id)
        .values(
            children_open=counted.c.open,
            children_end=counted.c.last_end,
            children_end_is_exact=sa.true(),
            start_time=start_time,
            end_time=end_time,
            duration=_seconds(start_time, end_time),
            queue_time=_seconds(_task_run.c.first_timestamp, start_time),
        )
    )


def downgrade() -> None:
    """Gives mapped parents their own end again; their own start, which hardly any has, stays unknown."""
    own = {"start_time": None, "end_time": _task_run.c.state_timestamp, "duration": None, "queue_time": None}
    op.execute(sa.update(_task_run).where(_task_run.c.children_open.is_not(None)).values(own))
    for name in COLUMNS:
        op.drop_column("task_run", name)


def _seconds(start: sa.ColumnElement[object], end: sa.ColumnElement[object]) -> sa.ColumnElement[float]:
    seconds = seconds_between(start, end)
    return sa.case((seconds < 0, sa.literal(0.0, sa.Double())), else_=seconds)
