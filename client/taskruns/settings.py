"""What the environment says: one place that reads TASKRUNS_… variables, when it is asked and never at import."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TypeVar

from taskruns.errors import InvalidSetting

N = TypeVar("N", int, float)

DEFAULT_URL = "http://127.0.0.1:4200"
LOG_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}


def service_url() -> str:
    """Returns TASKRUNS_URL: the URL of the service."""
    return os.environ.get("TASKRUNS_URL") or DEFAULT_URL


def api_key() -> str | None:
    """Returns TASKRUNS_API_KEY: the API key, if any."""
    return os.environ.get("TASKRUNS_API_KEY") or None


def timeout() -> float:
    """Returns TASKRUNS_TIMEOUT: the maximum seconds for one attempt of a request."""
    return _number("TASKRUNS_TIMEOUT", 30.0, float, lambda value: 0 < value < inf, "a number of seconds greater than 0")


def max_retries() -> int:
    """Returns TASKRUNS_MAX_RETRIES: the maximum number of retries of a request that is safe to repeat."""
    return _number("TASKRUNS_MAX_RETRIES", 2, int, lambda value: value >= 0, "a whole number of 0 or more")


def max_answer_bytes() -> int:
    """Returns TASKRUNS_MAX_ANSWER_BYTES: the maximum bytes of a response after decompression."""
    return _number(
        "TASKRUNS_MAX_ANSWER_BYTES", 100_000_000, int, lambda value: value > 0, "a whole number greater than 0"
    )


def max_log_lines() -> int:
    """Returns TASKRUNS_MAX_LOG_LINES: the maximum number of log lines of a run that the recorder reports."""
    return _number("TASKRUNS_MAX_LOG_LINES", 10_000, int, lambda value: value >= 0, "a whole number of 0 or more")


def max_log_bytes() -> int:
    """Returns TASKRUNS_MAX_LOG_BYTES: the maximum bytes of log lines of a run that the recorder reports."""
    return _number("TASKRUNS_MAX_LOG_BYTES", 1_000_000, int, lambda value: value >= 0, "a whole number of 0 or more")


def log_level() -> int | None:
    """Returns TASKRUNS_LOG: the lowest level of the client's log to show, `debug` or `info`; None shows nothing."""
    name = os.environ.get("TASKRUNS_LOG")
    if not name:
        return None
    if name.lower() not in LOG_LEVELS:
        raise InvalidSetting(f"TASKRUNS_LOG is {name!r}, but must be {' or '.join(LOG_LEVELS)}.")
    return LOG_LEVELS[name.lower()]


def home() -> Path:
    """Returns TASKRUNS_HOME: the folder for results and for reports that could not be sent. Default: `~/.taskruns`."""
    return Path(os.environ.get("TASKRUNS_HOME") or "~/.taskruns").expanduser().absolute()


def results_folder() -> Path:
    """Returns the folder in which `LocalResult()` writes."""
    return home() / "results"


def outbox_folder() -> Path:
    """Returns the folder of the reports that could not be sent."""
    return home() / "outbox"


def trusted_results() -> list[str]:
    """Returns TASKRUNS_TRUSTED_RESULTS: comma-separated places below which results may be unpickled."""
    value = os.environ.get("TASKRUNS_TRUSTED_RESULTS")
    return [str(results_folder())] if value is None else [root for part in value.split(",") if (root := part.strip())]


def config_file() -> Path | None:
    """Returns TASKRUNS_CONFIG: the configuration file of the command line; None for the default one."""
    named = os.environ.get("TASKRUNS_CONFIG")
    return Path(named).expanduser() if named else None


def profile() -> str | None:
    """Returns TASKRUNS_PROFILE: the profile that the command line uses, if any."""
    return os.environ.get("TASKRUNS_PROFILE") or None


def is_set(option: str) -> bool:
    """Whether the environment says an option of the client, such as `url`."""
    return bool(os.environ.get(f"TASKRUNS_{option.upper()}"))


def _number(name: str, default: N, read: Callable[[str], N], fits: Callable[[N], bool], requirement: str) -> N:
    value = os.environ.get(name)
    if not value:
        return default
    with suppress(ValueError):
        if fits(number := read(value)):
            return number
    raise InvalidSetting(f"{name} is {value!r}, but must be {requirement}.")
