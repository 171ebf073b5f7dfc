"""The command line `taskruns`: looks runs up, watches them, loads their results and sends what could not be sent."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

NEEDED = ("click", "platformdirs", "rich")
INTERRUPTED = 130
"""The exit code of what Ctrl-C ends, as shells have it."""


def main() -> None:
    """Runs the command line; exits with one of the codes in docs/cli.md."""
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:  # before a command begins, or without the extra
        code = INTERRUPTED
    sys.exit(code)


def _run(arguments: Sequence[str]) -> int | str:
    if all(find_spec(name) is not None for name in NEEDED):
        from taskruns.cli.app import run

        return run(arguments)
    if arguments[:1] != ["flush"]:
        return "taskruns: Install the `cli` extra of taskruns. Without it, only `taskruns flush` is available."
    from taskruns.cli.flushing import run_plain

    return run_plain(arguments[1:])
