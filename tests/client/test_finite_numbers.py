"""What JSON has no word for, NaN and infinity above all: an error before anything is sent, and never null."""

import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec import UNSET

from taskruns.client import Client
from taskruns.errors import InvalidArgument, NotFound
from taskruns.models import StateCreate, StateType, TaskRunReport, TaskRunStateReport
from taskruns.recording.reports import FlowRunCreated
from taskruns.recording.sender import Sender
from tests.client.faults import Ask

ID = "00000000-0000-0000-0000-000000000000"
RUNNING = StateType.RUNNING


def _refuse(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"{request.url} was sent")


@pytest.mark.parametrize(
    ("call", "place"),
    [
        (lambda client: client.flow_runs.create(flow_name="etl", parameters={"a": math.nan}), "parameters.a is nan"),
        (
            lambda client: client.flow_runs.create(flow_name="etl", context={"a": [1, math.inf]}),
            r"context.a\[1\] is inf",
        ),
        (lambda client: client.task_runs.set_state(ID, type=RUNNING, details={"a": -math.inf}), "details.a is -inf"),
        (lambda client: client.flow_runs.set_state(ID, type=RUNNING, details={"a": math.nan}), "details.a is nan"),
        (
            lambda client: client.task_runs.set_state(ID, type=RUNNING, result={"type": "T", "value": math.nan}),
            "result.value is nan",
        ),
        (
            lambda client: client.flow_runs.report(
                ID,
                items=[TaskRunReport(task_slug="s", states=[StateCreate(type=RUNNING, details={"a": math.nan})])],
            ),
            r"items\[0\].states\[0\].details.a is nan",
        ),
        (
            lambda client: client.task_runs.set_states(
                items=[TaskRunStateReport(task_run_id=ID, type=RUNNING, details={"a": math.nan})],  # type: ignore[arg-type]
            ),
            r"items\[0\].details.a is nan",
        ),
    ],
)
async def test_numbers_that_are_not_finite_are_refused_before_sending(
    connect: Callable[..., Ask], call: Callable[[Any], Any], place: str
) -> None:
    ask = connect(_refuse)
    with pytest.raises(InvalidArgument, match=rf"^{place}, which JSON cannot represent"):
        await ask(call)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "Encoding objects of type object is unsupported"),
        ({(1, 2): 3}, "Only dicts with str-like or number-like keys are supported"),
        ("\ud800", "surrogates not allowed"),
        (UNSET, "Encoding objects of type msgspec.UnsetType is unsupported"),
    ],
)
async def test_values_that_json_cannot_say_are_refused_before_sending(
    connect: Callable[..., Ask], value: object, message: str
) -> None:
    ask = connect(_refuse)
    for call in (
        lambda client: client.flow_runs.create(flow_name="etl", parameters={"a": value}),
        lambda client: client.task_runs.set_state(ID, type=RUNNING, details={"a": value}),
    ):
        with pytest.raises(InvalidArgument, match=f"^The body cannot be written as JSON: .*{message}"):
            await ask(call)


async def test_body_that_holds_itself_is_refused_before_sending(connect: Callable[..., Ask]) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidArgument, match=r"^The body cannot be written as JSON: maximum recursion depth"):
        await connect(_refuse)(lambda client: client.flow_runs.create(flow_name="etl", parameters={"a": endless}))


def test_recorder_sends_the_rest_of_a_report_that_json_cannot_say() -> None:
    created: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        created.append(request.content)
        return httpx.Response(404, json={})

    report = FlowRunCreated(flow_run_id=UUID(ID), flow_name="etl", parameters={"a": math.nan})
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        sending = Sender(Client("http://service", http_client=http))
        with pytest.raises(NotFound):
            sending.send([report])
    assert created == [f'{{"flow_name":"etl","id":"{ID}"}}'.encode()]
