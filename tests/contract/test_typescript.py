"""Holds openapi.json to what a TypeScript client makes of it: the compiler knows what people write with it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

NPM = Path(__file__).parent / "npm"
DOCUMENT = Path(__file__).parents[2] / "openapi.json"
USER = Path(__file__).parent / "typed" / "user.ts"


@pytest.mark.timeout(600)  # the first one waits for npm
def test_typescript_knows_what_people_write(npm_programs: Path, tmp_path: Path) -> None:
    options = {"strict": True, "noEmit": True, "target": "es2022", "module": "nodenext", "types": []}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": [USER.name]}))
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    (tmp_path / USER.name).write_bytes(USER.read_bytes())
    (tmp_path / "node_modules").symlink_to(npm_programs.parent)
    commands: list[list[str | Path]] = [
        [npm_programs / "openapi-typescript", DOCUMENT, "--output", "openapi.d.ts"],
        [npm_programs / "tsc", "--project", "."],
    ]
    for command in commands:
        done = subprocess.run(
            command,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "REDOCLY_TELEMETRY": "off"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
