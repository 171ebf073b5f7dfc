"""Files of reports that could not be sent yet: one for each process that had to keep some."""

import os
import socket
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from types import ModuleType
from typing import IO
from uuid import uuid4

import msgspec
from msgspec import Struct

from taskruns.recording.reports import Report

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows, where a file that is open can not be deleted, which serves as well.
    fcntl = None

SUFFIX = ".reports.jsonl"
REFUSED_SUFFIX = ".refused.jsonl"
_encode = msgspec.json.Encoder().encode


class Heading(Struct, frozen=True, kw_only=True):
    """The first line of a file: which service its reports are for."""

    url: str
    format: int = 1


class Refused(Struct, frozen=True, kw_only=True):
    """A report that the service did not take, and why."""

    report: Report
    why: str


_decode_report = msgspec.json.Decoder[Report](Report).decode
_decode_heading = msgspec.json.Decoder(Heading).decode


class Spool:
    """The file of this process: reports are added at its end and read from its beginning."""

    def __init__(self, folder: Path, url: str) -> None:
        """Makes nothing yet; the file is made when the first report is added."""
        self._folder = folder
        self._url = url
        self.path = folder
        """Where the file is, if there is one."""
        self._file: IO[bytes] | None = None
        self._count = self._read_to = self._size = 0

    @property
    def is_made(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def __len__(self) -> int:
        return self._count

    def add(self, reports: Iterable[Report]) -> None:
        """Adds reports.

        Raises:
            OSError: If they can not be written; then none of them is there.
        """
        lines = [_encode(report) + b"\n" for report in reports]
        if self._file is None:
            self._make()
        try:
            with self.path.open("r+b") as file:
                file.seek(self._size)
                file.write(b"".join(lines))
        except OSError:
            # A disk that is full takes a part of them, and the next line would begin in the middle of one.
            with suppress(OSError):
                os.truncate(self.path, self._size)
            raise
        self._size = self.path.stat().st_size
        self._count += len(lines)

    def take(self, most: int) -> list[Report]:
        """Takes the first reports out. They stay in the file until it is removed.

        Raises:
            OSError: If they can not be read.
            ValueError: If they are not what was written.
        """
        if self._file is None:
            return []
        self._file.seek(self._read_to)
        reports = [_decode_report(self._file.readline()) for _ in range(min(most, self._count))]
        self._read_to = self._file.tell()
        self._count -= len(reports)
        return reports

    def remove(self) -> None:
        """Removes the file, if there is one."""
        if self._file is not None:
            self.close()
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leaves the file, if there is one, for `flush` to send."""
        if self._file is not None:
            self._file.close()
        self._file, self._count, self._read_to, self._size = None, 0, 0, 0

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The moment comes first, as `flush` goes by the names: a flow run may begin in one file and go on in the next.
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.path = self._folder / f"{name}{SUFFIX}"
        heading = _encode(Heading(url=self._url)) + b"\n"
        # It gets its name when it has its heading and is locked: `flush` must not come in between.
        unfinished = self.path.with_suffix(".part")
        file = _open_private(unfinished, os.O_RDWR | os.O_EXCL, "r+b")
        try:
            with suppress(OSError):  # There are file systems without locks.
                _lock(file)
            os.write(file.fileno(), heading)
            unfinished.rename(self.path)
        except OSError:
            file.close()
            unfinished.unlink(missing_ok=True)
            raise
        self._file = file
        self._size = self._read_to = len(heading)


class Leftover:
    """The file of a process that has ended, which nobody else sends while it is open."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """See `claimed`."""
        self._path = path
        self._file = file
        self.url = _decode_heading(file.readline()).url
        """The service that its reports are for."""

    def batches(self, most: int) -> Iterator[list[Report]]:
        """Yields its reports in their order; a last line that was not written to its end is left out."""
        whole = takewhile(lambda line: line.endswith(b"\n"), self._file)
        while batch := [_decode_report(line) for line in islice(whole, most)]:
            yield batch

    def remove(self) -> None:
        """Removes the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """The files of processes that run or have ended, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


@contextmanager
def claimed(path: Path) -> Generator[Leftover | None, None, None]:
    """Opens a file for nobody else to send; None if its process is running or somebody else sends it.

    Raises:
        OSError: If it can not be read or locked.
        msgspec.DecodeError: If it is not one of reports.
    """
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield Leftover(path, file) if _lock(file) else None


def keep_refused(folder: Path, refused: Iterable[Refused]) -> Path:
    """Adds reports that the service did not take to the file of them, which nothing sends again."""
    path = folder / f"{socket.gethostname()}-{os.getpid()}{REFUSED_SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _open_private(path, os.O_WRONLY | os.O_APPEND, "ab") as file:
        file.write(b"".join(_encode(one) + b"\n" for one in refused))
    return path


def _open_private(path: Path, flags: int, mode: str) -> IO[bytes]:
    return os.fdopen(os.open(path, flags | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), mode)


def _lock(file: IO[bytes]) -> bool:
    """Claims a file until it is closed or the process ends; False if another process has."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
