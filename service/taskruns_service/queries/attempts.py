"""The attempts of a task run, made from its history."""

from uuid import UUID

from sqlalchemy import Connection, and_, func, literal, select

from taskruns_service import schemas
from taskruns_service.domain.attempts import attempts_of
from taskruns_service.domain.errors import TaskRunNotFound
from taskruns_service.domain.history import fold
from taskruns_service.domain.runs import PastState
from taskruns_service.domain.states import StateType
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Prepared, placeholder
from taskruns_service.storage.silence import states_that_stand

_task_run, _state = tables.task_run.c, tables.task_run_state.c

# Where states were not yet marked as forced, those that were accepted count as forced, as everywhere.
_get_history = Prepared(
    select(
        *(_task_run.state_id.label("current_state_id"), _state.id, _state.type, _state.timestamp),
        *(func.coalesce(_state.forced, _state.accepted), _state.message),
    )
    .select_from(
        tables.task_run.outerjoin(
            tables.task_run_state, and_(_state.task_run_id == _task_run.id, states_that_stand(tables.task_run_state))
        )
    )
    .where(_task_run.id == placeholder("id"))
    .order_by(_state.timestamp, _state.sequence)
    .limit(literal(schemas.MAX_ATTEMPT_STATES + 1, literal_execute=True))
)


def get_task_run_attempts(connection: Connection, task_run_id: UUID) -> schemas.TaskRunAttempts:
    """The attempts of a task run, the oldest first; raises TaskRunNotFound."""
    rows = _get_history.rows(connection, {"id": task_run_id})
    if not rows:
        raise TaskRunNotFound
    current_state_id = rows[0][0]
    history: list[PastState] = []
    messages: dict[UUID, str | None] = {}
    for _, state_id, type_, timestamp, forced, message in rows[: schemas.MAX_ATTEMPT_STATES]:
        if state_id is not None:  # a task run without states is a row without one
            history.append(PastState(timestamp, StateType[type_], state_id, forced))
            messages[state_id] = message
    return schemas.TaskRunAttempts(
        task_run_id=task_run_id,
        items=[
            schemas.TaskRunAttempt(
                number=attempt.number,
                state=attempt.state.type,
                message=messages[attempt.state.id],
                start_time=attempt.start_time,
                end_time=attempt.end_time,
                duration=attempt.duration,
                is_current=attempt.is_current(current_state_id),
            )
            for attempt in attempts_of(history)
        ],
        run_time=fold(history).run_time or 0.0,
        truncated=len(rows) > schemas.MAX_ATTEMPT_STATES,
    )
