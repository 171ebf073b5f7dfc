"""The operations of the service by subject: the builder of each method, and what makes a call safe to retry."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from msgspec import UNSET
from msgspec.structs import replace

from taskruns._generated.api.flow_runs import (
    aggregate_flow_runs,
    create_flow_run,
    delete_flow_run,
    get_flow_run,
    get_flow_run_tasks,
    get_flow_run_timeline,
    list_flow_run_fields,
    list_flow_run_logs,
    list_flow_run_states,
    list_flow_run_task_run_fields,
    list_flow_run_task_runs,
    list_flow_runs,
    report_flow_run_heartbeat,
    report_flow_run_logs,
    report_task_runs,
    set_flow_run_state,
)
from taskruns._generated.api.service import get_documentation, get_health, get_openapi, get_readiness, search_runs
from taskruns._generated.api.task_runs import (
    aggregate_task_runs,
    get_task_run,
    get_task_run_attempts,
    get_task_run_neighbours,
    get_task_run_result,
    list_task_run_artifacts,
    list_task_run_fields,
    list_task_run_logs,
    list_task_run_states,
    list_task_runs,
    set_task_run_state,
    set_task_run_states,
    update_task_run,
)
from taskruns.errors import InvalidArgument
from taskruns.live.methods import AsyncFlowRunEvents, AsyncServiceEvents, FlowRunEvents, ServiceEvents
from taskruns.models import StateCreate, TaskRunReport, TaskRunStateReport
from taskruns.type_aliases import Arguments

if TYPE_CHECKING:
    from taskruns.client import AsyncClient, Client


# Reports are safe to repeat by the ids that they carry. Each of these adds them where the caller gave none, and says
# whether the call may be repeated then.


def _identify(arguments: Arguments) -> bool:
    if arguments.get("idempotency_key", UNSET) is UNSET and arguments.get("id", UNSET) is UNSET:
        arguments["id"] = uuid4()
    return True


def _identify_states(arguments: Arguments) -> bool:
    if "items" in arguments:
        items = enumerate(_iterable(arguments["items"]))
        arguments["items"] = [_with_id(item, f"items[{index}]", TaskRunStateReport) for index, item in items]
    return True


def _identify_reports(arguments: Arguments) -> bool:
    if "items" in arguments:
        items = enumerate(_iterable(arguments["items"]))
        arguments["items"] = [_with_ids(item, f"items[{index}]") for index, item in items]
    return True


def _iterable(items: object) -> Iterable[object]:
    if not isinstance(items, Iterable):
        raise InvalidArgument(f"items is of type {type(items).__name__}: pass a list.")
    return cast("Iterable[object]", items)


def _with_ids(report: object, place: str) -> object:
    """A report whose states have ids."""
    match report:
        case TaskRunReport():
            return replace(report, states=_states_with_ids(report.states, place)) if report.states else report
        case Mapping():
            members = cast("Mapping[str, object]", report)
            if "states" not in members:
                return members
            return {**members, "states": _states_with_ids(members["states"], place)}
        case _:
            raise _not_an_item(report, place, TaskRunReport)


def _states_with_ids(states: object, place: str) -> object:
    # What is no list of states is left for the service to refuse.
    if not isinstance(states, Sequence) or isinstance(states, str):
        return states
    items = cast("Sequence[object]", states)
    return [_with_id(state, f"{place}.states[{index}]", StateCreate) for index, state in enumerate(items)]


def _with_id(state: object, place: str, kind: type) -> object:
    match state:
        case StateCreate() | TaskRunStateReport():
            return replace(state, id=uuid4()) if state.id is UNSET else state
        case Mapping():
            members = cast("Mapping[str, object]", state)
            return members if "id" in members else {**members, "id": uuid4()}
        case _:
            raise _not_an_item(state, place, kind)


def _not_an_item(item: object, place: str, kind: type) -> InvalidArgument:
    return InvalidArgument(
        f"{place} is of type {type(item).__name__}: pass a {kind.__name__} or a dict of its members."
    )


def _may_repeat_update(arguments: Arguments) -> bool:
    # Done the first time, it would be refused the second time.
    return not any(arguments.get(name, UNSET) not in (UNSET, None) for name in ("if_match", "expected_version"))


def _may_repeat_lines(arguments: Arguments) -> bool:
    # The service demands an id for each line.
    return True


def _may_repeat_heartbeat(arguments: Arguments) -> bool:
    return True


class TaskRuns:
    """`client.task_runs`: the operations on task runs, of one flow run or of all."""

    def __init__(self, client: "Client") -> None:
        """Binds the operations to a client."""
        self.get = client.bind(get_task_run.build)
        """Gets one task run by its id."""
        self.get_if_changed = client.bind(get_task_run.build_if_changed)
        """Gets one task run; None if it still has the ETag `if_none_match`: `"{version}.{sequence}"`."""
        self.list = client.bind_list(list_task_runs.build)
        """Lists the task runs of all flow runs, newest first."""
        self.list_fields = client.bind_list(list_task_run_fields.build)
        """Lists the task runs of all flow runs with only some of their members."""
        self.aggregate = client.bind(aggregate_task_runs.build)
        """Counts task runs and measures them, all or by groups."""
        self.result = client.bind(get_task_run_result.build)
        """Says where the result of a task run is; of a mapped parent, where those of its children are."""
        self.states = client.bind_list(list_task_run_states.build)
        """Lists the states that a task run had, oldest first."""
        self.attempts = client.bind(get_task_run_attempts.build)
        """Gets the attempts of a task run, oldest first, and the time that it was running."""
        self.neighbours = client.bind(get_task_run_neighbours.build)
        """Gets the task runs beside a task run: in its map, in earlier flow runs, upstream and downstream."""
        self.artifacts = client.bind_list(list_task_run_artifacts.build)
        """Lists the artifacts of a task run, oldest first."""
        self.logs = client.bind_list(list_task_run_logs.build)
        """Lists the log lines of a task run, oldest first."""
        self.set_state = client.bind(set_task_run_state.build, _identify)
        """Reports a state that a task run has come to."""
        self.set_states = client.bind(set_task_run_states.build, _identify_states)
        """Reports states of up to 1,000 task runs."""
        self.update = client.bind(update_task_run.build, _may_repeat_update)
        """Changes the name or the tags of a task run."""


class FlowRuns:
    """`client.flow_runs`: the operations on flow runs."""

    def __init__(self, client: "Client") -> None:
        """Binds the operations to a client."""
        self.create = client.bind(create_flow_run.build, _identify)
        """Creates a flow run, or finds the one that has this id or idempotency key."""
        self.get = client.bind(get_flow_run.build)
        """Gets one flow run by its id."""
        self.get_if_changed = client.bind(get_flow_run.build_if_changed)
        """Gets one flow run; None if it still has the ETag `if_none_match`, which is its sequence in quotes."""
        self.list = client.bind_list(list_flow_runs.build)
        """Lists flow runs, newest first."""
        self.list_fields = client.bind_list(list_flow_run_fields.build)
        """Lists flow runs with only some of their members."""
        self.aggregate = client.bind(aggregate_flow_runs.build)
        """Counts flow runs and measures them, all or by groups."""
        self.delete = client.bind(delete_flow_run.build)
        """Deletes a flow run with its task runs and their states."""
        self.states = client.bind_list(list_flow_run_states.build)
        """Lists the states that a flow run had, oldest first."""
        self.set_state = client.bind(set_flow_run_state.build, _identify)
        """Reports a state that a flow run has come to."""
        self.task_runs = client.bind_list(list_flow_run_task_runs.build)
        """Lists the task runs of a flow run in the order in which they were made."""
        self.task_runs_fields = client.bind_list(list_flow_run_task_run_fields.build)
        """Lists the task runs of a flow run with only some of their members."""
        self.task_runs_if_changed = client.bind(list_flow_run_task_runs.build_if_changed)
        """Gets the first page of the task runs of a flow run; None if it still has the ETag `if_none_match`."""
        self.tasks = client.bind(get_flow_run_tasks.build)
        """Gets the tasks of a flow run, each with what there is to know of all its task runs."""
        self.tasks_if_changed = client.bind(get_flow_run_tasks.build_if_changed)
        """Gets the tasks of a flow run; None if it still has the ETag `if_none_match`: its sequence in quotes."""
        self.timeline = client.bind(get_flow_run_timeline.build)
        """Gets when the task runs of a flow run waited and ran, in columns."""
        self.timeline_if_changed = client.bind(get_flow_run_timeline.build_if_changed)
        """Gets the timeline of a flow run; None if it still has the ETag `if_none_match`: its sequence in quotes."""
        self.report = client.bind(report_task_runs.build, _identify_reports)
        """Reports up to 1,000 task runs of a flow run, with their states."""
        self.report_heartbeat = client.bind(report_flow_run_heartbeat.build, _may_repeat_heartbeat)
        """Reports that a process of a flow run is alive."""
        self.logs = client.bind_list(list_flow_run_logs.build)
        """Lists the log lines of a flow run and of its task runs, oldest first."""
        self.report_logs = client.bind(report_flow_run_logs.build, _may_repeat_lines)
        """Reports up to 1,000 log lines of a flow run and of its task runs."""
        self.events = FlowRunEvents(client)
        """Watches a flow run: yields its changes as they happen."""


class Service:
    """`client.service`: the service's health, readiness and OpenAPI document, and searches of all that it has."""

    def __init__(self, client: "Client") -> None:
        """Binds the operations to a client."""
        self.health = client.bind(get_health.build)
        """Says that the service runs, and which version."""
        self.readiness = client.bind(get_readiness.build)
        """Says that the service can reach its database; raises `NotReady` otherwise."""
        self.openapi = client.bind(get_openapi.build)
        """Gets the service's OpenAPI document."""
        self.documentation = client.bind(get_documentation.build)
        """Gets the service's documentation, a page of HTML."""
        self.search = client.bind(search_runs.build)
        """Finds runs by id, and flows, tasks and runs by the beginning of their names."""
        self.events = ServiceEvents(client)
        """Watches flow runs, and what all of them are doing."""


class AsyncTaskRuns:
    """`client.task_runs` of an AsyncClient: the operations on task runs, of one flow run or of all."""

    def __init__(self, client: "AsyncClient") -> None:
        """Binds the operations to a client."""
        self.get = client.bind(get_task_run.build)
        """Gets one task run by its id."""
        self.get_if_changed = client.bind(get_task_run.build_if_changed)
        """Gets one task run; None if it still has the ETag `if_none_match`: `"{version}.{sequence}"`."""
        self.list = client.bind_list(list_task_runs.build)
        """Lists the task runs of all flow runs, newest first."""
        self.list_fields = client.bind_list(list_task_run_fields.build)
        """Lists the task runs of all flow runs with only some of their members."""
        self.aggregate = client.bind(aggregate_task_runs.build)
        """Counts task runs and measures them, all or by groups."""
        self.result = client.bind(get_task_run_result.build)
        """Says where the result of a task run is; of a mapped parent, where those of its children are."""
        self.states = client.bind_list(list_task_run_states.build)
        """Lists the states that a task run had, oldest first."""
        self.attempts = client.bind(get_task_run_attempts.build)
        """Gets the attempts of a task run, oldest first, and the time that it was running."""
        self.neighbours = client.bind(get_task_run_neighbours.build)
        """Gets the task runs beside a task run: in its map, in earlier flow runs, upstream and downstream."""
        self.artifacts = client.bind_list(list_task_run_artifacts.build)
        """Lists the artifacts of a task run, oldest first."""
        self.logs = client.bind_list(list_task_run_logs.build)
        """Lists the log lines of a task run, oldest first."""
        self.set_state = client.bind(set_task_run_state.build, _identify)
        """Reports a state that a task run has come to."""
        self.set_states = client.bind(set_task_run_states.build, _identify_states)
        """Reports states of up to 1,000 task runs."""
        self.update = client.bind(update_task_run.build, _may_repeat_update)
        """Changes the name or the tags of a task run."""


class AsyncFlowRuns:
    """`client.flow_runs` of an AsyncClient: the operations on flow runs."""

    def __init__(self, client: "AsyncClient") -> None:
        """Binds the operations to a client."""
        self.create = client.bind(create_flow_run.build, _identify)
        """Creates a flow run, or finds the one that has this id or idempotency key."""
        self.get = client.bind(get_flow_run.build)
        """Gets one flow run by its id."""
        self.get_if_changed = client.bind(get_flow_run.build_if_changed)
        """Gets one flow run; None if it still has the ETag `if_none_match`, which is its sequence in quotes."""
        self.list = client.bind_list(list_flow_runs.build)
        """Lists flow runs, newest first."""
        self.list_fields = client.bind_list(list_flow_run_fields.build)
        """Lists flow runs with only some of their members."""
        self.aggregate = client.bind(aggregate_flow_runs.build)
        """Counts flow runs and measures them, all or by groups."""
        self.delete = client.bind(delete_flow_run.build)
        """Deletes a flow run with its task runs and their states."""
        self.states = client.bind_list(list_flow_run_states.build)
        """Lists the states that a flow run had, oldest first."""
        self.set_state = client.bind(set_flow_run_state.build, _identify)
        """Reports a state that a flow run has come to."""
        self.task_runs = client.bind_list(list_flow_run_task_runs.build)
        """Lists the task runs of a flow run in the order in which they were made."""
        self.task_runs_fields = client.bind_list(list_flow_run_task_run_fields.build)
        """Lists the task runs of a flow run with only some of their members."""
        self.task_runs_if_changed = client.bind(list_flow_run_task_runs.build_if_changed)
        """Gets the first page of the task runs of a flow run; None if it still has the ETag `if_none_match`."""
        self.tasks = client.bind(get_flow_run_tasks.build)
        """Gets the tasks of a flow run, each with what there is to know of all its task runs."""
        self.tasks_if_changed = client.bind(get_flow_run_tasks.build_if_changed)
        """Gets the tasks of a flow run; None if it still has the ETag `if_none_match`: its sequence in quotes."""
        self.timeline = client.bind(get_flow_run_timeline.build)
        """Gets when the task runs of a flow run waited and ran, in columns."""
        self.timeline_if_changed = client.bind(get_flow_run_timeline.build_if_changed)
        """Gets the timeline of a flow run; None if it still has the ETag `if_none_match`: its sequence in quotes."""
        self.report = client.bind(report_task_runs.build, _identify_reports)
        """Reports up to 1,000 task runs of a flow run, with their states."""
        self.report_heartbeat = client.bind(report_flow_run_heartbeat.build, _may_repeat_heartbeat)
        """Reports that a process of a flow run is alive."""
        self.logs = client.bind_list(list_flow_run_logs.build)
        """Lists the log lines of a flow run and of its task runs, oldest first."""
        self.report_logs = client.bind(report_flow_run_logs.build, _may_repeat_lines)
        """Reports up to 1,000 log lines of a flow run and of its task runs."""
        self.events = AsyncFlowRunEvents(client)
        """Watches a flow run: yields its changes as they happen."""


class AsyncService:
    """`client.service` of an AsyncClient: the service's health, readiness, and OpenAPI document."""

    def __init__(self, client: "AsyncClient") -> None:
        """Binds the operations to a client."""
        self.health = client.bind(get_health.build)
        """Says that the service runs, and which version."""
        self.readiness = client.bind(get_readiness.build)
        """Says that the service can reach its database; raises `NotReady` otherwise."""
        self.openapi = client.bind(get_openapi.build)
        """Gets the service's OpenAPI document."""
        self.documentation = client.bind(get_documentation.build)
        """Gets the service's documentation, a page of HTML."""
        self.search = client.bind(search_runs.build)
        """Finds runs by id, and flows, tasks and runs by the beginning of their names."""
        self.events = AsyncServiceEvents(client)
        """Watches flow runs, and what all of them are doing."""
