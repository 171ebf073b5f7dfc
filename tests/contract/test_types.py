"""Holds the client to what type checkers make of it: of its own code, and of what people write with it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
USER = Path(__file__).parent / "typed" / "user.py"
CLIENT = ROOT / "client"
MYPY = ["--strict", "--config-file=", "--python-version=3.11", "--no-error-summary", "--hide-error-context"]


def complaints(npm_programs: Path, *files: Path) -> list[str]:
    """What pyright has to say, of the client as its pyproject.toml has it, or of some files."""
    # A pyrightconfig.json of a folder above would come first.
    asked = files or ("--project", CLIENT / "pyproject.toml")
    done = subprocess.run(
        [npm_programs / "pyright", "--outputjson", "--pythonpath", sys.executable, *asked],
        check=False,
        cwd=CLIENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    said: dict[str, Any] = msgspec.json.decode(done.stdout)
    assert said["summary"]["filesAnalyzed"]
    return [
        f"{Path(one['file']).relative_to(ROOT)}:{one['range']['start']['line'] + 1}: {one['message']}"
        for one in said["generalDiagnostics"]
    ]


@pytest.mark.timeout(600)  # the first one waits for npm
def test_pyright_has_nothing_to_say_of_the_client(npm_programs: Path) -> None:
    assert complaints(npm_programs) == []


@pytest.mark.timeout(600)
def test_pyright_knows_what_people_write(npm_programs: Path) -> None:
    assert complaints(npm_programs, USER) == []


def test_mypy_knows_what_people_write(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *MYPY, f"--cache-dir={tmp_path}", USER],
        check=False,
        env=os.environ | {"MYPYPATH": str(CLIENT)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
