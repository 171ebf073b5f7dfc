"""SQLite files: whether one is damaged, and copies of one that is in use."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Timer
from urllib.parse import quote

from sqlalchemy import URL, Connection

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.storage import private_files

CHECK_SECONDS = 2.0
"""How long a start may look for damage: some 2 GB of a file that is in memory."""
COMPLAINTS = 5
_RESTORE = "Stop all programs that use it, keep the file, and replace it with a backup (docs/operations.md)."


def refuse_damaged(path: Path, seconds: float = CHECK_SECONDS) -> None:
    """Looks through a SQLite file for so long at most; raises ConfigurationError if it finds damage."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with _opened(path) as connection, _interrupted_after(connection, seconds):
            damage = _damage(connection, "quick_check")
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            return  # the time is over, or the file is locked: whoever opens it next has a better message
        damage = f"{error}."
    if damage is not None:
        raise ConfigurationError(f"The file {path} is damaged: {damage} {_RESTORE}")


def find_damage(connection: Connection) -> str | None:
    """What SQLite finds wrong with its file; None if that is nothing, and for PostgreSQL."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return None
    try:
        return _damage(driver, "integrity_check")
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        return f"{error}."


def _damage(connection: sqlite3.Connection, check: str) -> str | None:
    """What a check finds.

    `integrity_check` compares indexes with their tables as well, which takes some ten times as long as `quick_check`.
    """
    complaints = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({COMPLAINTS})")]
    if complaints == ["ok"]:
        return None
    return "; ".join(line.strip() for text in complaints for line in text.splitlines() if line.strip())[:500] + "."


def damage_of(url: URL, error: BaseException) -> str | None:
    """What is wrong with the file of a database, if an error says that it is damaged or none of SQLite's."""
    original = getattr(error, "orig", None) or error
    return f"The file {url.database} is damaged: {original}. {_RESTORE}" if _is_damage(original) else None


def _is_damage(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def back_up(source: Path, target: Path) -> None:
    """Copies a SQLite file, as it is at one moment, to a new file; whoever uses the file goes on.

    The copy is checked, is its user's alone, and has its name only when it is whole and on the disk. Raises
    ConfigurationError if there is nothing to copy, if there is a file already, or if the copy is not right.
    """
    if not source.exists() or source.stat().st_size == 0:
        raise ConfigurationError(f"There is no database at {source} to copy.")
    if target.exists() or target.is_symlink():
        raise ConfigurationError(f"{target} exists, and a backup never overwrites a file. Choose another name.")
    if not target.parent.is_dir():
        raise ConfigurationError(f"The folder {target.parent} for the backup does not exist.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        private_files.create_file(part)
        with _opened(source) as connection:
            connection.execute("VACUUM INTO ?", [str(part)])
        with _opened(part) as connection:
            if (damage := _damage(connection, "integrity_check")) is not None:
                raise ConfigurationError(f"{source} was not copied: the copy would be damaged: {damage} {_RESTORE}")
        _flush(part)
        _give_name(part, target)
        _flush(target.parent)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{source} was not copied to {target}: {error}.") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a file that exists; nothing is checkpointed beside whoever has it open."""
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


@contextmanager
def _interrupted_after(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Ends a statement after so long; SQLite calls no progress handler while it checks a tree."""
    timer = Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _give_name(part: Path, target: Path) -> None:
    """Names a file, unless there is one of that name."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise ConfigurationError(
            f"{target} exists by now, and a backup never overwrites a file. Choose another name."
        ) from None
    except OSError:  # a file system without hard links
        part.rename(target)


def _flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    with suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
