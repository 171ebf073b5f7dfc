"""Flows: those of reported flow runs, found by name in the default project or made."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from taskruns_service.domain.ids import new_id
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import ListOfTexts, any_of, insert_for

DEFAULT_PROJECT = "default"
SETTINGS = {"heartbeat_enabled": True, "lazarus_enabled": True, "version_locking_enabled": False}
"""The settings of a new flow group, as Prefect 1 has them."""

_flow = tables.flow


def newest_flows(connection: Connection, names: set[str], now: datetime) -> dict[str, UUID]:
    """The newest version of each of these flows in the default project; those that are new are made."""

    def known() -> dict[str, UUID]:
        rows = connection.execute(_read_flows, {"names": list(names)})
        return {row.name: row.id for row in rows}

    flows = known()
    if missing := sorted(names - flows.keys()):
        common = {"project": DEFAULT_PROJECT, "version": 1, "archived": False, "created": now}
        groups = [new_group(new_id(), now) for _ in missing]
        rows = [
            {"id": group["id"], "name": name, "flow_group_id": group["id"], "version_group_id": group["name"], **common}
            for name, group in zip(missing, groups, strict=True)
        ]
        inserted = set(
            connection.scalars(insert_for(connection, _flow).on_conflict_do_nothing().returning(_flow.c.id), rows)
        )
        if new_groups := [group for group in groups if group["id"] in inserted]:
            connection.execute(tables.flow_group.insert(), new_groups)
        flows = known()
    return flows


def new_group(flow_id: UUID, created: datetime) -> dict[str, Any]:
    """The group of a flow that is the first of its name, as a row; the group has the id of its first flow."""
    return {"id": flow_id, "name": str(flow_id), "settings": SETTINGS, "created": created, "updated": created}


_read_flows = (
    select(_flow.c.name, _flow.c.id)
    .where(_flow.c.project == DEFAULT_PROJECT, any_of(_flow.c.name, bindparam("names", type_=ListOfTexts)))
    .order_by(_flow.c.version)
)
