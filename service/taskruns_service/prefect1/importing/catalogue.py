"""Copies what runs refer to: tenants, projects, flow groups, flows with their tasks and edges, and agents."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Table, select

from taskruns_service.commands.flows import DEFAULT_PROJECT
from taskruns_service.prefect1.importing.source import Rows, Source
from taskruns_service.prefect1.importing.values import created_of, json_of, name_of, seconds_of, texts_of
from taskruns_service.prefect1.types import Columns, Row
from taskruns_service.schemas import NAME_LENGTH
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import insert_for

PORTION = 2_000
"""Flow groups and agents that are copied together."""
FLOWS = 50
"""Flows that are copied together: a serialized flow may have megabytes."""

_MADE = ("id", "created", "updated")
_FLOW_HEAD = ("id", "created", "project_id", "name", "version", "version_group_id")
_FLOW_JSON = ("environment", "storage", "run_config", "parameters", "serialized_flow")
_FLOW_PLAIN = ("archived", "flow_group_id", "description", "core_version", "is_schedule_active")
_FLOW = (*_FLOW_HEAD, *_FLOW_JSON, *_FLOW_PLAIN)
_FLOW_GROUP = (*_MADE, "name", "labels", "settings", "run_config", "default_parameters")
_TASK = (
    *("id", "created", "flow_id", "name", "slug", "type", "description", "tags", "max_retries", "retry_delay"),
    *("cache_key", "trigger", "mapped", "auto_generated", "is_reference_task", "is_root_task", "is_terminal_task"),
)
_EDGE = ("id", "created", "flow_id", "upstream_task_id", "downstream_task_id", "key", "mapped")
_AGENT = (*_MADE, "tenant_id", "name", "type", "core_version", "labels", "last_queried")


class Placed(NamedTuple):
    """What a copy is called here, and what to say about that."""

    names: Mapping[UUID, str]
    notes: list[str]


def insert_new(connection: Connection, table: Table, rows: Iterable[Columns]) -> int:
    """Inserts the rows that are not there yet; how many these were."""
    listed = sorted(rows, key=lambda row: row["id"])
    if not listed:
        return 0
    insert = insert_for(connection, table).on_conflict_do_nothing().returning(table.c.id)
    return len(connection.scalars(insert, listed).all())


def heads(connection: Connection, table: Table, *names: str) -> list[Row]:
    """All rows of a table of the service, of some columns."""
    return list(connection.execute(select(*(table.c[name] for name in names))))


def place_tenants(connection: Connection, rows: Rows) -> tuple[dict[UUID, UUID], int]:
    """Copies tenants; the id here of each, and how many were new.

    A tenant whose slug is there already is that tenant.
    """
    by_slug = {row.slug: row.id for row in heads(connection, tables.tenant, "slug", "id")}
    ids = {row.id: by_slug.get(_slug(row), row.id) for row in rows}
    new_rows = [
        {**_creation_times(row), "name": name_of(row.name, _slug(row)), "slug": _slug(row)}
        for row in rows
        if _slug(row) not in by_slug
    ]
    return ids, insert_new(connection, tables.tenant, new_rows)


def _slug(row: Row) -> str:
    return str(name_of(row.slug, row.name or row.id))


def place_projects(
    connection: Connection, rows: Rows, tenants: Mapping[UUID, UUID], slugs: Mapping[UUID, str]
) -> tuple[Placed, int]:
    """Copies projects; the name here of each, and how many were new.

    A project whose name the same tenant has already is that project. A name that another tenant has gets the tenant's
    slug behind it.
    """
    present = heads(connection, tables.project, "id", "name", "tenant_id")
    owners = {row.name: row.tenant_id for row in present}
    names = {row.id: row.name for row in present}
    new_rows, notes = [], []
    for row in rows:
        if row.id in names:
            continue
        tenant = tenants.get(row.tenant_id, row.tenant_id)
        plain_name = name_of(row.name, row.id) or ""
        called = [
            plain_name,
            *(_behind(plain_name, suffix) for suffix in (slugs.get(row.tenant_id, str(tenant)), str(row.id))),
        ]
        name = next(candidate for candidate in called if owners.get(candidate, tenant) == tenant)
        names[row.id] = name
        if name != plain_name:
            notes.append(f"The project {plain_name} was imported as {name}: another tenant has a project of this name.")
        if name in owners:
            notes.append(f"The project {name} already existed; it now holds the flows of both.")
            continue
        owners[name] = tenant
        new_rows.append({**_creation_times(row), "tenant_id": tenant, "name": name, "description": row.description})
    return Placed(names, notes), insert_new(connection, tables.project, new_rows)


def place_flows(connection: Connection, rows: Rows, projects: Mapping[UUID, str]) -> Placed:
    """Finds names for the flows that are not here yet, the earliest first.

    Of several version groups with one name in a project the first keeps it; the others get the beginning of the version
    group's id behind it: one name goes on being one flow, whose versions are told apart by their numbers.
    """
    present_flows = heads(connection, tables.flow, "id", "project", "name", "version", "version_group_id")
    present = {row.id for row in present_flows}
    owners: dict[tuple[str, str], str] = {}
    for row in present_flows:
        owners.setdefault((row.project, row.name), _group(row))
    used = {(row.project, row.name, row.version) for row in present_flows}
    names: dict[UUID, str] = {}
    notes = []
    for row in rows:
        if row.id in present:
            continue
        project, name, group = projects.get(row.project_id, DEFAULT_PROJECT), name_of(row.name) or "", _group(row)
        version = _version(row)
        owner = owners.setdefault((project, name), group)
        called = [name, *(_behind(name, suffix) for suffix in (group[:8], group, str(row.id)))]
        chosen = next(candidate for candidate in called[owner != group :] if (project, candidate, version) not in used)
        used.add((project, chosen, version))
        names[row.id] = chosen
        if chosen != name:
            notes.append(
                f"Version {version} of the flow {name} ({project}) was imported as {chosen}: its name was taken."
            )
    return Placed(names, notes)


def _group(row: Row) -> str:
    return str(row.version_group_id or row.id)


def _version(row: Row) -> int:
    number: int | None = row.version
    return 1 if number is None else number


def _behind(name: str, addition: str) -> str:
    """Appends a suffix to a name, truncating both to NAME_LENGTH."""
    addition = f" ({addition[:100]})"
    return name[: NAME_LENGTH - len(addition)] + addition


def _creation_times(row: Row) -> Columns:
    return {"id": row.id, "created": created_of(row), "updated": row.updated or created_of(row)}


def _flow(row: Row, name: str, project: str) -> Columns:
    return {
        "id": row.id,
        "project": project,
        "name": name,
        "version": _version(row),
        "archived": bool(row.archived),
        "created": created_of(row),
        "version_group_id": name_of(row.version_group_id, row.id),
        "flow_group_id": row.flow_group_id or row.id,
        "description": row.description,
        "core_version": name_of(row.core_version),
        **{name: json_of(getattr(row, name)) for name in _FLOW_JSON},
        "is_schedule_active": row.is_schedule_active,
    }


def _task(row: Row) -> Columns:
    return {
        **{name: getattr(row, name) for name in _TASK},
        "created": created_of(row),
        "slug": name_of(row.slug, f"{row.name}-{row.id}"),
        "name": name_of(row.name or row.slug, row.id),
        "tags": texts_of(row.tags),
        "retry_delay": seconds_of(row.retry_delay),
    }


def _edge(row: Row) -> Columns:
    return {
        **{name: getattr(row, name) for name in _EDGE},
        "created": created_of(row),
        "key": name_of(row.key, ""),
        "mapped": bool(row.mapped),
    }


def _flow_group(row: Row) -> Columns:
    return {
        **_creation_times(row),
        "name": name_of(row.name, row.id),
        "labels": None if row.labels in (None, "null") else texts_of(row.labels),
        "settings": json_of(row.settings, "{}"),
        "run_config": json_of(row.run_config),
        "default_parameters": json_of(row.default_parameters),
    }


def _agent(row: Row, tenants: Mapping[UUID, UUID]) -> Columns:
    return {
        **_creation_times(row),
        "tenant_id": tenants.get(row.tenant_id, row.tenant_id),
        **{name: name_of(getattr(row, name)) for name in ("name", "type", "core_version")},
        "labels": texts_of(row.labels),
        "last_queried": row.last_queried,
    }


def _insert_flows(connection: Connection, flows: list[Columns], rest: tuple[Rows, Rows]) -> Counter[str]:
    tasks, edges = rest
    return Counter(
        {
            "flows": insert_new(connection, tables.flow, flows),
            "tasks": insert_new(connection, tables.task, map(_task, tasks)),
            "edges": insert_new(connection, tables.edge, map(_edge, edges)),
        }
    )


async def copy_catalogue(source: Source, target: Database) -> tuple[Counter[str], list[str]]:
    """Copies what is not here yet; how many rows of which kind, and what to say about it.

    A flow is written with its tasks and edges, or not at all.
    """
    copied: Counter[str] = Counter()
    tenants = await source.rows("tenant", (*_MADE, "name", "slug"), _by_age(source, "tenant"))
    tenant_ids, copied["tenants"] = await target.transact(place_tenants, tenants)
    projects = await source.rows("project", (*_MADE, "tenant_id", "name", "description"), _by_age(source, "project"))
    placed, copied["projects"] = await target.transact(
        place_projects, projects, tenant_ids, {row.id: _slug(row) for row in tenants}
    )
    async for rows in source.portions("flow_group", _FLOW_GROUP, PORTION):
        copied["flow groups"] += await target.transact(
            insert_new, tables.flow_group, [_flow_group(row) for row in rows]
        )
    async for rows in source.portions("agent", _AGENT, PORTION):
        agents = [_agent(row, tenant_ids) for row in rows]
        copied["agents"] += await target.transact(insert_new, tables.agent, agents)

    flows = await source.rows("flow", _FLOW_HEAD, _by_age(source, "flow"))
    named = await target.read(place_flows, flows, placed.names)
    new = [row.id for row in flows if row.id in named.names]
    for start in range(0, len(new), FLOWS):
        ids = new[start : start + FLOWS]
        new_rows = [
            _flow(row, named.names[row.id], placed.names.get(row.project_id, DEFAULT_PROJECT))
            for row in await source.rows("flow", _FLOW, "WHERE t.id = ANY(:ids)", ids=ids)
        ]
        tasks = await source.rows("task", _TASK, _OF_FLOWS, ids=ids)
        edges = await source.rows("edge", _EDGE, _OF_FLOWS, ids=ids)
        copied += await target.transact(_insert_flows, new_rows, (tasks, edges))
    return copied, [*placed.notes, *named.notes]


def _by_age(source: Source, table: str) -> str:
    return f"ORDER BY {'t.created, ' if source.has(table, 'created') else ''}t.id"


_OF_FLOWS = "WHERE t.flow_id = ANY(:ids)"
