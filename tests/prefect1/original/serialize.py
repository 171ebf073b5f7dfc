"""Serializes prefect's objects as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prefect.backend import FlowRunView, TaskRunView
from prefect.engine.state import State


def state(prefect_state: State) -> list[Any]:
    """The type and the message of a state."""
    return [type(prefect_state).__name__, prefect_state.message]


def task_run(view: TaskRunView) -> dict[str, Any]:
    """All that a view of a task run has, but for the id of its task."""
    return {
        "task_run_id": view.task_run_id,
        "flow_run_id": view.flow_run_id,
        "task_slug": view.task_slug,
        "map_index": view.map_index,
        "name": view.name,
        "state": state(view.state),
    }


def states(views: Iterable[TaskRunView]) -> dict[str, str]:
    """The types of the states of task runs, by slug and index."""
    types = {(view.task_slug, view.map_index): type(view.state).__name__ for view in views}
    return {slug if index < 0 else f"{slug}[{index}]": types[slug, index] for slug, index in sorted(types)}


def flow_run(view: FlowRunView) -> dict[str, Any]:
    """What a view of a flow run has, but for its ids and times."""
    return {
        "name": view.name,
        "state": state(view.state),
        "states": [state(passed) for passed in view.states],
        "labels": view.labels,
        "parameters": dict(view.parameters),
        "context": dict(view.context),
        "run_config": type(view.run_config).__name__,
        "updated last": view.updated_at >= view.states[-1].timestamp,
    }


def failure(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """The error that a call ends in, on one line; of an answer with errors their codes and messages."""
    try:
        returned = call(*arguments, **options)
    except BaseException as error:  # prefect's signals are no Exceptions
        name, message = type(error).__name__, error.args[0] if error.args else ""
        if isinstance(message, list):
            return "; ".join(f"{name}: {item['extensions']['code']}: {item['message']}" for item in message)
        text = " ".join(str(message).partition("The GraphQL query was")[0].split())
        before, refused, after = text.partition("The following error messages were provided by the GraphQL server: ")
        return f"{name}: {before.split()[0]}: {after}" if refused else f"{name}: {text}"
    return f"returned {returned!r}"
