# Generated from openapi.json by `make client`. Do not edit.
"""What the generated modules share: UNSET, open enums, and `Call`, a request that is not sent yet."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from functools import cached_property
from math import isfinite
from typing import Annotated, Any, Generic, Self, TypeAlias, TypeVar, cast
from urllib.parse import quote

import msgspec
import msgspec.inspect
from msgspec import UNSET
from msgspec import UnsetType as Unset

__all__ = [
    "NOT_CHOSEN",
    "UNSET",
    "Answers",
    "Call",
    "Json",
    "OpenEnum",
    "Timestamp",
    "Unset",
    "binary",
    "given",
    "joined",
    "nothing",
    "prepare",
    "text",
]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Answers: TypeAlias = Mapping[int, Callable[[bytes], T]]
"""For each success status, what makes the answer of the body."""

NOT_CHOSEN: Any = UNSET
"""What an answer has in place of a member that was not asked for."""

_ANY = msgspec.inspect.AnyType()
_CUSTOM_MEMBERS = {"name", "given"}
"""What the custom type of a union has beside its tag: the tag and the whole value, as they were given."""

Timestamp: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A datetime that has a time zone."""


class OpenEnum(StrEnum):
    """A text enum that takes values it has no member for, so that a newer server's answers still decode."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    def __repr__(self) -> str:
        # The name of a value without a member is the value, in which the server may have put anything.
        return f"<{type(self).__name__}.{repr(self._name_)[1:-1]}: {self._value_!r}>"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What goes over HTTP: a JSON object of the members that are not UNSET."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON object as a dict, in which ids and times are text."""
        return cast("dict[str, Any]", msgspec.to_builtins(self))

    def to_json(self, indent: int | None = None) -> str:
        """Returns the JSON object as text, in one line without `indent`, the number of spaces for each level."""
        return to_json(self, indent)


def to_json(value: object, indent: int | None = None) -> str:
    """Returns a value of Structs, dicts and lists as JSON, in one line without `indent`."""
    encoded = msgspec.json.encode(value)
    return (encoded if indent is None else msgspec.json.format(encoded, indent=indent)).decode()


class Call(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """A request that is not sent yet, and how to read its answer. It does no I/O."""

    operation: str
    """The operation's id in openapi.json."""
    method: str
    """The HTTP method, in capitals."""
    path: str
    """The path below the server's URL, percent-encoded."""
    params: tuple[tuple[str, str], ...] = ()
    """The query's pairs; a list is its name repeated."""
    headers: tuple[tuple[str, str], ...] = ()
    """The headers that this operation needs, beside the transport's own."""
    body: bytes | None = None
    """The encoded body, or None."""
    answers: Mapping[int, Callable[[bytes], T_co]]
    """For each success status, what makes the answer of the body."""

    def decode(self, status: int, body: bytes) -> T_co:
        """Makes the typed answer of a success response.

        Raises:
            msgspec.DecodeError: If the body is not what openapi.json promises (a ValueError).
            ValueError: If openapi.json does not have this success status.
        """
        if (read := self.answers.get(status)) is None:
            raise ValueError(
                f"The response to {self.operation} has the status {status}, which openapi.json does not have."
            )
        return read(body)


def prepare(
    operation: str,
    method: str,
    path: str,
    answers: Answers[T],
    *,
    segments: Iterable[tuple[str, object]] = (),
    params: Iterable[tuple[str, object]] = (),
    headers: Iterable[tuple[str, object]] = (),
    body: object = UNSET,
    content_type: str = "application/json",
) -> Call[T]:
    """Makes a call from an operation's arguments; those that are None or UNSET are left out.

    Raises:
        ValueError: If a datetime among the arguments has no time zone, if a segment would lead to another path, or if
            JSON cannot say what is in the body, such as NaN and infinity.
    """
    return Call(
        operation=operation,
        method=method,
        path=path.format_map({name: _segment(name, value) for name, value in segments}),
        params=_pairs(params),
        headers=_pairs((*headers, ("Content-Type", UNSET if body is UNSET else content_type))),
        body=None if body is UNSET else _encoded(body),
        answers=answers,
    )


def _encoded(body: object) -> bytes:
    try:
        encoded = msgspec.json.encode(body)
    except (TypeError, UnicodeEncodeError, RecursionError) as cause:
        raise ValueError(f"The body cannot be written as JSON: {cause}.") from cause
    # What msgspec makes of NaN and infinity, for which JSON has no word.
    if b"null" in encoded:
        _check_finite(msgspec.to_builtins(body, str_keys=True), "")
    return encoded


def _check_finite(value: object, place: str) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{place or 'The body'} is {value}, which JSON cannot represent: pass None, or text.")
    if isinstance(value, dict):
        for name, member in cast("dict[str, object]", value).items():
            _check_finite(member, f"{place}.{name}" if place else name)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("Iterable[object]", value)):
            _check_finite(item, f"{place}[{index}]")


def _segment(name: str, value: object) -> str:
    segment = _text(name, value)
    if segment in ("", ".", ".."):
        raise ValueError(f"{name} is {segment!r}, which cannot be a part of a path.")
    return quote(segment, safe="")


def _pairs(arguments: Iterable[tuple[str, object]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, _text(name, value))
        for name, argument in arguments
        for value in (cast("Iterable[object]", argument) if _is_list(argument) else (argument,))
        if value is not None and value is not UNSET
    )


def _is_list(argument: object) -> bool:
    return isinstance(argument, Iterable) and not isinstance(argument, str)


def _text(name: str, value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{name} is {value.isoformat()}, without a time zone: pass an aware datetime.")
        return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    return value.isoformat() if isinstance(value, date) else str(value)


class Json(Generic[T]):
    """Decodes JSON as a type, and validates it.

    A union that has a custom type takes members that are unknown, or cannot be read, as that: what a newer server adds
    breaks no page.
    """

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    @cached_property
    def decode(self) -> Callable[[bytes], T]:
        return msgspec.json.Decoder[T](self.kind).decode

    def __call__(self, body: bytes) -> T:
        try:
            return self.decode(body)
        except msgspec.ValidationError:
            value = _customized(msgspec.json.decode(body), msgspec.inspect.type_info(self.kind))
            return cast("T", msgspec.convert(value, self.kind))


def _customized(value: object, kind: msgspec.inspect.Type) -> object:
    """The value with members of unions that cannot be read as the custom type of their union, where it has one."""
    match kind:
        case msgspec.inspect.ListType() if isinstance(value, list):
            return [_customized(item, kind.item_type) for item in cast("list[object]", value)]
        case msgspec.inspect.StructType() if isinstance(value, dict):
            types = {field.encode_name: field.type for field in kind.fields}
            members = cast("dict[str, object]", value)
            return {name: _customized(member, types.get(name, _ANY)) for name, member in members.items()}
        case msgspec.inspect.UnionType() if isinstance(value, dict):
            structs = [member for member in kind.types if isinstance(member, msgspec.inspect.StructType)]
            return _customized_member(cast("dict[str, object]", value), structs)
        case msgspec.inspect.UnionType():
            lists = [member for member in kind.types if isinstance(member, msgspec.inspect.ListType)]
            return _customized(value, lists[0]) if lists else value
        case _:
            return value


def _customized_member(value: dict[str, object], structs: Sequence[msgspec.inspect.StructType]) -> object:
    tagged = [struct for struct in structs if struct.tag_field is None or value.get(struct.tag_field) == struct.tag]
    custom = [struct for struct in structs if _CUSTOM_MEMBERS <= {field.name for field in struct.fields}]
    for struct in (*tagged, *custom):
        # Once for a level: hostile answers may have many.
        member = cast("dict[str, object]", _customized(value, struct))
        is_readable = struct in tagged and (not custom or _is_readable(member, struct))
        return member if is_readable or not custom else _custom(value, member, custom[0])
    return value


def _custom(
    value: dict[str, object], readable: dict[str, object], struct: msgspec.inspect.StructType
) -> dict[str, object]:
    """The custom member of a union for a value, with those members that are as the type has them."""
    tag_field = str(struct.tag_field)
    custom: dict[str, object] = {field.encode_name: None for field in struct.fields}
    custom |= {tag_field: struct.tag, "name": str(value.get(tag_field, "")), "given": value}
    for name in custom.keys() & readable.keys() - _CUSTOM_MEMBERS - {tag_field}:
        with_member = custom | {name: readable[name]}
        custom = with_member if _is_readable(with_member, struct) else custom
    return custom


def _is_readable(value: object, struct: msgspec.inspect.StructType) -> bool:
    try:
        msgspec.convert(value, struct.cls)
    except msgspec.ValidationError:
        return False
    return True


def given(**members: object) -> dict[str, object]:
    """Makes a JSON object of the members that are not UNSET.

    Raises:
        ValueError: If a datetime among them has no time zone.
    """
    for name, value in members.items():
        if isinstance(value, datetime):
            _text(name, value)
    return {name: value for name, value in members.items() if value is not UNSET}


def joined(values: Iterable[object]) -> str:
    """Makes one text of values, with commas between them; a text stays as it is."""
    return values if isinstance(values, str) else ",".join(str(value) for value in values)


def nothing(body: bytes) -> None:
    """Reads an answer without a body."""


def text(body: bytes) -> str:
    """Reads an answer as text."""
    return body.decode()


def binary(body: bytes) -> bytes:
    """Reads an answer as it is."""
    return body
