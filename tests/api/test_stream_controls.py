"""A client that compares finds out what a stream leaves out: the control of all tests that find nothing missing."""

import random
from collections.abc import Callable
from itertools import count

import pytest

from taskruns_service.live import events
from tests.pictures import Picture
from tests.streams import Watched, streaming

COUNT = 120


async def watch_with_cuts(watched: Watched, seed: int, *, tasks: int = 20) -> None:
    """Changes task runs while a client watches that loses its connection again and again; compares at the end.

    With many tasks hardly any task run changes again, so that no later event makes up for one that is missing.
    """
    generator = random.Random(seed)
    picture = Picture()
    headers: dict[str, str] = {}
    changes = 0
    while changes < COUNT or picture.sequence < await watched.sequence():
        target = f"{watched.path}/events?after_sequence=0"
        async with streaming(watched.app, target, headers) as stream:
            for _ in range(generator.randrange(1, 6)):
                if changes < COUNT:
                    changes += 1
                    slugs = {f"t-{generator.randrange(tasks)}" for _ in range(generator.randrange(1, 4))}
                    await watched.report(*slugs, state=generator.choice(["Running", "Retrying"]))
                if picture.sequence < await watched.sequence():
                    event = await stream.next()
                    assert event is not None
                    if picture.sequence < 0:
                        picture.start(0)
                    picture.take(event)
            headers = {"Last-Event-ID": picture.last_id} if picture.last_id is not None else {}
    picture.compare([*(await watched.listed()).values()])


@pytest.mark.parametrize("seed", range(3))
async def test_client_that_loses_its_connection_misses_nothing(watched: Watched, seed: int) -> None:
    await watch_with_cuts(watched, seed)


def without_every_tenth(encode: Callable[[int, int, str], bytes]) -> Callable[[int, int, str], bytes]:
    numbers = count(1)

    def encode_some(after: int, sequence: int, items: str) -> bytes:
        return encode(after, sequence, "" if next(numbers) % 10 == 0 else items)

    return encode_some


async def test_stream_that_leaves_out_an_event_is_found_out(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "task_runs_event", without_every_tenth(events.task_runs_event))
    with pytest.raises(AssertionError):
        await watch_with_cuts(watched, 0, tasks=10_000)


async def test_stream_that_repeats_an_event_is_found_out(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = events.task_runs_event
    monkeypatch.setattr(events, "task_runs_event", lambda *members: encode(*members) + encode(*members))
    with pytest.raises(AssertionError):
        await watch_with_cuts(watched, 0)
