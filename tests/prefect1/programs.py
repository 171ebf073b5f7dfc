"""The only place that runs prefect 1.4.1, in processes of a Python of its own that has none of our packages."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCENARIOS = Path(__file__).parent / "original"
PYTHON = ROOT / ".venv-prefect1" / "bin" / "python"
SECONDS = 500

# What the engine does by the clock it does more often here.
SETTINGS = {
    "PREFECT__BACKEND": "server",
    "PREFECT__CLOUD__CHECK_CANCELLATION_INTERVAL": "0.5",
    "PREFECT__CLOUD__HEARTBEAT_INTERVAL": "0.5",
    "PREFECT__CLOUD__HEARTBEAT_MODE": "thread",
    "PREFECT__CLOUD__LOGGING_HEARTBEAT": "0.5",
}

# What prefect says of task runs whose results it cannot load.
NO_LOCATION = (
    "ValueError: The task result has no `location` so the result cannot be loaded. "
    "This often means that your task result has not been configured or has been configured incorrectly."
)
NO_RESULT = (
    "TypeError: The task has a no `Result` type so the result cannot be loaded."
    "Set a `Result` type on your tasks so return values are persisted."
)


def find_python() -> Path:
    """Returns the Python that has prefect 1.4.1; skips the test where there is none, and fails it in CI."""
    python = Path(os.environ.get("TASKRUNS_TEST_PREFECT1_PYTHON", PYTHON))
    if not python.exists():
        reason = (
            f"There is no {python}, so prefect 1.4.1 is not tested: `make test` builds it with a Python 3.9, 3.10 or "
            "3.11, or name one that has requirements/prefect1.lock in TASKRUNS_TEST_PREFECT1_PYTHON."
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return python


class Prefect1:
    """An installation of prefect 1.4.1 whose backend is the service at `url`."""

    def __init__(self, url: str, home: Path) -> None:
        """Its home, its results and the files that the tests exchange with it are in the folder `home`."""
        self.url = url
        self.home = home
        self._python = find_python()

    def see(self, scenario: str, environment: dict[str, str] | None = None, /, **arguments: Any) -> Any:
        """Runs a scenario, `module.function` in the folder `original`, and returns what it told."""
        output = self.home / "output.json"
        output.unlink(missing_ok=True)
        self.run([str(SCENARIOS), scenario, json.dumps(arguments), str(output)], environment)
        return json.loads(output.read_bytes())

    def run(self, arguments: Sequence[str], environment: dict[str, str] | None = None) -> str:
        """Runs its Python with these arguments to a good end, and returns what that printed."""
        done = subprocess.run(
            [self._python, *arguments],
            check=False,
            cwd=self.home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": str(SCENARIOS),
                "PREFECT__HOME_DIR": str(self.home),
                "PREFECT__SERVER__ENDPOINT": self.url,
                **SETTINGS,
                **(environment or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout[-20_000:]
        return done.stdout
