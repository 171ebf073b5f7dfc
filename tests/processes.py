"""The processes of a served service, as the system shows them."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.service import Served


def workers_of(service: Served) -> list[int]:
    """The processes that a served one has started to do the work."""
    return children_of(service.process.pid)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, other than zombies and what Python itself starts."""
    with suppress(FileNotFoundError, ProcessLookupError):
        children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return [child for child in children if runs(child) and not _is_of_python(child)]
    return []


def runs(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie that nobody has waited for."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def kill(pid: int) -> None:
    """Kills a process, if there is one."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _is_of_python(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return True
