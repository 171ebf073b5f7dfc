"""Levels of log lines, as Python's logging names them."""

from enum import StrEnum


class LogLevel(StrEnum):
    """The level of a log line, from the least severe to the most severe."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


def levels_below(level: LogLevel) -> list[LogLevel]:
    """Returns the levels that are less severe."""
    levels = list(LogLevel)
    return levels[: levels.index(level)]
