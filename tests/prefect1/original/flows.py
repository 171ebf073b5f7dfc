"""The flows that the tests run with prefect 1.4.1: the main one has one of each thing that a task can do."""

from __future__ import annotations

import datetime
from typing import Any

import prefect
from prefect import Flow, Parameter, task
from prefect.backend.artifacts import create_link_artifact, create_markdown_artifact, delete_artifact
from prefect.engine.results import LocalResult, PrefectResult
from prefect.engine.signals import LOOP, SKIP
from prefect.executors import LocalDaskExecutor

WIDTH = 12
AT_ONCE = datetime.timedelta(0)
HOUR = datetime.timedelta(hours=1)


@task
def numbers(n: int) -> list[int]:
    """Makes the items of the map."""
    return list(range(n))


@task
def inc(x: int) -> int:
    """Is mapped."""
    return x + 1


@task
def total(xs: list[int]) -> int:
    """Reduces what the children returned."""
    return sum(xs)


@task(max_retries=2, retry_delay=AT_ONCE)
def flaky() -> str:
    """Fails the first time."""
    if prefect.context.task_run_count == 1:
        raise ConnectionError("try again")
    return f"try {prefect.context.task_run_count}"


@task
def skipped() -> None:
    """Does nothing today."""
    raise SKIP("not today")


@task(skip_on_upstream_skip=True)
def after_skipped(x: Any) -> str:
    """Is skipped because of the one before it."""
    return f"after {x}"


@task
def boom() -> None:
    """Fails."""
    raise ValueError("boom")


@task
def after_boom(x: Any) -> str:
    """Never runs: what it needs has failed."""
    return f"after {x}"


@task
def climb() -> int:
    """Loops twice."""
    reached: int = prefect.context.get("task_loop_result", 1)
    if reached < 3:
        raise LOOP(message=f"reached {reached}", result=reached + 1)
    return reached


@task(cache_for=HOUR)
def remembered() -> str:
    """Tells which flow run has computed it."""
    return str(prefect.context.flow_run_id)


@task(cache_for=HOUR, cache_key="prefect1-shared")
def shared() -> str:
    """Tells the same, with a cache that other tasks may share."""
    return str(prefect.context.flow_run_id)


@task
def nothing() -> None:
    """Returns None."""
    prefect.context.logger.warning("nothing to do, ünï ☃")


@task(result=PrefectResult())
def small() -> dict[str, list[int]]:
    """Returns what is kept in its state."""
    return {"a": [1, 2]}


@task(task_run_name="from {start} on")
def named(start: int) -> int:
    """Has a name that its inputs decide."""
    return start


@task
def noted() -> str:
    """Leaves an artifact, and another one for a moment."""
    create_link_artifact("https://example.com/report")
    delete_artifact(create_markdown_artifact("# gone"))
    return "noted"


def everything(folder: str) -> Flow:
    """The main flow, whose results are kept in `folder`."""
    with Flow("everything", result=LocalResult(folder), executor=threads()) as flow:
        n = Parameter("n", default=WIDTH)
        sum_of = total(inc.map(numbers(n)))
        flaky()
        after_skipped(skipped())
        after_boom(boom())
        climb()
        remembered()
        shared()
        nothing()
        small()
        named(n)
        noted()
    flow.set_reference_tasks([sum_of])
    return flow


def wide(folder: str, width: int) -> Flow:
    """A flow of one wide map."""
    with Flow("wide", result=LocalResult(folder), executor=threads()) as flow:
        inc.map(list(range(width)))
    return flow


def short() -> Flow:
    """A flow of one task, whose result is kept in its state."""
    with Flow("short") as flow:
        small()
    return flow


@task
def endless() -> None:
    """Runs until it is stopped."""
    import time

    while True:
        time.sleep(0.1)


def lasting() -> Flow:
    """A flow that somebody has to cancel."""
    with Flow("lasting") as flow:
        after_boom(endless())
    return flow


def threads() -> LocalDaskExecutor:
    """Eight threads."""
    return LocalDaskExecutor(scheduler="threads", num_workers=8)
