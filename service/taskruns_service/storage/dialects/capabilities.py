"""Capabilities: how each kind of database is used, as data."""

import re
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from taskruns_service.domain.errors import ConfigurationError


class Capabilities(NamedTuple):
    """How a kind of database is used."""

    name: str
    """What people call it."""
    oldest: tuple[int, ...]
    """The oldest version that has all that the service uses."""
    is_async: bool
    """Whether its driver is asynchronous; otherwise each connection has a thread of its own."""
    writers: int
    """How many transactions of this process may write at a time."""
    transactions: int
    """How many more may run beside those of the writer."""
    auto_migrates: bool
    """Whether `serve` brings the schema up to date: it is the only process that has the database."""
    defers_tally: bool
    """Whether counters are appended to and folded later, because writers would wait for each other's counter rows."""
    has_value_statistics: bool
    """Whether the planner keeps per-value statistics (most-common values) rather than averages."""
    vacuums: bool
    """Whether the space of deleted rows is used again only once the table is vacuumed."""
    begin: str
    """The statement that begins a transaction of changes."""
    begin_snapshot: str
    """The statement after which all questions see one moment."""


_CAPABILITIES = {
    "sqlite": Capabilities(
        name="SQLite",
        oldest=(3, 38),
        is_async=False,
        writers=1,
        transactions=1,  # in turn with those of the writer
        auto_migrates=True,
        defers_tally=False,
        has_value_statistics=False,
        vacuums=False,
        begin="BEGIN IMMEDIATE",  # takes the write lock at once
        begin_snapshot="BEGIN",
    ),
    "postgresql": Capabilities(
        name="PostgreSQL",
        oldest=(13,),
        is_async=True,
        writers=3,
        transactions=2,
        auto_migrates=False,
        defers_tally=True,
        has_value_statistics=True,
        vacuums=True,
        begin="BEGIN",
        begin_snapshot="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    ),
}
_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


_SHOWN_PARAMETERS = frozenset({"host", "port", "ssl", "target_session_attrs"})
_PARAMETERS = _SHOWN_PARAMETERS | {
    *("database", "user", "password", "passfile", "service", "servicefile", "direct_tls", "krbsrvname", "gsslib"),
    "prepared_statement_cache_size",
}
"""What may stand behind the `?` of a PostgreSQL URL: what the driver takes as text."""

_HOST = r"[A-Za-z0-9._-]+(?::\d+)?"
_SEVERAL_HOSTS = re.compile(rf"(?P<before>[a-z0-9+]+://(?:[^/?]*@)?)(?P<hosts>{_HOST}(?:,{_HOST})+)(?P<after>[/?].*)?")


def read_url(text: str) -> URL:
    """A database URL with the service's own driver; raises ConfigurationError when it is none that it knows.

    PostgreSQL may be at several hosts, `postgresql://user@first:5432,second:5433/db`. Connections then go to the one
    that takes writes, unless `target_session_attrs` says otherwise.
    """
    try:
        url = _several_hosts(several) if (several := _SEVERAL_HOSTS.fullmatch(text)) else make_url(text)
    except (ArgumentError, ValueError):
        url = None
    driver = _DRIVERS.get(url.drivername.partition("+")[0]) if url else None
    if url is None or driver is None:
        raise ConfigurationError("it must be sqlite:///path/to/file.db or postgresql://user:password@host/database.")
    if driver.startswith("sqlite"):
        if url.host or url.username or url.database in (None, "", ":memory:"):
            raise ConfigurationError("it must name a file for the data: sqlite:///path/to/file.db.")
        if url.query:
            raise ConfigurationError("SQLite URLs take no parameters after `?`: sqlite:///path/to/file.db.")
    elif url.query.keys() - _PARAMETERS:
        # Its name may be a part of a password with an `&` in it.
        raise ConfigurationError(
            f"it has a parameter that the driver does not support. The parameters are "
            f"{', '.join(sorted(_PARAMETERS))}; `ssl` is the driver's name for `sslmode`."
        )
    return url.set(drivername=driver)


_HOSTS = "several-hosts"


def shown_url(url: URL) -> str:
    """A URL as people write it, without its password, and with those parameters alone that hold no secret."""
    hidden = (url.query.keys() - _SHOWN_PARAMETERS) | {"host"}
    hosts = url.query.get("host", ())
    shown = url.difference_update_query(hidden).set(drivername=url.get_backend_name())
    if not isinstance(hosts, tuple) or not hosts:
        return shown.render_as_string(hide_password=True)
    return shown.set(host=_HOSTS).render_as_string(hide_password=True).replace(_HOSTS, ",".join(hosts))


def place_of(url: URL) -> dict[str, str | int]:
    """Where a database is, for the log: its file, or its host (or hosts, with commas) and port."""
    if url.get_backend_name() == "sqlite":
        return {"file": str(url.database)}
    hosts = url.query.get("host", ())
    if isinstance(hosts, tuple) and hosts:
        return {"host": ",".join(hosts)}
    return {"host": url.host or str(hosts or "localhost"), "port": url.port or int(str(url.query.get("port", 5432)))}


def _several_hosts(url: re.Match[str]) -> URL:
    """The form in which SQLAlchemy takes several hosts: each with its port, in the query."""
    hosts = [host if ":" in host else f"{host}:5432" for host in url["hosts"].split(",")]
    alone = make_url(url["before"] + (url["after"] or ""))
    attributes = {"target_session_attrs": "read-write"} | dict(alone.query)
    return alone.set(query=attributes | {"host": tuple(hosts)})


def prefer_standbys(url: URL) -> URL:
    """The same hosts, but to read: a standby, if there is one that answers, and otherwise whatever there is."""
    query = dict(url.query)
    if query.get("target_session_attrs") in (None, "read-write"):
        query["target_session_attrs"] = "prefer-standby"
    return url.set(query=query)


def file_url(path: Path) -> str:
    """The URL of a database in a file."""
    return f"sqlite:///{path}"


def capabilities(database: URL | Connection) -> Capabilities:
    """The traits of the database that a URL or a connection leads to."""
    return _CAPABILITIES[database.get_backend_name() if isinstance(database, URL) else database.dialect.name]


def refuse_old(connection: Connection) -> None:
    """Raises ConfigurationError when the database is older than the service can use."""
    actual, needed = connection.dialect.server_version_info or (), capabilities(connection)
    if actual < needed.oldest:
        versions = [".".join(map(str, version)) for version in (actual, needed.oldest)]
        raise ConfigurationError(f"This is {needed.name} {versions[0]}. The service needs {versions[1]} or newer.")
