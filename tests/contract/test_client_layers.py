"""Holds the client's modules to who may import whom, and its import to be quick and without consequences."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import taskruns
from tests.contract.layers import Package, Rules, violations, within

ROOT = Path(__file__).parents[2] / "client"
PACKAGE = Package(ROOT / "taskruns")
WRITTEN = [module for module in PACKAGE.modules if not within(module, "_generated")]
READING = (
    "limits",
    "client",
    "errors",
    "flow_run_views",
    "models",
    "pages",
    "settings",
    "states",
    "task_run_views",
    "tracebacks",
    "printable",
)
RULES = Rules(
    own={
        "": (
            *("client", "errors", "flow_run_views", "models", "recording.flow_runs", "recording.mapping"),
            *("recording.progress", "recording.tasks", "states", "task_run_views"),
        ),
        "_generated": (),
        "models": ("_generated.models",),
        "limits": (),
        "type_aliases": (),
        "printable": (),
        "errors": ("models", "printable"),
        "settings": ("errors",),
        "logs": ("settings",),
        "notebooks": ("printable",),
        "dataframes": ("results.extras",),
        "states": ("models", "printable"),
        "bodies": ("errors", "printable"),
        "tls": (),
        "deadlines": ("tls",),
        "retry_policy": ("errors",),
        "responses": (),
        "pages": ("type_aliases", "_generated.types", "dataframes", "errors", "notebooks"),
        "exchange": (
            "type_aliases",
            "limits",
            "_generated.types",
            "bodies",
            "errors",
            "retry_policy",
            "settings",
            "printable",
        ),
        "methods": ("type_aliases", "limits", "_generated.types", "errors", "pages", "responses"),
        "live": (),
        "live.parser": ("errors", "printable"),
        "live.events": ("_generated.types", "models"),
        "live.log_window": ("models",),
        "live.summaries": ("models",),
        "live.problems": ("errors", "models"),
        "live.connection": ("_generated.types", "errors"),
        "live.feed": (
            *("_generated.types", "errors", "models", "retry_policy"),
            *("live.connection", "live.parser", "live.problems"),
        ),
        "live.flow_runs": (
            *("_generated.api", "_generated.types", "errors", "limits", "methods", "models", "states"),
            *("live.connection", "live.events", "live.feed", "live.log_window", "live.parser", "live.problems"),
            "live.summaries",
        ),
        "live.service": (
            *("_generated.api", "_generated.types", "errors", "models"),
            *("live.connection", "live.events", "live.flow_runs", "live.parser", "live.summaries"),
        ),
        "live.streams": (
            *("_generated.types", "client", "deadlines", "errors", "exchange", "logs", "printable"),
            *("live.connection", "live.feed"),
        ),
        "live.methods": ("client", "live.events", "live.feed", "live.flow_runs", "live.service", "live.streams"),
        "resources": ("type_aliases", "_generated.api", "client", "errors", "live.methods", "models"),
        "client": (
            *(
                "type_aliases",
                "_generated.types",
                "deadlines",
                "exchange",
                "logs",
                "methods",
                "pages",
                "resources",
                "responses",
                "tls",
            ),
        ),
        "results": ("type_aliases", "errors", "models", "settings", "printable"),
        "results.errors": ("errors",),
        "results.extras": ("results.errors",),
        "results.streams": ("results.errors",),
        "results.locations": (
            "type_aliases",
            "results.errors",
        ),
        "results.references": (
            "type_aliases",
            "models",
        ),
        "results.compression": (),
        "results.signatures": (),
        "results.files": ("results.errors", "results.streams"),
        "results.frames": ("results.extras", "results.streams"),
        "mapped_results": ("errors", "models", "states"),
        "task_run_views": (
            *("limits", "client", "errors", "mapped_results", "models", "notebooks", "pages", "results", "states"),
            "tracebacks",
        ),
        "tracebacks": ("models", "states"),
        "flow_run_views": (
            *("limits", "client", "errors", "models", "notebooks", "pages", "states", "task_run_views", "tracebacks"),
            *("live.events", "live.summaries"),
        ),
        "recording": ("type_aliases", "client", "errors", "models"),
        "recording.bounds": ("type_aliases",),
        "recording.ids": (),
        "recording.slugs": (),
        "recording.termination": (),
        "recording.tracebacks": ("type_aliases", "recording.bounds"),
        "recording.reports": (
            "type_aliases",
            "models",
        ),
        "recording.report_reader": ("recording.reports",),
        "recording.outbox_file": ("recording.report_reader", "recording.reports"),
        "recording.sender": (
            "limits",
            "client",
            "errors",
            "models",
            "recording.reports",
            "recording.outbox_file",
            "printable",
        ),
        "recording.leftovers": ("client", "errors", "recording.sender", "recording.outbox_file"),
        "recording.outbox": (
            *("client", "errors", "recording.leftovers", "recording.reports", "recording.sender"),
            *("recording.outbox_file", "settings"),
        ),
        "recording.state_counts": ("models", "recording.reports"),
        "recording.run_logs": (
            *("models", "settings", "recording.bounds", "recording.ids", "recording.reports", "recording.tracebacks"),
        ),
        "recording.log_capture": ("logs", "recording.run_logs"),
        "recording.progress": (
            *(
                "type_aliases",
                "errors",
                "models",
                "recording.bounds",
                "recording.log_capture",
                "recording.reports",
                "recording.run_logs",
                "recording.state_counts",
                "recording.termination",
                "recording.tracebacks",
                "results",
            ),
        ),
        "recording.places": ("errors", "recording.progress", "results"),
        "recording.deferred_values": (
            "type_aliases",
            "recording.progress",
        ),
        "recording.execution": ("type_aliases", "recording.deferred_values", "recording.progress"),
        "recording.futures": (
            *("type_aliases", "models", "recording.bounds", "recording.progress", "recording.reports"),
            "recording.tracebacks",
        ),
        "recording.submissions": ("recording.futures",),
        "recording.existing_flow_runs": (
            *("client", "errors", "models", "recording.progress", "recording.reports", "recording.sender"),
        ),
        "recording.flow_runs": ("type_aliases", "client", "errors", "flow_run_views", "models", "recording", "results"),
        "cli": ("type_aliases", "live", "recording.outbox", "recording.outbox_file", "results", *READING),
        "cli.__main__": ("cli",),
        "cli.app": ("", "cli", "recording.outbox", "settings", "printable"),
        "cli.order": (),
        "cli.param_types": ("models",),
        "cli.formatting": ("models", "states", "printable"),
        "cli.output": ("cli.formatting", "printable"),
        "cli.columns": ("cli.formatting", "cli.output", "models", "printable"),
        "cli.list_writers": ("cli.output",),
        "cli.profiles": ("type_aliases", "cli.param_types", "settings"),
        "cli.flushing": ("client", "errors", "recording.outbox", "printable"),
        "cli.demo": ("type_aliases", "client", "errors", "models", "results"),
    },
    libraries={
        "httpx": ("bodies", "client", "deadlines", "exchange", "live.streams", "responses", "tls"),
        "httpcore": ("bodies", "client", "deadlines", "exchange", "responses"),
        "click": ("cli",),
        "rich": ("cli",),
        "platformdirs": ("cli.profiles",),
        "taskruns_service": (),
    },
)
# Where what only an extra brings is imported at the top; elsewhere it is in functions.
OF_EXTRAS = {"cli": {"click", "rich"}}
SLOW = {"cloudpickle", "distributed", "fsspec", "numpy", "pandas", "pyarrow"}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Tells what else a program does than read files while it imports a module, and what it has imported then.
WATCHED = """
import json, sys, threading

seen = []

def watch(event, given):
    reaches_out = event.partition(".")[0] in ("os", "shutil", "socket", "subprocess", "urllib")
    reads = event in ("os.listdir", "os.scandir", "os.add_dll_directory")
    writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")
    if reaches_out and not reads or writes:
        seen.append(f"{event} {given}")

sys.addaudithook(watch)
import MODULE
json.dump({"seen": seen, "modules": list(sys.modules), "threads": threading.active_count()}, sys.stdout)
"""


def at_import(module: str) -> Iterator[ast.AST]:
    """Yields what is run when a module is imported: not what is in functions or for type checkers."""
    waiting: list[ast.AST] = [PACKAGE.tree(module)]
    while waiting:
        node = waiting.pop()
        checked = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if not checked and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            waiting += ast.iter_child_nodes(node)


def test_modules_import_only_what_their_room_may() -> None:
    assert violations(PACKAGE, RULES) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("printable", "from taskruns import settings"),
        ("printable", "from taskruns import Client"),
        ("printable", "from . import settings"),
        ("exchange", "from taskruns.client import Client"),
        ("exchange", "from taskruns._generated.api.task_runs import get_task_run"),
        ("pages", "import httpx"),
        ("client", "def close():\n    from taskruns import flow_run_views"),
        ("results.streams", "from taskruns.results import storages"),
        ("results.new", "from taskruns.client import Client"),
        ("task_run_views", "import taskruns.recording.tasks"),
        ("recording.outbox", "from taskruns.recording import flow_runs"),
        ("recording.new", "from taskruns.cli import app"),
        ("recording.tasks", "import click"),
        ("cli.formatting", "from taskruns.cli import app"),
        ("cli.new", "from taskruns.recording import tasks"),
        ("_generated.types", "from taskruns import errors"),
        ("_generated.api.task_runs.get_task_run", "from ....errors import ProblemError"),
        ("settings", "import taskruns_service"),
        ("helpers", ""),
    ],
)
def test_planted_import_is_found(module: str, line: str, tmp_path: Path) -> None:
    (violation,) = violations(PACKAGE.planted(module, line, tmp_path), RULES)
    assert violation.startswith(f"{module} ")


@pytest.mark.parametrize("module", WRITTEN)
def test_imports_say_the_full_name(module: str) -> None:
    assert PACKAGE.relative_imports(module) == []


@pytest.mark.parametrize("module", PACKAGE.modules)
def test_module_imports_what_the_client_depends_on(module: str) -> None:
    needed = {Requirement(text).name for text in PROJECT["dependencies"]}
    optional = OF_EXTRAS.get(module.partition(".")[0], set())
    foreign = {name.partition(".")[0] for name in PACKAGE.imports_of(module, at_import(module))} - {"taskruns"}
    assert foreign <= needed | optional | sys.stdlib_module_names


def imported_alone(module: str) -> dict[str, Any]:
    """What importing a module does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", WATCHED.replace("MODULE", module)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["taskruns", *(f"taskruns.{module}" for module in WRITTEN if module and not within(module, "cli"))]
)
def test_import_does_nothing_but_read_modules(module: str) -> None:
    seen = imported_alone(module)
    assert (seen["seen"], seen["threads"]) == ([], 1)
    assert not {name.partition(".")[0] for name in seen["modules"]} & SLOW


def test_package_itself_imports_none_of_its_modules() -> None:
    """So that nobody waits for what they do not use."""
    assert [name for name in imported_alone("taskruns")["modules"] if name.startswith("taskruns.")] == []


def test_public_names_are_sorted_and_there() -> None:
    assert taskruns.__all__ == sorted(taskruns.__all__)
    for name in taskruns.__all__:
        assert getattr(taskruns, name) is getattr(import_module(getattr(taskruns, name).__module__), name)
    assert set(taskruns.__all__) <= set(dir(taskruns))


def test_type_checkers_know_every_public_name() -> None:
    (block,) = (node for node in PACKAGE.tree("").body if isinstance(node, ast.If))
    names = [alias.name for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(names) == taskruns.__all__


def test_name_that_is_not_there_is_missing_as_anywhere() -> None:
    with pytest.raises(AttributeError, match=r"^module 'taskruns' has no attribute 'Nothing'$"):
        _ = taskruns.Nothing
