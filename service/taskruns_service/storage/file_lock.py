"""The lock of a SQLite file: a second process would not know what the first has in its hands.

On Linux the lock belongs to the file itself, whatever name leads to it, and to a file beside it, so that the name is
locked too when the file is replaced. A process that is forked has the lock as well: it is free when the last one ends.

Any descriptor of a file that a process closes takes the process's own locks on that file with it, and so those of
SQLite: the lock is taken before SQLite opens the file, and given back after SQLite has closed it.
"""

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.storage import private_files

LOCKED_BYTE = 2**62
"""The byte of a file that is locked: SQLite locks others, of which none is beyond 2**31."""


class Locked(ConfigurationError):
    """Another process has the file."""

    def __init__(self, path: str) -> None:
        super().__init__(f"Another taskruns-service is using {path}. Stop it, or use another file.")


@contextmanager
def hold(path: str) -> Iterator[None]:
    """Holds the lock of a SQLite file, which is created if it is missing; raises Locked when another process does."""
    beside = Path(f"{os.path.realpath(path)}.lock")
    with ExitStack() as stack:
        if sys.platform == "linux":
            for file in (beside, Path(path)):
                if (descriptor := _lock(file)) is None:
                    raise Locked(path)
                stack.callback(os.close, descriptor)
        else:
            try:
                stack.enter_context(FileLock(beside, timeout=0, mode=private_files.FILE_MODE))
            except Timeout:
                raise Locked(path) from None
        yield


def _lock(path: Path) -> int | None:
    """Opens a file and locks it; returns its descriptor, or None when another process has the lock."""
    import fcntl  # which Windows has not

    # The lock belongs to the opened file and not to the process: see fcntl(2), "Open file description locks".
    request = struct.pack("hhqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, LOCKED_BYTE, 1, 0)
    while True:
        private_files.create_file(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # another file has taken its place meanwhile
