"""Query parameters: the types they are read as, in one table for parsing and for the OpenAPI document."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import parse_qsl
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from taskruns_service.domain.errors import Fault, InvalidRequest
from taskruns_service.domain.json_values import JsonObject
from taskruns_service.domain.log_levels import LogLevel
from taskruns_service.domain.states import StateGroup, StateType

MAX_VALUES = 100
MAX_COMPARED_CHARACTERS = 100
LIKENESS = 0.7
_DURATION = re.compile(r"^P([0-9]{1,3}W|[0-9]{1,4}D|([0-9]{1,4}D)?T([0-9]{1,8}[HMS]){1,3})$")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
CURSOR_LENGTH = 4096
WITHOUT_NUL = r"^[^\x00]*$"
"""Text without U+0000, which databases do not take, as a pattern that regular expressions of every language read."""


Values = Mapping[str, Any]
"""What a query string says: for each parameter its value, of the type that its `ValueType` has, or a list of such."""


class ValueType(Struct, frozen=True, kw_only=True):
    """A type of value: what msgspec converts the text to, its JSON Schema, and what it should be, for people."""

    type: Any
    schema: JsonObject
    expected: str
    choices: tuple[str, ...] = ()
    least: timedelta | None = None
    most: timedelta | None = None


def choice(choices: type[StrEnum]) -> ValueType:
    """One of an enumeration that is a component of the document."""
    return ValueType(
        type=choices,
        schema={"$ref": f"#/components/schemas/{choices.__name__}"},
        expected=f"one of {', '.join(choices)}",
        choices=tuple(choices),
    )


def one_of(*choices: str) -> ValueType:
    """One of some words."""
    return ValueType(
        type=Literal[choices],
        schema={"type": "string", "enum": list(choices)},
        expected=f"one of {', '.join(choices)}",
        choices=choices,
    )


def text(longest: int) -> ValueType:
    """Text of 1 to `longest` characters."""
    return ValueType(
        type=Annotated[str, Meta(min_length=1, max_length=longest)],
        schema={"type": "string", "minLength": 1, "maxLength": longest, "pattern": WITHOUT_NUL},
        expected=f"text of 1 to {longest} characters",
    )


def integer(least: int, most: int) -> ValueType:
    """A whole number between two bounds, both allowed."""
    return ValueType(
        type=Annotated[int, Meta(ge=least, le=most)],
        schema={"type": "integer", "minimum": least, "maximum": most},
        expected=f"a whole number from {least} to {most}",
    )


def duration(least: str, most: str) -> ValueType:
    """A stretch of time between two others, both allowed, in the form of ISO 8601."""
    return ValueType(
        type=timedelta,
        schema={"type": "string", "format": "duration", "maxLength": 32, "pattern": _DURATION.pattern},
        expected=f"an ISO 8601 duration from {least} to {most}",
        least=msgspec.convert(least, timedelta),
        most=msgspec.convert(most, timedelta),
    )


TEXT = text(255)
MESSAGE = text(500)
"""As much of a message as groups by message look at."""
STATE = choice(StateType)
GROUP = choice(StateGroup)
LOG_LEVEL = choice(LogLevel)
IDENTIFIER = ValueType(type=UUID, schema={"type": "string", "format": "uuid"}, expected="a UUID")
_FOUR = "[0-9a-f]{4}"
_START_OF_UUID = (
    f"^([0-9a-f]{{4,8}}|[0-9a-f]{{8}}-[0-9a-f]{{0,4}}|[0-9a-f]{{8}}-{_FOUR}-[0-9a-f]{{0,4}}"
    f"|[0-9a-f]{{8}}-{_FOUR}-{_FOUR}-[0-9a-f]{{0,4}}|[0-9a-f]{{8}}-{_FOUR}-{_FOUR}-{_FOUR}-[0-9a-f]{{0,12}})$"
)
IDENTIFIER_PREFIX = ValueType(
    type=Annotated[str, Meta(pattern=_START_OF_UUID)],
    schema={"type": "string", "minLength": 4, "maxLength": 36, "pattern": _START_OF_UUID},
    expected="at least the first 4 characters of a UUID, in lower case",
)
_TIME_ZONE = "^[A-Za-z][A-Za-z0-9_+/-]{1,63}$"
MAP_INDEX = integer(-1, 2**31 - 1)
COUNT = integer(0, 2**31 - 1)
SEQUENCE = integer(0, 2**63 - 1)
SECONDS = ValueType(
    type=Annotated[float, Meta(ge=0, le=1e12)],
    schema={"type": "number", "minimum": 0, "maximum": 1e12},
    expected="a nonnegative number of seconds",
)
MOMENT = ValueType(
    type=Annotated[datetime, Meta(tz=True)],
    schema={"type": "string", "format": "date-time"},
    expected="an RFC 3339 time with an offset, such as 2021-05-12T18:00:01Z (write `+` as %2B)",
)
TIME_ZONE = ValueType(
    type=Annotated[str, Meta(pattern=_TIME_ZONE)],
    schema={"type": "string", "maxLength": 64, "pattern": _TIME_ZONE},
    expected="the name of a time zone, such as Europe/Berlin",
)
BOOLEAN = ValueType(type=bool, schema={"type": "boolean"}, expected="true or false")


class Parameter(Struct, frozen=True, kw_only=True):
    """A query parameter. One that is `many` may be repeated, up to `most` times.

    One that is `comma_separated` has all its values in one text; it may be repeated as well, as clients do that never
    look at how a list is to be written.
    """

    name: str
    value: ValueType
    description: str
    many: bool = False
    comma_separated: bool = False
    required: bool = False
    is_documented: bool = True
    most: int = MAX_VALUES
    default: object = None
    example: object = None

    def document(self) -> JsonObject:
        """The parameter as the OpenAPI document has it."""
        schema = self.value.schema
        if self.many:
            schema = {"type": "array", "items": schema, "maxItems": self.most}
        elif self.default is not None:
            schema = {**schema, "default": self.default}
        described = schema if "$ref" in schema else {**schema, "description": self.description}
        documented: JsonObject = {"name": self.name, "in": "query", "required": self.required}
        documented["description"] = self.description
        if self.comma_separated:
            documented |= {"style": "form", "explode": False}
        if self.example is not None:
            documented["example"] = [self.example] if self.many and not isinstance(self.example, list) else self.example
        return {**documented, "schema": described}


class Parameters(tuple[Parameter, ...]):
    """The parameters of an operation, with what each request needs of all of them, which is made once."""

    @cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        """The parameters by their names."""
        return {parameter.name: parameter for parameter in self}

    @cached_property
    def defaults(self) -> Values:
        """The values of parameters that are not sent."""
        return {parameter.name: parameter.default for parameter in self if parameter.default is not None}

    @cached_property
    def required(self) -> Sequence[Parameter]:
        """Those that have to be sent."""
        return [parameter for parameter in self if parameter.required]


def read_query(raw: bytes, parameters: Parameters) -> Values:
    """Reads a query string strictly into `{name: value}`, with a list for a parameter that is `many`.

    A parameter that is not sent has its default, if it has one.

    Raises InvalidRequest with a fault for each parameter that is unknown, missing, repeated without leave, or not of
    its type.
    """
    values = dict(parameters.defaults)
    if not raw and not parameters.required:
        return values
    texts_by_name: dict[str, list[str]] = defaultdict(list)
    try:
        for name, text in parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict"):
            texts_by_name[name].append(text)
    except ValueError as error:
        raise InvalidRequest(f"The query string cannot be read: {error}.") from None
    faults = [
        Fault(parameter=parameter.name, detail=f"It is missing. It must be {parameter.value.expected}.")
        for parameter in parameters.required
        if parameter.name not in texts_by_name
    ]
    for name, texts in texts_by_name.items():
        if (parameter := parameters.by_name.get(name)) is None:
            names = [parameter.name for parameter in parameters if parameter.is_documented]
            takes = f"Its parameters are {', '.join(names)}." if names else "The operation has no parameters."
            detail = f"This operation has no parameter of this name. {nearest(name, names)}{takes}"
            faults.append(Fault(parameter=_printable(name), detail=detail))
            continue
        if parameter.comma_separated:
            texts = [part for text in texts for part in text.split(",", parameter.most)]  # noqa: PLW2901
        if len(texts) > (parameter.most if parameter.many else 1):
            often = f"at most {parameter.most} times" if parameter.many else "once"
            faults.append(Fault(parameter=name, detail=f"It can be sent {often}."))
            continue
        try:
            converted = [_converted(text, parameter) for text in texts]
        except InvalidRequest as error:
            faults += error.faults
            continue
        values[name] = converted if parameter.many else converted[0]
    if faults:
        raise InvalidRequest(faults=tuple(faults))
    return values


def _converted(text: str, parameter: Parameter) -> object:
    try:
        return convert(text, parameter.value)
    except ValueError:
        detail = f"{nearest(text, parameter.value.choices)}It must be {parameter.value.expected}."
        raise InvalidRequest(faults=(Fault(parameter=parameter.name, detail=detail),)) from None


def nearest(text: str, choices: Iterable[str]) -> str:
    """Asks whether the choice that is written most like a text was meant; empty where none is like it."""
    by_folded = {choice.casefold(): choice for choice in choices}
    matches = get_close_matches(text[:MAX_COMPARED_CHARACTERS].casefold(), by_folded, n=1, cutoff=LIKENESS)
    return f"Did you mean {by_folded[matches[0]]}? " if matches else ""


def convert(value: str, to: ValueType) -> object:
    """Reads one text as a value; raises ValueError (msgspec's ValidationError is one) if it is not of that type."""
    if "\0" in value:
        raise ValueError("NUL")
    if to is BOOLEAN:
        return {"true": True, "false": False}[value] if value in ("true", "false") else _refuse()
    if to is TIME_ZONE:
        return read_zone(msgspec.convert(value, to.type))
    if to is MOMENT:
        moment = msgspec.convert(value, to.type)
        # Text of digits alone would be taken as Unix time, and the earliest and latest years have no UTC form.
        if "T" not in value.upper().replace(" ", "T") or not 1 < moment.year < 9999:
            _refuse()
        return moment
    if to.least is not None and to.most is not None:
        length = _duration(value)
        return length if to.least <= length <= to.most else _refuse()
    if to.schema.get("type") == "integer" and not _INTEGER.fullmatch(value):
        _refuse()  # msgspec takes 1.0 and 1e1 as well
    return msgspec.convert(value, to.type, strict=False)


def _duration(text: str) -> timedelta:
    if _DURATION.fullmatch(text) is None:
        _refuse()
    return timedelta(weeks=int(text[1:-1])) if text.endswith("W") else msgspec.convert(text, timedelta)


def read_zone(name: str) -> ZoneInfo:
    """The time zone of the IANA's database with this name; raises ValueError if there is none."""
    # What machines have beside the zones: other ways to count seconds, and no fixed zone at all.
    if name.startswith(("posix/", "right/")) or name in ("Factory", "localtime", "posixrules"):
        _refuse()
    try:
        return ZoneInfo(name)
    except (KeyError, OSError):  # a folder of zones is no file
        _refuse()


def _refuse() -> NoReturn:
    raise ValueError("not of its type")


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:100])
