"""Selections of the graph, nested as they are asked for: the one statement that reads each, compiled and asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Double, Select, cast, func, literal, select

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.prefect1.graph.choices import (
    Aggregated,
    Choice,
    Constant,
    Count,
    Many,
    Measured,
    One,
    Selected,
    Statistic,
    Within,
)
from taskruns_service.prefect1.graph.computed import Column
from taskruns_service.prefect1.graph.conditions import Expression, condition, read_id
from taskruns_service.prefect1.graph.entities import ENTITIES, Entity, Here, Relation
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregates import AggregateQuestion
from taskruns_service.storage.dialects import (
    DATABASE_ERRORS,
    MEMBERS_MOST,
    TOO_LARGE,
    TOO_MANY_ROWS,
    CompiledValue,
    Target,
    bounded_text,
    comparable,
    document,
    documents,
    encode_json,
    is_too_large,
    json_within,
    row_of,
)

ROWS_MOST = 100_000

Question = Callable[[Connection], bytes]
"""A question that was compiled already; it gives JSON. Raises InvalidRequest for an answer that is too large."""


class AnswerTooLarge(InvalidRequest):
    """The answer is larger than the service allows for a request (TASKRUNS_ANSWER_BYTES).

    Ask for less with `where` or `limit`, or for fewer fields.
    """


class Bounds(NamedTuple):
    """What a question is compiled for: a kind of database, and at most so many bytes of an answer."""

    target: Target
    bytes_most: int


def list_entities(bounds: Bounds, entity: Entity, choice: Choice, selected: Selected) -> Question:
    """A list of an entity; raises InvalidRequest."""
    return _question(bounds, _list(entity, choice, selected))


def get_entity(bounds: Bounds, entity: Entity, choice: Choice, selected: Selected) -> Question:
    """The first of an entity that is chosen, or `null`; raises as `list_entities` does."""
    alias = entity.table.alias()
    rows = _rows(entity, alias, choice, [document(_members(entity, alias, selected))])
    return _question(bounds, rows.limit(1).scalar_subquery())


def aggregate_entities(bounds: Bounds, entity: Entity, aggregated: Aggregated) -> Question:
    """An entity's rows put together; raises as `list_entities` does.

    Counts that are kept are taken from where they are kept.
    """
    if entity is ENTITIES["task_run"] and (question := kept_count(aggregated)):
        return partial(_read_kept_count, aggregated, question)
    return _question(bounds, _aggregate(entity, aggregated))


def _read_kept_count(aggregated: Aggregated, question: AggregateQuestion, connection: Connection) -> bytes:
    count = aggregates.aggregate(connection, question).count
    return encode_json({key: _counted(part, count) for key, part in aggregated.parts.items()}).encode()


def _question(bounds: Bounds, column: Column) -> Question:
    text = bounded_text(column, bounds.bytes_most)
    return partial(_ask, CompiledValue(select(text), bounds.target), bounds.bytes_most)


def _ask(compiled: CompiledValue, bytes_most: int, connection: Connection) -> bytes:
    try:
        body = compiled.read(connection, bytes_most) or b"null"
    except DATABASE_ERRORS as error:
        if is_too_large(error):
            raise AnswerTooLarge from None
        raise
    is_too_long = TOO_MANY_ROWS.encode() in body
    if is_too_long or len(body) > bytes_most or body == TOO_LARGE.encode():
        del body  # the error would keep it, for as long as there are further fields to answer
        if not is_too_long:
            raise AnswerTooLarge
        raise InvalidRequest(
            f"A list in the response has more than {ROWS_MOST} rows. Request fewer with `where` or `limit`."
        )
    return body


class _Origin(NamedTuple):
    """The row from which a relation leads to those that are read."""

    relation: Relation
    alias: Here


def _list(entity: Entity, choice: Choice, selected: Selected, origin: _Origin | None = None) -> Column:
    """A list of documents, as a scalar subquery.

    The page has the members as columns, and the documents are made of those: SQLite's parser has a stack of 100, and
    a subquery as an argument of the document's function would take half as much again of it for each level.
    """
    alias = entity.table.alias()
    members = _members(entity, alias, selected)
    columns = [column.label(f"member_{place}") for place, column in enumerate(members.values())]
    page = _rows(entity, alias, choice, columns or [alias.c.id], origin).subquery()
    row = document(dict(zip(members, page.c, strict=False)))
    return select(documents(row, ROWS_MOST)).scalar_subquery()


def _matching(
    entity: Entity, alias: Here, where: Expression, columns: Sequence[Column], origin: _Origin | None
) -> Select[Any]:
    """Columns of the rows that meet a condition, in no order."""
    statement = select(*columns).select_from(alias).where(condition(entity, alias, where))
    if origin is None:
        return statement
    return statement.where(origin.relation.on(origin.alias, alias)).correlate(origin.alias)


def _rows(
    entity: Entity, alias: Here, choice: Choice, columns: Sequence[Column], origin: _Origin | None = None
) -> Select[Any]:
    """The rows that are chosen, in their order, at most one more than an answer may have."""
    # The id last, so that pages with an offset do not overlap.
    order = [*_order(entity, alias, choice.order_by or entity.order), alias.c.id]
    if choice.distinct_on:
        # The first row of each group, in the order that is asked for.
        keys = [comparable(_field(entity, alias, name)) for name in choice.distinct_on]
        place = func.row_number().over(partition_by=keys, order_by=order).label("place")
        ranked = _matching(entity, alias, choice.where, [alias.c.id, place], origin).subquery()
        first = select(ranked.c.id).where(ranked.c.place == 1)
        return _page(_with_ids(alias, first, columns, origin), order, choice)
    if origin is None and choice.order_by and choice.limit is not None:
        # Ids are sorted first: SQLite would read all columns of each row that sorts before those that it has. Not in
        # lists within rows, whose subqueries would nest deeper than SQLite's parser goes.
        page = _page(_matching(entity, alias, choice.where, [alias.c.id], origin), order, choice).subquery()
        return _with_ids(alias, select(page.c.id), columns, origin).order_by(*order)
    return _page(_matching(entity, alias, choice.where, columns, origin), order, choice)


def _with_ids(alias: Here, ids: Select[Any], columns: Sequence[Column], origin: _Origin | None) -> Select[Any]:
    statement = select(*columns).where(alias.c.id.in_(ids))
    return statement if origin is None else statement.correlate(origin.alias)


def _page(statement: Select[Any], order: Sequence[Column], choice: Choice) -> Select[Any]:
    most = ROWS_MOST + 1
    statement = statement.order_by(*order).limit(most if choice.limit is None else min(choice.limit, most))
    return statement.offset(choice.offset) if choice.offset else statement


def _order(entity: Entity, alias: Here, order_by: Iterable[Mapping[str, Any]]) -> Iterator[Column]:
    for value, direction in _terms(entity, alias, order_by):
        yield _DIRECTIONS[direction](value)


def _terms(entity: Entity, alias: Here, order_by: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Column, str]]:
    """What is sorted by, and in which direction."""
    for terms in order_by:
        for name, order in terms.items():
            if isinstance(order, str):
                yield comparable(_field(entity, alias, name)), order
            elif order:
                relation = entity.relations[name.removesuffix("_aggregate")]
                target = ENTITIES[relation.target]
                there = target.table.alias()
                inner = _aggregate_terms(target, there, order) if relation.many else _terms(target, there, [order])
                for value, direction in inner:
                    query = select(value).select_from(there).where(relation.on(alias, there)).correlate(alias)
                    yield query.scalar_subquery(), direction


def _aggregate_terms(target: Entity, there: Here, terms: Mapping[str, Any]) -> Iterator[tuple[Column, str]]:
    for name, order in terms.items():
        if isinstance(order, str):
            yield func.count(), order
        else:
            for field, direction in (order or {}).items():
                if direction is not None:
                    yield STATISTICS[name](_field(target, there, field)), direction


_DIRECTIONS: dict[str, Callable[[Column], Column]] = {
    # Where nulls go when nobody says is PostgreSQL's rule.
    "asc": lambda column: column.asc().nulls_last(),
    "asc_nulls_first": lambda column: column.asc().nulls_first(),
    "asc_nulls_last": lambda column: column.asc().nulls_last(),
    "desc": lambda column: column.desc().nulls_first(),
    "desc_nulls_first": lambda column: column.desc().nulls_first(),
    "desc_nulls_last": lambda column: column.desc().nulls_last(),
}


def _members(entity: Entity, alias: Here, selected: Selected) -> dict[str, Column]:
    if len(selected.members) > MEMBERS_MOST:
        raise InvalidRequest(f"A selection can have at most {MEMBERS_MOST} fields.")
    return {key: _member(entity, alias, member) for key, member in selected.members.items()}


def _member(entity: Entity, alias: Here, member: Any) -> Column:
    match member:
        case str():
            return _field(entity, alias, member)
        case Within(name, path):
            return json_within(_field(entity, alias, name), path)
        case Constant(text):
            return literal(text)
        case One(name, selected):
            return _to_one(entity, alias, name, selected)
        case Many(name, choice, selected):
            origin = _Origin(entity.relations[name], alias)
            return _list(ENTITIES[origin.relation.target], choice, selected, origin)
        case Aggregated(relation=str(name)):
            origin = _Origin(entity.relations[name], alias)
            return _aggregate(ENTITIES[origin.relation.target], member, origin)
    raise TypeError(member)


def _to_one(entity: Entity, alias: Here, name: str, selected: Selected) -> Column:
    relation = entity.relations[name]
    target = ENTITIES[relation.target]
    if copies := _copied_members(relation, selected):
        return document(_members(entity, alias, copies))
    there = target.table.alias()
    query = select(document(_members(target, there, selected))).where(relation.on(alias, there))
    return query.limit(1).correlate(alias).scalar_subquery()


def _copied_members(relation: Relation, selected: Selected) -> Selected | None:
    """What is selected of the other entity as fields of this one, where this one has them all."""
    members: dict[str, str | Constant] = {}
    for key, member in selected.members.items():
        if isinstance(member, Constant):
            members[key] = member
        elif isinstance(member, str) and member in relation.copies:
            members[key] = relation.copies[member]
        else:
            return None
    return Selected(members)


def _field(entity: Entity, alias: Here, name: str) -> Column:
    return entity.fields[name].column_of(alias)


def _aggregate(entity: Entity, aggregated: Aggregated, origin: _Origin | None = None) -> Column:
    def column(part: Measured | Selected | Constant) -> Column:
        match part:
            case Measured(measures):
                return _measured(entity, aggregated.choice, measures, origin)
            case Selected():
                return _list(entity, aggregated.choice, part, origin)
            case Constant(text):
                return literal(text)

    return document({key: column(part) for key, part in aggregated.parts.items()})


def _measured(
    entity: Entity, choice: Choice, measures: Mapping[str, Count | Statistic | Constant], origin: _Origin | None
) -> Column:
    """Measures of the rows that are chosen, as one document, as a scalar subquery."""
    alias = entity.table.alias()
    fields: dict[str, Column] = {name: _field(entity, alias, name).label(name) for name in _fields(measures.values())}
    if choice.distinct_on or choice.limit is not None or choice.offset:
        columns: list[Column] = [*fields.values()] or [alias.c.id]
        page = _rows(entity, alias, choice, columns, origin).subquery()
        fields = {name: page.c[name] for name in fields}
        statement = select().select_from(page)
    else:
        statement = _matching(entity, alias, choice.where, [], origin)
    measured = document({key: _measure(measure, fields) for key, measure in measures.items()})
    return statement.add_columns(measured).scalar_subquery()


def _fields(measures: Iterable[Count | Statistic | Constant]) -> set[str]:
    names: set[str] = set()
    for measure in measures:
        if isinstance(measure, Count):
            names |= set(measure.columns)
        elif isinstance(measure, Statistic):
            names |= {name for name in measure.fields.values() if isinstance(name, str)}
    return names


def _measure(measure: Count | Statistic | Constant, fields: Mapping[str, Column]) -> Column:
    match measure:
        case Count(columns, distinct):
            if not columns:
                return func.count()
            counted = [comparable(fields[name]) for name in columns]
            value = counted[0] if len(counted) == 1 else row_of(*counted)
            return func.count(value.distinct() if distinct else value)
        case Statistic(name, chosen):
            return document(
                {
                    key: literal(field.text) if isinstance(field, Constant) else STATISTICS[name](fields[field])
                    for key, field in chosen.items()
                }
            )
        case Constant(text):
            return literal(text)


def _number(name: str) -> Callable[[Column], Column]:
    # avg and stddev return numeric on PostgreSQL: cast to double for the same JSON on both databases.
    return lambda column: cast(getattr(func, name)(column), Double)


STATISTICS: dict[str, Callable[[Column], Column]] = {
    "max": lambda column: func.max(comparable(column)),
    "min": lambda column: func.min(comparable(column)),
    "sum": func.sum,
    "avg": _number("avg"),
    "stddev": _number("stddev_samp"),
    "stddev_pop": _number("stddev_pop"),
    "stddev_samp": _number("stddev_samp"),
    "var_pop": _number("var_pop"),
    "var_samp": _number("var_samp"),
    "variance": _number("var_samp"),
}


def kept_count(aggregated: Aggregated) -> AggregateQuestion | None:
    """The question that has the same answer, where only the number of some task runs is asked for."""
    choice = aggregated.choice
    measures = [
        measure
        for part in aggregated.parts.values()
        if isinstance(part, Measured)
        for measure in part.measures.values()
    ]
    plain = choice == Choice(where=choice.where) and not any(
        isinstance(part, Selected) for part in aggregated.parts.values()
    )
    if not plain or not all(isinstance(measure, Constant) or measure == Count() for measure in measures):
        return None
    where: dict[str, list[Any]] = {}
    for name, value in choice.where.items():
        if name == "task" and value and value.keys() == {"slug"}:
            name, value = "task_slug", value["slug"]  # noqa: PLW2901
        match value:
            case {"_eq": single, **others} if not others and single is not None:
                where[name] = [single]
            case {"_in": [_, *_] as several, **others} if not others and None not in several:
                where[name] = several
            case _:
                return None
    if not where.keys() <= {"state", "task_slug", "flow_run_id"}:
        return None
    where["flow_run_id"] = [read_id(identifier) for identifier in where.get("flow_run_id", ())]
    return AggregateQuestion(where={name: values for name, values in where.items() if values})


def _counted(part: Measured | Selected | Constant, count: int) -> Any:
    match part:
        case Measured(measures):
            return {key: measure.text if isinstance(measure, Constant) else count for key, measure in measures.items()}
        case Constant(text):
            return text
    raise TypeError(part)
