"""Services to attack: each test runs on SQLite and on PostgreSQL, on a service that no other module of tests uses."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from tests.postgres import PostgresServer
from tests.service import Served, call_command, served

Serve = Callable[..., AbstractContextManager[Served]]
"""Serves a new, empty database of one kind with these settings, until the block ends."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Groups the tests that share a service, which takes seconds to start: one worker runs all of them."""
    if isinstance(item, pytest.Function) and "service" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{item.callspec.params['serve']}"))


def serving(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Returns what serves a database of a kind, `sqlite` or `postgres`."""

    @contextmanager
    def serve(*arguments: str, **settings: Any) -> Iterator[Served]:
        folder = tmp_path_factory.mktemp(kind)
        if kind == "sqlite":
            url = f"sqlite:///{folder / 'taskruns.db'}"
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            url = server.create_database()
            done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
            assert done.returncode == 0, done.stderr
        with served(url, folder, *arguments, **{"synchronous": "NORMAL", **settings}) as service:
            yield service

    return serve


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def serve(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Serves a database with settings of the test's own: each test runs on SQLite and on PostgreSQL."""
    return serving(request.param, request, tmp_path_factory)


@pytest.fixture(scope="module")
def service(serve: Serve) -> Iterator[Served]:
    """A service with default settings, for all tests of the module."""
    with serve() as running:
        yield running
