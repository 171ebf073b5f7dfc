"""Reports of which the answer got lost, after the service had recorded them: they are sent again and recorded once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from taskruns.client import AsyncClient, Client
from taskruns.errors import ConnectionFailed
from taskruns.models import StateCreate, StateType, TaskRunReport, TaskRunStateReport
from tests.client.faults import Ask, AsyncLosing, Losing, asking
from tests.service import Served


@pytest.fixture
async def losing(kind: type[Client] | type[AsyncClient]) -> AsyncIterator[Losing | AsyncLosing]:
    """The way to the service, on which a test may have answers get lost."""
    way: Losing | AsyncLosing
    if kind is Client:
        with Losing(0) as way:
            yield way
    else:
        async with AsyncLosing(0) as way:
            yield way


@pytest.fixture
async def ask(losing: Losing | AsyncLosing, service: Served) -> AsyncIterator[Ask]:
    """Asks the service on that way."""
    async with AsyncExitStack() as stack:
        if isinstance(losing, Losing):
            http = stack.enter_context(httpx.Client(transport=losing))
            yield asking(Client(service.url, http_client=http))
        else:
            async_http = await stack.enter_async_context(httpx.AsyncClient(transport=losing))
            yield asking(AsyncClient(service.url, http_client=async_http))


@pytest.fixture
async def flow_run_id(ask: Ask) -> UUID:
    """A flow run."""
    made: UUID = (await ask(lambda client: client.flow_runs.create(flow_name=str(uuid4())))).id
    return made


@pytest.fixture
async def task_run_id(ask: Ask, flow_run_id: UUID) -> UUID:
    """A task run of it."""
    items = [TaskRunReport(task_slug="extract-1")]
    made: UUID = (await ask(lambda client: client.flow_runs.report(flow_run_id, items=items))).items[0].task_run_id
    return made


async def states_of(ask: Ask, task_run_id: UUID) -> list[StateType]:
    """The types of the states that a task run had."""
    return [state.type for state in (await ask(lambda client: client.task_runs.states(task_run_id))).items]


def lose_one(losing: Losing | AsyncLosing) -> None:
    """Has the next answer get lost."""
    losing.losses = 1
    losing.bodies.clear()


async def test_state_is_recorded_once(losing: Losing | AsyncLosing, ask: Ask, task_run_id: UUID) -> None:
    lose_one(losing)
    receipt = await ask(lambda client: client.task_runs.set_state(task_run_id, type="Running"))
    assert (receipt.outcome, receipt.state, receipt.version) == ("duplicate", StateType.RUNNING, 1)
    assert len(losing.bodies) == 2
    assert await states_of(ask, task_run_id) == [StateType.RUNNING]


@pytest.mark.parametrize("condition", [{"expected_version": 0}, {"if_match": '"0"'}], ids=["version", "ETag"])
async def test_state_for_one_version_is_recorded_once(
    losing: Losing | AsyncLosing, ask: Ask, task_run_id: UUID, condition: dict[str, Any]
) -> None:
    """The service knows the state by its id, so its own version is none that it conflicts with."""
    lose_one(losing)
    receipt = await ask(lambda client: client.task_runs.set_state(task_run_id, type="Running", **condition))
    assert receipt.outcome == "duplicate"
    assert await states_of(ask, task_run_id) == [StateType.RUNNING]


async def test_states_of_many_are_recorded_once(losing: Losing | AsyncLosing, ask: Ask, task_run_id: UUID) -> None:
    items = [TaskRunStateReport(task_run_id=task_run_id, type=type) for type in (StateType.RUNNING, StateType.SUCCESS)]
    lose_one(losing)
    receipts = await ask(lambda client: client.task_runs.set_states(items=items))
    assert [receipt.outcome for receipt in receipts.items] == ["duplicate", "duplicate"]
    assert await states_of(ask, task_run_id) == [StateType.RUNNING, StateType.SUCCESS]


async def test_task_runs_are_reported_once(losing: Losing | AsyncLosing, ask: Ask, flow_run_id: UUID) -> None:
    states = [StateCreate(type=StateType.RUNNING), StateCreate(type=StateType.SUCCESS)]
    items = [TaskRunReport(task_slug="a", states=states), TaskRunReport(task_slug="b")]
    lose_one(losing)
    receipts = await ask(lambda client: client.flow_runs.report(flow_run_id, items=items))
    assert [receipt.outcome for receipt in receipts.items] == ["duplicate", "existing"]
    assert await states_of(ask, receipts.items[0].task_run_id) == [StateType.RUNNING, StateType.SUCCESS]
    assert (await ask(lambda client: client.flow_runs.get(flow_run_id))).task_run_counts == {"Success": 1, "Pending": 1}


async def test_state_of_a_flow_run_is_recorded_once(losing: Losing | AsyncLosing, ask: Ask, flow_run_id: UUID) -> None:
    lose_one(losing)
    receipt = await ask(lambda client: client.flow_runs.set_state(flow_run_id, type="Running"))
    assert receipt.outcome == "duplicate"
    assert len((await ask(lambda client: client.flow_runs.states(flow_run_id))).items) == 1


@pytest.mark.parametrize("known_by", ["nothing", "id", "idempotency_key"])
async def test_flow_run_is_created_once(losing: Losing | AsyncLosing, ask: Ask, known_by: str) -> None:
    name = str(uuid4())
    members = {} if known_by == "nothing" else {known_by: str(uuid4())}
    lose_one(losing)
    made = await ask(lambda client: client.flow_runs.create(flow_name=name, parameters={"x": 1}, **members))
    assert len(losing.bodies) == 2
    found = (await ask(lambda client: client.flow_runs.list(flow_name=[name]))).items
    assert [one.id for one in found] == [made.id]


async def test_update_is_done_again(losing: Losing | AsyncLosing, ask: Ask, task_run_id: UUID) -> None:
    lose_one(losing)
    updated = await ask(lambda client: client.task_runs.update(task_run_id, name="first", tags=["etl"]))
    assert (updated.name, updated.tags, len(losing.bodies)) == ("first", ["etl"], 2)


async def test_update_of_one_version_is_not_done_again(
    losing: Losing | AsyncLosing, ask: Ask, task_run_id: UUID
) -> None:
    """Or it would say that somebody else had changed the task run, when it was this very update."""
    lose_one(losing)
    with pytest.raises(ConnectionFailed, match="The connection was lost"):
        await ask(lambda client: client.task_runs.update(task_run_id, name="first", expected_version=0))
    assert len(losing.bodies) == 1
    found = await ask(lambda client: client.task_runs.get(task_run_id))
    assert (found.name, found.version) == ("first", 0)


async def test_answers_may_get_lost_more_than_once(losing: Losing | AsyncLosing, ask: Ask, task_run_id: UUID) -> None:
    lose_one(losing)
    losing.losses = 2
    receipt = await ask(lambda client: client.task_runs.set_state(task_run_id, type="Running"))
    assert (receipt.outcome, len(losing.bodies)) == ("duplicate", 3)
    lose_one(losing)
    losing.losses = 3
    with pytest.raises(ConnectionFailed) as raised:
        await ask(lambda client: client.task_runs.set_state(task_run_id, type="Success"))
    assert raised.value.__notes__ == ["This was attempt 3."]
    assert await states_of(ask, task_run_id) == [StateType.RUNNING, StateType.SUCCESS]
