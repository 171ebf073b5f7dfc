"""Holds the service's modules to who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "service" / "taskruns_service"
MODULES = {
    ".".join(file.relative_to(SERVICE).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(SERVICE.rglob("*.py"))
}
OF_HTTP = ("api", "app", "front", "graphql", "web")
OF_SQL = (
    *(
        "dialects",
        "tables",
        "filters",
        "paging",
        "counts",
        "ledger",
        "maps",
        "access_paths",
        "queries",
        "aggregates",
        "commands",
    ),
    *("graph", "computed", "conditions", "selections", "traversals"),
    "integrity",
    *("database", "attempts", "engines", "liveness", "readiness", "standbys", "threads", "transactions", "writer"),
    *("pruning", "keys", "settings", "migrations", "imports"),
    "api.requests",
    "api.service",
)
NEEDED = {
    *("alembic", "asyncpg", "click", "filelock", "granian", "litestar", "msgspec", "platformdirs", "sqlalchemy"),
    *("graphql", "re2", "structlog"),
}
LOADERS = {"dbm", "ftplib", "marshal", "pickle", "shelve"}
DATABASES = {"sqlite", "postgresql", "postgres"}
FORBIDDEN = {
    "queries": {"commands", "ledger"},
    "access_paths": {"queries", "aggregates", "commands", "ledger", "counts"},
    "aggregates": {"commands", "ledger"},
    "commands": {"queries", "aggregates"},
    **{module: {"queries", "aggregates", "commands"} for module in MODULES if module.partition(".")[0] == "ledger"},
    "counts": {"queries", "aggregates", "commands", "ledger"},
    "maps": {"queries", "aggregates", "commands", "ledger"},
    "filters": {"queries", "aggregates", "commands", "ledger", "counts"},
    "paging": {"queries", "aggregates", "commands", "ledger", "counts", "filters"},
    "computed": {"queries", "aggregates", "commands", "ledger", "counts", "filters", "paging", "graph"},
    "graph": {"queries", "aggregates", "commands", "ledger", "counts", "filters", "paging", "conditions", "selections"},
    "traversals": {"queries", "aggregates", "commands", "ledger", "counts", "filters", "paging", "conditions"},
    "conditions": {"queries", "aggregates", "commands", "ledger", "counts", "paging", "selections"},
    "selections": {"queries", "commands", "ledger", "counts", "paging"},
    **{
        module: {"queries", "aggregates", "commands", "ledger", "writer", "models"}
        for module in MODULES
        if module.partition(".")[0] == "imports"
    },
    "integrity": {"queries", "aggregates", "commands", "ledger", "writer"},
    "pruning": {"queries", "aggregates", "counts", "ledger", "database", "writer"},
    "standbys": {"queries", "aggregates", "commands", "ledger", "counts", "tables", "writer"},
    "writer": {"queries", "aggregates", "commands", "ledger"},
    "database": {"queries", "aggregates", "commands", "ledger", "counts", "tables"},
}
ALONE = {
    "states": set[str](),
    "errors": set[str](),
    "ids": set[str](),
    "references": set[str](),
    "dialects": set[str](),
    "tables": {"dialects"},
    "parameters": {"errors", "states"},
    "replays": {"states"},
    "models": {"errors", "ids", "references", "states"},
}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def imported(module: str) -> Iterator[str]:
    """Yields the full names of all that a module imports, wherever in it."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports say the full name"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole.removeprefix("taskruns_service.") in MODULES else str(node.module)


def packages(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imported(module)}


def own(module: str) -> set[str]:
    """The service's modules that a module imports."""
    names = {
        name.removeprefix("taskruns_service.") for name in imported(module) if name.startswith("taskruns_service.")
    }
    return {name.partition(".")[0] for name in names} - {module.partition(".")[0]}


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("module", [one for one in MODULES if not within(one, OF_HTTP)])
def test_only_the_http_side_imports_litestar(module: str) -> None:
    assert "litestar" not in packages(module)


@pytest.mark.parametrize("module", [one for one in MODULES if not within(one, OF_SQL)])
def test_only_the_database_side_imports_sqlalchemy(module: str) -> None:
    assert not packages(module) & {"sqlalchemy", "alembic"}


@pytest.mark.parametrize("module", [one for one in MODULES if not within(one, ("dialects",))])
def test_only_dialects_imports_a_driver(module: str) -> None:
    assert not packages(module) & {"asyncpg"}


@pytest.mark.parametrize("module", [one for one in MODULES if not within(one, ("dialects",))])
def test_only_dialects_branches_on_a_database(module: str) -> None:
    words = {node.value for node in ast.walk(tree(module)) if isinstance(node, ast.Constant)} & DATABASES
    asked = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    assert words | asked & {"dialect", "get_backend_name", "get_dialect"} == set()


@pytest.mark.parametrize("module", FORBIDDEN)
def test_lower_rooms_do_not_import_higher_ones(module: str) -> None:
    assert own(module) & (FORBIDDEN[module] | {"api", "app", "cli", "front"}) == set()


@pytest.mark.parametrize("module", ALONE)
def test_foundations_import_only_one_another(module: str) -> None:
    assert own(module) <= ALONE[module]


@pytest.mark.parametrize("module", [one for one in MODULES if not within(one, ("api", "app", "cli", "__main__"))])
def test_only_the_wiring_imports_the_api(module: str) -> None:
    assert not own(module) & {"api", "app", "cli"}


@pytest.mark.parametrize("module", MODULES)
def test_service_does_not_import_the_client(module: str) -> None:
    assert "taskruns" not in packages(module)


@pytest.mark.parametrize("module", MODULES)
def test_service_imports_what_it_needs_and_no_storage_library(module: str) -> None:
    """Results are references: nothing in the service could open one, or unpickle what it holds."""
    foreign = packages(module) - {"taskruns_service"}
    assert foreign <= NEEDED | sys.stdlib_module_names
    assert not foreign & LOADERS


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [("serving", {"alembic", "asyncpg", "litestar", "sqlalchemy"}), ("app", {"alembic", "click", "granian"})],
)
def test_what_stays_in_memory_loads_no_more_than_it_needs(module: str, unneeded: set[str]) -> None:
    code = f"import sys, taskruns_service.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert f"taskruns_service.{module}" in loaded
    assert not {name.partition(".")[0] for name in loaded} & unneeded
