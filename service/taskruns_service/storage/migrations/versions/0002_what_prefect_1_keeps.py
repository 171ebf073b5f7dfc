"""What a registered flow, its engine and its agents keep: tenants, projects, edges, logs, artifacts, agents."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from taskruns_service.storage.dialects import Id, Json, JsonSet, Name, Timestamp

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DEFAULT_TENANT = UUID("01900000-0000-7000-8000-000000000001")
DEFAULT_PROJECT = UUID("01900000-0000-7000-8000-000000000002")

TABLES = ("agent", "task_run_artifact", "log", "edge", "flow_group", "project", "tenant")
COLUMNS: dict[str, dict[str, Any]] = {
    "flow": {
        "version_group_id": Name,
        "flow_group_id": Id,
        "description": sa.Text(),
        "core_version": Name,
        "environment": Json,
        "storage": Json,
        "run_config": Json,
        "parameters": Json,
        "serialized_flow": Json,
        "is_schedule_active": sa.Boolean(),
    },
    "task": {
        "type": sa.Text(),
        "description": sa.Text(),
        "tags": JsonSet,
        "max_retries": sa.Integer(),
        "retry_delay": sa.Double(),
        "cache_key": sa.Text(),
        "trigger": sa.Text(),
        "mapped": sa.Boolean(),
        "auto_generated": sa.Boolean(),
        "is_reference_task": sa.Boolean(),
        "is_root_task": sa.Boolean(),
        "is_terminal_task": sa.Boolean(),
    },
    "flow_run": {
        "state_start_time": Timestamp,
        "heartbeat": Timestamp,
        "scheduled_start_time": Timestamp,
        "auto_scheduled": sa.Boolean(),
        "run_config": Json,
        "agent_id": Id,
    },
    "flow_run_state": {"start_time": Timestamp},
    "task_run": {"state_start_time": Timestamp, "heartbeat": Timestamp, "cache_key": sa.Text()},
    "task_run_state": {"start_time": Timestamp},
}
_TYPES: dict[str, Any] = {"id": Id, "tenant_id": Id, "created": Timestamp, "updated": Timestamp}
CACHED = sa.text("state = 'Cached'")


def _made() -> list[sa.Column[Any]]:
    return [sa.Column("created", Timestamp, nullable=False), sa.Column("updated", Timestamp, nullable=False)]


def _create_tables() -> None:
    op.create_table(
        "tenant",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("slug", Name, nullable=False),
        *_made(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug", name="uq_tenant_slug"),
    )
    op.create_table(
        "project",
        sa.Column("id", Id, nullable=False),
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("description", sa.Text()),
        *_made(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="uq_project_name"),
    )
    op.create_table(
        "flow_group",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("labels", JsonSet),
        sa.Column("settings", Json, nullable=False),
        sa.Column("run_config", Json),
        sa.Column("default_parameters", Json),
        *_made(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "edge",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_id", Id, nullable=False),
        sa.Column("upstream_task_id", Id, nullable=False),
        sa.Column("downstream_task_id", Id, nullable=False),
        sa.Column("key", Name, nullable=False),
        sa.Column("mapped", sa.Boolean(), nullable=False),
        sa.Column("created", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("flow_id", "upstream_task_id", "downstream_task_id", "key", name="uq_edge_flow_tasks_key"),
    )
    op.create_table(
        "log",
        sa.Column("id", Id, nullable=False),
        sa.Column("flow_run_id", Id, nullable=False),
        sa.Column("task_run_id", Id),
        sa.Column("timestamp", Timestamp, nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("info", Json),
        sa.Column("created", Timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_log_flow_run", "log", ["flow_run_id", "timestamp", "id"])
    op.create_table(
        "task_run_artifact",
        sa.Column("id", Id, nullable=False),
        sa.Column("task_run_id", Id, nullable=False),
        sa.Column("kind", Name, nullable=False),
        sa.Column("data", Json),
        *_made(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_task_run_artifact_task_run", "task_run_artifact", ["task_run_id", "id"])
    op.create_table(
        "agent",
        sa.Column("id", Id, nullable=False),
        sa.Column("tenant_id", Id),
        sa.Column("name", Name),
        sa.Column("type", Name),
        sa.Column("core_version", Name),
        sa.Column("labels", JsonSet, nullable=False),
        sa.Column("last_queried", Timestamp),
        *_made(),
        sa.PrimaryKeyConstraint("id"),
    )


def _fill() -> None:
    """Gives what is there already what it would have been made with: a project, a flow group, a version group."""
    now = datetime.now(UTC)
    common = {"name": "default", "created": now, "updated": now}
    for name, own in (
        ("tenant", {"id": DEFAULT_TENANT, "slug": "default"}),
        ("project", {"id": DEFAULT_PROJECT, "tenant_id": DEFAULT_TENANT}),
    ):
        row = {**common, **own}
        table = sa.table(name, *(sa.column(key, _TYPES.get(key)) for key in row))
        op.bulk_insert(table, [row])
    op.execute("UPDATE flow SET version_group_id = CAST(id AS VARCHAR(36)), flow_group_id = id")
    op.execute(
        "INSERT INTO flow_group (id, name, settings, created, updated) "
        "SELECT id, name, '{}', created, created FROM flow"
    )


def upgrade() -> None:
    _create_tables()
    for table, columns in COLUMNS.items():
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind, nullable=True))
    op.create_index("ix_flow_version_group", "flow", ["version_group_id", "version"])
    op.create_index("ix_flow_flow_group", "flow", ["flow_group_id"])
    for name, column in (("ix_task_run_cached_task", "task_id"), ("ix_task_run_cached_key", "cache_key")):
        op.create_index(name, "task_run", [column, "state_timestamp"], sqlite_where=CACHED, postgresql_where=CACHED)
    _fill()


def downgrade() -> None:
    for name in ("ix_task_run_cached_task", "ix_task_run_cached_key"):
        op.drop_index(name, "task_run")
    op.drop_index("ix_flow_version_group", "flow")
    op.drop_index("ix_flow_flow_group", "flow")
    for table, columns in COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
    for table in TABLES:
        op.drop_table(table)
