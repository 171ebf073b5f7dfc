"""Whether a state follows whatever was before it, so that a history can be read again in any order."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TABLES = ("task_run_state", "flow_run_state")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("forced", sa.Boolean(), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "forced")
