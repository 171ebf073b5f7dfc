"""Where the results of task runs are."""

from uuid import UUID

from sqlalchemy import Connection, select

from taskruns_service import schemas
from taskruns_service.domain import results
from taskruns_service.domain.errors import NoResultType, ResultNotPersisted, ResultNotReady, TaskRunNotFound
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.queries import paging
from taskruns_service.queries.paging import Key, Order, Page
from taskruns_service.queries.parameters import Values
from taskruns_service.storage import tables
from taskruns_service.storage.maps import is_mapped_parent

PARAMETERS = (paging.LIMIT, paging.CURSOR)
_task_run = tables.task_run.c
_BY_MAP_INDEX = (Order("map_index", Key(_task_run.map_index, int), descending=False),)


def children_page(values: Values, task_run_id: UUID) -> Page:
    """Which children of a mapped parent a request asks for, by map index; raises InvalidCursor."""
    return paging.page_of(values, _BY_MAP_INDEX, paging.question_of("result", task_run_id))


def get_task_run_result(connection: Connection, task_run_id: UUID, page: Page) -> schemas.TaskRunResult:
    """Where the result of a task run is, or for a mapped parent those of a page of its children.

    Raises TaskRunNotFound, ResultNotReady, NoResultType and ResultNotPersisted.
    """
    columns = (_task_run.id, _task_run.map_index, _task_run.state, _task_run.result)
    own_columns = (_task_run.flow_run_id, _task_run.task_slug, _task_run.state_message)
    row = connection.execute(select(*columns, *own_columns).where(_task_run.id == task_run_id)).one_or_none()
    if row is None:
        raise TaskRunNotFound
    state = StateType(row.state)
    if state not in FINISHED:
        raise ResultNotReady(f"The task run is {state}, so it has no result yet. Try again when it is finished.")
    if is_mapped_parent(state, row.map_index):
        (after,) = (-1,) if page.after is None else page.after
        rows = connection.execute(
            select(*columns)
            .where(
                _task_run.flow_run_id == row.flow_run_id,
                _task_run.task_slug == row.task_slug,
                _task_run.map_index > after,
            )
            .order_by(_task_run.map_index)
            .limit(page.limit + 1)
        ).all()
        children = [
            schemas.ChildResult(
                task_run_id=child.id,
                map_index=child.map_index,
                state=StateType(child.state),
                reference=results.read_reference(child.result),
            )
            for child in rows[: page.limit]
        ]
        next_cursor = page.cursor([children[-1].map_index]) if len(rows) > page.limit else None
        return schemas.TaskRunResult(
            task_run_id=row.id, state=state, reference=None, children=children, next_cursor=next_cursor
        )
    reference = results.read_reference(row.result)
    if reference is None:
        raise NoResultType(results.without_result(state, row.result, row.state_message))
    if not results.is_kept(row.result):
        raise ResultNotPersisted
    return schemas.TaskRunResult(task_run_id=row.id, state=state, reference=reference, children=None, next_cursor=None)
