"""Local files: the only place that opens them, and that turns what a reference says of one into a path."""

import os
import re
import stat
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from taskruns.results.errors import InvalidReference, ResultMissing, ResultNotWritten, ResultUnreadable
from taskruns.results.streams import Measured, Sink

# Without a terminal, and without waiting for whoever would write to a pipe.
_FILE = os.O_RDONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")
_ELSEWHERE = re.compile(r"[\\/]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class File(Struct, frozen=True):
    """A local file by its real path: absolute, and without symlinks, `.` and `..` when it was looked up."""

    path: str

    @property
    def name(self) -> str:
        """The place, for people."""
        return self.path

    def lies_below(self, folder: str) -> bool:
        """Whether it is in a folder, or in one below, with that folder's symlinks resolved as well."""
        return Path(self.path).is_relative_to(os.path.realpath(folder))

    def exists(self) -> bool:
        """Whether there is a regular file; raises ResultUnreadable if this user may not know."""
        try:
            return Path(self.path).is_file()
        except OSError as error:
            raise ResultUnreadable(f"{self.path} cannot be looked up: {error.strerror}.") from error

    @contextmanager
    def reading(self) -> Generator[tuple[int, IO[bytes]], None, None]:
        """Opens the file, and yields its size in bytes and itself.

        It is what lies at the real path, a regular file, reached without a symlink: one that was put in since the path
        was looked up is not followed, but an error. Raises ResultMissing and ResultUnreadable.
        """
        try:
            with os.fdopen(_opened(self.path), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ResultUnreadable(f"{self.path} is not a regular file.")
                yield status.st_size, file
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ResultMissing(f"There is no file {self.path}.") from error
        except OSError as error:
            raise ResultUnreadable(f"{self.path} cannot be read: {error.strerror}.") from error


def file_at(folder: str | None, location: str) -> File:
    """Returns the file that a reference names, whether or not there is one: with a path, or with a `file://` URI.

    A URI is decoded once; one with a host, a query or a fragment is refused, and so are paths that are not absolute,
    of another machine or of another system. Raises InvalidReference.
    """
    if location.lower().startswith("file:"):
        path = path_of(location)
    elif "://" in location:
        raise InvalidReference(f"{location!r} is not a path of a local file.")
    else:
        path = Path(folder or "", location)
    for text in (folder or "", location, str(path)):
        if _CONTROL.search(text):
            raise InvalidReference(f"The path {text!r} contains control characters.")
        if _ELSEWHERE.match(text) or (os.name != "nt" and _WINDOWS.match(text)):
            raise InvalidReference(f"The path {text!r} belongs to another machine or another system.")
    if not path.is_absolute():
        raise InvalidReference(f"The path {str(path)!r} is not absolute, and the reference has no base folder.")
    try:
        return File(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise InvalidReference(f"{location!r} is not a path: {type(error).__name__}.") from error


def write_file(path: Path, dump: Callable[[Sink], None]) -> Measured:
    """Writes a file that only this user can read, and so makes the folders above it that are missing.

    Returns what knows its size and digest. Whoever reads in the meantime finds the old file or the new one, and a crash
    leaves no half of one: it is written under a name of its own and then renamed. It is not synced to disk, which would
    cost every task a wait: what a power cut tears is known by its digest, and can be made again.

    Raises ResultNotWritten.
    """
    try:
        _make_folder(path.parent)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        written = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                dump(measured := Measured(file))
            written.replace(path)
        except BaseException:
            with suppress(OSError):
                written.unlink()
            raise
        return measured
    except OSError as error:
        raise ResultNotWritten(f"{path} cannot be written: {error.strerror}.") from error


def path_of(uri: str) -> Path:
    """Returns the path of a `file://` URI of this machine, decoded once; raises InvalidReference for any other."""
    scheme, _, rest = uri.partition("://")
    host, _, encoded = rest.partition("/")
    if scheme.lower() != "file" or host not in ("", "localhost") or re.search(r"[?#]", encoded):
        raise InvalidReference(f"{uri!r} is not a URI of a local file: use file:///folder/name, without ? and #.")
    decoded = os.fsdecode(unquote_to_bytes(encoded))
    return Path(decoded if os.name == "nt" else f"/{decoded}")


def _opened(path: str) -> int:
    """Opens a real path, which has no symlinks: were there one now, it would be an error and not followed."""
    if os.open not in os.supports_dir_fd:
        return _opened_and_compared(path)
    name, (root, *folders) = Path(path).name, Path(path).parent.parts
    folder = os.open(root, _FOLDER)
    try:
        for part in folders:
            below = os.open(part, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = below
        # To open a device may do something by itself.
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise ResultUnreadable(f"{path} is not a regular file.")
        return os.open(name, _FILE | _NO_LINK, dir_fd=folder)
    finally:
        os.close(folder)


def _opened_and_compared(path: str) -> int:
    """Opens a real path where folders cannot be held open, as on Windows, and looks again whether it still is one."""
    descriptor = os.open(path, _FILE)
    if os.path.realpath(path) != path or not os.path.samestat(os.fstat(descriptor), Path(path).stat()):
        os.close(descriptor)
        raise ResultUnreadable(f"{path} changed while it was being opened.")
    return descriptor


def _make_folder(folder: Path) -> None:
    # Path.mkdir(parents=True) would give the mode to the last one only.
    for part in [*reversed(folder.parents), folder]:
        if not part.is_dir():
            part.mkdir(mode=0o700, exist_ok=True)
