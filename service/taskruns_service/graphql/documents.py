"""Documents: GraphQL texts parsed, checked against the schema and held to limits before anything is asked for."""

import re
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    validate,
)

from taskruns_service.graphql.schema import make_schema

DEPTH_MOST = 7
FIELDS_MOST = 500
TOKENS_MOST = 15_000
CACHED_LENGTH = 4_096
"""The longest text that is kept with what was read of it, in characters: longer ones have ids and do not come again."""

_NUL = re.compile(r"\\u(?:0000|\{0+\})")


class BadDocument(Exception):
    """A document that can not be answered: `code` says in what way, `errors` what is wrong."""

    def __init__(self, code: str, errors: list[GraphQLError]) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors


def read_document(text: str) -> DocumentNode:
    """Reads a document; raises BadDocument."""
    # Databases do not take the character U+0000.
    text = _NUL.sub(r"\\uFFFD", text)
    return _read_again(text) if len(text) <= CACHED_LENGTH else _read(text)


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation that is asked for; raises BadDocument if it is not clear which one that is."""
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    found = [one for one in operations if name is None or (one.name and one.name.value == name)]
    if len(found) != 1:
        names = ", ".join(one.name.value for one in operations if one.name)
        raise BadDocument("BAD_USER_INPUT", [GraphQLError(f"`operationName` should be one of: {names}.")])
    return found[0]


def _read(text: str) -> DocumentNode:
    try:
        document = parse(text, max_lexical_tokens=TOKENS_MOST)
    except GraphQLSyntaxError as error:
        raise BadDocument("GRAPHQL_PARSE_FAILED", [error]) from None
    if errors := validate(make_schema(), document, max_errors=10):
        raise BadDocument("GRAPHQL_VALIDATION_FAILED", errors)
    measure = _Measure(document)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            depth, fields = measure.of(operation.selection_set)
            if depth > DEPTH_MOST or fields > FIELDS_MOST:
                message = (
                    f"A query may be {DEPTH_MOST} levels deep and select {FIELDS_MOST} fields; "
                    f"this one is {depth} levels deep and selects {fields}."
                )
                raise BadDocument("GRAPHQL_VALIDATION_FAILED", [GraphQLError(message, operation)])
    return document


_read_again = lru_cache(maxsize=256)(_read)


class _Measure:
    """Measures selections: how deep they are, and how many fields they have where fragments are put in."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, selection_set: SelectionSetNode | None) -> tuple[int, int]:
        """Levels and fields. What asks for the schema itself is not counted."""
        parts = [self._part(one) for one in selection_set.selections] if selection_set else []
        return max((depth for depth, _ in parts), default=0), sum(fields for _, fields in parts)

    def _part(self, node: Any) -> tuple[int, int]:
        match node:
            case FieldNode():
                if node.name.value.startswith("__"):
                    return 0, 0
                depth, fields = self.of(node.selection_set)
                return depth + 1, fields + 1
            case InlineFragmentNode():
                return self.of(node.selection_set)
            case FragmentSpreadNode():
                name = node.name.value
                if name not in self._known:
                    self._known[name] = self.of(self._fragments[name].selection_set)
                return self._known[name]
        raise TypeError(node)
