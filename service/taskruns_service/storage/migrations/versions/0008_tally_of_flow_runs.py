"""Counts of flow runs by flow and state, kept as they change.

Services of earlier versions would not keep them, so this does more than add.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from taskruns_service.storage.dialects import Id

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_flow_run = sa.table("flow_run", sa.column("flow_id", Id), sa.column("state", sa.String()))


def upgrade() -> None:
    tally = op.create_table(
        "flow_run_tally",
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("flow_id", "state", name="pk_flow_run_tally"),
    )
    op.create_table(
        "flow_run_tally_delta",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    key = (_flow_run.c.flow_id, _flow_run.c.state)
    counted = sa.select(*key, sa.func.count()).group_by(*key)
    op.execute(sa.insert(tally).from_select(["flow_id", "state", "count"], counted))


def downgrade() -> None:
    op.drop_table("flow_run_tally_delta")
    op.drop_table("flow_run_tally")
