"""Queries: each field of a query of the graph is one selection, answered with the JSON that the database makes."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

import msgspec
from graphql import GraphQLFieldResolver
from msgspec import Raw

from taskruns_service import __version__
from taskruns_service.domain.states import STATE_TYPES, StateType
from taskruns_service.prefect1.graph import statements
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Entity
from taskruns_service.prefect1.graph.selections import Aggregates, AggregateSelection, RowQuery, Selection, Statistic
from taskruns_service.prefect1.graph.statements import Bounds, Question
from taskruns_service.prefect1.graph.traversals import DEPTH_MOST, Direction, traversal
from taskruns_service.prefect1.graphql.context import Arguments, Context, Info
from taskruns_service.prefect1.graphql.costs import kind_of_aggregate, kind_of_list, names_ids
from taskruns_service.prefect1.graphql.inputs import read_list
from taskruns_service.prefect1.graphql.reading import Reader
from taskruns_service.prefect1.types import JsonObject
from taskruns_service.storage.lanes import QueryKind

START_TASKS_MOST = 10_000


def list_of(name: str) -> GraphQLFieldResolver:
    """Answers `name(where: …, order_by: …, …)`."""
    return _asking(partial(_prepare_list, name, ENTITIES[name]))


def one_of(name: str) -> GraphQLFieldResolver:
    """Answers `name_by_pk(id: …)`."""
    entity = ENTITIES[name]

    def prepare(info: Info, bounds: Bounds) -> tuple[QueryKind, Question]:
        reader = Reader(info)
        row_query = RowQuery(where={"id": {"_eq": reader.arguments(info.field_nodes)["id"]}})
        selection = reader.selection(name, info.field_nodes)
        kind = kind_of_list(entity, row_query, selection)
        return kind, reader.checking(statements.get_entity(bounds, entity, row_query, selection))

    return _asking(prepare)


def aggregate_of(name: str) -> GraphQLFieldResolver:
    """Answers `name_aggregate(where: …) { aggregate { … } nodes { … } }`."""
    return _asking(partial(_prepare_aggregate, name, ENTITIES[name]))


def tasks_of(direction: Direction) -> GraphQLFieldResolver:
    """Answers `utility_…_tasks(args: …, where: …, …)`."""
    return _traversing(direction, _prepare_list)


def tasks_aggregate_of(direction: Direction) -> GraphQLFieldResolver:
    """Answers `utility_…_tasks_aggregate(args: …, where: …) { … }`."""
    return _traversing(direction, _prepare_aggregate)


def _prepare_list(name: str, entity: Entity, info: Info, bounds: Bounds) -> tuple[QueryKind, Question]:
    reader = Reader(info)
    row_query, selection = reader.row_query(name, info.field_nodes), reader.selection(name, info.field_nodes)
    question = statements.list_entities(bounds, entity, row_query, selection)
    if names_ids(row_query):
        question = statements.expect_rows(question)
    return kind_of_list(entity, row_query, selection), reader.checking(question)


def _prepare_aggregate(name: str, entity: Entity, info: Info, bounds: Bounds) -> tuple[QueryKind, Question]:
    reader = Reader(info)
    aggregate_selection = reader.aggregate_selection(name, info.field_nodes)
    return kind_of_aggregate(entity, aggregate_selection), reader.checking(
        statements.aggregate_entities(bounds, entity, aggregate_selection)
    )


def _asking(prepare: Callable[[Info, Bounds], tuple[QueryKind, Question]]) -> GraphQLFieldResolver:
    async def resolve(_root: None, info: Info, **_: object) -> Raw:
        return Raw(await info.context.ask(partial(prepare, info)))

    return resolve


def _traversing(
    direction: Direction, prepare: Callable[[str, Entity, Info, Bounds], tuple[QueryKind, Question]]
) -> GraphQLFieldResolver:
    async def resolve(_root: None, info: Info, *, args: Arguments, **_: object) -> Raw:
        # Of mapped tasks the same id comes once for each child.
        task_ids = list(dict.fromkeys(args.get("start_task_ids") or ()))
        depth_limit = args.get("depth_limit")
        entity = traversal(
            direction,
            read_list(task_ids, "start_task_ids", START_TASKS_MOST),
            DEPTH_MOST if depth_limit is None else depth_limit,
        )
        return Raw(await info.context.ask(partial(prepare, "utility_traversal", entity, info)))

    return resolve


async def read_task_run_info(context: Context, task_run_id: UUID) -> JsonObject | None:
    """The id, version, state and serialized state of a task run; None where there is none."""
    return await _read_task_run(context, task_run_id, "id", "version", "state", "serialized_state")


async def _read_task_run(context: Context, task_run_id: UUID, *fields: str) -> JsonObject | None:
    row_query = RowQuery(where={"id": {"_eq": str(task_run_id)}})
    selection = Selection({name: name for name in fields})
    task_run: JsonObject | None = msgspec.json.decode(await context.ask_for("task_run", row_query, selection))
    return task_run


async def _get_task_run_info(_root: None, info: Info, *, task_run_id: UUID) -> JsonObject | None:
    return await read_task_run_info(info.context, task_run_id)


async def _auth_info(_root: None, info: Info) -> JsonObject:
    """Keys are those of the service: the tenant is the first one."""
    row_query, selection = RowQuery(order_by=[{"created": "asc"}], limit=1), Selection({"tenant_id": "id"})
    tenants = msgspec.json.decode(await info.context.ask_for("tenant", row_query, selection))
    return tenants or {"tenant_id": None}


async def _mapped_children(_root: None, info: Info, *, task_run_id: UUID) -> JsonObject | None:
    """What has become of the children of a mapped task run."""
    parent = await _read_task_run(info.context, task_run_id, "flow_run_id", "task_id")
    if parent is None:
        return None
    row_query = RowQuery(where={**{name: {"_eq": value} for name, value in parent.items()}, "map_index": {"_gte": 0}})
    times = {"start": Statistic("min", {"time": "start_time"}), "end": Statistic("max", {"time": "end_time"})}
    aggregate_selection = AggregateSelection(
        row_query, {"times": Aggregates(times), "states": Selection({"state": "state"})}
    )
    task_run = ENTITIES["task_run"]
    children = msgspec.json.decode(
        await info.context.ask(
            lambda bounds: (QueryKind.read, statements.aggregate_entities(bounds, task_run, aggregate_selection))
        )
    )
    return {
        "min_start_time": children["times"]["start"]["time"],
        "max_end_time": children["times"]["end"]["time"],
        "state_counts": Counter(state["state"] for state in children["states"]),
    }


def _reference_data(*_: object) -> JsonObject:
    parents = {info.type: info.parent for info in STATE_TYPES}

    def ancestors(name: StateType) -> list[str]:
        parent = parents[name]
        return [] if parent is None else [str(parent), *ancestors(parent)]

    return {
        "state_hierarchy": {str(info.type): ancestors(info.type) for info in STATE_TYPES},
        "state_info": {str(info.type): info.sentence for info in STATE_TYPES},
    }


OTHERS: Mapping[str, GraphQLFieldResolver] = {
    "utility_downstream_tasks": tasks_of("downstream"),
    "utility_downstream_tasks_aggregate": tasks_aggregate_of("downstream"),
    "utility_upstream_tasks": tasks_of("upstream"),
    "utility_upstream_tasks_aggregate": tasks_aggregate_of("upstream"),
    "hello": lambda *_: "hi",
    "api": lambda *_: {"backend": "SERVER", "mode": "normal", "version": __version__},
    "auth_info": _auth_info,
    "get_task_run_info": _get_task_run_info,
    "mapped_children": _mapped_children,
    "reference_data": _reference_data,
}
