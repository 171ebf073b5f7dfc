"""Records a flow run: `with flow_run("etl") as run:` makes one, and tasks that are called inside report to it."""

import os
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Final, Self
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from anyio.to_thread import run_sync
from msgspec import UNSET
from msgspec.structs import replace

from taskruns.client import Client, default_client
from taskruns.flow_run_views import FlowRunView
from taskruns.models import StateCreate, StateType
from taskruns.recording.bounds import MAX_MESSAGE_LENGTH, check_flow_run, safe_parameters, safe_repr, safe_text
from taskruns.recording.existing_flow_runs import RUNNING_MESSAGE, Entry, enter, flow_run_id_of, new_mark, parents_of
from taskruns.recording.futures import running_loop
from taskruns.recording.heartbeats import HEARTBEAT_SECONDS, heart_of
from taskruns.recording.ids import new_id_in
from taskruns.recording.log_capture import Capture
from taskruns.recording.outbox import outbox_of
from taskruns.recording.places import DEFAULT, Default, Places, ResultOption
from taskruns.recording.progress import TICK, TaskRunSpec, cancellation_message, is_cancellation
from taskruns.recording.reports import FlowRunCreated, FlowRunState, Report
from taskruns.recording.run_logs import LogOptions, RunLog, log_options
from taskruns.recording.slugs import TaskSlugs
from taskruns.recording.state_counts import StateCounts
from taskruns.recording.submissions import Submissions
from taskruns.recording.termination import TERMINATION_SECONDS, has_come, listen, listening_to_end
from taskruns.recording.tracebacks import traceback_details
from taskruns.results import LocalResult, Storage
from taskruns.type_aliases import Arguments, JsonObject

LOOK_SECONDS = 10.0
"""How long `view` waits for what was reported before it to be sent."""

_current: ContextVar["FlowRunRecorder | None"] = ContextVar("taskruns_flow_run", default=None)
_in_executor: ContextVar[bool] = ContextVar("taskruns_in_executor", default=False)
_recorders: WeakValueDictionary[UUID, "FlowRunRecorder"] = WeakValueDictionary()


def recording(recorder_id: UUID) -> "FlowRunRecorder | None":
    """A recorder of this process, while somebody refers to it."""
    return _recorders.get(recorder_id)


def current_flow_run() -> "FlowRunRecorder | None":
    """Returns the flow run that is being recorded here, if any."""
    run = _current.get()
    # A forked process has a copy, which counts the slugs of tasks as if it were the only one.
    return run if run is not None and run.process == os.getpid() else None


def flow_run(
    flow_name: str,
    *,
    name: str | None = None,
    parameters: Mapping[str, object] | None = None,
    labels: Sequence[str] = (),
    id: UUID | str | None = None,
    idempotency_key: str | None = None,
    executor: Executor | None = None,
    result: ResultOption = DEFAULT,
    capture_logs: bool = True,
    capture_prints: bool = False,
    log_level: int | str = "INFO",
    heartbeat: float | None = HEARTBEAT_SECONDS,
    client: Client | None = None,
) -> "FlowRunRecorder":
    """Records a run of a flow: tasks that are called inside its `with` block become its task runs.

    Use it as `with flow_run("etl") as run:`. Nothing inside waits for the service or fails because of it. At the end,
    the block waits for at most a few seconds until the service has received all reports; `async with` does so without
    blocking the event loop.

    Args:
        flow_name: The name of the flow, 1 to 255 characters.
        name: The name of this run. Default: the service generates one.
        parameters: The parameters of the run. Values that JSON cannot represent, such as NaN, are stored as their repr;
            values that are too large for the service are shortened.
        labels: The labels of the run.
        id: The id of an existing flow run to record into. If it is Running, the recorder that started it ends it;
            otherwise this block starts and ends it. It keeps its name, parameters, and labels.
        idempotency_key: As `id`, for the flow run with this key of this flow, which is created if it does not exist.
        executor: Where `map` and `submit` run tasks: threads, processes, or a Dask cluster. Default: here, in turn.
        result: The storage for the results of tasks that do not set their own; None: no storage.
        capture_logs: Whether to record what is logged inside the block, by the flow run itself and by its tasks.
        capture_prints: Whether to record what is printed as well, at the level INFO.
        log_level: The least severe level to record. The levels of the loggers themselves apply too.
        heartbeat: The seconds between two heartbeats. Without them (None), a run whose process dies stays Running.
        client: The client of the service to report to. Default: that of the environment.

    Raises:
        ValueError: If a name, a label, or a key does not have 1 to 255 characters, or contains some that databases do
            not store; if the id is not a UUID, both an id and a key are passed, or there is no such level or interval.
    """
    check_flow_run(flow_name, name, labels, idempotency_key, heartbeat)
    return FlowRunRecorder(
        FlowRunCreated(
            flow_run_id=flow_run_id_of(flow_name, id, idempotency_key),
            flow_name=flow_name,
            name=name,
            parameters=safe_parameters(parameters or {}),
            labels=list(labels),
            idempotency_key=idempotency_key,
        ),
        may_exist=not (id is None and idempotency_key is None),
        executor=executor,
        result=LocalResult() if isinstance(result, Default) else result,
        logs=log_options(capture=capture_logs, prints=capture_prints, level=log_level),
        heartbeat=heartbeat,
        client=client or default_client(),
    )


class FlowRunRecorder:
    """A flow run that is being recorded; see `flow_run`."""

    def __init__(
        self,
        created: FlowRunCreated,
        *,
        may_exist: bool,
        executor: Executor | None,
        result: Storage | None,
        logs: LogOptions,
        heartbeat: float | None,
        client: Client,
    ) -> None:
        """Nothing is reported before it is entered."""
        self._created, self._result = created, result
        self.logs: Final = logs
        """What is recorded of its log, and of those of its task runs unless their tasks say otherwise."""
        self._client = client
        self.heartbeat: Final = heartbeat
        """The seconds between two heartbeats; None: there are none."""
        self._outbox, self._heart = outbox_of(client), heart_of(client)
        self.slugs: Final = TaskSlugs()
        """The slugs of its task runs."""
        self.submissions: Final = Submissions()
        """What was submitted in it."""
        self._places = Places(client.options.url)
        self.recorder_id: Final = uuid4()
        """What this recorder is known by in its process."""
        _recorders[self.recorder_id] = self
        self._may_exist, self._reports_states = may_exist, True
        self._token: Token[FlowRunRecorder | None] | None = None
        self._latest = datetime.min.replace(tzinfo=UTC)
        self.process: Final = os.getpid()
        """The process that it is recorded in."""
        self._executor, self._state_counts = executor, StateCounts()
        self._is_entered = self._listens = False
        self._log: RunLog | None = None
        self._capture = ExitStack()

    @property
    def executor(self) -> Executor | None:
        """Where `map` and `submit` run tasks; None: here, one after another, as those of a task in the executor do.

        A nested submit would hold one worker slot while waiting for another: with all slots taken, a deadlock.
        """
        return None if _in_executor.get() else self._executor

    @property
    def id(self) -> UUID:
        """The id of the flow run."""
        return self._created.flow_run_id

    @property
    def flow_run_id(self) -> str:
        """The id of the flow run, as text."""
        return str(self.id)

    @property
    def url(self) -> str:
        """The URL of the service that it reports to."""
        return self._client.options.url

    def view(self) -> FlowRunView:
        """Returns the flow run as the service knows it, after it has received all reports so far.

        Raises:
            ConnectionFailed: If the service is unavailable.
        """
        self.flush()
        return FlowRunView.from_flow_run_id(self.id, client=self._client)

    def flush(self, seconds: float = LOOK_SECONDS) -> bool:
        """Waits at most this many seconds for the service to receive all reports so far; returns whether it has."""
        return self._outbox.flush(seconds)

    def emit(self, report: Report) -> None:
        """Reports the state of a task run, or a line of its log."""
        self._state_counts.add(report)
        self._outbox.put(report)

    def make_spec(
        self,
        task_slug: str,
        map_index: int = -1,
        *,
        task_name: str,
        tags: tuple[str, ...],
        max_retries: int,
        retry_delay: float,
        timeout: float | None,
        result: ResultOption,
        logs: LogOptions,
    ) -> TaskRunSpec:
        """Makes a task run, which is to be `announce`d.

        Raises:
            ValueError: If another task run keeps its result where this one would.
        """
        storage = self._result if isinstance(result, Default) else result
        created_at = datetime.now(UTC)
        task_run_id = new_id_in(self.id)
        fields: Arguments = {
            "date": created_at,
            "flow_name": self._created.flow_name,
            "flow_run_id": self.flow_run_id,
            "task_name": task_name,
            "task_run_id": str(task_run_id),
            "task_slug": task_slug,
            "map_index": map_index,
            "parameters": self._created.parameters,
        }
        spec = TaskRunSpec(
            flow_run_id=self.id,
            task_run_id=task_run_id,
            task_slug=task_slug,
            map_index=map_index,
            task_name=task_name,
            tags=tags,
            max_retries=max_retries,
            retry_delay=retry_delay,
            timeout=timeout,
            result=storage,
            fields=fields,
            created_at=created_at,
            logs=logs if logs.capture else None,
        )
        self._places.claim(spec)
        return spec

    def announce(self, spec: TaskRunSpec) -> None:
        """Reports that a task run is Pending."""
        self.emit(spec.state(StateType.PENDING, "Waiting to run.", spec.created_at))

    @contextmanager
    def active(self, *, in_executor: bool = False) -> Generator[None, None, None]:
        """Has tasks that are called here report to it: a thread does not know it by itself."""
        tokens = _current.set(self), _in_executor.set(in_executor)
        try:
            with Capture(self._log):
                yield
        finally:
            _current.reset(tokens[0])
            _in_executor.reset(tokens[1])

    def __enter__(self) -> Self:
        self._prepare()
        self._begin(self._find() if self._may_exist else None)
        return self

    def _find(self) -> Entry | None:
        self.flush()  # It may be a flow run of this process.
        return enter(self._client, self._created)

    def _prepare(self) -> None:
        if self._is_entered:
            raise RuntimeError("A flow run is recorded once: to record another one, call flow_run again.")
        self._is_entered = True
        outer = _current.get()  # that of a forked process too, which begins flow runs of its own
        self._created = replace(self._created, context=parents_of(None if outer is None else outer.id))

    def _begin(self, entry: Entry | None) -> None:
        self._token = _current.set(self)
        if entry is not None:
            flow_run = entry.flow_run
            self._created = replace(self._created, flow_run_id=flow_run.id, parameters=dict(flow_run.parameters))
            self._latest = entry.began or self._latest
            self._reports_states = entry.began is not None
            self.slugs.mark = "" if entry.is_new else new_mark()
        else:
            if self._may_exist:
                # With an id, whoever gave it may have begun the flow run; a key says what is to be done in it.
                self._reports_states = self._created.idempotency_key is not None
                self.slugs.mark = new_mark()
            self._outbox.put(self._created)
            self._report_state(StateType.RUNNING, RUNNING_MESSAGE)
        if self.logs.capture:
            self._log = RunLog(self.logs, self._outbox.put, self.id)
            self._capture.callback(self._log.close)
        self._capture.enter_context(Capture(self._log))
        self._listens = listen()
        self._heart.start(self.id, self.heartbeat)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_left():
            return
        with listening_to_end(self._listens):
            self._withdraw(error)
            try:
                self.submissions.wait(self._patience())
            except BaseException as stop:
                self._withdraw(stop)
                try:
                    if not is_cancellation(error):  # a second Ctrl-C ends the waiting
                        self.submissions.wait(self._patience())
                finally:
                    self.submissions.call_at_end(partial(self._end, stop))
                raise
            # What this thread's own event loop executes goes on when this block has ended.
            self.submissions.call_at_end(partial(self._end, error))
            if not is_cancellation(error) and running_loop() is None:
                self.flush()

    async def __aenter__(self) -> Self:
        self._prepare()
        self._begin(await run_sync(self._find) if self._may_exist else None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_left():
            return
        with listening_to_end(self._listens):
            self._withdraw(error)
            try:
                await self.submissions.wait_async(self._patience())
            except BaseException as stop:
                self._withdraw(stop)
                try:
                    if not is_cancellation(error):
                        await self.submissions.wait_async(self._patience())
                finally:
                    self.submissions.call_at_end(partial(self._end, stop))
                raise
            self._end(error)
            if not is_cancellation(error):
                await run_sync(self.flush)

    def _patience(self) -> float | None:
        """How many seconds to wait for what was submitted; None: as long as it takes."""
        return TERMINATION_SECONDS if self._listens and has_come() else None

    def _is_left(self) -> bool:
        """Ends the context of tasks; whether that is all, as in the copy of a forked process, without its threads."""
        if self._token is not None:
            with suppress(ValueError):  # A generator may be closed from elsewhere than it was begun.
                _current.reset(self._token)
        self._capture.close()
        return self.process != os.getpid()

    def _withdraw(self, error: BaseException | None) -> None:
        if error is not None:
            self.submissions.withdraw(is_cancellation=is_cancellation(error))

    def _end(self, error: BaseException | None) -> None:
        self._heart.stop(self.id, self.heartbeat)
        if error is not None and is_cancellation(error):
            self.submissions.abandon(cancellation_message(error))
            self._report_state(StateType.CANCELLED, cancellation_message(error))
        elif error is not None:
            self._report_state(
                StateType.FAILED, f"Unexpected error: {safe_repr(error)}", details=traceback_details(error)
            )
        elif unseen := self.submissions.count_failed_unseen():
            self._report_state(
                StateType.FAILED, f"{unseen} submitted tasks failed, and their errors were not retrieved."
            )
        else:
            self._report_state(StateType.SUCCESS, self._state_counts.summary())

    def _report_state(self, type: StateType, message: str, *, details: JsonObject | None = None) -> None:
        if not self._reports_states:
            return
        self._latest = max(datetime.now(UTC), self._latest + TICK)
        state = StateCreate(
            id=uuid4(),
            type=type,
            message=safe_text(message, MAX_MESSAGE_LENGTH),
            timestamp=self._latest,
            details=UNSET if details is None else details,
        )
        self._outbox.put(FlowRunState(flow_run_id=self.id, state=state))

    def __repr__(self) -> str:
        return f"<flow run {self.flow_run_id} of {self._created.flow_name!r}>"
