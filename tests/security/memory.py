"""The memory and the processes of a running service."""

from pathlib import Path

from tests.service import Served


def workers(service: Served) -> list[int]:
    """The ids of the processes that answer."""
    parent = service.process.pid
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def memory_of(service: Served) -> int:
    """The bytes of memory that its processes have to themselves."""
    return sum(_private_bytes(process) for process in workers(service))


def _private_bytes(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
