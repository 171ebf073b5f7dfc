"""The README's examples are run as they stand there, and answer what stands there."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.service import served

README = Path(__file__).parents[2] / "README.md"


def examples() -> list[tuple[str, Any]]:
    """The curl commands of the README and the JSON that follows each, None where nothing does."""
    found: list[tuple[str, Any]] = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE):
            if example.startswith("curl"):
                command, _, answer = example.partition("\n{")
                found.append((command, json.loads("{" + answer) if answer else None))
    return found


def fits(shown: Any, given: Any) -> bool:
    """Whether an answer is the one that is shown, where `…` stands for anything."""
    if isinstance(shown, dict):
        return shown.keys() == given.keys() and all(fits(value, given[name]) for name, value in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(given) and all(map(fits, shown, given))
    return shown in ("…", given)


def test_first_screen_answers_as_shown(tmp_path: Path) -> None:
    commands = examples()
    assert len(commands) == 5
    with served(f"sqlite:///{tmp_path}/taskruns.db", tmp_path) as service:
        for command, shown in commands:
            there = command.replace("localhost:4200", service.url.removeprefix("http://"))
            given = json.loads(subprocess.run(["bash", "-c", there], check=True, capture_output=True).stdout)
            assert "code" not in given, given
            assert shown is None or fits(shown, given), given
