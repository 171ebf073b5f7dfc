"""Durability: what may take answered writes away, or damage the database, as it is set up."""

import sqlite3

from sqlalchemy import Connection, text

_LOSSES = {
    "fsync": "a crash of its machine can damage the database",
    "full_page_writes": "a crash of its machine can damage the database",
    "synchronous_commit": "a crash of the server can lose the last acknowledged writes",
}
_FIXED_IN = (3, 51, 3)
_FIXED_ALSO = ((3, 44, 6), (3, 50, 7))
"""Releases of older lines that have no WAL-reset fault either, from that patch on."""


def durability_risks(connection: Connection, synchronous: str) -> list[str]:
    """A sentence for each risk; `synchronous` is how SQLite was told to write."""
    if connection.dialect.name == "sqlite":
        return _risks_of_sqlite(connection, synchronous)
    return _risks_of_postgresql(connection)


def _risks_of_postgresql(connection: Connection) -> list[str]:
    values = connection.execute(text(f"SELECT {', '.join(f'current_setting({name!r})' for name in _LOSSES)}")).one()
    return [
        f"PostgreSQL has {name}=off: {loss}."
        for (name, loss), value in zip(_LOSSES.items(), values, strict=True)
        if value == "off"
    ]


def _risks_of_sqlite(connection: Connection, synchronous: str) -> list[str]:
    risks = []
    if synchronous != "FULL":
        risks.append(f"TASKRUNS_SYNCHRONOUS is {synchronous}: a power failure can lose the last acknowledged writes.")
    version = sqlite3.sqlite_version_info
    if has_wal_reset_fault(version):
        risks.append(
            f"SQLite {'.'.join(map(str, version))} has the WAL-reset bug: in rare cases, two processes that write one "
            f"file damage it. Use a Python with SQLite 3.51.3 or newer, and let only the service write to the file."
        )
    return risks


def has_wal_reset_fault(version: tuple[int, ...]) -> bool:
    """Whether a version of SQLite may damage a file in WAL mode (https://sqlite.org/wal.html#walresetbug)."""
    return version < _FIXED_IN and not any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED_ALSO)
