"""The only place that runs a browser for the tests: a real Chromium, without a window and without a network."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
"""Chromium without what draws windows: pages take a third of the CPU in it, so tests prefer it."""
STOP_SECONDS = 20


def find_chromium(programs: Sequence[str] = (*SHELLS, *BROWSERS)) -> str:
    """Returns the path of the first Chromium there is; skips the test where there is none, and fails it in CI."""
    if chosen := os.environ.get("TASKRUNS_TEST_CHROMIUM"):
        return chosen
    if program := next(filter(None, map(shutil.which, programs)), None):
        return program
    reason = (
        "There is no Chromium, so nothing is tested in a browser: install it (Debian's packages are "
        "`chromium-headless-shell` and `chromium`), or name its program in TASKRUNS_TEST_CHROMIUM."
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def browsing(url: str, **names: str) -> Iterator[None]:
    """Shows a page until the block ends; `names` are addresses by host name, with `_` for the dot."""
    rules = ",".join(f"MAP {name.replace('_', '.')} {address}" for name, address in names.items())
    with tempfile.TemporaryDirectory(prefix="taskruns-chromium-", ignore_cleanup_errors=True) as profile:
        command = [
            find_chromium(),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", "--remote-debugging-port=0", url),
        ]
        nowhere = subprocess.DEVNULL
        # Debian's program may be a script that starts the browser: what ends one must end both.
        process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
