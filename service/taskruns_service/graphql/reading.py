"""Reading: what a GraphQL query selects, as a selection of the graph."""

from collections.abc import Iterator
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionSetNode,
    get_directive_values,
    value_from_ast_untyped,
)

from taskruns_service.errors import InvalidRequest
from taskruns_service.graph import ENTITIES, Entity
from taskruns_service.graphql.context import Info
from taskruns_service.selections import (
    Aggregated,
    Choice,
    Constant,
    Count,
    Many,
    Measured,
    One,
    Selected,
    Statistic,
)

Nodes = list[FieldNode]
"""The places that ask for one member of the answer: they are one field, with selections to be put together."""


class Reader:
    """Reads the selections of one field of a query; the document is valid against the schema."""

    def __init__(self, info: Info) -> None:
        """Variables are read as they were sent: as the library reads them, objects are in the order of the schema."""
        self._info = info
        sent = info.context.variables
        declared = {one.variable.name.value: None for one in info.operation.variable_definitions or ()}
        coerced = info.variable_values.coerced
        self._variables = {**declared, **coerced, **{name: sent[name] for name in coerced if name in sent}}

    def selected(self, name: str, nodes: Nodes) -> Selected:
        """What is read of each row of an entity."""
        entity = ENTITIES[name]
        return Selected({key: self._member(name, entity, inner) for key, inner in self._fields(nodes).items()})

    def choice(self, nodes: Nodes) -> Choice:
        """The arguments that choose rows; raises InvalidRequest for what the schema can not check."""
        arguments = self.arguments(nodes)
        limit, offset = arguments.get("limit"), arguments.get("offset") or 0
        for argument, number in (("limit", limit), ("offset", offset)):
            if number is not None and number < 0:
                raise InvalidRequest(f"`{argument}` must not be negative.")
        return Choice(
            where=arguments.get("where") or {},
            order_by=_listed(arguments.get("order_by")),
            distinct_on=_listed(arguments.get("distinct_on")),
            limit=limit,
            offset=offset,
        )

    def aggregated(self, name: str, nodes: Nodes, relation: str | None = None) -> Aggregated:
        """Rows put together, of an entity or of those that a relation leads to."""
        parts: dict[str, Measured | Selected | Constant] = {}
        for key, inner in self._fields(nodes).items():
            match inner[0].name.value:
                case "aggregate":
                    parts[key] = self._measured(name, inner)
                case "nodes":
                    parts[key] = self.selected(name, inner)
                case _:
                    parts[key] = Constant(f"{name}_aggregate")
        return Aggregated(self.choice(nodes), parts, relation)

    def arguments(self, nodes: Nodes) -> dict[str, Any]:
        """The arguments as they were written, with variables put in."""
        return {one.name.value: value_from_ast_untyped(one.value, self._variables) for one in nodes[0].arguments or ()}

    def _member(self, name: str, entity: Entity, nodes: Nodes) -> str | Constant | One | Many | Aggregated:
        field = nodes[0].name.value
        if field == "__typename":
            return Constant(name)
        if field in entity.fields:
            return field
        relation = entity.relations.get(field)
        if relation is None:
            of_many = field.removesuffix("_aggregate")
            return self.aggregated(entity.relations[of_many].target, nodes, of_many)
        selected = self.selected(relation.target, nodes)
        return Many(field, self.choice(nodes), selected) if relation.many else One(field, selected)

    def _measured(self, name: str, nodes: Nodes) -> Measured:
        measures: dict[str, Count | Statistic | Constant] = {}
        for key, inner in self._fields(nodes).items():
            statistic = inner[0].name.value
            if statistic == "__typename":
                measures[key] = Constant(f"{name}_aggregate_fields")
            elif statistic == "count":
                arguments = self.arguments(inner)
                measures[key] = Count(_listed(arguments.get("columns")), bool(arguments.get("distinct")))
            else:
                type_name = Constant(f"{name}_{statistic}_fields")
                fields = {key: one[0].name.value for key, one in self._fields(inner).items()}
                measures[key] = Statistic(
                    statistic, {key: type_name if field == "__typename" else field for key, field in fields.items()}
                )
        return Measured(measures)

    def _fields(self, nodes: Nodes) -> dict[str, Nodes]:
        """What is selected of a field, by the names that the answer has for it, in their order."""
        found: dict[str, Nodes] = {}
        for node in nodes:
            if node.selection_set:
                for field in self._flat(node.selection_set):
                    found.setdefault((field.alias or field.name).value, []).append(field)
        return found

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

    def _is_included(self, node: Any) -> bool:
        values = self._info.variable_values
        skip = get_directive_values(GraphQLSkipDirective, node, values)
        include = get_directive_values(GraphQLIncludeDirective, node, values)
        return not (skip and skip["if"]) and not (include and not include["if"])


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return [one for one in given if one is not None] if isinstance(given, list) else [given]
