"""Runs that the tests of views record, and a client that notes its requests."""

from typing import Any
from uuid import UUID

import httpx

from taskruns import Client
from taskruns.models import StateCreate, StateType, TaskRunReport
from taskruns.results import JSONSerializer, LocalResult, wire


class Counting:
    """A client and the requests that it has made."""

    def __init__(self, url: str) -> None:
        self.paths: list[str] = []
        self.http = httpx.Client(event_hooks={"request": [lambda request: self.paths.append(request.url.path)]})
        self.client = Client(url, http_client=self.http)


def succeeded(value: Any, storage: LocalResult | None = None) -> StateCreate:
    """The state of a task run that returned a value, which is kept as JSON."""
    written = (storage or LocalResult(serializer=JSONSerializer())).write(value)
    return StateCreate(type=StateType.SUCCESS, message="Task run succeeded.", result=wire(written))


def record(client: Client, *items: TaskRunReport) -> UUID:
    """Records a flow run with these task runs."""
    flow_run = client.flow_runs.create(flow_name="views", labels=["test"])
    if items:
        receipts = client.flow_runs.report(flow_run.id, items=items)
        assert [item.problem for item in receipts.items] == [None] * len(items)
    return flow_run.id


def run_of(task_slug: str, *states: StateCreate, map_index: int = -1) -> TaskRunReport:
    return TaskRunReport(task_slug=task_slug, map_index=map_index, states=list(states))


def mapped(*children: StateCreate) -> list[TaskRunReport]:
    """A parent and its children, reported in an order that is not that of their indexes."""
    parent = run_of("inc-1", StateCreate(type=StateType.MAPPED))
    runs = [run_of("inc-1", state, map_index=index) for index, state in enumerate(children)]
    return [parent, *reversed(runs)]


def constant(value: Any) -> StateCreate:
    """The state of a task run that returned what is the same in every run."""
    return StateCreate(type=StateType.SUCCESS, result={"type": "ConstantResult", "value": value})
