"""What the tests of the command line share: a service with a small world to look at, and one to change."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskruns.client import Client
from tests.client.cli import running
from tests.client.cli.running import Ran
from tests.client.cli.world import World, serve_world
from tests.service import Served


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small world, for all tests of this worker to look at and not to change."""
    folder = tmp_path_factory.mktemp("world")
    with serve_world(folder) as world:
        yield world


@pytest.fixture(autouse=True)
def of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keeps the tests away from the home of who runs them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture
def look(world: World) -> Callable[..., Ran]:
    """Runs a command on the world, in the test's own process."""
    return lambda *arguments: running.run(*arguments, TASKRUNS_URL=world.url)


@pytest.fixture
def url(sqlite_service: Served) -> str:
    """The URL of a service for flow runs of the test's own."""
    return sqlite_service.url


@pytest.fixture
def scratch(url: str) -> Iterator[Client]:
    """A client of a service for flow runs of the test's own."""
    with Client(url) as client:
        yield client
