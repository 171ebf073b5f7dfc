"""Silence: what the database says of runs from which nothing is heard."""

from sqlalchemy import Table, and_, func, or_

from taskruns_service.domain.liveness import STALE_SECONDS
from taskruns_service.domain.states import GROUPS, StateGroup, StateType
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Column, constant, seconds_ago

_flow_run = tables.flow_run

is_running = _flow_run.c.state.in_(map(constant, sorted(GROUPS[StateGroup.running])))
"""A flow run is running."""
is_stale = and_(
    is_running, _flow_run.c.last_heartbeat.is_not(None), _flow_run.c.last_heartbeat < seconds_ago(STALE_SECONDS)
)
"""A flow run is running and has missed some heartbeats, though it may not be Crashed yet."""


def states_that_stand(history: Table) -> Column:
    """The states of a history without those by which the service called a run Crashed that was heard of again."""
    forced = func.coalesce(history.c.forced, history.c.accepted)
    return or_(history.c.type != constant(StateType.Crashed), history.c.accepted, ~forced)
