"""Measures: how large a document is where its fragments are put in, found in a time that grows with its text only."""

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)
from graphql.language import ExecutableDefinitionNode

from taskruns_service.prefect1.graphql.context import STATEMENTS_MOST

DEPTH_MOST = 7
FIELDS_MOST = 500
DEFINITIONS_MOST = 100
SCHEMA_DEPTH_MOST = 25
"""Levels of a question for the schema: the type of a list of lists is several deep."""

_COUNT_MOST = 1_000_000  # fragments that use one another can double it 60 times


class TooLarge(Exception):
    """A document is larger than a limit; the message says which."""

    def __init__(self, message: str, node: Node | None = None) -> None:
        super().__init__(message)
        self.node = node


class _Size(NamedTuple):
    """The size of a selection: its levels, all of its fields, and those of its first level.

    What is asked of the schema has levels of its own.
    """

    depth: int = 0
    schema_depth: int = 0
    fields: int = 0
    roots: int = 0
    schema_roots: int = 0

    def beside(self, other: "_Size") -> "_Size":
        return _Size(
            max(self.depth, other.depth),
            max(self.schema_depth, other.schema_depth),
            min(self.fields + other.fields, _COUNT_MOST),
            min(self.roots + other.roots, _COUNT_MOST),
            min(self.schema_roots + other.schema_roots, _COUNT_MOST),
        )


class Measure:
    """Measures the operations of a document, and its fragments once each."""

    def __init__(self, document: DocumentNode) -> None:
        self._definitions = document.definitions
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._sizes: dict[str, _Size | None] = {}
        self._written = 0

    def check(self) -> list[OperationDefinitionNode]:
        """Returns the operations that ask for the schema; raises TooLarge, of the first limit that is not kept."""
        if len(self._definitions) > DEFINITIONS_MOST:
            raise TooLarge(f"A document can have at most {DEFINITIONS_MOST} operations and fragments.")
        introspecting = []
        fields = 0
        for definition in self._definitions:
            if isinstance(definition, OperationDefinitionNode):
                size = self._selections(definition.selection_set)
                fields += size.fields
                _check(size, fields, definition)
                if size.schema_roots:
                    introspecting.append(definition)
            elif isinstance(definition, FragmentDefinitionNode):
                self._fragment(definition.name.value)
        # Fragments that no operation uses are refused later, but they are compared with one another before.
        if self._written > FIELDS_MOST:
            raise TooLarge(f"A document can select at most {FIELDS_MOST} fields; this one has {self._written}.")
        return introspecting

    def _selections(self, selection_set: SelectionSetNode | None) -> _Size:
        size = _Size()
        for node in selection_set.selections if selection_set else ():
            size = size.beside(self._selection(node))
        return size

    def _selection(self, node: SelectionNode) -> _Size:
        match node:
            case FieldNode():
                self._written += 1
                return self._field(node.name.value, self._selections(node.selection_set))
            case InlineFragmentNode():
                return self._selections(node.selection_set)
            case FragmentSpreadNode():
                return self._fragment(node.name.value)
        raise TypeError(node)

    def _field(self, name: str, inner: _Size) -> _Size:
        fields = min(inner.fields + 1, _COUNT_MOST)
        if name == "__typename":
            return _Size(fields=fields)
        if name in ("__schema", "__type"):
            return _Size(schema_depth=inner.depth + 1, fields=fields, schema_roots=1)
        return _Size(inner.depth + 1, inner.schema_depth, fields, roots=1)

    def _fragment(self, name: str) -> _Size:
        if name not in self._sizes:
            self._sizes[name] = None
            # One that is not there is refused later.
            fragment: ExecutableDefinitionNode | None = self._fragments.get(name)
            self._sizes[name] = self._selections(fragment.selection_set) if fragment else _Size()
        if (size := self._sizes[name]) is None:
            raise TooLarge(f"The fragment `{name}` uses itself.", self._fragments[name])
        return size


def _check(size: _Size, fields: int, operation: OperationDefinitionNode) -> None:
    if size.depth > DEPTH_MOST or fields > FIELDS_MOST or size.schema_depth > SCHEMA_DEPTH_MOST:
        raise TooLarge(
            f"A query can be at most {DEPTH_MOST} levels deep and select at most {FIELDS_MOST} fields; this one is "
            f"{max(size.depth, size.schema_depth)} levels deep and selects {fields}.",
            operation,
        )
    if size.roots > STATEMENTS_MOST:
        raise TooLarge(
            f"A request can have at most {STATEMENTS_MOST} root fields, each of which runs an SQL statement; this one "
            f"has {size.roots}. Send several requests.",
            operation,
        )
    if size.schema_roots and size.roots:
        raise TooLarge("Send the introspection query as a separate request.", operation)
