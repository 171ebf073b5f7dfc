"""The shell commands of a page of the documentation, typed in their order into one shell on a terminal."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.client.cli.running import opened_terminal
from tests.examples import FENCE

SHELLS = ("console", "sh", "bash")
COLUMNS = 100
SECONDS = 300
"""How long one command may take, as `pip install` does."""
END = re.compile(r"\x1e(\d+)\x1e")
PLACEHOLDERS = (
    (r"\x1b\[[0-9;?]*[a-zA-Z]", ""),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    # What is of now; the demo is of 2021, but for what goes on.
    (r"(?!2021)20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "NOW"),
    (r"\b\dm ago", "2m ago"),
    (r"\b\dm\d\ds\+", "2m00s+"),
)


class Command(NamedTuple):
    """A command of a page, and what the page shows of its output."""

    line: int
    """Its line in the page."""
    text: str
    shown: str


class Typed(NamedTuple):
    """A command that was typed."""

    command: Command
    code: int
    output: str


def commands(page: Path) -> list[Command]:
    """The commands of a page, in their order: in `console` blocks those after `$ `, in others every one."""
    text = page.read_text()
    return [
        command
        for block in FENCE.finditer(text)
        if block["kind"] in SHELLS
        for command in _commands(block["text"], text[: block.start("text")].count("\n") + 1, block["kind"])
    ]


def _commands(block: str, line: int, kind: str) -> Iterator[Command]:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE) if kind == "console" else ["", *_statements(block)]
    line += parts[0].count("\n")
    for part in parts[1:]:
        text = next(_statements(part))
        yield Command(line, text, part.removeprefix(text).strip("\n"))
        line += part.count("\n")


def _statements(text: str) -> Iterator[str]:
    """The commands of a script: each ends with the first line after which the shell waits for no more."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        whole = subprocess.run(["bash", "-n", "-c", statement], check=False, capture_output=True).returncode == 0
        if whole and not line.endswith("\\\n"):
            yield statement
            statement = ""
    assert not statement, statement


def type_along(commands: list[Command], folder: Path, home: Path, **environment: Any) -> Iterator[Typed]:
    """Types commands into a shell that begins in a folder; yields each with its output and its exit code."""
    script = home / "typed.sh"
    ends = (f"{command.text}\nprintf '\\036%d\\036' $?\n" for command in commands)
    script.write_text(f"cd '{folder}'\n" + "".join(ends))
    with opened_terminal(["/bin/bash", str(script)], COLUMNS, HOME=home, NO_COLOR=1, **environment) as terminal:
        begin = 0
        for command in commands:
            terminal.read_until(lambda seen: END.search(seen, begin) is not None, SECONDS)  # noqa: B023
            end = END.search(terminal.seen, begin)
            assert end is not None
            output = terminal.seen[begin : end.start()].replace("\r\n", "\n")
            yield Typed(command, int(end[1]), output.replace(str(home), "/home/you"))
            begin = end.end()


def is_as_shown(typed: Typed) -> bool:
    """Whether a command did what the page says: it succeeds, and its output is the one shown.

    A page shows that a command fails by showing its exit code. JSON is the same in any layout, and `…` in it stands for
    anything. Where nothing is shown, the output may be anything but a problem.
    """
    shown, output = typed.command.shown, typed.output
    if typed.code != 0:
        return False
    if not shown:
        return '"code":' not in output
    try:
        return _fits(json.loads(shown), json.loads(output))
    except ValueError:
        return _normal(output) == _normal(shown)


def _fits(shown: Any, output: Any) -> bool:
    if isinstance(shown, dict):
        return shown.keys() == output.keys() and all(_fits(value, output[name]) for name, value in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(output) and all(map(_fits, shown, output))
    return shown in ("…", output)


def _normal(text: str) -> str:
    """A text without what differs from one time to the next."""
    for pattern, placeholder in PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
