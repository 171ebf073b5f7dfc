"""Runs programs of users in processes of their own, against a service and a home."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

SECONDS = 180


class Scripts:
    """Programs in a folder of their own, which is on their path too."""

    def __init__(self, folder: Path, url: str) -> None:
        """They report to the service at `url`, and have their home in the folder."""
        self.folder = folder
        self.home = folder / "home"
        self.outbox = self.home / "outbox"
        self._environment = {
            **os.environ,
            "TASKRUNS_URL": url,
            "TASKRUNS_HOME": str(self.home),
            "PYTHONPATH": str(folder),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "error",
        }

    def write(self, source: str, name: str = "script.py") -> Path:
        """Writes a program or a module."""
        path = self.folder / name
        path.write_text(dedent(source))
        return path

    def start(self, source: str, name: str = "script.py", **environment: Any) -> "subprocess.Popen[str]":
        """Starts a program."""
        return subprocess.Popen(
            [sys.executable, str(self.write(source, name))],
            env=self._environment | {key: str(value) for key, value in environment.items()},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: str, code: int = 0, name: str = "script.py", **environment: Any) -> tuple[str, str]:
        """Runs a program to its end, which is to be of this code; what it printed on standard output and on error."""
        with self.start(source, name, **environment) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"It goes on:\n{out}{err}") from None
        assert process.returncode == code, out + err
        return out, err

    def waiting(self) -> list[Path]:
        """The files of reports that wait to be sent."""
        return sorted(self.outbox.glob("*.reports.jsonl"))

    def refused(self) -> list[Path]:
        """The files of reports that were refused."""
        return sorted(self.outbox.glob("*.refused.jsonl"))
