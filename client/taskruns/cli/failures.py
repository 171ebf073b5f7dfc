"""Why a flow run failed: its failed task runs grouped by message, with a traceback for each group."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from taskruns.cli.columns import message_of
from taskruns.models import FlowRun, StateType, TaskRun
from taskruns.states import State
from taskruns.tracebacks import find_traceback

if TYPE_CHECKING:
    from taskruns.client import Client

MAX_TASK_RUNS = 5000
"""How many failed task runs are read; their number is exact in any case."""
MAX_GROUPS = 20
"""How many groups there are at most: each takes a request for its traceback."""
MAX_SAMPLES = 3
"""How many task runs of a group are named."""
MAX_MESSAGE_LENGTH = 200
_PAGE_SIZE = 500
_MAX_READ_LENGTH = 1000
"""How much of a message is looked at."""
_VARYING = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # a UUID
    r"|0x[0-9a-fA-F]+"
    r"|(?<![0-9A-Za-z])(?=[a-fA-F]{0,50}[0-9])[0-9a-fA-F]{6,}(?![0-9A-Za-z])"  # a digest, and no word such as facade
    r"|[0-9]+"
)


class FailureGroup(Struct, frozen=True, kw_only=True):
    """Failed task runs with the same message, apart from numbers and hexadecimal digits in it."""

    message: str
    """The first line of the message, with `#` for each number and each run of hexadecimal digits."""
    count: int
    """The number of task runs, among those that were read."""
    task_runs: list[TaskRun]
    """The first of them."""
    traceback: str | None
    """The traceback of the first one, if it has one."""


class Failures(Struct, frozen=True, kw_only=True):
    """What failed in a flow run."""

    flow_run: FlowRun | None
    """None if no flow run has failed."""
    traceback: str | None = None
    """The traceback of the error that left the flow run's block."""
    failed_count: int = 0
    """The number of failed task runs."""
    read_count: int = 0
    """The number of those that were read and are in groups."""
    group_count: int = 0
    """The number of groups, of which `groups` has the first."""
    groups: list[FailureGroup] = []
    """The largest group first; task runs that only failed because of others come last."""
    commands: list[str] = []
    """Commands that show more."""


def find_failures(client: "Client", flow_run_id: UUID) -> Failures:
    """Reads what failed in a flow run."""
    flow_run = client.flow_runs.get(flow_run_id)
    failed = sum(count for state, count in flow_run.task_run_counts.items() if State(StateType(state)).is_failed())
    listed = client.flow_runs.task_runs(flow_run_id, state_group=["failed"], limit=_PAGE_SIZE) if failed else ()
    task_runs = list(islice(listed, MAX_TASK_RUNS))
    by_message: dict[str, list[TaskRun]] = {}
    for task_run in task_runs:
        by_message.setdefault(folded(message_of(task_run)), []).append(task_run)
    ranked = sorted(by_message.items(), key=lambda item: (_is_consequence(item[1]), -len(item[1])))
    groups = [
        FailureGroup(
            message=message,
            count=len(members),
            task_runs=members[:MAX_SAMPLES],
            traceback=find_traceback(members[0], client.task_runs.states),
        )
        for message, members in ranked[:MAX_GROUPS]
    ]
    return Failures(
        flow_run=flow_run,
        traceback=find_traceback(flow_run, client.flow_runs.states),
        failed_count=max(failed, len(task_runs)),
        read_count=len(task_runs),
        group_count=len(ranked),
        groups=groups,
        commands=_commands(flow_run, groups),
    )


def folded(message: str) -> str:
    """The first line of a message, with `#` in place of what differs between failures of the same kind."""
    line = message[:_MAX_READ_LENGTH].strip().partition("\n")[0]
    return _VARYING.sub("#", line)[:MAX_MESSAGE_LENGTH]


def _is_consequence(task_runs: Sequence[TaskRun]) -> bool:
    return all(task_run.state is StateType.TRIGGER_FAILED for task_run in task_runs)


def _commands(flow_run: FlowRun, groups: Sequence[FailureGroup]) -> list[str]:
    """Commands for what else there is to know; with ids alone, as names may mean something to a shell."""
    commands = [f"taskruns flow-run info {flow_run.id}"]
    if groups:
        task_run_id = groups[0].task_runs[0].id
        commands = [
            f"taskruns task-run info {task_run_id}",
            f"taskruns task-run states {task_run_id}",
            f"taskruns flow-run tasks {flow_run.id} --state-group failed",
        ]
    return commands
