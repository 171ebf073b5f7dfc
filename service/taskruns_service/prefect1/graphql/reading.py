"""Reading: what a GraphQL query selects, as a selection of the graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_directive_values,
    value_from_ast_untyped,
)
from sqlalchemy import Connection

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.prefect1.graph.conditions import InvalidValue, Survey, listed
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Entity
from taskruns_service.prefect1.graph.selections import (
    Aggregates,
    AggregateSelection,
    Constant,
    Count,
    Measure,
    Order,
    Part,
    RowQuery,
    Selection,
    Statistic,
    ToMany,
    ToOne,
    Within,
)
from taskruns_service.prefect1.graph.statements import Question
from taskruns_service.prefect1.graphql.context import Arguments, Info
from taskruns_service.prefect1.graphql.inputs import read_path
from taskruns_service.storage.dialects import check_patterns

LEVELS_MOST = 8
"""Levels of a query with the relations that a condition goes through: SQLite's parser has a stack for no more."""

Nodes = list[FieldNode]
"""The places that ask for one member of the answer: they are one field, with selections to be put together."""


class Reader:
    """Reads the selections of one field of a query; the document is valid against the schema."""

    def __init__(self, info: Info) -> None:
        """Variables are read as they were sent: as the library reads them, objects are in the order of the schema."""
        self._info = info
        variables = info.context.variables
        declared = {definition.variable.name.value: None for definition in info.operation.variable_definitions or ()}
        coerced = info.variable_values.coerced
        self._patterns: list[tuple[str, str]] = []
        self._variables = {**declared, **coerced, **{name: variables[name] for name in coerced if name in variables}}

    def checking(self, question: Question) -> Question:
        """A question that first has the patterns in what was read checked: where it is asked, as that takes a while.

        It raises InvalidValue for one that the database would not take.
        """
        return partial(_check_and_ask, self._patterns, question) if self._patterns else question

    def selection(self, name: str, nodes: Nodes, level: int = 1) -> Selection:
        """What is read of each row of an entity, so many levels down."""
        entity = ENTITIES[name]
        fields = self._fields(nodes)
        return Selection({key: self._member(name, entity, inner, level) for key, inner in fields.items()})

    def row_query(self, name: str, nodes: Nodes, level: int = 1, times: int = 1) -> RowQuery:
        """The arguments that choose rows; raises InvalidRequest for what the schema cannot check.

        The conditions stand in the statement so many times.
        """
        arguments = self.arguments(nodes)
        limit, offset = arguments.get("limit"), arguments.get("offset") or 0
        for argument, number in (("limit", limit), ("offset", offset)):
            if number is not None and number < 0:
                raise InvalidRequest(f"`{argument}` must not be negative.")
        row_query = RowQuery(
            where=arguments.get("where") or {},
            order_by=listed(arguments.get("order_by")),
            distinct_on=list(dict.fromkeys(listed(arguments.get("distinct_on")))),
            limit=limit and int(limit),
            offset=int(offset),
        )
        self._spend(ENTITIES[name], row_query, level, times)
        return row_query

    def _spend(self, entity: Entity, row_query: RowQuery, level: int, times: int) -> None:
        survey = Survey(entity, row_query.where)
        terms, relations = _terms(entity, row_query.order_by)
        if level + max(survey.relations, relations) > LEVELS_MOST:
            raise InvalidRequest(
                f"Conditions and orders can be at most {LEVELS_MOST} levels deep, including the levels of their list: "
                f"on level {level}, they can follow {LEVELS_MOST - level} relations."
            )
        budget = self._info.context.budget
        for _ in range(times):
            budget.spend_condition(survey)
            budget.spend_order(terms)
        self._patterns += survey.patterns

    def aggregate_selection(
        self, name: str, nodes: Nodes, relation: str | None = None, level: int = 1
    ) -> AggregateSelection:
        """Rows put together, of an entity or of those that a relation leads to."""
        parts: dict[str, Part] = {}
        for key, inner in self._fields(nodes).items():
            match inner[0].name.value:
                case "aggregate":
                    parts[key] = self._measured(name, inner)
                case "nodes":
                    parts[key] = self.selection(name, inner, level + 1)
                case _:
                    parts[key] = Constant(f"{name}_aggregate")
        return AggregateSelection(self.row_query(name, nodes, level, len(parts)), parts, relation)

    def arguments(self, nodes: Nodes) -> Arguments:
        """The arguments as they were written, with variables put in."""
        return {
            argument.name.value: value_from_ast_untyped(argument.value, self._variables)
            for argument in nodes[0].arguments or ()
        }

    def _member(
        self, name: str, entity: Entity, nodes: Nodes, level: int
    ) -> str | Within | Constant | ToOne | ToMany | AggregateSelection:
        field = nodes[0].name.value
        if field == "__typename":
            return Constant(name)
        if field in entity.fields:
            # Only JSON has an argument.
            path = self.arguments(nodes).get("path")
            return field if path is None else Within(field, read_path(path))
        relation = entity.relations.get(field)
        if relation is None:
            of_many = field.removesuffix("_aggregate")
            return self.aggregate_selection(entity.relations[of_many].target, nodes, of_many, level + 1)
        selection = self.selection(relation.target, nodes, level + 1)
        return (
            ToMany(field, self.row_query(relation.target, nodes, level + 1), selection)
            if relation.many
            else ToOne(field, selection)
        )

    def _measured(self, name: str, nodes: Nodes) -> Aggregates:
        measures: dict[str, Measure] = {}
        for key, inner in self._fields(nodes).items():
            statistic = inner[0].name.value
            if statistic == "__typename":
                measures[key] = Constant(f"{name}_aggregate_fields")
            elif statistic == "count":
                arguments = self.arguments(inner)
                columns = list(dict.fromkeys(listed(arguments.get("columns"))))
                measures[key] = Count(columns, bool(arguments.get("distinct")))
            else:
                type_name = Constant(f"{name}_{statistic}_fields")
                fields = {key: nodes[0].name.value for key, nodes in self._fields(inner).items()}
                measures[key] = Statistic(
                    statistic, {key: type_name if field == "__typename" else field for key, field in fields.items()}
                )
        return Aggregates(measures)

    def _fields(self, nodes: Nodes) -> dict[str, Nodes]:
        """What is selected of a field, by the names that the answer has for it, in their order."""
        fields: dict[str, Nodes] = {}
        for node in nodes:
            if node.selection_set:
                for field in self._flat(node.selection_set):
                    fields.setdefault((field.alias or field.name).value, []).append(field)
        return fields

    def _flat(self, selection_set: SelectionSetNode) -> Iterator[FieldNode]:
        """All fields, those of fragments too: every type is an object, so every fragment applies."""
        for node in selection_set.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._flat(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                yield from self._flat(self._info.fragments[node.name.value].selection_set)

    def _is_included(self, node: SelectionNode) -> bool:
        values = self._info.variable_values
        skip = get_directive_values(GraphQLSkipDirective, node, values)
        include = get_directive_values(GraphQLIncludeDirective, node, values)
        return not (skip and skip["if"]) and not (include and not include["if"])


def _check_and_ask(patterns: Sequence[tuple[str, str]], question: Question, connection: Connection) -> bytes:
    try:
        check_patterns(connection, patterns)
    except ValueError as error:
        raise InvalidValue(str(error)) from None
    return question(connection)


def _terms(entity: Entity, order_by: Iterable[Order]) -> tuple[int, int]:
    """How many terms an order has, and through how many relations they go; what nests counts as one more."""
    terms, depth = 0, 0
    for order in order_by:
        for name, value in order.items():
            if isinstance(value, Mapping):
                relation = entity.relations[name.removesuffix("_aggregate")]
                target = ENTITIES[relation.target]
                # Of relations to many there are statistics in between.
                inner = (
                    [expression for expression in value.values() if isinstance(expression, Mapping)]
                    if relation.many
                    else [value]
                )
                count, relations = _terms(target, inner)
                terms += count + (relation.many and isinstance(value.get("count"), str))
                depth = max(depth, relations + 1 + relation.nests)
            elif name in entity.fields:
                terms, depth = terms + 1, max(depth, int(entity.fields[name].nests))
    return terms, depth
