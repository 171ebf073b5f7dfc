"""Signals to stop, from the moment a worker listens: none is missed, none counts twice, and callbacks may come late."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import uvloop

from taskruns_service.server.signals import StopSignals

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of both kinds; the handlers of signals are put back afterwards."""
    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    loop: asyncio.AbstractEventLoop = request.param()
    yield loop
    loop.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def signals(loop: asyncio.AbstractEventLoop, calls: list[str]) -> StopSignals:
    signals = StopSignals()
    signals.listen(loop)
    signals.call(lambda: calls.append("early"))
    return signals


@pytest.mark.parametrize("number", NUMBERS)
def test_signal_between_two_runs_of_the_loop(
    loop: asyncio.AbstractEventLoop, signals: StopSignals, calls: list[str], number: int
) -> None:
    loop.run_until_complete(asyncio.sleep(0))
    os.kill(os.getpid(), number)
    assert calls == ["early"]


def test_callback_that_comes_after_the_signal(signals: StopSignals, calls: list[str]) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert calls == ["early"]
    signals.call(lambda: calls.append("late"))
    assert calls == ["early", "late"]


def test_further_signals_do_nothing(signals: StopSignals, calls: list[str]) -> None:
    for number in (*NUMBERS, *NUMBERS):
        os.kill(os.getpid(), number)
    assert calls == ["early"]


def test_signal_wakes_up_a_loop_that_waits(loop: asyncio.AbstractEventLoop, signals: StopSignals) -> None:
    async def wait() -> None:
        event = asyncio.Event()
        signals.call(lambda: loop.call_soon_threadsafe(event.set))
        async with asyncio.timeout(60):
            await asyncio.to_thread(os.kill, os.getpid(), signal.SIGTERM)
            await event.wait()

    loop.run_until_complete(wait())
