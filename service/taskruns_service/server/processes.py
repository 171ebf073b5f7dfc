"""Serving: starts the processes that answer, and again when one ends; what `taskruns-service serve` turns into.

It stays as long as the service does, so it loads little: the commands need SQLAlchemy and Litestar, and this does not.
"""

import gc
import multiprocessing
import os
import pkgutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import msgspec
from granian import _signals
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.logs import library_logs
from taskruns_service.server import ports
from taskruns_service.server.signals import StopSignals
from taskruns_service.server.supervisor import Supervisor
from taskruns_service.storage import file_lock

APPLICATION = "taskruns_service.app:application"
"""What workers load. This process does not: it loads little."""

HEAD_BYTES = 64 * 1024
"""The largest head of a request, and what is read of a body at a time."""

BACKLOG = 4096
"""Connections that may wait to be accepted; the system may allow fewer."""

PARENT_SECONDS = 0.2
"""How often a worker looks for the process that started it."""

KILL_SECONDS = 30
"""How long a worker may take to end before it is killed."""

OTHER_FILES = 200
"""Open files of a worker besides its connections: those of the database, of the server and of Python."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, with how many processes, how they log, and which SQLite file is theirs alone.

    `host` is what the operator calls the IP address `address`. All else they read from the environment.
    """

    host: str
    address: str
    port: int
    workers: int
    connections: int
    receive_timeout: float
    log_level: str
    log_format: str
    ui: bool
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
    """Puts serving in the place of this process, which keeps its id; returns only where that cannot be done."""
    if os.name == "nt":  # where another process would be started, and this one end
        serve(serving)
    else:
        for name, value in MALLOC.items():
            os.environ.setdefault(name, value)
        program = [
            sys.executable,
            "-P",
            "-m",
            "taskruns_service.server.processes",
            msgspec.json.encode(serving).decode(),
        ]
        os.execv(sys.executable, program)


def serve(serving: Serving) -> None:
    """Serves until SIGTERM or Ctrl-C; raises ConfigurationError when another process has the file or the port."""
    _allow_open_files(serving.connections + OTHER_FILES)
    if sys.platform == "linux":
        # What Python takes by itself up to 3.13: forked workers start sooner, and have the lock too.
        multiprocessing.set_start_method("fork")
    with (
        file_lock.hold(serving.file) if serving.file else nullcontext(),
        ports.hold(serving.address, serving.port) as claim,
    ):
        places = "pages: /ui/, API: /docs" if serving.ui else "API: /docs"
        sys.stderr.write(f"serving   http://{serving.host}:{serving.port}  ({places})\n")
        Supervisor(
            APPLICATION,
            interface=Interfaces.ASGI,
            loop=Loops.auto,
            address=serving.address,
            port=serving.port,
            # HTTP/1.1 only: connections of HTTP/2 would not be closed when idle, and proxies speak HTTP/1.1 to servers.
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=serving.connections,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(serving.receive_timeout * 1000), max_buffer_size=HEAD_BYTES
            ),
            workers=serving.workers,
            log_level=LogLevels(serving.log_level),
            log_dictconfig=library_logs(serving.log_level, serving.log_format),
            is_exclusive=serving.file is not None,
            kill_seconds=KILL_SECONDS,
        ).serve(target_loader=partial(_load, os.getpid(), claim), wrap_loader=False)


def _load(parent: int, claim: socket.socket | None) -> Callable[..., object]:
    """Loads the application, in a worker. `parent` is the process that started it, and holds the port with `claim`."""
    if claim is not None:
        claim.close()
    threading.Thread(target=_end_with, args=[parent], name="parent", daemon=True).start()
    signals = StopSignals()
    _signals.set_loop_signals = signals.listen
    gc.disable()  # what is loaded stays: looking through it for garbage takes a tenth of the time
    try:
        application: Callable[..., object] = pkgutil.resolve_name(APPLICATION)(signals.call)
    finally:
        gc.enable()
    return application


def _end_with(parent: int) -> None:
    """Ends this process when the one that started it is gone, which would start others in its place."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(KILL_SECONDS)
    os._exit(1)


def _allow_open_files(count: int) -> None:
    """Lets this process and its workers open so many files; raises ConfigurationError where the system does not."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ConfigurationError(
            f"TASKRUNS_CONNECTIONS needs {count} open files, but the system allows {hard}. Raise the limit (`ulimit "
            f"-n`), or set TASKRUNS_CONNECTIONS to at most {hard - OTHER_FILES}."
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


if __name__ == "__main__":
    try:
        serve(msgspec.json.decode(sys.argv[1], type=Serving))
    except ConfigurationError as error:
        sys.exit(f"taskruns-service: {error}")
