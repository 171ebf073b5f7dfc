"""Holds the running service to its own document with thousands of generated requests, valid and not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.service import call_command, served

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
    "what_is_refused_is_told",
)

ALIKE = ("list_task_run_fields", "list_flow_run_task_run_fields")

STREAMS = ("watch_flow_run", "watch_flow_runs")
"""They never end; tests/api/test_streams.py asks them."""


def record(http: httpx.Client) -> dict[str, list[str]]:
    """Records runs in many states, and gives their ids by the names of path parameters."""
    recorded: dict[str, list[str]] = {"flow_run_id": [], "task_run_id": []}
    for result in (
        {"type": "LocalResult", "dir": "/data", "location": "x"},
        {"type": "PrefectResult", "location": "1"},
    ):
        flow_run = http.post("/flow-runs", json={"flow_name": "example-mapped"}).json()["id"]
        items = [
            {"task_slug": "inc-1", "states": [{"type": "Mapped"}]},
            {
                "task_slug": "inc-1",
                "map_index": 0,
                "states": [{"type": "Running"}, {"type": "Success", "result": result}],
            },
            {"task_slug": "inc-1", "map_index": 1, "states": [{"type": "Running"}, {"type": "Failed"}]},
            {"task_slug": "name", "name": "a name", "tags": ["etl"], "states": [{"type": "Running"}]},
            {"task_slug": "waits"},
        ]
        receipts = http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items}).json()["items"]
        recorded["flow_run_id"].append(flow_run)
        recorded["task_run_id"] += [receipt["task_run_id"] for receipt in receipts]
    return recorded


@pytest.mark.timeout(1100)
@pytest.mark.parametrize(("database", "seed"), [("sqlite", 20210512), ("postgres", 20210513)])
def test_document_holds(request: pytest.FixtureRequest, tmp_path: Path, database: str, seed: int) -> None:
    url = request.getfixturevalue(f"{database}_url")
    assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
    key = call_command("keys", "create", "--scope", "write", "--name", "x", TASKRUNS_DATABASE_URL=url).stdout.strip()
    headers = {"authorization": f"Bearer {key}"}
    with served(url, tmp_path, "--require-keys", log_level="warning") as service:
        with service.client(headers=headers) as http:
            recorded = record(http)
        done = subprocess.run(
            [
                # The one that this service serves demands a key.
                *(SCHEMATHESIS, "run", f"{service.url}/openapi.json", "--url", service.url),
                *("--header", f"Authorization: {headers['authorization']}"),
                # Those take what `list_flow_run_fields` and the lists of whole items take.
                *(part for name in ALIKE for part in ("--exclude-operation-id", name)),
                *(part for name in STREAMS for part in ("--exclude-operation-id", name)),
                *("--checks", ",".join(CHECKS)),
                *("--seed", str(seed), "--max-examples", "15", "--suppress-health-check", "all"),
                *("--warnings", "off", "--continue-on-failure", "--no-color"),
            ],
            check=False,
            cwd=tmp_path,
            env=os.environ
            | {
                "SCHEMATHESIS_HOOKS": "tests.contract.schemathesis_hooks",
                "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
                "TASKRUNS_TEST_RECORDED": json.dumps(recorded),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        service.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in service.output()
