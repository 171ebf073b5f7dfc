"""Heartbeats of flow runs, and an index of those that are waited for.

Services of earlier versions would not know the type Crashed, so this does more than add.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from taskruns_service.storage.dialects import Timestamp

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WAITED_FOR = sa.text("liveness IN ('alive', 'crashing', 'recovering')")


def upgrade() -> None:
    op.add_column("flow_run", sa.Column("last_heartbeat", Timestamp))
    op.add_column("flow_run", sa.Column("liveness", sa.String(16)))
    op.create_index("ix_flow_run_liveness", "flow_run", ["id"], sqlite_where=_WAITED_FOR, postgresql_where=_WAITED_FOR)


def downgrade() -> None:
    """States of the type Crashed stay, which the version before does not know."""
    op.drop_index("ix_flow_run_liveness", "flow_run")
    op.drop_column("flow_run", "liveness")
    op.drop_column("flow_run", "last_heartbeat")
