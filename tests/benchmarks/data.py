"""The data that the benchmarks ask about: flow runs of 100 task runs, each with three states, made by PostgreSQL."""

import hashlib
import sqlite3
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from taskruns_service.storage.dialects import utc_text

FLOWS = 10
TASKS_OF_A_FLOW = 10
TASK_RUNS_OF_A_FLOW_RUN = 100
TASK_RUNS_OF_A_DAY = 100_000

# Rows that are right by construction need no checks, and rows that can be made again need not wait for the disk.
SESSION = """
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB'
"""

# Ids are hashes, so that everything can be made a second time. Those of task runs are as the service makes them: the
# time, then 12 bits of the flow run's own id.
_STATEMENTS = """
INSERT INTO flow (id, project, name, version, archived, created)
SELECT md5('flow' || n)::uuid, 'default', 'flow-' || n, 1, false, now() FROM generate_series(0, {flows} - 1) n;

INSERT INTO task (id, flow_id, slug, name, created)
SELECT md5('task' || f || '-' || t)::uuid, md5('flow' || f)::uuid, 'task-' || t, 'task', now()
FROM generate_series(0, {flows} - 1) f, generate_series(0, {tasks} - 1) t;

INSERT INTO flow_run (id, flow_id, name, parameters, labels, context, state, state_message, state_timestamp, version,
    run_count, first_timestamp, start_time, end_time, duration, run_time, queue_time, sequence, created,
    updated, state_counts)
SELECT md5('run' || n)::uuid, md5('flow' || n % {flows})::uuid, 'run-' || n, '{{}}', '[]', '{{}}', 'Success',
    'All tasks succeeded.', made, 3, 1, made, made, made, 60, 60, 0.1, 3 * {width}, made, made,
    '{{"Success": 90, "Failed": 10}}'
FROM generate_series({flow_runs}, 1, -1) n
CROSS JOIN LATERAL (SELECT now() - n * interval '{apart} seconds' AS made) moment;

INSERT INTO task_run (id, flow_run_id, flow_id, task_id, task_slug, task_name, map_index, name, tags, state,
    state_message, state_timestamp, version, run_count, first_timestamp, start_time, end_time, duration, run_time,
    queue_time, sequence, created, updated, result, has_result)
SELECT (lpad(to_hex((extract(epoch FROM run.created) * 1000)::bigint), 12, '0') || '7' || substr(run.id::text, 16, 3)
        || '8' || substr(md5(run.id::text || n), 1, 15))::uuid,
    run.id, run.flow_id, task.id, task.slug, task.name, n / {tasks} - 1, NULL, '["etl"]',
    CASE WHEN n % 10 = 0 THEN 'Failed' ELSE 'Success' END, 'Task run succeeded.', run.created, 3, 1, run.created,
    run.created, run.created + spent * interval '1 second', spent, spent, 0.5, 3 * n + 3, run.created, run.created,
    '{{"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"}}', true
FROM (SELECT * FROM flow_run ORDER BY created) run
CROSS JOIN generate_series(0, {width} - 1) n
CROSS JOIN LATERAL (SELECT 1 + hashtext(run.id::text || n) % 1000 / 2000.0::float AS spent) duration
JOIN task ON task.flow_id = run.flow_id AND task.slug = 'task-' || n % {tasks};

INSERT INTO task_run_state (id, task_run_id, sequence, version, type, message, timestamp, received_at, accepted)
SELECT md5(task_run.id::text || n)::uuid, task_run.id, sequence - 3 + n, n,
    CASE n WHEN 1 THEN 'Pending' WHEN 2 THEN 'Running' ELSE state END, state_message, created, created, true
FROM task_run, generate_series(1, 3) n;

INSERT INTO task_run_tally (flow_id, task_slug, state, count)
SELECT flow_id, task_slug, state, count(*) FROM task_run GROUP BY 1, 2, 3;

INSERT INTO flow_run_tally (flow_id, state, count)
SELECT flow_id, state, count(*) FROM flow_run GROUP BY 1, 2
"""


# One flow run with a map: its children start one after the other, through half a day. The other tasks are not mapped.
_MAP_STATEMENTS = """
INSERT INTO flow (id, project, name, version, archived, created) VALUES (md5('map')::uuid, 'default', 'map', 1, false,
    now());

INSERT INTO task (id, flow_id, slug, name, created)
SELECT md5('map-task' || t)::uuid, md5('map')::uuid, CASE t WHEN 0 THEN 'map-0' ELSE 'single-' || t END, 'task', now()
FROM generate_series(0, {singles}) t;

INSERT INTO flow_run (id, flow_id, name, parameters, labels, context, state, state_message, state_timestamp, version,
    run_count, first_timestamp, start_time, end_time, duration, run_time, queue_time, sequence, created,
    updated, state_counts)
SELECT md5('map-run')::uuid, md5('map')::uuid, 'map-run', '{{}}', '[]', '{{}}', 'Success', 'All tasks succeeded.',
    made, 3, 1, made, made, made + interval '12 hours', 43200, 43200, 0.1, 3 * ({width} + {singles} + 1), made, made,
    json_build_object('Success', {width} + {singles}, 'Mapped', 1)
FROM (SELECT now() - interval '13 hours' AS made) moment;

INSERT INTO task_run (id, flow_run_id, flow_id, task_id, task_slug, task_name, map_index, name, tags, state,
    state_message, state_timestamp, version, run_count, first_timestamp, start_time, end_time, duration, run_time,
    queue_time, sequence, created, updated, result, has_result)
SELECT (lpad(to_hex((extract(epoch FROM run.created) * 1000)::bigint + n), 12, '0') || '7'
        || substr(run.id::text, 16, 3) || '8' || substr(md5(run.id::text || n), 1, 15))::uuid,
    run.id, run.flow_id, task.id, task.slug, task.name, greatest(n - {singles} - 1, -1), NULL, '["etl"]',
    CASE WHEN is_parent THEN 'Mapped' ELSE 'Success' END, 'Task run succeeded.', start, 3, 1, start,
    CASE WHEN NOT is_parent THEN start END, CASE WHEN NOT is_parent THEN start + spent * interval '1 second' END,
    CASE WHEN NOT is_parent THEN spent END, CASE WHEN NOT is_parent THEN spent END,
    CASE WHEN NOT is_parent THEN 0.5 END, 3 * n + 3, start, start,
    CASE WHEN NOT is_parent THEN '{{"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"}}'::json
        END, NOT is_parent
FROM flow_run run
CROSS JOIN generate_series(0, {width} + {singles}) n
CROSS JOIN LATERAL (SELECT 1 + hashtext(run.id::text || n) % 1000 / 2000.0::float AS spent, n = {singles} AS is_parent,
    run.created + n * interval '12 hours' / {width} AS start) moment
JOIN task ON task.id = md5('map-task' || CASE WHEN n < {singles} THEN n + 1 ELSE 0 END)::uuid
WHERE run.id = md5('map-run')::uuid;

INSERT INTO task_run_state (id, task_run_id, sequence, version, type, message, timestamp, received_at, accepted)
SELECT md5(task_run.id::text || n)::uuid, task_run.id, sequence - 3 + n, n,
    CASE n WHEN 1 THEN 'Pending' WHEN 2 THEN 'Running' ELSE state END, state_message, created, created, true
FROM task_run, generate_series(1, 3) n WHERE flow_run_id = md5('map-run')::uuid;

INSERT INTO task_run_tally (flow_id, task_slug, state, count)
SELECT flow_id, task_slug, state, count(*) FROM task_run WHERE flow_run_id = md5('map-run')::uuid GROUP BY 1, 2, 3;

INSERT INTO flow_run_tally (flow_id, state, count)
SELECT flow_id, state, 1 FROM flow_run WHERE id = md5('map-run')::uuid
"""
SINGLES = 30
"""The tasks that are not mapped, beside the map."""
MAP_FLOW_RUN_ID = str(UUID(hashlib.md5(b"map-run", usedforsecurity=False).hexdigest()))
"""The flow run that has the map."""
MAP_TASK_ID = str(UUID(hashlib.md5(b"map-task0", usedforsecurity=False).hexdigest()))
"""The task that is mapped."""


async def fill_map(url: str, width: int) -> None:
    """Adds a flow run with a map of so many children to a migrated database."""
    connection = await connect(url)
    try:
        indexes = await drop_indexes(connection, ["flow_run", "task_run", "task_run_state"])
        for statement in _MAP_STATEMENTS.format(singles=SINGLES, width=width).split(";\n"):
            await connection.execute(statement, timeout=7200)
        await finish(connection, indexes)
    finally:
        await connection.close()


async def fill(url: str, task_runs: int) -> None:
    """Puts this many task runs (a multiple of 100) into an empty, migrated database."""
    statements = _STATEMENTS.format(
        flows=FLOWS,
        tasks=TASKS_OF_A_FLOW,
        width=TASK_RUNS_OF_A_FLOW_RUN,
        flow_runs=task_runs // TASK_RUNS_OF_A_FLOW_RUN,
        apart=86400 * TASK_RUNS_OF_A_FLOW_RUN / TASK_RUNS_OF_A_DAY,
    )
    connection = await connect(url)
    try:
        indexes = await drop_indexes(connection, ["flow_run", "task_run", "task_run_state"])
        for statement in statements.split(";\n"):
            await connection.execute(statement, timeout=7200)
        await finish(connection, indexes)
    finally:
        await connection.close()


async def drop_indexes(connection: Any, tables: list[str]) -> list[str]:
    """Makes filling tables fast, for this connection; what it gives is for `finish`."""
    for statement in SESSION.split(";\n"):
        await connection.execute(statement)
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index"
        " WHERE NOT indisunique AND indrelid::regclass::text = ANY ($1)",
        tables,
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    return [index["definition"] for index in indexes]


async def finish(connection: Any, indexes: list[str]) -> None:
    """Makes the indexes again and brings the statistics up to date."""
    for statement in (*indexes, "VACUUM ANALYZE", "CHECKPOINT"):
        await connection.execute(statement, timeout=7200)


async def connect(url: str) -> Any:
    """A connection of its own to the database of a URL as SQLAlchemy writes them."""
    return await asyncpg.connect(url.replace("+asyncpg", ""), server_settings={"timezone": "UTC"})


async def active(url: str) -> int:
    """How many connections PostgreSQL is answering at the moment, whoever has given up waiting for it."""
    connection = await connect(url)
    try:
        return await connection.fetchval(  # type: ignore[no-any-return]
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def copy_to_sqlite(url: str, path: str) -> None:
    """Copies all rows from a database of PostgreSQL's into a migrated file."""
    source, target = await connect(url), sqlite3.connect(path)
    target.execute("PRAGMA synchronous = OFF")
    try:
        for table in ("flow", "task", "flow_run", "task_run", "task_run_state", "task_run_tally", "flow_run_tally"):
            async with source.transaction():
                names: list[str] = []
                rows: list[list[Any]] = []
                insert = ""
                async for row in source.cursor(f"SELECT * FROM {table}", prefetch=10_000):
                    if not names:
                        names = list(row.keys())
                        columns = ", ".join(f'"{name}"' for name in names)
                        insert = f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))})"
                    rows.append([_sqlite_value(value) for value in row.values()])
                    if len(rows) == 10_000:
                        target.executemany(insert, rows)
                        rows.clear()
                target.executemany(insert, rows)
        target.execute("ANALYZE")
        target.commit()
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        target.close()
        await source.close()


def _sqlite_value(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return utc_text(value) if isinstance(value, datetime) else value
