"""The Python examples of the documentation mean to type checkers what they mean to their readers."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.examples import PAGES, examples, program

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples of each page as a program, in which the lines are those of the page."""
    folder = tmp_path_factory.mktemp("pages")
    for page in PAGES:
        name = re.sub(r"\W", "_", page.removesuffix(".md")).lower()
        # Of a library without types, strict checkers always have something to say.
        typed = [example for example in examples(ROOT / page) if "untyped" not in example.kind.split()]
        (folder / f"{name}.py").write_text(program(typed, "print({value})") + "\n")
    return folder


@pytest.mark.timeout(600)  # the first one waits for npm
@pytest.mark.parametrize("mode", ["basic", "strict"])
def test_pyright_has_nothing_to_say_of_the_examples(programs: Path, mode: str, npm_programs: Path) -> None:
    config = {"typeCheckingMode": mode, "pythonVersion": "3.11"}
    (programs / "pyrightconfig.json").write_bytes(msgspec.json.encode(config))
    done = subprocess.run(
        [npm_programs / "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", programs],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = msgspec.json.decode(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(PAGES)
    assert [
        f"{Path(found['file']).stem}:{found['range']['start']['line'] + 1}: {found['message']}"
        for found in report["generalDiagnostics"]
    ] == []


@pytest.mark.parametrize("strict", [(), ("--strict",)], ids=["default", "strict"])
def test_mypy_has_nothing_to_say_of_the_examples(programs: Path, strict: tuple[str, ...], tmp_path: Path) -> None:
    options = [*strict, "--config-file=", "--python-version=3.11", "--no-error-summary", f"--cache-dir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *sorted(programs.glob("*.py"))],
        check=False,
        env=os.environ | {"MYPYPATH": str(ROOT / "client")},
        capture_output=True,
        text=True,
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
