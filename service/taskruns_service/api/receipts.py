"""Receipts: the answer to a bulk request, an item for each item."""

from collections.abc import Sequence
from uuid import UUID

from taskruns_service import schemas
from taskruns_service.api import responses
from taskruns_service.api.responses import JsonResponse
from taskruns_service.commands.reports import ReportOutcome
from taskruns_service.domain.errors import Fault, OutcomeUnknown, ServiceError


def receipts(outcomes: Sequence[ReportOutcome | ServiceError], task_run_ids: Sequence[UUID | None]) -> JsonResponse:
    """200 with a receipt for each outcome, or 207 where some were refused.

    Where the service failed for all of them, as when the database is away, that is the answer to the whole request.
    `task_run_ids` are those that the request named.
    """
    failures = [outcome for outcome in outcomes if isinstance(outcome, ServiceError) and outcome.status >= 500]
    if len(failures) == len(outcomes):
        # What may be recorded after all is the most important to know.
        raise max(failures, key=lambda outcome: isinstance(outcome, OutcomeUnknown))
    items = [
        _receipt(index, outcome, task_run_id)
        for index, (outcome, task_run_id) in enumerate(zip(outcomes, task_run_ids, strict=True))
    ]
    refused = any(item.problem for item in items)
    return responses.as_json(schemas.TaskRunReceipts(items=items), 207 if refused else 200)


def _receipt(index: int, outcome: ReportOutcome | ServiceError, task_run_id: UUID | None) -> schemas.TaskRunReceipt:
    if isinstance(outcome, ServiceError):
        return schemas.TaskRunReceipt(
            index=index,
            outcome="refused",
            task_run_id=task_run_id,
            version=None,
            state=None,
            problem=_problem(index, outcome),
        )
    return schemas.TaskRunReceipt(
        index=index,
        outcome=outcome.outcome,
        task_run_id=outcome.run_id,
        version=outcome.version,
        state=outcome.state,
        problem=None if outcome.problem is None else _problem(index, outcome.problem),
    )


def _problem(index: int, error: ServiceError) -> schemas.ItemProblem:
    """An error as an item has it; its pointers begin at the body."""
    faults = tuple(Fault(pointer=f"/items/{index}{fault.pointer}", detail=fault.detail) for fault in error.faults)
    return schemas.item_problem(error, faults)
