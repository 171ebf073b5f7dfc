"""Costs: the lane of the database in which a field of a query is answered."""

from collections.abc import Awaitable, Callable
from typing import Any

from taskruns_service.conditions import Expression
from taskruns_service.database import Database
from taskruns_service.selections import Aggregated, Choice, Many, One, Selected, kept_count

Ask = Callable[..., Awaitable[bytes]]

_NARROW = ({"id"}, {"flow_run_id"}, {"task_run_id"}, {"cache_key", "state"}, {"task_id", "state"})
"""Fields whose values, where all of them are asked for, leave few rows."""
_EQUALITIES = {"_eq", "_in"}


def list_with(database: Database, choice: Choice, selected: Selected) -> Ask:
    """How rows are to be read; by id it is a look-up, unless lists of others are read with them."""
    fields = _equal_fields(choice.where)
    if "id" in fields and not _has_lists(selected):
        return database.look_up
    return database.read if _is_narrow(fields) else database.scan


def aggregate_with(database: Database, name: str, aggregated: Aggregated) -> Ask:
    """How rows are to be put together."""
    is_kept = name == "task_run" and kept_count(aggregated) is not None
    return database.read if is_kept or _is_narrow(_equal_fields(aggregated.choice.where)) else database.scan


def _equal_fields(where: Expression) -> set[str]:
    return {field for field, value in where.items() if isinstance(value, dict) and value.keys() & _EQUALITIES}


def _is_narrow(fields: set[str]) -> bool:
    return any(narrow <= fields for narrow in _NARROW)


def _has_lists(selected: Selected) -> bool:
    members: list[Any] = list(selected.members.values())
    return any(
        isinstance(member, Many | Aggregated) or (isinstance(member, One) and _has_lists(member.selected))
        for member in members
    )
