"""`Client` and `AsyncClient`: every operation of the service as a typed method."""

import atexit
import os
import time
from collections.abc import Callable, Mapping
from copy import copy
from functools import cache, partial
from typing import ParamSpec, Self, TypeAlias, TypeVar, cast

import anyio
import httpx

from taskruns import deadlines, logs
from taskruns._generated.types import Call
from taskruns.exchange import UNBUILDABLE, Exchange, Options, Position, decoded, read_options
from taskruns.methods import AsyncListingMethod, AsyncMethod, Method, built, copy_signature, page_at
from taskruns.pages import AsyncListing, AsyncPage, Page, PageAnswer
from taskruns.resources import AsyncFlowRuns, AsyncService, AsyncTaskRuns, FlowRuns, Service, TaskRuns
from taskruns.responses import RawResponse
from taskruns.tls import ssl_context
from taskruns.type_aliases import Arguments

P = ParamSpec("P")
T = TypeVar("T")

_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)
ArgumentHook: TypeAlias = Callable[[Arguments], bool | None]


def _repeat_by_http_method(arguments: Arguments) -> None:
    """Whether the call may be repeated is for its HTTP method to say."""


class Client:
    """A client of the task runs service. Threads can share it.

    Use it as a context manager, or call `close`, to release its connections.
    """

    task_runs: TaskRuns
    flow_runs: FlowRuns
    service: Service

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        deadline: float | None = None,
        max_answer_bytes: int | None = None,
        default_headers: Mapping[str, str] | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        """Connects on the first call. Missing arguments come from the environment.

        Args:
            url: The URL of the service. Default: TASKRUNS_URL, or http://127.0.0.1:4200.
            api_key: The API key. Default: TASKRUNS_API_KEY, or none.
            timeout: The seconds that one attempt waits for the service. Default: TASKRUNS_TIMEOUT, or 30.
            max_retries: The maximum number of retries of a call that failed and is safe to repeat. Default:
                TASKRUNS_MAX_RETRIES, or 2.
            deadline: The maximum seconds for all attempts of a call together. Default: no limit. With your own HTTP
                client, it is only checked when a part of the response arrives.
            max_answer_bytes: The maximum bytes of a response after decompression. Default: TASKRUNS_MAX_ANSWER_BYTES,
                or 100 MB.
            default_headers: Headers to send with every call, in addition to those of the client.
            http_client: Your own HTTP client, which you close yourself.

        Raises:
            InvalidSetting: If an argument or a variable has an invalid value.
        """
        logs.configure()
        self.options = read_options(
            url,
            api_key,
            default_headers,
            timeout=timeout,
            max_retries=max_retries,
            deadline=deadline,
            max_answer_bytes=max_answer_bytes,
        )
        self.position = Position()
        self._owned = http_client is None
        self._has_foreign_http = http_client is not None
        self.http = deadlines.http_client(_LIMITS) if http_client is None else http_client
        self._bind_resources()

    def _bind_resources(self) -> None:
        self.task_runs = TaskRuns(self)
        self.flow_runs = FlowRuns(self)
        self.service = Service(self)

    def with_options(
        self,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        deadline: float | None = None,
        max_answer_bytes: int | None = None,
        default_headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Returns a client with other options on the same connections, which this one closes."""
        other = copy(self)
        other.options = self.options.changed(
            api_key,
            default_headers,
            timeout=timeout,
            max_retries=max_retries,
            deadline=deadline,
            max_answer_bytes=max_answer_bytes,
        )
        other._owned = False
        other._bind_resources()
        return other

    def detached(self) -> Self:
        """Returns a client with the same options that stays open without this one (unless you own the HTTP client)."""
        other = copy(self)
        if not self._has_foreign_http:
            other.http, other._owned = deadlines.http_client(_LIMITS), True
        other._bind_resources()
        return other

    def send_raw(self, call: Call[object], *, repeatable: bool | None = None) -> httpx.Response:
        """Sends a call and returns the response unchanged if it is a success.

        Raises:
            ProblemError: If the service returned a problem.
            ConnectionFailed: If it did not respond.
            InvalidArgument: If the arguments do not make a valid request.
            AnswerTooLarge: If the response exceeds `max_answer_bytes`.
        """
        exchange = Exchange(call, self.options, repeatable, self.position)
        while True:
            try:
                response = self._answer(exchange)
            except UNBUILDABLE as cause:
                raise exchange.unbuildable(cause) from cause
            except httpx.RequestError as cause:
                wait = exchange.failed(cause)
            else:
                if (seconds := exchange.received(response)) is None:
                    return response
                wait = seconds
            time.sleep(wait)

    def _answer(self, exchange: Exchange) -> httpx.Response:
        if (seconds := exchange.seconds_left()) is not None:
            with deadlines.deadline_after(seconds):
                return self._read(exchange)
        return self._read(exchange)

    def _read(self, exchange: Exchange) -> httpx.Response:
        with logs.requesting(), self.http.stream(**exchange.request()) as response:
            exchange.bound(response)
            response.read()
        return response

    def send(self, call: Call[T], *, repeatable: bool | None = None) -> T:
        """Sends a call and returns its typed response.

        `repeatable` says whether it can be retried; None: as its HTTP method allows.

        Raises:
            ProblemError: If the service returned a problem.
            ConnectionFailed: If it did not respond.
            InvalidAnswer: If the response does not match the service's OpenAPI document.
        """
        return decoded(call, self.send_raw(call, repeatable=repeatable))

    def bind(
        self, build: Callable[P, Call[T]], prepare_arguments: ArgumentHook = _repeat_by_http_method
    ) -> Method[P, T]:
        """Returns a method that builds a call and sends it."""

        def with_raw_response(*args: P.args, **kwargs: P.kwargs) -> RawResponse[T]:
            repeatable = prepare_arguments(kwargs)
            call = built(build, *args, **kwargs)
            return RawResponse(self.send_raw(call, repeatable=repeatable), partial(decoded, call))

        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return with_raw_response(*args, **kwargs).parse()

        return cast("Method[P, T]", copy_signature(build, method, with_raw_response))

    def bind_list(self, build: Callable[P, Call[PageAnswer[T]]]) -> Method[P, Page[T]]:
        """Returns a method that builds the call for a page, sends it, and can fetch the next page."""

        def page(call: Call[PageAnswer[T]], response: httpx.Response) -> Page[T]:
            return Page(decoded(call, response), lambda cursor: fetch(page_at(call, cursor)).parse())

        def fetch(call: Call[PageAnswer[T]]) -> RawResponse[Page[T]]:
            return RawResponse(self.send_raw(call), partial(page, call))

        def with_raw_response(*args: P.args, **kwargs: P.kwargs) -> RawResponse[Page[T]]:
            return fetch(built(build, *args, **kwargs))

        def method(*args: P.args, **kwargs: P.kwargs) -> Page[T]:
            return with_raw_response(*args, **kwargs).parse()

        return cast("Method[P, Page[T]]", copy_signature(build, method, with_raw_response))

    def close(self) -> None:
        """Releases the connections, unless you passed your own HTTP client."""
        if self._owned:
            self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.options.url!r})"


@cache
def _client_of_process(options: Options, process: int) -> Client:
    client = Client(options.url, api_key=options.api_key)
    atexit.register(client.close)
    # A shared client: close() on this copy must not close the connections.
    return client.with_options()


def default_client(url: str | None = None) -> Client:
    """Returns the client of this process for a service, by default the one in the environment.

    It is created on first use.
    """
    # A child process that was forked must not speak on its parent's connections.
    return _client_of_process(read_options(url), os.getpid())


class AsyncClient:
    """A client of the task runs service, for asyncio.

    Use it as an async context manager, or call `close`, to release its connections.
    """

    task_runs: AsyncTaskRuns
    flow_runs: AsyncFlowRuns
    service: AsyncService

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        deadline: float | None = None,
        max_answer_bytes: int | None = None,
        default_headers: Mapping[str, str] | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        """Connects on the first call. The arguments are those of `Client`.

        Raises:
            InvalidSetting: If an argument or a variable has an invalid value.
        """
        logs.configure()
        self.options = read_options(
            url,
            api_key,
            default_headers,
            timeout=timeout,
            max_retries=max_retries,
            deadline=deadline,
            max_answer_bytes=max_answer_bytes,
        )
        self.position = Position()
        self._owned = http_client is None
        self.http = httpx.AsyncClient(limits=_LIMITS, verify=ssl_context()) if http_client is None else http_client
        self._bind_resources()

    def _bind_resources(self) -> None:
        self.task_runs = AsyncTaskRuns(self)
        self.flow_runs = AsyncFlowRuns(self)
        self.service = AsyncService(self)

    def with_options(
        self,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        deadline: float | None = None,
        max_answer_bytes: int | None = None,
        default_headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Returns a client with other options on the same connections, which this one closes."""
        other = copy(self)
        other.options = self.options.changed(
            api_key,
            default_headers,
            timeout=timeout,
            max_retries=max_retries,
            deadline=deadline,
            max_answer_bytes=max_answer_bytes,
        )
        other._owned = False
        other._bind_resources()
        return other

    async def send_raw(self, call: Call[object], *, repeatable: bool | None = None) -> httpx.Response:
        """Sends a call and returns the response unchanged if it is a success; raises as `Client.raw`."""
        exchange = Exchange(call, self.options, repeatable, self.position)
        while True:
            try:
                response = await self._answer(exchange)
            except UNBUILDABLE as cause:
                raise exchange.unbuildable(cause) from cause
            except httpx.RequestError as cause:
                wait = exchange.failed(cause)
            except TimeoutError:
                wait = exchange.late()
            else:
                if (seconds := exchange.received(response)) is None:
                    return response
                wait = seconds
            await anyio.sleep(wait)

    async def _answer(self, exchange: Exchange) -> httpx.Response:
        if (seconds := exchange.seconds_left()) is not None:
            with anyio.fail_after(seconds):
                return await self._read(exchange)
        return await self._read(exchange)

    async def _read(self, exchange: Exchange) -> httpx.Response:
        with logs.requesting():
            async with self.http.stream(**exchange.request()) as response:
                exchange.bound(response)
                await response.aread()
        return response

    async def send(self, call: Call[T], *, repeatable: bool | None = None) -> T:
        """Sends a call and returns its typed response; raises as `Client.send`."""
        return decoded(call, await self.send_raw(call, repeatable=repeatable))

    def bind(
        self, build: Callable[P, Call[T]], prepare_arguments: ArgumentHook = _repeat_by_http_method
    ) -> AsyncMethod[P, T]:
        """Returns a method that builds a call and sends it."""

        async def with_raw_response(*args: P.args, **kwargs: P.kwargs) -> RawResponse[T]:
            repeatable = prepare_arguments(kwargs)
            call = built(build, *args, **kwargs)
            return RawResponse(await self.send_raw(call, repeatable=repeatable), partial(decoded, call))

        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return (await with_raw_response(*args, **kwargs)).parse()

        return cast("AsyncMethod[P, T]", copy_signature(build, method, with_raw_response))

    def bind_list(self, build: Callable[P, Call[PageAnswer[T]]]) -> AsyncListingMethod[P, T]:
        """Returns a method that builds the call for a page, sends it, and can fetch the next page."""

        def page(call: Call[PageAnswer[T]], response: httpx.Response) -> AsyncPage[T]:
            return AsyncPage(decoded(call, response), lambda cursor: fetch_page(page_at(call, cursor)))

        async def fetch(call: Call[PageAnswer[T]]) -> RawResponse[AsyncPage[T]]:
            return RawResponse(await self.send_raw(call), partial(page, call))

        async def fetch_page(call: Call[PageAnswer[T]]) -> AsyncPage[T]:
            return (await fetch(call)).parse()

        async def with_raw_response(*args: P.args, **kwargs: P.kwargs) -> RawResponse[AsyncPage[T]]:
            return await fetch(built(build, *args, **kwargs))

        def method(*args: P.args, **kwargs: P.kwargs) -> AsyncListing[T]:
            call = built(build, *args, **kwargs)
            return AsyncListing(lambda: fetch_page(call))

        return cast("AsyncListingMethod[P, T]", copy_signature(build, method, with_raw_response))

    async def close(self) -> None:
        """Releases the connections, unless you passed your own HTTP client."""
        if self._owned:
            await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.options.url!r})"
