"""Tasks: those of new task runs, found by flow and slug or made."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from taskruns_service.commands.unit_of_work.entries import TaskRunEntry
from taskruns_service.domain.ids import new_id
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import ListOfIds, ListOfTexts, Prepared, any_of, insert_for, placeholder

_task = tables.task


class Task(NamedTuple):
    """A task, as far as its task runs have it too."""

    id: UUID
    flow_id: UUID
    slug: str
    name: str
    tags: list[str] | None
    cache_key: str | None


def ensure_tasks(
    connection: Connection, created: Sequence[TaskRunEntry], now: datetime
) -> dict[tuple[UUID, str], Task]:
    """The tasks of new task runs, by flow and slug; tasks that are new are made."""
    names = {(entry.flow_run.flow_id, entry.task_slug): (entry.created or {})["task_name"] for entry in created}
    known = _known_tasks(connection, names)
    if missing := sorted(names.keys() - known.keys()):
        rows = [
            {"id": new_id(), "flow_id": flow_id, "slug": slug, "name": names[flow_id, slug], "created": now}
            for flow_id, slug in missing
        ]
        connection.execute(insert_for(connection, _task).on_conflict_do_nothing(), rows)
        known = _known_tasks(connection, names)
    return known


def _known_tasks(connection: Connection, names: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], Task]:
    flow_ids, slugs = ({key[0] for key in names}, {key[1] for key in names})
    rows = read_tasks.rows(connection, {"flow_ids": list(flow_ids), "slugs": list(slugs)})
    return {(task.flow_id, task.slug): task for task in (Task(*row) for row in rows)}


read_tasks = Prepared(
    select(_task.c.id, _task.c.flow_id, _task.c.slug, _task.c.name, _task.c.tags, _task.c.cache_key).where(
        any_of(_task.c.flow_id, placeholder("flow_ids", ListOfIds)),
        any_of(_task.c.slug, placeholder("slugs", ListOfTexts)),
    )
)
