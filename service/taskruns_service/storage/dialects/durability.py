"""Durability: what may take answered writes away, or damage the database, as it is set up."""

import sqlite3

from sqlalchemy import Connection, text

_LOSSES = {
    ("fsync", "off"): "a crash of its machine can damage the database",
    ("full_page_writes", "off"): "a crash of its machine can damage the database",
    ("synchronous_commit", "off"): "a crash of the server can lose the last acknowledged writes",
    ("synchronous_commit", "local"): "a fail-over can lose the last acknowledged writes",
}
_SETTINGS = tuple(dict.fromkeys(name for name, _ in _LOSSES))
_SETTINGS_OF_STANDBYS = ("fsync", "full_page_writes")
_FIXED_IN = (3, 51, 3)
_FIXED_ALSO = ((3, 44, 6), (3, 50, 7))
"""Releases of older lines that have no WAL-reset fault either, from that patch on."""


def durability_risks(connection: Connection, synchronous: str) -> list[str]:
    """A sentence for each risk; `synchronous` is how SQLite was told to write."""
    if connection.dialect.name == "sqlite":
        return _risks_of_sqlite(connection, synchronous)
    return _risks_of_postgresql(connection)


def _risks_of_postgresql(connection: Connection) -> list[str]:
    columns = ", ".join(f"current_setting({name!r})" for name in _SETTINGS)
    is_standby, *values = connection.execute(text(f"SELECT pg_is_in_recovery(), {columns}")).one()
    actual = dict(zip(_SETTINGS, values, strict=True))
    server, names = ("The standby", _SETTINGS_OF_STANDBYS) if is_standby else ("PostgreSQL", _SETTINGS)
    return [
        f"{server} has {name}={value}: {loss}."
        for (name, value), loss in _LOSSES.items()
        if name in names and actual[name] == value
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
