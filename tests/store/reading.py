"""Reading: how many rows each database takes from tables and indexes to answer a question."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, event


def rows_by_plan(connection: Connection, ask: Callable[[], Any]) -> int:
    """How many rows PostgreSQL takes from tables and indexes for a question, by the plans that it made for its values.

    What is sorted was taken before.
    """
    return sum(_rows_of(node) for plan in plans(connection, ask) for node in nodes(plan))


def plans(connection: Connection, ask: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """PostgreSQL's plans of the statements of a question, with the rows that were taken."""
    statements: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        statements.append((statement, values))

    event.listen(Engine, "before_cursor_execute", see)
    try:
        ask()
    finally:
        event.remove(Engine, "before_cursor_execute", see)
    for statement, values in statements:
        explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
        (explained,) = connection.exec_driver_sql(explain, tuple(values)).scalar_one()
        yield explained["Plan"]


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A part of a plan of PostgreSQL's and all parts below it."""
    yield node
    for below in node.get("Plans", ()):
        yield from nodes(below)


def _rows_of(node: dict[str, Any]) -> int:
    if "Scan" not in node["Node Type"]:
        return 0
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(rows * node["Actual Loops"])


STEPS_OF_A_ROW = 4
STEPS_BETWEEN_COUNTS = 100


def rows_by_steps(connection: Connection, ask: Callable[[], Any]) -> int:
    """How many rows SQLite has read for a question at most, by the steps of its machine.

    The least that it does with a row takes four: reading a value, comparing it, going on to the next row or back.
    """
    counts = 0

    def count() -> None:
        nonlocal counts
        counts += 1

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, STEPS_BETWEEN_COUNTS)
    try:
        ask()
    finally:
        driver.set_progress_handler(None, 0)
    return counts * STEPS_BETWEEN_COUNTS // STEPS_OF_A_ROW


ROWS_READ = {"sqlite": rows_by_steps, "postgresql": rows_by_plan}
"""How rows are counted, by the kind of database."""
