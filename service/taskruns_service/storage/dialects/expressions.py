"""Expressions that SQLite and PostgreSQL write differently: a class each, compiled for both."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

from sqlalchemy import (
    CTE,
    JSON,
    TIMESTAMP,
    Boolean,
    Connection,
    Double,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

from taskruns_service.storage.dialects.types import Column, RowSelect

Function = FunctionElement[Any]
"""An expression with arguments, whatever its values are."""
E = TypeVar("E", bound=Function)


def compiled(sqlite_sql: Callable[..., str], postgresql_sql: Callable[..., str]) -> Callable[[type[E]], type[E]]:
    """Gives an expression its two texts, each a function of the texts of its arguments."""

    def decorate(expression: type[E]) -> type[E]:
        for name, sql in (("sqlite", sqlite_sql), ("postgresql", postgresql_sql)):

            def text(element: E, compiler: SQLCompiler, *, _sql: Callable[..., str] = sql, **options: object) -> str:
                return _sql(*(compiler.process(clause, **options) for clause in element.clauses))

            compiles(expression, name)(text)
        return expression

    return decorate


class Condition(FunctionElement[bool]):
    """A condition that is in parentheses already."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:
        """Itself: SQLAlchemy would compare it with 1 for SQLite, and no index serves that."""
        return self


@compiled(
    lambda column, values: f"({column} IN (SELECT value FROM json_each({values})))",
    lambda column, values: f"({column} = ANY ({values}))",
)
class any_of(Condition):  # noqa: N801
    """A column is one of a bound list (`ListOfIds`, `ListOfTexts`): one statement text for a list of any length."""

    inherit_cache = True


@compiled(
    lambda column, values, rows: (
        f"({column} IN (SELECT value FROM json_each({values}) UNION ALL SELECT * FROM {rows} AS r))"
    ),
    # ARRAY(…), not unnest(): after a lock wait PostgreSQL re-checks the row (EvalPlanQual), and a join with unnest
    # would lose it.
    lambda column, values, rows: f"({column} = ANY ({values} || ARRAY(SELECT * FROM {rows} AS r)))",
)
class any_of_or_in(Condition):  # noqa: N801
    """A column is one of a bound list or of the rows of a scalar subquery: one look-up by index for both."""

    inherit_cache = True


@compiled(
    lambda column, rows: f"({column} IN {rows})",
    # An array, since it is read first: of a subquery the planner may think that it is better joined to other rows.
    lambda column, rows: f"({column} = ANY (ARRAY{rows}))",
)
class any_in(Condition):  # noqa: N801
    """A column is one of the rows of a scalar subquery, each of which is looked up by index."""

    inherit_cache = True


@compiled(
    lambda a, b, c, rows: (
        f"(({a}, {b}, {c}) IN (SELECT value ->> '$[0]', value ->> '$[1]', value ->> '$[2]' FROM json_each({rows})))"
    ),
    lambda a, b, c, rows: (
        f"(({a}, {b}, {c}) IN (SELECT (r ->> 0)::uuid, r ->> 1, (r ->> 2)::int"
        f" FROM json_array_elements(CAST({rows} AS json)) AS r))"
    ),
)
class natural_key_in(Condition):  # noqa: N801
    """Three columns (an id, a text, an integer) are one of the rows of a bound JSON list (`RowsParameter`)."""

    inherit_cache = True


@compiled(lambda column: f"+{column}", lambda column: f"coalesce({column}, {column})")
class by_no_index(FunctionElement[object]):  # noqa: N801
    """A column, or a condition, by which a database neither looks for rows in an index nor reads one for its order."""

    inherit_cache = True

    def __init__(self, column: Column) -> None:
        super().__init__(column.self_group())
        self.type = column.type


@compiled(lambda column: f"+{column}", lambda column: column)
class by_no_sqlite_index(FunctionElement[object]):  # noqa: N801
    """A column for which SQLite reads no index, as it would read all of one to group rows in its order."""

    inherit_cache = True

    def __init__(self, column: Column) -> None:
        super().__init__(column.self_group())
        self.type = column.type


@compiled(
    lambda column, value: f"(EXISTS (SELECT 1 FROM json_each({column}) WHERE value = {value}))",
    lambda column, value: f"jsonb_exists({column}, {value})",
)
class has_item(Condition):  # noqa: N801
    """A JSON list of texts (`JsonSet`) has an item."""

    inherit_cache = True


@compiled(
    lambda column, values: (
        f"(EXISTS (SELECT 1 FROM json_each({column}) AS i WHERE i.value IN (SELECT value FROM json_each({values}))))"
    ),
    lambda column, values: f"jsonb_exists_any({column}, {values})",
)
class has_any_item(Condition):  # noqa: N801
    """A JSON list of texts (`JsonSet`) has one of a bound list of them."""

    inherit_cache = True


@compiled(
    lambda column, values: (
        f"(NOT EXISTS (SELECT 1 FROM json_each({values}) AS v WHERE v.value NOT IN"
        f" (SELECT value FROM json_each({column}))))"
    ),
    lambda column, values: f"jsonb_exists_all({column}, {values})",
)
class has_all_items(Condition):  # noqa: N801
    """A JSON list of texts (`JsonSet`) has all of a bound list of them."""

    inherit_cache = True


@compiled(
    # Ids are texts with dashes; `g` is the letter behind the last hexadecimal digit.
    lambda column, first, last: f"({column} >= {first} AND {column} < ({last} || 'g'))",
    lambda column, first, last: (
        f"({column} BETWEEN CAST(rpad(replace({first}, '-', ''), 32, '0') AS uuid) "
        f"AND CAST(rpad(replace({last}, '-', ''), 32, 'f') AS uuid))"
    ),
)
class id_between(Condition):  # noqa: N801
    """An id lies between the first that starts with one text and the last that starts with another.

    It is a range of an index. The texts are beginnings of UUIDs as clients read them, with dashes.
    """

    inherit_cache = True


@compiled(
    # Percentiles of one column have their values sorted once: SQLite computes an aggregate that is repeated once.
    lambda fraction, column: f"percentile_of(sorted_values({column}) FILTER (WHERE {column} IS NOT NULL), {fraction})",
    lambda fraction, column: f"percentile_cont({fraction}) WITHIN GROUP (ORDER BY {column})",
)
class percentile(FunctionElement[float]):  # noqa: N801
    """The continuous percentile of a number: between two values it interpolates, as in the SQL standard."""

    type = Double()
    inherit_cache = True

    def __init__(self, fraction: float, column: ColumnElement[float]) -> None:
        super().__init__(literal_column(repr(fraction)), column)


@compiled(
    lambda identifier: f"smallest_three({identifier})",
    lambda identifier: f"CAST(to_json((array_agg({identifier} ORDER BY {identifier}))[1:3]) AS text)",
)
class smallest_three(FunctionElement[str]):  # noqa: N801
    """The three smallest of the ids of a group, or all of fewer, as a JSON list."""

    type = Text()
    inherit_cache = True


def read_twice(rows: RowSelect, name: str) -> CTE:
    """Rows that a statement uses twice.

    PostgreSQL reads them twice, at the same time: to copy them first took a tenth longer, and the copy of many rows
    goes to the disk. SQLite does one after the other and copies them.
    """
    return rows.cte(name).prefix_with("NOT MATERIALIZED", dialect="postgresql")


@compiled(
    lambda start, end: (
        f"((strftime('%s', substr({end}, 1, 19)) - strftime('%s', substr({start}, 1, 19)))"
        f" + (substr({end}, 21, 6) - substr({start}, 21, 6)) / 1000000.0)"
    ),
    lambda start, end: f"CAST(EXTRACT(EPOCH FROM ({end} - {start})) AS double precision)",
)
class seconds_between(FunctionElement[float]):  # noqa: N801
    """The seconds from one moment to another."""

    type = Double()
    inherit_cache = True


@compiled(
    lambda moment: moment,
    lambda moment: f"to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
)
class _moment_text(FunctionElement[str]):  # noqa: N801
    """A moment as the text that clients read: the same on both databases."""

    type = Text()
    inherit_cache = True


@compiled(
    # SQLite reads constants once for a statement, and the others again for each row. Most lists are empty.
    lambda value: f"CASE {value} WHEN '[]' THEN json('[]') ELSE json({value}) END",
    lambda value: value,
)
class json_value(FunctionElement[str]):  # noqa: N801
    """A JSON column inside a JSON object."""

    type = Text()
    inherit_cache = True


@compiled(
    lambda value: f"CASE WHEN {value} THEN json('true') WHEN NOT {value} THEN json('false') END", lambda value: value
)
class json_boolean(FunctionElement[str]):  # noqa: N801
    """A boolean inside a JSON object."""

    type = Text()
    inherit_cache = True


@compiled(
    lambda *pairs: f"json_object({', '.join(pairs)})",
    # json_build_object looks up the type of each value of each row again, which takes a third longer.
    lambda *pairs: f"CAST((SELECT row_to_json(r) FROM (SELECT {_named(pairs)}) AS r) AS text)",
)
class json_object(FunctionElement[str]):  # noqa: N801
    """A row as the text of a JSON object, made by the database: it is passed on to the client as it is."""

    type = Text()
    inherit_cache = True

    def __init__(self, members: Mapping[str, Column]) -> None:
        parts: list[Column] = []
        for name, column in members.items():
            parts += [literal_column(f"'{name}'"), _json_member(column)]
        super().__init__(*parts)


@compiled(lambda text: f"group_concat({text}, ',')", lambda text: f"string_agg({text}, ',')")
class joined(FunctionElement[str]):  # noqa: N801
    """The texts of all rows with commas between them, in the order of the rows; nothing of none."""

    type = Text()
    inherit_cache = True


def _named(pairs: Sequence[str]) -> str:
    names = (name.replace("'", '"') for name in pairs[::2])
    return ", ".join(f"{value} AS {name}" for name, value in zip(names, pairs[1::2], strict=True))


def _json_member(column: Column) -> Column:
    if isinstance(column.type, TIMESTAMP):
        return _moment_text(column)
    if isinstance(column.type, JSON):
        return json_value(column)
    if isinstance(column.type, Boolean):
        return json_boolean(column)
    return column


def upsert(table: Table) -> postgresql.Insert:
    """An INSERT that knows ON CONFLICT DO UPDATE, for what is prepared: both dialects write that of PostgreSQL."""
    return postgresql.insert(table)


def insert_for(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
