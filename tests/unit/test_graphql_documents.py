"""GraphQL documents: what is refused before anything is asked for, and the schema that they are checked against."""

import pytest
from graphql import build_schema, get_introspection_query

from taskruns_service.prefect1.graphql import sdl
from taskruns_service.prefect1.graphql.documents import TOKENS_MOST, BadDocument, find_operation, read_document
from taskruns_service.prefect1.graphql.measures import DEPTH_MOST, FIELDS_MOST

NESTED = ("flow_run", "task_runs")


def nested(levels: int) -> str:
    """A query so many levels deep."""
    names = ["task_run", *(NESTED[n % 2] for n in range(levels - 2)), "id"]
    return "{ " + " { ".join(names) + " }" * len(names)


def wide(fields: int) -> str:
    """A query that selects so many fields."""
    return "{ task_run { " + " ".join(f"a{n}: id" for n in range(fields - 1)) + " } }"


def code_of(text: str) -> str:
    with pytest.raises(BadDocument) as refused:
        read_document(text)
    assert refused.value.errors
    return refused.value.code


@pytest.mark.parametrize("text", [nested(DEPTH_MOST), wide(FIELDS_MOST), get_introspection_query()])
def test_document_within_the_limits_is_read(text: str) -> None:
    assert read_document(text) == read_document(text)


@pytest.mark.parametrize("text", [nested(DEPTH_MOST + 1), wide(FIELDS_MOST + 1)])
def test_document_beyond_the_limits_is_refused(text: str) -> None:
    assert code_of(text) == "GRAPHQL_VALIDATION_FAILED"


def test_fragments_count_as_often_as_they_are_used() -> None:
    doubling = "".join(f"fragment f{n} on task_run {{ ...f{n + 1} ...f{n + 1} }} " for n in range(60))
    assert code_of(f"{{ task_run {{ ...f0 }} }} {doubling} fragment f60 on task_run {{ id }}").startswith("GRAPHQL_")


def test_fragment_that_has_itself_is_refused() -> None:
    assert code_of("{ task_run { ...f } } fragment f on task_run { ...f }") == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize("text", ["", "{", "{ task_run( { id } }", "query {" * 9, "{ " + "hello " * TOKENS_MOST + "}"])
def test_text_that_is_no_document_is_refused(text: str) -> None:
    assert code_of(text) == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize(
    "text", ["{ nonsense }", "{ task_run { nonsense } }", "{ task_run(where: {id: {_is: 1}}) { id } }"]
)
def test_document_that_does_not_fit_the_schema_is_refused(text: str) -> None:
    assert code_of(text) == "GRAPHQL_VALIDATION_FAILED"


def test_operation_of_several_is_chosen_by_its_name() -> None:
    document = read_document("query a { hello } query b { hello }").node
    found = find_operation(document, "b").name
    assert found is not None
    assert found.value == "b"
    for name in (None, "c"):
        with pytest.raises(BadDocument):
            find_operation(document, name)


@pytest.mark.parametrize("escape", [r"\u0000", r"\u{0}", r"\u{0000}"])
def test_nul_is_replaced(escape: str) -> None:
    document = read_document(f'{{ task_run(where: {{name: {{_eq: "a{escape}"}}}}) {{ id }} }}')
    assert "a\ufffd" in str(document.node.to_dict())


def test_schema_is_the_same_every_time_and_stands_by_itself() -> None:
    assert sdl.make_sdl() == sdl.make_sdl()
    assert build_schema(sdl.make_sdl()).query_type
