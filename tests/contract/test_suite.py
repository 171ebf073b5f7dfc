"""How the tests are run: what is grouped for the workers, and what is marked as slow."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SLOW, TESTS


@pytest.mark.xdist_group("groups")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    """The group is the end of the id; a release of pytest that loses it fills every large database once per worker."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@groups")


def test_every_slow_module_exists() -> None:
    assert [name for name in SLOW if not (TESTS / name).exists()] == []


@pytest.mark.slow
def test_test_that_no_time_limit_ends_ends_its_worker(tmp_path: Path) -> None:
    test = tmp_path / "test_hangs.py"
    test.write_text(
        "import time, pytest\n\n"
        "@pytest.fixture\ndef hanging():\n    yield\n    time.sleep(3600)\n\n"
        "def test_hangs(hanging):\n    pass\n\n"
        "def test_after():\n    pass\n"
    )
    options = ["-n1", "-p", "no:cacheprovider", "-o", "timeout=0", "-o", "faulthandler_timeout=2"]
    command = [sys.executable, "-m", "pytest", *options, "-c", str(TESTS.parent / "pyproject.toml"), str(test)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert "crashed while running '::test_hangs'" in run.stdout
    assert "1 failed, 2 passed" in run.stdout
