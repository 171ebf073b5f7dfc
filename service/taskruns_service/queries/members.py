"""Members: the column or the expression that each member of a run and of a state comes from."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Table, select

from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Column

Condition = ColumnElement[bool]
"""What a row meets or not."""
Members = Mapping[str, Column]
"""What a JSON object has: the column for each name."""

_task_run, _flow_run, _flow, _log = tables.task_run, tables.flow_run, tables.flow, tables.log

# Looked up for each row by primary key, and not joined: planners would begin with the smaller table.
_flow_name = select(_flow.c.name).where(_flow.c.id == _task_run.c.flow_id).correlate(_task_run).scalar_subquery()
_flow_run_name = (
    select(_flow_run.c.name).where(_flow_run.c.id == _task_run.c.flow_run_id).correlate(_task_run).scalar_subquery()
)
TASK_RUN_MEMBERS: Members = {
    "id": _task_run.c.id,
    "flow_run_id": _task_run.c.flow_run_id,
    "flow_run_name": _flow_run_name,
    "flow_id": _task_run.c.flow_id,
    "flow_name": _flow_name,
    "task_id": _task_run.c.task_id,
    "task_slug": _task_run.c.task_slug,
    "task_name": _task_run.c.task_name,
    "map_index": _task_run.c.map_index,
    "name": _task_run.c.name,
    "tags": _task_run.c.tags,
    "state": _task_run.c.state,
    "state_message": _task_run.c.state_message,
    "state_timestamp": _task_run.c.state_timestamp,
    "version": _task_run.c.version,
    "run_count": _task_run.c.run_count,
    "start_time": _task_run.c.start_time,
    "end_time": _task_run.c.end_time,
    "duration": _task_run.c.duration,
    "run_time": _task_run.c.run_time,
    "queue_time": _task_run.c.queue_time,
    "has_result": _task_run.c.has_result,
    "sequence": _task_run.c.sequence,
    "created": _task_run.c.created,
    "updated": _task_run.c.updated,
}
FLOW_RUN_SUMMARY_MEMBERS: Members = {
    "id": _flow_run.c.id,
    "flow_id": _flow_run.c.flow_id,
    "flow_name": _flow.c.name,
    "name": _flow_run.c.name,
    "labels": _flow_run.c.labels,
    "parent_task_run_id": _flow_run.c.parent_task_run_id,
    "state": _flow_run.c.state,
    "state_message": _flow_run.c.state_message,
    "state_timestamp": _flow_run.c.state_timestamp,
    "version": _flow_run.c.version,
    "run_count": _flow_run.c.run_count,
    "start_time": _flow_run.c.start_time,
    "end_time": _flow_run.c.end_time,
    "duration": _flow_run.c.duration,
    "run_time": _flow_run.c.run_time,
    "queue_time": _flow_run.c.queue_time,
    "sequence": _flow_run.c.sequence,
    "task_run_counts": _flow_run.c.state_counts,
    "last_heartbeat": _flow_run.c.last_heartbeat,
    "created": _flow_run.c.created,
    "updated": _flow_run.c.updated,
}
FLOW_RUN_MEMBERS: Members = {
    **FLOW_RUN_SUMMARY_MEMBERS,
    "parameters": _flow_run.c.parameters,
    "context": _flow_run.c.context,
    "idempotency_key": _flow_run.c.idempotency_key,
}

LOG_MEMBERS: Members = {
    name: _log.c[name] for name in ("id", "flow_run_id", "task_run_id", "timestamp", "level", "name", "message")
}


ARTIFACT_MEMBERS: Members = {
    name: tables.task_run_artifact.c[name] for name in ("id", "task_run_id", "kind", "data", "created", "updated")
}


def state_members(history: Table) -> Members:
    """The members of the states in a history."""
    return {
        "id": history.c.id,
        "type": history.c.type,
        "version": history.c.version,
        "sequence": history.c.sequence,
        "message": history.c.message,
        "timestamp": history.c.timestamp,
        "received": history.c.received_at,
        "result": history.c.result,
        "details": history.c.details,
        "is_late": ~history.c.accepted,
    }
