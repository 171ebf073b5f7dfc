"""Lines of a file of reports: each is read by itself, and one that holds no report is kept in a file beside it."""

import os
from pathlib import Path
from typing import IO

import msgspec

from taskruns.recording.reports import Report

SUFFIX = ".reports.jsonl"
UNREADABLE_SUFFIX = ".unreadable.jsonl"
LINE_BYTES = 16 * 1024 * 1024
"""The longest line that is read: twice the largest body that the service takes."""
COPY_BYTES = 1024 * 1024
_decode_report = msgspec.json.Decoder[Report](Report).decode


class ReportReader:
    """Reads the reports of a file, one line after another.

    A line that holds no report holds nothing up: it is copied, byte by byte, to the file `unreadable_path`, which is
    made anew by each reader.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        """Reads from where `file` is; `path` is its own."""
        self._file = file
        self._path = path
        self._aside: IO[bytes] | None = None
        self.unreadable_path = path.with_name(path.name.removesuffix(SUFFIX) + UNREADABLE_SUFFIX)
        self.unreadable = 0
        """How many lines held no report."""
        self.complaint = ""
        """What is wrong with the first of them."""
        self.loss: OSError | None = None
        """Why some of them are not in `unreadable_path`; None while all of them are."""

    def next_report(self) -> Report | None:
        """The report of the next line; None if the line holds none.

        Raises:
            OSError: If the file cannot be read.
            EOFError: After the last line.
        """
        start = self._file.tell()
        line = self._file.readline(LINE_BYTES)
        if not line:
            raise EOFError
        try:
            report: Report = _decode_report(line)
        except (ValueError, RecursionError) as error:
            complaint = str(error)
        else:
            return report
        if not line.endswith(b"\n"):
            complaint = "it was not written completely"
            if len(line) == LINE_BYTES:
                complaint = f"it has more than {LINE_BYTES} bytes"
                self._pass_line()
        self.unreadable += 1
        self.complaint = self.complaint or f"at byte {start}, {complaint}"
        try:
            self._keep_aside(start, self._file.tell())
        except OSError as error:
            self.loss = error
        return None

    def summary(self) -> str:
        """A sentence about the lines that held no report."""
        where = f"They are in {self.unreadable_path}"
        if self.loss is not None:
            where = f"They are left there, because they could not be copied: {self.loss}"
        return f"{self._path.name}: unreadable lines: {self.unreadable} (the first: {self.complaint}). {where}."

    def close(self) -> None:
        """Closes the file of unreadable lines, if there is one."""
        if self._aside is not None:
            self._aside.close()

    def _pass_line(self) -> None:
        while (rest := self._file.readline(COPY_BYTES)) and not rest.endswith(b"\n"):
            pass

    def _keep_aside(self, start: int, end: int) -> None:
        if self._aside is None:
            self._aside = open_private(self.unreadable_path, os.O_WRONLY | os.O_TRUNC, "wb")
        self._file.seek(start)
        try:
            while (remaining := end - self._file.tell()) > 0 and (part := self._file.read(min(remaining, COPY_BYTES))):
                self._aside.write(part)
                if remaining == len(part) and not part.endswith(b"\n"):
                    self._aside.write(b"\n")
            self._aside.flush()
        finally:
            self._file.seek(end)


def open_private(path: Path, flags: int, mode: str) -> IO[bytes]:
    """Opens a file, which only its user may read if it is new."""
    return os.fdopen(os.open(path, flags | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), mode)
