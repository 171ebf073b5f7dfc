"""Serving: starts the processes that answer, and again when one ends; what `taskruns-service serve` turns into.

It stays as long as the service does, so it loads little: the commands need SQLAlchemy and Litestar, and this does not.
"""

import os
import sys
from contextlib import nullcontext

import msgspec
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from taskruns_service import locks
from taskruns_service.errors import ConfigurationError
from taskruns_service.logs import library_logs

HEAD_BYTES = 64 * 1024
"""The largest head of a request, and what is read of a body at a time."""

OTHER_FILES = 200
"""Open files of a worker besides its connections: those of the database, of the server and of Python."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, with how many processes, how they log, and which SQLite file is theirs alone.

    All else they read from the environment.
    """

    address: str
    port: int
    workers: int
    connections: int
    receive_timeout: float
    log_level: str
    log_format: str
    file: str | None


MALLOC = {
    "MALLOC_ARENA_MAX": "2",
    # By itself it grows with what is freed, and what is smaller than it is not given back.
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    # With a threshold of one's own the other stays at 128 KiB, and every list would take its memory anew.
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
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
    _allow_open_files(serving.connections + OTHER_FILES)
    with locks.hold(serving.file) if serving.file else nullcontext():
        Granian(
            "taskruns_service.app:application",
            factory=True,
            interface=Interfaces.ASGI,
            loop=Loops.auto,
            address=serving.address,
            port=serving.port,
            # HTTP/1.1 only: connections of HTTP/2 would not be closed when idle, and proxies speak HTTP/1.1 to servers.
            http=HTTPModes.http1,
            websockets=False,
            backpressure=serving.connections,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(serving.receive_timeout * 1000), max_buffer_size=HEAD_BYTES
            ),
            workers=serving.workers,
            workers_kill_timeout=30,
            respawn_failed_workers=True,
            log_level=LogLevels(serving.log_level),
            log_dictconfig=library_logs(serving.log_level, serving.log_format),
        ).serve()


def _allow_open_files(count: int) -> None:
    """Lets this process and its workers open so many files; raises ConfigurationError where the system does not."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ConfigurationError(
            f"TASKRUNS_CONNECTIONS needs {count} open files, and the system allows {hard}. Raise its limit "
            f"(`ulimit -n`), or set TASKRUNS_CONNECTIONS to at most {hard - OTHER_FILES}."
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


if __name__ == "__main__":
    try:
        serve(msgspec.json.decode(sys.argv[1], type=Serving))
    except ConfigurationError as error:
        sys.exit(f"taskruns-service: {error}")
