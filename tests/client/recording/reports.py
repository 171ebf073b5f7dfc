"""Reports for the tests of the outbox, and what the service has of them."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from taskruns import Client, StateType
from taskruns.errors import FlowRunNotFound
from taskruns.models import StateCreate
from taskruns.recording.reports import FlowRunCreated, TaskRunState


def new_flow_run() -> FlowRunCreated:
    return FlowRunCreated(flow_run_id=uuid4(), flow_name="etl")


def new_report(flow_run_id: UUID, task_slug: str, message: str = "Starting task run.") -> TaskRunState:
    state = StateCreate(id=uuid4(), type=StateType.RUNNING, message=message, timestamp=datetime.now(UTC))
    return TaskRunState(flow_run_id=flow_run_id, task_slug=task_slug, task_name="inc", state=state)


def new_reports(flow_run_id: UUID, number: int) -> list[TaskRunState]:
    return [new_report(flow_run_id, f"inc-{index}") for index in range(number)]


def slugs(client: Client, flow_run_id: UUID) -> list[str]:
    """The slugs of the task runs that the service has of a flow run, if it has that."""
    try:
        return [run.task_slug for run in client.flow_runs.task_runs(flow_run_id, limit=1000)]
    except FlowRunNotFound:
        return []
