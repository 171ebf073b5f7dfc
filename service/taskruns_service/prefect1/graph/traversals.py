"""Traversals: the tasks that lie before or after others in a flow, and how many edges away."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import func, literal, literal_column, select

from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Entity
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import ListOfIds, any_of

DEPTH_MOST = 50

Direction = Literal["downstream", "upstream"]


def traversal(direction: Direction, task_ids: Sequence[UUID], depth_limit: int = DEPTH_MOST) -> Entity:
    """Tasks and those at most so many edges away, up to DEPTH_MOST, the nearest first.

    `depth` is the number of edges on the longest way to a task:

        WITH RECURSIVE reached AS (
            SELECT flow_id, id AS task_id, 0 AS depth FROM task WHERE id = ANY (…)
            UNION
            SELECT edge.flow_id, edge.downstream_task_id, reached.depth + 1
            FROM reached JOIN edge ON edge.flow_id = reached.flow_id AND edge.upstream_task_id = reached.task_id
            WHERE reached.depth < …
        )
        SELECT task_id AS id, task_id, max(depth) AS depth FROM reached GROUP BY task_id
    """
    task, edge = tables.task, tables.edge
    begin, end = {
        "downstream": (edge.c.upstream_task_id, edge.c.downstream_task_id),
        "upstream": (edge.c.downstream_task_id, edge.c.upstream_task_id),
    }[direction]
    start = select(task.c.flow_id, task.c.id.label("task_id"), literal_column("0").label("depth"))
    reached = start.where(any_of(task.c.id, literal(task_ids, ListOfIds))).cte("reached", recursive=True)
    # Repeats flow_id so that uq_edge_flow_tasks_key serves the join.
    step = select(edge.c.flow_id, end, reached.c.depth + 1).join_from(
        reached, edge, (edge.c.flow_id == reached.c.flow_id) & (begin == reached.c.task_id)
    )
    reached = reached.union(step.where(reached.c.depth < min(depth_limit, DEPTH_MOST)))
    rows = select(reached.c.task_id.label("id"), reached.c.task_id, func.max(reached.c.depth).label("depth"))
    return ENTITIES["utility_traversal"]._replace(
        table=rows.group_by(reached.c.task_id).subquery(), order=({"depth": "asc"},)
    )
