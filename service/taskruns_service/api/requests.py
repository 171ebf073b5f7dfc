"""Reading requests: bodies, query strings and headers, strictly."""

import asyncio
import re
from collections.abc import Callable, Container
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import State

from taskruns_service.api.middleware import POSITION, may_change
from taskruns_service.api.operations import Operation, Scope, operation_of
from taskruns_service.domain.errors import BodyTooLarge, Fault, InvalidRequest, UnsupportedMediaType
from taskruns_service.domain.log_levels import LogLevel
from taskruns_service.domain.states import StateType
from taskruns_service.live.live import Live
from taskruns_service.queries.parameters import Parameters, Values, nearest, read_query
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import END_OF_LOG
from taskruns_service.storage.replicas import Replicas
from taskruns_service.storage.writer import Writer

DETAIL_LENGTH = 200
LARGE_BODY_BYTES = 64 * 1024

T = TypeVar("T")
R = TypeVar("R")

_NUL = rb"\u0000"
_NUMBER = re.compile(r"[0-9]{1,19}")
_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAGS = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")
_INVALID_ENUM = re.compile("Invalid enum value '(.*)'", re.DOTALL)
_ENUMERATIONS: dict[str, type[StrEnum]] = {"type": StateType, "level": LogLevel}
"""The enumerations in bodies, by the name of the member."""
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)|\[\.\.\.\]")


class ApiRequest(Request[object, object, State]):
    """A request with what its handler works with, as properties and not as Litestar's dependencies.

    What each way costs: docs/decisions/0025-litestar-is-the-router.md.
    """

    @property
    def writer(self) -> Writer:
        """The way in for changes."""
        return self.app.state.writer  # type: ignore[no-any-return]

    @property
    def primary(self) -> Database:
        """The way in for changes beside the writer, and for questions that no standby may answer."""
        return self.app.state.database  # type: ignore[no-any-return]

    @property
    def database(self) -> Database:
        """The way in for questions: the primary, or standbys where they may answer; raises InvalidRequest."""
        return self.primary if self.app.state.replicas is None or not self._may_be_behind else self._replica

    @cached_property
    def _replica(self) -> Database:
        replicas: Replicas = self.app.state.replicas
        return replicas.since(self._position_seen)

    def declare_change(self, *, is_change: bool) -> None:
        """Says whether a request may change anything, which its method does not tell."""
        self.scope["is_change"] = is_change  # type: ignore[typeddict-unknown-key]

    @property
    def live(self) -> Live:
        """What the streams of this process share."""
        return self.app.state.live  # type: ignore[no-any-return]

    @property
    def operation(self) -> Operation | None:
        """What the handler declares."""
        return operation_of(self.route_handler)

    def header(self, name: bytes) -> str | None:
        """The header of this name (in lower case), None if there is none; several are one list, as RFC 9110 has it."""
        values = [value for key, value in self.scope["headers"] if key == name]
        return b", ".join(values).decode("latin-1") if values else None

    async def body(self) -> bytes:
        """The whole body, to be read once; raises BodyTooLarge, or InvalidRequest when the client leaves too early.

        Litestar's own way makes an object of all headers and a generator for each body, which takes 18 µs.
        """
        limit = self.route_handler.resolve_request_max_body_size() or 0
        announced = self.header(b"content-length") or ""
        size = int(announced) if _NUMBER.fullmatch(announced) else 0
        received = 0
        parts: list[bytes] = []
        while size <= limit and received <= limit:
            message = await self.receive()
            if message["type"] != "http.request":
                raise InvalidRequest("The body ended before it was complete.")
            parts.append(message["body"])
            received += len(message["body"])
            if received <= limit and not message["more_body"]:
                return b"".join(parts)
        raise BodyTooLarge(f"The body exceeds the {limit} bytes that this operation accepts.", limit=limit)

    @property
    def _may_be_behind(self) -> bool:
        """Whether a standby may answer: not what a change answers with, nor whether the service is ready.

        With If-None-Match a client says which version it saw, which may have come from another server: the primary
        tells whether that is the newest, at the price of one look-up.
        """
        asks = self.operation is None or self.operation.scope is Scope.read
        return asks and not may_change(self.scope) and self.header(b"if-none-match") is None

    @property
    def _position_seen(self) -> int | None:
        """The position that an earlier answer had, if the client sends it back; raises InvalidRequest."""
        if (position := self.header(POSITION.lower().encode())) is None:
            return None
        if not (_NUMBER.fullmatch(position) and int(position) <= END_OF_LOG):
            fault = Fault(header=POSITION, detail="It must be the number from an earlier response.")
            raise InvalidRequest(faults=(fault,))
        return int(position)


def query(request: ApiRequest) -> Values:
    """The query parameters that the handler declared, checked and converted; raises InvalidRequest."""
    declared = request.operation
    return read_query(request.scope["query_string"], declared.parameters if declared else Parameters())


def require_json(request: ApiRequest) -> None:
    """Raises UnsupportedMediaType unless the body is said to be JSON; one of another type has been refused before."""
    if request.header(b"content-type") is None:
        raise UnsupportedMediaType


async def body(request: ApiRequest, type_: type[T]) -> T:
    """The body as a Struct; raises UnsupportedMediaType, or InvalidRequest with a JSON Pointer to what is wrong."""
    return await converted_body(request, type_, lambda struct: struct)


async def converted_body(request: ApiRequest, type_: type[T], convert: Callable[[T], R]) -> R:
    """The body as what `convert` makes of the Struct. Raises as `body` does.

    A large one is read in a thread, since the event loop would not answer others for seconds.
    """
    require_json(request)
    raw = await request.body()
    if len(raw) <= LARGE_BODY_BYTES:
        return convert(_decode(raw, type_))
    return await asyncio.to_thread(lambda: convert(_decode(raw, type_)))


def _decode(raw: bytes, type_: type[T]) -> T:
    if not raw:
        raise InvalidRequest("The body is missing. It must be a JSON object.")
    # Without escaped backslashes, since behind one it is text; a regular expression would take a second for 8 MiB.
    if _NUL in raw and _NUL in raw.replace(rb"\\", b""):
        raise _invalid("", "Text cannot contain the character U+0000, which databases do not store.")
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.ValidationError as error:
        message = str(error)
        place = _PLACE.search(message)
        detail = message[: place.start()] if place else message
        expected = _choices(detail, place.group(1) if place else "")
        # What was sent may be in it: a key of the body, say, of any length.
        detail = detail if len(detail) <= DETAIL_LENGTH else detail[: DETAIL_LENGTH - 1] + "…"
        raise _invalid(_pointer(place.group(1) if place else ""), f"{detail}.{expected}") from None
    except msgspec.DecodeError as error:
        raise _invalid("", f"The body is not JSON: {error}.") from None
    except UnicodeDecodeError:
        raise _invalid("", "The body is not JSON: it is not UTF-8.") from None
    except RecursionError:
        raise _invalid("", "The body is nested too deeply.") from None


def _choices(detail: str, path: str) -> str:
    """What a member with an enumeration may be, the nearest first. Empty for other faults."""
    if (match := _INVALID_ENUM.fullmatch(detail)) is None:
        return ""
    choices = _ENUMERATIONS[path.rpartition(".")[2]]
    return f" {nearest(match[1], choices)}It must be one of {', '.join(choices)}."


def _invalid(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(faults=(Fault(pointer=pointer, detail=detail),))


def _pointer(path: str) -> str:
    """A JSON Pointer (RFC 6901) for a path as msgspec writes it: `.items[3].type`, `[...]` for a key of a map."""
    return "".join("/" + (index or name or "*") for index, name in _STEP.findall(path))


def etags(request: ApiRequest, header: str) -> list[str] | None:
    """The entity tags in If-Match or If-None-Match, without quotes (`*` stands for any); None without the header.

    Raises InvalidRequest when the header has anything else.
    """
    value = request.header(header.lower().encode())
    if value is None:
        return None
    if value.strip() == "*":
        return ["*"]
    if not _TAGS.fullmatch(value.strip()):
        detail = 'It must be an ETag from an earlier response, such as "3", or *.'
        raise InvalidRequest(faults=(Fault(header=header, detail=detail),))
    return _TAG.findall(value)


class _Any:
    """What contains every version."""

    def __contains__(self, version: object) -> bool:
        return True


def known_versions(request: ApiRequest) -> Container[str] | None:
    """The versions that a client has, None without If-None-Match; `*` is all of them. Raises InvalidRequest."""
    tags = etags(request, "If-None-Match")
    return _Any() if tags == ["*"] else tags


class Match(NamedTuple):
    """The version and the sequence that a task run must have; None for any."""

    version: int | None = None
    sequence: int | None = None


def matched_task_run(request: ApiRequest) -> Match:
    """What If-Match asks of a task run. It takes one ETag, or a version alone, whatever else has changed since.

    Raises InvalidRequest.
    """
    return Match(*_matched_numbers(request))


def matched_flow_run(request: ApiRequest) -> int | None:
    """The sequence that If-Match asks of a flow run; None for any, one that none has for the ETag of a task run.

    Raises InvalidRequest.
    """
    numbers = _matched_numbers(request)
    if len(numbers) > 1:
        return -1
    return numbers[0] if numbers else None


def _matched_numbers(request: ApiRequest) -> list[int]:
    """The numbers of the ETag in If-Match; none for any."""
    tags = etags(request, "If-Match")
    if tags is None or tags == ["*"]:
        return []
    if len(tags) > 1 or not re.fullmatch(r"\d{1,18}(\.\d{1,18})?", tags[0], re.ASCII):
        detail = 'It must be one ETag from an earlier response, such as "3".'
        raise InvalidRequest(faults=(Fault(header="If-Match", detail=detail),))
    return [int(number) for number in tags[0].split(".")]
