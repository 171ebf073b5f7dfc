"""The schema: the types of the SDL, with what answers each field of a query and a mutation."""

from collections.abc import Callable
from functools import cache

from graphql import GraphQLFieldResolver, GraphQLScalarType, GraphQLSchema, GraphQLString, build_schema

from taskruns_service.prefect1.graph.conditions import read_id, read_ids, read_moment
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graphql import mutations, queries
from taskruns_service.prefect1.graphql.context import Info
from taskruns_service.prefect1.graphql.sdl import make_sdl


@cache
def make_schema() -> GraphQLSchema:
    """The schema, made once; that takes a tenth of a second."""
    schema = build_schema(make_sdl(), no_location=True)
    readers: dict[str, Callable[[object], object]] = {
        "UUID": read_id,
        "_uuid": read_ids,
        "DateTime": read_moment,
        "log_level": GraphQLString.coerce_input_value,
    }
    for name, read in readers.items():
        scalar = schema.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.coerce_input_value = read
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    for name in ENTITIES:
        schema.query_type.fields[name].resolve = queries.list_of(name)
        if by_key := schema.query_type.fields.get(f"{name}_by_pk"):
            by_key.resolve = queries.one_of(name)
        schema.query_type.fields[f"{name}_aggregate"].resolve = queries.aggregate_of(name)
    for name, resolve in queries.OTHERS.items():
        schema.query_type.fields[name].resolve = resolve
    for name, field in schema.mutation_type.fields.items():
        field.resolve = mutations.resolver(name)
    for field in (*schema.query_type.fields.values(), *schema.mutation_type.fields.values()):
        assert field.resolve is not None
        field.resolve = _counted(field.resolve)
    return schema


def _counted(resolve: GraphQLFieldResolver) -> GraphQLFieldResolver:
    """Takes each field off the budget of its request."""

    def counted(root: None, info: Info, **arguments: object) -> object:
        info.context.budget.spend_statement()
        return resolve(root, info, **arguments)

    return counted
