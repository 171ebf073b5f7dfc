"""The command line `taskruns`: looks runs up, watches them, loads their results and sends what could not be sent."""

import sys
from importlib.util import find_spec

NEEDED = ("click", "platformdirs", "rich")


def main() -> None:
    """Runs the command line; exits with 0 (done), 1 (could not be done) or 2 (was not asked rightly)."""
    if any(find_spec(name) is None for name in NEEDED):
        sys.exit('The command line needs an extra: pip install "taskruns[cli]"')
    from taskruns.cli.app import run

    sys.exit(run(sys.argv[1:]))
