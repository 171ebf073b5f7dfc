"""A flow run that our recorder recorded, seen by an unmodified prefect 1.4.1."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taskruns import Client, Skip, flow_run, task
from taskruns.results import LocalResult, PrefectResult
from tests.prefect1.programs import NO_LOCATION, NO_RESULT, Prefect1

WIDTH = 12


@task
def inc(x: int) -> int:
    return x + 1


@task(result=PrefectResult())
def small() -> dict[str, list[int]]:
    return {"a": [1, 2]}


@task
def nothing() -> None:
    pass


@task(result=None)
def unkept() -> int:
    return 1


@task
def skipped() -> None:
    raise Skip("not today")


@task
def boom() -> None:
    raise ValueError("boom")


def test_prefect_reads_what_our_recorder_recorded(
    prefect1: Prefect1, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKRUNS_HOME", str(tmp_path / "home"))
    with (
        ThreadPoolExecutor(8) as pool,
        flow_run(
            "recorded",
            name="ours",
            parameters={"n": WIDTH},
            labels=["a"],
            executor=pool,
            result=LocalResult(str(tmp_path)),
            client=client,
        ) as run,
    ):
        inc.map(range(WIDTH))
        small()
        nothing()
        unkept()
        skipped()
        with pytest.raises(ValueError, match="boom"):
            boom()
    children = {f"inc-1[{index}]": "Success" for index in range(WIDTH)}
    assert prefect1.see("viewing.recorded", flow_run_id=run.flow_run_id) == {
        "flow_run": {
            "name": "ours",
            "state": ["Success", "16 of 17 task runs succeeded (1 Failed)."],
            "states": [["Running", "Running flow."], ["Success", "16 of 17 task runs succeeded (1 Failed)."]],
            "labels": ["a"],
            "parameters": {"n": WIDTH},
            "context": {},
            "run_config": "NoneType",
            "updated last": True,
        },
        "states": {
            "boom-1": "Failed",
            "inc-1": "Mapped",
            **children,
            "nothing-1": "Success",
            "skipped-1": "Skipped",
            "small-1": "Success",
            "unkept-1": "Success",
        },
        "of all children": list(range(1, WIDTH + 1)),
        "of one child": 3,
        "one by one": [[index, index + 1] for index in range(WIDTH)],
        "small": {"a": [1, 2]},
        "others": {
            "nothing-1": NO_LOCATION,  # prefect looks into no ConstantResult
            "unkept-1": NO_RESULT,
            "skipped-1": NO_LOCATION,
            "boom-1": NO_RESULT,
        },
        "failed": ["Failed", "Unexpected error: ValueError('boom')"],
        "watched": ["INFO Your flow run finished AGE"],
    }
