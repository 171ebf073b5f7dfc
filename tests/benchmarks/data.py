"""The data that the benchmarks ask about: flow runs of 100 task runs each, made by PostgreSQL itself."""

import asyncpg

FLOWS = 10
TASKS_OF_A_FLOW = 10
TASK_RUNS_OF_A_FLOW_RUN = 100

_STATEMENTS = """
TRUNCATE flow, task, flow_run, task_run, flow_run_state, task_run_state, task_run_tally, task_run_tally_delta CASCADE;

INSERT INTO flow (id, project, name, version, archived, created)
SELECT gen_random_uuid(), 'default', 'flow-' || n, 1, false, now() FROM generate_series(1, {flows}) n;

INSERT INTO task (id, flow_id, slug, name, created)
SELECT gen_random_uuid(), flow.id, 'task-' || n, 'task', now() FROM flow, generate_series(1, {tasks}) n;

INSERT INTO flow_run (id, flow_id, name, parameters, labels, context, state, state_message, state_timestamp, version,
    run_count, first_timestamp, start_time, end_time, duration, queue_time, sequence, created, updated, state_counts)
SELECT gen_random_uuid(), numbered.id, 'run-' || n, '{{}}', '[]', '{{}}', 'Success', 'All tasks succeeded.', made, 3,
    1, made, made, made, 60, 0.1, 3 * {width}, made, made, '{{"Success": 90, "Failed": 10}}'
FROM generate_series(1, {flow_runs}) n
JOIN (SELECT id, row_number() OVER (ORDER BY name) - 1 AS place FROM flow) numbered ON numbered.place = n % {flows}
CROSS JOIN LATERAL (SELECT now() - n * interval '10 seconds' AS made) moment;

-- The ids are as the service makes them: the time, then 12 bits of the flow run's own id.
INSERT INTO task_run (id, flow_run_id, flow_id, task_id, task_slug, map_index, name, tags, state, state_message,
    state_timestamp, version, run_count, first_timestamp, start_time, end_time, duration, queue_time, sequence, created,
    updated, result, has_result)
SELECT (lpad(to_hex((extract(epoch FROM run.created) * 1000)::bigint), 12, '0') || '7' || substr(run.id::text, 16, 3)
        || '8' || substr(md5(run.id::text || n), 1, 15))::uuid,
    run.id, run.flow_id, numbered.id, numbered.slug, n / {tasks} - 1, NULL, '["etl"]',
    CASE WHEN n % 10 = 0 THEN 'Failed' ELSE 'Success' END, 'Task run succeeded.', run.created, 3, 1, run.created,
    run.created, run.created + interval '1.5 seconds', 1.5, 0.5, 3 * n + 3, run.created, run.created,
    '{{"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"}}', true
FROM flow_run run
CROSS JOIN generate_series(0, {width} - 1) n
JOIN (SELECT id, slug, flow_id, row_number() OVER (PARTITION BY flow_id ORDER BY slug) - 1 AS place FROM task) numbered
    ON numbered.flow_id = run.flow_id AND numbered.place = n % {tasks};

INSERT INTO task_run_tally (flow_id, task_slug, state, count)
SELECT flow_id, task_slug, state, count(*) FROM task_run GROUP BY 1, 2, 3;

VACUUM ANALYZE
"""


async def fill(url: str, task_runs: int) -> None:
    """Replaces everything in a migrated database by this many task runs (a multiple of 100)."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        statements = _STATEMENTS.format(
            flows=FLOWS,
            tasks=TASKS_OF_A_FLOW,
            width=TASK_RUNS_OF_A_FLOW_RUN,
            flow_runs=task_runs // TASK_RUNS_OF_A_FLOW_RUN,
        )
        for statement in statements.split(";\n"):
            await connection.execute(statement, timeout=3600)
    finally:
        await connection.close()
