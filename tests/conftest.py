"""The fixtures that every folder of tests may use."""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event

from tests import portable
from tests.given_server import URL, given_server
from tests.pgbouncer import TEST_PORT, running_pgbouncer
from tests.postgres import PostgresServer, running_postgres

TESTS = Path(__file__).parent
SLOW = (
    "faults",
    *("api/test_backup.py", "api/test_damage.py", "api/test_file_locks.py", "api/test_logs.py", "api/test_overload.py"),
    *("api/test_pruning.py", "api/test_replicas.py", "api/test_rolling_updates.py", "api/test_scenario.py"),
    *("api/test_serving.py", "api/test_standbys.py", "api/test_stopping.py", "api/test_streams_served.py"),
    *("api/test_supervision.py", "client/live/test_cuts.py", "client/test_documentation.py"),
    *("client/cli/test_following.py", "client/cli/test_terminal.py", "client/cli/test_waiting.py"),
    "client/cli/test_watch.py",
    *("client/recording/test_executors.py", "client/recording/test_flush.py", "client/recording/test_heartbeats.py"),
    "client/recording/test_leftovers.py",
    *("client/recording/test_outbox.py", "client/recording/test_programs.py", "client/recording/test_stopping.py"),
    *("client/results/test_bounds.py", "client/results/test_extras.py", "client/results/test_storages.py"),
    *("client/results/test_trust.py", "client/test_notebooks.py"),
    *("contract/test_document_linters.py", "contract/test_example_types.py", "contract/test_examples.py"),
    "contract/test_installed_client.py",
    *("contract/test_schemathesis.py", "contract/test_types.py", "contract/test_typescript.py"),
    *("contract/test_typing_along.py", "store/test_import_differences.py", "store/test_imports.py"),
    *("prefect1/test_both_ways.py", "prefect1/test_keys.py", "prefect1/test_processes.py", "prefect1/test_rules.py"),
    *("prefect1/test_running.py", "prefect1/test_views.py", "prefect1/test_wire.py"),
    *("security/graphql/test_fuzzing.py", "security/graphql/test_work.py", "security/test_at_rest.py"),
    *("security/test_browser.py", "security/test_cursors.py", "security/test_overload.py"),
    *("security/test_overload_attack.py", "security/test_places.py", "security/test_received.py"),
    *("security/test_requests_of_pages.py", "security/test_response_headers.py", "security/test_rest_input.py"),
    *("security/test_stream_attack.py", "security/test_stream_input.py", "security/test_strictness.py"),
    *("store/test_large_flow_runs.py", "store/test_races.py", "web/test_assets.py"),
)
"""The folders and files whose tests are marked as slow: they start processes or browsers, or fill large tables."""

# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of the tests."""
    parser.addoption("--rounds", type=int, default=1, help="how often a database has each fault (%(default)s)")
    parser.addoption("--full", action="store_true", help="let a stream be silent behind nginx for 5 minutes")
    parser.addoption("--seeds", type=int, default=1, help="how many long storms streams go through (%(default)s)")
    parser.addoption("--promises", action="store_true", help="print a table of what the tests with faults promise")
    parser.addoption("--pgbouncer", action="store_true", help="open the databases of tests through PgBouncer")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as cores, since tests wait for processes and timeouts a third of their time."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests as slow by where they are."""
    slow = [TESTS / name for name in SLOW]
    is_slow = cache(lambda path: any(path.is_relative_to(place) for place in slow))
    for item in items:
        if is_slow(item.path):
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keeps all that is there before the first test out of what Python looks through for garbage, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Runs async tests and fixtures on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def portable_statements() -> Iterator[None]:
    """Reads every statement that PostgreSQL gets from a test's own process."""
    event.listen(Engine, "before_cursor_execute", portable.refuse)
    yield
    event.remove(Engine, "before_cursor_execute", portable.refuse)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A real PostgreSQL server: a given one, or one started when the first test of this worker asks for it."""
    with given_server() if URL in os.environ else running_postgres() as server, ExitStack() as stack:
        if request.config.getoption("--pgbouncer"):
            pooler = stack.enter_context(running_pgbouncer(server))
            stack.enter_context(patch.dict(os.environ, {TEST_PORT: str(pooler.port)}))
        yield server


@pytest.fixture(scope="session")
def postgres_template() -> str | None:
    """The URL of the database that `postgres_url` copies, None for an empty one; a folder of tests may override it."""
    return None


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str | None) -> Iterator[str]:
    """The URL of a database of the test's own."""
    url = postgres_server.create_database(postgres_template)
    yield url
    postgres_server.drop(url)
