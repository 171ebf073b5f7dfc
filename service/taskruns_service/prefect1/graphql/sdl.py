"""The schema as SDL: the types of the graph's entities, written from the graph, and those of the files beside it."""

from collections.abc import Iterator
from importlib.resources import files

from taskruns_service.prefect1.graph.conditions import COMPARISONS
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Entity
from taskruns_service.prefect1.graph.statistics import STATISTICS

_ROWS = "where: {0}_bool_exp, order_by: [{0}_order_by], distinct_on: [{0}_select_column!], limit: Int, offset: Int"
_FILES = ("writes.graphql", "administration.graphql")
_PATH = "(path: String)"
_NUMBERS = ("Int", "bigint", "float8")
_ORDERED = (*_NUMBERS, "String", "timestamptz")


def make_sdl() -> str:
    """The whole schema, the same text every time."""
    parts = [files(__package__).joinpath(name).read_text(encoding="utf-8") for name in _FILES]
    parts += [*_roots(), *_comparisons()]
    for name, entity in ENTITIES.items():
        parts += _types(name, entity)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _block(head: str, lines: list[str]) -> str:
    return "\n".join([f"{head} {{", *(f"  {line}" for line in lines), "}"])


def _roots() -> Iterator[str]:
    lines = []
    for name in ENTITIES:
        rows = _ROWS.format(name)
        lines += [f"{name}({rows}): [{name}!]", f"{name}_aggregate({rows}): {name}_aggregate"]
        if "id" in ENTITIES[name].fields:
            lines.append(f"{name}_by_pk(id: uuid!): {name}")
    for direction in ("downstream", "upstream"):
        arguments = f"args: utility_{direction}_tasks_args!, {_ROWS.format('utility_traversal')}"
        lines += [
            f"utility_{direction}_tasks({arguments}): [utility_traversal!]",
            f"utility_{direction}_tasks_aggregate({arguments}): utility_traversal_aggregate",
        ]
    yield _block("extend type Query", lines)


def _comparisons() -> Iterator[str]:
    values = {"many": "[{}!]", "one": "{}", "pattern": "String", "boolean": "Boolean"}
    values |= {**dict.fromkeys(("json", "key", "keys"), "jsonb"), "jsons": "[jsonb!]"}
    for scalar, comparisons in COMPARISONS.items():
        lines = [f"{name}: {values[comparison.value].format(scalar)}" for name, comparison in comparisons.items()]
        yield _block(f"input {scalar}_comparison_exp", lines)


def _types(name: str, entity: Entity) -> Iterator[str]:
    fields = {field: field_type.scalar for field, field_type in entity.fields.items()}
    ones = {relation: related.target for relation, related in entity.relations.items() if not related.many}
    manies = {relation: related.target for relation, related in entity.relations.items() if related.many}
    yield _block(
        f"type {name}",
        [
            *(f"{field}{_PATH if scalar == 'jsonb' else ''}: {scalar}" for field, scalar in fields.items()),
            *(f"{relation}: {target}" for relation, target in ones.items()),
            *(f"{relation}({_ROWS.format(target)}): [{target}!]!" for relation, target in manies.items()),
            *(
                f"{relation}_aggregate({_ROWS.format(target)}): {target}_aggregate!"
                for relation, target in manies.items()
            ),
        ],
    )
    yield _block(
        f"input {name}_bool_exp",
        [
            f"_and: [{name}_bool_exp]",
            f"_or: [{name}_bool_exp]",
            f"_not: {name}_bool_exp",
            *(f"{field}: {scalar}_comparison_exp" for field, scalar in fields.items()),
            *(f"{relation}: {target}_bool_exp" for relation, target in {**ones, **manies}.items()),
        ],
    )
    yield _block(
        f"input {name}_order_by",
        [
            *(f"{field}: order_by" for field in fields),
            *(f"{relation}: {target}_order_by" for relation, target in ones.items()),
            *(f"{relation}_aggregate: {target}_aggregate_order_by" for relation, target in manies.items()),
        ],
    )
    yield _block(f"enum {name}_select_column", list(fields))
    yield from _aggregates(name, fields)


def _aggregates(name: str, fields: dict[str, str]) -> Iterator[str]:
    yield _block(f"type {name}_aggregate", [f"aggregate: {name}_aggregate_fields", f"nodes: [{name}!]!"])
    ordered = {field: scalar for field, scalar in fields.items() if scalar in _ORDERED}
    numbers = {field: scalar for field, scalar in fields.items() if scalar in _NUMBERS}
    kinds = {"max": ordered, "min": ordered, "sum": numbers}
    statistics = {
        statistic: chosen
        for statistic in STATISTICS
        if (chosen := kinds.get(statistic, dict.fromkeys(numbers, "float8")))
    }
    yield _block(
        f"type {name}_aggregate_fields",
        [
            f"count(columns: [{name}_select_column!], distinct: Boolean): Int!",
            *(f"{statistic}: {name}_{statistic}_fields" for statistic in statistics),
        ],
    )
    yield _block(
        f"input {name}_aggregate_order_by",
        ["count: order_by", *(f"{statistic}: {name}_{statistic}_order_by" for statistic in statistics)],
    )
    for statistic, chosen in statistics.items():
        yield _block(f"type {name}_{statistic}_fields", [f"{field}: {scalar}" for field, scalar in chosen.items()])
        yield _block(f"input {name}_{statistic}_order_by", [f"{field}: order_by" for field in chosen])
