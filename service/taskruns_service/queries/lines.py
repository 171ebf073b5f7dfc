"""New log lines of one flow run, as streams send them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Integer, literal_column, select, tuple_

from taskruns_service.queries.members import LOG_MEMBERS
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import ListOfIds, Prepared, Timestamp, any_of, json_object, placeholder

MAX_LINES = 200
"""The most lines that are read at a time; each may have 64 KiB."""

_log = tables.log


class LineKey(NamedTuple):
    """The position of a line in its flow run."""

    timestamp: datetime
    id: UUID


class Line(NamedTuple):
    """A line: its position, and a `LogLine` as JSON."""

    key: LineKey
    text: str


_of_flow_run = _log.c.flow_run_id == placeholder("flow_run_id")
_key = (_log.c.timestamp, _log.c.id)
_limit = placeholder("limit", Integer())
_find_lines = Prepared(
    select(*_key).where(_of_flow_run, _log.c.timestamp > placeholder("after", Timestamp)).order_by(*_key).limit(_limit),
    replan=True,
)
_find_newest_line = Prepared(
    select(*_key).where(_of_flow_run).order_by(*(column.desc() for column in _key)).limit(literal_column("1"))
)
_read_lines = Prepared(
    select(*_key, json_object(LOG_MEMBERS))
    .where(any_of(_log.c.id, placeholder("ids", ListOfIds)), _of_flow_run)
    .order_by(*_key)
)
_read_lines_after = Prepared(
    select(*_key, json_object(LOG_MEMBERS))
    .where(_of_flow_run, tuple_(*_key) > tuple_(placeholder("after", Timestamp), placeholder("id", _log.c.id.type)))
    .order_by(*_key)
    .limit(_limit),
    replan=True,
)


def find_newest_line(connection: Connection, flow_run_id: UUID) -> LineKey | None:
    """The key of the newest line; None if there is none."""
    row = _find_newest_line.first(connection, {"flow_run_id": flow_run_id})
    return None if row is None else LineKey(*row)


def find_lines(connection: Connection, flow_run_id: UUID, after: datetime, limit: int) -> list[LineKey]:
    """The keys of the first lines after a moment, oldest first, from an index alone."""
    values = {"flow_run_id": flow_run_id, "after": after, "limit": limit}
    return [LineKey(*row) for row in _find_lines.rows(connection, values)]


def read_lines(connection: Connection, flow_run_id: UUID, line_ids: Sequence[UUID]) -> list[Line]:
    """Lines of a flow run by their ids, oldest first; those that do not exist are missing."""
    return [
        Line(LineKey(timestamp, identifier), text)
        for timestamp, identifier, text in _read_lines.rows(
            connection, {"flow_run_id": flow_run_id, "ids": list(line_ids)}
        )
    ]


def read_lines_after(connection: Connection, flow_run_id: UUID, key: LineKey) -> list[Line]:
    """The first lines after a key, oldest first, at most MAX_LINES."""
    values = {"flow_run_id": flow_run_id, "after": key.timestamp, "id": key.id, "limit": MAX_LINES}
    return [
        Line(LineKey(timestamp, identifier), text)
        for timestamp, identifier, text in _read_lines_after.rows(connection, values)
    ]
