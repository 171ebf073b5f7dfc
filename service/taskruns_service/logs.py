"""Logging: structured lines on standard error, without bodies, query strings or secrets."""

import logging.config
import sys
from contextvars import ContextVar

import msgspec
import structlog
from structlog.typing import EventDict, Processor

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
"""The request that lines belong to."""


def _add_request_id(_: object, __: str, event: EventDict) -> EventDict:
    """A processor of structlog; its own variables for contexts cost a look-up several times as much."""
    if (request_id := current_request_id.get()) is not None:
        event["request_id"] = request_id
    return event


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SHARED: list[Processor] = [
    _add_request_id,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_logs(level: str, format_: str) -> None:
    """Sets up logging for this process: `format_` is `json`, a line for each event, or `console`, for people."""
    structlog.configure(
        processors=[*_SHARED, *_renderers(format_)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(library_logs(level, format_))


def library_logs(level: str, format_: str) -> dict[str, object]:
    """The standard library's logging set up such that what libraries say looks like the service's own lines."""
    lines = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(format_)],
        "foreign_pre_chain": _SHARED,
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": lines},
        "handlers": {"lines": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "lines"}},
        "loggers": {"_granian": {"level": level.upper()}},  # the server's own
        "root": {"level": "WARNING", "handlers": ["lines"]},
    }


def _renderers(format_: str) -> list[Processor]:
    if format_ == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_line)]
    # Plain tracebacks: the rich ones show local variables, and so bodies and keys.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _line(event: EventDict, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
