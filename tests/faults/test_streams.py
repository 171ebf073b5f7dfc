"""Streams while connections are cut, workers are killed and PostgreSQL is restarted: nothing is missing or double."""

import random
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from taskruns import AsyncClient, Client
from tests.client.live.watching import watching
from tests.faults.conftest import Promise
from tests.faults.storms import Storm, killing, restarting, watch_through
from tests.postgres import PostgresServer
from tests.service import Served, served

KILLS = RESTARTS = 5
CUTS = 50
TASK_RUNS = 400
LOSSY = """
from itertools import count
from taskruns_service.live import events

encode, numbers = events.task_runs_event, count(1)

def encode_some(after, sequence, items):
    return encode(after, sequence, "" if next(numbers) % 100 == 0 else items)

events.task_runs_event = encode_some
"""
"""A module that Python imports when it starts: every hundredth event of a process comes without its task runs."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the long storm with as many seeds as the command line says."""
    if "long_seed" in metafunc.fixturenames:
        metafunc.parametrize("long_seed", range(metafunc.config.getoption("--seeds")))


@pytest.fixture
def sqlite_service(tmp_path: Path) -> Iterator[Served]:
    """The service on SQLite."""
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, synchronous="NORMAL") as service:
        yield service


@pytest.fixture
def postgres_service(url: str, tmp_path: Path) -> Iterator[Served]:
    """The service on PostgreSQL in two processes behind one port."""
    with served(url, tmp_path, "--workers", "2") as service:
        yield service


def test_nothing_is_missing_or_double_when_workers_are_killed(sqlite_service: Served) -> None:
    kill_worker = killing(sqlite_service, random.Random(0))
    watch_through(Storm(seed=0, task_runs=40, cuts=5, faults=[kill_worker] * 3), sqlite_service)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_missing_or_double_whatever_fails(
    seed: int, postgres_service: Served, server: PostgresServer
) -> None:
    generator = random.Random(seed)
    faults = generator.choices([killing(postgres_service, generator), restarting(server)], k=3)
    watch_through(Storm(seed=seed, task_runs=40, cuts=5, faults=faults), postgres_service)


@pytest.mark.fault
@pytest.mark.timeout(600)
def test_nothing_is_missing_or_double_in_a_long_storm(
    long_seed: int, postgres_service: Served, server: PostgresServer, promises: list[Promise]
) -> None:
    generator = random.Random(long_seed)
    faults = [killing(postgres_service, generator)] * KILLS + [restarting(server)] * RESTARTS
    generator.shuffle(faults)
    storm = Storm(seed=long_seed, task_runs=TASK_RUNS, cuts=CUTS, faults=faults)
    with Client(postgres_service.url) as client:
        flow_run = client.flow_runs.create(flow_name="etl")
        with (
            watching(Client, postgres_service.url, flow_run, after_sequence=0) as watch,
            watching(AsyncClient, postgres_service.url, flow_run, after_sequence=0) as async_watch,
        ):
            readers = watch_through(storm, postgres_service, f"/flow-runs/{flow_run.id}")
            client.flow_runs.set_state(flow_run.id, type="Success")
    task_runs = {UUID(identifier): item["sequence"] for identifier, item in readers[0].picture.task_runs.items()}
    for client_watch in (watch, async_watch):
        assert client_watch.error is None
        assert dict(client_watch.changes) == task_runs
        assert len(set(client_watch.changes)) == len(client_watch.changes)
    promises.append(
        Promise(
            f"streams, storm {long_seed}: nothing is missing or double",
            sum(reader.cuts for reader in readers) + len(faults),
            f"0 of {readers[0].picture.sequence:,}",
            f"events {max(reader.longest_gap for reader in readers):.1f} s",
        )
    )


@pytest.mark.fault
def test_service_that_leaves_out_every_hundredth_event_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOSSY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # With so many task runs hardly any changes again, which would make up for what is missing.
    storm = Storm(seed=0, task_runs=1_000_000, cuts=4 * CUTS, faults=[])
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, synchronous="NORMAL") as service:
        with pytest.raises(AssertionError):
            watch_through(storm, service)
        assert "Traceback" not in service.output()
