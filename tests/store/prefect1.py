"""A database of Prefect Server 1, as its migrations made it, for the tests of the import."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from taskruns_service.storage.dialects import encode_json
from tests.store.factories import at

_ID = "id uuid PRIMARY KEY DEFAULT gen_random_uuid()"
_MADE = f"{_ID}, created timestamptz NOT NULL DEFAULT now(), updated timestamptz NOT NULL DEFAULT now()"
_RUN = f"""
    {_MADE}, tenant_id uuid, version int, heartbeat timestamptz, state varchar, state_timestamp timestamptz,
    state_message varchar, state_result json, state_start_time timestamptz, serialized_state jsonb,
    start_time timestamptz, end_time timestamptz, duration interval, name varchar
"""
_STATE = f"""
    {_MADE}, tenant_id uuid, timestamp timestamptz NOT NULL, state varchar NOT NULL, message varchar, result json,
    start_time timestamptz, serialized_state jsonb, version int
"""
TABLES = {
    "tenant": f"{_MADE}, name varchar NOT NULL, slug varchar NOT NULL UNIQUE, info jsonb, settings jsonb",
    "project": f"""
        {_MADE}, tenant_id uuid NOT NULL, name varchar NOT NULL, description varchar, UNIQUE (tenant_id, name)
    """,
    "flow_group": f"""
        {_MADE}, tenant_id uuid, name varchar, description varchar, settings jsonb NOT NULL DEFAULT '{{}}',
        labels jsonb, default_parameters jsonb, schedule jsonb, run_config jsonb
    """,
    "flow": f"""
        {_MADE}, archived bool NOT NULL DEFAULT false, version int, version_group_id varchar, core_version varchar,
        name varchar NOT NULL, description varchar, project_id uuid, tenant_id uuid, flow_group_id uuid,
        environment jsonb, storage jsonb, parameters jsonb DEFAULT '{{}}', serialized_flow jsonb, schedule jsonb,
        is_schedule_active bool DEFAULT false, settings jsonb DEFAULT '{{}}', run_config jsonb
    """,
    "task": f"""
        {_MADE}, flow_id uuid NOT NULL, tenant_id uuid, name varchar, slug varchar, description varchar, type varchar,
        max_retries int, retry_delay interval, trigger varchar, mapped bool, cache_key varchar,
        tags jsonb DEFAULT '[]', auto_generated bool, is_reference_task bool DEFAULT false,
        is_root_task bool DEFAULT false, is_terminal_task bool DEFAULT false
    """,
    "edge": f"""
        {_MADE}, flow_id uuid NOT NULL, tenant_id uuid, upstream_task_id uuid NOT NULL,
        downstream_task_id uuid NOT NULL, key varchar, mapped bool DEFAULT false
    """,
    "flow_run": f"""
        {_RUN}, flow_id uuid NOT NULL, parameters jsonb DEFAULT '{{}}', labels jsonb, context jsonb,
        scheduled_start_time timestamptz DEFAULT clock_timestamp(), auto_scheduled bool NOT NULL DEFAULT false,
        times_resurrected int DEFAULT 0, idempotency_key varchar, agent_id uuid, run_config jsonb
    """,
    "flow_run_state": f"{_STATE}, flow_run_id uuid NOT NULL",
    "task_run": f"""
        {_RUN}, flow_run_id uuid NOT NULL, task_id uuid NOT NULL, map_index int DEFAULT -1, run_count int DEFAULT 0,
        cache_key varchar, UNIQUE (flow_run_id, task_id, map_index)
    """,
    "task_run_state": f"{_STATE}, task_run_id uuid NOT NULL",
    "log": f"""
        {_ID}, created timestamptz NOT NULL DEFAULT now(), flow_run_id uuid, task_run_id uuid, tenant_id uuid,
        timestamp timestamptz NOT NULL, name varchar, level varchar, message varchar, info jsonb
    """,
    "task_run_artifact": f"{_MADE}, tenant_id uuid, task_run_id uuid NOT NULL, kind varchar NOT NULL, data jsonb",
    "agent": f"""
        {_MADE}, tenant_id uuid, agent_config_id uuid, core_version varchar, name varchar, type varchar,
        labels jsonb NOT NULL DEFAULT '[]', last_queried timestamptz
    """,
}
INDEXES = ("task_run_state (task_run_id)", "flow_run_state (flow_run_id)", "log (flow_run_id)", "flow_run (flow_id)")
JSON = (
    *("info", "settings", "labels", "default_parameters", "schedule", "run_config", "environment", "storage", "tags"),
    *("parameters", "serialized_flow", "context", "serialized_state", "state_result", "result", "data"),
)


class PrefectServer:
    """The database, and what is put into it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_async_engine(url)
        self._numbers = count(1)

    async def create(self) -> None:
        """Makes the tables."""
        await self.run(*(f"CREATE TABLE {name} ({columns})" for name, columns in TABLES.items()))
        await self.run(*(f"CREATE INDEX ON {columns}" for columns in INDEXES))

    async def run(self, *statements: str) -> None:
        """Runs statements in one transaction."""
        async with self._engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    async def rows(self, table: str) -> list[Any]:
        """All rows of a table."""
        async with self._engine.connect() as connection:
            return list((await connection.execute(text(f"SELECT * FROM {table} ORDER BY id"))).all())

    async def insert(self, table: str, **members: Any) -> UUID:
        """Inserts a row; its id."""
        members = {"id": uuid4(), **members}
        columns = ", ".join(members)
        places = ", ".join(
            f"CAST(CAST(:{member} AS text) AS jsonb)" if member in JSON else f":{member}" for member in members
        )
        values = {name: encode_json(value) if name in JSON else value for name, value in members.items()}
        async with self._engine.begin() as connection:
            await connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), values)
        identifier: UUID = members["id"]
        return identifier

    async def tenant(self, name: str = "acme") -> UUID:
        """Makes a tenant."""
        return await self.insert("tenant", name=name, slug=name)

    async def project(self, tenant_id: UUID, name: str = "etl") -> UUID:
        """Makes a project."""
        return await self.insert("project", tenant_id=tenant_id, name=name, created=at(next(self._numbers)))

    async def flow(self, project_id: UUID, name: str = "nightly", **members: Any) -> UUID:
        """Registers a flow."""
        group = await self.insert("flow_group", name=name)
        common = {"project_id": project_id, "name": name, "version": 1, "version_group_id": str(uuid4())}
        return await self.insert(
            "flow", **{**common, "flow_group_id": group, "created": at(next(self._numbers)), **members}
        )

    async def task(self, flow_id: UUID, slug: str, **members: Any) -> UUID:
        """Registers a task."""
        return await self.insert("task", flow_id=flow_id, slug=slug, **{"name": slug.rpartition("-")[0], **members})

    async def flow_run(self, flow_id: UUID, *states: tuple[str, float] | dict[str, Any], **members: Any) -> UUID:
        """Makes a flow run with a history."""
        defaults = {"name": "calm-heron", "flow_id": flow_id, "created": at(0), "updated": at(99)}
        return await self._with_history("flow_run", states, {**defaults, **members})

    async def task_run(
        self, flow_run_id: UUID, task_id: UUID, *states: tuple[str, float] | dict[str, Any], **members: Any
    ) -> UUID:
        """Makes a task run with a history."""
        defaults = {"flow_run_id": flow_run_id, "task_id": task_id, "created": at(0), "updated": at(99)}
        return await self._with_history("task_run", states, {**defaults, **members})

    async def _with_history(
        self, table: str, states: Iterable[tuple[str, float] | dict[str, Any]], members: dict[str, Any]
    ) -> UUID:
        history = [state_row(version, state) for version, state in enumerate(states, 1)]
        current = history[-1] if history else {}
        row = {
            "version": current.get("version", 0),
            "state": current.get("state"),
            "state_timestamp": current.get("timestamp"),
            "state_message": current.get("message"),
            "serialized_state": current.get("serialized_state"),
        }
        identifier = await self.insert(table, **{**row, **members})
        for row in history:
            await self.insert(f"{table}_state", **{f"{table}_id": identifier, **row})
        return identifier

    async def close(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()


def state_row(version: int, state: tuple[str, float] | dict[str, Any]) -> dict[str, Any]:
    """A row of a history: of a type and a moment, or as it is given."""
    if isinstance(state, dict):
        return {"version": version, **state}
    type_, seconds = state
    document: dict[str, Any] = {
        "type": type_,
        "message": f"{type_}.",
        "_result": None,
        "context": {"tags": []},
        "__version__": "1.4.1",
    }
    moment = at(seconds)
    return {
        "version": version,
        "state": type_,
        "timestamp": moment,
        "created": moment + timedelta(milliseconds=5),
        "message": f"{type_}.",
        "serialized_state": document,
    }
