"""Files of reports that could not be sent yet: one for each process that had to keep some."""

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import IO, Self
from uuid import uuid4

import msgspec
from msgspec import Struct

from taskruns.reports import Report

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
        self._path = folder / f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}{SUFFIX}"
        self._url = url
        self._file: IO[bytes] | None = None
        self._read_to = 0
        self._size = 0

    @property
    def path(self) -> Path:
        """Where the file is, if there is one."""
        return self._path

    def __bool__(self) -> bool:
        return self._read_to < self._size

    def add(self, reports: Iterable[Report]) -> None:
        """Adds reports.

        Raises:
            OSError: If they can not be written.
        """
        file = self._opened()
        file.seek(0, os.SEEK_END)
        file.write(b"".join(_encode(report) + b"\n" for report in reports))
        file.flush()
        self._size = file.tell()

    def take(self, most: int) -> list[Report]:
        """Takes the first reports out; with the last one the file goes.

        Raises:
            OSError: If they can not be read.
        """
        file = self._opened()
        file.seek(self._read_to)
        reports: list[Report] = []
        while len(reports) < most and (line := file.readline()):
            reports.append(_decode_report(line))
        self._read_to = file.tell()
        if not self:
            self.remove()
        return reports

    def remove(self) -> None:
        """Removes the file."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
        self._file, self._read_to, self._size = None, 0, 0

    def close(self) -> None:
        """Leaves the file for `flush` to send."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = _open_private(self._path, os.O_RDWR | os.O_EXCL, "r+b")
            _lock(self._file)
            self._read_to = self._file.write(_encode(Heading(url=self._url)) + b"\n")
            self._size = self._read_to
        return self._file


class Leftover:
    """The file of a process that has ended."""

    def __init__(self, path: Path, file: IO[bytes], url: str) -> None:
        """See `leftovers`."""
        self.path = path
        self.url = url
        self._file = file

    def batches(self, most: int) -> Iterator[list[Report]]:
        """Yields its reports in their order; a last line that was not written to its end is left out."""
        batch: list[Report] = []
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            batch.append(_decode_report(line))
            if len(batch) == most:
                yield batch
                batch = []
        if batch:
            yield batch

    def remove(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def leftovers(folder: Path) -> Iterator[Leftover]:
    """Yields the files of processes that have ended, oldest first; each is locked until it is closed.

    Raises:
        OSError: If a file can not be read.
        msgspec.DecodeError: If a file is not one of reports.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime):
        file = path.open("r+b")
        if not _lock(file):
            file.close()
            continue
        yield Leftover(path, file, _decode_heading(file.readline()).url)


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
