"""NaN and infinity, for which JSON has no word: an error before anything is sent, and never null."""

import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from taskruns.models import StateCreate, StateType, TaskRunReport, TaskRunStateReport
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
    with pytest.raises(ValueError, match=rf"^{place}, which JSON cannot say"):
        await ask(call)
