"""Executes one task run: its tries, its time-out and its result."""

import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, TypeVar

import anyio
from anyio.to_thread import run_sync

from taskruns.recording.deferred_values import RecordedAsyncGenerator, RecordedGenerator, drop, kind_of, record_future
from taskruns.recording.progress import Progress, Skip, store_result
from taskruns.type_aliases import Arguments, Positional

T = TypeVar("T")

_RECORDED: dict[str, Callable[[Any, Progress], Any]] = {
    "async generator": RecordedAsyncGenerator,
    "future": record_future,
    "generator": RecordedGenerator,
}


def execute(function: Callable[..., T], args: Positional, kwargs: Arguments, progress: Progress) -> T | None:
    """Runs a function as a task run: returns what it returns, None if it was skipped, or raises its last error.

    If it returns what only does the work later (a coroutine, a generator, a future), the task run ends when that does.
    """
    while True:
        try:
            progress.begin()
            with progress.active():
                value = _in_time(function, args, kwargs, progress)
        except BaseException as error:
            if (delay := progress.fail(error)) is None:
                if isinstance(error, Skip):
                    return None
                raise
            with progress.reporting_cancellation():
                time.sleep(delay)
        else:
            if (kind := kind_of(value)) is not None:
                _check_deferred(kind, value, progress)
                if kind == "coroutine":
                    return execute_async(function, args, kwargs, progress, begun=value)  # type: ignore[arg-type, return-value]
                return _RECORDED[kind](value, progress)  # type: ignore[no-any-return]
            with progress.reporting_cancellation():
                progress.succeed(store_result(value, progress.spec))
            return value


def _check_deferred(kind: str, value: object, progress: Progress) -> None:
    """Raises TypeError, and the task run Failed, if what does the work later cannot be recorded to its end."""
    if progress.is_remote:
        drop(value)
        progress.refuse(f"returned a {kind}, which cannot leave its process: return its result instead.")
    if kind != "coroutine" and (progress.spec.max_retries or progress.spec.timeout is not None):
        drop(value)
        progress.refuse(f"returned a {kind}, which supports neither retries nor a timeout: return its result instead.")


async def execute_async(
    function: Callable[..., Awaitable[T]],
    args: Positional,
    kwargs: Arguments,
    progress: Progress,
    begun: Awaitable[T] | None = None,
) -> T | None:
    """Runs an async function as a task run: gives its value, None if it was skipped, or raises its last error.

    `begun` is what its first try has returned, if that has begun.
    """
    while True:
        try:
            if begun is None:
                progress.begin()
                begun = function(*args, **kwargs)
            value = await _in_time_async(begun, progress)
        except BaseException as error:
            begun = None
            if (delay := progress.fail(error)) is None:
                if isinstance(error, Skip):
                    return None
                raise
            with progress.reporting_cancellation():
                await anyio.sleep(delay)
        else:
            spec = progress.spec
            with progress.reporting_cancellation():
                progress.succeed(
                    store_result(value, spec) if spec.result is None else await run_sync(store_result, value, spec)
                )
            return value


async def _in_time_async(awaitable: Awaitable[T], progress: Progress) -> T:
    with progress.active(), anyio.move_on_after(progress.spec.timeout):
        return await awaitable
    raise progress.timed_out()


def _in_time(function: Callable[..., T], args: Positional, kwargs: Arguments, progress: Progress) -> T:
    """Calls a function, in a thread of its own if it has a time-out.

    When it is late it is not waited for any more. It goes on in its thread, as nothing can stop it, and what it returns
    is dropped.
    """
    spec = progress.spec
    if spec.timeout is None:
        return function(*args, **kwargs)
    outcome: list[tuple[T | None, BaseException | None]] = []

    def call() -> None:
        try:
            outcome.append((function(*args, **kwargs), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=copy_context().run, args=(call,), name=spec.task_slug, daemon=True)
    thread.start()
    thread.join(spec.timeout)
    if not outcome:
        raise progress.timed_out()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value  # type: ignore[return-value]
