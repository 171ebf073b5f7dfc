"""Reports: changes to flow runs and task runs that are there, made under the locks of the flow runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct
from sqlalchemy import Connection

from taskruns_service.errors import (
    Fault,
    FlowRunNotFound,
    InvalidRequest,
    ServiceError,
    StateIdConflict,
    TaskRunNotFound,
    VersionConflict,
)
from taskruns_service.ids import family_of
from taskruns_service.ledger import FlowRunEntry, Ledger, NaturalKey, TaskRunEntry, current_state
from taskruns_service.models import TaskRunReport, TaskRunUpdate
from taskruns_service.states import Kind, Report, StateType


class Change(Struct, frozen=True):
    """A change to runs. It says which runs it is about, so that those of a batch are locked and read together."""

    @property
    def flow_run_ids(self) -> Sequence[UUID]:
        """The flow runs, where they are known."""
        return ()

    @property
    def task_run_ids(self) -> Sequence[UUID]:
        """The task runs that are known by id."""
        return ()

    @property
    def keys(self) -> Sequence[NaturalKey]:
        """The task runs that are known by their natural key."""
        return ()

    @property
    def flow_run_reports(self) -> Sequence[Report]:
        """States of flow runs that may be in a history already."""
        return ()

    @property
    def task_run_reports(self) -> Sequence[Report]:
        """States of task runs that may be in a history already."""
        return ()

    def make(self, ledger: Ledger) -> "Reported":
        """Makes the change; raises ServiceError, and nothing is changed then."""
        raise NotImplementedError


class OfFlowRun(Change, frozen=True):
    """A change to one flow run."""

    flow_run_id: UUID

    @property
    def flow_run_ids(self) -> Sequence[UUID]:
        """The flow run."""
        return (self.flow_run_id,)

    def entry(self, ledger: Ledger) -> FlowRunEntry:
        """The flow run in the ledger; raises FlowRunNotFound."""
        if (entry := ledger.flow_runs.get(self.flow_run_id)) is None:
            raise FlowRunNotFound
        return entry


class OfTaskRun(Change, frozen=True):
    """A change to one task run."""

    task_run_id: UUID

    @property
    def task_run_ids(self) -> Sequence[UUID]:
        """The task run."""
        return (self.task_run_id,)

    def entry(self, ledger: Ledger) -> TaskRunEntry:
        """The task run in the ledger; raises TaskRunNotFound."""
        if (entry := ledger.task_runs.get(self.task_run_id)) is None:
            raise TaskRunNotFound
        return entry


class ReportFlowRunState(OfFlowRun, frozen=True):
    """Bring a flow run to a state."""

    report: Report

    @property
    def flow_run_reports(self) -> Sequence[Report]:
        """The state."""
        return (self.report,)

    def make(self, ledger: Ledger) -> "Reported":
        """Raises FlowRunNotFound, and as `Ledger.record` does."""
        entry = self.entry(ledger)
        return reported(entry, ledger.record(entry, self.report))


class ReportTaskRun(OfFlowRun, frozen=True):
    """Create a task run, or find it by its natural key, and bring it to some states."""

    request: TaskRunReport
    reports: list[Report]

    @property
    def key(self) -> NaturalKey:
        """What the task run is known by."""
        return self.flow_run_id, self.request.task_slug, self.request.map_index

    @property
    def weight(self) -> int:
        """How much there is to write, in states."""
        return max(1, len(self.reports))

    @property
    def keys(self) -> Sequence[NaturalKey]:
        """The task run."""
        return (self.key,)

    @property
    def task_run_ids(self) -> Sequence[UUID]:
        """The id that it is to have, which another one may have."""
        return () if self.request.id is UNSET else (self.request.id,)

    @property
    def task_run_reports(self) -> Sequence[Report]:
        """The states."""
        return self.reports

    def make(self, ledger: Ledger) -> "Reported":
        """Raises FlowRunNotFound, and InvalidRequest or StateIdConflict instead of creating the task run.

        Other states that are refused stand in the outcome, since the task run has those that are not.
        """
        self.entry(ledger)
        entry, request = ledger.by_key.get(self.key), self.request
        created = entry is None
        if entry is None:
            self._refuse_states_of_others(ledger)
            task_name = request.task_slug if request.task_name is UNSET else request.task_name
            identifier = self._own_id(ledger)
            entry = ledger.create(
                self.key, name=request.name, tags=request.tags, task_name=task_name, identifier=identifier
            )
        kinds: set[str] = set()
        refusals: list[tuple[int, ServiceError]] = []
        for index, report in enumerate(self.reports):
            try:
                kinds.add(ledger.record(entry, report))
            except ServiceError as error:
                refusals.append((index, error))
        if refusals:
            faults = tuple(fault for index, error in refusals for fault in _faults_of_state(index, error))
            first = refusals[0][1]
            problem = type(first)(first.detail, faults=faults, **first.members)
            return reported(entry, "refused", problem)
        words = [Kind.recorded, Kind.late, Kind.duplicate]
        return reported(entry, "created" if created else next((one for one in words if one in kinds), "existing"))

    def _own_id(self, ledger: Ledger) -> UUID | None:
        """The id that the task run is to have, None for a new one; raises InvalidRequest for one that it cannot have.

        All task runs of a flow run have its family in their ids, and are in the order of these.
        """
        if (identifier := self.request.id) is UNSET:
            return None
        detail = None
        if identifier in ledger.task_runs:
            detail = "Another task run has this id. Make a new one for every task run."
        elif identifier.version != 7 or family_of(identifier) != family_of(self.flow_run_id):
            detail = (
                f"It should be a UUID of version 7 with {family_of(self.flow_run_id) | 0x7000:x} as its third group."
            )
        if detail:
            raise InvalidRequest(faults=(Fault(pointer="/id", detail=detail),))
        return identifier

    def _refuse_states_of_others(self, ledger: Ledger) -> None:
        known = ledger.has_task_run_state
        places = [n for n, report in enumerate(self.reports) if not report.id_is_new and known(report.id)]
        if places:
            conflict = StateIdConflict()
            faults = tuple(Fault(pointer=f"/states/{index}", detail=conflict.detail) for index in places)
            raise StateIdConflict(conflict.detail, faults=faults)


def _faults_of_state(index: int, error: ServiceError) -> Sequence[Fault]:
    """What is wrong with one of the states of a report."""
    faults = error.faults or (Fault(detail=error.detail),)
    return [Fault(pointer=f"/states/{index}{fault.pointer or ''}", detail=fault.detail) for fault in faults]


class ReportTaskRunState(OfTaskRun, frozen=True):
    """Bring a task run to a state."""

    report: Report

    @property
    def task_run_reports(self) -> Sequence[Report]:
        """The state."""
        return (self.report,)

    def make(self, ledger: Ledger) -> "Reported":
        """Raises TaskRunNotFound, and as `Ledger.record` does."""
        entry = self.entry(ledger)
        return reported(entry, ledger.record(entry, self.report))


class UpdateTaskRun(OfTaskRun, frozen=True):
    """Change a task run's name or tags."""

    request: TaskRunUpdate
    expected_version: int | None = None
    expected_sequence: int | None = None

    def make(self, ledger: Ledger) -> "Reported":
        """Raises TaskRunNotFound and VersionConflict."""
        entry = self.entry(ledger)
        is_expected = self.expected_version in (None, entry.run.version)
        if not is_expected or self.expected_sequence not in (None, entry.sequence):
            raise VersionConflict(current=current_state(entry.run))
        sent = {name: getattr(self.request, name) for name in ("name", "tags")}
        if changes := {name: value for name, value in sent.items() if value is not UNSET}:
            ledger.change(entry, changes)
        return reported(entry, "recorded")


class Reported(Struct, frozen=True):
    """What became of reported states, and the run after them. `problem` is a ServiceError where one was refused."""

    outcome: str
    run_id: UUID
    version: int
    state: StateType
    problem: Any = None
    sequence: int = 0


def make_changes(connection: Connection, items: Sequence[Change], now: datetime) -> list[Any]:
    """Makes changes in their order; gives for each a Reported or a ServiceError."""
    ledger = Ledger(connection, now)
    task_run_ids = [identifier for item in items for identifier in item.task_run_ids]
    ledger.lock({identifier for item in items for identifier in item.flow_run_ids}, task_run_ids)
    ledger.read(task_run_ids, [key for item in items for key in item.keys])
    ledger.read_states(
        [report for item in items for report in item.task_run_reports],
        [report for item in items for report in item.flow_run_reports],
    )
    outcomes: list[Any] = []
    for item in items:
        try:
            outcomes.append(item.make(ledger))
        except ServiceError as error:
            outcomes.append(error)
    ledger.write()
    return outcomes


def reported(entry: FlowRunEntry | TaskRunEntry, outcome: str, problem: ServiceError | None = None) -> Reported:
    """What became of a run."""
    return Reported(str(outcome), entry.id, entry.run.version, entry.run.state, problem, entry.sequence)
