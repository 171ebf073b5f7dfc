"""What docs/cli.md shows is run as it stands there, on a terminal, and answers what stands there."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskruns.client import Client
from tests.client.cli.running import opened_terminal
from tests.client.cli.test_help import COMMANDS, LEAVES
from tests.client.cli.world import World
from tests.service import served

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
PLACEHOLDERS = (
    (r"\x1b\[[0-9;?]*[a-zA-Z]", ""),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    # What was made or asked now; what is told of the world is of 2021.
    (r"(?!2021)20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "NOW"),
    (r"2m\d\ds\+", "2m00s+"),
)


def examples() -> list[tuple[str, str]]:
    """The commands of the page, and what follows each."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = example.partition("\n")
            found.append((command, shown.rstrip("\n")))
    return found


def normal(text: str) -> str:
    """A text without what differs from one time to the next."""
    for pattern, placeholder in PLACEHOLDERS:
        text = re.sub(pattern, placeholder, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `taskruns` in it, as an installation has it."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "taskruns"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m taskruns.cli "$@"\n')
    script.chmod(0o755)
    return folder


def test_examples_answer_as_shown(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{program}:/usr/bin:/bin")
    database = f"sqlite:///{tmp_path / 'taskruns.db'}"
    with served(database, tmp_path, log_level="error") as service, Client(service.url) as client:
        World(client, tmp_path, hostile=False, night=datetime.now(UTC) - timedelta(seconds=126))
        commands = [(command, shown) for command, shown in examples() if command.startswith("taskruns")]
        assert len(commands) == len(examples()) - 1 > 15
        for command, shown in commands:
            environment = {"TASKRUNS_URL": service.url, "TASKRUNS_HOME": tmp_path, "NO_COLOR": 1}
            environment["TASKRUNS_CONFIG"] = tmp_path / "config.toml"
            with opened_terminal(["/bin/bash", "-c", command], 100, **environment) as terminal:
                given = (
                    terminal.end()
                    .out.replace(str(tmp_path), "/data/results")
                    .replace(service.url, "http://127.0.0.1:4200")
                )
            assert normal(given) == normal(shown), command


def test_page_has_every_command_and_every_short_name() -> None:
    for path in LEAVES:
        assert f"`{path}" in PAGE or f"taskruns {path}" in PAGE
    for path in LEAVES:
        short = {name for param in COMMANDS[path].params for name in param.opts if len(name) == 2}
        assert all(f"`{name}" in PAGE for name in short), short
