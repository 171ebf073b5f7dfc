"""The methods of the clients that return streams of events."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from math import inf
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from taskruns.client import AsyncClient, Client
    from taskruns.live.events import FlowRunEvent, ServiceEvent
    from taskruns.live.streams import AsyncEventStream, EventStream

# The rest is imported when it is first called, so that nobody waits for what they do not use.


class FlowRunEvents:
    """`client.flow_runs.events`."""

    __name__ = "watch_flow_run"
    """The operation's id in the service's document."""

    def __init__(self, client: "Client") -> None:
        """Binds the operation to a client."""
        self._client = client
        _describe(self, FlowRunEvents.__call__)

    def __call__(
        self,
        flow_run_id: UUID | str,
        *,
        after_sequence: int | None = None,
        last_event_id: str | None = None,
        task_slug: str | Sequence[str] = (),
        logs: bool = False,
        interval: float = 1.0,
        patience: float = 300.0,
        timeout: float = inf,
    ) -> "EventStream[FlowRunEvent]":
        """Watches a flow run: yields its changes as they happen, each once, and connects again when it has to.

        The iterator ends 10 minutes after the flow run and all its task runs are finished, if nothing changes, or after
        `timeout`. Where the service, or a proxy, has no stream to give, it polls.

        Args:
            flow_run_id: The id of the flow run.
            after_sequence: Begin with all changes after this sequence. Default: begin with the flow run as it is.
            last_event_id: Resume after this event of another stream.
            task_slug: Only task runs with any of these task slugs.
            logs: Whether to yield new log lines as well, those of the flow run and of all its task runs.
            interval: The seconds between two polls.
            patience: The seconds that the service may be unavailable once it was reached.
            timeout: The seconds after which the iterator ends.

        Raises:
            InvalidArgument: If an argument is not valid, or the position is given twice.
            FlowRunNotFound: If the flow run does not exist, or is deleted; raised by the iterator, as the following.
            SequenceUnknown: If the flow run never had the position, as after its database was restored.
            Unauthenticated: If the API key is not valid, or is revoked.
            ConnectionFailed: If the service is unavailable for longer than `patience`.
        """
        from taskruns.live.feed import Limits
        from taskruns.live.flow_runs import FlowRunSource, position_of
        from taskruns.live.streams import EventStream

        source = FlowRunSource(flow_run_id, position_of(after_sequence, last_event_id), task_slug, logs=logs)
        return EventStream(self._client, source, Limits(interval=interval, patience=patience, timeout=timeout))


class ServiceEvents:
    """`client.service.events`."""

    __name__ = "watch_flow_runs"
    """The operation's id in the service's document."""

    def __init__(self, client: "Client") -> None:
        """Binds the operation to a client."""
        self._client = client
        _describe(self, ServiceEvents.__call__)

    def __call__(
        self,
        *,
        flow_run_id: UUID | str | Sequence[UUID | str] = (),
        now: bool = False,
        interval: float = 1.0,
        patience: float = 300.0,
        timeout: float = inf,
    ) -> "EventStream[ServiceEvent]":
        """Watches flow runs without their task runs: yields each as it is, and again when it has changed.

        A flow run that does not exist, or is deleted, has no events. Where the service, or a proxy, has no stream to
        give, it polls, unless you want `now`.

        Args:
            flow_run_id: The ids of the flow runs, at most 100.
            now: Whether to yield what all flow runs are doing, at most once a second. Always, if you name no flow run.
            interval: The seconds between two polls.
            patience: The seconds that the service may be unavailable once it was reached.
            timeout: The seconds after which the iterator ends.

        Raises:
            InvalidArgument: If there are more than 100 flow runs.
            Unauthenticated: If the API key is not valid, or is revoked; raised by the iterator, as the following.
            ConnectionFailed: If the service is unavailable for longer than `patience`.
        """
        from taskruns.live.feed import Limits
        from taskruns.live.service import ServiceSource
        from taskruns.live.streams import EventStream

        limits = Limits(interval=interval, patience=patience, timeout=timeout)
        return EventStream(self._client, ServiceSource(flow_run_id, now=now), limits)


class AsyncFlowRunEvents:
    """`client.flow_runs.events` of an AsyncClient."""

    __name__ = "watch_flow_run"
    """The operation's id in the service's document."""

    def __init__(self, client: "AsyncClient") -> None:
        """Binds the operation to a client."""
        self._client = client
        _describe(self, FlowRunEvents.__call__)

    def __call__(
        self,
        flow_run_id: UUID | str,
        *,
        after_sequence: int | None = None,
        last_event_id: str | None = None,
        task_slug: str | Sequence[str] = (),
        logs: bool = False,
        interval: float = 1.0,
        patience: float = 300.0,
        timeout: float = inf,
    ) -> "AsyncEventStream[FlowRunEvent]":
        """Watches a flow run: arguments and errors are those of `FlowRunEvents`."""
        from taskruns.live.feed import Limits
        from taskruns.live.flow_runs import FlowRunSource, position_of
        from taskruns.live.streams import AsyncEventStream

        source = FlowRunSource(flow_run_id, position_of(after_sequence, last_event_id), task_slug, logs=logs)
        return AsyncEventStream(self._client, source, Limits(interval=interval, patience=patience, timeout=timeout))


class AsyncServiceEvents:
    """`client.service.events` of an AsyncClient."""

    __name__ = "watch_flow_runs"
    """The operation's id in the service's document."""

    def __init__(self, client: "AsyncClient") -> None:
        """Binds the operation to a client."""
        self._client = client
        _describe(self, ServiceEvents.__call__)

    def __call__(
        self,
        *,
        flow_run_id: UUID | str | Sequence[UUID | str] = (),
        now: bool = False,
        interval: float = 1.0,
        patience: float = 300.0,
        timeout: float = inf,
    ) -> "AsyncEventStream[ServiceEvent]":
        """Watches flow runs: arguments and errors are those of `ServiceEvents`."""
        from taskruns.live.feed import Limits
        from taskruns.live.service import ServiceSource
        from taskruns.live.streams import AsyncEventStream

        limits = Limits(interval=interval, patience=patience, timeout=timeout)
        return AsyncEventStream(self._client, ServiceSource(flow_run_id, now=now), limits)


def _describe(method: object, function: Callable[..., object]) -> None:
    """Gives a method the signature and the documentation of a function, as those that are generated have them."""
    vars(method).update(__doc__=function.__doc__, __signature__=_signature(function))


@cache
def _signature(function: Callable[..., object]) -> inspect.Signature:
    signature = inspect.signature(function)
    _, *parameters = signature.parameters.values()
    return signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
