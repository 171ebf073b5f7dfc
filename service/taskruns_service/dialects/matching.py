"""Matching texts and JSON, and statistics, as PostgreSQL has them: SQLite is given the functions that it lacks."""

import math
import re
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import re2  # type: ignore[import-untyped] # RE2 takes time linear in the text, whatever the pattern
from sqlalchemy import ColumnElement, literal_column

from taskruns_service.dialects.expressions import Condition, compiled

_TEXT_OPERATORS = {"like": "LIKE", "ilike": "ILIKE", "similar": "SIMILAR TO", "regex": "~", "iregex": "~*"}
_KEYS = "ARRAY(SELECT json_array_elements_text(CAST({} AS json)))"
_JSON_OPERATORS = {
    "contains": "(CAST({0} AS jsonb) @> CAST({1} AS jsonb))",
    "contained_in": "(CAST({0} AS jsonb) <@ CAST({1} AS jsonb))",
    "has_key": "jsonb_exists(CAST({0} AS jsonb), CAST({1} AS json) #>> '{{}}')",
    "has_keys_any": f"jsonb_exists_any(CAST({{0}} AS jsonb), {_KEYS.format('{1}')})",
    "has_keys_all": f"jsonb_exists_all(CAST({{0}} AS jsonb), {_KEYS.format('{1}')})",
}


class _Match(Condition):
    inherit_cache = True

    def __init__(self, operator: str, value: ColumnElement[Any], wanted: ColumnElement[Any]) -> None:
        super().__init__(literal_column(operator), value, wanted)


@compiled(
    lambda operator, value, pattern: f"text_matches('{operator}', {value}, {pattern})",
    lambda operator, value, pattern: f"({value} {_TEXT_OPERATORS[operator]} {pattern})",
)
class text_matches(_Match):  # noqa: N801
    """A text matches a pattern; `operator` is one of like, ilike, similar, regex and iregex."""

    inherit_cache = True


@compiled(
    lambda operator, value, wanted: f"json_matches('{operator}', {value}, {wanted})",
    lambda operator, value, wanted: _JSON_OPERATORS[operator].format(value, wanted),
)
class json_matches(_Match):  # noqa: N801
    """A JSON value contains, or is contained in, another, or has keys; `wanted` is JSON text.

    `operator` is one of contains, contained_in, has_key, has_keys_any and has_keys_all.
    """

    inherit_cache = True


def add_functions(connection: sqlite3.Connection) -> None:
    """Gives a connection what `text_matches`, `json_matches` and PostgreSQL's statistics are on SQLite."""
    connection.create_function("text_matches", 3, _text_matches, deterministic=True)
    connection.create_function("json_matches", 3, _json_matches, deterministic=True)
    for name, (least, summarise) in _STATISTICS.items():
        connection.create_aggregate(name, 1, _statistic(least, summarise))


def _text_matches(operator: str, value: str | None, pattern: str | None) -> bool | None:
    if value is None or pattern is None:
        return None
    return _pattern(operator, pattern).search(value) is not None


@lru_cache(maxsize=256)
def _pattern(operator: str, pattern: str) -> Any:
    """A pattern of PostgreSQL's as one of RE2's."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = operator not in ("ilike", "iregex")
    options.dot_nl = True
    if operator in ("like", "ilike"):
        signs = {"%": ".*", "_": "."}
        parts = re.findall(r"\\.|.", pattern, re.DOTALL)
        pattern = "".join(signs.get(part) or re2.escape(part[-1]) for part in parts)
    elif operator == "similar":
        parts = re.findall(r"\\.|.", pattern, re.DOTALL)
        signs = {"%": ".*", "_": ".", ".": r"\.", "^": r"\^", "$": r"\$"}
        pattern = "".join(signs.get(part, part) for part in parts)
    if operator not in ("regex", "iregex"):
        pattern = f"^(?:{pattern})$"
    return re2.compile(pattern, options)


def check_pattern(operator: str, pattern: str) -> None:
    """Raises ValueError for a pattern that can not be read."""
    try:
        _pattern(operator, pattern)
    except re2.error as error:
        raise ValueError(f"invalid regular expression: {error}") from None


def _json_matches(operator: str, value: str | None, wanted: str | None) -> bool | None:
    if value is None or wanted is None:
        return None
    return _JSON_MATCHES[operator](msgspec.json.decode(value), msgspec.json.decode(wanted))


def _contains(value: Any, wanted: Any) -> bool:
    """PostgreSQL's `@>`: an object has the members, a list has the items; a list contains a value that is in it."""
    match value, wanted:
        case dict(), dict():
            return all(key in value and _contains(value[key], inner) for key, inner in wanted.items())
        case list(), list():
            return all(any(_contains(one, inner) for one in value) for inner in wanted)
        case list(), (str() | int() | float() | None):
            return any(_same(one, wanted) for one in value)
        case _:
            return _same(value, wanted)


def _same(one: Any, other: Any) -> bool:
    # In Python True is 1.
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _has_key(value: Any, key: str) -> bool:
    return (isinstance(value, dict | list) and key in value) or value == key


_JSON_MATCHES: dict[str, Callable[[Any, Any], bool]] = {
    "contains": _contains,
    "contained_in": lambda value, wanted: _contains(wanted, value),
    "has_key": _has_key,
    "has_keys_any": lambda value, keys: any(_has_key(value, key) for key in keys),
    "has_keys_all": lambda value, keys: all(_has_key(value, key) for key in keys),
}


def _variance(values: list[float], freedom: int) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - freedom)


_STATISTICS: dict[str, tuple[int, Callable[[list[float]], float]]] = {
    "var_pop": (1, lambda values: _variance(values, 0)),
    "var_samp": (2, lambda values: _variance(values, 1)),
    "stddev_pop": (1, lambda values: math.sqrt(_variance(values, 0))),
    "stddev_samp": (2, lambda values: math.sqrt(_variance(values, 1))),
}
"""The least number of values that each needs, and how it summarises them."""


def _statistic(least: int, summarise: Callable[[list[float]], float]) -> type:
    class Statistic:
        def __init__(self) -> None:
            self.values: list[float] = []

        def step(self, value: float | None) -> None:
            if value is not None:
                self.values.append(value)

        def finalize(self) -> float | None:
            return summarise(self.values) if len(self.values) >= least else None

    return Statistic
