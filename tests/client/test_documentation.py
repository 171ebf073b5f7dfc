"""The Python examples of the documentation are run as they stand there, page by page, and show what stands there."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.service import Served, served

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "client/README.md", "docs/client.md", "docs/recorder.md", "docs/results.md")
FENCE = re.compile(r"^```(?P<kind>[^\n`]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
END, MARK = "\x1e", "\x1f"
VALUE = re.compile(f"{MARK}(\\d+) (.*?){MARK}", re.DOTALL)
SHOWN = f"""
import builtins
builtins._shown = lambda value, line: print(f"{MARK}{{line}} {{value!r}}{MARK}", end="")
"""


class Example(NamedTuple):
    """A block of Python, and what follows it."""

    kind: str
    line: int
    """Its first line in the page."""
    text: str
    output: str | None
    """What it prints: the block of text after it, if there is one."""
    shown: dict[int, str]
    """The repr of expressions, by their lines: the comments after them."""


def examples(page: Path) -> list[Example]:
    """The examples of a page, in their order."""
    text = page.read_text()
    blocks = list(FENCE.finditer(text))
    found = []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block["kind"].split()[:1] == ["python"]:
            has_output = following and following["kind"] == "text" and not text[block.end() : following.start()].strip()
            output = following["text"] if following and has_output else None
            line = text[: block.start()].count("\n") + 2
            found.append(Example(block["kind"], line, block["text"], output, shown(block["text"], line)))
    return found


def commented(text: str) -> list[tuple[ast.Expr, str]]:
    """The expressions at the left margin that have a comment after them."""
    lines = text.splitlines()
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Expr) and node.end_col_offset is not None]
    tails = [lines[(node.end_lineno or 1) - 1].encode()[node.end_col_offset :].decode().strip() for node in nodes]
    return [(node, tail[2:]) for node, tail in zip(nodes, tails, strict=True) if tail.startswith("# ")]


def shown(text: str, first: int) -> dict[int, str]:
    """What the comments after expressions say of them."""
    return {first + node.lineno - 1: told for node, told in commented(text)}


def program(found: list[Example]) -> str:
    """The examples as one program, in which each line is where it is in the page."""
    lines: list[str] = []
    for example in found:
        tree = commented(example.text)
        own = example.text.splitlines()
        for node, _ in tree:
            own[node.lineno - 1] = "_shown(" + own[node.lineno - 1]
            last = (node.end_lineno or 1) - 1
            own[last] = own[last].rpartition("  # ")[0] + f", {example.line + node.lineno - 1})"
        lines += [""] * (example.line - 1 - len(lines))
        lines += [*own, f"print({END!r}, end='', flush=True)"]
    return "\n".join(lines)


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
    script.write_text(program(run))
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
        timeout=100,
    )
    assert done.returncode == 0, f"{name} (line numbers are those of the page):\n{done.stdout}{done.stderr}"
    for example, printed in zip(run, done.stdout.split(END), strict=False):
        values = {int(line): alike(value) for line, value in VALUE.findall(printed)}
        assert values == {line: alike(told) for line, told in example.shown.items()}, f"{name}:{example.line}"
        if example.output is not None:
            assert alike(VALUE.sub("", printed)) == alike(example.output), f"{name}:{example.line}"
