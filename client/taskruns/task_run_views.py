"""`TaskRunView` and `AsyncTaskRunView`: a task run as a Python object that can load what the task returned."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from anyio.to_thread import run_sync
from msgspec import UNSET, UnsetType

from taskruns import notebooks, results
from taskruns.client import AsyncClient, Client, default_client
from taskruns.errors import NoSuchTaskRun
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.mapped_results import Missing, check_missing, in_places, kept_reference, load_children
from taskruns.models import Artifact, ChildResult, LogLevel, LogLine, TaskRun, TaskRunAttempts, TaskRunNeighbours
from taskruns.pages import AsyncListing, Page, Turns
from taskruns.states import State
from taskruns.tracebacks import find_traceback, find_traceback_async

T = TypeVar("T")
C = TypeVar("C", Client, AsyncClient)


class _Absent:
    """Says of a result that it was not loaded."""

    def __repr__(self) -> str:
        return "<not loaded>"


_NOT_LOADED = _Absent()


class _TaskRunView(Generic[C]):
    """A task run at the time of the look-up. A view does not change; `get_latest` returns a new one.

    Two views are equal if they show the same task run in the same state.
    """

    __slots__ = ("_client", "_result", "_task_run", "_traceback")

    def __init__(self, task_run: TaskRun, client: C) -> None:
        """A view of what the service answered; see `from_task_run_id` and `from_task_slug`."""
        self._task_run = task_run
        self._client: C = client
        self._result: object = _NOT_LOADED
        self._traceback: str | UnsetType | None = UNSET

    @property
    def task_run_id(self) -> str:
        """The id of the task run."""
        return str(self._task_run.id)

    @property
    def task_id(self) -> str:
        """The id of the task, which is the same in every run of the flow."""
        return str(self._task_run.task_id)

    @property
    def task_slug(self) -> str:
        """The slug that identifies the task within its flow."""
        return self._task_run.task_slug

    @property
    def name(self) -> str | None:
        """The name of the task run, if it was given one."""
        return self._task_run.name

    @property
    def map_index(self) -> int:
        """-1, or for the child of a mapped task run the index of its item, from 0."""
        return self._task_run.map_index

    @property
    def flow_run_id(self) -> str:
        """The id of the flow run."""
        return str(self._task_run.flow_run_id)

    @property
    def state(self) -> State:
        """The state it was in."""
        run = self._task_run
        return State(run.state, run.state_message, run.state_timestamp)

    @property
    def start_time(self) -> datetime | None:
        """The time when the run was first Running."""
        return self._task_run.start_time

    @property
    def end_time(self) -> datetime | None:
        """When it ended; None while it has not."""
        return self._task_run.end_time

    @property
    def duration(self) -> float | None:
        """The number of seconds from start to end."""
        return self._task_run.duration

    @property
    def run_time(self) -> float | None:
        """The number of seconds it was running, without waits for retries, pauses and restarts."""
        return self._task_run.run_time

    @property
    def task_run(self) -> TaskRun:
        """All that the service says of it."""
        return self._task_run

    def __repr__(self) -> str:
        parts = (
            f"task_run_id={self.task_run_id!r}",
            f"task_id={self.task_id!r}",
            f"task_slug={self.task_slug!r}",
            f"state={self.state!r}",
            f"result={self._result!r}",
        )
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        names = ("task_slug", "map_index", "state", "start_time", "end_time", "duration", "task_run_id", "flow_run_id")
        return notebooks.record(type(self).__name__, {name: getattr(self, name) for name in names})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _TaskRunView):
            return NotImplemented
        return self._task_run.id == other._task_run.id and self.state == other.state

    def __hash__(self) -> int:
        return hash((self._task_run.id, self.state))

    def _keep(self, result: T, children: Sequence[ChildResult | None]) -> T:
        """Keeps a result to give it again, unless some of it is missing."""
        if all(kept_reference(child) is not None for child in children):
            self._result = result
        return result


class TaskRunView(_TaskRunView[Client]):
    """A task run at the time of the look-up. A view does not change; `get_latest` returns a new one.

    Two views are equal if they show the same task run in the same state.
    """

    __slots__ = ()

    @classmethod
    def from_task_run_id(cls, task_run_id: UUID | str, *, client: Client | None = None) -> Self:
        """Looks up a task run by its id. Without `client`, the service is the one in the environment.

        Raises:
            TaskRunNotFound: If it does not exist.
        """
        client = client or default_client()
        return cls(client.task_runs.get(task_run_id), client)

    @classmethod
    def from_task_slug(
        cls, task_slug: str, flow_run_id: UUID | str, map_index: int = -1, *, client: Client | None = None
    ) -> Self:
        """Looks up a task run by its flow run, the slug of its task and, for a mapped child, its map index.

        Raises:
            FlowRunNotFound: If the flow run does not exist.
            NoSuchTaskRun: If it has no such task run.
        """
        client = client or default_client()
        page = client.flow_runs.task_runs(flow_run_id, task_slug=[task_slug], map_index=[map_index], limit=1)
        return cls(_expect_task_run(page.items, task_slug, flow_run_id, map_index), client)

    @property
    def traceback(self) -> str | None:
        """The traceback of the error that led to this Failed or Retrying state; None if the state has none.

        The first access requests it.
        """
        if self._traceback is UNSET:
            self._traceback = find_traceback(self._task_run, self._client.task_runs.states)
        return self._traceback

    def get_attempts(self) -> TaskRunAttempts:
        """Requests the attempts of the task run, up to now: `items`, oldest first, and their total `run_time`."""
        return self._client.task_runs.attempts(self._task_run.id)

    def get_neighbours(self) -> TaskRunNeighbours:
        """Requests the task runs beside it: in its map, in earlier flow runs, upstream and downstream."""
        return self._client.task_runs.neighbours(self._task_run.id)

    def get_artifacts(self) -> Page[Artifact]:
        """Lists the artifacts of this task run, oldest first. Further pages are requested on demand."""
        return self._client.task_runs.artifacts(self._task_run.id, limit=MAX_PAGE_SIZE)

    def get_latest(self) -> Self:
        """Looks up the task run again and returns the new view."""
        return type(self)(self._client.task_runs.get(self._task_run.id), self._client)

    def get_logs(
        self,
        *,
        level: LogLevel | str | None = None,
        after: datetime | None = None,
        contains: str | None = None,
        newest_first: bool = False,
    ) -> Page[LogLine]:
        """Lists the log lines of this task run, oldest first.

        Further pages are requested on demand.

        Args:
            level: Only lines with this level or a more severe one: DEBUG, INFO, WARNING, ERROR, or CRITICAL.
            after: Only lines after this time.
            contains: Only lines with this text in their message, ignoring case.
            newest_first: Whether to list the newest line first.
        """
        return self._client.task_runs.logs(
            self._task_run.id,
            level=level,
            after=after,
            contains=contains,
            sort="-timestamp" if newest_first else "timestamp",
            limit=MAX_PAGE_SIZE,
        )

    def iter_mapped(self) -> Iterator[Self]:
        """Yields views of the children of a mapped task run, in the order of their map indexes; maybe none."""
        if self.map_index == -1:
            for child in self._client.flow_runs.task_runs(
                self._task_run.flow_run_id,
                task_slug=[self.task_slug],
                is_mapped_child=True,
                sort="map_index",
                limit=MAX_PAGE_SIZE,
            ):
                yield type(self)(child, self._client)

    def get_result(
        self, *, missing: Missing = "raise", trust: bool = False, max_bytes: int = results.DEFAULT_MAX_BYTES
    ) -> Any:
        """Returns what the task returned; for a mapped task run, a list of what its children returned.

        It is loaded once.

        Args:
            missing: What to do about children without a result, and about missing children with a map index below the
                highest: "raise", or "none" for None in their place.
            trust: Whether to load it even if that can run code of its author. Results below TASKRUNS_TRUSTED_RESULTS,
                and those written as JSON, need no trust.
            max_bytes: The maximum size of one result.

        Raises:
            ResultNotReady: If the task run is not finished.
            NoResultType: If it failed, its task stores no result, or the result could not be stored.
            ResultNotPersisted: If its result was not stored.
            ChildMissing, ChildNotReady, ChildWithoutResult: If a child is missing or has no result.
            ResultError: If it cannot be read or is not trusted; see `taskruns.results`.
        """
        check_missing(missing)
        if self._result is not _NOT_LOADED:
            return self._result
        load = partial(results.load, trust=trust, max_bytes=max_bytes)
        answer = self._client.task_runs.result(self._task_run.id, limit=MAX_PAGE_SIZE)
        if answer.reference is not None:
            return self._keep(load(answer.reference), [])
        children = list(answer.children or ())
        turns = Turns()
        while answer.next_cursor is not None:
            turns = turns.after(answer.next_cursor)
            answer = self._client.task_runs.result(self._task_run.id, limit=MAX_PAGE_SIZE, cursor=answer.next_cursor)
            children += answer.children or ()
        places = in_places(self.task_slug, children)
        return self._keep(load_children(self.task_slug, places, missing, load), places)


class AsyncTaskRunView(_TaskRunView[AsyncClient]):
    """A task run at the time of the look-up, for asyncio. A view does not change; `get_latest` returns a new one.

    Two views are equal if they show the same task run in the same state.
    """

    __slots__ = ()

    @classmethod
    async def from_task_run_id(cls, task_run_id: UUID | str, *, client: AsyncClient) -> Self:
        """Looks up a task run by its id; raises as that of `TaskRunView`."""
        return cls(await client.task_runs.get(task_run_id), client)

    @classmethod
    async def from_task_slug(
        cls, task_slug: str, flow_run_id: UUID | str, map_index: int = -1, *, client: AsyncClient
    ) -> Self:
        """Looks up a task run by its flow run, slug, and map index; raises as that of `TaskRunView`."""
        page = await client.flow_runs.task_runs(flow_run_id, task_slug=[task_slug], map_index=[map_index], limit=1)
        return cls(_expect_task_run(page.items, task_slug, flow_run_id, map_index), client)

    async def get_traceback(self) -> str | None:
        """Returns the traceback of the error that led to this Failed or Retrying state; None if the state has none."""
        if self._traceback is UNSET:
            self._traceback = await find_traceback_async(self._task_run, self._client.task_runs.states)
        return self._traceback

    async def get_attempts(self) -> TaskRunAttempts:
        """Requests the attempts of the task run, up to now: `items`, oldest first, and their total `run_time`."""
        return await self._client.task_runs.attempts(self._task_run.id)

    async def get_neighbours(self) -> TaskRunNeighbours:
        """Requests the task runs beside it: in its map, in earlier flow runs, upstream and downstream."""
        return await self._client.task_runs.neighbours(self._task_run.id)

    def get_artifacts(self) -> AsyncListing[Artifact]:
        """Lists the artifacts of this task run, oldest first. Further pages are requested on demand."""
        return self._client.task_runs.artifacts(self._task_run.id, limit=MAX_PAGE_SIZE)

    async def get_latest(self) -> Self:
        """Looks up the task run again and returns the new view."""
        return type(self)(await self._client.task_runs.get(self._task_run.id), self._client)

    def get_logs(
        self,
        *,
        level: LogLevel | str | None = None,
        after: datetime | None = None,
        contains: str | None = None,
        newest_first: bool = False,
    ) -> AsyncListing[LogLine]:
        """Lists the log lines of this task run, oldest first.

        Arguments are those of `TaskRunView.get_logs`.
        """
        return self._client.task_runs.logs(
            self._task_run.id,
            level=level,
            after=after,
            contains=contains,
            sort="-timestamp" if newest_first else "timestamp",
            limit=MAX_PAGE_SIZE,
        )

    async def iter_mapped(self) -> AsyncIterator[Self]:
        """Yields views of the children of a mapped task run, in the order of their map indexes; maybe none."""
        if self.map_index == -1:
            async for child in self._client.flow_runs.task_runs(
                self._task_run.flow_run_id,
                task_slug=[self.task_slug],
                is_mapped_child=True,
                sort="map_index",
                limit=MAX_PAGE_SIZE,
            ):
                yield type(self)(child, self._client)

    async def get_result(
        self, *, missing: Missing = "raise", trust: bool = False, max_bytes: int = results.DEFAULT_MAX_BYTES
    ) -> Any:
        """Returns what the task returned, loaded in a thread.

        Arguments and errors are those of `TaskRunView.get_result`.
        """
        check_missing(missing)
        if self._result is not _NOT_LOADED:
            return self._result
        load = partial(results.load, trust=trust, max_bytes=max_bytes)
        answer = await self._client.task_runs.result(self._task_run.id, limit=MAX_PAGE_SIZE)
        if answer.reference is not None:
            return self._keep(await run_sync(load, answer.reference), [])
        children = list(answer.children or ())
        turns = Turns()
        while answer.next_cursor is not None:
            turns = turns.after(answer.next_cursor)
            answer = await self._client.task_runs.result(
                self._task_run.id, limit=MAX_PAGE_SIZE, cursor=answer.next_cursor
            )
            children += answer.children or ()
        places = in_places(self.task_slug, children)
        return self._keep(await run_sync(load_children, self.task_slug, places, missing, load), places)


def _expect_task_run(items: Sequence[TaskRun], task_slug: str, flow_run_id: UUID | str, map_index: int) -> TaskRun:
    if not items:
        which = f"slug {task_slug!r} and the map index {map_index}"
        raise NoSuchTaskRun(f"The flow run {flow_run_id} has no task run with the {which}.")
    return items[0]
