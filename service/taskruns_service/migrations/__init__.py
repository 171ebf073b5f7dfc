"""Migrations: the schema's history, one tree for both databases, and what brings a database up to date.

Alembic is loaded only where it is used: what serves checks the schema and never changes it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from taskruns_service.dialects import refuse_old
from taskruns_service.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent
# Files are named by their revision, a number, and what it is about.
_REVISIONS = sorted(file.name.partition("_")[0] for file in (_FOLDER / "versions").glob("[0-9]*.py"))


def config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, for a connection whose transaction is already begun."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


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

    Raises ConfigurationError when a newer version of the service has been here, or when the database is too old.
    """
    from alembic import command

    refuse_old(connection)
    refuse_newer(current(connection))
    command.upgrade(config(connection), revision)


def refuse_newer(revision: str | None) -> None:
    """Raises ConfigurationError for a revision that this version of the service does not know."""
    if revision is not None and revision not in _REVISIONS:
        raise ConfigurationError(
            f"The database has the schema {revision}, which is newer than this service ({head()}). Update the service."
        )


def verify(connection: Connection) -> None:
    """Raises ConfigurationError unless the database and its schema are what this version of the service needs."""
    refuse_old(connection)
    revision = current(connection)
    refuse_newer(revision)
    if revision != head():
        had = f"the schema {revision}, which is older than this service ({head()})" if revision else "no tables yet"
        raise ConfigurationError(f"The database has {had}. Run `taskruns-service migrate`.")
