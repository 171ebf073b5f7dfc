"""Migrations: the schema's history, one tree for both databases, and what brings a database up to date.

Alembic is loaded only where it is used: what serves checks the schema and never changes it.

A migration that only adds what earlier versions of the service need not know has `additive = True`. The database itself
says of which revision a service must be to use it (`tables.schema_use`), since a service does not know the revisions
after its own: so processes of the version before go on while new ones take their places.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, inspect, select, text

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.storage.dialects import refuse_old
from taskruns_service.storage.tables import schema_use

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent
# Files are named by their revision, a number, and what it is about.
_REVISIONS = sorted(file.name.partition("_")[0] for file in (_FOLDER / "versions").glob("[0-9]*.py"))


def config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, for a connection whose transaction is already begun."""
    from alembic.config import Config

    alembic_config = Config()
    alembic_config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    alembic_config.attributes["connection"] = connection
    return alembic_config


def head() -> str:
    """The revision that this version of the service needs."""
    return _REVISIONS[-1]


def current(connection: Connection) -> str | None:
    """The revision that a database has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings a database up to date, within the connection's transaction.

    One that a newer version of the service has brought further, and that this one may use, stays as it is. Raises
    ConfigurationError when this one may not use it, or when the database is too old.
    """
    from alembic import command

    refuse_old(connection)
    if not _is_newer(connection, current(connection)):
        command.upgrade(config(connection), revision)
        _note_use(connection)


def oldest_use(revisions: Iterable[tuple[str, bool]]) -> str:
    """The revision of the oldest service that may use a schema, of its revisions and whether each only adds."""
    return max((revision for revision, additive in revisions if not additive), default=_REVISIONS[0])


def _note_use(connection: Connection) -> None:
    from alembic.script import ScriptDirectory

    revision = current(connection)
    if revision is not None and inspect(connection).has_table(schema_use.name):
        scripts = ScriptDirectory.from_config(config()).iterate_revisions(revision, "base")
        oldest = oldest_use((script.revision, getattr(script.module, "additive", False)) for script in scripts)
        connection.execute(delete(schema_use))
        connection.execute(insert(schema_use).values(revision=revision, oldest=oldest))


def _is_newer(connection: Connection, revision: str | None) -> bool:
    """Whether a database has a revision after all that this version of the service knows.

    Raises ConfigurationError if this version may not use it.
    """
    if revision is None or revision in _REVISIONS:
        return False
    oldest = None
    if inspect(connection).has_table(schema_use.name):
        oldest = connection.scalar(select(schema_use.c.oldest).where(schema_use.c.revision == revision))
    if oldest is None or oldest > head():
        needed = f", and only services from version {oldest} on can use it" if oldest else ""
        raise ConfigurationError(
            f"The database has the schema {revision}, which is newer than this service ({head()}){needed}. "
            "Update the service."
        )
    return True


def verify(connection: Connection) -> None:
    """Raises ConfigurationError unless this version of the service can use the database and its schema."""
    refuse_old(connection)
    revision = current(connection)
    if revision != head() and not _is_newer(connection, revision):
        had = f"the schema {revision}, which is older than this service ({head()})" if revision else "no tables yet"
        raise ConfigurationError(f"The database has {had}. Run `taskruns-service migrate`.")
