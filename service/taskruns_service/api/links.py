"""Links of the OpenAPI document: which operations go on from an answer, and where in it the id is that they need."""

from collections.abc import Iterable
from typing import Any

from taskruns_service import models
from taskruns_service.api.operations import Operation

IDS: dict[Any, dict[str, str]] = {
    models.FlowRun: {"flow_run_id": "/id"},
    models.FlowRunPage: {"flow_run_id": "/items/0/id"},
    models.FlowRunStateReceipt: {"flow_run_id": "/flow_run_id"},
    models.TaskRun: {"task_run_id": "/id", "flow_run_id": "/flow_run_id"},
    models.TaskRunPage: {"task_run_id": "/items/0/id"},
    models.TaskRunReceipts: {"task_run_id": "/items/0/task_run_id"},
    models.TaskRunResult: {"task_run_id": "/task_run_id"},
    models.TaskRunStateReceipt: {"task_run_id": "/task_run_id"},
}
"""For each answer, where it has the ids that are path parameters of operations."""


def links_of(answer: Any, operation: Operation, targets: Iterable[tuple[str, Operation]]) -> dict[str, Any]:
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
