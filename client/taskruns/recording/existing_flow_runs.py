"""Where flow runs begin: in others, or in some that exist already, each begun by one recorder at a time."""

import logging
import time
from base64 import b32encode
from datetime import UTC, datetime
from os import urandom
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from msgspec import UNSET, Struct
from msgspec.structs import replace

from taskruns.client import Client
from taskruns.errors import (
    BadRequest,
    BodyTooLarge,
    Conflict,
    FlowRunConflict,
    FlowRunNotFound,
    TaskRunsError,
    VersionConflict,
)
from taskruns.models import FlowRun, StateType
from taskruns.recording.progress import TICK, active_spec
from taskruns.recording.reports import FlowRunCreated
from taskruns.recording.sender import create_flow_run

SECONDS = 10.0
"""How long to wait for the service, and for a flow run that another process has begun and not reported yet."""
BEGIN_SECONDS = 1.0
"""How long a flow run without any state may be one that has just been begun."""
POLL_SECONDS = 0.05
RUNNING_MESSAGE = "Running flow."
MARK_LENGTH = 6
_log = logging.getLogger("taskruns")


class Entry(Struct, frozen=True, kw_only=True):
    """What a recorder found when it entered a flow run that may exist already."""

    flow_run: FlowRun
    began: datetime | None
    """When this recorder brought it to Running; None if another one has begun it, and will end it."""

    @property
    def is_new(self) -> bool:
        """Whether no other recorder has made task runs in it, whose slugs could be in the way."""
        return self.began is not None and not self.flow_run.task_run_counts


def flow_run_id_of(flow_name: str, id: UUID | str | None, idempotency_key: str | None) -> UUID:
    """The id of a flow run: a new one without an id and a key, and the same in every process for a key of a flow.

    Raises:
        ValueError: If the id is no UUID, or there are both.
    """
    if id is not None and idempotency_key is not None:
        raise ValueError("A flow run is found by its id or by its idempotency_key: pass one of them.")
    if idempotency_key is not None:
        return uuid5(NAMESPACE_OID, f"taskruns\0{flow_name}\0{idempotency_key}")
    try:
        return uuid4() if id is None else UUID(str(id))
    except ValueError:
        raise ValueError(f"The id of a flow run must be a UUID, but this is {id!r}.") from None


def parents_of(flow_run_id: UUID | None) -> dict[str, str]:
    """The context of a flow run that begins here: the task run that it begins in, and the flow run, which has this id.

    In another process there is a task run alone.
    """
    spec = active_spec()
    if spec is not None and flow_run_id in (None, spec.flow_run_id):
        return {"parent_flow_run_id": str(spec.flow_run_id), "parent_task_run_id": str(spec.task_run_id)}
    return {} if flow_run_id is None else {"parent_flow_run_id": str(flow_run_id)}


def new_mark() -> str:
    """What tells the slugs of a recorder from those of others in the same flow run."""
    return b32encode(urandom(MARK_LENGTH)).decode().lower()[:MARK_LENGTH]


def enter(client: Client, created: FlowRunCreated) -> Entry | None:
    """Finds a flow run by its id, or finds or creates one by its key, and brings it to Running unless it is.

    Returns None if the service does not answer.

    Raises:
        FlowRunNotFound: If there is none with the id.
        FlowRunConflict: If it has another flow or name, or other parameters or labels.
        BadRequest: If the service does not take what it is created with.
    """
    client = client.with_options(timeout=SECONDS, max_retries=0)
    try:
        flow_run = _find(client, created) if created.idempotency_key is None else _find_or_create(client, created)
        return Entry(flow_run=flow_run, began=_begin(client, flow_run))
    except (BadRequest, BodyTooLarge, Conflict, FlowRunNotFound):
        raise
    except TaskRunsError as error:
        _log.warning("The flow run %s is unknown for now: %s", created.flow_run_id, error)
        return None


def _find(client: Client, created: FlowRunCreated) -> FlowRun:
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        try:
            flow_run = client.flow_runs.get(created.flow_run_id)
        except FlowRunNotFound:
            if waited > SECONDS:
                raise
        else:
            if flow_run.version > 0 or waited > BEGIN_SECONDS:
                # It is there: this compares it.
                return create_flow_run(client, replace(created, context={}))
        time.sleep(POLL_SECONDS)


def _find_or_create(client: Client, created: FlowRunCreated) -> FlowRun:
    try:
        return create_flow_run(client, created)
    except FlowRunConflict:
        # One that exists was begun elsewhere, and somebody else may have created it under another id.
        return create_flow_run(client, replace(created, context={}), UNSET)


def _begin(client: Client, flow_run: FlowRun) -> datetime | None:
    """Brings a flow run to Running; when, or None if another recorder has."""
    if flow_run.state in (StateType.RUNNING, StateType.CANCELLING):
        return None
    now = datetime.now(UTC)
    moment = now if flow_run.state_timestamp is None else max(now, flow_run.state_timestamp + TICK)
    try:
        client.flow_runs.set_state(
            flow_run.id,
            id=uuid4(),
            type=StateType.RUNNING,
            message=RUNNING_MESSAGE,
            timestamp=moment,
            expected_version=flow_run.version,
            force=flow_run.end_time is not None,
        )
    except VersionConflict:
        return None
    return moment
