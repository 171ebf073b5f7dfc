"""A PostgreSQL server that is there already, for the tests to run on in place of one that they start.

`TASKRUNS_TEST_DATABASE_URL` is the URL of a database on it, whose user may create others.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import make_url

from tests.postgres import PostgresServer, database_name, find_programs, run

URL: Final = "TASKRUNS_TEST_DATABASE_URL"


class GivenServer(PostgresServer):
    """A server that the tests did not start, and neither stop nor freeze."""

    def __init__(self, programs: Path, url: str) -> None:
        parsed = make_url(url)
        super().__init__(programs, parsed.port or 5432, parsed.password or "")
        host, user = parsed.host or "127.0.0.1", parsed.username or "postgres"
        self._address = f"{user}:{self.password}@{host}:{self.port}"
        self._prefix = f"test_{os.getpid()}"
        self.environment |= {"PGHOST": host, "PGUSER": user}

    def create_database(self, template: str | None = None, *options: str) -> str:
        """Creates a database as `PostgresServer` does; no other run of tests has one with its name."""
        name = f"{self._prefix}_{next(self._numbers)}"
        source = ["--template", database_name(template)] if template else []
        run([self._programs / "createdb", *source, *options, name], env=self.environment)
        return self.url(name)

    @contextmanager
    def frozen(self, processes: object = ()) -> Iterator[None]:
        """Skips the test: others may use the server."""
        pytest.skip("It stops the server, which others may use.")
        yield

    def restart(self) -> None:
        """Skips the test: others may use the server."""
        pytest.skip("It restarts the server, which others may use.")

    def drop_all(self) -> None:
        """Drops the databases of this run."""
        for number in range(1, next(self._numbers)):
            self.drop(self.url(f"{self._prefix}_{number}"))


@contextmanager
def given_server() -> Iterator[GivenServer]:
    """The server that the environment names."""
    server = GivenServer(find_programs(), os.environ[URL])
    try:
        yield server
    finally:
        server.drop_all()
