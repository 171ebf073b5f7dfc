"""Plans: what a writer reads under its locks, it finds by an index, however large the tables are."""

from typing import Any

import pytest
from sqlalchemy import Connection, text

from taskruns_service import ledger, queries
from taskruns_service.database import Database

QUESTIONS = {
    name: getattr(module, name)
    for module, names in (
        (
            ledger,
            ("_lock_flow_runs", "_read_by_id", "_read_by_key", "_read_tasks", "_task_run_states", "_flow_run_states"),
        ),
        (queries, ("_get_task_run", "_get_flow_run")),
    )
    for name in names
}
SCANS = {"sqlite": "SCAN", "postgresql": "Seq Scan"}
TABLES = ("flow_run", "task_run", "task", "flow", "task_run_state", "flow_run_state")


def plan_of(connection: Connection, statement: Any) -> list[str]:
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    if connection.dialect.name == "postgresql":
        # Without their values parameters have no type here; a plan for any value is what is asked for.
        connection.execute(text("SET enable_seqscan = off"))
        connection.execute(text("SET plan_cache_mode = force_generic_plan"))
        connection.exec_driver_sql(f"PREPARE asked AS {compiled}")
        nulls = ", ".join(["NULL"] * len(compiled.positiontup))
        rows = connection.exec_driver_sql(f"EXPLAIN EXECUTE asked({nulls})").all()
        connection.exec_driver_sql("DEALLOCATE asked")
        return [row[0] for row in rows]
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ("[]",) * len(compiled.positiontup)).all()
    return [row[3] for row in rows]


@pytest.mark.parametrize("name", QUESTIONS)
async def test_table_is_not_read_from_end_to_end(database: Database, name: str) -> None:
    def scans(connection: Connection) -> list[str]:
        scan = SCANS[connection.dialect.name]
        lines = plan_of(connection, QUESTIONS[name])
        assert lines
        return [line for line in lines if scan in line and any(f" {table}" in line for table in TABLES)]

    assert await database.transact(scans) == []
