"""Indexes of the task runs that have names of their own, and on PostgreSQL of those that failed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from taskruns_service.storage.dialects import capabilities

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
additive = True

_NAMED = sa.text("name IS NOT NULL")
_FAILED = sa.text("state IN ('Crashed', 'Failed', 'TimedOut', 'TriggerFailed', 'ValidationFailed')")
_OF_FAILURES = {
    "ix_task_run_failed_flow_run": "flow_run_id",
    "ix_task_run_failed_start_time": "start_time",
    "ix_task_run_failed_end_time": "end_time",
}


def upgrade() -> None:
    op.create_index("ix_task_run_name", "task_run", ["name", "id"], sqlite_where=_NAMED, postgresql_where=_NAMED)
    if capabilities(op.get_bind()).has_value_statistics:
        for name, column in _OF_FAILURES.items():
            op.create_index(name, "task_run", [column, "id"], postgresql_where=_FAILED)


def downgrade() -> None:
    if capabilities(op.get_bind()).has_value_statistics:
        for name in _OF_FAILURES:
            op.drop_index(name, "task_run")
    op.drop_index("ix_task_run_name", "task_run")
