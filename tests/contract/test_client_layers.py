"""Holds the client's modules to who may import whom, and its import to be quick and without consequences."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import taskruns

ROOT = Path(__file__).parents[2] / "client"
PACKAGE = ROOT / "taskruns"
MODULES = {
    ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix("."): file
    for file in sorted(PACKAGE.rglob("*.py"))
}
WRITTEN = [module for module in MODULES if not module.startswith("_generated")]
OF_BUILDERS = ("resources",)
OF_HTTP = ("bodies", "client", "deadlines", "exchange", "responses")
# What each of these modules and packages may import of the client; one that is not here may import all.
ALONE = {
    "text": set[str](),
    "notebooks": {"text"},
    "dataframes": {"results"},
    "pages": {"_generated.types", "dataframes", "errors", "notebooks"},
    "bodies": {"errors", "text"},
    "deadlines": set[str](),
    "models": {"_generated.models"},
    "errors": {"models", "text"},
    "settings": {"errors"},
    "policy": {"errors"},
    "exchange": {"_generated.types", "bodies", "errors", "policy", "settings", "text"},
    "resources": {"_generated.api", "client", "errors", "models"},
    "responses": set[str](),
    "logs": {"settings"},
    "methods": {"_generated.types", "errors", "pages", "responses"},
    "client": {
        *("_generated.types", "deadlines", "exchange", "logs", "methods", "pages", "resources", "responses"),
    },
    "states": {"models", "text"},
    "results": {"errors", "models", "settings", "text"},
    "mapped_results": {"errors", "models", "states"},
    "task_run_views": {
        *("client", "errors", "mapped_results", "models", "notebooks", "pages", "results", "states"),
    },
    "flow_run_views": {"client", "errors", "models", "notebooks", "states", "task_run_views"},
    "recording.reports": {"models"},
    "recording.lines": {"recording.reports"},
    "recording.spool": {"recording.lines", "recording.reports"},
    "recording.sending": {"client", "errors", "models", "recording.reports", "recording.spool", "text"},
    "recording.leftovers": {"client", "errors", "recording.sending", "recording.spool"},
    "recording.outbox": {
        *("client", "errors", "recording.leftovers", "recording.reports", "recording.sending", "recording.spool"),
        "settings",
    },
    "recording.bounds": set[str](),
    "recording.termination": set[str](),
    "recording.tally": {"models", "recording.reports"},
    "recording.progress": {
        "errors",
        "models",
        "recording.bounds",
        "recording.reports",
        "recording.termination",
        "results",
    },
    "recording.deferred": {"recording.progress"},
    "recording.execution": {"recording.deferred", "recording.progress"},
    "recording.futures": {"models", "recording.bounds", "recording.progress", "recording.reports"},
    "recording.submissions": {"recording.futures"},
    "recording.ids": set[str](),
    "recording.existing": {
        "client",
        "errors",
        "models",
        "recording.progress",
        "recording.reports",
        "recording.sending",
    },
    "recording.places": {"recording.progress", "results"},
}
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


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def names_in(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Yields the full names of what is imported."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole.removeprefix("taskruns.") in MODULES else str(node.module)


def imported(module: str) -> set[str]:
    """The full names of all that a module imports, wherever in it."""
    return set(names_in(ast.walk(tree(module))))


def at_import(module: str) -> Iterator[ast.AST]:
    """Yields what is run when a module is imported: not what is in functions or for type checkers."""
    waiting: list[ast.AST] = [tree(module)]
    while waiting:
        node = waiting.pop()
        checked = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if not checked and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            waiting += ast.iter_child_nodes(node)


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("module", MODULES)
def test_client_does_not_import_the_service(module: str) -> None:
    assert "taskruns_service" not in MODULES[module].read_text()


@pytest.mark.parametrize("module", WRITTEN)
def test_imports_say_the_full_name(module: str) -> None:
    assert [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.level] == []


@pytest.mark.parametrize("module", [one for one in WRITTEN if not within(one, OF_BUILDERS)])
def test_only_the_two_clients_call_what_is_generated(module: str) -> None:
    assert not [name for name in imported(module) if name.startswith("taskruns._generated.api")]


@pytest.mark.parametrize("module", [one for one in MODULES if not within(one, OF_HTTP)])
def test_only_what_speaks_http_imports_httpx(module: str) -> None:
    assert not {name.partition(".")[0] for name in imported(module)} & {"httpcore", "httpx"}


@pytest.mark.parametrize("room", ALONE)
def test_rooms_import_only_lower_ones(room: str) -> None:
    modules = [module for module in MODULES if within(module, (room,))]
    names = {name for module in modules for name in imported(module) if name.partition(".")[0] == "taskruns"}
    own = {name.removeprefix("taskruns.") for name in names}
    assert {name for name in own if not within(name, (room, *ALONE[room]))} == set()


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_what_the_client_depends_on(module: str) -> None:
    needed = {Requirement(one).name for one in PROJECT["dependencies"]}
    optional = OF_EXTRAS.get(module.partition(".")[0], set())
    foreign = {name.partition(".")[0] for name in names_in(at_import(module))} - {"taskruns"}
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


@pytest.mark.parametrize("module", ["taskruns", *(f"taskruns.{one}" for one in ALONE)])
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
    (block,) = (node for node in tree("").body if isinstance(node, ast.If))
    names = [alias.name for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(names) == taskruns.__all__


def test_name_that_is_not_there_is_missing_as_anywhere() -> None:
    with pytest.raises(AttributeError, match=r"^module 'taskruns' has no attribute 'Nothing'$"):
        _ = taskruns.Nothing
