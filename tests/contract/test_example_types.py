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
from tests.prefect1.programs import find_python

ROOT = Path(__file__).parents[2]
PREFECT1_PAGE = "docs/prefect-1.md"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples of each page as a program, in which the lines are those of the page."""
    folder = tmp_path_factory.mktemp("pages")
    for page in PAGES:
        # Of a library without types, strict checkers always have something to say.
        typed = [example for example in examples(ROOT / page) if "untyped" not in example.kind.split()]
        write(folder, page, program(typed, "print({value})"))
    return folder


@pytest.fixture(scope="module")
def prefect1_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example that is a program of prefect 1.4.1, which is checked where that is installed."""
    folder = tmp_path_factory.mktemp("prefect1")
    write(folder, PREFECT1_PAGE, program(examples(ROOT / PREFECT1_PAGE), "print({value})"))
    return folder


def write(folder: Path, page: str, text: str) -> None:
    (folder / re.sub(r"\W", "_", page.removesuffix(".md")).lower()).with_suffix(".py").write_text(text + "\n")


def complaints_of_pyright(npm_programs: Path, folder: Path, python: Path | str, **config: str | bool) -> list[str]:
    """What pyright has to say of the programs in a folder, in the environment of a Python."""
    (folder / "pyrightconfig.json").write_bytes(msgspec.json.encode({"pythonVersion": "3.11", **config}))
    done = subprocess.run(
        [npm_programs / "pyright", "--outputjson", "--pythonpath", python, "--project", folder],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = msgspec.json.decode(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(folder.glob("*.py")))
    return [
        f"{Path(found['file']).stem}:{found['range']['start']['line'] + 1}: {found['message']}"
        for found in report["generalDiagnostics"]
    ]


def complaints_of_mypy(folder: Path, cache: Path, *options: str) -> tuple[str, int]:
    """What mypy has to say of the programs in a folder, and its exit code."""
    common = ["--config-file=", "--python-version=3.11", "--no-error-summary", f"--cache-dir={cache}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *common, *options, *sorted(folder.glob("*.py"))],
        check=False,
        env=os.environ | {"MYPYPATH": str(ROOT / "client")},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr, done.returncode


@pytest.mark.timeout(600)  # the first one waits for npm
@pytest.mark.parametrize("mode", ["basic", "strict"])
def test_pyright_has_nothing_to_say_of_the_examples(programs: Path, mode: str, npm_programs: Path) -> None:
    assert complaints_of_pyright(npm_programs, programs, sys.executable, typeCheckingMode=mode) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["basic", "strict"])
def test_pyright_has_nothing_to_say_of_a_flow_of_prefect_1(
    prefect1_programs: Path, mode: str, npm_programs: Path
) -> None:
    # What prefect declares is partially unknown itself, which strict checks would blame on the example.
    config: dict[str, Any] = {
        "typeCheckingMode": mode,
        "reportUnknownVariableType": False,
        "reportUnknownMemberType": False,
    }
    assert complaints_of_pyright(npm_programs, prefect1_programs, find_python(), **config) == []


@pytest.mark.parametrize("strict", [(), ("--strict",)], ids=["default", "strict"])
def test_mypy_has_nothing_to_say_of_the_examples(programs: Path, strict: tuple[str, ...], tmp_path: Path) -> None:
    assert complaints_of_mypy(programs, tmp_path, *strict) == ("", 0)


@pytest.mark.parametrize("strict", [(), ("--strict",)], ids=["default", "strict"])
def test_mypy_has_nothing_to_say_of_a_flow_of_prefect_1(
    prefect1_programs: Path, strict: tuple[str, ...], tmp_path: Path
) -> None:
    there = f"--python-executable={find_python()}"
    assert complaints_of_mypy(prefect1_programs, tmp_path, there, *strict) == ("", 0)
