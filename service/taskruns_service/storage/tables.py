"""The tables, their constraints and indexes: each index stands beside the question that needs it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from taskruns_service.storage.columns import (
    creation_columns,
    indexes_of_failures,
    indexes_of_seconds,
    run_columns,
    state_columns,
)
from taskruns_service.storage.dialects import Id, Json, JsonSet, Name, Timestamp, partial_index

metadata = MetaData()

tenant = Table(
    "tenant",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("slug", Name, nullable=False),
    *creation_columns(),
    UniqueConstraint("slug", name="uq_tenant_slug"),
)

project = Table(
    "project",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    # Flows name their project, so the name is unique, whatever the tenant.
    Column("name", Name, nullable=False),
    Column("description", Text),
    *creation_columns(),
    UniqueConstraint("name", name="uq_project_name"),
)

flow_group = Table(
    "flow_group",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("labels", JsonSet),
    Column("settings", Json, nullable=False),
    Column("run_config", Json),
    Column("default_parameters", Json),
    *creation_columns(),
)

flow = Table(
    "flow",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("created", Timestamp, nullable=False),
    # What registering a flow gives; null where a flow was made by the name of one of its runs.
    Column("version_group_id", Name),
    Column("flow_group_id", Id),
    Column("description", Text),
    Column("core_version", Name),
    Column("environment", Json),
    Column("storage", Json),
    Column("run_config", Json),
    Column("parameters", Json),
    Column("serialized_flow", Json),
    Column("is_schedule_active", Boolean),
    UniqueConstraint("project", "name", "version", name="uq_flow_project_name_version"),
    # Task runs and flow runs of the flow with this name, in any project.
    Index("ix_flow_name", "name"),
    # The versions of one flow.
    Index("ix_flow_version_group", "version_group_id", "version"),
    Index("ix_flow_flow_group", "flow_group_id"),
)

task = Table(
    "task",
    metadata,
    Column("id", Id, primary_key=True),
    Column("flow_id", ForeignKey("flow.id", name="fk_task_flow"), nullable=False),
    Column("slug", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("created", Timestamp, nullable=False),
    # What registering a task gives.
    Column("type", Text),
    Column("description", Text),
    Column("tags", JsonSet),
    Column("max_retries", Integer),
    Column("retry_delay", Double),
    Column("cache_key", Text),
    Column("trigger", Text),
    Column("mapped", Boolean),
    Column("auto_generated", Boolean),
    Column("is_reference_task", Boolean),
    Column("is_root_task", Boolean),
    Column("is_terminal_task", Boolean),
    UniqueConstraint("flow_id", "slug", name="uq_task_flow_slug"),
)

edge = Table(
    "edge",
    metadata,
    Column("id", Id, primary_key=True),
    Column("flow_id", Id, nullable=False),
    Column("upstream_task_id", Id, nullable=False),
    Column("downstream_task_id", Id, nullable=False),
    Column("key", Name, nullable=False),
    Column("mapped", Boolean, nullable=False),
    Column("created", Timestamp, nullable=False),
    # The edges of one flow; a task's edges are looked for among those of its flow.
    UniqueConstraint("flow_id", "upstream_task_id", "downstream_task_id", "key", name="uq_edge_flow_tasks_key"),
)

flow_run = Table(
    "flow_run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("flow_id", ForeignKey("flow.id", name="fk_flow_run_flow"), nullable=False),
    Column("name", Name, nullable=False),
    Column("parameters", Json, nullable=False),
    Column("labels", JsonSet, nullable=False),
    Column("context", Json, nullable=False),
    Column("idempotency_key", Name),
    # The task run that started it; it may be gone, or not have been reported yet.
    Column("parent_task_run_id", Id),
    *run_columns(),
    Column("state_counts", Json, nullable=False),
    Column("scheduled_start_time", Timestamp),
    Column("auto_scheduled", Boolean),
    Column("run_config", Json),
    Column("agent_id", Id),
    # The last heartbeat of a recorder, by the database's clock; `heartbeat` is that of an engine of Prefect 1.
    Column("last_heartbeat", Timestamp),
    Column("liveness", String(16)),
    UniqueConstraint("flow_id", "idempotency_key", name="uq_flow_run_flow_idempotency_key"),
    # Flow runs, newest first; of one flow; in one state; by when they ran; by how long they took.
    Index("ix_flow_run_created", "created", "id"),
    Index("ix_flow_run_flow_created", "flow_id", "created", "id"),
    Index("ix_flow_run_state_created", "state", "created", "id"),
    Index("ix_flow_run_start_time", "start_time", "id"),
    Index("ix_flow_run_end_time", "end_time", "id"),
    # Flow runs by name, the newest of a name.
    Index("ix_flow_run_name", "name", "created", "id"),
    # Flow runs whose heartbeats are waited for, or that the service has to finish with. A heartbeat changes no column
    # of an index, so that PostgreSQL writes nothing but the row.
    partial_index("ix_flow_run_liveness", "id", where="liveness IN ('alive', 'crashing', 'recovering')"),
    *indexes_of_seconds("flow_run"),
    # The flow runs that a task run started. No other row has an entry.
    partial_index(
        "ix_flow_run_parent_task_run", "parent_task_run_id", "created", "id", where="parent_task_run_id IS NOT NULL"
    ),
)

flow_run_state = Table(
    "flow_run_state",
    metadata,
    Column("id", Id, primary_key=True),
    Column("flow_run_id", Id, nullable=False),
    *state_columns(),
    # The history of one flow run, oldest first.
    Index("ix_flow_run_state_flow_run", "flow_run_id", "timestamp", "sequence"),
)

task_run = Table(
    "task_run",
    metadata,
    Column("id", Id, primary_key=True),  # also: all task runs in the order in which they were made
    Column("flow_run_id", ForeignKey("flow_run.id", name="fk_task_run_flow_run"), nullable=False),
    Column("flow_id", Id, nullable=False),
    Column("task_id", Id, nullable=False),
    Column("task_slug", Name, nullable=False),
    Column("task_name", Name, nullable=False, server_default=text("''")),
    Column("map_index", Integer, nullable=False),
    Column("name", Name),
    Column("tags", JsonSet, nullable=False),
    *run_columns(),
    Column("result", Json),
    Column("has_result", Boolean, nullable=False),
    Column("cache_key", Text),
    # The natural key; also: a mapped parent's children in the order of their items.
    UniqueConstraint("flow_run_id", "task_slug", "map_index", name="uq_task_run_natural_key"),
    # The task runs of one flow run: as they were made, and those that changed after a sequence.
    Index("ix_task_run_flow_run", "flow_run_id", "id"),
    Index("ix_task_run_sequence", "flow_run_id", "sequence"),
    # Task runs of all flow runs: in one state, of one task, of one flow, newest first; by when they ran; by how long
    # they took. A task in a loop has many slugs and one name.
    Index("ix_task_run_state", "state", "id"),
    Index("ix_task_run_task_slug", "task_slug", "id"),
    Index("ix_task_run_task_name", "task_name", "id"),
    Index("ix_task_run_flow", "flow_id", "id"),
    Index("ix_task_run_start_time", "start_time", "id"),
    Index("ix_task_run_end_time", "end_time", "id"),
    *indexes_of_seconds("task_run"),
    *indexes_of_failures(),
    # The task runs with names of their own, the newest of a name. No other row has an entry.
    partial_index("ix_task_run_name", "name", "id", where="name IS NOT NULL"),
    # Results that may be used again: of one task, or under one key. No other row has an entry.
    partial_index("ix_task_run_cached_task", "task_id", "state_timestamp", where="state = 'Cached'"),
    partial_index("ix_task_run_cached_key", "cache_key", "state_timestamp", where="state = 'Cached'"),
)

# What there is to know of the children of a mapped parent. It changes with each of them: no index but the key, so that
# PostgreSQL writes nothing but the row.
task_run_map = Table(
    "task_run_map",
    metadata,
    Column("flow_run_id", Id),
    Column("task_slug", Name),
    Column("open_children", Integer, nullable=False),
    Column("start_time", Timestamp),
    Column("last_end_time", Timestamp),
    # The microseconds that they ran, as a number that sums of any order make the same.
    Column("run_time", BigInteger, nullable=False, server_default=text("0")),
    Column("is_exact", Boolean, nullable=False),
    # The start before the last change: whoever made that sees whether the parent starts earlier now.
    Column("previous_start_time", Timestamp),
    PrimaryKeyConstraint("flow_run_id", "task_slug", name="pk_task_run_map"),
)

task_run_state = Table(
    "task_run_state",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_run_id", Id, nullable=False),
    *state_columns(),
    # The history of one task run, oldest first.
    Index("ix_task_run_state_task_run", "task_run_id", "timestamp", "sequence"),
)

task_run_tally = Table(
    "task_run_tally",
    metadata,
    Column("flow_id", Id),
    Column("task_slug", Name),
    Column("state", String(32)),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("flow_id", "task_slug", "state", name="pk_task_run_tally"),
    # How many task runs are in one state.
    Index("ix_task_run_tally_state", "state", "count"),
)

task_run_tally_delta = Table(
    "task_run_tally_delta",
    metadata,
    Column("id", Id, primary_key=True),
    Column("flow_id", Id, nullable=False),
    Column("task_slug", Name, nullable=False),
    Column("state", String(32), nullable=False),
    Column("count", BigInteger, nullable=False),
)

flow_run_tally = Table(
    "flow_run_tally",
    metadata,
    Column("flow_id", Id),
    Column("state", String(32)),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("flow_id", "state", name="pk_flow_run_tally"),
)

flow_run_tally_delta = Table(
    "flow_run_tally_delta",
    metadata,
    Column("id", Id, primary_key=True),
    Column("flow_id", Id, nullable=False),
    Column("state", String(32), nullable=False),
    Column("count", BigInteger, nullable=False),
)

log = Table(
    "log",
    metadata,
    Column("id", Id, primary_key=True),
    Column("flow_run_id", Id, nullable=False),
    Column("task_run_id", Id),
    Column("timestamp", Timestamp, nullable=False),
    Column("name", Text),
    Column("level", String(32), nullable=False),
    Column("message", Text),
    Column("info", Json),
    Column("created", Timestamp, nullable=False),
    # The lines of one flow run, oldest first; and those of one of its task runs.
    Index("ix_log_flow_run", "flow_run_id", "timestamp", "id"),
    partial_index("ix_log_task_run", "task_run_id", "timestamp", "id", where="task_run_id IS NOT NULL"),
)

task_run_artifact = Table(
    "task_run_artifact",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_run_id", Id, nullable=False),
    Column("kind", Name, nullable=False),
    Column("data", Json),
    *creation_columns(),
    # What one task run made for people to look at.
    Index("ix_task_run_artifact_task_run", "task_run_id", "id"),
)

agent = Table(
    "agent",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id),
    Column("name", Name),
    Column("type", Name),
    Column("core_version", Name),
    Column("labels", JsonSet, nullable=False),
    Column("last_queried", Timestamp),
    *creation_columns(),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Name, nullable=False),
    Column("scope", String(16), nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("created", Timestamp, nullable=False),
    Column("revoked", Timestamp),
)

# One row: the schema's revision, and that of the oldest service that may use it. Migrations keep it.
schema_use = Table(
    "schema_use",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("oldest", String(32), nullable=False),
)
