"""Holds the service's modules to who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.layers import Package, Rules, violations, within

PACKAGE = Package(Path(__file__).parents[2] / "service" / "taskruns_service")
STORAGE = ("domain", "logs", "storage")
RULES = Rules(
    own={
        "": (),
        "__main__": ("cli",),
        "domain": (),
        "logs": (),
        "schemas": ("domain",),
        "storage": ("domain", "logs"),
        "storage.dialects": ("domain.errors", "storage.private_files"),
        "storage.columns": ("storage.dialects",),
        "storage.tables": ("storage.columns", "storage.dialects"),
        "storage.database": (
            *("domain.errors", "storage.attempts", "storage.connections", "storage.deadlines", "storage.dialects"),
            "storage.engines",
            *("storage.lanes", "storage.liveness", "storage.private_files", "storage.threads", "storage.transactions"),
        ),
        "storage.writer": ("domain", "storage.command", "storage.database", "storage.lanes"),
        "storage.migrations": ("domain", "storage.dialects", "storage.tables"),
        "queries": ("schemas", *STORAGE),
        "queries.parameters": ("domain",),
        "queries.members": ("storage.dialects", "storage.tables"),
        "queries.operators": ("domain", "queries.members", "storage.dialects", "storage.tables"),
        "queries.filters": (
            *("domain", "queries.members", "queries.operators", "queries.parameters"),
            *("storage.dialects", "storage.maps", "storage.silence", "storage.tables"),
        ),
        "queries.paging": (
            *("domain.errors", "queries.members", "queries.parameters", "storage.dialects", "storage.tables"),
        ),
        "queries.plans": (
            *("queries.filters", "queries.members", "queries.operators", "queries.paging"),
            *("storage.dialects", "storage.tables"),
        ),
        "commands": ("schemas", *STORAGE),
        "live": (
            *("domain.errors", "queries.changes", "queries.lines", "queries.now"),
            *("storage.database", "storage.dialects"),
        ),
        "api": (
            *("", "live", "domain", "logs", "schemas", "commands"),
            # Neither tables nor columns: what a list shows, and by what it is sorted, is declared in queries.
            *("queries.aggregates", "queries.aggregations", "queries.attempts", "queries.flow_run_tasks"),
            *("queries.lines", "queries.listings", "queries.neighbours", "queries.pages", "queries.parameters"),
            *("queries.runs", "queries.search", "queries.task_run_results", "queries.timelines"),
            *("storage.database", "storage.deadlines", "storage.dialects"),
            *("storage.replicas", "storage.schema_watch", "storage.tally", "storage.writer"),
        ),
        "prefect1": ("", "schemas", "queries", "commands", "api", *STORAGE),
        "prefect1.graph": ("queries", *STORAGE),
        "prefect1.commands": ("prefect1.types", "schemas", "queries", "commands", *STORAGE),
        "prefect1.importing": ("prefect1.types", "schemas", "commands.flows", *STORAGE),
        "web": ("api", "domain.errors"),
        "settings": ("domain", "storage.dialects"),
        "server": ("domain.errors", "logs", "storage.file_lock"),
        "databases": ("domain.errors", "settings", "storage"),
        "app": ("*",),
        "cli": ("*",),
    },
    libraries={
        "litestar": ("api", "prefect1.graphql", "web", "app"),
        "sqlalchemy": ("storage", "queries", "commands", "prefect1", "settings"),
        "alembic": ("storage.migrations",),
        "asyncpg": ("storage.dialects",),
        "graphql": ("prefect1.graphql",),
        "granian": ("server",),
        "click": ("cli",),
    },
)
NEEDED = {
    *("alembic", "asyncpg", "click", "filelock", "granian", "litestar", "msgspec", "platformdirs", "sqlalchemy"),
    *("graphql", "re2", "structlog"),
}
LOADERS = {"dbm", "ftplib", "marshal", "pickle", "shelve"}
DATABASES = {"sqlite", "postgresql", "postgres"}


def test_modules_import_only_what_their_room_may() -> None:
    assert violations(PACKAGE, RULES) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("domain.states", "from taskruns_service import settings"),
        ("domain.new", "from taskruns_service.storage import tables"),
        ("storage.dialects.expressions", "from taskruns_service.storage import tables"),
        ("storage.dialects.expressions", "from taskruns_service.commands.unit_of_work import Ledger"),
        ("schemas.common", "from taskruns_service.storage.database import Database"),
        ("commands.reports", "from taskruns_service.queries import aggregates"),
        ("commands.unit_of_work.rows", "def write():\n    from taskruns_service.queries import runs"),
        ("queries.filters", "from taskruns_service.commands import reports"),
        ("api.requests", "import taskruns_service.prefect1.graphql.context"),
        ("api.requests", "from sqlalchemy import ColumnElement"),
        ("api.task_runs", "from taskruns_service.storage import tables"),
        ("api.lists", "from taskruns_service.queries.members import TASK_RUN_MEMBERS"),
        ("web.assets", "from taskruns_service.queries import runs"),
        ("api.service", "from taskruns_service.web import assets"),
        ("queries.runs", "import litestar"),
        ("commands.reports", "import asyncpg"),
        ("domain.ids", "from sqlalchemy import select"),
        ("domain.ids", "import taskruns_service"),
        ("helpers", ""),
    ],
)
def test_planted_import_is_found(module: str, line: str, tmp_path: Path) -> None:
    (violation,) = violations(PACKAGE.planted(module, line, tmp_path), RULES)
    assert violation.startswith(f"{module} ")


@pytest.mark.parametrize("module", PACKAGE.modules)
def test_imports_say_the_full_name(module: str) -> None:
    assert PACKAGE.relative_imports(module) == []


@pytest.mark.parametrize("module", [name for name in PACKAGE.modules if not within(name, "storage.dialects")])
def test_only_dialects_branches_on_a_database(module: str) -> None:
    words = {node.value for node in ast.walk(PACKAGE.tree(module)) if isinstance(node, ast.Constant)} & DATABASES
    asked = {node.attr for node in ast.walk(PACKAGE.tree(module)) if isinstance(node, ast.Attribute)}
    assert words | asked & {"dialect", "get_backend_name", "get_dialect"} == set()


@pytest.mark.parametrize("module", PACKAGE.modules)
def test_service_does_not_import_the_client(module: str) -> None:
    assert "taskruns" not in PACKAGE.libraries(module)


@pytest.mark.parametrize("module", PACKAGE.modules)
def test_service_imports_what_it_needs_and_no_storage_library(module: str) -> None:
    """Results are references: nothing in the service could open one, or unpickle what it holds."""
    foreign = PACKAGE.libraries(module)
    assert foreign <= NEEDED | sys.stdlib_module_names
    assert not foreign & LOADERS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("server.processes", {"alembic", "asyncpg", "litestar", "sqlalchemy"}),
        ("app", {"alembic", "click", "granian"}),
        ("cli", {"alembic", "granian", "graphql", "litestar"}),
    ],
)
def test_what_starts_or_stays_in_memory_loads_no_more_than_it_needs(module: str, unneeded: set[str]) -> None:
    code = f"import sys, taskruns_service.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert f"taskruns_service.{module}" in loaded
    assert not {name.partition(".")[0] for name in loaded} & unneeded
