"""An index of the log lines of each task run."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
additive = True

_OF_TASK_RUNS = sa.text("task_run_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_log_task_run",
        "log",
        ["task_run_id", "timestamp", "id"],
        sqlite_where=_OF_TASK_RUNS,
        postgresql_where=_OF_TASK_RUNS,
    )


def downgrade() -> None:
    op.drop_index("ix_log_task_run", "log")
