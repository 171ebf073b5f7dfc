"""Sends reports through a client: together where that is possible, one by one where the service refuses some."""

import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from msgspec import UNSET, UnsetType

from taskruns.client import Client
from taskruns.errors import (
    BadRequest,
    BodyTooLarge,
    Conflict,
    FlowRunNotFound,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    TaskRunsError,
    VersionConflict,
    problem_class,
)
from taskruns.limits import MAX_REPORTED_LOG_LINES, MAX_REPORTED_TASK_RUNS
from taskruns.models import FlowRun
from taskruns.printable import printable
from taskruns.recording.outbox_file import Refused
from taskruns.recording.reports import (
    FlowRunCreated,
    FlowRunState,
    LogLines,
    LogLineWritten,
    Report,
    TaskRunState,
    in_turns,
    merged,
    reduced,
)

T = TypeVar("T")

# An answer that the same report would have again: all others pass, and the report is kept for then.
_FINAL = (BadRequest, BodyTooLarge, Conflict, FlowRunNotFound, InvalidArgument, VersionConflict)
# A refusal of what is in the report: without that, what depends on the report need not be refused too.
_OF_CONTENT = (BadRequest, BodyTooLarge, InvalidArgument)
# The service does not know the path if it is older than this client.
_FINAL_OF_LINES = (*_OF_CONTENT, NotFound)
_ITEM = re.compile(r"/items/(\d+)/")


def create_flow_run(client: Client, report: FlowRunCreated, identifier: UUID | UnsetType | None = None) -> FlowRun:
    """Creates a flow run, or finds the one with its id or key; `identifier`: another id, UNSET for none.

    Raises:
        FlowRunConflict: If it exists, and differs in what the report has.
    """
    return client.flow_runs.create(
        id=report.flow_run_id if identifier is None else identifier,
        idempotency_key=UNSET if report.idempotency_key is None else report.idempotency_key,
        flow_name=report.flow_name,
        name=UNSET if report.name is None else report.name,
        # What is not sent cannot differ from what an existing flow run has.
        parameters=report.parameters or UNSET,
        labels=report.labels or UNSET,
        context=report.context or UNSET,
        parent_task_run_id=report.context.get("parent_task_run_id", UNSET),
    )


class Sender:
    """Sends reports through a client, and tells which of them the service refuses."""

    def __init__(self, client: Client) -> None:
        """Sends through this client."""
        self._client = client

    def send(self, reports: Iterable[Report]) -> list[Refused]:
        """Sends reports, in the order of each flow run; those that the service refused.

        Raises:
            TaskRunsError: If the service cannot be reached or takes nothing for now. All of it may be sent again:
                it has ids of its own.
        """
        refused: list[Refused] = []
        for flow_run_id, turn in in_turns(reports):
            match turn:
                case FlowRunCreated() | FlowRunState():
                    refused += self._send_one(flow_run_id, turn)
                case LogLines(lines):
                    refused += self._send_lines(flow_run_id, lines)
                case _:
                    refused += self._send_task_runs(flow_run_id, turn)
        return refused

    def _send_one(self, flow_run_id: UUID, report: FlowRunCreated | FlowRunState) -> list[Refused]:
        try:
            if isinstance(report, FlowRunState):
                state = report.state
                self._client.flow_runs.set_state(
                    flow_run_id,
                    type=state.type,
                    id=state.id,
                    message=state.message,
                    timestamp=state.timestamp,
                    details=state.details,
                )
            else:
                create_flow_run(self._client, report)
        except _FINAL as error:
            if isinstance(error, _OF_CONTENT) and (rest := reduced(report)) != report:
                self.send([rest])
            return [Refused(report=report, why=str(error))]
        return []

    def _send_task_runs(self, flow_run_id: UUID, reports: Sequence[TaskRunState]) -> list[Refused]:
        items = merged(reports)
        if len(items) > MAX_REPORTED_TASK_RUNS:
            return _send_halves(self._send_task_runs, flow_run_id, reports)
        try:
            receipts = self._client.flow_runs.report(flow_run_id, items=items)
        except _FINAL as error:
            if isinstance(error, _OF_CONTENT):
                # One of them spoils it for the others, or they are too large together.
                if len(reports) > 1:
                    return _send_halves(self._send_task_runs, flow_run_id, reports)
                if (rest := reduced(reports[0])) != reports[0]:
                    self.send([rest])
            return [Refused(report=report, why=str(error)) for report in reports]
        problems = {
            (item.task_slug, item.map_index): receipt.problem
            for item, receipt in zip(items, receipts.items, strict=True)
            if receipt.problem is not None
        }
        for problem in problems.values():
            if (problem_class(problem.code).of_status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise TaskRunsError(problem.detail)
        return [
            Refused(report=report, why=printable(item_problem.detail))
            for report in reports
            if (item_problem := problems.get((report.task_slug, report.map_index))) is not None
        ]

    def _send_lines(self, flow_run_id: UUID, reports: Sequence[LogLineWritten]) -> list[Refused]:
        if len(reports) > MAX_REPORTED_LOG_LINES:
            return _send_halves(self._send_lines, flow_run_id, reports)
        try:
            self._client.flow_runs.report_logs(flow_run_id, items=[report.line for report in reports])
        except _FINAL_OF_LINES as error:
            if isinstance(error, BodyTooLarge) and len(reports) > 1:
                return _send_halves(self._send_lines, flow_run_id, reports)
            if type(error) is NotFound and error.code != NotFound.of_code:
                raise  # It is from a proxy, and the service may be back soon.
            faulty = _faulty_items(error) or range(len(reports))
            refused = [Refused(report=reports[index], why=str(error)) for index in faulty]
            rest = [report for index, report in enumerate(reports) if index not in faulty]
            return refused + self._send_lines(flow_run_id, rest) if rest else refused
        return []


def _send_halves(
    send: Callable[[UUID, Sequence[T]], list[Refused]], flow_run_id: UUID, reports: Sequence[T]
) -> list[Refused]:
    half = len(reports) // 2
    return send(flow_run_id, reports[:half]) + send(flow_run_id, reports[half:])


def _faulty_items(error: TaskRunsError) -> list[int]:
    """The indices of the items that a problem names, such as those of lines of unknown task runs."""
    faults = (isinstance(error, InvalidRequest) and error.problem.errors) or []
    return sorted({int(match[1]) for fault in faults if (match := _ITEM.match(fault.pointer or ""))})
