"""Files of reports that could not be sent yet: one for each process that had to keep some."""

import hashlib
import os
import socket
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import IO
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from taskruns.recording.report_reader import LINE_BYTES, SUFFIX, ReportReader, open_private
from taskruns.recording.reports import Report

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be deleted, which serves as well.
    fcntl = None

REFUSED_SUFFIX = ".refused.jsonl"
_encode = msgspec.json.Encoder().encode


MAX_COUNTED_FILES = 1000
"""How many files are looked at to say how many wait."""
_HEADING_BYTES = 64 * 1024
_TURN_SECONDS = 0.05
_OFFSET_DIGITS = 20


class Heading(Struct, frozen=True, kw_only=True):
    """The first line of a file: which service its reports are for, and how far they were sent."""

    url: str
    key: str | UnsetType = UNSET
    """Which API key they were to be sent with: the beginning of its digest, empty for none."""
    sent_bytes: int = field(default=0, name="sent")
    """The byte up to which they were sent."""
    format: int = 1

    def line(self, size: int | None = None) -> bytes:
        """The line, with room for `sent_bytes` to grow in, or with as many bytes as it had."""
        text = _encode(self)
        return text.ljust(len(text) + _OFFSET_DIGITS if size is None else size - 1) + b"\n"


class Refused(Struct, frozen=True, kw_only=True):
    """A report that the service did not take, and why."""

    report: Report
    why: str


_decode_heading = msgspec.json.Decoder(Heading).decode


class OutboxFile:
    """The file of this process: reports are added at its end and read from its beginning."""

    def __init__(self, folder: Path, url: str, api_key: str | None = None) -> None:
        """Makes nothing yet; the file is made when the first report is added."""
        self._folder = folder
        self._heading = Heading(url=url, key=_fingerprint(api_key))
        self.path = folder
        """Where the file is, if there is one."""
        self._file: IO[bytes] | None = None
        self._reader: ReportReader | None = None
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
            OSError: If they cannot be written; then none of them is there.
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

    @property
    def reader(self) -> ReportReader | None:
        """What reads the file, and knows of its lines that hold no report; None if there is no file."""
        return self._reader

    def take(self, most: int) -> list[Report]:
        """Takes the reports of the first lines out. They stay in the file until it is removed.

        Raises:
            OSError: If they cannot be read.
            ValueError: If the file has lost lines.
        """
        if self._file is None or self._reader is None:
            return []
        self._file.seek(self._read_to)
        lines = min(most, self._count)
        try:
            reports = [report for _ in range(lines) if (report := self._reader.next_report()) is not None]
        except EOFError:
            raise ValueError("the file has lost lines") from None
        self._read_to = self._file.tell()
        self._count -= lines
        return reports

    def remove(self) -> None:
        """Removes the file, if there is one; one whose unreadable lines are nowhere else is left for `flush`."""
        if self._reader is not None:
            is_needed = self._reader.loss is not None
            self.close()
            if not is_needed:
                self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leaves the file, if there is one, for `flush` to send."""
        if self._file is not None:
            self._file.close()
        if self._reader is not None:
            self._reader.close()
        self._file = self._reader = None
        self._count = self._read_to = self._size = 0

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The moment comes first, as `flush` goes by the names: a flow run may begin in one file and go on in the next.
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.path = self._folder / f"{name}{SUFFIX}"
        heading = self._heading.line()
        # It gets its name when it has its heading and is locked: `flush` must not come in between.
        unfinished = self.path.with_suffix(".part")
        file = open_private(unfinished, os.O_RDWR | os.O_EXCL, "r+b")
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
        self._reader = ReportReader(file, self.path)
        self._size = self._read_to = len(heading)


class Leftover:
    """The file of a process that has ended, which nobody else sends while it is open."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """See `claimed`."""
        self._path = path
        self._file = file
        line = file.readline(LINE_BYTES)
        self._heading_size = len(line)
        self._heading = _heading_of(line)
        if self._heading is None:
            file.seek(0)  # it may be a report, and is kept as one that cannot be read otherwise
        elif len(line) < self._heading.sent_bytes <= os.fstat(file.fileno()).st_size:
            file.seek(self._heading.sent_bytes)
        self.reader = ReportReader(file, path)

    @property
    def url(self) -> str | None:
        """The service that its reports are for; None if its first line does not say."""
        return None if self._heading is None else self._heading.url

    def is_for(self, url: str, api_key: str | None) -> bool:
        """Whether its reports are for this service, and were to be sent with this API key."""
        heading = self._heading
        return heading is not None and (heading.url, heading.key) == (url, _fingerprint(api_key))

    def batches(self, most: int) -> Iterator[list[Report]]:
        """Yields its reports in their order; lines that hold none are left out, and kept beside it."""
        batch: list[Report] = []
        with suppress(EOFError):
            while True:
                if (report := self.reader.next_report()) is not None:
                    batch.append(report)
                if len(batch) == most:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def release(self) -> None:
        """Gives the claim up, which a process that was forked in between would hold as well."""
        if fcntl is not None and not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def settle(self) -> None:
        """Remembers that what was read so far was sent, so that whoever sends the rest begins there.

        Not if it has lines that hold no report: whoever sends the rest tells of all of them.
        """
        if self._heading is None or self.reader.unreadable:
            return
        offset = self._file.tell()
        line = replace(self._heading, sent_bytes=offset).line(self._heading_size)
        if len(line) == self._heading_size:
            self._file.seek(0)
            self._file.write(line)
            self._file.flush()
            self._file.seek(offset)

    def remove(self) -> None:
        """Removes the file, unless it has lines that hold no report and could not be kept elsewhere."""
        self._file.close()
        if self.reader.loss is None:
            self._path.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """The files of processes that run or have ended, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def count_waiting(folder: Path, url: str) -> int:
    """How many files have reports for a service, of processes that run or have ended; at most `MAX_COUNTED_FILES`."""
    count = 0
    for path in islice(folder.glob(f"*{SUFFIX}"), MAX_COUNTED_FILES):
        with suppress(OSError), path.open("rb") as file:
            heading = _heading_of(file.readline(_HEADING_BYTES))
            count += heading is not None and heading.url == url
    return count


@contextmanager
def sole_sender(folder: Path, seconds: float = 0.0, *, without_locks: bool = False) -> Generator[bool, None, None]:
    """Claims to be the only one that sends the files of a folder; False if somebody else does, after so many seconds.

    Files are sent one after another, as a flow run may begin in one and go on in the next. Whoever skipped a file that
    somebody else is sending would have the service refuse what depends on it. A network file system may lock files but
    no folders: there it is what `without_locks` says.

    Raises:
        OSError: If there is no such folder.
    """
    if fcntl is None:  # No file is skipped there: whoever has opened one has not claimed it.
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _claim(descriptor, seconds, without_locks)
    finally:
        # A process that was forked in between has the descriptor too, and would go on to hold the lock.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _claim(descriptor: int, seconds: float, without_locks: bool) -> bool:
    end = time.monotonic() + seconds
    try:
        while not _lock(descriptor):
            if time.monotonic() >= end:
                return False
            time.sleep(_TURN_SECONDS)
    except OSError:
        return without_locks
    return True


@contextmanager
def claimed(path: Path) -> Generator[Leftover | None, None, None]:
    """Opens a file for nobody else to send; None if its process is running or somebody else sends it.

    Raises:
        OSError: If it cannot be read or locked.
    """
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield None
        return
    with file:
        leftover = Leftover(path, file) if _lock(file) else None
        try:
            yield leftover
        finally:
            if leftover is not None:
                leftover.reader.close()
                leftover.release()


def keep_refused(folder: Path, refused: Iterable[Refused]) -> Path:
    """Adds reports that the service did not take to the file of them, which nothing sends again."""
    path = folder / f"{socket.gethostname()}-{os.getpid()}{REFUSED_SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open_private(path, os.O_WRONLY | os.O_APPEND, "ab") as file:
        file.write(b"".join(_encode(refusal) + b"\n" for refusal in refused))
    return path


def _heading_of(line: bytes) -> Heading | None:
    try:
        return _decode_heading(line)
    except (ValueError, RecursionError):
        return None


def _fingerprint(api_key: str | None) -> str:
    """What tells one API key from another, and does not tell the key."""
    return "" if api_key is None else hashlib.sha256(api_key.encode()).hexdigest()[:16]


def _lock(file: IO[bytes] | int) -> bool:
    """Claims a file until it is closed or the process ends; False if another process has."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
