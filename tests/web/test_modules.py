"""The modules by themselves, in Node: their types, what is made from elsewhere, and their pure functions."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.web import tools

UI = tools.ROOT / "service" / "taskruns_service" / "web" / "ui"
NODE_TESTS = sorted(Path(__file__).parent.glob("*.test.mjs"))
pytestmark = [pytest.mark.xdist_group("npm_of_pages"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def npm() -> None:
    """What npm has for the pages."""
    tools.install()


@pytest.mark.slow
@pytest.mark.usefixtures("npm")
def test_types_are_right() -> None:
    program = tools.MODULES / ".bin" / "tsc"
    done = subprocess.run([program, "--project", UI], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("npm")
def test_vendored_files_and_types_of_the_api_are_what_make_vendor_writes(tmp_path: Path) -> None:
    folders = {"VENDOR": UI / "vendor", "DOCS_VENDOR": UI.with_name("docs") / "vendor"}
    tools.make("vendor", f"UI_TYPES={tmp_path / 'openapi.d.ts'}", *(f"{name}={tmp_path / name}" for name in folders))
    for name, folder in folders.items():
        assert contents(tmp_path / name) == contents(folder)
    assert (tmp_path / "openapi.d.ts").read_text() == (UI / "openapi.d.ts").read_text()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("path", NODE_TESTS, ids=lambda path: path.name)
def test_pure_functions(path: Path, tmp_path: Path) -> None:
    tools.need_node()
    # Browsers are told that they are modules by `type=module`, Node by a package.json beside them.
    ui = tmp_path / "ui"
    shutil.copytree(UI, ui)
    (ui / "package.json").write_text(json.dumps({"type": "module"}))
    done = subprocess.run(
        ["node", "--test", str(path)],
        check=False,
        env={"UI": str(ui), "TZ": "Europe/Berlin", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
