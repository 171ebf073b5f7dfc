"""Plans: what writers look for and what lists show is found by an index, in its order, however large the tables are."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, event, text

from taskruns_service import ledger, parameters, queries, tables
from taskruns_service.database import Database
from taskruns_service.dialects import Prepared
from taskruns_service.filters import FLOW_RUN_FILTERS, TASK_RUN_FILTERS
from taskruns_service.paging import FLOW_RUN_KEYS, TASK_RUN_KEYS, Page, read_sort
from taskruns_service.states import StateGroup, StateType
from tests.store.making import at

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
    statement = statement.statement if isinstance(statement, Prepared) else statement
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


VALUES: list[tuple[parameters.ValueType, Any]] = [
    (parameters.STATE, StateType.Failed),
    (parameters.GROUP, StateGroup.failed),
    (parameters.TEXT, "name"),
    (parameters.IDENTIFIER, UUID(int=1)),
    (parameters.MAP_INDEX, 1),
    (parameters.COUNT, 1),
    (parameters.MOMENT, at(0)),
    (parameters.SECONDS, 1.0),
    (parameters.BOOLEAN, True),
    (parameters.SEQUENCE, 1),
]
LISTS: dict[str, Any] = {
    "task run": (queries.list_task_runs, TASK_RUN_FILTERS, TASK_RUN_KEYS, tables.task_run.c.id),
    "flow run": (queries.list_flow_runs, FLOW_RUN_FILTERS, FLOW_RUN_KEYS, tables.flow_run.c.id),
}
PAIRS = [
    (of, one.name, way + name)
    for of, (_, filters, keys, _) in LISTS.items()
    for one in filters
    for name, key in keys.items()
    for way in ("", "-")
    if key.everywhere or one.name == "flow_run_id"
]


def plans_of_list(connection: Connection, of: str, named: str, sort: str) -> list[list[str]]:
    """The plans of the statements that find a page, where neither scans nor sorts are worth it."""
    question, filters, keys, identifier = LISTS[of]
    (one,) = (one for one in filters if one.name == named)
    value = next(value for kind, value in VALUES if kind == one.value)
    sent: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        sent.append((statement, values))

    page = Page(orders=read_sort(sort, keys, identifier, everywhere=False), limit=100, question=b"")
    event.listen(Engine, "before_cursor_execute", see)
    try:
        question(connection, {named: [value] if one.parameter.many else value}, page, None)
    finally:
        event.remove(Engine, "before_cursor_execute", see)
    return [explained(connection, *one) for one in sent]


def explained(connection: Connection, statement: str, values: Any) -> list[str]:
    if connection.dialect.name == "postgresql":
        for setting in ("enable_seqscan", "enable_sort"):
            connection.execute(text(f"SET LOCAL {setting} = off"))
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", tuple(values)).all()]
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(values)).all()]


def faults_of_plan(dialect: str, plan: list[str], named: str) -> list[str]:
    """The lines of a plan that say that a whole table is read, or sorted.

    The task runs of a flow run are few enough to be sorted. SQLite, which knows nothing of how often a value is there,
    rather sorts those that have it than to walk another index: what it sorts is not judged.
    """
    if dialect == "sqlite":
        scans = [line for line in plan if line.startswith("SCAN") and " INDEX " not in line]
        # Other names are those of the page itself, which was found by then.
        return [line for line in scans if line.split()[1] in (*TABLES, "child")]
    return [line for line in plan if "Seq Scan" in line or ("Sort  (" in line and named != "flow_run_id")]


@pytest.mark.parametrize("of", LISTS)
async def test_pages_are_found_in_the_order_of_an_index(database: Database, of: str) -> None:
    def judge(connection: Connection) -> list[Any]:
        dialect = connection.dialect.name
        return [
            (named, sort, faults)
            for list_of, named, sort in PAIRS
            if list_of == of
            for plan in plans_of_list(connection, of, named, sort)
            if (faults := faults_of_plan(dialect, plan, named)) or not plan
        ]

    assert await database.transact(judge) == []
