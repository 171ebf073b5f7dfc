"""The Python examples of the documentation are run as they stand there, page by page, and show what stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples import PAGES, examples, program
from tests.service import Served, served

ROOT = Path(__file__).parents[2]
END, MARK = "\x1e", "\x1f"
VALUE = re.compile(f"{MARK}(\\d+) (.*?){MARK}", re.DOTALL)
SHOWN = f"""
import builtins
builtins._shown = lambda value, line: print(f"{MARK}{{line}} {{value!r}}{MARK}", end="")
"""


def alike(text: str) -> str:
    """A text with one id in place of all, and one number for the ends of names that are made of them."""
    text = re.sub(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000", text)
    return re.sub(r"(?<=[a-z]-)[0-9a-f]{6}\b", "000000", text)


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that has recorded nothing, as that of who begins to read."""
    folder = tmp_path_factory.mktemp("service")
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder, log_level="error") as service:
        yield service


@pytest.mark.parametrize("name", PAGES)
def test_examples_run_and_show_what_stands_there(name: str, service: Served, tmp_path: Path) -> None:
    found = examples(ROOT / name)
    for example in found:
        compile(example.text, f"{name}:{example.line}", "exec")
    run = [example for example in found if example.kind == "python"]
    assert run
    script = tmp_path / "page.py"
    script.write_text(program(run, "_shown({value}, {line})", f"print({END!r}, end='', flush=True)"))
    (tmp_path / "sitecustomize.py").write_text(SHOWN)
    done = subprocess.run(
        [sys.executable, script],
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "PYTHONWARNINGS": "error",
            "TASKRUNS_HOME": str(tmp_path / "home"),
            "TASKRUNS_URL": service.url,
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{name} (line numbers are those of the page):\n{done.stdout}{done.stderr}"
    for example, printed in zip(run, done.stdout.split(END), strict=False):
        values = {int(line): alike(value) for line, value in VALUE.findall(printed)}
        assert values == {line: alike(told) for line, told in example.shown.items()}, f"{name}:{example.line}"
        if example.output is not None:
            assert alike(VALUE.sub("", printed)) == alike(example.output), f"{name}:{example.line}"
