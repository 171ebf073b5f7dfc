"""Costs: the kind of work that a field of a query is for the database."""

from collections.abc import Iterable, Mapping
from typing import Any

from taskruns_service.prefect1.graph.choices import Aggregated, Choice, Many, One, Selected
from taskruns_service.prefect1.graph.conditions import Expression
from taskruns_service.prefect1.graph.entities import ENTITIES, Entity
from taskruns_service.prefect1.graph.selections import kept_count
from taskruns_service.storage.lanes import QueryKind

_NARROW = ({"id"}, {"flow_run_id"}, {"task_run_id"}, {"cache_key", "state"}, {"task_id", "state"})
"""Fields whose values, where all of them are asked for, leave few rows."""
_EQUALITIES = {"_eq", "_in"}


def kind_of_list(entity: Entity, choice: Choice, selected: Selected) -> QueryKind:
    """What it is to read rows: by id a look-up, unless lists of others are read with them."""
    if _scans(entity, choice, [selected]):
        return QueryKind.scan
    fields = _equal_fields(choice.where)
    if "id" in fields and not _has_lists(selected):
        return QueryKind.look_up
    return QueryKind.read if _is_narrow(fields) else QueryKind.scan


def kind_of_aggregate(entity: Entity, aggregated: Aggregated) -> QueryKind:
    """What it is to put rows together."""
    if _scans(entity, aggregated.choice, aggregated.parts.values()):
        return QueryKind.scan
    is_kept = entity is ENTITIES["task_run"] and kept_count(aggregated) is not None
    return QueryKind.read if is_kept or _is_narrow(_equal_fields(aggregated.choice.where)) else QueryKind.scan


def _equal_fields(where: Expression) -> set[str]:
    return {field for field, value in where.items() if isinstance(value, dict) and value.keys() & _EQUALITIES}


def _is_narrow(fields: set[str]) -> bool:
    return any(narrow <= fields for narrow in _NARROW)


def _scans(entity: Entity, choice: Choice, parts: Iterable[Any]) -> bool:
    """Whether a relation without an index is gone along, to choose rows or to read others with them."""
    if any(_names_scan(entity, names) for names in (choice.where, *choice.order_by)):
        return True
    members = [member for part in parts if isinstance(part, Selected) for member in part.members.values()]
    for member in members:
        if isinstance(member, One | Many | Aggregated) and member.relation is not None:
            relation = entity.relations[member.relation]
            inner = member.parts.values() if isinstance(member, Aggregated) else [member.selected]
            inner_choice = Choice() if isinstance(member, One) else member.choice
            if relation.scans or _scans(ENTITIES[relation.target], inner_choice, inner):
                return True
    return False


def _names_scan(entity: Entity, names: Mapping[str, Any]) -> bool:
    """Whether a condition or a term of an order names a relation without an index."""
    for name, value in names.items():
        relation = entity.relations.get(name.removesuffix("_aggregate"))
        if relation is not None and relation.scans:
            return True
        target = entity if relation is None else ENTITIES[relation.target]
        nested = value if isinstance(value, list) else [value]
        if any(isinstance(inner, Mapping) and _names_scan(target, inner) for inner in nested):
            return True
    return False


def _has_lists(selected: Selected) -> bool:
    members: list[Any] = list(selected.members.values())
    return any(
        isinstance(member, Many | Aggregated) or (isinstance(member, One) and _has_lists(member.selected))
        for member in members
    )
