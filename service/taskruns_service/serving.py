"""Serving: starts the processes that answer, and again when one ends; what `taskruns-service serve` turns into.

It stays as long as the service does, so it loads little: the commands need SQLAlchemy and Litestar, and this does not.
"""

import os
import sys
from contextlib import nullcontext

import msgspec
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from taskruns_service import locks
from taskruns_service.errors import ConfigurationError
from taskruns_service.logs import library_logs


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, with how many processes, how they log, and which SQLite file is theirs alone.

    All else they read from the environment.
    """

    address: str
    port: int
    workers: int
    log_level: str
    log_format: str
    file: str | None


MALLOC = {
    "MALLOC_ARENA_MAX": "2",
    # By itself it grows with what is freed, and what is smaller than it is not given back.
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
}
"""What glibc reads of the environment, so that large requests and answers leave their memory to the system."""


def become(serving: Serving) -> None:
    """Puts serving in the place of this process, which keeps its id; returns only where that can not be done."""
    if os.name == "nt":  # where another process would be started, and this one end
        serve(serving)
    else:
        for name, value in MALLOC.items():
            os.environ.setdefault(name, value)
        program = [sys.executable, "-P", "-m", "taskruns_service.serving", msgspec.json.encode(serving).decode()]
        os.execv(sys.executable, program)


def serve(serving: Serving) -> None:
    """Serves until SIGTERM or Ctrl-C; raises ConfigurationError when another process has the file."""
    with locks.hold(serving.file) if serving.file else nullcontext():
        Granian(
            "taskruns_service.app:application",
            factory=True,
            interface=Interfaces.ASGI,
            loop=Loops.auto,
            address=serving.address,
            port=serving.port,
            workers=serving.workers,
            workers_kill_timeout=30,
            respawn_failed_workers=True,
            log_level=LogLevels(serving.log_level),
            log_dictconfig=library_logs(serving.log_level, serving.log_format),
        ).serve()


if __name__ == "__main__":
    try:
        serve(msgspec.json.decode(sys.argv[1], type=Serving))
    except ConfigurationError as error:
        sys.exit(f"taskruns-service: {error}")
