"""Integrity: whether what is kept about runs agrees with itself, read in pages of one moment of the database."""

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, takewhile
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, Table, func, literal, select, tuple_, union_all

from taskruns_service.domain import results
from taskruns_service.domain.errors import FlowRunNotFound
from taskruns_service.domain.replays import Comparison, KeptRun, KeptState, compare
from taskruns_service.queries.members import Condition
from taskruns_service.storage import dialects, maps, tables, tally
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import Column, ListOfIds, RowSelect, any_of
from taskruns_service.storage.transactions import Session

_flow_run, _task_run, _task = tables.flow_run, tables.task_run, tables.task
_flow_run_state, _task_run_state = tables.flow_run_state, tables.task_run_state

FLOW_RUNS = 50
"""How many flow runs are looked at together."""
NUMBERS = 100_000
"""How many numbers of sequences are compared together, but for a flow run that has more: the database sorts them."""
TASK_RUNS = 250
"""How many task runs are in memory, with their histories; a result may have as many bytes as a state."""
ORPHANS = 100


_Row = Row[*tuple[Any, ...]]


class Finding(NamedTuple):
    """What is wrong with something."""

    subject: str
    problem: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


Place = tuple[UUID, UUID] | None
"""The flow run and the id of the last task run of a page."""


async def check(database: Database, flow_run_id: UUID | None = None) -> AsyncGenerator[Finding, None]:
    """Yields what is wrong with one flow run, or with the whole database.

    Raises FlowRunNotFound, and what the driver raises.
    """
    async with database.snapshot() as session:
        if flow_run_id is not None:
            if not await session.run(_next_flow_runs, flow_run_id=flow_run_id):
                raise FlowRunNotFound(f"There is no flow run {flow_run_id}.")
            async for finding in _check_flow_runs(session, [flow_run_id]):
                yield finding
            return
        if (damage := await session.run(dialects.find_damage)) is not None:
            yield Finding("file", damage)
            return  # nothing more can be read with confidence
        for finding in [*await session.run(_find_drifts), *await session.run(_find_orphans)]:
            yield finding
        ids: list[UUID] = []
        while ids := await session.run(_next_flow_runs, ids[-1] if ids else None):
            async for finding in _check_flow_runs(session, ids):
                yield finding


async def _check_flow_runs(session: Session, ids: list[UUID]) -> AsyncIterator[Finding]:
    """Yields what is wrong with some flow runs and all that belongs to them."""
    totals = await session.run(_read_totals, ids)
    for finding in await session.run(_check_rows, ids, totals):
        yield finding
    place: Place = None
    while True:
        findings, place = await session.run(_check_task_runs, ids, totals, place)
        for finding in findings:
            yield finding
        if place is None:
            break
    for finding in _check_totals(totals):
        yield finding


class _Total:
    """What is counted over one flow run."""

    def __init__(self, row: _Row) -> None:
        self.id: UUID = row.id
        self.sequence: int = row.sequence
        self.flow_id: UUID = row.flow_id
        self.states = 0
        """How many states there are, of the flow run and of its task runs."""
        self.created = 0
        """How many of its task runs took a number of its sequence when they were made."""
        self.changes: int | None = 0
        """How many changes the versions of its runs count that are no states; None where histories do not tell."""

    def add(self, comparison: Comparison) -> None:
        """Adds one run."""
        if self.changes is not None:
            self.changes = None if comparison.changes is None else self.changes + comparison.changes


_Totals = Mapping[UUID, _Total]


def _next_flow_runs(
    connection: Connection, after: UUID | None = None, *, flow_run_id: UUID | None = None
) -> list[UUID]:
    statement = select(_flow_run.c.id, _flow_run.c.sequence).order_by(_flow_run.c.id).limit(FLOW_RUNS)
    if flow_run_id is not None:
        statement = statement.where(_flow_run.c.id == flow_run_id)
    elif after is not None:
        statement = statement.where(_flow_run.c.id > after)
    rows = connection.execute(statement).all()
    totals = accumulate(row.sequence for row in rows)
    count = sum(1 for _ in takewhile(lambda total: total <= NUMBERS, totals))
    return [row.id for row in rows[: max(1, count)]]


def _read_totals(connection: Connection, ids: list[UUID]) -> _Totals:
    rows = connection.execute(
        select(_flow_run.c.id, _flow_run.c.sequence, _flow_run.c.flow_id).where(_among(_flow_run.c.id, ids))
    )
    return {row.id: _Total(row) for row in rows}


def _check_rows(connection: Connection, ids: list[UUID], totals: _Totals) -> list[Finding]:
    """What is wrong with flow runs themselves, and with what is counted and numbered over their task runs."""
    findings: list[Finding] = []
    histories = _read_histories(connection, _flow_run_state, "flow_run_id", ids)
    counted: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    of_runs = select(_task_run.c.flow_run_id, _task_run.c.state, func.count()).where(
        _among(_task_run.c.flow_run_id, ids)
    )
    for flow_run_id, state, count in connection.execute(of_runs.group_by(_task_run.c.flow_run_id, _task_run.c.state)):
        counted[flow_run_id][state] = count
    for row in connection.execute(_runs_with_states(_flow_run, _flow_run_state).where(_among(_flow_run.c.id, ids))):
        history, total = histories[row.id], totals[row.id]
        total.states += len(history)
        findings += _findings_of_run(f"flow run {row.id}", row, history, total)
        nonzero_counts = Counter({state: count for state, count in row.state_counts.items() if count})
        for state in sorted(nonzero_counts.keys() | counted[row.id].keys()):
            if nonzero_counts[state] != counted[row.id][state]:
                problem = f"counted {counted[row.id][state]}, kept {nonzero_counts[state]}"
                findings.append(Finding(f"flow run {row.id} {state}", problem))
    for flow_run_id, slug, map_index in connection.execute(_natural_keys_of_several(ids)):
        problem = f"several task runs have the natural key {slug} {map_index}"
        findings.append(Finding(f"flow run {flow_run_id}", problem))
    for drift in maps.check(connection, ids):
        findings.append(Finding(drift.subject, f"counted {drift.counted}, kept {drift.stored}"))
    for statement in (_numbers_of_several_states(ids), _numbers_of_several_runs(ids)):
        for flow_run_id, sequence in connection.execute(statement):
            findings.append(Finding(f"flow run {flow_run_id}", f"the sequence {sequence} occurs several times"))
    return findings


def _check_task_runs(
    connection: Connection, ids: list[UUID], totals: _Totals, after: Place
) -> tuple[list[Finding], Place]:
    """What is wrong with a page of task runs, and the place of the last one; None after the last page."""
    columns = (_task_run.c.flow_run_id, _task_run.c.id)
    statement = (
        _runs_with_states(_task_run, _task_run_state)
        .outerjoin(_task, _task.c.id == _task_run.c.task_id)
        .add_columns(_task.c.slug.label("slug_of_task"), _task.c.flow_id.label("flow_of_task"))
        .where(_among(_task_run.c.flow_run_id, ids))
        .order_by(*columns)
        .limit(TASK_RUNS)
    )
    if after is not None:
        values = (literal(value, column.type) for value, column in zip(after, columns, strict=True))
        statement = statement.where(tuple_(*columns) > tuple_(*values))
    rows = connection.execute(statement).all()
    histories = _read_histories(connection, _task_run_state, "task_run_id", [row.id for row in rows])
    findings: list[Finding] = []
    for row in rows:
        history, total = histories[row.id], totals[row.flow_run_id]
        total.states += len(history)
        # What was copied from another service took a number only if it had no states.
        total.created += not history or all(state.forced is not None for state in history)
        subject = f"task run {row.id}"
        findings += _findings_of_run(subject, row, history, total)
        findings += (Finding(subject, problem) for problem in _problems_of_key(row, total))
        if row.has_result != results.is_kept(row.result):
            findings.append(Finding(subject, f"its has_result is {row.has_result}, which contradicts its result"))
    is_last = len(rows) < TASK_RUNS
    return findings, None if is_last else (rows[-1].flow_run_id, rows[-1].id)


def _problems_of_key(row: _Row, total: _Total) -> Iterator[str]:
    if (row.slug_of_task, row.flow_of_task) != (row.task_slug, row.flow_id):
        yield f"its natural key has the task slug {row.task_slug}, but its task has {row.slug_of_task}"
    if row.flow_id != total.flow_id:
        yield f"it belongs to the flow {row.flow_id}, but its flow run belongs to {total.flow_id}"
    if row.map_index < -1:
        yield f"its natural key has the map index {row.map_index}"


def _findings_of_run(subject: str, row: _Row, history: Sequence[KeptState], total: _Total) -> Iterator[Finding]:
    comparison = compare(KeptRun(*(getattr(row, name) for name in KeptRun._fields)), history)
    total.add(comparison)
    problems = list(comparison.problems)
    if row.state_id is not None and row.id_of_state is not None:
        if row.state_message != row.message_of_state:
            problems.append("its message differs from that of its current state")
        if subject.startswith("task") and row.result != row.result_of_state:
            problems.append("its result differs from that of its current state")
    last = max((state.sequence for state in history if state.accepted), default=0)
    if not last <= row.sequence <= total.sequence:
        problems.append(f"its sequence is {row.sequence}, but should be from {last} to {total.sequence}")
    numbers = [state.sequence for state in history]
    if numbers and not 1 <= min(numbers) <= max(numbers) <= total.sequence:
        problems.append(f"a state has the sequence {max(numbers)}, but its flow run is at {total.sequence}")
    return (Finding(subject, problem) for problem in problems)


def _check_totals(totals: _Totals) -> Iterator[Finding]:
    """What is wrong with the numbers of flow runs: each state, each new task run and each other change takes one."""
    for total in totals.values():
        rest = total.sequence - total.states - total.created
        if rest < 0:
            problem = (
                f"its sequence is {total.sequence}, but its task runs and states account for {total.sequence - rest}"
            )
            yield Finding(f"flow run {total.id}", problem)
        elif total.changes is not None and total.changes > rest:
            versions = f"the versions of its runs count {total.changes} changes that are not states"
            problem = f"{versions}, but its sequence counts {rest}"
            yield Finding(f"flow run {total.id}", problem)


def _runs_with_states(runs: Table, states: Table) -> RowSelect:
    """Runs with their current states."""
    of_state = [states.c[name].label(f"{name}_of_state") for name in ("id", "message", "result")]
    return select(runs, *of_state).select_from(runs.outerjoin(states, states.c.id == runs.c.state_id))


def _read_histories(
    connection: Connection, states: Table, owner: str, ids: list[UUID]
) -> defaultdict[UUID, list[KeptState]]:
    columns = [states.c[name] for name in KeptState._fields]
    statement = select(states.c[owner], *columns).where(_among(states.c[owner], ids)).order_by(states.c.sequence)
    histories: defaultdict[UUID, list[KeptState]] = defaultdict(list)
    for run_id, *state in connection.execute(statement):
        histories[run_id].append(KeptState(*state))
    return histories


def _natural_keys_of_several(ids: list[UUID]) -> RowSelect:
    key = (_task_run.c.flow_run_id, _task_run.c.task_slug, _task_run.c.map_index)
    return select(*key).where(_among(_task_run.c.flow_run_id, ids)).group_by(*key).having(func.count() > 1)


def _numbers_of_several_states(ids: list[UUID]) -> RowSelect:
    of_flow_runs = select(_flow_run_state.c.flow_run_id, _flow_run_state.c.sequence).where(
        _among(_flow_run_state.c.flow_run_id, ids)
    )
    of_task_runs = (
        select(_task_run.c.flow_run_id, _task_run_state.c.sequence)
        .join_from(_task_run, _task_run_state, _task_run_state.c.task_run_id == _task_run.c.id)
        .where(_among(_task_run.c.flow_run_id, ids))
    )
    numbers = union_all(of_flow_runs, of_task_runs).subquery("number")
    key = (numbers.c.flow_run_id, numbers.c.sequence)
    return select(*key).group_by(*key).having(func.count() > 1)


def _numbers_of_several_runs(ids: list[UUID]) -> RowSelect:
    key = (_task_run.c.flow_run_id, _task_run.c.sequence)
    return select(*key).where(_among(_task_run.c.flow_run_id, ids)).group_by(*key).having(func.count() > 1)


def _among(column: Column, ids: Iterable[UUID]) -> Condition:
    return any_of(column, literal(list(ids), ListOfIds))


def _find_drifts(connection: Connection) -> list[Finding]:
    return [
        Finding(f"tally {drift.subject}", f"counted {drift.counted}, kept {drift.stored}")
        for drift in tally.check(connection)
    ]


def _find_orphans(connection: Connection) -> list[Finding]:
    """Rows whose run is not there; the first ORPHANS of each table."""
    findings: list[Finding] = []
    for table, owner, runs in (
        (_task_run, "flow_run_id", _flow_run),
        (_flow_run_state, "flow_run_id", _flow_run),
        (_task_run_state, "task_run_id", _task_run),
        (tables.task_run_map, "flow_run_id", _flow_run),
    ):
        missing = (
            select(*table.primary_key, table.c[owner].label("owner"))
            .join_from(table, runs, runs.c.id == table.c[owner], isouter=True)
            .where(runs.c.id.is_(None))
            .limit(ORPHANS)
        )
        for *key, run_id in connection.execute(missing):
            subject = " ".join((table.name.replace("_", " "), *map(str, key)))
            findings.append(Finding(subject, f"there is no {runs.name.replace('_', ' ')} {run_id}"))
    return findings
