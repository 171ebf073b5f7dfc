"""Costs: the kind of work that a field of a query is for the database."""

from typing import Any

from taskruns_service.choices import Aggregated, Choice, Many, One, Selected
from taskruns_service.conditions import Expression
from taskruns_service.lanes import Kind
from taskruns_service.selections import kept_count

_NARROW = ({"id"}, {"flow_run_id"}, {"task_run_id"}, {"cache_key", "state"}, {"task_id", "state"})
"""Fields whose values, where all of them are asked for, leave few rows."""
_EQUALITIES = {"_eq", "_in"}


def kind_of_list(choice: Choice, selected: Selected) -> Kind:
    """What it is to read rows: by id a look-up, unless lists of others are read with them."""
    fields = _equal_fields(choice.where)
    if "id" in fields and not _has_lists(selected):
        return Kind.look_up
    return Kind.read if _is_narrow(fields) else Kind.scan


def kind_of_aggregate(name: str, aggregated: Aggregated) -> Kind:
    """What it is to put rows together."""
    is_kept = name == "task_run" and kept_count(aggregated) is not None
    return Kind.read if is_kept or _is_narrow(_equal_fields(aggregated.choice.where)) else Kind.scan


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
