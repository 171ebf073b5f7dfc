"""Query parameters: how a query string is read, and what is refused with the name of what is wrong."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskruns_service.domain.errors import Fault, InvalidRequest
from taskruns_service.domain.states import StateGroup, StateType
from taskruns_service.queries import parameters
from taskruns_service.queries.parameters import Parameter, Parameters, ValueType, convert, read_query

STATE = Parameter(name="state", value=parameters.STATE, description="The state.", many=True, example="Success")
SLUG = Parameter(name="slug", value=parameters.TEXT, description="The slug.")
LIMIT = Parameter(name="limit", value=parameters.integer(1, 1000), description="How many.", default=100)
TAKEN = Parameters((STATE, SLUG, LIMIT))


def read(query: str) -> Mapping[str, Any]:
    return read_query(query.encode(), TAKEN)


def faults_of(query: str) -> tuple[Fault, ...]:
    with pytest.raises(InvalidRequest) as refused:
        read(query)
    return refused.value.faults


# Query strings


def test_parameter_that_is_not_sent_has_its_default() -> None:
    assert read("") == {"limit": 100}
    assert read("slug=a") == {"limit": 100, "slug": "a"}


def test_parameters_are_read_as_their_types() -> None:
    assert read("state=Success&slug=say%20hello%2B1&state=Failed&limit=7") == {
        "state": [StateType.Success, StateType.Failed],
        "slug": "say hello+1",
        "limit": 7,
    }


def test_text_is_utf_8() -> None:
    assert read("slug=gr%C3%B6%C3%9Fe") == {"limit": 100, "slug": "größe"}


def test_unknown_parameter_is_named_with_those_that_are_known() -> None:
    detail = "This operation has no parameter of this name. Did you mean state? Its parameters are state, slug, limit."
    assert faults_of("stat=Success") == (Fault(parameter="stat", detail=detail),)


def test_operation_without_parameters_takes_none() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_query(b"a=1", Parameters())
    assert refused.value.faults == (
        Fault(parameter="a", detail="This operation has no parameter of this name. The operation has no parameters."),
    )


def test_unprintable_name_is_shown_without_what_can_not_be_printed() -> None:
    (fault,) = faults_of("a%00%1B%5B31mb=1")
    assert fault.parameter == "a??[31mb"


def test_long_unknown_name_is_cut() -> None:
    (fault,) = faults_of("x" * 5000 + "=1")
    assert fault.parameter == "x" * 100


def test_parameter_of_one_value_is_refused_twice() -> None:
    assert faults_of("slug=a&slug=a") == (Fault(parameter="slug", detail="It can be sent once."),)


def test_parameter_of_many_values_is_refused_beyond_a_hundred() -> None:
    assert len(read("&".join(["state=Failed"] * 100))["state"]) == 100
    assert faults_of("&".join(["state=Failed"] * 101)) == (
        Fault(parameter="state", detail="It can be sent at most 100 times."),
    )


def test_every_fault_is_named() -> None:
    assert [fault.parameter for fault in faults_of("limit=0&a=1&slug=&state=success")] == [
        "limit",
        "a",
        "slug",
        "state",
    ]


def test_fault_says_what_it_should_be() -> None:
    assert faults_of("limit=1001") == (Fault(parameter="limit", detail="It must be a whole number from 1 to 1000."),)


@pytest.mark.parametrize("query", ["slug=%FF", "slug=%C3", "%FF=a"])
def test_invalid_utf_8_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read(query)


def test_bytes_beyond_ascii_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_query("slug=ö".encode(), TAKEN)


def test_nul_is_refused() -> None:
    assert faults_of("slug=a%00b") == (Fault(parameter="slug", detail="It must be text of 1 to 255 characters."),)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_any_text_is_read_as_it_was_sent(value: str) -> None:
    assert read(urlencode({"slug": value})) == {"limit": 100, "slug": value}


@given(st.binary(max_size=60))
def test_any_query_string_is_read_or_refused(raw: bytes) -> None:
    try:
        read_query(raw, TAKEN)
    except InvalidRequest:
        return


# Values

MOMENT = datetime(2021, 5, 12, 18, 0, 1, 696849, tzinfo=UTC)
IDENTIFIER = UUID("019064f2-5b11-7e1d-8a50-88978dabb7c1")
READ: list[tuple[ValueType, str, Any]] = [
    (parameters.TEXT, "a", "a"),
    (parameters.TEXT, " ", " "),
    (parameters.TEXT, "1", "1"),
    (parameters.STATE, "TimedOut", StateType.TimedOut),
    (parameters.GROUP, "failed", StateGroup.failed),
    (parameters.IDENTIFIER, str(IDENTIFIER), IDENTIFIER),
    (parameters.IDENTIFIER, str(IDENTIFIER).upper(), IDENTIFIER),
    (parameters.MAP_INDEX, "-1", -1),
    (parameters.MAP_INDEX, "2147483647", 2**31 - 1),
    (parameters.COUNT, "0", 0),
    (parameters.SEQUENCE, "9223372036854775807", 2**63 - 1),
    (parameters.SECONDS, "0", 0.0),
    (parameters.SECONDS, "1.5", 1.5),
    (parameters.SECONDS, "1e12", 1e12),
    (parameters.BOOLEAN, "true", True),
    (parameters.BOOLEAN, "false", False),
    (parameters.MOMENT, "2021-05-12T18:00:01.696849Z", MOMENT),
    (parameters.MOMENT, "2021-05-12T20:00:01.696849+02:00", MOMENT),
    (parameters.MOMENT, "2021-05-12t18:00:01.696849z", MOMENT),
    (parameters.MOMENT, "2021-05-12 18:00:01.696849Z", MOMENT),
    (parameters.one_of("a", "b"), "b", "b"),
]
REFUSED: list[tuple[ValueType, str]] = [
    *((parameters.TEXT, text) for text in ("", "a" * 256)),
    *((parameters.STATE, text) for text in ("", "success", "SUCCESS", "Success ", "failed")),
    *((parameters.GROUP, text) for text in ("Failed", "done")),
    *((parameters.IDENTIFIER, text) for text in ("", "1", f"{{{IDENTIFIER}}}", f"{IDENTIFIER}0")),
    *((parameters.MAP_INDEX, text) for text in ("-2", "2147483648", "a", "", "1.5", "1.0", "1e1", "1_0", " 1", "٣")),
    *((parameters.COUNT, text) for text in ("-1", "2147483648")),
    *((parameters.SEQUENCE, text) for text in ("-1", "9223372036854775808", "1" * 400)),
    *((parameters.SECONDS, text) for text in ("-1", "nan", "inf", "-inf", "1e13", "1s", "")),
    *((parameters.BOOLEAN, text) for text in ("True", "1", "0", "yes", "")),
    *(
        (parameters.MOMENT, text)
        for text in (
            "2021-05-12T18:00:01",
            "2021-05-12",
            "1620842401",
            "1620842401.5",
            "2021-05-12T18:00:01+25:00",
            "2021-05-12T18:00:01 02:00",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "2021-02-30T00:00:00Z",
            "now",
            "",
        )
    ),
    (parameters.one_of("a", "b"), "c"),
]


@pytest.mark.parametrize(("type_", "text", "value"), READ)
def test_text_is_read_as_a_value(type_: ValueType, text: str, value: Any) -> None:
    assert convert(text, type_) == value


@pytest.mark.parametrize(("type_", "text"), REFUSED)
def test_text_that_is_not_of_the_type_is_refused(type_: ValueType, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        convert(text, type_)


offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 30), timezones=offsets))  # noqa: DTZ001 - bounds are naive
def test_moment_is_read_in_any_offset(moment: datetime) -> None:
    assert convert(moment.isoformat(), parameters.MOMENT) == moment


@given(st.floats(0, 1e12))
def test_seconds_are_read_exactly(seconds: float) -> None:
    assert convert(repr(seconds), parameters.SECONDS) == seconds


# Documentation


def test_parameter_of_many_values_is_documented_as_an_array() -> None:
    assert STATE.document() == {
        "name": "state",
        "in": "query",
        "required": False,
        "description": "The state.",
        "example": ["Success"],
        "schema": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/StateType"},
            "maxItems": 100,
            "description": "The state.",
        },
    }


def test_parameter_of_one_value_is_documented_with_its_default() -> None:
    assert LIMIT.document() == {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "How many.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100, "description": "How many."},
    }
