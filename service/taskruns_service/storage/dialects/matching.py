"""Matching texts and JSON as PostgreSQL does: SQLite is given the functions that it lacks."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, Protocol

import msgspec
import re2  # type: ignore[import-untyped] # RE2 takes time linear in the text, whatever the pattern
from sqlalchemy import Connection, Dialect, Text, literal_column, type_coerce
from sqlalchemy.types import TypeDecorator

from taskruns_service.storage.dialects import folding
from taskruns_service.storage.dialects.deadlines import Deadline
from taskruns_service.storage.dialects.expressions import Condition, compiled
from taskruns_service.storage.dialects.types import Column

MAX_PATTERN_BYTES = 1 << 20
"""What RE2 may take for a compiled pattern and for each of its automata."""
MAX_PATTERNS = 16
MAX_STEPS = 250_000_000
"""Instructions of a pattern times characters of a text: 2 seconds at worst, in which nothing can stop RE2."""

_TEXT_OPERATORS = {"like": "LIKE", "similar": "SIMILAR TO", "regex": "~"}
_FOLDING_OPERATORS = {"contains": "~", "ilike": "~", "iregex": "~*"}
_KEYS = "ARRAY(SELECT json_array_elements_text(CAST({} AS json)))"
_JSON_OPERATORS = {
    "equal": "(CAST({0} AS jsonb) = CAST({1} AS jsonb))",
    "equal_to_one": "(CAST({0} AS jsonb) = ANY (ARRAY(SELECT jsonb_array_elements(CAST({1} AS jsonb)))))",
    "contains": "(CAST({0} AS jsonb) @> CAST({1} AS jsonb))",
    "contained_in": "(CAST({0} AS jsonb) <@ CAST({1} AS jsonb))",
    "has_key": "jsonb_exists(CAST({0} AS jsonb), CAST({1} AS json) #>> '{{}}')",
    "has_keys_any": f"jsonb_exists_any(CAST({{0}} AS jsonb), {_KEYS.format('{1}')})",
    "has_keys_all": f"jsonb_exists_all(CAST({{0}} AS jsonb), {_KEYS.format('{1}')})",
}


class _FoldedPattern(TypeDecorator[str]):
    """A text or a pattern that matches in any case, bound as what each database compares with."""

    impl = Text
    cache_ok = True

    def __init__(self, operator: str) -> None:
        super().__init__()
        self.operator = operator

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            return _FOLDED_PATTERNS[self.operator](value)
        # The functions that SQLite is given fold patterns by themselves.
        return value.casefold() if self.operator == "contains" else value


_FOLDED_PATTERNS: dict[str, Callable[[str], str]] = {
    "contains": folding.text_pattern,
    "ilike": folding.like_pattern,
    "iregex": folding.regex_pattern,
}


class _Match(Condition):
    inherit_cache = True

    def __init__(self, operator: str, value: Column, wanted: Column | str) -> None:
        super().__init__(literal_column(operator), value, wanted)


def _text_matches_on_postgresql(operator: str, value: str, pattern: str) -> str:
    if operator in _TEXT_OPERATORS:
        return f"({value} {_TEXT_OPERATORS[operator]} {pattern})"
    # Whatever the server's locale, its engine is to fold no more than ASCII.
    matches = f'COLLATE "C" {_FOLDING_OPERATORS[operator]} {pattern}'
    expandable = f"octet_length({value}) > char_length({value}) AND {value} ~ '[{''.join(folding.expansions())}]'"
    return f"({value} {matches} OR ({expandable} AND {_expanded(value)} {matches}))"


def _expanded(value: str) -> str:
    """SQL for a text with expansions in the place of the characters that have one."""
    expansions = folding.expansions()
    frequent = {character: expansions[character] for character in folding.FREQUENT}
    others = "".join(expansions.keys() - frequent.keys())
    return (
        f"CASE WHEN {value} ~ '[{''.join(sorted(others))}]' THEN {_replaced(value, expansions)}"
        f" ELSE {_replaced(value, frequent)} END"
    )


def _replaced(value: str, replacements: Mapping[str, str]) -> str:
    for old, new in replacements.items():
        value = f"replace({value}, '{old}', '{new}')"
    return value


@compiled(
    lambda operator, value, pattern: f"text_matches('{operator}', {value}, {pattern})",
    _text_matches_on_postgresql,
)
class text_matches(_Match):  # noqa: N801
    """A text matches a pattern; `operator` is one of like, ilike, similar, regex and iregex.

    What matches in any case (ilike, iregex) does so with the text as it is or with its characters expanded.
    """

    inherit_cache = True

    def __init__(self, operator: str, value: Column, pattern: Column | str) -> None:
        super().__init__(
            operator,
            value,
            type_coerce(pattern, _FoldedPattern(operator)) if operator in _FOLDED_PATTERNS else pattern,
        )


@compiled(
    # Most names are ASCII, for which SQLite needs no function in Python.
    lambda _, column, value: (
        f"(instr(CASE WHEN length({column}) = length(CAST({column} AS BLOB)) THEN lower({column})"
        f" ELSE casefold({column}) END, {value}) > 0)"
    ),
    _text_matches_on_postgresql,
)
class has_text(text_matches):  # noqa: N801
    """A text has another one in it, in any case."""

    inherit_cache = True

    def __init__(self, column: Column, value: Column | str) -> None:
        super().__init__("contains", column, value)


@compiled(
    lambda operator, value, wanted: f"json_matches('{operator}', {value}, {wanted})",
    lambda operator, value, wanted: _JSON_OPERATORS[operator].format(value, wanted),
)
class json_matches(_Match):  # noqa: N801
    """A JSON value equals or contains another, or is contained in it, or has keys; `wanted` is JSON text.

    `operator` is one of equal, equal_to_one (of a list), contains, contained_in, has_key, has_keys_any and
    has_keys_all.
    """

    inherit_cache = True


def add_functions(connection: sqlite3.Connection, deadline: Deadline) -> None:
    """Gives a connection what `text_matches`, `has_text` and `json_matches` are on SQLite."""
    for name, function in (("text_matches", _text_matches), ("json_matches", _json_matches)):
        connection.create_function(name, 3, partial(function, deadline), deterministic=True)
    connection.create_function("casefold", 1, partial(_casefold, deadline), deterministic=True)


def check_patterns(connection: Connection, patterns: Iterable[tuple[str, str]]) -> None:
    """Raises ValueError for a pattern (operator, pattern) that the database would not take.

    PostgreSQL checks its own patterns when it meets them, and says then what is wrong.
    """
    if connection.dialect.name == "sqlite":
        for operator, pattern in patterns:
            _compiled(operator, pattern)


def _text_matches(deadline: Deadline, operator: str, value: str | None, pattern: str | None) -> bool | None:
    if value is None or pattern is None:
        return None
    expression = _compiled(operator, pattern)
    deadline.check()
    if len(value) * expression.programsize > MAX_STEPS:
        raise TimeoutError
    if expression.search(value) is not None:
        return True
    expanded = folding.expanded(value) if operator in _FOLDED_PATTERNS else value
    return expanded != value and expression.search(expanded) is not None


def _casefold(deadline: Deadline, value: str | None) -> str | None:
    deadline.check()
    return None if value is None else value.casefold()


class _Pattern(Protocol):
    """A pattern of RE2, which has no types."""

    programsize: int

    def search(self, text: str) -> object | None: ...


@lru_cache(maxsize=MAX_PATTERNS)
def _compiled(operator: str, pattern: str) -> _Pattern:
    """A pattern of PostgreSQL's as one of RE2's; raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_BYTES
    options.case_sensitive = operator != "iregex"
    options.dot_nl = True
    try:
        expression: _Pattern = re2.compile(_translated(operator, pattern), options)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"invalid regular expression: {text}") from None
    return expression


def _translated(operator: str, pattern: str) -> str:
    if operator in _FOLDED_PATTERNS:
        return _FOLDED_PATTERNS[operator](pattern)
    if operator == "regex":
        return pattern
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    if operator == "like":
        signs = {"%": ".*", "_": "."}
        pattern = "".join(signs.get(part) or re2.escape(part[-1]) for part in parts)
    else:
        signs = {"%": ".*", "_": ".", ".": r"\.", "^": r"\^", "$": r"\$"}
        pattern = "".join(signs.get(part, part) for part in parts)
    return f"^(?:{pattern})$"


def _json_matches(deadline: Deadline, operator: str, value: str | None, wanted: str | None) -> bool | None:
    if value is None or wanted is None:
        return None
    deadline.check()
    return _JSON_MATCHES[operator](deadline, msgspec.json.decode(value), _wanted(wanted))


@lru_cache(maxsize=16)
def _wanted(text: str) -> object:
    return msgspec.json.decode(text)


def _contains(deadline: Deadline, value: object, wanted: object) -> bool:
    """PostgreSQL's `@>`: an object has the members, a list has the items; a list contains a value that is in it."""
    deadline.check()
    match value, wanted:
        case dict(), dict():
            return all(key in value and _contains(deadline, value[key], inner) for key, inner in wanted.items())
        case list(), list():
            return _has_all(deadline, value, wanted)
        case list(), (str() | int() | float() | None):
            return any(_same(item, wanted) for item in value)
        case _:
            return _same(value, wanted)


def _has_all(deadline: Deadline, items: list[object], wanted: list[object]) -> bool:
    """Whether each wanted item is in one of the items: plain values are looked up, not compared one by one."""
    nested = [item for item in wanted if isinstance(item, dict | list)]
    if plain := {_key(item) for item in wanted if not isinstance(item, dict | list)}:
        plain -= {_key(item) for item in items if not isinstance(item, dict | list)}
    return not plain and all(any(_contains(deadline, item, inner) for item in items) for inner in nested)


def _key(value: object) -> tuple[bool, object]:
    # In Python True is 1.
    return isinstance(value, bool), value


def _same(value: object, other: object) -> bool:
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _equal(deadline: Deadline, value: object, wanted: object) -> bool:
    deadline.check()
    match value, wanted:
        case dict(), dict():
            same = value.keys() == wanted.keys()
            return same and all(_equal(deadline, inner, wanted[key]) for key, inner in value.items())
        case list(), list():
            return len(value) == len(wanted) and all(map(partial(_equal, deadline), value, wanted))
    return _same(value, wanted)


def _has_keys(value: object, keys: set[str]) -> set[str]:
    """Those of the keys that an object or a list of texts has, or a text is."""
    match value:
        case dict():
            return keys & value.keys()
        case list():
            return keys & {item for item in value if isinstance(item, str)}
    return {key for key in keys if key == value}


_JSON_MATCHES: dict[str, Callable[[Deadline, Any, Any], bool]] = {
    "equal": _equal,
    "equal_to_one": lambda deadline, value, values: any(_equal(deadline, value, wanted) for wanted in values),
    "contains": _contains,
    "contained_in": lambda deadline, value, wanted: _contains(deadline, wanted, value),
    "has_key": lambda _, value, key: bool(_has_keys(value, {key})),
    "has_keys_any": lambda _, value, keys: bool(_has_keys(value, set(keys))),
    "has_keys_all": lambda _, value, keys: _has_keys(value, set(keys)) == set(keys),
}
