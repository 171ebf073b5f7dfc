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
    """TASKRUNS_URL: where the service is."""
    return os.environ.get("TASKRUNS_URL") or DEFAULT_URL


def api_key() -> str | None:
    """TASKRUNS_API_KEY: the key to send, if any."""
    return os.environ.get("TASKRUNS_API_KEY") or None


def timeout() -> float:
    """TASKRUNS_TIMEOUT: seconds that one attempt of a request may take."""
    return _number("TASKRUNS_TIMEOUT", 30.0, float, lambda given: 0 < given < inf, "a number of seconds above 0")


def max_retries() -> int:
    """TASKRUNS_MAX_RETRIES: how often a request is repeated that failed and may be repeated."""
    return _number("TASKRUNS_MAX_RETRIES", 2, int, lambda given: given >= 0, "a whole number of 0 or more")


def max_answer_bytes() -> int:
    """TASKRUNS_MAX_ANSWER_BYTES: how many bytes an answer may have once it is decompressed."""
    return _number("TASKRUNS_MAX_ANSWER_BYTES", 100_000_000, int, lambda given: given > 0, "a whole number above 0")


def log_level() -> int | None:
    """TASKRUNS_LOG: the level from which on the client's log is shown, `debug` or `info`; None: it is not shown."""
    name = os.environ.get("TASKRUNS_LOG")
    if not name:
        return None
    if name.lower() not in LOG_LEVELS:
        raise InvalidSetting(f"TASKRUNS_LOG is {name!r}: it has to be {' or '.join(LOG_LEVELS)}.")
    return LOG_LEVELS[name.lower()]


def home() -> Path:
    """TASKRUNS_HOME: the user's folder for results and for reports that could not be sent; `~/.taskruns`."""
    return Path(os.environ.get("TASKRUNS_HOME") or "~/.taskruns").expanduser().absolute()


def results_folder() -> Path:
    """Where `LocalResult()` writes."""
    return home() / "results"


def outbox_folder() -> Path:
    """Where reports are kept that could not be sent."""
    return home() / "outbox"


def trusted_results() -> list[str]:
    """TASKRUNS_TRUSTED_RESULTS: places below which results may be unpickled, with commas between them."""
    given = os.environ.get("TASKRUNS_TRUSTED_RESULTS")
    return [str(results_folder())] if given is None else [root for part in given.split(",") if (root := part.strip())]


def config_file() -> Path | None:
    """TASKRUNS_CONFIG: the configuration file of the command line; None for the usual one."""
    named = os.environ.get("TASKRUNS_CONFIG")
    return Path(named).expanduser() if named else None


def profile() -> str | None:
    """TASKRUNS_PROFILE: the profile of the configuration file that the command line uses, if one is named."""
    return os.environ.get("TASKRUNS_PROFILE") or None


def is_set(option: str) -> bool:
    """Whether the environment says an option of the client, such as `url`."""
    return bool(os.environ.get(f"TASKRUNS_{option.upper()}"))


def _number(name: str, default: N, read: Callable[[str], N], fits: Callable[[N], bool], told: str) -> N:
    given = os.environ.get(name)
    if not given:
        return default
    with suppress(ValueError):
        if fits(number := read(given)):
            return number
    raise InvalidSetting(f"{name} is {given!r}: it has to be {told}.")
