"""Why a flow run failed: its failed task runs grouped by message, with a traceback for each group."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from taskruns.models import Aggregate, FlowRun, StateType, TaskRun
from taskruns.states import State
from taskruns.tracebacks import find_traceback

if TYPE_CHECKING:
    from taskruns.client import Client

MAX_GROUPS = 20
"""How many groups there are at most: each takes a request for its traceback."""
MAX_SAMPLES = 3
"""How many task runs of a group the service names."""
MAX_MESSAGES = 1000
"""How many groups are counted."""


class FailureGroup(Struct, frozen=True, kw_only=True):
    """Failed task runs with the same message, apart from numbers and hexadecimal digits in it."""

    message: str | None
    """The message as the service groups by it: its first line, with `#` for what differs; None without a message."""
    count: int
    """The number of task runs."""
    first_end_time: datetime | None
    """The time when the first of them ended."""
    last_end_time: datetime | None
    """The time when the last of them ended."""
    task_runs: list[TaskRun]
    """Up to three of them."""
    traceback: str | None
    """The traceback of the first one, if it has one."""


class Failures(Struct, frozen=True, kw_only=True):
    """What failed in a flow run."""

    flow_run: FlowRun | None
    """None if no flow run has failed."""
    message: str | None = None
    """The message of the flow run itself, as the service groups by it."""
    traceback: str | None = None
    """The traceback of the error that left the flow run's block."""
    failed_count: int = 0
    """The number of failed task runs."""
    group_count: int = 0
    """The number of groups, of which `groups` has the first."""
    truncated: bool = False
    """Whether there are more groups than were counted."""
    groups: list[FailureGroup] = []
    """The largest group first; task runs that only failed because of others come last."""
    commands: list[str] = []
    """Commands that show more."""


def find_failures(client: "Client", flow_run_id: UUID) -> Failures:
    """Reads what failed in a flow run."""
    flow_run = client.flow_runs.get(flow_run_id)
    answers = _groups_by_message(client, flow_run)
    counted = [group for answer in answers for group in answer.groups or ()]
    shown = counted[:MAX_GROUPS]
    ids = [id for group in shown for id in group.sample_ids or ()]
    samples = client.flow_runs.task_runs(flow_run_id, task_run_id=ids, limit=MAX_GROUPS * MAX_SAMPLES) if ids else ()
    task_runs = {task_run.id: task_run for task_run in samples}
    groups: list[FailureGroup] = []
    for group in shown:
        members = [task_runs[id] for id in group.sample_ids or () if id in task_runs]
        groups.append(
            FailureGroup(
                message=group.key.message,
                count=group.count,
                first_end_time=group.measures.first_end_time,
                last_end_time=group.measures.last_end_time,
                task_runs=members,
                traceback=find_traceback(members[0], client.task_runs.states) if members else None,
            )
        )
    return Failures(
        flow_run=flow_run,
        message=_message_of(client, flow_run_id),
        traceback=find_traceback(flow_run, client.flow_runs.states),
        failed_count=sum(answer.count for answer in answers),
        group_count=len(counted),
        truncated=any(answer.truncated for answer in answers),
        groups=groups,
        commands=_commands(flow_run, groups),
    )


def _groups_by_message(client: "Client", flow_run: FlowRun) -> Sequence[Aggregate]:
    """Groups of the failed task runs, the largest first: of those that failed by themselves, and of all others."""
    if not any(count and State(StateType(state)).is_failed() for state, count in flow_run.task_run_counts.items()):
        return ()
    group = partial(
        client.task_runs.aggregate,
        flow_run_id=[flow_run.id],
        group_by=["message"],
        sort="-count,first_end_time",
        limit=MAX_MESSAGES,
    )
    return (
        group(state_group=["failed"], state_not=[StateType.TRIGGER_FAILED]),
        group(state=[StateType.TRIGGER_FAILED]),
    )


def _message_of(client: "Client", flow_run_id: UUID) -> str | None:
    answer = client.flow_runs.aggregate(flow_run_id=[flow_run_id], group_by=["message"])
    return next((group.key.message for group in answer.groups or ()), None)


def _commands(flow_run: FlowRun, groups: Sequence[FailureGroup]) -> list[str]:
    """Commands for what else there is to know; with ids alone, as names may mean something to a shell."""
    commands = [f"taskruns flow-run info {flow_run.id}"]
    if groups and groups[0].task_runs:
        task_run_id = groups[0].task_runs[0].id
        commands = [
            f"taskruns task-run info {task_run_id}",
            f"taskruns task-run states {task_run_id}",
            f"taskruns flow-run tasks {flow_run.id} --state-group failed",
        ]
    return commands
