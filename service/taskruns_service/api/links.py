"""Links of the OpenAPI document: which operations go on from an answer, and where in it the id is that they need."""

from collections.abc import Iterable

from taskruns_service import schemas
from taskruns_service.api.operations import Operation
from taskruns_service.domain.json_values import JsonObject

IDS: dict[type | None, dict[str, str]] = {
    schemas.FlowRun: {"flow_run_id": "/id"},
    schemas.FlowRunPage: {"flow_run_id": "/items/0/id"},
    schemas.FlowRunStateReceipt: {"flow_run_id": "/flow_run_id"},
    schemas.FlowRunTasks: {"flow_run_id": "/flow_run_id"},
    schemas.TaskRun: {"task_run_id": "/id", "flow_run_id": "/flow_run_id"},
    schemas.TaskRunAttempts: {"task_run_id": "/task_run_id"},
    schemas.TaskRunNeighbours: {"task_run_id": "/task_run_id"},
    schemas.TaskRunPage: {"task_run_id": "/items/0/id"},
    schemas.TaskRunReceipts: {"task_run_id": "/items/0/task_run_id"},
    schemas.TaskRunResult: {"task_run_id": "/task_run_id"},
    schemas.TaskRunStateReceipt: {"task_run_id": "/task_run_id"},
    schemas.Timeline: {"flow_run_id": "/flow_run_id"},
}
"""For each answer, where it has the ids that are path parameters of operations."""


def links_of(answer: type | None, operation: Operation, targets: Iterable[tuple[str, Operation]]) -> JsonObject:
    """The links of an answer to those operations, given with their paths, that need an id which the answer has."""
    return {
        target.id: {
            "operationId": target.id,
            "description": f"{target.summary}.",
            "parameters": {parameter: f"$response.body#{pointer}"},
        }
        for parameter, pointer in IDS.get(answer, {}).items()
        for path, target in targets
        if f"{{{parameter}:" in path and target is not operation
    }
