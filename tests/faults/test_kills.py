"""A single database and its service: what was acknowledged stays, whichever of their processes are killed."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import Promise
from tests.ledger import Load, loaded, lost_states, problems_in
from tests.postgres import PostgresServer, children_of, free_port, running_postgres
from tests.processes import kill, runs, workers_of
from tests.service import Served, run_command, served
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(3600)

KILLS = 6
READS = 6
"""How many answered reads lie between two faults."""


class Site:
    """A service on one port and its database, under load."""

    def __init__(self, url: str, folder: Path, stack: ExitStack) -> None:
        self.url = url
        self._folder = folder
        self._stack = stack
        self._port = free_port()
        self._service = self._serve()
        self.load: Load = stack.enter_context(loaded(self._service, folder / "ledger"))

    def _serve(self) -> Served:
        return self._stack.enter_context(served(self.url, self._folder, port=self._port))

    def kill_worker(self) -> None:
        """Kills a worker, which the supervisor replaces."""
        eventually(lambda: bool(workers_of(self._service)))
        kill(workers_of(self._service)[0])

    def kill_service(self) -> None:
        """Kills the supervisor and its workers at once, and starts the service anew."""
        workers = workers_of(self._service)
        kill_all([self._service.process.pid, *workers])
        self._service.process.wait()
        self._service = self._serve()

    def wait_until_it_answers(self) -> None:
        """Waits until the service has read and recorded something."""
        self.load.wait_for_writes(time.time())
        self.load.wait_for_reads(READS)


def kill_all(processes: list[int]) -> None:
    """Kills processes at once, and waits until none runs any more."""
    for process in processes:
        kill(process)
    eventually(lambda: not any(map(runs, processes)))


def crash(server: PostgresServer) -> None:
    """Kills all processes of a server at once, and starts it anew."""
    kill_all([server.process.pid, *children_of(server.process.pid)])
    server.process.wait()
    server.start()


@contextmanager
def running_site(url: str, folder: Path) -> Iterator[Site]:
    """Serves a database, and writes and reads, until the block ends."""
    with ExitStack() as stack:
        site = Site(url, folder, stack)
        site.wait_until_it_answers()
        yield site


async def check(site: Site, faults: list[Callable[[], None]]) -> Promise:
    """Makes the faults; every acknowledged write is there, and no answer is an error of the service."""
    for fault in faults:
        fault()
        site.wait_until_it_answers()
    acknowledged = list(site.load.acknowledged)
    assert await lost_states(site.url, acknowledged) == []
    # 0 stands for a connection that was cut or refused.
    assert {*site.load.writes.failures(), *site.load.reads.failures()} <= {0}
    assert problems_in(site.url) == ""
    gap = site.load.writes.longest_gap(time.time())
    promise = f"SIGKILL of processes, on {site.url.partition(':')[0].partition('+')[0]}"
    return Promise(promise, len(faults), f"0 of {len(acknowledged):,}", f"writes {gap:.1f} s")


async def test_nothing_acknowledged_is_lost_on_sqlite(
    sqlite_file: Path, tmp_path: Path, rounds: int, promises: list[Promise]
) -> None:
    with running_site(f"sqlite:///{sqlite_file}", tmp_path) as site:
        faults = random.Random(0).choices([site.kill_worker, site.kill_service], k=KILLS * rounds)
        promises.append(await check(site, faults))


async def test_nothing_acknowledged_is_lost_on_postgresql(
    server: PostgresServer, url: str, tmp_path: Path, rounds: int, promises: list[Promise]
) -> None:
    with running_site(url, tmp_path) as site:
        kinds = [site.kill_worker, site.kill_service, lambda: crash(server)]
        faults = random.Random(0).choices(kinds, weights=[1, 1, 2], k=KILLS * rounds)
        promises.append(await check(site, faults))


async def test_checker_sees_what_postgresql_had_not_written_yet(tmp_path: Path) -> None:
    """The control: commits do not wait for the log."""
    with running_postgres(synchronous_commit="off", wal_writer_delay="10s") as server:
        url = server.create_database()
        assert run_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
        with running_site(url, tmp_path) as site:
            crash(server)
            site.wait_until_it_answers()
            assert await lost_states(url, list(site.load.acknowledged)) != []


async def test_checker_sees_what_a_file_lacks(sqlite_file: Path, tmp_path: Path) -> None:
    """The control: a copy from before the last writes."""
    copy = tmp_path / "copy.db"
    with running_site(f"sqlite:///{sqlite_file}", tmp_path) as site:
        assert run_command("backup", str(copy), TASKRUNS_DATABASE_URL=site.url).returncode == 0
        site.wait_until_it_answers()
        assert await lost_states(f"sqlite:///{copy}", list(site.load.acknowledged)) != []
