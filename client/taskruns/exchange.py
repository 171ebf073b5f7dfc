"""One call over HTTP: what is sent, and what is made of what comes back. Without I/O, shared by both clients."""

import logging
import platform
import re
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import TypeVar

import httpx
from msgspec import Struct
from msgspec.structs import replace

from taskruns import bodies, settings
from taskruns._generated.types import Call
from taskruns.errors import (
    ConnectionFailed,
    InvalidAnswer,
    InvalidArgument,
    InvalidSetting,
    TimedOut,
    problem_error,
)
from taskruns.limits import MAX_VALUES
from taskruns.printable import escape_causes, excerpt
from taskruns.retry_policy import Attempts, Policy
from taskruns.type_aliases import Arguments

T = TypeVar("T")

CONNECT_SECONDS = 5.0
UNBUILDABLE = (httpx.InvalidURL, UnicodeEncodeError)
"""What httpx raises of a request that it cannot build, which is no `httpx.RequestError`."""
_POSITION = "X-Taskruns-Position"
_END_OF_LOG = 2**63 - 1
_MAX_POSITION_DIGITS = len(str(_END_OF_LOG))
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_log = logging.getLogger("taskruns")
_HEADERS = {
    "User-Agent": f"taskruns/{version('taskruns')} python/{platform.python_version()} httpx/{httpx.__version__}",
    "Accept": "application/json",
    "Accept-Encoding": bodies.CODING,
}
_OWN_HEADERS = {
    *("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "host"),
    *("if-match", "if-none-match", "te", "trailer", "transfer-encoding", "upgrade", _POSITION.lower()),
}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Options(Struct, frozen=True, kw_only=True):
    """Where the service is and how it is asked. What is not given comes from the environment."""

    url: str
    api_key: str | None
    headers: tuple[tuple[str, str], ...]
    policy: Policy

    def __post_init__(self) -> None:
        _check_url(self.url)
        # The text must not have the key in it, nor may it come to where httpx would refuse it with a text that has.
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise InvalidSetting(
                "The API key contains a character that keys cannot have, such as a space or a line break."
            )
        if self.api_key and any(name.lower() == "authorization" for name, _ in self.headers):
            raise InvalidSetting(
                "default_headers has an Authorization header, which the API key uses: pass only one of them."
            )

    def changed(
        self, api_key: str | None, default_headers: Mapping[str, str] | None, **policy: float | None
    ) -> "Options":
        """These options with others where one is not None."""
        changes = {name: value for name, value in policy.items() if value is not None}
        return replace(
            self,
            api_key=self.api_key if api_key is None else api_key,
            headers=self.headers if default_headers is None else _checked_headers(default_headers),
            policy=replace(self.policy, **changes),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url={self.url!r}, policy={self.policy!r})"


def read_options(
    url: str | None = None,
    api_key: str | None = None,
    default_headers: Mapping[str, str] | None = None,
    *,
    timeout: float | None = None,
    max_retries: int | None = None,
    deadline: float | None = None,
    max_answer_bytes: int | None = None,
) -> Options:
    """Options of what was given, and of the environment for the rest.

    Raises:
        InvalidSetting: If one of them is not what it has to be.
    """
    policy = Policy(
        timeout=settings.timeout() if timeout is None else timeout,
        max_retries=settings.max_retries() if max_retries is None else max_retries,
        deadline=deadline,
        max_answer_bytes=settings.max_answer_bytes() if max_answer_bytes is None else max_answer_bytes,
    )
    return Options(
        url=(settings.service_url() if url is None else url).rstrip("/"),
        api_key=settings.api_key() if api_key is None else api_key,
        headers=_checked_headers(default_headers or {}),
        policy=policy,
    )


def _checked_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers as they are sent."""
    for name, value in headers.items():
        _check_header(name, value)
    # Another name of the client goes in the place of its own.
    return tuple(("User-Agent" if name.lower() == "user-agent" else name, value) for name, value in headers.items())


def _check_header(name: object, value: object) -> None:
    """Raises InvalidSetting, without the value, which may be secret. Not every caller has a type checker."""
    if not (isinstance(name, str) and _HEADER_NAME.fullmatch(name)):
        raise InvalidSetting(f"default_headers has {name!r}, which is not a header name.")
    if name.lower() in _OWN_HEADERS:
        raise InvalidSetting(f"default_headers has {name}, which the client sets itself.")
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip()):
        raise InvalidSetting(f"The value of {name} in default_headers must be printable ASCII text.")


def _check_url(url: str) -> None:
    like = f"it must have the form {settings.DEFAULT_URL}."
    if "@" in url:
        # httpx would send it in place of the API key, and errors and logs show the URL.
        raise InvalidSetting(f"The service's URL contains a user name or a password: {like}")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as cause:
        raise InvalidSetting(f"The service's URL is {url!r} ({cause}): {like}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise InvalidSetting(f"The service's URL is {url!r}: {like}")


class Position:
    """Up to where a client has seen its own changes: it sends this back, so that no standby answers with less."""

    def __init__(self) -> None:
        self._seen = 0
        self.was_reached = False
        """Whether the service has answered."""

    def headers(self) -> dict[str, str]:
        """Returns the position header, if a position is known."""
        return {_POSITION: str(self._seen)} if self._seen else {}

    def note(self, response: httpx.Response) -> None:
        """Notes what an answer says, if it does."""
        self.was_reached = True
        value = response.headers.get(_POSITION, "")
        if value.isdecimal() and len(value) <= _MAX_POSITION_DIGITS:
            # An end of the log was not a real one, so that any other is better.
            self._seen = int(value) if self._seen >= _END_OF_LOG else max(self._seen, int(value))


class Exchange:
    """One call and its attempts: what to send, and what to make of what came back. It does no I/O."""

    def __init__(self, call: Call[object], options: Options, repeatable: bool | None, position: Position) -> None:
        """`repeatable`: may the call be sent again (None: as its method says).

        Raises:
            InvalidArgument: If a parameter has more values than the service takes.
        """
        for name, count in Counter(name for name, _ in call.params).items():
            if count > MAX_VALUES:
                raise InvalidArgument(
                    f"{name} of {call.operation} has {count} values, but the service accepts {MAX_VALUES}: request the "
                    f"rest with further calls."
                )
        self._position = position
        self._call = call
        self._url = options.url + call.path
        self._attempts = Attempts(options.policy, call.method, repeatable)
        self._policy = options.policy
        self._timeout = httpx.Timeout(options.policy.timeout)
        self._headers = {**_HEADERS, **dict(options.headers), **dict(call.headers)}
        if options.api_key:
            self._headers["Authorization"] = f"Bearer {options.api_key}"

    def request(self) -> Arguments:
        """The arguments of httpx for the next attempt."""
        seconds = self._attempts.timeout()
        self._timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
        return {
            "method": self._call.method,
            "url": self._url,
            "params": self._call.params,
            "headers": self._headers | self._position.headers(),
            "content": self._call.body,
            "timeout": self._timeout,
        }

    def seconds_left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._policy.deadline is None else self._attempts.seconds_left()

    def bound(self, response: httpx.Response) -> None:
        """Bounds the body of an answer that is not read yet, which is decompressed from then on.

        Raises:
            AnswerTooLarge: If it says that it is too large.
            InvalidAnswer: If it is compressed with anything else than gzip.
        """
        if not response.is_stream_consumed:  # as one is that no network was needed for
            check_time = None if self._policy.deadline is None else self._check_time
            bodies.bound(response, self._policy.max_answer_bytes, check_time)

    def late(self) -> float:
        """What `failed` says of an attempt that the deadline ended."""
        return self.failed(httpx.ReadTimeout(f"The deadline of {self._policy.deadline:g} s has passed"))

    def _check_time(self) -> None:
        if self._attempts.seconds_left() <= 0:
            raise httpx.ReadTimeout(f"The deadline of {self._policy.deadline:g} s has passed")

    def unbuildable(self, cause: Exception) -> InvalidArgument:
        """The error for a request that httpx could not build."""
        escape_causes(cause)
        return InvalidArgument(f"Cannot build the request of {self._call.operation} from its arguments: {cause}.")

    def failed(self, cause: httpx.RequestError) -> float:
        """Seconds to wait for the next attempt; raises if there is none."""
        escape_causes(cause)
        timed_out = isinstance(cause, httpx.TimeoutException)
        seconds = self._timeout.connect if isinstance(cause, httpx.ConnectTimeout) else self._timeout.read
        within = f" within {seconds:g} s" if timed_out else ""
        sentence = f"No response{within} from {self._url}: {str(cause).rstrip('.') or type(cause).__name__}."
        error = (TimedOut if timed_out else ConnectionFailed)(f"{sentence} Is the service running there?")
        error.__cause__ = cause
        wait = self._attempts.after_failure(error, was_sent=not isinstance(cause, _NEVER_SENT))
        _log.info("%s failed (%s), next attempt in %.2f s", self._call.operation, type(cause).__name__, wait)
        return wait

    def received(self, response: httpx.Response) -> float | None:
        """None if this is the answer, otherwise seconds to wait for the next attempt; raises if there is none."""
        status = response.status_code
        request_id = response.headers.get("X-Request-Id", "")
        self._position.note(response)
        place = excerpt(str(response.url))
        _log.debug(
            "%s answered %d to %s %s, request %s",
            *(self._call.operation, status, self._call.method, place, excerpt(request_id)),
        )
        if (location := response.headers.get("Location")) and 300 <= status < 400 and status != 304:
            sentence = (
                f"{response.url} responded with {status}, a redirect to {location!r}; the client does not follow "
                "redirects."
            )
            raise InvalidAnswer(f"{sentence} If the service is there, use that URL (TASKRUNS_URL).")
        if status < 400:
            return None
        error = problem_error(status, response.content, request_id, self._call.path)
        wait = self._attempts.after_problem(error, response.headers)
        _log.info(
            "%s answered %d (%s), next attempt in %.2f s", self._call.operation, status, excerpt(error.code), wait
        )
        return wait


def decoded(call: Call[T], response: httpx.Response) -> T:
    """The typed answer of a success.

    Raises:
        InvalidAnswer: If it is not what the service's document promises.
    """
    try:
        return call.decode(response.status_code, response.content)
    except (ValueError, RecursionError) as cause:
        escape_causes(cause)
        sentence = f"The response from {response.url} ({response.status_code}) has an unexpected body: {cause}"
        raise InvalidAnswer(
            f"{sentence} Check that it is the task runs service, and not older than this client."
        ) from cause
