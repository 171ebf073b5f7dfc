"""What the service is measured against: handlers that have their SQL by hand, and nothing else that costs time."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from taskruns_service.api.middleware import RequestMiddleware
from taskruns_service.app import application
from taskruns_service.storage.dialects import Writes
from taskruns_service.storage.tally import Cell, FlowRunCell, Tally

_MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# No start, end or duration over the children of a mapped parent: whoever writes by hand writes what the question needs.
_TASK_RUN = f"""json_build_object('id', t.id, 'flow_run_id', t.flow_run_id, 'flow_run_name', flow_run.name,
    'flow_id', t.flow_id, 'flow_name', flow.name, 'task_id', task_id, 'task_slug', task_slug, 'task_name', task_name,
    'map_index', map_index, 'name', t.name, 'tags', tags, 'state', t.state, 'state_message', t.state_message,
    'state_timestamp', {_MOMENT.format("t.state_timestamp")}, 'version', t.version, 'run_count', t.run_count,
    'start_time', {_MOMENT.format("t.start_time")}, 'end_time', {_MOMENT.format("t.end_time")},
    'duration', t.duration, 'run_time', t.run_time, 'queue_time', t.queue_time, 'has_result', has_result,
    'sequence', t.sequence, 'created', {_MOMENT.format("t.created")}, 'updated', {_MOMENT.format("t.updated")})"""
_NAMES = "JOIN flow_run ON flow_run.id = t.flow_run_id JOIN flow ON flow.id = t.flow_id"
ONE = f"SELECT {_TASK_RUN}::text FROM task_run t {_NAMES} WHERE t.id = $1"
LIST = f"""SELECT json_agg({_TASK_RUN} ORDER BY t.id)::text
    FROM (SELECT * FROM task_run WHERE flow_run_id = $1 ORDER BY id LIMIT 100) t {_NAMES}"""
SLUGS = """SELECT task_slug, count(*), percentile_cont(0.95) WITHIN GROUP (ORDER BY duration) FROM task_run
    WHERE start_time >= now() - interval '1 day' GROUP BY task_slug ORDER BY task_slug"""


@get("/health")
async def no_op() -> Response[bytes]:
    """Answers what the service's own no-op answers."""
    return _json(b'{"status":"ok"}')


@get("/task-runs/{task_run_id:uuid}")
async def task_run(task_run_id: FromPath[UUID], state: State) -> Response[bytes]:
    """One task run."""
    return _json((await state.pool.fetchval(ONE, task_run_id)).encode())


@get("/flow-runs/{flow_run_id:uuid}/task-runs")
async def listed(flow_run_id: FromPath[UUID], state: State) -> Response[bytes]:
    """The first 100 task runs of a flow run."""
    return _json((await state.pool.fetchval(LIST, flow_run_id)).encode())


@get("/slugs")
async def slugs(state: State) -> Response[list[list[Any]]]:
    """The 95th percentile of the durations of the last day, by task slug."""
    groups = [list(row) for row in await state.pool.fetch(SLUGS)]
    return Response(groups, media_type="application/json")


def _json(body: bytes) -> Response[bytes]:
    return Response(body, media_type="application/json")


def bare() -> Litestar:
    """The handlers as an application, with as many connections as the service has."""

    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        settings = {"timezone": "UTC", "jit": "off"}
        async with asyncpg.create_pool(
            os.environ["BARE_DSN"], min_size=8, max_size=8, server_settings=settings
        ) as pool:
            app.state.pool = pool
            yield

    return Litestar([no_op, task_run, listed, slugs], lifespan=[run], openapi_config=None, logging_config=None)


def uncounted() -> RequestMiddleware:
    """The service without the tally that keeps counts across flow runs: what it costs is the difference."""

    def record_nothing(self: Tally, writes: Writes, deltas: Mapping[Cell, int] | Mapping[FlowRunCell, int]) -> None:
        pass

    Tally.record = record_nothing  # type: ignore[method-assign]
    return application(lambda callback: None)
