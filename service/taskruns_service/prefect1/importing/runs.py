"""Writes flow runs, their task runs and histories as if they had been reported here, and counts them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Table, bindparam, select

from taskruns_service.domain import results
from taskruns_service.domain.history import replay
from taskruns_service.domain.runs import Run
from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.importing.source import Piece, Rows
from taskruns_service.prefect1.importing.values import (
    EPOCH,
    created_of,
    has_fit_link,
    has_fit_places,
    json_of,
    moment_of,
    name_of,
    texts_of,
    type_of,
    without_link,
    without_places,
)
from taskruns_service.prefect1.types import Columns, Row
from taskruns_service.storage import maps, tables, tally
from taskruns_service.storage.dialects import ListOfIds, ListOfTexts, Writes, any_of, insert_for, insert_many
from taskruns_service.storage.tally import Cell, Deltas, FlowRunCell, FlowRunDeltas

_flow_run, _task_run, _task = tables.flow_run, tables.task_run, tables.task


class _Entry(NamedTuple):
    """One state of a history: what decides about its run, and its row."""

    type: StateType
    timestamp: datetime
    columns: Columns


_History = Sequence[_Entry]
_Histories = dict[UUID, list[_Entry]]


class _Task(NamedTuple):
    """What task runs have of their task."""

    slug: str
    name: str
    tags: list[str] | None


class Group:
    """Flow runs that are written together, as their pieces come in.

    A flow run that is there already, or whose flow is not, is left out with all that belongs to it.
    """

    def __init__(self) -> None:
        self.copied: Counter[str] = Counter()
        self._flow_ids: dict[UUID, UUID] = {}
        self._sequences: Counter[UUID] = Counter()
        self._state_counts: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
        self._deltas: Deltas = Counter()
        self._flow_run_deltas: FlowRunDeltas = Counter()

    def write(self, connection: Connection, piece: Piece) -> None:
        """Writes a piece; with the last one, what is counted over all of them."""
        of_flow_runs = self._histories(piece.flow_run_states, "flow_run_id")
        if piece.flow_runs:
            self._write_flow_runs(connection, piece.flow_runs, of_flow_runs)
            of_flow_runs = {
                flow_run_id: history for flow_run_id, history in of_flow_runs.items() if flow_run_id in self._flow_ids
            }
        task_ids = {"ids": list({row.task_id for row in piece.task_runs})}
        tasks = {task_id: _Task(*task) for task_id, *task in connection.execute(_find_tasks, task_ids)}
        task_runs = [row for row in piece.task_runs if row.flow_run_id in self._flow_ids and row.task_id in tasks]
        self.copied["task runs left out"] += len(piece.task_runs) - len(task_runs)
        histories = self._histories(piece.task_run_states, "task_run_id")
        last = self._number(task_runs, histories, of_flow_runs)

        rows = [
            self._task_run_row(row, histories.get(row.id, ()), tasks[row.task_id], last[row.id]) for row in task_runs
        ]
        self._insert(connection, "task runs", _task_run, rows)
        for name, table, stored in (
            ("flow run states", tables.flow_run_state, of_flow_runs.values()),
            ("task run states", tables.task_run_state, (histories.get(row.id, ()) for row in task_runs)),
        ):
            entries = [state.columns for history in stored for state in history]
            self._insert(connection, name, table, entries)
        artifacts = [self._artifact(row) for row in piece.artifacts if row.task_run_id in last]
        self._insert(connection, "artifacts", tables.task_run_artifact, artifacts)
        logs = [_log(row) for row in piece.logs if row.flow_run_id in self._flow_ids]
        self._insert(connection, "logs", tables.log, logs)
        if piece.ends:
            self._count(connection)

    def _artifact(self, row: Row) -> Columns:
        data = row.data
        if not has_fit_link(data):
            data = without_link(data)
            self.copied["places left out"] += 1
        return {
            "id": row.id,
            "created": created_of(row),
            "updated": row.updated or created_of(row),
            "task_run_id": row.task_run_id,
            "kind": name_of(row.kind, ""),
            "data": json_of(data),
        }

    def _write_flow_runs(self, connection: Connection, rows: Rows, histories: _Histories) -> None:
        flows = set(connection.scalars(_find_flows, {"ids": list({row.flow_id for row in rows})}))
        keys = [row.idempotency_key for row in rows if row.idempotency_key]
        used_keys = {(row[0], row[1]) for row in connection.execute(_find_keys, {"ids": list(flows), "keys": keys})}
        flow_runs = [_flow_run_row(row, histories.get(row.id, ()), used_keys) for row in rows if row.flow_id in flows]
        if flow_runs:
            flow_runs.sort(key=lambda row: row["id"])
            # Somebody may have made one of them since they were looked for.
            insert = insert_for(connection, _flow_run).on_conflict_do_nothing().returning(_flow_run.c.id)
            inserted = set(connection.scalars(insert, flow_runs))
            written = [row for row in flow_runs if row["id"] in inserted]
            self._flow_ids = {row["id"]: row["flow_id"] for row in written}
            self._flow_run_deltas = Counter(FlowRunCell(row["flow_id"], row["state"]) for row in written)
        self.copied["flow runs"] += len(self._flow_ids)
        self.copied["flow runs left out"] += len(rows) - len(self._flow_ids)

    def _number(self, task_runs: Sequence[Row], histories: _Histories, of_flow_runs: _Histories) -> dict[UUID, int]:
        """Gives each state the next number of its flow run, in the order of time; the last number of each task run.

        A task run without states takes a number for having been made.
        """
        changes: defaultdict[UUID, list[_Entry]] = defaultdict(list)
        for flow_run_id, history in of_flow_runs.items():
            changes[flow_run_id] += history
        numbered: dict[UUID, Columns] = {}
        for row in task_runs:
            if row.id in histories:
                changes[row.flow_run_id] += histories[row.id]
            else:
                numbered[row.id] = {}
                changes[row.flow_run_id].append(_Entry(StateType.Pending, created_of(row), numbered[row.id]))
        for flow_run_id, entries in changes.items():
            entries.sort(key=attrgetter("timestamp"))
            for sequence, (_, _, columns) in enumerate(entries, self._sequences[flow_run_id] + 1):
                columns["sequence"] = sequence
            self._sequences[flow_run_id] += len(entries)
        last = {run_id: columns["sequence"] for run_id, columns in numbered.items()}
        return last | {
            row.id: max([columns["sequence"] for _, _, columns in histories[row.id]])
            for row in task_runs
            if row.id in histories
        }

    def _histories(self, rows: Iterable[Row], owner: str) -> _Histories:
        """Histories by run, each from its first state to the current one, as they are read."""
        histories: _Histories = {}
        # Most of what is copied comes through here: to unpack a row takes half the time of asking for its members.
        for id_, created, moment, name, start_time, version, run_id, message, details, result, due in rows:
            type_ = type_of(name)
            timestamp = moment or created or EPOCH
            reference = result
            if result is not None and not has_fit_places(result):
                reference = without_places(result)
                self.copied["places left out"] += 1
            columns = {
                "id": id_,
                owner: run_id,
                "version": version,
                "type": type_,
                "message": message,
                "timestamp": timestamp,
                "received_at": created or timestamp,
                "result": json_of(reference),
                "details": json_of(details) if type_ == name else _with_type(details, name),
                "accepted": True,
                "start_time": moment_of(due) or start_time,
            }
            histories.setdefault(run_id, []).append(_Entry(type_, timestamp, columns))
        return histories

    def _task_run_row(self, row: Row, history: _History, task: _Task, sequence: int) -> Columns:
        columns = _run_columns(row, history)
        flow_id, state = self._flow_ids[row.flow_run_id], columns["state"]
        self._state_counts[row.flow_run_id][state] += 1
        self._deltas[Cell(flow_id, task.slug, state)] += 1
        result = history[-1].columns["result"] if history else None
        return {
            **columns,
            "flow_run_id": row.flow_run_id,
            "flow_id": flow_id,
            "task_id": row.task_id,
            "task_slug": task.slug,
            "task_name": task.name,
            "map_index": -1 if row.map_index is None else row.map_index,
            "name": name_of(row.name),
            "tags": task.tags or [],
            "sequence": sequence,
            "result": result,
            "has_result": result is not None and results.is_kept(msgspec.json.decode(result)),
            "cache_key": row.cache_key,
        }

    def _insert(self, connection: Connection, name: str, table: Table, rows: list[Columns]) -> None:
        insert_many(connection, table, rows)
        self.copied[name] += len(rows)

    def _count(self, connection: Connection) -> None:
        """Writes what is known only after the last piece."""
        counted = [
            {"key": flow_id, "sequence": self._sequences[flow_id], "state_counts": dict(self._state_counts[flow_id])}
            for flow_id in sorted(self._flow_ids)
        ]
        if counted:
            connection.execute(_count_flow_run, counted)
            maps.count_children_of_flow_runs(connection, sorted(self._flow_ids))
        with Writes(connection) as writes:
            tally.TASK_RUNS.record(writes, self._deltas)
            tally.FLOW_RUNS.record(writes, self._flow_run_deltas)


def _with_type(details: str | None, type_: str | None) -> msgspec.Raw:
    """Details that keep the name of a type that the service does not know."""
    members = msgspec.json.decode(details) if details else {}
    return msgspec.Raw(msgspec.json.encode({**members, "original_type": type_}))


def _run_columns(row: Row, history: _History) -> Columns:
    """What a run's history makes of it. Where it is lost, what the server kept of the current state has to do."""
    current: Columns = {}
    if history:
        numbers = [state.columns["version"] or 0 for state in history]
        run = replay([state[:2] for state in history], version=max(row.version or 0, *numbers))
        current = history[-1].columns
    elif row.state:
        timestamp = row.state_timestamp or created_of(row)
        run = replay([(type_of(row.state), timestamp)], version=row.version or 0)
        run = replace(run, start_time=run.start_time or row.start_time)
        current = {"message": row.state_message, "start_time": row.state_start_time}
    else:
        run = Run()
    return {
        "id": row.id,
        "state": run.state,
        "state_id": current.get("id"),
        "state_message": current.get("message"),
        "state_timestamp": run.state_timestamp,
        "state_start_time": current.get("start_time"),
        "version": run.version,
        "run_count": run.run_count,
        "first_timestamp": run.first_timestamp,
        "start_time": run.start_time,
        "end_time": run.end_time,
        "duration": run.duration,
        "run_time": run.run_time,
        "queue_time": run.queue_time,
        "heartbeat": row.heartbeat,
        "created": created_of(row),
        "updated": row.updated or created_of(row),
    }


def _flow_run_row(row: Row, history: _History, used_keys: set[tuple[UUID, str]]) -> Columns:
    key = name_of(row.idempotency_key)
    return {
        **_run_columns(row, history),
        "flow_id": row.flow_id,
        "name": name_of(row.name, row.id),
        "parameters": json_of(row.parameters, "{}"),
        "labels": texts_of(row.labels),
        "context": json_of(row.context, "{}"),
        # The key finds the flow run that has it here.
        "idempotency_key": None if (row.flow_id, key) in used_keys else key,
        "sequence": 0,
        "state_counts": {},
        "scheduled_start_time": row.scheduled_start_time,
        "auto_scheduled": row.auto_scheduled,
        "run_config": json_of(row.run_config),
        "agent_id": row.agent_id,
    }


def _log(row: Row) -> Columns:
    timestamp = row.timestamp or created_of(row)
    return {
        "id": row.id,
        "flow_run_id": row.flow_run_id,
        "task_run_id": row.task_run_id,
        "timestamp": timestamp,
        "name": row.name,
        "level": (row.level or "INFO")[:32],
        "message": row.message,
        "info": json_of(row.info),
        "created": row.created or timestamp,
    }


def known_flow_runs(connection: Connection, ids: list[UUID]) -> set[UUID]:
    """Which of these flow runs are here."""
    return set(connection.scalars(_find_flow_runs, {"ids": ids}))


def _is_one_of(column: ColumnElement[UUID]) -> ColumnElement[bool]:
    return any_of(column, bindparam("ids", type_=ListOfIds))


_find_flow_runs = select(_flow_run.c.id).where(_is_one_of(_flow_run.c.id))
_find_flows = select(tables.flow.c.id).where(_is_one_of(tables.flow.c.id))
_find_tasks = select(_task.c.id, _task.c.slug, _task.c.name, _task.c.tags).where(_is_one_of(_task.c.id))
_find_keys = select(_flow_run.c.flow_id, _flow_run.c.idempotency_key).where(
    _is_one_of(_flow_run.c.flow_id), any_of(_flow_run.c.idempotency_key, bindparam("keys", type_=ListOfTexts))
)
_count_flow_run = (
    _flow_run.update()
    .where(_flow_run.c.id == bindparam("key"))
    .values(sequence=bindparam("sequence"), state_counts=bindparam("state_counts"))
)
