"""What an engine of Prefect 1 changes: states by its own rules, task runs as they are needed, names and heartbeats."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Connection, Table, update

from taskruns_service import tables
from taskruns_service.commands.reports import OfFlowRun, OfTaskRun, Reported, reported
from taskruns_service.commands.scheduling import first_state
from taskruns_service.errors import InvalidRequest
from taskruns_service.ids import has_content
from taskruns_service.ledger import FlowRunEntry, Ledger, NaturalKey, TaskRunEntry
from taskruns_service.states import FINISHED, GROUPS, Kind, Report, StateGroup, StateType


class SetFlowRunState(OfFlowRun, frozen=True, kw_only=True):
    """Bring a flow run to a state, whatever its own is; Cancelled cancels its unfinished task runs.

    `version` is checked only if the flow's settings ask for it. `agent_id` is the agent that took the run. `weight` is
    how many task runs have to be cancelled.
    """

    report: Report
    version: int | None = None
    agent_id: UUID | None = None
    weight: int = 1

    def make(self, ledger: Ledger) -> Reported:
        """Raises FlowRunNotFound and VersionConflict."""
        entry = self.entry(ledger)
        kind = _set(ledger, entry, self.report, self.version)
        if kind is Kind.recorded and self.report.type is StateType.Cancelled:
            _cancel_task_runs(ledger, entry, self.report)
        if kind is Kind.recorded and self.report.type is StateType.Submitted and self.agent_id is not None:
            ledger.change(entry, {"agent_id": self.agent_id})
        return reported(entry, kind)


class SetTaskRunState(OfTaskRun, frozen=True, kw_only=True):
    """Bring a task run to a state, whatever its own is; but it can run only while its flow run is Running.

    `version` is checked only if the flow's settings ask for it.
    """

    report: Report
    version: int | None = None

    def make(self, ledger: Ledger) -> Reported:
        """Raises TaskRunNotFound, VersionConflict, and InvalidRequest if it can not run."""
        entry = self.entry(ledger)
        flow_run = entry.flow_run
        if self.report.type is StateType.Running and flow_run.run.state is not StateType.Running:
            raise InvalidRequest(
                f"State update failed for task run ID {entry.id}: provided a running state but associated flow run "
                f"{flow_run.id} is not in a running state."
            )
        return reported(entry, _set(ledger, entry, self.report, self.version))


class EnsureTaskRun(OfFlowRun, frozen=True, kw_only=True):
    """Find a task run by its natural key, or make it, in the state Pending."""

    task_slug: str
    task_name: str
    map_index: int

    @property
    def keys(self) -> Sequence[NaturalKey]:
        """The task run."""
        return ((self.flow_run_id, self.task_slug, self.map_index),)

    def make(self, ledger: Ledger) -> Reported:
        """Raises FlowRunNotFound."""
        self.entry(ledger)
        (key,) = self.keys
        if (entry := ledger.by_key.get(key)) is not None:
            return reported(entry, "existing")
        entry = ledger.create(key, name=None, tags=[], task_name=self.task_name)
        ledger.record(entry, first_state(self.flow_run_id, StateType.Pending, "Task run created"))
        return reported(entry, "created")


class CancelFlowRun(OfFlowRun, frozen=True):
    """Cancel a flow run: one that is running is asked to stop, any other one is Cancelled, a finished one stays.

    `weight` is how many task runs have to be cancelled.
    """

    weight: int = 1

    def make(self, ledger: Ledger) -> Reported:
        """Raises FlowRunNotFound."""
        entry = self.entry(ledger)
        if entry.run.state in FINISHED:
            return reported(entry, "existing")
        if entry.run.state is StateType.Cancelling:
            return reported(entry, Kind.duplicate)
        running = entry.run.state in GROUPS[StateGroup.running]
        to, message = (
            (StateType.Cancelling, "Flow run is cancelling")
            if running
            else (StateType.Cancelled, "Flow run is cancelled")
        )
        report = first_state(entry.id, to, message)
        kind = ledger.record(entry, report)
        if not running:
            _cancel_task_runs(ledger, entry, report)
        return reported(entry, kind)


class CancelWaitingFlowRun(OfFlowRun, frozen=True):
    """Cancel a flow run, for this reason, if it has not begun. `weight` is how many task runs have to be cancelled."""

    reason: str
    weight: int = 1

    def make(self, ledger: Ledger) -> Reported:
        """Raises FlowRunNotFound."""
        entry = self.entry(ledger)
        if entry.run.state not in GROUPS[StateGroup.pending]:
            return reported(entry, "existing")
        report = first_state(entry.id, StateType.Cancelled, self.reason)
        kind = ledger.record(entry, report)
        _cancel_task_runs(ledger, entry, report)
        return reported(entry, kind)


class RenameFlowRun(OfFlowRun, frozen=True):
    """Name a flow run."""

    name: str

    def make(self, ledger: Ledger) -> Reported:
        """Raises FlowRunNotFound."""
        entry = self.entry(ledger)
        ledger.change(entry, {"name": self.name})
        return reported(entry, Kind.recorded)


class LabelFlowRun(OfFlowRun, frozen=True):
    """Give a flow run other labels. It keeps its version, as when it is named."""

    labels: list[str]

    def make(self, ledger: Ledger) -> Reported:
        """Raises FlowRunNotFound."""
        entry = self.entry(ledger)
        ledger.change(entry, {"labels": self.labels})
        return reported(entry, Kind.recorded)


class RenameTaskRun(OfTaskRun, frozen=True):
    """Name a task run."""

    name: str

    def make(self, ledger: Ledger) -> Reported:
        """Raises TaskRunNotFound."""
        entry = self.entry(ledger)
        ledger.change(entry, {"name": self.name})
        return reported(entry, Kind.recorded)


def _set(ledger: Ledger, entry: FlowRunEntry | TaskRunEntry, report: Report, version: int | None) -> Kind:
    if version is not None and ledger.locks_versions(entry.flow_run.flow_id):
        # Here the same state again may be that of another process, which has to be told that it is too late.
        return ledger.record(entry, replace(report, expected_version=version))
    if version in (None, entry.run.version - 1) and has_content(entry.run.state_id, report.id):
        # Sent again, because the answer was lost.
        return Kind.duplicate
    return ledger.record(entry, report)


def _cancel_task_runs(ledger: Ledger, flow_run: FlowRunEntry, report: Report) -> None:
    for entry in ledger.read_unfinished(flow_run):
        message = report.message or "Flow run is cancelled"
        ledger.record(entry, first_state(flow_run.id, StateType.Cancelled, message))


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
