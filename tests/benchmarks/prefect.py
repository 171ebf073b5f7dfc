"""Prefect 3's server, with the same flow runs, task runs and states: what people would pick instead."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import data, servers
from tests.postgres import free_port

# Made by the Makefile.
FOLDER = servers.ROOT / ".venv-prefect3"

_STATE = (
    "CASE WHEN {0} IN ('Success', 'Mapped') THEN 'COMPLETED' WHEN {0} IN ('Failed', 'TriggerFailed') THEN 'FAILED'"
    " WHEN {0} = 'Retrying' THEN 'SCHEDULED' ELSE upper({0}) END"
)
_STATE_NAME = "initcap(lower(" + _STATE + "))"
_TASK_RUN_STATE = _STATE.format("type"), _STATE_NAME.format("type")

# What each of its tables has, asked of the service's tables.
_TABLES = {
    "flow": ("id, name", "SELECT id, name FROM flow"),
    "flow_run": (
        (
            "id, created, updated, name, flow_id, state_id, state_type, state_name, state_timestamp, run_count,"
            " start_time, end_time, expected_start_time, total_run_time"
        ),
        (
            "SELECT id, created, updated, name, flow_id, md5('state' || id)::uuid, 'COMPLETED', 'Completed', created,"
            " 1, start_time, end_time, start_time, interval '1 minute' FROM flow_run"
        ),
    ),
    "flow_run_state": (
        "id, flow_run_id, type, name, timestamp, message",
        "SELECT md5('state' || id)::uuid, id, 'COMPLETED', 'Completed', created, state_message FROM flow_run",
    ),
    "task_run": (
        (
            "id, created, updated, name, flow_run_id, task_key, dynamic_key, tags, state_id, state_type, state_name,"
            " state_timestamp, run_count, start_time, end_time, expected_start_time, total_run_time"
        ),
        (
            "SELECT id, created, updated, task_slug || '-' || map_index, flow_run_id, task_slug, map_index, tags,"
            f" md5(id::text || 3)::uuid, {_STATE.format('state')}, {_STATE_NAME.format('state')}, created, 1,"
            " start_time, end_time, start_time, coalesce(duration, 0) * interval '1 second' FROM task_run"
        ),
    ),
    "task_run_state": (
        "id, task_run_id, type, name, timestamp, message",
        (
            f"SELECT id, task_run_id, {_TASK_RUN_STATE[0]}, {_TASK_RUN_STATE[1]},"
            " timestamp + version * interval '1 millisecond', message FROM task_run_state"
        ),
    ),
}


@contextmanager
def running(url: str) -> Iterator[str]:
    """Its server on a database of PostgreSQL's, without its background services; gives the URL of its API."""
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PREFECT_HOME": home,
            "PREFECT_API_DATABASE_CONNECTION_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
            "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        }
        command = [FOLDER / "bin" / "prefect", "server", "start", "--no-services", "--host=127.0.0.1", f"--port={port}"]
        with servers.process(list(map(str, command)), f"http://127.0.0.1:{port}/api/health", environment):
            yield f"http://127.0.0.1:{port}"


async def fill(url: str, source: str) -> None:
    """Copies everything from the service's database into one that its server has migrated."""
    ours, theirs = await data.connect(source), await data.connect(url)
    try:
        indexes = await data.drop_indexes(theirs, list(_TABLES))
        with tempfile.TemporaryDirectory() as folder:
            rows = Path(folder) / "rows"
            for table, (columns, question) in _TABLES.items():
                await ours.copy_from_query(question, output=rows)
                await theirs.copy_to_table(table, source=rows, columns=columns.split(", "), timeout=7200)
        await data.finish(theirs, indexes)
    finally:
        await ours.close()
        await theirs.close()
