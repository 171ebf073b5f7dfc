"""Documents: GraphQL texts parsed, held to limits and checked against the schema before anything is asked for."""

import re
from typing import NamedTuple

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    MaxIntrospectionDepthRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)

from taskruns_service.prefect1.graphql.caches import BoundedCache
from taskruns_service.prefect1.graphql.measures import Measure, TooLarge
from taskruns_service.prefect1.graphql.schema import make_schema

BYTES_MOST = 64 * 1024
TOKENS_MOST = 15_000
CACHED_LENGTH = 4_096
"""The longest text that is kept with what was read of it, in characters: longer ones have ids and do not come again."""
CACHED_CHARACTERS = 64 * 1024
"""Characters of all texts that are kept; what is read of one takes about 130 bytes for each."""

_NUL = re.compile(r"\\u(?:0000|\{0+\})")
_RULES = [*specified_rules, MaxIntrospectionDepthRule]


class BadDocument(Exception):
    """A document that cannot be answered: `code` says in what way, `errors` what is wrong."""

    def __init__(self, code: str, errors: list[GraphQLError]) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors


class Document(NamedTuple):
    """A document that can be carried out."""

    node: DocumentNode
    introspecting: list[OperationDefinitionNode]
    """The operations that ask for the schema, and for nothing else."""

    def introspects(self, operation: OperationDefinitionNode) -> bool:
        """Whether an operation asks for the schema."""
        return any(node is operation for node in self.introspecting)


def read_document(text: str) -> Document:
    """Reads a document; raises BadDocument."""
    length = len(text.encode())
    if length > BYTES_MOST:
        message = (
            f"A document can have at most {BYTES_MOST} bytes; this one has {length}. Put large values into "
            "variables, and request less at a time."
        )
        raise BadDocument("GRAPHQL_PARSE_FAILED", [GraphQLError(message)])
    # Databases do not take the character U+0000.
    text = _NUL.sub(r"\\uFFFD", text)
    return _read_again(text) if len(text) <= CACHED_LENGTH else _read(text)


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation that is asked for; raises BadDocument if it is not clear which one that is."""
    operations = [operation for operation in document.definitions if isinstance(operation, OperationDefinitionNode)]
    matches = [
        operation for operation in operations if name is None or (operation.name and operation.name.value == name)
    ]
    if len(matches) == 1:
        return matches[0]
    if names := ", ".join(operation.name.value for operation in operations if operation.name):
        message = f"`operationName` must be one of: {names}."
    elif operations:
        message = "The operation of the document has no name. Omit `operationName`, or name the operation."
    else:
        message = "The document contains only fragments. Add an operation, such as `query { hello }`."
    raise BadDocument("BAD_USER_INPUT", [GraphQLError(message)])


def _read(text: str) -> Document:
    try:
        document = parse(text, max_lexical_tokens=TOKENS_MOST)
        # Before it is validated, since that takes a time that grows with the square of some of these numbers.
        introspecting = Measure(document).check()
        errors = validate(make_schema(), document, _RULES, max_errors=10)
    except GraphQLSyntaxError as error:
        raise BadDocument("GRAPHQL_PARSE_FAILED", [error]) from None
    except TooLarge as error:
        raise BadDocument("GRAPHQL_VALIDATION_FAILED", [GraphQLError(str(error), error.node)]) from None
    except RecursionError:
        raise BadDocument("GRAPHQL_PARSE_FAILED", [GraphQLError("The document is nested too deeply.")]) from None
    if errors:
        raise BadDocument("GRAPHQL_VALIDATION_FAILED", errors)
    return Document(document, introspecting)


_cache: BoundedCache[str, Document] = BoundedCache(CACHED_CHARACTERS, lambda text, _: len(text))


def _read_again(text: str) -> Document:
    return _cache.get(text, lambda: _read(text))
