"""An index of flow runs by name."""

from collections.abc import Sequence

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
additive = True


def upgrade() -> None:
    op.create_index("ix_flow_run_name", "flow_run", ["name", "created", "id"])


def downgrade() -> None:
    op.drop_index("ix_flow_run_name", "flow_run")
