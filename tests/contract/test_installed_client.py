"""The client as users have it: its wheel alone, in an environment without the service and without extras."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.service import environment_of, served

pytestmark = pytest.mark.xdist_group("installed-client")
ROOT = Path(__file__).parents[2]
BROUGHT = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "msgspec", "taskruns", "typing-extensions"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that has only the client and what it asks for."""
    folder = tmp_path_factory.mktemp("installed")
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT / "client")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    (wheel,) = folder.glob("taskruns-*.whl")
    pip(programs / "python", "install", wheel)
    return programs


def pip(python: Path | str, *arguments: Path | str) -> str:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def test_brings_little(programs: Path) -> None:
    listed = pip(programs / "python", "list", "--format", "freeze")
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.split()}
    assert names - {"pip", "setuptools"} <= BROUGHT


def test_first_example_runs(programs: Path, tmp_path: Path) -> None:
    code, shown = re.findall(r"```(?:python|text)\n(.*?)```", (ROOT / "client/README.md").read_text(), re.DOTALL)[:2]
    with served(f"sqlite:///{tmp_path}/taskruns.db", tmp_path) as service:
        ran = subprocess.run(
            [programs / "python", "-W", "error", "-c", code],
            check=False,
            cwd=tmp_path,
            env=environment_of(TASKRUNS_URL=service.url, TASKRUNS_HOME=tmp_path),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert (ran.stdout, ran.stderr, ran.returncode) == (shown, "", 0)
        with service.client() as http:
            (flow_run,) = http.get("/flow-runs").json()["items"]
    assert flow_run["state"] == "Success"
    assert flow_run["task_run_counts"] == {"Mapped": 1, "Success": 9}


def taskruns(programs: Path, *arguments: str, home: Path) -> tuple[int, str, str]:
    ran = subprocess.run(
        [programs / "taskruns", *arguments],
        check=False,
        env=environment_of(TASKRUNS_HOME=home),
        capture_output=True,
        text=True,
        timeout=300,
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_command_line_names_its_extra(programs: Path, tmp_path: Path) -> None:
    missing = "taskruns: Install the `cli` extra of taskruns. Without it, only `taskruns flush` is available.\n"
    assert taskruns(programs, "--help", home=tmp_path) == (1, "", missing)


def test_flush_needs_no_extra(programs: Path, tmp_path: Path) -> None:
    assert taskruns(programs, "flush", home=tmp_path) == (0, "There is nothing to send.\n", "")
