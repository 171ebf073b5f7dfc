"""Reports: changes to flow runs and task runs that are there, made under the locks of the flow runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct
from sqlalchemy import Connection

from taskruns_service.commands.unit_of_work import FlowRunEntry, NaturalKey, TaskRunEntry, UnitOfWork, current_run
from taskruns_service.domain.errors import (
    Fault,
    FlowRunNotFound,
    InvalidRequest,
    ServiceError,
    StateIdConflict,
    TaskRunNotFound,
    VersionConflict,
)
from taskruns_service.domain.ids import partition_of
from taskruns_service.domain.runs import Report
from taskruns_service.domain.slugs import name_in_slug
from taskruns_service.domain.states import StateType
from taskruns_service.domain.transitions import Verdict
from taskruns_service.schemas import TaskRunReport, TaskRunUpdate
from taskruns_service.storage.command import Command, Stage


class ReportOutcome(Struct, frozen=True):
    """What became of reported states, and the run after them. `problem` is a ServiceError where one was refused."""

    outcome: str
    run_id: UUID
    version: int
    state: StateType
    problem: Any = None
    sequence: int = 0


class Change(Command[ReportOutcome], frozen=True):
    """A change to runs. It says which runs it is about, so that those of a batch are locked and read together."""

    stage = Stage.change

    @staticmethod
    def execute(connection: Connection, commands: Sequence["Change"], now: datetime) -> list[object]:
        """Returns for each a Reported or a ServiceError."""
        return _make_changes(connection, commands, now)

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

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Makes the change; raises ServiceError, and nothing is changed then."""
        raise NotImplementedError


class OfFlowRun(Change, frozen=True):
    """A change to one flow run."""

    flow_run_id: UUID

    @property
    def flow_run_ids(self) -> Sequence[UUID]:
        """The flow run."""
        return (self.flow_run_id,)

    def entry(self, unit_of_work: UnitOfWork) -> FlowRunEntry:
        """The flow run in the unit of work; raises FlowRunNotFound."""
        if (entry := unit_of_work.flow_runs.get(self.flow_run_id)) is None:
            raise FlowRunNotFound
        return entry


class OfTaskRun(Change, frozen=True):
    """A change to one task run."""

    task_run_id: UUID

    @property
    def task_run_ids(self) -> Sequence[UUID]:
        """The task run."""
        return (self.task_run_id,)

    def entry(self, unit_of_work: UnitOfWork) -> TaskRunEntry:
        """The task run in the unit of work; raises TaskRunNotFound."""
        if (entry := unit_of_work.task_runs.get(self.task_run_id)) is None:
            raise TaskRunNotFound
        return entry


class SetFlowRunState(OfFlowRun, frozen=True):
    """Bring a flow run to a state."""

    report: Report

    @property
    def flow_run_reports(self) -> Sequence[Report]:
        """The state."""
        return (self.report,)

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound, and as `Ledger.record` does."""
        entry = self.entry(unit_of_work)
        return reported(entry, unit_of_work.record(entry, self.report))


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

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound, and InvalidRequest or StateIdConflict instead of creating the task run.

        Other states that are refused stand in the outcome, since the task run has those that are not.
        """
        self.entry(unit_of_work)
        entry, request = unit_of_work.by_key.get(self.key), self.request
        created = entry is None
        if entry is None:
            self._refuse_states_of_others(unit_of_work)
            task_name = name_in_slug(request.task_slug) if request.task_name is UNSET else request.task_name
            identifier = self._own_id(unit_of_work)
            entry = unit_of_work.create(
                self.key, name=request.name, tags=request.tags, task_name=task_name, identifier=identifier
            )
        kinds: set[str] = set()
        refusals: list[tuple[int, ServiceError]] = []
        for index, report in enumerate(self.reports):
            try:
                kinds.add(unit_of_work.record(entry, report))
            except ServiceError as error:
                refusals.append((index, error))
        if refusals:
            faults = tuple(fault for index, error in refusals for fault in _faults_of_state(index, error))
            first = refusals[0][1]
            problem = type(first)(first.detail, faults=faults, **first.members)
            return reported(entry, "refused", problem)
        words = [Verdict.recorded, Verdict.late, Verdict.duplicate]
        return reported(entry, "created" if created else next((word for word in words if word in kinds), "existing"))

    def _own_id(self, unit_of_work: UnitOfWork) -> UUID | None:
        """The id that the task run is to have, None for a new one; raises InvalidRequest for one that it cannot have.

        All task runs of a flow run have its family in their ids, and are in the order of these.
        """
        if (identifier := self.request.id) is UNSET:
            return None
        detail = None
        if identifier in unit_of_work.task_runs:
            detail = "Another task run has this id. Generate a new id for every task run."
        elif identifier.version != 7 or partition_of(identifier) != partition_of(self.flow_run_id):
            detail = (
                f"It must be a UUID of version 7 with {partition_of(self.flow_run_id) | 0x7000:x} as its third group."
            )
        if detail:
            raise InvalidRequest(faults=(Fault(pointer="/id", detail=detail),))
        return identifier

    def _refuse_states_of_others(self, unit_of_work: UnitOfWork) -> None:
        known = unit_of_work.has_task_run_state
        places = [n for n, report in enumerate(self.reports) if not report.id_is_new and known(report.id)]
        if places:
            conflict = StateIdConflict()
            faults = tuple(Fault(pointer=f"/states/{index}", detail=conflict.detail) for index in places)
            raise StateIdConflict(conflict.detail, faults=faults)


def _faults_of_state(index: int, error: ServiceError) -> Sequence[Fault]:
    """What is wrong with one of the states of a report."""
    faults = error.faults or (Fault(detail=error.detail),)
    return [Fault(pointer=f"/states/{index}{fault.pointer or ''}", detail=fault.detail) for fault in faults]


class SetTaskRunState(OfTaskRun, frozen=True):
    """Bring a task run to a state."""

    report: Report

    @property
    def task_run_reports(self) -> Sequence[Report]:
        """The state."""
        return (self.report,)

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises TaskRunNotFound, and as `Ledger.record` does."""
        entry = self.entry(unit_of_work)
        return reported(entry, unit_of_work.record(entry, self.report))


class UpdateTaskRun(OfTaskRun, frozen=True):
    """Update a task run's name or tags."""

    request: TaskRunUpdate
    expected_version: int | None = None
    expected_sequence: int | None = None

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises TaskRunNotFound and VersionConflict."""
        entry = self.entry(unit_of_work)
        is_expected = self.expected_version in (None, entry.run.version)
        if not is_expected or self.expected_sequence not in (None, entry.sequence):
            raise VersionConflict(current_run=current_run(entry.run))
        members = {name: getattr(self.request, name) for name in ("name", "tags")}
        if changes := {name: value for name, value in members.items() if value is not UNSET}:
            unit_of_work.change(entry, changes)
        return reported(entry, "recorded")


def _make_changes(connection: Connection, items: Sequence[Change], now: datetime) -> list[object]:
    unit_of_work = UnitOfWork(connection, now)
    task_run_ids = [identifier for item in items for identifier in item.task_run_ids]
    unit_of_work.lock({identifier for item in items for identifier in item.flow_run_ids}, task_run_ids)
    unit_of_work.read(task_run_ids, [key for item in items for key in item.keys])
    unit_of_work.read_states(
        [report for item in items for report in item.task_run_reports],
        [report for item in items for report in item.flow_run_reports],
    )
    outcomes: list[object] = []
    for item in items:
        try:
            outcomes.append(item.make(unit_of_work))
        except ServiceError as error:
            outcomes.append(error)
    unit_of_work.write()
    return outcomes


def reported(entry: FlowRunEntry | TaskRunEntry, outcome: str, problem: ServiceError | None = None) -> ReportOutcome:
    """What became of a run."""
    return ReportOutcome(str(outcome), entry.id, entry.run.version, entry.run.state, problem, entry.sequence)
