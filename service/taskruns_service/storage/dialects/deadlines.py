"""Deadlines: how what SQLite calls in Python ends in time, since SQLite cannot stop it."""

import math
import time


class Deadline:
    """When the statement that a connection runs has to end."""

    def __init__(self) -> None:
        self.moment = math.inf

    def start(self, seconds: float) -> None:
        """Gives the next statement this long."""
        self.moment = time.monotonic() + seconds

    def has_passed(self) -> bool:
        """Whether the statement has taken too long."""
        return time.monotonic() > self.moment

    def check(self) -> None:
        """Raises TimeoutError when the statement has taken too long."""
        if self.has_passed():
            raise TimeoutError
