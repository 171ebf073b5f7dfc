"""What an engine of Prefect 1 changes: states by its own rules, task runs as they are needed, names and heartbeats."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Connection, Table, update

from taskruns_service.commands.reports import OfFlowRun, OfTaskRun, ReportOutcome, reported
from taskruns_service.commands.unit_of_work import FlowRunEntry, NaturalKey, TaskRunEntry, UnitOfWork
from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.ids import has_content
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import FINISHED, GROUPS, StateGroup, StateType
from taskruns_service.domain.transitions import Verdict
from taskruns_service.prefect1.commands.scheduling import first_state
from taskruns_service.storage import tables


class ForceFlowRunState(OfFlowRun, frozen=True, kw_only=True):
    """Bring a flow run to a state, whatever its own is; Cancelled cancels its unfinished task runs.

    `version` is checked only if the flow's settings ask for it. `agent_id` is the agent that took the run. `weight` is
    how many task runs have to be cancelled.
    """

    report: Report
    version: int | None = None
    agent_id: UUID | None = None
    weight: int = 1

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound and VersionConflict."""
        entry = self.entry(unit_of_work)
        kind = _set(unit_of_work, entry, self.report, self.version)
        if kind is Verdict.recorded and self.report.type is StateType.Cancelled:
            _cancel_task_runs(unit_of_work, entry, self.report)
        if kind is Verdict.recorded and self.report.type is StateType.Submitted and self.agent_id is not None:
            unit_of_work.change(entry, {"agent_id": self.agent_id})
        return reported(entry, kind)


class ForceTaskRunState(OfTaskRun, frozen=True, kw_only=True):
    """Bring a task run to a state, whatever its own is; but it can run only while its flow run is Running.

    `version` is checked only if the flow's settings ask for it.
    """

    report: Report
    version: int | None = None

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises TaskRunNotFound, VersionConflict, and InvalidRequest if it cannot run."""
        entry = self.entry(unit_of_work)
        flow_run = entry.flow_run
        if self.report.type is StateType.Running and flow_run.run.state is not StateType.Running:
            raise InvalidRequest(
                f"State update failed for task run ID {entry.id}: provided a running state but associated flow run "
                f"{flow_run.id} is not in a running state."
            )
        return reported(entry, _set(unit_of_work, entry, self.report, self.version))


class GetOrCreateTaskRun(OfFlowRun, frozen=True, kw_only=True):
    """Find a task run by its natural key, or make it, in the state Pending."""

    task_slug: str
    task_name: str
    map_index: int

    @property
    def keys(self) -> Sequence[NaturalKey]:
        """The task run."""
        return ((self.flow_run_id, self.task_slug, self.map_index),)

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound."""
        self.entry(unit_of_work)
        (key,) = self.keys
        if (entry := unit_of_work.by_key.get(key)) is not None:
            return reported(entry, "existing")
        entry = unit_of_work.create(key, name=None, tags=[], task_name=self.task_name)
        unit_of_work.record(entry, first_state(self.flow_run_id, StateType.Pending, "Task run created"))
        return reported(entry, "created")


class CancelFlowRun(OfFlowRun, frozen=True):
    """Cancel a flow run: one that is running is asked to stop, any other one is Cancelled, a finished one stays.

    `weight` is how many task runs have to be cancelled.
    """

    weight: int = 1

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound."""
        entry = self.entry(unit_of_work)
        if entry.run.state in FINISHED:
            return reported(entry, "existing")
        if entry.run.state is StateType.Cancelling:
            return reported(entry, Verdict.duplicate)
        running = entry.run.state in GROUPS[StateGroup.running]
        to, message = (
            (StateType.Cancelling, "Flow run is cancelling")
            if running
            else (StateType.Cancelled, "Flow run is cancelled")
        )
        report = first_state(entry.id, to, message)
        kind = unit_of_work.record(entry, report)
        if not running:
            _cancel_task_runs(unit_of_work, entry, report)
        return reported(entry, kind)


class CancelWaitingFlowRun(OfFlowRun, frozen=True):
    """Cancel a flow run, for this reason, if it has not begun. `weight` is how many task runs have to be cancelled."""

    reason: str
    weight: int = 1

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound."""
        entry = self.entry(unit_of_work)
        if entry.run.state not in GROUPS[StateGroup.pending]:
            return reported(entry, "existing")
        report = first_state(entry.id, StateType.Cancelled, self.reason)
        kind = unit_of_work.record(entry, report)
        _cancel_task_runs(unit_of_work, entry, report)
        return reported(entry, kind)


class RenameFlowRun(OfFlowRun, frozen=True):
    """Name a flow run."""

    name: str

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound."""
        entry = self.entry(unit_of_work)
        unit_of_work.change(entry, {"name": self.name})
        return reported(entry, Verdict.recorded)


class LabelFlowRun(OfFlowRun, frozen=True):
    """Give a flow run other labels. It keeps its version, as when it is named."""

    labels: list[str]

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound."""
        entry = self.entry(unit_of_work)
        unit_of_work.change(entry, {"labels": self.labels})
        return reported(entry, Verdict.recorded)


class RenameTaskRun(OfTaskRun, frozen=True):
    """Name a task run."""

    name: str

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises TaskRunNotFound."""
        entry = self.entry(unit_of_work)
        unit_of_work.change(entry, {"name": self.name})
        return reported(entry, Verdict.recorded)


def _set(unit_of_work: UnitOfWork, entry: FlowRunEntry | TaskRunEntry, report: Report, version: int | None) -> Verdict:
    if version is not None and unit_of_work.locks_versions(entry.flow_run.flow_id):
        # With version locking, an identical state may come from a second process, which must get the conflict.
        return unit_of_work.record(entry, replace(report, expected_version=version))
    if version in (None, entry.run.version - 1) and has_content(entry.run.state_id, report.id):
        # Sent again, because the answer was lost.
        return Verdict.duplicate
    return unit_of_work.record(entry, report)


def _cancel_task_runs(unit_of_work: UnitOfWork, flow_run: FlowRunEntry, report: Report) -> None:
    for entry in unit_of_work.read_unfinished(flow_run):
        message = report.message or "Flow run is cancelled"
        unit_of_work.record(entry, first_state(flow_run.id, StateType.Cancelled, message))


def beat_flow_run(connection: Connection, flow_run_id: UUID) -> bool:
    """Keeps that a flow run is alive; whether there is such a one."""
    return _beat(connection, tables.flow_run, flow_run_id)


def beat_task_run(connection: Connection, task_run_id: UUID) -> bool:
    """Keeps that a task run is alive; whether there is such a one."""
    return _beat(connection, tables.task_run, task_run_id)


def _beat(connection: Connection, table: Table, identifier: UUID) -> bool:
    # Not `updated`: nothing that is shown with an ETag changes.
    beat = update(table).where(table.c.id == identifier).values(heartbeat=datetime.now(UTC))
    return bool(connection.execute(beat).rowcount)
