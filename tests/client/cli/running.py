"""Runs `taskruns` for the tests: in the test's own process, in one of its own, or on a terminal of its own."""

import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple
from unittest.mock import patch

from taskruns.cli import main
from tests.service import environment_of

COMMAND = [sys.executable, "-m", "taskruns.cli"]
CTRL_C = "\x03"
SECONDS = 120
AGAIN_SECONDS = 3


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str = ""


def without_latest(done: Ran) -> Ran:
    """The same without the line that says which flow run was the latest."""
    lines = done.err.splitlines(keepends=True)
    return done._replace(err="".join(line for line in lines if not line.startswith("Latest flow run: ")))


def run(*arguments: str, **environment: Any) -> Ran:
    """Runs a command in the test's own process, as if its output were piped."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    own = patch.dict(os.environ, environment_of(**environment), clear=True)
    code = 0
    with own, patch.object(sys, "argv", ["taskruns", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else bool(end.code)
    shown = []
    for stream in (out, err):
        stream.flush()
        shown.append(stream.buffer.getvalue().decode())
    return Ran(code, *shown)


def spawn(*arguments: str, **environment: Any) -> Ran:
    """Runs a command in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        env=environment_of(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


# Who runs the tests in the background has them, and all that they start, ignore Ctrl-C; without a terminal that is its
# own it would be nothing but a letter to a process.
_INTERRUPTIBLE = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
if os.isatty(0):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def interruptible(command: list[str]) -> list[str]:
    """The command for a process that Ctrl-C ends."""
    return [sys.executable, "-S", "-c", _INTERRUPTIBLE, *command]


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self._process = process
        self._screen = screen
        self.seen = ""
        """All that was written so far."""

    def read_until(self, found: Callable[[str], bool], seconds: float = SECONDS) -> None:
        """Reads what is written until it is enough."""
        for _ in self._reading(seconds):
            if found(self.seen):
                return
        raise AssertionError(self.seen)

    def end(self, *, typing: str = "") -> Ran:
        """Reads until the process ends, typing something every few seconds; its outputs are one on a terminal."""
        typed = float("-inf")
        for _ in self._reading():
            if typing and time.monotonic() - typed > AGAIN_SECONDS:
                self.type(typing)
                typed = time.monotonic()
        return Ran(self._process.wait(SECONDS), self.seen.replace("\r\n", "\n"))

    def type(self, text: str) -> None:
        """Types."""
        os.write(self._screen, text.encode())

    def _reading(self, seconds: float = SECONDS) -> Iterator[None]:
        """Reads what comes, for a moment each time, until the process closes the terminal."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            yield
            if select.select([self._screen], [], [], 0.1)[0]:
                try:
                    data = os.read(self._screen, 65536)
                except OSError:  # how Linux says that the other side is closed
                    return
                self.seen += data.decode(errors="replace")
        raise AssertionError(f"It did not end within {seconds} s: {self.seen}")


@contextmanager
def opened_terminal(command: list[str], columns: int = 100, **environment: Any) -> Iterator[Terminal]:
    """Starts a command on a terminal."""
    screen, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    unset = {name: value for name, value in environment_of(**environment).items() if name not in ("COLUMNS", "LINES")}
    given = {"TERM": "xterm-256color", **{name: value for name, value in unset.items() if name != "TERM"}}
    given |= {"TERM": str(environment["TERM"])} if "TERM" in environment else {}
    if "NO_COLOR" not in environment:
        given.pop("NO_COLOR", None)
    process = subprocess.Popen(
        interruptible(command), env=given, stdin=other, stdout=other, stderr=other, start_new_session=True
    )
    os.close(other)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def on_terminal(*arguments: str, columns: int = 100, **environment: Any) -> Ran:
    """Runs a command on a terminal to its end."""
    with opened_terminal([*COMMAND, *arguments], columns, **environment) as terminal:
        return terminal.end()
