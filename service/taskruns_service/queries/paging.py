"""Pages: the keys that lists may be sorted by, and the opaque cursor that says where the next page begins."""

import hashlib
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Table, and_, false, or_, tuple_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from taskruns_service.domain.errors import Fault, InvalidCursor, InvalidRequest
from taskruns_service.queries.members import Condition
from taskruns_service.queries.parameters import CURSOR_LENGTH, Parameter, Values, integer, text
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Column, by_no_index, placeholder

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
SORT_LENGTH = 200

LIMIT = Parameter(
    name="limit",
    value=integer(1, MAX_LIMIT),
    description="The maximum number of items on a page.",
    default=DEFAULT_LIMIT,
)
CURSOR = Parameter(
    name="cursor",
    value=text(CURSOR_LENGTH),
    description="Where the page starts: `next_cursor` of the previous page, with the same filters.",
)

INTEGER = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""What a column of type Integer holds; others hold what `_CURSOR_TYPES` has."""


SECONDS = ("duration", "run_time", "queue_time")


class Key(NamedTuple):
    """A column that a list may be sorted by.

    `indexed_globally`: an index has the whole table in this order. Other keys are for the task runs of one flow run,
    which are few enough to be sorted when asked.
    """

    column: Column
    type: type
    nullable: bool = False
    indexed_globally: bool = False

    @property
    def cursor_type(self) -> Any:
        """The type of its values in a cursor: no more than the column holds."""
        return INTEGER if self.type is int and not isinstance(self.column.type, BigInteger) else self.type


_task_run, _flow_run = tables.task_run.c, tables.flow_run.c


def _seconds_keys(columns: ReadOnlyColumnCollection[str, Any]) -> dict[str, Key]:
    return {name: Key(columns[name], float, nullable=True, indexed_globally=True) for name in SECONDS}


# Ids of task runs are made by the service and in the order of time, so they stand for the creation time.
TASK_RUN_KEYS: dict[str, Key] = {
    "created": Key(_task_run.id, UUID, indexed_globally=True),
    "start_time": Key(_task_run.start_time, datetime, nullable=True, indexed_globally=True),
    "end_time": Key(_task_run.end_time, datetime, nullable=True, indexed_globally=True),
    **_seconds_keys(_task_run),
    "updated": Key(_task_run.updated, datetime),
    "sequence": Key(_task_run.sequence, int),
    "task_slug": Key(_task_run.task_slug, str),
    "map_index": Key(_task_run.map_index, int),
    "name": Key(_task_run.name, str, nullable=True),
    "state": Key(_task_run.state, str),
    "run_count": Key(_task_run.run_count, int),
}
FLOW_RUN_KEYS: dict[str, Key] = {
    "created": Key(_flow_run.created, datetime, indexed_globally=True),
    "start_time": Key(_flow_run.start_time, datetime, nullable=True, indexed_globally=True),
    "end_time": Key(_flow_run.end_time, datetime, nullable=True, indexed_globally=True),
    **_seconds_keys(_flow_run),
}


class Order(NamedTuple):
    """One key of a sort, with its direction. Rows without a value come last in both directions."""

    name: str
    key: Key
    descending: bool

    def by(self, *, nulls: bool) -> Column:
        """The ORDER BY term; `nulls` says whether there are rows without a value to put last."""
        term = self.key.column.desc() if self.descending else self.key.column.asc()
        return term.nulls_last() if nulls else term

    def same(self, value: object) -> Condition:
        """The rows with this value."""
        return self.key.column.is_(None) if value is None else self.key.column == value

    def beyond(self, value: object) -> Condition:
        """The rows that come after those with this value."""
        if value is None:
            return false()
        after = self.key.column < value if self.descending else self.key.column > value
        return or_(after, self.key.column.is_(None)) if self.key.nullable else after

    def from_(self, value: object) -> Condition:
        """The rows with this value (not None) or after it: what lets an index begin at the page."""
        return and_(self.key.column <= value if self.descending else self.key.column >= value)


def history_keys(history: Table) -> dict[str, Key]:
    """The keys of a history."""
    return {"timestamp": Key(history.c.timestamp, datetime), "sequence": Key(history.c.sequence, int)}


LOG_KEYS: dict[str, Key] = {"timestamp": Key(tables.log.c.timestamp, datetime)}


def leading_keys(keys: Mapping[str, Key], *, across_flow_runs: bool) -> list[str]:
    """The keys that a sort can begin with: across flow runs an index has to lead."""
    return [name for name, key in keys.items() if key.indexed_globally or not across_flow_runs]


def read_sort(text: str, keys: Mapping[str, Key], identifier: Column, *, across_flow_runs: bool) -> tuple[Order, ...]:
    """Reads `-start_time,task_slug`; the id is appended, in the direction of the first key, to make the order total.

    Raises InvalidRequest when a key is unknown, repeated, or comes first and has no index across flow runs.
    """
    orders: list[Order] = []
    for part in text.split(","):
        name, descending = part.removeprefix("-"), part.startswith("-")
        # Further keys order the few rows that are alike in the first.
        allowed = leading_keys(keys, across_flow_runs=across_flow_runs and not orders)
        if name not in allowed:
            where = " that can come first across flow runs" if name in keys else ""
            raise _refuse(
                f"`{name}` is not a sort key{where}. The keys are {', '.join(allowed)}, with a leading `-` for "
                f"descending order."
            )
        if any(order.name == name for order in orders):
            raise _refuse("It contains a key twice.")
        orders.append(Order(name, keys[name], descending))
    if all(order.key.column is not identifier for order in orders):
        orders.append(Order("id", Key(identifier, UUID), orders[0].descending))
    return tuple(orders)


def _refuse(detail: str) -> InvalidRequest:
    return InvalidRequest(faults=(Fault(parameter="sort", detail=detail),))


class Range(NamedTuple):
    """A part of an index: conditions to be combined with AND, and ORDER BY terms."""

    conditions: list[Condition]
    order_by: list[Column]


def _after(orders: Sequence[Order], values: Sequence[object] | None) -> list[Condition]:
    """The rows that come after those values in that order."""
    if values is None:
        return []
    pairs = list(zip(orders, values, strict=True))
    steps = [
        and_(*(order.same(value) for order, value in pairs[:index]), order.beyond(last))
        for index, (order, last) in enumerate(pairs)
    ]
    if len(steps) == 1 or orders[0].key.nullable:
        # Rows without a value come after those with any, so there is no bound to begin at.
        return [or_(*steps)]
    # The OR alone would read the index from its beginning.
    return [orders[0].from_(values[0]), or_(*steps)]


class PageShape(NamedTuple):
    """Which page of a list, without the values of the row before it: pages of one shape share statements."""

    orders: tuple[Order, ...]
    limit: int
    after: tuple[str | None, ...] | None
    """Names for the values of the sort keys in the row before the page, None for those that it lacks."""

    def ranges(self) -> list[Range]:
        """The parts of an index that have the page, to be read in turn until it is full.

        There are two where rows may lack a value of the first key: those with one, and then those without. So one
        index serves both directions, though the rows without a value come last in both.
        """
        first, *rest = self.orders
        after: list[object] | None = None
        if self.after is not None:
            after = [None if name is None else placeholder(name) for name in self.after]
        terms = [first.by(nulls=False), *(order.by(nulls=order.key.nullable) for order in rest)]
        if not first.key.nullable:
            return [Range(_after(self.orders, after), terms)]
        column = first.key.column
        valued = [first._replace(key=first.key._replace(nullable=False)), *rest]
        if after is not None and after[0] is None:
            return [Range([column.is_(None), *_after(rest, after[1:])], terms)]
        return [
            Range([column.is_not(None), *_after(valued, after)], terms),
            Range([column.is_(None)], terms),
        ]

    @property
    def by_no_index(self) -> "PageShape":
        """The same page, of rows that are sorted instead of being read in the order of an index."""
        keys = [order.key._replace(column=by_no_index(order.key.column)) for order in self.orders]
        orders = (order._replace(key=key) for order, key in zip(self.orders, keys, strict=True))
        return self._replace(orders=tuple(orders))

    def range_led_by(self, column: Column, value: object) -> Range:
        """Returns the part of an index that has the rows with one value of a column, in this order.

        All keys must have one direction and never be null. Writes `col >= v AND col <= v` rather than `col = v`: with
        equality the planner drops `col` from ORDER BY and may choose an index that lacks it.
        """
        descending = self.orders[0].descending
        keys = [column, *(order.key.column for order in self.orders)]
        conditions = [column >= value, column <= value]
        if self.after is not None:
            names = zip(self.after, self.orders, strict=True)
            last = tuple_(value, *(placeholder(name or "", order.key.column.type) for name, order in names))
            conditions.append(tuple_(*keys) < last if descending else tuple_(*keys) > last)
        return Range(conditions, [key.desc() if descending else key.asc() for key in keys])


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of a list: its order, its size, and the values of the sort keys in the row before it."""

    orders: tuple[Order, ...]
    limit: int = DEFAULT_LIMIT
    after: tuple[object, ...] | None = None
    question: bytes = b""

    @property
    def shape(self) -> PageShape:
        """The page without its values."""
        names = [None if value is None else f"after_{place}" for place, value in enumerate(self.after or ())]
        return PageShape(self.orders, self.limit, None if self.after is None else tuple(names))

    @property
    def values(self) -> dict[str, object]:
        """The values by their names in the shape."""
        return {f"after_{place}": value for place, value in enumerate(self.after or ())}

    def cursor(self, values: Sequence[object]) -> str:
        """The cursor of the page after the row with these values of the sort keys."""
        return write_cursor(self.question, tuple(values))


def page_of(values: Values, orders: tuple[Order, ...], question: bytes) -> Page:
    """The page that `limit` and `cursor` ask for; raises InvalidCursor for a cursor of another question."""
    cursor = values.get("cursor")
    types = [(order.key.cursor_type, order.key.nullable) for order in orders]
    after = None if cursor is None else read_cursor(cursor, question, types)
    return Page(orders=orders, limit=values["limit"], after=after, question=question)


# What databases take, so that a cursor that somebody made up is refused and not asked for.
_CURSOR_TYPES: dict[type, Any] = {
    int: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    str: Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")],
    datetime: Annotated[datetime, msgspec.Meta(tz=True)],
}
_DIGEST_BYTES = 8


def question_of(*parts: object) -> bytes:
    """A short fingerprint of what was asked, so that a cursor is not used for another question."""
    return _digest(msgspec.json.encode(parts, order="deterministic", enc_hook=str))


def write_cursor(question: bytes, values: tuple[object, ...]) -> str:
    """A cursor as text for a URL: a digest of the question and the values, and the values of the last row's sort keys.

    The digest has no secret: whoever makes a cursor up gets rows that a filter would give as well.
    """
    encoded = msgspec.msgpack.encode(values)
    return urlsafe_b64encode(_digest(question + encoded) + encoded).decode().rstrip("=")


def read_cursor(text: str, question: bytes, types: Sequence[tuple[Any, bool]]) -> tuple[object, ...]:
    """The values in a cursor, of these types (and whether each may be None); moments are in UTC.

    Raises InvalidCursor when it is not, to the letter, what `write_cursor` made for this question.
    """
    bounded = ((_CURSOR_TYPES.get(type_, type_), nullable) for type_, nullable in types)
    values_type = tuple.__class_getitem__(tuple(type_ | None if nullable else type_ for type_, nullable in bounded))
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        digest, encoded = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        # Base64 has several texts for the same bytes.
        if digest != _digest(question + encoded) or urlsafe_b64encode(raw).decode().rstrip("=") != text:
            raise InvalidCursor
        return tuple(_normalized(value) for value in msgspec.msgpack.decode(encoded, type=values_type))
    except (ValueError, OverflowError, msgspec.DecodeError):
        raise InvalidCursor from None


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _normalized(value: object) -> object:
    """A value as databases compare it. Raises OverflowError for a moment that has no UTC form, ValueError for NaN."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("NaN has no place in an order")
    return value
