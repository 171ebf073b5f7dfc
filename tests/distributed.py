"""What Citus refuses of statements about runs, if rows were stored by the family of their flow run.

Task runs and all that belongs to a flow run share a family (docs/decisions/0013-task-run-ids-carry-their-flow-run.md).
A statement that binds ids of one family is about one shard, where PostgreSQL answers as it always does; any other is
about all shards, and can do less.
"""

import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy import BinaryExpression, BindParameter, ClauseElement, Column, Table
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.selectable import Alias, FromClause

from taskruns_service.storage.dialects import Prepared, any_of, any_of_or_in, natural_key_in

JOIN: Final = "a join off the family"
LOCK: Final = "a lock over all shards"
NO_FROM: Final = "a subquery without FROM"
INSERT_IN_WITH: Final = "INSERT inside WITH"
STABLE_IN_UPDATE: Final = "a STABLE function of columns in UPDATE"

IDS: Final = {
    "flow_run": {"id"},
    "flow_run_state": {"flow_run_id"},
    "task_run": {"id", "flow_run_id"},
    "task_run_state": {"task_run_id"},
    "task_run_map": {"flow_run_id"},
    "task_run_artifact": {"task_run_id"},
    "log": {"flow_run_id", "task_run_id"},
}
"""The columns of each table of runs whose values say of which family a row is."""
SHARED: Final = IDS | {"task_run": IDS["task_run"] | {"state_id"}, "task_run_state": {"task_run_id", "id"}}
"""The columns whose equality makes two rows of one family."""

_BOUND = "bound ids"
_UPDATE = re.compile(r"\bUPDATE\s+\w+\s+SET\b.*?(?=\)\s*,\s*change_|\bRETURNING\b|$)", re.DOTALL)
# A moment and an interval depend on the time zone of the session.
_STABLE_OF_COLUMNS = re.compile(r"TIMESTAMPTZ 'epoch' \+ new\.|\bto_char\(new\.|\bdate_trunc\('\w+', new\.")


def refusals(prepared: Prepared, text: str) -> list[str]:
    """What Citus would refuse of a prepared statement, of which `text` is the SQL for PostgreSQL."""
    statement = prepared.statement
    families = _families(statement)
    reasons = []
    apart = {family for table, family in families.items() if table != _BOUND}
    if len(apart) > 1:
        reasons.append(JOIN)
    is_bound = apart <= {families[_BOUND]}
    if not is_bound and " FOR " in text and re.search(r"\bFOR (UPDATE|NO KEY UPDATE|SHARE|KEY SHARE)\b", text):
        reasons.append(LOCK)
    if not is_bound and _has_subquery_without_from(text):
        reasons.append(NO_FROM)
    return reasons + refusals_of_text(text)


def refusals_of_text(text: str) -> list[str]:
    """What Citus would refuse of any statement, by its SQL."""
    reasons = []
    if re.search(r"\bWITH\b.*\bAS\s*\(\s*INSERT\b", text, re.DOTALL) or re.search(r"\bWITH\b.*\)\s*INSERT\b", text):
        reasons.append(INSERT_IN_WITH)
    if any(_STABLE_OF_COLUMNS.search(update) for update in _UPDATE.findall(text)):
        reasons.append(STABLE_IN_UPDATE)
    return reasons


def _families(statement: ClauseElement) -> dict[object, object]:
    """The tables of runs in a statement, each with what stands for the family that its rows are of.

    Tables whose ids are equal have one; those whose ids are bound have that of `_BOUND`.
    """
    parents: dict[object, object] = {_BOUND: _BOUND}

    def find(item: object) -> object:
        while parents.setdefault(item, item) is not item:
            item = parents[item]
        return item

    # By their columns: an alias leads to its table, which the statement may not mention otherwise.
    for column in visitors.iterate(statement):
        if isinstance(column, Column) and _name(column.table) in IDS:
            find(column.table)
    for table, other in _equalities(statement):
        parents[find(table)] = find(other)
    return {item: find(item) for item in list(parents)}


def _equalities(statement: ClauseElement) -> Iterator[tuple[object, object]]:
    for element in visitors.iterate(statement):
        if isinstance(element, BinaryExpression) and element.operator is operators.eq:
            sides = (element.left, element.right)
            if all(_has(side, SHARED) for side in sides):
                yield sides[0].table, sides[1].table
            for side, other in (sides, sides[::-1]):
                if _has(side, IDS) and isinstance(other, BindParameter):
                    yield side.table, _BOUND
        elif isinstance(element, any_of | any_of_or_in | natural_key_in):
            column = next(iter(element.clauses))
            if _has(column, IDS):
                yield column.table, _BOUND


def _has(element: ClauseElement, columns: dict[str, set[str]]) -> bool:
    return isinstance(element, Column) and element.name in columns.get(_name(element.table), ())


def _name(table: FromClause | None) -> str:
    inner = table.element if isinstance(table, Alias) else table
    return inner.name if isinstance(inner, Table) else ""


def _has_subquery_without_from(text: str) -> bool:
    return any(" FROM " not in _outermost(text[place.start() + 1 :]) for place in re.finditer(r"\(SELECT\b", text))


def _outermost(text: str) -> str:
    """What stands before the parenthesis that ends a text, without what is in parentheses itself."""
    depth, outermost = 0, []
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if depth == 0:
            outermost.append(character)
    return "".join(outermost).replace("\n", " ")
