"""The columns and indexes that several tables have."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, String, Text

from taskruns_service.storage.dialects import Id, Json, Timestamp, partial_index, postgresql_index


def run_columns() -> list[Column]:  # type: ignore[type-arg]
    """What `states.advance` decides, and when the row was written: alike for flow runs and task runs."""
    return [
        Column("state", String(32), nullable=False),
        Column("state_id", Id),
        Column("state_message", Text),
        Column("state_timestamp", Timestamp),
        Column("version", Integer, nullable=False),
        Column("run_count", Integer, nullable=False),
        Column("first_timestamp", Timestamp),
        Column("start_time", Timestamp),
        Column("end_time", Timestamp),
        Column("duration", Double),
        Column("run_time", Double),
        Column("queue_time", Double),
        Column("sequence", BigInteger, nullable=False),
        Column("created", Timestamp, nullable=False),
        Column("updated", Timestamp, nullable=False),
        Column("state_start_time", Timestamp),
        Column("heartbeat", Timestamp),
    ]


def indexes_of_seconds(table: str) -> list[Index]:
    """Runs by how long they took, by how long they ran and by how long they waited: those that did."""
    return [
        partial_index(f"ix_{table}_{name}", name, "id", where=f"{name} IS NOT NULL")
        for name in ("duration", "run_time", "queue_time")
    ]


def indexes_of_failures() -> list[Index]:
    """Failed task runs: of one flow run; by when they ran. No other row has an entry.

    PostgreSQL alone has them: docs/decisions/0034-failures-have-indexes-of-their-own.md.
    """
    is_failed = "state IN ('Crashed', 'Failed', 'TimedOut', 'TriggerFailed', 'ValidationFailed')"
    columns = {"flow_run": "flow_run_id", "start_time": "start_time", "end_time": "end_time"}
    return [
        postgresql_index(f"ix_task_run_failed_{name}", column, "id", where=is_failed)
        for name, column in columns.items()
    ]


def creation_columns() -> list[Column]:  # type: ignore[type-arg]
    """When a row was written."""
    return [Column("created", Timestamp, nullable=False), Column("updated", Timestamp, nullable=False)]


def state_columns() -> list[Column]:  # type: ignore[type-arg]
    """One entry of a history. A late state has no version; `sequence` is that of the flow run when it was recorded.

    `start_time` is when a state that waits, such as Scheduled or Retrying, is due; `forced` states follow any other.
    """
    return [
        Column("sequence", BigInteger, nullable=False),
        Column("version", Integer),
        Column("type", String(32), nullable=False),
        Column("message", Text),
        Column("timestamp", Timestamp, nullable=False),
        Column("received_at", Timestamp, nullable=False),
        Column("result", Json),
        Column("details", Json),
        Column("accepted", Boolean, nullable=False),
        Column("start_time", Timestamp),
        Column("forced", Boolean),
    ]
