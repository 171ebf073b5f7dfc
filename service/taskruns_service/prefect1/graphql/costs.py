"""Costs: the kind of work that a field of a query is for the database."""

from collections.abc import Iterable, Mapping

from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Entity
from taskruns_service.prefect1.graph.selections import (
    AggregateSelection,
    Expression,
    Part,
    RowQuery,
    Selection,
    ToMany,
    ToOne,
)
from taskruns_service.prefect1.graph.tallied import count_question
from taskruns_service.storage.lanes import QueryKind

_NARROW = ({"id"}, {"flow_run_id"}, {"task_run_id"}, {"cache_key", "state"}, {"task_id", "state"})
"""Fields whose values, where all of them are asked for, leave few rows."""
_EQUALITIES = {"_eq", "_in"}


def kind_of_list(entity: Entity, row_query: RowQuery, selection: Selection) -> QueryKind:
    """What it is to read rows: by id a look-up, unless lists of others are read with them."""
    if _scans(entity, row_query, [selection]):
        return QueryKind.scan
    fields = _equal_fields(row_query.where)
    if names_ids(row_query) and not _has_lists(selection):
        return QueryKind.look_up
    return QueryKind.read if _is_narrow(fields) else QueryKind.scan


def names_ids(row_query: RowQuery) -> bool:
    """Whether rows are chosen by their ids, so that they are known to whoever asks."""
    return "id" in _equal_fields(row_query.where)


def kind_of_aggregate(entity: Entity, aggregate_selection: AggregateSelection) -> QueryKind:
    """What it is to put rows together."""
    if _scans(entity, aggregate_selection.row_query, aggregate_selection.parts.values()):
        return QueryKind.scan
    if entity is ENTITIES["task_run"] and (question := count_question(aggregate_selection)):
        return question.kind
    return QueryKind.read if _is_narrow(_equal_fields(aggregate_selection.row_query.where)) else QueryKind.scan


def _equal_fields(where: Expression) -> set[str]:
    return {field for field, value in where.items() if isinstance(value, dict) and value.keys() & _EQUALITIES}


def _is_narrow(fields: set[str]) -> bool:
    return any(narrow <= fields for narrow in _NARROW)


def _scans(entity: Entity, row_query: RowQuery, parts: Iterable[Part]) -> bool:
    """Whether a relation without an index is gone along, to choose rows or to read others with them."""
    if any(_names_scan(entity, names) for names in (row_query.where, *row_query.order_by)):
        return True
    members = [member for part in parts if isinstance(part, Selection) for member in part.members.values()]
    for member in members:
        if isinstance(member, ToOne | ToMany | AggregateSelection) and member.relation is not None:
            relation = entity.relations[member.relation]
            inner = member.parts.values() if isinstance(member, AggregateSelection) else [member.selection]
            inner_query = RowQuery() if isinstance(member, ToOne) else member.row_query
            if relation.scans or _scans(ENTITIES[relation.target], inner_query, inner):
                return True
    return False


def _names_scan(entity: Entity, names: Mapping[str, object]) -> bool:
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


def _has_lists(selection: Selection) -> bool:
    return any(
        isinstance(member, ToMany | AggregateSelection) or (isinstance(member, ToOne) and _has_lists(member.selection))
        for member in selection.members.values()
    )
