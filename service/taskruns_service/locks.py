"""The lock of a SQLite file: a second process would not know what the first has in its hands."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from taskruns_service import private_files
from taskruns_service.errors import ConfigurationError


@contextmanager
def hold(path: str) -> Iterator[None]:
    """Holds the lock of the file; raises ConfigurationError when another process does."""
    try:
        with FileLock(f"{path}.lock", timeout=0, mode=private_files.FILE_MODE):
            yield
    except Timeout:
        raise ConfigurationError(f"Another taskruns-service has {path} open. Stop it, or use another file.") from None
