"""JSON documents that the database makes of rows, rows within rows and lists of rows, so that one statement answers."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import JSON, TIMESTAMP, Boolean, Text, literal, literal_column
from sqlalchemy.sql.functions import FunctionElement

from taskruns_service.storage.dialects.expressions import compiled, json_boolean, json_value
from taskruns_service.storage.dialects.types import Column, JsonPath

TOO_MANY_ROWS = r'"\u0000rows"'
"""What stands in a document where a list would have had too many rows: no text in the database has a NUL."""

TOO_LARGE = r'"\u0000bytes"'
"""What stands in place of a document that would have had too many bytes."""

MAX_MEMBERS = 50
"""A PostgreSQL function takes 100 arguments, and a member is two."""


@compiled(
    lambda moment: f"rtrim(rtrim(substr({moment}, 1, 26), '0'), '.') || '+00:00'",
    lambda moment: moment,
)
class _offset_text(FunctionElement[str]):  # noqa: N801
    """A moment as PostgreSQL writes it in JSON in UTC: `2021-05-12T17:59:58.33804+00:00`."""

    type = Text()
    inherit_cache = True


@compiled(
    lambda *pairs: f"json_object({', '.join(pairs)})",
    lambda *pairs: f"json_build_object({', '.join(pairs)})",
)
class document(FunctionElement[object]):  # noqa: N801
    """A row as a JSON object, with at most `MAX_MEMBERS` members; members of type JSON are documents themselves."""

    type = JSON()
    inherit_cache = True

    def __init__(self, members: Mapping[str, Column]) -> None:
        parts: list[Column] = []
        for name, column in members.items():
            parts += [literal_column(f"'{name}'"), _member(column)]
        super().__init__(*parts)


@compiled(
    lambda row, limit: f"CASE WHEN count(*) > {limit} THEN '{TOO_MANY_ROWS}' ELSE json_group_array(json({row})) END",
    lambda row, limit: (
        f"CASE WHEN count(*) > {limit} THEN CAST('{TOO_MANY_ROWS}' AS json) "
        f"ELSE coalesce(json_agg({row}), CAST('[]' AS json)) END"
    ),
)
class documents(FunctionElement[object]):  # noqa: N801
    """All rows of a subquery as a JSON list, in its order; `TOO_MANY_ROWS` if there are more than `limit`."""

    type = JSON()
    inherit_cache = True

    def __init__(self, row: Column, limit: int) -> None:
        super().__init__(row, literal_column(str(limit)))


@compiled(
    lambda name, value: f"json_group_object({name}, {value})",
    lambda name, value: f"json_object_agg({name}, {value})",
)
class json_of_pairs(FunctionElement[object]):  # noqa: N801
    """A JSON object with a member for each row: its name, which no other row has, and its value."""

    type = JSON()
    inherit_cache = True


@compiled(
    lambda value: f"json_group_array({value})",
    # Of an array, since json_agg and string_agg take two to four times as long.
    lambda value: f"CAST(array_to_json(array_agg({value})) AS text)",
)
class values_text(FunctionElement[str]):  # noqa: N801
    """The numbers of all rows as the text of a JSON list; several of them have the rows in the same order."""

    type = Text()
    inherit_cache = True


@compiled(
    # SQLite was told not to make any longer text: `CompiledValue`.
    lambda value, limit: value,
    lambda value, limit: (
        # As bytes, since to decode and encode a text of 64 MB keeps the event loop.
        f"(SELECT convert_to(CASE WHEN octet_length(d.text) > {limit} THEN '{TOO_LARGE}' ELSE d.text END, 'UTF8')"
        # Once: without OFFSET the document would be made for each mention of it.
        f" FROM (SELECT CAST({value} AS text) AS text OFFSET 0) AS d)"
    ),
)
class bounded_text(FunctionElement[str]):  # noqa: N801
    """A document as text, to be passed on as it is; `TOO_LARGE` if it has more than `limit` bytes."""

    type = Text()
    inherit_cache = True

    def __init__(self, value: Column, limit: int) -> None:
        super().__init__(value, literal_column(str(limit)))


@compiled(lambda value: value, lambda value: f"CAST({value} AS json)")
class encoded_json(FunctionElement[object]):  # noqa: N801
    """JSON text that was encoded already, as a value of a column of type `Json`."""

    inherit_cache = True


@compiled(lambda value: value, lambda value: f"CAST({value} AS text)")
class _json_text(FunctionElement[str]):  # noqa: N801
    """A JSON value as its text."""

    type = Text()
    inherit_cache = True


@compiled(lambda column: column, lambda column: f'({column} COLLATE "C")')
class _by_code_point(FunctionElement[str]):  # noqa: N801
    """A text in the order of its code points, whatever the locale of the server."""

    type = Text()
    inherit_cache = True


@compiled(
    lambda value, path: f"nullif({value} -> {path}, 'null')",
    lambda value, path: f"CAST(nullif(CAST({value} #> {path} AS text), 'null') AS json)",
)
class json_within(FunctionElement[object]):  # noqa: N801
    """What is at a path of keys and places in a JSON value; null where there is nothing, or JSON's null."""

    type = JSON()
    inherit_cache = True

    def __init__(self, value: Column, path: Sequence[str | int]) -> None:
        super().__init__(value, literal(path, JsonPath))


def comparable(column: Column) -> Column:
    """A column as both databases sort it alike and tell what is the same: PostgreSQL does not know that of JSON."""
    if isinstance(column.type, JSON):
        return _json_text(column)
    # A `Name` has this order by itself, and its indexes too.
    return _by_code_point(column) if isinstance(column.type, Text) else column


@compiled(
    lambda value, place: f"json_each({value} -> {place})",
    lambda value, place: f"json_array_elements(CAST({value} AS json) -> {place})",
)
class json_items(FunctionElement[object]):  # noqa: N801
    """The items of a list in a bound JSON list of lists (`RowsParameter`) as rows, by `table_valued("value")`."""

    inherit_cache = True


@compiled(lambda value, place: f"({value} ->> {place})", lambda value, place: f"({value} ->> {place})")
class item_text(FunctionElement[str]):  # noqa: N801
    """An item of a JSON list as text."""

    type = Text()
    inherit_cache = True

    def __init__(self, value: Column, place: int) -> None:
        super().__init__(value, literal_column(str(place)))


@compiled(
    lambda type_, message, result, details: _state_sql(
        f"json_quote({type_})", f"coalesce(json_quote({message}), 'null')", result, details
    ),
    lambda type_, message, result, details: (
        "CAST("
        + _state_sql(
            f"CAST(to_json({type_}) AS text)", f"coalesce(CAST(to_json({message}) AS text), 'null')", result, details
        )
        + " AS json)"
    ),
)
class state_document(FunctionElement[object]):  # noqa: N801
    """A state put together again as Prefect 1 wrote it, from columns (type, message, result, details)."""

    type = JSON()
    inherit_cache = True


def _state_sql(type_: str, message: str, result: str, details: str) -> str:
    # Put together as text, since that takes no database apart and together again what others wrote. What is in
    # `details` comes first: of a member that is there twice, readers take the last.
    text = f"CAST({details} AS text)"
    return (
        f"coalesce(substr({text}, 1, length({text}) - 1) || ',', '{{')"
        f" || '\"type\":' || {type_} || ',\"message\":' || {message}"
        f" || coalesce(',\"_result\":' || CAST({result} AS text), '') || '}}'"
    )


@compiled(
    lambda *columns: f"json_array({', '.join(columns)})",
    lambda *columns: f"ROW({', '.join(columns)})",
)
class row_of(FunctionElement[object]):  # noqa: N801
    """Several values as one, to be compared."""

    inherit_cache = True


def _member(column: Column) -> Column:
    wrap: Callable[[Column], Column]
    for kind, wrap in ((TIMESTAMP, _offset_text), (JSON, json_value), (Boolean, json_boolean)):
        if isinstance(column.type, kind):
            return wrap(column)
    return column
