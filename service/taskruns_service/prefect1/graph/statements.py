"""Statements: the one that reads each selection of the graph, nested as it is, compiled and sent."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, func, literal, select

from taskruns_service.domain.errors import InvalidRequest, NothingFound
from taskruns_service.prefect1.graph.conditions import condition
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Alias, Entity, Relation
from taskruns_service.prefect1.graph.orders import order_columns
from taskruns_service.prefect1.graph.selections import (
    Aggregates,
    AggregateSelection,
    Constant,
    Expression,
    Measure,
    Member,
    Part,
    RowQuery,
    Selection,
    ToMany,
    ToOne,
    Within,
)
from taskruns_service.prefect1.graph.statistics import measure_column, measured_fields
from taskruns_service.prefect1.graph.tallied import count_question, read_count
from taskruns_service.storage.dialects import (
    DATABASE_ERRORS,
    MAX_MEMBERS,
    TOO_LARGE,
    TOO_MANY_ROWS,
    Column,
    CompiledValue,
    RowSelect,
    Target,
    bounded_text,
    comparable,
    document,
    documents,
    is_too_large,
    json_within,
)

ROWS_MOST = 100_000

Question = Callable[[Connection], bytes]
"""A question that was compiled already; it gives JSON. Raises InvalidRequest for an answer that is too large."""

_NOTHING = (b"null", b"[]")


class AnswerTooLarge(InvalidRequest):
    """The answer is larger than the service allows for a request (TASKRUNS_ANSWER_BYTES).

    Ask for less with `where` or `limit`, or for fewer fields.
    """


class Bounds(NamedTuple):
    """What a question is compiled for: a kind of database, and at most so many bytes of an answer."""

    target: Target
    bytes_most: int


def list_entities(bounds: Bounds, entity: Entity, row_query: RowQuery, selection: Selection) -> Question:
    """A list of an entity; raises InvalidRequest."""
    return _question(bounds, _list(entity, row_query, selection))


def get_entity(bounds: Bounds, entity: Entity, row_query: RowQuery, selection: Selection) -> Question:
    """The first of an entity that is chosen; raises as `list_entities` does, and NothingFound when it is asked."""
    alias = entity.table.alias()
    rows = _rows(entity, alias, row_query, [document(_members(entity, alias, selection))])
    return expect_rows(_question(bounds, rows.limit(1).scalar_subquery()))


def expect_rows(question: Question) -> Question:
    """A question that raises NothingFound where it finds no rows."""
    return partial(_ask_for_rows, question)


def _ask_for_rows(question: Question, connection: Connection) -> bytes:
    answer = question(connection)
    if answer in _NOTHING:
        raise NothingFound(answer)
    return answer


def aggregate_entities(bounds: Bounds, entity: Entity, selection: AggregateSelection) -> Question:
    """An entity's rows put together; raises as `list_entities` does.

    Counts that are kept are taken from where they are kept, and counts of a window of time are found as REST's are.
    """
    if entity is ENTITIES["task_run"] and (question := count_question(selection)):
        return partial(read_count, selection, question)
    return _question(bounds, _aggregate(entity, selection))


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
    alias: Alias


def _list(entity: Entity, row_query: RowQuery, selection: Selection, origin: _Origin | None = None) -> Column:
    """A list of documents, as a scalar subquery.

    The page has the members as columns, and the documents are made of those: SQLite's parser has a stack of 100, and
    a subquery as an argument of the document's function would take half as much again of it for each level.
    """
    alias = entity.table.alias()
    members = _members(entity, alias, selection)
    columns = [column.label(f"member_{place}") for place, column in enumerate(members.values())]
    page = _rows(entity, alias, row_query, columns or [alias.c.id], origin).subquery()
    row = document(dict(zip(members, page.c, strict=False)))
    return select(documents(row, ROWS_MOST)).scalar_subquery()


def _matching(
    entity: Entity, alias: Alias, where: Expression, columns: Sequence[Column], origin: _Origin | None
) -> RowSelect:
    """Columns of the rows that meet a condition, in no order."""
    statement = select(*columns).select_from(alias).where(condition(entity, alias, where))
    if origin is None:
        return statement
    return statement.where(origin.relation.on(origin.alias, alias)).correlate(origin.alias)


def _rows(
    entity: Entity, alias: Alias, row_query: RowQuery, columns: Sequence[Column], origin: _Origin | None = None
) -> RowSelect:
    """The rows that are chosen, in their order, at most one more than an answer may have."""
    # The id last, so that pages with an offset do not overlap.
    order = [*order_columns(entity, alias, row_query.order_by or entity.order), alias.c.id]
    if row_query.distinct_on:
        # The first row of each group, in the order that is asked for.
        keys = [comparable(entity.column(alias, name)) for name in row_query.distinct_on]
        place = func.row_number().over(partition_by=keys, order_by=order).label("place")
        ranked = _matching(entity, alias, row_query.where, [alias.c.id, place], origin).subquery()
        first = select(ranked.c.id).where(ranked.c.place == 1)
        return _page(_with_ids(alias, first, columns, origin), order, row_query)
    if origin is None and row_query.order_by and row_query.limit is not None:
        # Ids are sorted first: SQLite would read all columns of each row that sorts before those that it has. Not in
        # lists within rows, whose subqueries would nest deeper than SQLite's parser goes.
        page = _page(_matching(entity, alias, row_query.where, [alias.c.id], origin), order, row_query).subquery()
        return _with_ids(alias, select(page.c.id), columns, origin).order_by(*order)
    return _page(_matching(entity, alias, row_query.where, columns, origin), order, row_query)


def _with_ids(alias: Alias, ids: RowSelect, columns: Sequence[Column], origin: _Origin | None) -> RowSelect:
    statement = select(*columns).where(alias.c.id.in_(ids))
    return statement if origin is None else statement.correlate(origin.alias)


def _page(statement: RowSelect, order: Sequence[Column], row_query: RowQuery) -> RowSelect:
    most = ROWS_MOST + 1
    statement = statement.order_by(*order).limit(most if row_query.limit is None else min(row_query.limit, most))
    return statement.offset(row_query.offset) if row_query.offset else statement


def _members(entity: Entity, alias: Alias, selection: Selection) -> dict[str, Column]:
    if len(selection.members) > MAX_MEMBERS:
        raise InvalidRequest(f"A selection can have at most {MAX_MEMBERS} fields.")
    return {key: _member(entity, alias, member) for key, member in selection.members.items()}


def _member(entity: Entity, alias: Alias, member: Member) -> Column:
    match member:
        case str():
            return entity.column(alias, member)
        case Within(name, path):
            return json_within(entity.column(alias, name), path)
        case Constant(text):
            return literal(text)
        case ToOne(name, selection):
            return _to_one(entity, alias, name, selection)
        case ToMany(name, row_query, selection):
            origin = _Origin(entity.relations[name], alias)
            return _list(ENTITIES[origin.relation.target], row_query, selection, origin)
        case AggregateSelection(relation=str(name)):
            origin = _Origin(entity.relations[name], alias)
            return _aggregate(ENTITIES[origin.relation.target], member, origin)
    raise TypeError(member)


def _to_one(entity: Entity, alias: Alias, name: str, selection: Selection) -> Column:
    relation = entity.relations[name]
    target = ENTITIES[relation.target]
    if copies := _copied_members(relation, selection):
        return document(_members(entity, alias, copies))
    other = target.table.alias()
    query = select(document(_members(target, other, selection))).where(relation.on(alias, other))
    return query.limit(1).correlate(alias).scalar_subquery()


def _copied_members(relation: Relation, selection: Selection) -> Selection | None:
    """What is selected of the other entity as fields of this one, where this one has them all."""
    members: dict[str, str | Constant] = {}
    for key, member in selection.members.items():
        if isinstance(member, Constant):
            members[key] = member
        elif isinstance(member, str) and member in relation.copies:
            members[key] = relation.copies[member]
        else:
            return None
    return Selection(members)


def _aggregate(entity: Entity, selection: AggregateSelection, origin: _Origin | None = None) -> Column:
    def column(part: Part) -> Column:
        match part:
            case Aggregates(measures):
                return _measured(entity, selection.row_query, measures, origin)
            case Selection():
                return _list(entity, selection.row_query, part, origin)
            case Constant(text):
                return literal(text)

    return document({key: column(part) for key, part in selection.parts.items()})


def _measured(entity: Entity, row_query: RowQuery, measures: Mapping[str, Measure], origin: _Origin | None) -> Column:
    """Measures of the rows that are chosen, as one document, as a scalar subquery."""
    alias = entity.table.alias()
    fields: dict[str, Column] = {
        name: entity.column(alias, name).label(name) for name in measured_fields(measures.values())
    }
    if row_query.distinct_on or row_query.limit is not None or row_query.offset:
        columns: list[Column] = [*fields.values()] or [alias.c.id]
        page = _rows(entity, alias, row_query, columns, origin).subquery()
        fields = {name: page.c[name] for name in fields}
        statement = select().select_from(page)
    else:
        statement = _matching(entity, alias, row_query.where, [], origin)
    measured = document({key: measure_column(measure, fields) for key, measure in measures.items()})
    return statement.add_columns(measured).scalar_subquery()
