"""What the service would refuse is shortened, kept as its repr or left out, and takes nothing else along."""

import enum
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from taskruns import Client, StateType, flow_run, task
from taskruns.models import StateCreate
from taskruns.recording.bounds import MAX_PARAMETERS_BYTES, safe_json, safe_parameters
from taskruns.recording.reports import FlowRunCreated, FlowRunState, TaskRunState
from taskruns.recording.sender import Sender
from taskruns.results import ConstantResult, LocalResult, PrefectResult
from tests.client.recording.recorded import SUCCESS, WELL, history, task_runs


@task(result=None)
def inc(x: int) -> int:
    return x + 1


class Level(enum.Enum):
    HIGH = math.inf


def nested(levels: int) -> Any:
    """Lists in lists, so many of them."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "parameters",
    [
        {f"p{number}": "y" * 60_000 for number in range(50)},
        {f"p{number}": "\x01" * 16_000 for number in range(100)},
        {f"p{number}": number for number in range(100_000)},
        {"n" * 9_000 + str(number): number for number in range(200)},
        {"deep": nested(99)},
        {"deep": nested(100)},
        {"deep": nested(900)},
        {"deep": nested(5000)},
        {"nul": {"a\0": ["\0", "\ud800"]}},
        {"large": 10**400, "larger": 10**5000},
    ],
    ids=["3 MB", "escapes", "many", "names", "99 levels", "100 levels", "900 levels", "5000 levels", "nul", "integers"],
)
def test_no_parameters_lose_the_flow_run(parameters: dict[str, Any]) -> None:
    with flow_run("big", parameters=parameters, labels=["\x01" * 250 + str(number) for number in range(100)]) as run:
        inc(1)

    assert task_runs(run) == {("inc-1", -1): SUCCESS}
    assert run.view().state == SUCCESS


def test_longest_parameters_are_shortened_until_all_fit() -> None:
    kept = safe_parameters({"day": "2026-11-22", **{f"p{number}": "y" * 60_000 for number in range(50)}})

    assert kept["day"] == "2026-11-22"
    assert len(kept) == 51
    assert all(kept[f"p{number}"].startswith("'yyyy") for number in range(50))
    assert sum(map(len, kept.values())) <= MAX_PARAMETERS_BYTES


def test_parameters_that_do_not_fit_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    kept = safe_parameters({f"p{number}": number for number in range(100_000)})

    assert kept["p0"] == 0
    assert 0 < len(kept) < 100_000
    assert f"{100_000 - len(kept)} of 100000 are not recorded" in caplog.text


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (math.nan, "nan"),
        ([math.inf, {"a": -math.inf}], ["inf", {"a": "-inf"}]),
        ({math.nan: (1, math.nan)}, {"nan": [1, "nan"]}),
        (Level.HIGH, "inf"),
        ({"a": None, "b": [True, 1.5]}, {"a": None, "b": [True, 1.5]}),
        ({"a": 2**70}, {"a": 2**70}),
        (["a\0b", "\ud800"], ["a\\x00b", "\\ud800"]),
        ("\\u0000", "\\u0000"),
        ({"a": [object]}, {"a": ["<class 'object'>"]}),
    ],
)
def test_what_json_cannot_say_is_its_repr_in_its_place(value: Any, kept: Any) -> None:
    assert safe_json(value) == kept


def test_deeper_levels_are_their_repr() -> None:
    assert safe_json([[[1]]], 2) == [["[1]"]]


def test_nan_and_none_of_parameters_differ() -> None:
    with flow_run("nan", parameters={"a": math.nan, "b": None, "c": [math.inf]}) as run:
        pass
    assert run.view().flow_run.parameters == {"a": "nan", "b": None, "c": ["inf"]}


@pytest.mark.parametrize(
    ("value", "storage"),
    [
        ("a", LocalResult("/tmp/a\x01b")),
        (nested(99), ConstantResult(nested(99))),
        ("\0", ConstantResult("\0")),
        (nested(300), PrefectResult()),
        ("\0\ud800", PrefectResult()),
    ],
    ids=["control character", "levels", "nul", "inline levels", "inline nul"],
)
def test_result_that_the_service_refuses_does_not_lose_the_state(
    value: Any, storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task(result=storage)
    def give() -> Any:
        return value

    with flow_run("etl") as run:
        give()
        inc(1)

    assert task_runs(run) == {("give-1", -1): SUCCESS, ("inc-1", -1): SUCCESS}


def test_error_message_of_any_size_is_recorded() -> None:
    @task
    def fail() -> None:
        raise type("E" * 70_000, (BaseException,), {})

    with pytest.raises(BaseException, match=r"^$"), flow_run("etl") as run:
        fail()

    assert task_runs(run) == {("fail-1", -1): StateType.CANCELLED}
    assert run.view().state == StateType.CANCELLED


# What a newer service refuses, and this client does not know of


def test_refused_flow_run_is_created_without_what_may_be_refused() -> None:
    id = uuid4()
    created = FlowRunCreated(flow_run_id=id, flow_name="etl", name="n" * 300, parameters={"a": 1})
    running = FlowRunState(flow_run_id=id, state=_state(StateType.RUNNING))
    task_run = TaskRunState(flow_run_id=id, task_slug="inc-1", task_name="inc", state=_state(StateType.RUNNING))
    with Client() as client:
        refused = Sender(client).send([created, running, task_run])

        assert [one.report for one in refused] == [created]
        assert client.flow_runs.get(id).state == StateType.RUNNING
        assert [one.task_slug for one in client.flow_runs.task_runs(id)] == ["inc-1"]


def test_refused_state_is_reported_without_what_may_be_refused() -> None:
    id = uuid4()
    result = {"type": "LocalResult", "location": "javascript:alert(1)"}
    reports = [
        TaskRunState(flow_run_id=id, task_slug=f"inc-{number}", task_name="inc", state=state)
        for number, state in enumerate((_state(SUCCESS), _state(SUCCESS, result=result), _state(SUCCESS)))
    ]
    with Client() as client:
        sending = Sender(client)
        refused = sending.send([FlowRunCreated(flow_run_id=id, flow_name="etl"), *reports])
        again = sending.send(reports)

        assert [one.report for one in refused] == [one.report for one in again] == [reports[1]]
        assert {one.task_slug: one.state_message for one in client.flow_runs.task_runs(id)} == {
            "inc-0": "Well.",
            "inc-1": "Well. The service refused its result or its details.",
            "inc-2": "Well.",
        }


def _state(type: StateType, **more: Any) -> StateCreate:
    return StateCreate(id=uuid4(), type=type, message="Well.", timestamp=datetime.now(UTC), **more)


def test_history_of_a_task_is_whole_beside_large_parameters() -> None:
    with flow_run("big", parameters={"rows": list(range(500_000))}) as run:
        inc(1)
    assert history(run, "inc-1") == WELL
