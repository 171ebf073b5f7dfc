"""Pages: reading a sort, and cursors that are read as they were written, and only for the same question."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskruns_service.domain.errors import InvalidCursor, InvalidRequest
from taskruns_service.domain.states import StateType
from taskruns_service.queries.paging import (
    FLOW_RUN_KEYS,
    TASK_RUN_KEYS,
    Order,
    Page,
    question_of,
    read_cursor,
    read_sort,
    write_cursor,
)
from taskruns_service.storage import tables

QUESTION = question_of("task runs", {"state": [StateType.Failed]}, "-created")
ID = tables.task_run.c.id
TEXT = 'aZ09 "\\/%+=&\x01\x1f\x7f\x80ßé\u07ff\u0800€\ud7ff\ue000\ufeff\uffff\U00010000😀\U0010ffff'
"""What databases have (no U+0000): the first and last characters of one to four bytes in UTF-8, and some between."""
OF_TYPE: dict[type, st.SearchStrategy[Any]] = {
    UUID: st.uuids(),
    datetime: st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: st.text(TEXT, max_size=40),
}
Types = list[tuple[type, bool]]
keys = st.tuples(st.sampled_from(list(OF_TYPE)), st.booleans())


@st.composite
def rows(draw: st.DrawFn) -> tuple[Types, tuple[Any, ...]]:
    """The types of some sort keys, and the values that a row has of them."""
    types = draw(st.lists(keys, min_size=1, max_size=4))
    values = [draw(OF_TYPE[one] | st.none() if nullable else OF_TYPE[one]) for one, nullable in types]
    return types, tuple(values)


def names(orders: Iterable[Order]) -> list[str]:
    return ["-" * order.descending + order.name for order in orders]


def sorted_by(text: str, *, across_flow_runs: bool = False) -> list[str]:
    return names(read_sort(text, TASK_RUN_KEYS, ID, across_flow_runs=across_flow_runs))


# Sorts


def test_every_key_has_a_type_that_cursors_keep() -> None:
    assert {key.type for key in (*TASK_RUN_KEYS.values(), *FLOW_RUN_KEYS.values())} <= OF_TYPE.keys()


@pytest.mark.parametrize("key", [*TASK_RUN_KEYS.values(), *FLOW_RUN_KEYS.values()], ids=lambda key: str(key.column))
def test_key_is_nullable_as_its_column_is(key: Any) -> None:
    assert key.nullable == key.column.nullable


def test_id_is_appended_in_the_direction_of_the_first_key() -> None:
    assert sorted_by("task_slug") == ["task_slug", "id"]
    assert sorted_by("-start_time,task_slug") == ["-start_time", "task_slug", "-id"]


def test_creation_is_the_order_of_ids() -> None:
    assert sorted_by("-created") == ["-created"]
    assert sorted_by("state,created") == ["state", "created"]


def test_flow_runs_of_one_moment_are_in_the_order_of_ids() -> None:
    assert names(read_sort("-created", FLOW_RUN_KEYS, tables.flow_run.c.id, across_flow_runs=True)) == [
        "-created",
        "-id",
    ]


REFUSED = {
    "nothing": "`` is not a sort key.",
    "-": "`` is not a sort key.",
    "--created": "`-created` is not a sort key.",
    "Created": "`Created` is not a sort key.",
    "created,": "`` is not a sort key.",
    " created": "` created` is not a sort key.",
    "id": "`id` is not a sort key.",
    "state,-state": "It contains a key twice.",
}


@pytest.mark.parametrize(("text", "detail"), REFUSED.items())
def test_sort_that_is_not_there_is_refused(text: str, detail: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sorted_by("" if text == "nothing" else text)
    (fault,) = refused.value.faults
    assert fault.parameter == "sort"
    assert fault.detail.startswith(detail)


@pytest.mark.parametrize("name", [name for name, key in TASK_RUN_KEYS.items() if not key.indexed_globally])
def test_key_without_an_index_does_not_come_first_across_flow_runs(name: str) -> None:
    assert sorted_by(f"start_time,{name}", across_flow_runs=True) == ["start_time", name, "id"]
    with pytest.raises(InvalidRequest, match="across flow runs"):
        sorted_by(name, across_flow_runs=True)


# Cursors


@given(rows())
def test_cursor_is_read_as_it_was_written(row: tuple[Types, tuple[Any, ...]]) -> None:
    types, values = row
    assert read_cursor(write_cursor(QUESTION, values), QUESTION, types) == values


@given(rows())
def test_cursor_needs_no_escape_in_a_url(row: tuple[Types, tuple[Any, ...]]) -> None:
    cursor = write_cursor(QUESTION, row[1])
    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_page_writes_a_cursor_for_its_question() -> None:
    page = Page(orders=read_sort("-created", TASK_RUN_KEYS, ID, across_flow_runs=True), question=QUESTION)
    assert read_cursor(page.cursor([UUID(int=1)]), QUESTION, [(UUID, False)]) == (UUID(int=1),)


OTHER_QUESTIONS = [
    ("flow runs", {"state": [StateType.Failed]}, "-created"),
    ("task runs", {"state": [StateType.Success]}, "-created"),
    ("task runs", {"state_not": [StateType.Failed]}, "-created"),
    ("task runs", {}, "-created"),
    ("task runs", {"state": [StateType.Failed]}, "created"),
    ("task runs", {"state": [StateType.Failed]}),
]


@pytest.mark.parametrize("other", OTHER_QUESTIONS)
def test_cursor_of_another_question_is_refused(other: tuple[Any, ...]) -> None:
    cursor = write_cursor(question_of(*other), (UUID(int=1),))
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, QUESTION, [(UUID, False)])


def test_question_is_the_same_in_whatever_order_it_is_asked() -> None:
    moment = datetime(2021, 5, 12, tzinfo=UTC)
    one, other = {"a": [UUID(int=1)], "b": moment}, {"b": moment, "a": [UUID(int=1)]}
    assert question_of(one) == question_of(other)


@pytest.mark.parametrize("type_", OF_TYPE, ids=lambda one: one.__name__)
def test_value_of_another_type_is_refused(type_: type) -> None:
    cursor = write_cursor(QUESTION, ([],))
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, QUESTION, [(type_, True)])


def test_missing_value_is_refused_where_there_is_always_one() -> None:
    cursor = write_cursor(QUESTION, (None,))
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, QUESTION, [(int, False)])


def coded(value: Any) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(value)).decode()


GARBAGE = {
    "a word": "next",
    "one character": "a",
    "not of the alphabet": "!!!!",
    "not ASCII": "ä",
    "NUL": "\0",
    "padding alone": "====",
    "no pair": coded(5),
    "no values": coded([QUESTION]),
    "no fingerprint": coded([None, [1]]),
    "too many values": coded([QUESTION, [1, 2]]),
    "too few values": coded([QUESTION, []]),
    "another type": coded([QUESTION, [[]]]),
    "more than a cursor": coded([QUESTION, [1], 5]),
    "a number beyond what databases have": coded([QUESTION, [2**63]]),
}


@pytest.mark.parametrize("cursor", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_no_cursor(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, QUESTION, [(int, False)])


@given(st.text(max_size=40), st.lists(keys, min_size=1, max_size=3))
def test_any_text_is_no_cursor(text: str, types: Types) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(text, QUESTION, types)


@given(st.binary(max_size=40), st.lists(keys, min_size=1, max_size=3))
def test_any_bytes_are_no_cursor(raw: bytes, types: Types) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(urlsafe_b64encode(raw).decode(), QUESTION, types)


@given(rows(), st.data())
def test_damaged_cursor_has_values_of_its_types_or_is_refused(
    row: tuple[Types, tuple[Any, ...]], data: st.DataObject
) -> None:
    types, values = row
    raw = bytearray(msgspec.msgpack.encode((QUESTION, values)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = read_cursor(urlsafe_b64encode(raw).decode(), QUESTION, types)
    except InvalidCursor:
        return
    assert all(
        isinstance(value, one) or (nullable and value is None)
        for value, (one, nullable) in zip(read, types, strict=True)
    )


def test_text_with_nul_is_no_value_of_a_cursor() -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(coded([QUESTION, ["a\0b"]]), QUESTION, [(str, False)])
