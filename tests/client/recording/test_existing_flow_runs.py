"""Flow runs that exist already: recorded into from here and from other processes, and linked to where they began."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from taskruns import Client, FlowRunRecorder, FlowRunView, StateType, flow_run, task
from taskruns.errors import FlowRunConflict, FlowRunNotFound
from taskruns.recording import existing_flow_runs
from taskruns.recording.outbox import flush
from tests.client.recording.recorded import task_runs
from tests.client.recording.scripts import Scripts
from tests.postgres import free_port

RUNNING, SUCCESS, FAILED = StateType.RUNNING, StateType.SUCCESS, StateType.FAILED
PROGRAM = """
    import os, sys
    from taskruns import flow_run, task

    @task
    def inc(x):
        return x + 1

    @task
    def fail():
        raise ValueError("no")
"""
JOIN = (
    PROGRAM
    + """
    with flow_run("etl", id=os.environ["ID"]) as run:
        print(inc(1), run.flow_run_id)
        if "FAIL" in os.environ:
            fail()
"""
)
KEY = (
    PROGRAM
    + """
    with flow_run("etl", idempotency_key=os.environ["KEY"], parameters={"day": 1}) as run:
        print(inc(1), run.flow_run_id)
"""
)


@task
def inc(x: int) -> int:
    return x + 1


@pytest.fixture
def key() -> str:
    return str(uuid4())


def states(flow_run_id: str, client: Client) -> list[StateType]:
    """The types of the states that a flow run had."""
    return [state.type for state in client.flow_runs.states(flow_run_id)]


def view(flow_run_id: str, client: Client) -> FlowRunView:
    return FlowRunView.from_flow_run_id(flow_run_id, client=client)


# By id


@pytest.mark.parametrize("ends", [0, 1])
def test_program_takes_part_in_a_flow_run_that_is_running_elsewhere(
    ends: int, scripts: Scripts, client: Client
) -> None:
    with flow_run("etl", name="nightly", parameters={"day": 1}, labels=["prod"]) as run:
        inc(1)
        environment = {"FAIL": "1"} if ends else {}
        out, _ = scripts.run(JOIN, ends, ID=run.flow_run_id, **environment)
        assert out == f"2 {run.flow_run_id}\n"
        assert states(run.flow_run_id, client) == [RUNNING]
        inc(1)

    assert states(run.flow_run_id, client) == [RUNNING, SUCCESS]
    found = run.view()
    assert (found.name, found.parameters, found.labels) == ("nightly", {"day": 1}, ["prod"])
    slugs = [slug for slug, _ in task_runs(run)]
    assert len(slugs) == 3 + ends
    assert slugs[0] == "inc-1"
    assert slugs[-1] == "inc-2"
    # Results have places of their own too.
    assert [one.get_result(trust=True) for one in found.get_all_task_runs() if one.state == SUCCESS] == [2, 2, 2]


def test_block_takes_part_in_a_flow_run_of_its_own_process(client: Client) -> None:
    with flow_run("etl", name="outer") as outer:
        with flow_run("etl", id=outer.id, executor=ThreadPoolExecutor(1)) as inner:
            assert inner.id == outer.id
            inc.map([1, 2])
        inc(1)
        assert states(outer.flow_run_id, client) == [RUNNING]
    assert states(outer.flow_run_id, client) == [RUNNING, SUCCESS]
    assert outer.view().name == "outer"
    assert len(task_runs(outer)) == 4


async def test_async_block_takes_part_in_a_flow_run(client: Client) -> None:
    async with flow_run("etl") as outer:
        async with flow_run("etl", id=outer.flow_run_id):
            inc(1)
        assert await asyncio.to_thread(states, outer.flow_run_id, client) == [RUNNING]
    assert await asyncio.to_thread(states, outer.flow_run_id, client) == [RUNNING, SUCCESS]


def test_flow_run_that_nobody_has_begun_is_begun_and_ended(scripts: Scripts, client: Client) -> None:
    created = client.flow_runs.create(flow_name="etl", name="made", parameters={"day": 1})
    scripts.run(JOIN, ID=created.id)
    assert states(str(created.id), client) == [RUNNING, SUCCESS]
    found = view(str(created.id), client)
    assert (found.name, found.parameters) == ("made", {"day": 1})
    assert [one.task_slug for one in found.get_all_task_runs()] == ["inc-1"]


@pytest.mark.parametrize("first", [SUCCESS, FAILED])
@pytest.mark.parametrize("ends", [0, 1])
def test_flow_run_that_has_ended_is_begun_and_ended_again(
    first: StateType, ends: int, scripts: Scripts, client: Client
) -> None:
    with flow_run("etl") as run:
        inc(1)
        if first == FAILED:
            inc.submit("no")  # type: ignore[arg-type]
    assert run.view().state == first
    environment = {"FAIL": "1"} if ends else {}
    scripts.run(JOIN, ends, ID=run.flow_run_id, **environment)
    assert states(run.flow_run_id, client) == [RUNNING, first, RUNNING, FAILED if ends else SUCCESS]
    assert run.view().state == (FAILED if ends else SUCCESS)
    assert len(task_runs(run)) == 2 + ends + (first == FAILED)


def test_id_without_a_flow_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(existing_flow_runs, "SECONDS", 0.1)
    with pytest.raises(FlowRunNotFound), flow_run("etl", id=uuid4()):
        pass


def test_flow_run_of_another_flow_or_with_other_parameters_is_an_error() -> None:
    with flow_run("etl", parameters={"day": 1}) as run:
        pass
    with pytest.raises(FlowRunConflict, match="a different value in flow_name"), flow_run("other", id=run.id):
        pass
    with (
        pytest.raises(FlowRunConflict, match="a different value in parameters"),
        flow_run("etl", id=run.id, parameters={"day": 2}),
    ):
        pass
    with flow_run("etl", id=run.id, parameters={"day": 1}) as again:
        assert again.id == run.id


def test_id_and_key_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^A flow run is found by its id or by its idempotency_key: pass one of them"):
        flow_run("etl", id=uuid4(), idempotency_key="k")
    with pytest.raises(ValueError, match=r"^The id of a flow run must be a UUID, but this is '5'\.$"):
        flow_run("etl", id="5")
    with pytest.raises(ValueError, match="An idempotency key"):
        flow_run("etl", idempotency_key="")


# By idempotency key


def test_program_that_is_started_again_records_into_the_same_flow_run(
    key: str, scripts: Scripts, client: Client
) -> None:
    first, second = (scripts.run(KEY, KEY=key)[0].split()[1] for _ in range(2))
    assert first == second
    assert states(first, client) == [RUNNING, SUCCESS, RUNNING, SUCCESS]
    found = view(first, client)
    assert (found.flow_run.idempotency_key, found.parameters) == (key, {"day": 1})
    slugs = [one.task_slug for one in found.get_all_task_runs()]
    assert len(set(slugs)) == 2
    assert slugs[0] == "inc-1"


def test_key_finds_the_flow_run_that_another_client_has_created(key: str, client: Client) -> None:
    created = client.flow_runs.create(flow_name="etl", idempotency_key=key)
    with flow_run("etl", idempotency_key=key) as run:
        inc(1)
    assert run.id == created.id
    assert list(task_runs(run)) == [("inc-1", -1)]


def test_key_is_of_one_flow(key: str) -> None:
    with flow_run("etl", idempotency_key=key) as one, flow_run("other", idempotency_key=key) as other:
        pass
    assert one.id != other.id


def test_of_those_who_begin_a_flow_run_at_once_one_ends_it(key: str, client: Client) -> None:
    barrier = threading.Barrier(4)

    def record() -> FlowRunRecorder:
        barrier.wait()
        with flow_run("etl", idempotency_key=key) as run:
            barrier.wait()
            inc(1)
            inc(1)
            barrier.wait()
        return run

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(record) for _ in range(4)]
        (run, *others) = [future.result() for future in futures]
    assert {other.id for other in others} == {run.id}
    assert states(run.flow_run_id, client) == [RUNNING, SUCCESS]
    assert len(task_runs(run)) == 8


def test_flow_run_with_a_key_is_recorded_while_the_service_is_away(key: str, scripts: Scripts, client: Client) -> None:
    out, _ = scripts.run(KEY, KEY=key, TASKRUNS_URL=f"http://127.0.0.1:{free_port()}")
    assert flush(scripts.outbox, client).refused == 0
    flow_run_id = out.split()[1]
    assert states(flow_run_id, client) == [RUNNING, SUCCESS]
    again, _ = scripts.run(KEY, KEY=key)
    assert again.split()[1] == flow_run_id


def test_block_with_an_id_leaves_the_states_alone_while_the_service_is_away(scripts: Scripts, client: Client) -> None:
    with flow_run("etl") as run:
        scripts.run(JOIN, ID=run.flow_run_id, TASKRUNS_URL=f"http://127.0.0.1:{free_port()}")
        run.flush()
        assert flush(scripts.outbox, client).refused == 0
        assert states(run.flow_run_id, client) == [RUNNING]
    assert len(task_runs(run)) == 1


# Where flow runs began


@task
def nested(x: int) -> str:
    with flow_run("child") as child:
        inc(x)
        with flow_run("grandchild") as grandchild:
            pass
    return f"{child.flow_run_id} {grandchild.flow_run_id}"


@task
def nested_in_time(x: int) -> str:
    return nested.function(x)


nested_in_time.timeout = 60


@task
async def nested_async(x: int) -> str:
    await asyncio.sleep(0)
    async with flow_run("child") as child, flow_run("grandchild") as grandchild:
        pass
    return f"{child.flow_run_id} {grandchild.flow_run_id}"


@task
def nested_items(x: int) -> Iterator[str]:
    yield nested.function(x)


def context(flow_run_id: str, client: Client) -> dict[str, object]:
    return dict(client.flow_runs.get(flow_run_id).context)


def check_links(ids: str, run: FlowRunRecorder, task_slug: str, client: Client, map_index: int = -1) -> None:
    child, grandchild = ids.split()
    parent = run.view().get_task_run(task_slug, map_index=map_index)
    assert context(child, client) == {
        "parent_flow_run_id": run.flow_run_id,
        "parent_task_run_id": str(parent.task_run_id),
    }
    assert client.flow_runs.get(child).parent_task_run_id == parent.task_run.id
    assert child in {str(flow_run.id) for flow_run in client.flow_runs.list(parent_flow_run_id=[run.flow_run_id])}
    assert context(grandchild, client) == {"parent_flow_run_id": child}
    assert client.flow_runs.get(grandchild).parent_task_run_id is None


@pytest.mark.parametrize(
    ("call", "task_slug"),
    [
        (nested, "nested-1"),
        (nested_in_time, "nested_in_time-1"),
        (lambda x: asyncio.run(nested_async(x)), "nested_async-1"),
        (lambda x: next(iter(nested_items(x))), "nested_items-1"),
    ],
    ids=["task", "time-out", "async", "generator"],
)
def test_flow_run_in_a_task_is_linked_to_its_task_run(
    call: Callable[[int], str], task_slug: str, client: Client
) -> None:
    with flow_run("parent") as run:
        ids = call(1)
        with flow_run("sibling") as sibling:
            pass
    check_links(ids, run, task_slug, client)
    assert context(sibling.flow_run_id, client) == {"parent_flow_run_id": run.flow_run_id}
    assert context(run.flow_run_id, client) == {}
    with flow_run("later") as later:
        pass
    assert context(later.flow_run_id, client) == {}


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_flow_run_in_an_executor_is_linked_to_its_task_run(pool: Callable[[int], Executor], client: Client) -> None:
    with pool(1) as executor, flow_run("parent", executor=executor) as run:
        mapped = nested.map([1, 2])
        submitted = nested.submit(3).result()
    for index, ids in enumerate(mapped):
        check_links(ids, run, "nested-1", client, index)
    check_links(submitted, run, "nested-2", client)


def test_flow_run_with_a_key_keeps_the_link_to_where_it_was_created(key: str, client: Client) -> None:
    with flow_run("parent") as parent, flow_run("child", idempotency_key=key) as child:
        pass
    with flow_run("child", idempotency_key=key) as again:
        pass
    with flow_run("other"), flow_run("child", idempotency_key=key):
        pass
    assert again.id == child.id
    assert context(child.flow_run_id, client) == {"parent_flow_run_id": parent.flow_run_id}


def test_id_of_a_task_run_is_known_while_the_service_is_away(tmp_path: Path, scripts: Scripts, client: Client) -> None:
    scripts.run(
        PROGRAM
        + """
    from taskruns.results import LocalResult
    with flow_run("etl", result=LocalResult(os.getcwd(), location="{task_run_id}.pickle")) as run:
        inc(1)
        print(run.flow_run_id)
    """,
        TASKRUNS_URL=f"http://127.0.0.1:{free_port()}",
    )
    flush(scripts.outbox, client)
    (path,) = tmp_path.glob("*.pickle")
    assert client.task_runs.get(path.stem).task_slug == "inc-1"
