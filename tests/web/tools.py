"""What npm has for the pages: the type checker, and the checker of accessibility."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements" / "ui"
MODULES = FOLDER / "node_modules"


def need_node() -> None:
    """Skips the test without Node.js, and fails it in CI."""
    if shutil.which("npm") and shutil.which("node"):
        return
    reason = "Node.js with npm is not on the PATH, so the modules of the pages are not checked."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def make(*arguments: str) -> None:
    """Runs make."""
    with FileLock(FOLDER / ".install.lock"):
        done = subprocess.run(["make", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def install() -> None:
    """Installs what package-lock.json names, unless it is there."""
    need_node()
    make("requirements/ui/node_modules/.ready")
