"""What the contract tests share: the document, and the application that it is about."""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock

from taskruns_service.app import create_app
from tests.service import call_command, running, settings_of

ROOT = Path(__file__).parents[2]
NPM = Path(__file__).parent / "npm"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Groups the tests that need programs from npm: one worker installs them, and no other waits for it."""
    if isinstance(item, pytest.Function) and "npm_programs" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group("npm"))


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The committed OpenAPI document."""
    read: dict[str, Any] = json.loads((ROOT / "openapi.json").read_bytes())
    return read


@pytest.fixture(scope="session")
def npm_programs() -> Path:
    """The folder of the checkers' programs, installed from package-lock.json when that is newer than what is there."""
    if not (npm := shutil.which("npm")):
        reason = (
            "Node.js with npm is not on the PATH, so the checkers that need it do not run: spectral, redocly, pyright."
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    installed = NPM / "node_modules" / ".package-lock.json"
    with FileLock(NPM / ".install.lock"):
        if not installed.exists() or installed.stat().st_mtime < (NPM / "package-lock.json").stat().st_mtime:
            done = subprocess.run([npm, "ci"], check=False, cwd=NPM, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return NPM / "node_modules" / ".bin"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database of the test's own, with the schema."""
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    return url


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which runs in the test on SQLite and asks for no keys."""
    async with running(create_app(settings_of(sqlite_url))) as client:
        yield client
