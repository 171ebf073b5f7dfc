"""Whoever types the commands of a page along, on a new service, gets what stands there."""

import os
import shutil
import venv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.service import Served, served
from tests.transcripts import commands, is_as_shown, type_along

pytestmark = pytest.mark.xdist_group("typing-along")
ROOT = Path(__file__).parents[2]
PAGES = {"README.md": 7, "docs/api.md": 19, "docs/cli.md": 32, "docs/on-call.md": 18}
"""The pages, and how many commands each has at least."""
ANOTHER_TERMINAL = "make "
"""Begins what is typed elsewhere: the service that the test runs itself, and what works on the project."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the project, as far as the pages need it, with the environment that `make serve` has made."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "client", folder / "client", ignore=shutil.ignore_patterns("__pycache__", "dist"))
    venv.create(folder / ".venv", with_pip=True)
    return folder


@pytest.fixture
def home() -> Iterator[Path]:
    """The home of a newcomer; its name is as short as most, so that lines with it fit into a terminal."""
    with TemporaryDirectory(prefix="you-") as folder:
        yield Path(folder)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    """A service that has recorded nothing."""
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, log_level="error") as service:
        yield service


@pytest.mark.timeout(600)  # the first commands install the client
@pytest.mark.parametrize("page", PAGES)
def test_commands_do_what_the_page_shows(page: str, checkout: Path, service: Served, home: Path) -> None:
    place = service.url.removeprefix("http://")
    found = [
        command._replace(text=command.text.replace("localhost:4200", place))
        for command in commands(ROOT / page)
        if not command.text.startswith(ANOTHER_TERMINAL)
    ]
    assert len(found) >= PAGES[page]
    settings = {
        "TASKRUNS_URL": service.url,
        # Where pip is told which index to ask, if it is; the settings of `taskruns` are of the new home.
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", Path("~/.config").expanduser()),
        "TASKRUNS_CONFIG": home / ".config" / "taskruns" / "config.toml",
    }
    for typed in type_along(found, checkout, home, **settings):
        output = typed._replace(output=typed.output.replace(service.url, "http://127.0.0.1:4200"))
        assert is_as_shown(output), f"{page}:{typed.command.line}: {typed.command.text}{typed.output}"
