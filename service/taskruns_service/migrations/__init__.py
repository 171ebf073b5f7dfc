"""Migrations: the schema's history, one tree for both databases, and what brings a database up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from taskruns_service.dialects import refuse_old
from taskruns_service.errors import ConfigurationError

_FOLDER = Path(__file__).parent


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, for a connection whose transaction is already begun."""
    made = Config()
    made.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def head() -> str:
    """The revision that this version of the service needs."""
    (revision,) = ScriptDirectory.from_config(config()).get_heads()
    return revision


def current(connection: Connection) -> str | None:
    """The revision that a database has; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings a database up to date, within the connection's transaction.

    Raises ConfigurationError when a newer version of the service has been here, or when the database is too old.
    """
    refuse_old(connection)
    refuse_newer(current(connection))
    command.upgrade(config(connection), revision)


def refuse_newer(revision: str | None) -> None:
    """Raises ConfigurationError for a revision that this version of the service does not know."""
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if revision is not None and revision not in known:
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
