"""Waiting for what becomes so on another thread, in another process or at a service."""

import time
from collections.abc import Callable


def eventually(check: Callable[[], bool], seconds: float = 120) -> None:
    """Waits until something is so; fails when it is not after so long."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "It never was so."
        time.sleep(0.02)
