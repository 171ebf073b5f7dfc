"""Holds openapi.json to what the field's own linters ask of an OpenAPI document; their warnings count as errors."""

import os
import subprocess
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "openapi.json"
NPM = Path(__file__).parent / "npm"
LINTERS: dict[str, list[str | Path]] = {
    "spectral": ["lint", "--ruleset", NPM / ".spectral.yaml", "--fail-severity", "warn"],
    "redocly": ["lint", "--config", NPM / "redocly.yaml"],
}


@pytest.mark.timeout(600)  # the first one waits for npm
@pytest.mark.parametrize("linter", LINTERS)
def test_document_satisfies_linter(linter: str, npm_programs: Path) -> None:
    command = [npm_programs / linter, *LINTERS[linter], DOCUMENT]
    done = subprocess.run(
        command,
        check=False,
        env=os.environ | {"REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
