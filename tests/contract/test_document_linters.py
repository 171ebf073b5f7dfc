"""Holds openapi.json to what the field's own linters ask of an OpenAPI document; their warnings count as errors."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

DOCUMENT = Path(__file__).parents[2] / "openapi.json"
NPM = Path(__file__).parent / "npm"
LINTERS = {
    "spectral": ["lint", "--ruleset", NPM / ".spectral.yaml", "--fail-severity", "warn"],
    "redocly": ["lint", "--config", NPM / "redocly.yaml"],
}


@pytest.fixture(scope="session")
def linter_programs() -> Path:
    """The folder of the linters' programs, installed from package-lock.json when that is newer than what is there."""
    if not (npm := shutil.which("npm")):
        reason = "Node.js with npm is not on the PATH, so openapi.json is not held to spectral and redocly."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    installed = NPM / "node_modules" / ".package-lock.json"
    with FileLock(NPM / ".install.lock"):
        if not installed.exists() or installed.stat().st_mtime < (NPM / "package-lock.json").stat().st_mtime:
            done = subprocess.run([npm, "ci"], check=False, cwd=NPM, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return NPM / "node_modules" / ".bin"


@pytest.mark.timeout(600)  # the first one waits for npm
@pytest.mark.parametrize("linter", LINTERS)
def test_document_satisfies_linter(linter: str, linter_programs: Path) -> None:
    done = subprocess.run(
        [linter_programs / linter, *LINTERS[linter], DOCUMENT],
        check=False,
        env=os.environ | {"REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
