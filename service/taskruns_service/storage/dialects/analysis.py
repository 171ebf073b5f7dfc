"""Analysis: the planner's statistics of new tables of PostgreSQL, before autovacuum makes them."""

from collections.abc import Iterable

from sqlalchemy import Connection


def size_without_statistics(connection: Connection, table: str) -> int | None:
    """How large a table is (bytes) that PostgreSQL has never analyzed; None once it has."""
    statement = "SELECT pg_relation_size(oid) FROM pg_class WHERE oid = CAST($1 AS regclass) AND reltuples <= 0"
    size: int | None = connection.exec_driver_sql(statement, (table,)).scalar()
    return size


def analyze(connection: Connection, tables: Iterable[str]) -> None:
    """Makes statistics of tables; PostgreSQL skips those that the service's user neither owns nor may maintain."""
    quote = connection.dialect.identifier_preparer.quote
    connection.exec_driver_sql(f"ANALYZE {', '.join(map(quote, tables))}")
