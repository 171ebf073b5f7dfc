"""docs/cli.md names all that there is."""

from pathlib import Path

from tests.client.cli.test_help import COMMANDS, LEAVES

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def test_page_has_every_command_and_every_short_name() -> None:
    for path in LEAVES:
        assert f"`{path}" in PAGE or f"taskruns {path}" in PAGE
    for path in LEAVES:
        short = {name for param in COMMANDS[path].params for name in param.opts if len(name) == 2}
        assert all(f"`{name}" in PAGE for name in short), short
