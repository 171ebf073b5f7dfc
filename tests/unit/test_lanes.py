"""Lanes: what waits goes on in its order, and what would wait too long is refused at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from taskruns_service.domain.errors import Overloaded
from taskruns_service.storage.lanes import MAX_WAITING, ORDINARY_STALL, Lane


async def entered(lane: Lane, count: int) -> list[asyncio.Task[None]]:
    """Starts so much work that waits for a slot."""
    tasks = [asyncio.create_task(lane.enter()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


@asynccontextmanager
async def full(lane: Lane, slots: int) -> AsyncIterator[None]:
    """Holds all slots of a lane until the block ends."""
    for _ in range(slots):
        await lane.enter()
    yield
    for _ in range(slots):
        lane.leave()


async def test_work_waits_in_its_order_and_urgent_work_goes_first() -> None:
    lane, order = Lane(1, 60, "no"), list[str]()

    async def work(name: str, *, urgent: bool = False) -> None:
        await lane.enter(urgent=urgent)
        order.append(name)
        lane.leave()

    async with full(lane, 1):
        tasks = [asyncio.create_task(work("first")), asyncio.create_task(work("second"))]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(work("urgent", urgent=True)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["urgent", "first", "second"]


async def test_slow_work_in_all_slots_makes_the_lane_refuse_at_once_but_not_urgent_work() -> None:
    lane = Lane(2, 0.05, "no")
    async with full(lane, 2):
        await asyncio.sleep(2 * ORDINARY_STALL)
        with pytest.raises(Overloaded) as refused:
            lane.enter().send(None)  # what waited would not raise yet
        assert (refused.value.detail, refused.value.members) == ("no", {"retry_after": 1})
        urgent = asyncio.create_task(lane.enter(urgent=True))
        await asyncio.sleep(0)
        assert not urgent.done()
    await urgent


async def test_work_that_was_expected_to_wait_less_does_not_wait_much_longer() -> None:
    lane = Lane(1, 0.05, "no")
    async with full(lane, 1):
        (waiting,) = await entered(lane, 1)
        with pytest.raises(Overloaded):
            await waiting


async def test_lane_refuses_when_the_queue_is_full_however_quick_it_is() -> None:
    lane = Lane(1, 60, "no")
    async with full(lane, 1):
        waiting = await entered(lane, MAX_WAITING)
        with pytest.raises(Overloaded):
            await lane.enter()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(5):
        await lane.enter()


async def test_quick_work_of_many_at_a_time_is_not_refused() -> None:
    lane = Lane(4, 3, "no")

    async def work() -> None:
        for _ in range(20):
            await lane.enter()
            await asyncio.sleep(0.001)
            lane.leave()

    await asyncio.gather(*(work() for _ in range(64)))


async def test_rate_at_which_slots_come_free_tells_the_wait() -> None:
    lane = Lane(2, 60, "no")
    async with full(lane, 2):
        waiting = await entered(lane, 40)
        for _ in range(30):
            await asyncio.sleep(0.01)
            lane.leave()
        assert 11 * 0.01 <= lane.expected_wait() < 11 * 0.2
        for task in waiting[30:]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def cancel_before_its_turn(lane: Lane, task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    lane.leave()


async def cancel_at_its_turn(lane: Lane, task: asyncio.Task[None]) -> None:
    lane.leave()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("cancel", [cancel_before_its_turn, cancel_at_its_turn])
async def test_slot_of_work_that_is_cancelled_is_not_lost(
    cancel: Callable[[Lane, asyncio.Task[None]], Awaitable[None]],
) -> None:
    lane = Lane(1, 60, "no")
    await lane.enter()
    (waiting,) = await entered(lane, 1)
    await cancel(lane, waiting)
    async with asyncio.timeout(5):
        await lane.enter()
