"""The command line `taskruns`: looks runs up, watches them, loads their results and sends what could not be sent."""

import sys
from importlib.util import find_spec

NEEDED = ("click", "platformdirs", "rich")


def main() -> None:
    """Runs the command line; exits with 0 (done), 1 (could not be done) or 2 (was not asked rightly)."""
    arguments = sys.argv[1:]
    if all(find_spec(name) is not None for name in NEEDED):
        from taskruns.cli.app import run

        sys.exit(run(arguments))
    if arguments[:1] != ["flush"]:
        sys.exit("taskruns: Install the `cli` extra of taskruns. Without it, only `taskruns flush` is available.")
    from taskruns.cli.flushing import run_plain

    sys.exit(run_plain(arguments[1:]))
