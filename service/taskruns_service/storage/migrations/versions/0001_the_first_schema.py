"""The first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from taskruns_service.storage.dialects import Id, Json, JsonSet, Name, Timestamp

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created", Timestamp, nullable=False),
        sa.Column("revoked", Timestamp, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "flow",
        sa.Column("id", Id, nullable=False),
        sa.Column("project", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("created", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project", "name", "version", name="uq_flow_project_name_version"),
    )
    op.create_index("ix_flow_name", "flow", ["name"], unique=False)
    op.create_table(
        "flow_run_state",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_run_id", Id, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("timestamp", Timestamp, nullable=False),
        sa.Column("received_at", Timestamp, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("details", Json, nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_flow_run_state_flow_run", "flow_run_state", ["flow_run_id", "timestamp", "sequence"], unique=False
    )
    op.create_table(
        "task_run_state",
        sa.Column("id", Id, nullable=False),
        sa.Column("task_run_id", Id, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("timestamp", Timestamp, nullable=False),
        sa.Column("received_at", Timestamp, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("details", Json, nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_task_run_state_task_run", "task_run_state", ["task_run_id", "timestamp", "sequence"], unique=False
    )
    op.create_table(
        "task_run_tally",
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("task_slug", Name, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("flow_id", "task_slug", "state", name="pk_task_run_tally"),
    )
    op.create_index("ix_task_run_tally_state", "task_run_tally", ["state", "count"], unique=False)
    op.create_table(
        "task_run_tally_delta",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("task_slug", Name, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "flow_run",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("parameters", Json, nullable=False),
        sa.Column("labels", JsonSet, nullable=False),
        sa.Column("context", Json, nullable=False),
        sa.Column("idempotency_key", Name, nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("state_id", Id, nullable=True),
        sa.Column("state_message", sa.Text(), nullable=True),
        sa.Column("state_timestamp", Timestamp, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("first_timestamp", Timestamp, nullable=True),
        sa.Column("start_time", Timestamp, nullable=True),
        sa.Column("end_time", Timestamp, nullable=True),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("queue_time", sa.Double(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created", Timestamp, nullable=False),
        sa.Column("updated", Timestamp, nullable=False),
        sa.Column("state_counts", Json, nullable=False),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_flow_run_flow"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("flow_id", "idempotency_key", name="uq_flow_run_flow_idempotency_key"),
    )
    op.create_index("ix_flow_run_created", "flow_run", ["created", "id"], unique=False)
    op.create_index("ix_flow_run_end_time", "flow_run", ["end_time", "id"], unique=False)
    op.create_index("ix_flow_run_flow_created", "flow_run", ["flow_id", "created", "id"], unique=False)
    op.create_index("ix_flow_run_start_time", "flow_run", ["start_time", "id"], unique=False)
    op.create_index("ix_flow_run_state_created", "flow_run", ["state", "created", "id"], unique=False)
    op.create_table(
        "task",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("slug", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("created", Timestamp, nullable=False),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_task_flow"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("flow_id", "slug", name="uq_task_flow_slug"),
    )
    op.create_table(
        "task_run",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_run_id", Id, nullable=False),
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("task_slug", Name, nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("name", Name, nullable=True),
        sa.Column("tags", JsonSet, nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("state_id", Id, nullable=True),
        sa.Column("state_message", sa.Text(), nullable=True),
        sa.Column("state_timestamp", Timestamp, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("first_timestamp", Timestamp, nullable=True),
        sa.Column("start_time", Timestamp, nullable=True),
        sa.Column("end_time", Timestamp, nullable=True),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("queue_time", sa.Double(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created", Timestamp, nullable=False),
        sa.Column("updated", Timestamp, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("has_result", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["flow_run_id"], ["flow_run.id"], name="fk_task_run_flow_run"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("flow_run_id", "task_slug", "map_index", name="uq_task_run_natural_key"),
    )
    op.create_index("ix_task_run_end_time", "task_run", ["end_time", "id"], unique=False)
    op.create_index("ix_task_run_flow", "task_run", ["flow_id", "id"], unique=False)
    op.create_index("ix_task_run_flow_run", "task_run", ["flow_run_id", "id"], unique=False)
    op.create_index("ix_task_run_sequence", "task_run", ["flow_run_id", "sequence"], unique=False)
    op.create_index("ix_task_run_start_time", "task_run", ["start_time", "id"], unique=False)
    op.create_index("ix_task_run_state", "task_run", ["state", "id"], unique=False)
    op.create_index("ix_task_run_task_slug", "task_run", ["task_slug", "id"], unique=False)


def downgrade() -> None:
    for table in (
        "task_run",
        "task",
        "flow_run",
        "task_run_tally_delta",
        "task_run_tally",
        "task_run_state",
        "flow_run_state",
        "flow",
        "api_key",
    ):
        op.drop_table(table)
