"""What the client logs, shown where TASKRUNS_LOG asks for it: calls, statuses and waits, never keys or bodies."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from taskruns import settings

_is_requesting: ContextVar[bool] = ContextVar("taskruns_requesting", default=False)


def configure() -> None:
    """Lets the logger `taskruns` write at the level of TASKRUNS_LOG, to standard error if nothing takes it yet.

    Raises:
        InvalidSetting: If TASKRUNS_LOG is no level.
    """
    level = settings.log_level()
    if level is None:
        return
    log = logging.getLogger("taskruns")
    log.setLevel(min(log.level or level, level))
    if not log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)


@contextmanager
def requesting() -> Generator[None, None, None]:
    """Says of what is logged meanwhile, as by httpx, that it is about a request of the client."""
    token = _is_requesting.set(True)
    try:
        yield
    finally:
        _is_requesting.reset(token)


def is_own_record(record: logging.LogRecord) -> bool:
    """Whether a line is of the client, or about a request of the client."""
    return _is_requesting.get() or record.name.partition(".")[0] == "taskruns"
