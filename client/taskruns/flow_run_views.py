"""`FlowRunView` and `AsyncFlowRunView`: a flow run as a Python object that leads to its task runs."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from msgspec import UNSET, UnsetType

from taskruns import notebooks
from taskruns.client import AsyncClient, Client, default_client
from taskruns.errors import NoSuchTaskRun
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.live.events import FlowRunChanged, FlowRunEvent
from taskruns.live.summaries import updated
from taskruns.models import FlowRun, FlowRunTasks, LogLevel, LogLine
from taskruns.pages import AsyncListing, Page
from taskruns.states import State
from taskruns.task_run_views import AsyncTaskRunView, TaskRunView
from taskruns.tracebacks import find_traceback, find_traceback_async

C = TypeVar("C", Client, AsyncClient)
V = TypeVar("V", TaskRunView, AsyncTaskRunView)


class TaskRunCache(Generic[V]):
    """The task runs of a flow run that were looked up, and how far its changes were read."""

    def __init__(self) -> None:
        """Nothing was looked up yet."""
        self._views: dict[UUID, V] = {}
        self._ids: dict[tuple[str, int], UUID] = {}
        self.sequence = 0
        """The last change of the flow run up to which all its task runs are here."""

    def keep(self, view: V) -> V:
        """Keeps a view, and gives the one that is kept: an older one that is as new may have its result loaded."""
        cached = self._views.get(view.task_run.id)
        if cached is not None and cached.task_run.sequence >= view.task_run.sequence:
            return cached
        self._views[view.task_run.id] = view
        self._ids[view.task_slug, view.map_index] = view.task_run.id
        return view

    def finished(self, task_run_id: UUID | str | None, task_slug: str | None, map_index: int) -> V | None:
        """The view of a task run that will not change any more, by its id or by its task's slug and its map index."""
        known = UUID(str(task_run_id)) if task_run_id is not None else self._ids.get((str(task_slug), map_index))
        view = None if known is None else self._views.get(known)
        return view if view is not None and view.state.is_finished() else None

    def all(self) -> list[V]:
        """All views, in the order in which their task runs were made."""
        return [self._views[task_run_id] for task_run_id in sorted(self._views)]

    def __len__(self) -> int:
        return sum(view.state.is_finished() for view in self._views.values())


class _FlowRunView(Generic[C, V]):
    __slots__ = ("_cache", "_client", "_flow_run", "_traceback")

    def __init__(self, flow_run: FlowRun, client: C, cache: TaskRunCache[V] | None = None) -> None:
        """A view of what the service answered; see `from_flow_run_id`."""
        self._flow_run = flow_run
        self._client: C = client
        self._cache: TaskRunCache[V] = TaskRunCache() if cache is None else cache
        self._traceback: str | UnsetType | None = UNSET

    @property
    def flow_run_id(self) -> str:
        """The id of the flow run."""
        return str(self._flow_run.id)

    @property
    def flow_id(self) -> str:
        """The id of the flow."""
        return str(self._flow_run.flow_id)

    @property
    def flow_name(self) -> str:
        """The name of the flow."""
        return self._flow_run.flow_name

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._flow_run.name

    @property
    def state(self) -> State:
        """The state it was in."""
        run = self._flow_run
        return State(run.state, run.state_message, run.state_timestamp)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters it was run with."""
        return self._flow_run.parameters

    @property
    def labels(self) -> list[str]:
        """Its labels."""
        return list(self._flow_run.labels)

    @property
    def start_time(self) -> datetime | None:
        """The time when the run was first Running."""
        return self._flow_run.start_time

    @property
    def end_time(self) -> datetime | None:
        """When it ended; None while it has not."""
        return self._flow_run.end_time

    @property
    def duration(self) -> float | None:
        """The number of seconds from start to end."""
        return self._flow_run.duration

    @property
    def run_time(self) -> float | None:
        """The number of seconds it was running, without waits for retries, pauses and restarts."""
        return self._flow_run.run_time

    @property
    def task_run_counts(self) -> Mapping[str, int]:
        """How many of its task runs were in each state."""
        return self._flow_run.task_run_counts

    @property
    def last_heartbeat(self) -> datetime | None:
        """The time of the last heartbeat, by the clock of the service's database; None if none came."""
        return self._flow_run.last_heartbeat

    @property
    def flow_run(self) -> FlowRun:
        """All that the service says of it."""
        return self._flow_run

    def __repr__(self) -> str:
        parts = (
            f"flow_run_id={self.flow_run_id!r}",
            f"name={self.name!r}",
            f"state={self.state!r}",
            f"labels={self.labels!r}",
            f"cached_task_runs={len(self._cache)}",
        )
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        names = (
            *("name", "flow_name", "state", "labels", "start_time", "end_time"),
            *("duration", "task_run_counts", "flow_run_id"),
        )
        return notebooks.record(type(self).__name__, {name: getattr(self, name) for name in names})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _FlowRunView):
            return NotImplemented
        return bool(self._flow_run.id == other._flow_run.id and self.state == other.state)

    def __hash__(self) -> int:
        return hash((self._flow_run.id, self.state))

    def _changed(self, event: FlowRunEvent) -> FlowRun | None:
        """The flow run after an event; None if it is no later than the view."""
        if isinstance(event, FlowRunChanged) and event.flow_run.sequence > self._flow_run.sequence:
            return updated(self._flow_run, event.flow_run)
        return None

    def _own(self, view: V) -> V:
        """Keeps the view of a task run, if it is one of this flow run."""
        if view.task_run.flow_run_id != self._flow_run.id:
            raise NoSuchTaskRun(f"The task run {view.task_run_id} belongs to the flow run {view.flow_run_id}.")
        return self._cache.keep(view)


class FlowRunView(_FlowRunView[Client, TaskRunView]):
    """A flow run at the time of the look-up. A view does not change; `get_latest` returns a new one.

    It caches finished task runs, and requests the others again. Two views are equal if they show the same flow run in
    the same state.
    """

    __slots__ = ()

    @classmethod
    def from_flow_run_id(cls, flow_run_id: UUID | str, *, client: Client | None = None) -> Self:
        """Looks up a flow run by its id. Without `client`, the service is the one in the environment.

        Raises:
            FlowRunNotFound: If it does not exist.
        """
        client = client or default_client()
        return cls(client.flow_runs.get(flow_run_id), client)

    @property
    def traceback(self) -> str | None:
        """The traceback of the error that led to this Failed or Retrying state; None if the state has none.

        The first access requests it.
        """
        if self._traceback is UNSET:
            self._traceback = find_traceback(self._flow_run, self._client.flow_runs.states)
        return self._traceback

    def get_latest(self) -> Self:
        """Looks up the flow run again and returns the new view, which keeps the cached task runs."""
        return type(self)(self._client.flow_runs.get(self._flow_run.id), self._client, self._cache)

    def get_logs(
        self,
        *,
        level: LogLevel | str | None = None,
        after: datetime | None = None,
        contains: str | None = None,
        newest_first: bool = False,
    ) -> Page[LogLine]:
        """Lists the log lines of this flow run and of its task runs, oldest first.

        Further pages are requested on demand.

        Args:
            level: Only lines with this level or a more severe one: DEBUG, INFO, WARNING, ERROR, or CRITICAL.
            after: Only lines after this time.
            contains: Only lines with this text in their message, ignoring case.
            newest_first: Whether to list the newest line first.
        """
        return self._client.flow_runs.logs(
            self._flow_run.id,
            level=level,
            after=after,
            contains=contains,
            sort="-timestamp" if newest_first else "timestamp",
            limit=MAX_PAGE_SIZE,
        )

    def get_task_run(
        self, task_slug: str | None = None, *, task_run_id: UUID | str | None = None, map_index: int = -1
    ) -> TaskRunView:
        """Returns a task run of this flow run, by its id, or by the slug of its task (and the map index of a child).

        Raises:
            NoSuchTaskRun: If the flow run has no such task run.
            TaskRunNotFound: If there is no task run with this id.
        """
        if (cached := self._cache.finished(task_run_id, task_slug, map_index)) is not None:
            return cached
        if task_run_id is not None:
            return self._own(TaskRunView.from_task_run_id(task_run_id, client=self._client))
        if task_slug is None:
            raise TypeError("get_task_run needs a task_slug or a task_run_id.")
        return self._own(TaskRunView.from_task_slug(task_slug, self._flow_run.id, map_index, client=self._client))

    def get_all_task_runs(self) -> list[TaskRunView]:
        """Returns all task runs of this flow run in the order of their creation; requests only those that changed."""
        changed = self._client.flow_runs.task_runs(
            self._flow_run.id, sort="sequence", after_sequence=self._cache.sequence, limit=MAX_PAGE_SIZE
        )
        for task_run in changed:
            self._cache.keep(TaskRunView(task_run, self._client))
            self._cache.sequence = task_run.sequence
        return self._cache.all()

    def get_task_run_ids(self) -> list[str]:
        """Returns the ids of all task runs of this flow run, in the order of their creation."""
        listed = self._client.flow_runs.task_runs_fields(self._flow_run.id, fields=["id"], limit=MAX_PAGE_SIZE)
        return [str(task_run.id) for task_run in listed]

    def get_tasks(self) -> FlowRunTasks:
        """Requests the tasks of the flow run, up to now, each with what there is to know of all its task runs."""
        return self._client.flow_runs.tasks(self._flow_run.id)

    def watch(self, interval: float = 1.0) -> Iterator[Self]:
        """Yields this view and a new one for each observed change, until the flow run is finished.

        Args:
            interval: The seconds between two look-ups, where the service cannot send changes as they happen.
        """
        view = self
        yield view
        if view.state.is_finished():
            return
        with self._client.flow_runs.events(self._flow_run.id, interval=interval) as events:
            for event in events:
                if (changed := view._changed(event)) is not None:
                    view = type(self)(changed, self._client, self._cache)
                    yield view
                    if view.state.is_finished():
                        return


class AsyncFlowRunView(_FlowRunView[AsyncClient, AsyncTaskRunView]):
    """A flow run at the time of the look-up, for asyncio. A view does not change; `get_latest` returns a new one.

    It caches finished task runs, and requests the others again. Two views are equal if they show the same flow run in
    the same state.
    """

    __slots__ = ()

    @classmethod
    async def from_flow_run_id(cls, flow_run_id: UUID | str, *, client: AsyncClient) -> Self:
        """Looks up a flow run by its id.

        Raises:
            FlowRunNotFound: If it does not exist.
        """
        return cls(await client.flow_runs.get(flow_run_id), client)

    async def get_traceback(self) -> str | None:
        """Returns the traceback of the error that led to this Failed or Retrying state; None if the state has none."""
        if self._traceback is UNSET:
            self._traceback = await find_traceback_async(self._flow_run, self._client.flow_runs.states)
        return self._traceback

    async def get_latest(self) -> Self:
        """Looks up the flow run again and returns the new view, which keeps the cached task runs."""
        return type(self)(await self._client.flow_runs.get(self._flow_run.id), self._client, self._cache)

    def get_logs(
        self,
        *,
        level: LogLevel | str | None = None,
        after: datetime | None = None,
        contains: str | None = None,
        newest_first: bool = False,
    ) -> AsyncListing[LogLine]:
        """Lists the log lines of this flow run and of its task runs, oldest first.

        Arguments are those of `FlowRunView.get_logs`.
        """
        return self._client.flow_runs.logs(
            self._flow_run.id,
            level=level,
            after=after,
            contains=contains,
            sort="-timestamp" if newest_first else "timestamp",
            limit=MAX_PAGE_SIZE,
        )

    async def get_task_run(
        self, task_slug: str | None = None, *, task_run_id: UUID | str | None = None, map_index: int = -1
    ) -> AsyncTaskRunView:
        """Returns a task run of this flow run, by its id, or by the slug of its task (and the map index of a child).

        Raises:
            NoSuchTaskRun: If the flow run has no such task run.
            TaskRunNotFound: If there is no task run with this id.
        """
        if (cached := self._cache.finished(task_run_id, task_slug, map_index)) is not None:
            return cached
        if task_run_id is not None:
            return self._own(await AsyncTaskRunView.from_task_run_id(task_run_id, client=self._client))
        if task_slug is None:
            raise TypeError("get_task_run needs a task_slug or a task_run_id.")
        return self._own(
            await AsyncTaskRunView.from_task_slug(task_slug, self._flow_run.id, map_index, client=self._client)
        )

    async def get_all_task_runs(self) -> list[AsyncTaskRunView]:
        """Returns all task runs of this flow run in the order of their creation; requests only those that changed."""
        changed = self._client.flow_runs.task_runs(
            self._flow_run.id, sort="sequence", after_sequence=self._cache.sequence, limit=MAX_PAGE_SIZE
        )
        async for task_run in changed:
            self._cache.keep(AsyncTaskRunView(task_run, self._client))
            self._cache.sequence = task_run.sequence
        return self._cache.all()

    async def get_task_run_ids(self) -> list[str]:
        """Returns the ids of all task runs of this flow run, in the order of their creation."""
        listed = self._client.flow_runs.task_runs_fields(self._flow_run.id, fields=["id"], limit=MAX_PAGE_SIZE)
        return [str(task_run.id) async for task_run in listed]

    async def get_tasks(self) -> FlowRunTasks:
        """Requests the tasks of the flow run, up to now, each with what there is to know of all its task runs."""
        return await self._client.flow_runs.tasks(self._flow_run.id)

    async def watch(self, interval: float = 1.0) -> AsyncIterator[Self]:
        """Yields this view and a new one for each observed change, until the flow run is finished.

        Args:
            interval: The seconds between two look-ups, where the service cannot send changes as they happen.
        """
        view = self
        yield view
        if view.state.is_finished():
            return
        async with self._client.flow_runs.events(self._flow_run.id, interval=interval) as events:
            async for event in events:
                if (changed := view._changed(event)) is not None:
                    view = type(self)(changed, self._client, self._cache)
                    yield view
                    if view.state.is_finished():
                        return
