"""Places of results: nobody is led to run something, and no password is kept, whichever way a reference comes in."""

from typing import Any

import httpx
import pytest

from tests.service import Served, problem_of

MISLEADING = [
    *(
        "https://user:secret@host/x",
        "s3://key:secret@bucket/x",
        " javascript://x",
        "JavaScript:x",
        "\u00a0vbscript://x",
    ),
    *("data:text/html,x", "\x1b[2J", "a\nb", "a" * 4097),
]
UNKNOWN = ["view-source://x", "about://x", " mine://x"]
FINE = [
    *("8e44/name.json", "/data/results/x", r"C:\results\x", "C://x", r"\\server\share\x", "2021-05-12T18:00:01.json"),
    *("run:1/x", "logs/mine://x", "a@b.json", "https://host/a@b", "s3a://bucket/x", "redis://cache/x"),
    "prefect-result-2026-11-22t17-12-38-749500-00-00",
]

SET_STATES = """mutation($input: set_task_run_states_input!) {
  set_task_run_states(input: $input) { states { status } } }"""


def record(http: httpx.Client) -> dict[str, str]:
    """The ids of a flow run and of a task run of it."""
    flow_run = http.post("/flow-runs", json={"flow_name": "f"}).json()["id"]
    body = {"items": [{"task_slug": "a", "states": [{"type": "Running"}]}]}
    receipt = http.post(f"/flow-runs/{flow_run}/task-runs", json=body).json()["items"][0]
    return {"flow_run": flow_run, "task_run": receipt["task_run_id"]}


def set_state(http: httpx.Client, run: str, run_id: str, state: dict[str, Any]) -> dict[str, Any]:
    """The answer to a state that an engine of Prefect 1 reports."""
    query = SET_STATES.replace("task_run", run)
    variables = {"input": {"states": [{f"{run}_id": run_id, "version": 1, "state": state}]}}
    answer: dict[str, Any] = http.post("/graphql", json={"query": query, "variables": variables}).json()
    return answer


@pytest.mark.parametrize("run", ["task_run", "flow_run"])
def test_engine_reports_no_place_that_misleads(service: Served, run: str) -> None:
    with service.client() as http:
        run_id = record(http)[run]
        for place in MISLEADING:
            reference = {"type": "S3Result", "bucket": "b", "location": place}
            within = {"type": "Running", "cached_inputs": {"x": reference}}
            for state in (
                {"type": "Success", "_result": reference},
                {"type": "Retrying", "cached_inputs": {"x": {"type": "NoResultType"}, "y": reference}},
                {"type": "Submitted", "state": {"type": "Success", "_result": reference}},
                {"type": "Submitted", "state": {"type": "Queued", "state": within}},
            ):
                (error,) = set_state(http, run, run_id, state)["errors"]
                assert error["message"].startswith("The state was not recorded: `location` of a result can")
                assert error["extensions"]["code"] == "BAD_USER_INPUT"
                assert "secret" not in str(error)


def test_engine_reports_every_place_that_prefect_has(service: Served) -> None:
    with service.client() as http:
        for place in [*FINE, "mine://cache/key"]:
            run_id = record(http)["task_run"]
            reference = {"type": "CustomResult", "location": place, "__version__": "1.4.1"}
            answer = set_state(http, "task_run", run_id, {"type": "Success", "_result": reference})
            assert answer == {"data": {"set_task_run_states": {"states": [{"status": "SUCCESS"}]}}}, place
            read = http.get(f"/task-runs/{run_id}/result").json()["reference"]
            assert read["given"] == reference


def test_client_of_rest_reports_no_place_that_misleads(service: Served) -> None:
    with service.client() as http:
        path = f"/task-runs/{record(http)['task_run']}/states"
        for place in (*MISLEADING, *UNKNOWN):
            state = {"type": "Success", "result": {"type": "MyResult", "location": place}}
            response = http.post(path, json=state)
            assert response.status_code == 400, place
            (fault,) = problem_of(response)["errors"]
            assert "`location` of a result can" in fault["detail"]
            assert "secret" not in response.text
