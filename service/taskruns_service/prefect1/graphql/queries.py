"""Queries: each field of a query of the graph is one selection, answered with the JSON that the database makes."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from taskruns_service import __version__
from taskruns_service.domain.states import STATE_TYPES
from taskruns_service.prefect1.graph import selections
from taskruns_service.prefect1.graph.choices import Aggregated, Choice, Measured, Selected, Statistic
from taskruns_service.prefect1.graph.entities import ENTITIES, Entity
from taskruns_service.prefect1.graph.selections import Bounds, Question
from taskruns_service.prefect1.graph.traversals import DEPTH_MOST, Direction, traversal
from taskruns_service.prefect1.graphql.context import Context, Info
from taskruns_service.prefect1.graphql.costs import kind_of_aggregate, kind_of_list
from taskruns_service.prefect1.graphql.inputs import read_list
from taskruns_service.prefect1.graphql.reading import Reader
from taskruns_service.storage.lanes import QueryKind

START_TASKS_MOST = 10_000

Resolver = Callable[..., Any]


def list_of(name: str) -> Resolver:
    """Answers `name(where: …, order_by: …, …)`."""
    return _asking(partial(_prepare_list, name, ENTITIES[name]))


def one_of(name: str) -> Resolver:
    """Answers `name_by_pk(id: …)`."""
    entity = ENTITIES[name]

    def prepare(info: Info, bounds: Bounds) -> tuple[QueryKind, Question]:
        reader = Reader(info)
        choice = Choice(where={"id": {"_eq": reader.arguments(info.field_nodes)["id"]}})
        selected = reader.selected(name, info.field_nodes)
        kind = kind_of_list(entity, choice, selected)
        return kind, reader.checking(selections.get_entity(bounds, entity, choice, selected))

    return _asking(prepare)


def aggregate_of(name: str) -> Resolver:
    """Answers `name_aggregate(where: …) { aggregate { … } nodes { … } }`."""
    return _asking(partial(_prepare_aggregate, name, ENTITIES[name]))


def tasks_of(direction: Direction) -> Resolver:
    """Answers `utility_…_tasks(args: …, where: …, …)`."""
    return _traversing(direction, _prepare_list)


def tasks_aggregate_of(direction: Direction) -> Resolver:
    """Answers `utility_…_tasks_aggregate(args: …, where: …) { … }`."""
    return _traversing(direction, _prepare_aggregate)


def _prepare_list(name: str, entity: Entity, info: Info, bounds: Bounds) -> tuple[QueryKind, Question]:
    reader = Reader(info)
    choice, selected = reader.choice(name, info.field_nodes), reader.selected(name, info.field_nodes)
    kind = kind_of_list(entity, choice, selected)
    return kind, reader.checking(selections.list_entities(bounds, entity, choice, selected))


def _prepare_aggregate(name: str, entity: Entity, info: Info, bounds: Bounds) -> tuple[QueryKind, Question]:
    reader = Reader(info)
    aggregated = reader.aggregated(name, info.field_nodes)
    return kind_of_aggregate(entity, aggregated), reader.checking(
        selections.aggregate_entities(bounds, entity, aggregated)
    )


def _asking(prepare: Callable[[Info, Bounds], tuple[QueryKind, Question]]) -> Resolver:
    async def resolve(_root: Any, info: Info, **_: Any) -> Raw:
        return Raw(await info.context.ask(partial(prepare, info)))

    return resolve


def _traversing(
    direction: Direction, prepare: Callable[[str, Entity, Info, Bounds], tuple[QueryKind, Question]]
) -> Resolver:
    async def resolve(_root: Any, info: Info, *, args: Mapping[str, Any], **_: Any) -> Raw:
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


async def read_task_run_info(context: Context, task_run_id: UUID) -> dict[str, Any] | None:
    """The id, version, state and serialized state of a task run; None where there is none."""
    return await _read_task_run(context, task_run_id, "id", "version", "state", "serialized_state")


async def _read_task_run(context: Context, task_run_id: UUID, *fields: str) -> dict[str, Any] | None:
    choice = Choice(where={"id": {"_eq": str(task_run_id)}})
    selected = Selected({name: name for name in fields})
    task_run: dict[str, Any] | None = msgspec.json.decode(await context.ask_for("task_run", choice, selected))
    return task_run


async def _get_task_run_info(_root: Any, info: Info, *, task_run_id: UUID) -> dict[str, Any] | None:
    return await read_task_run_info(info.context, task_run_id)


async def _auth_info(_root: Any, info: Info) -> dict[str, Any]:
    """Keys are those of the service: the tenant is the first one."""
    choice, selected = Choice(order_by=[{"created": "asc"}], limit=1), Selected({"tenant_id": "id"})
    tenants = msgspec.json.decode(await info.context.ask_for("tenant", choice, selected))
    return tenants or {"tenant_id": None}


async def _mapped_children(_root: Any, info: Info, *, task_run_id: UUID) -> dict[str, Any] | None:
    """What has become of the children of a mapped task run."""
    parent = await _read_task_run(info.context, task_run_id, "flow_run_id", "task_id")
    if parent is None:
        return None
    choice = Choice(where={**{name: {"_eq": value} for name, value in parent.items()}, "map_index": {"_gte": 0}})
    times = {"start": Statistic("min", {"time": "start_time"}), "end": Statistic("max", {"time": "end_time"})}
    aggregated = Aggregated(choice, {"times": Measured(times), "states": Selected({"state": "state"})})
    task_run = ENTITIES["task_run"]
    children = msgspec.json.decode(
        await info.context.ask(
            lambda bounds: (QueryKind.read, selections.aggregate_entities(bounds, task_run, aggregated))
        )
    )
    return {
        "min_start_time": children["times"]["start"]["time"],
        "max_end_time": children["times"]["end"]["time"],
        "state_counts": Counter(state["state"] for state in children["states"]),
    }


def _reference_data(*_: Any) -> dict[str, Any]:
    parents = {info.type: info.parent for info in STATE_TYPES}

    def ancestors(name: Any) -> list[str]:
        return [] if parents[name] is None else [str(parents[name]), *ancestors(parents[name])]

    return {
        "state_hierarchy": {str(info.type): ancestors(info.type) for info in STATE_TYPES},
        "state_info": {str(info.type): info.sentence for info in STATE_TYPES},
    }


OTHERS: Mapping[str, Resolver] = {
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
