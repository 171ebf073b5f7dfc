"""Calls prefect's command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flows
import prefect
from click.testing import CliRunner
from prefect.cli import cli
from running import PROJECT, register

SCRIPT = """
from prefect import Flow, task

@task
def one():
    return 1

with Flow("of a script") as flow:
    one()
"""
OURS = "from the shell"


def ask(*arguments: str) -> list[str]:
    """The lines that a command prints, without the blanks between columns."""
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [" ".join(line.split()) for line in done.output.splitlines()]


def describe(*arguments: str) -> Any:
    """What a command prints as JSON."""
    return json.loads("".join(ask("describe", *arguments)))


def making(folder: str) -> dict[str, Any]:
    """What the commands print that make something."""
    script = Path(folder) / "script.py"
    script.write_text(SCRIPT)
    flow_id = register(flows.short())
    before = prefect.Client().tenant_id
    return {
        "project": ask("create", "project", OURS, "--description", "ünï"),
        "project again": ask("create", "project", OURS, "--skip-if-exists"),
        "flow": ask("register", "--project", OURS, "--path", str(script))[-1].strip(" ="),
        "flow again": ask("register", "--project", OURS, "--path", str(script))[-1].strip(" ="),
        "flow run": ask("run", "--id", flow_id, "--run-name", "by hand", "--execute")[-1],
        "tenant": ask("server", "create-tenant", "--name", "Another")[0].partition(":")[0],
        "same tenant": prefect.Client().tenant_id == before,
    }


def looking() -> dict[str, Any]:
    """What the commands print that look, after `making`."""
    return {
        "projects": ask("get", "projects", "--name", OURS),
        "flows": [line.split()[:4] for line in ask("get", "flows", "--project", OURS)],
        "one version": len(ask("get", "flows", "--name", "short", "--project", PROJECT, "--version", "1")),
        "all versions": [line.split()[:2] for line in ask("get", "flows", "--name", "short", "--all-versions")][:2],
        "tasks": ask("get", "tasks", "--flow-name", "of a script"),
        "flow runs": [line.split()[:4] for line in ask("get", "flow-runs", "--flow", "short", "--started")][:2],
        "logs": ask("get", "logs", "--name", "by hand")[-1].partition(" ")[2],
        "a flow": describe("flows", "--name", "of a script"),
        "its tasks": describe("tasks", "--name", "of a script"),
        "a flow run": describe("flow-runs", "--name", "by hand"),
        "deleted": ask("delete", "project", OURS),
        "gone": ask("get", "projects", "--name", OURS),
    }
