"""PgBouncer as Debian packages it, in front of PostgreSQL: each transaction gets another of a few connections."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import make_url

from tests.postgres import PostgresServer, free_port, unprivileged_user
from tests.waiting import eventually

DEBIAN_FOLDER = "/usr/sbin"
"""Where Debian has PgBouncer, which is off the PATH of most users."""
CONNECTIONS = 10
"""To each database, however many clients there are."""
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server.port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
logfile = {folder}/log
pool_mode = {mode}
default_pool_size = {connections}
max_client_conn = 1000
{lines}
"""


TEST_PORT = "TASKRUNS_TEST_PGBOUNCER_PORT"
"""The variable with the port of the PgBouncer that `--pgbouncer` puts in front of what tests open by default."""


def default_url(database_url: str) -> str:
    """The URL by which tests reach a database of the default server: through PgBouncer with `--pgbouncer`."""
    return PgBouncer(int(os.environ[TEST_PORT])).url(database_url) if is_pooled(database_url) else database_url


def is_pooled(database_url: str) -> bool:
    """Whether tests reach a database through PgBouncer by default."""
    return TEST_PORT in os.environ and database_url.startswith("postgresql")


class PgBouncer(NamedTuple):
    """A running PgBouncer."""

    port: int

    def url(self, database_url: str) -> str:
        """The URL of a database as seen through it."""
        return make_url(database_url).set(port=self.port).render_as_string(hide_password=False)


def find_pgbouncer() -> str:
    """Returns the path of PgBouncer; skips the test where there is none, and fails it in CI."""
    if program := shutil.which("pgbouncer", path=os.pathsep.join([*os.get_exec_path(), DEBIAN_FOLDER])):
        return program
    reason = "There is no PgBouncer, so nothing is tested through it: install it (Debian's package is `pgbouncer`)."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_pgbouncer(
    server: PostgresServer, *lines: str, mode: str = "transaction", connections: int = CONNECTIONS
) -> Iterator[PgBouncer]:
    """Runs PgBouncer in front of all databases of a server, with further lines of configuration."""
    user = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="taskruns-pgbouncer-") as name:
        folder, port = Path(name), free_port()
        (folder / "users").write_text(f'"postgres" "{server.password}"\n')
        (folder / "pgbouncer.ini").write_text(
            CONFIGURATION.format(
                server=server, port=port, folder=folder, mode=mode, connections=connections, lines="\n".join(lines)
            )
        )
        if user is not None:  # PgBouncer refuses to run as root
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, user)
        process = subprocess.Popen(
            [find_pgbouncer(), "--quiet", folder / "pgbouncer.ini"], user=user, stdin=subprocess.DEVNULL
        )
        try:
            eventually(lambda: process.poll() is not None or server.is_ready(port))
            assert process.poll() is None, (folder / "log").read_text()
            yield PgBouncer(port)
        finally:
            process.terminate()
            process.wait()
