"""A cluster that loses its primary and its standbys: what was acknowledged stays, and answers come in time."""

import logging
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, running_cluster
from tests.faults.conftest import Promise
from tests.ledger import Load, loaded, lost_states, problems_in, value_at
from tests.machines import Machine
from tests.service import Served, run_command, served
from tests.waiting import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(7200)]

log = logging.getLogger(__name__)

ANSWER_SECONDS = 12.0
"""No request waits longer for its answer, whatever the cluster does."""
SLACK_SECONDS = 3.0
"""What a busy machine may add."""
READY = re.compile(r"^([\d.]+) LOG:  database system is ready to accept connections$", re.MULTILINE)
FREEZABLE = ("patroni", "postgres")
"""What stands still: etcd 3.4.23 of Debian 12, once it goes on, takes the lock of a new primary away (etcd#15247)."""
SECONDS = 120
"""What a fail-over may take on a busy machine."""
UNDISTURBED_SECONDS = 1.0
READS = 100
"""How many answered reads show that reads go on."""
WEAKENED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "asynchronous standbys": ({"synchronous_mode": False}, {"synchronous_mode": True}),
    "synchronous_commit=off": (
        {"postgresql": {"parameters": {"synchronous_commit": "off"}}},
        {"postgresql": {"parameters": {"synchronous_commit": "on"}}},
    ),
}
"""Settings of Patroni with which commits do not wait for a standby, and those with which they do."""


@dataclass
class Round:
    """What one fault did."""

    acknowledged: int
    lost: int
    longest_answer: float
    """Seconds that a request waited for its answer."""
    write_gap: float
    """Seconds without a recorded write."""
    read_gap: float
    """Seconds without an answered read."""
    first_write: float | None
    """Seconds from the promotion to the first recorded write; None where the primary stayed."""
    refused_reads: int
    """How many reads were answered with 503."""
    failures: dict[int, int]
    """How often there was another answer than success and 503, by its status."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        result = run_command("migrate", TASKRUNS_DATABASE_URL=cluster.url("primary"))
        assert result.returncode == 0, result.stderr
        yield cluster


@pytest.fixture(scope="module")
def load(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """Writers and readers of a service that reads from the standbys."""
    folder = tmp_path_factory.mktemp("availability")
    with (
        served(cluster.url("primary"), folder, read_database_url=cluster.url("replica"), pool_size=4) as service,
        loaded(service, folder / "ledger") as load,
    ):
        yield load


def kill(cluster: Cluster) -> Callable[[], None]:
    """The machine of the primary loses its power."""
    leader = cluster.leader()
    leader.kill()
    return lambda: cluster.start(leader)


def freeze(cluster: Cluster) -> Callable[[], None]:
    """The primary and its Patroni stand still, and go on after another has taken their place."""
    leader = cluster.leader()
    leader.send_signal(signal.SIGSTOP, *FREEZABLE)
    return lambda: leader.send_signal(signal.SIGCONT, *FREEZABLE)


def partition(cluster: Cluster) -> Callable[[], None]:
    """Nobody reaches the primary."""
    leader = cluster.leader()
    leader.pull_cable()
    return leader.plug_cable


def partition_from_standbys(cluster: Cluster) -> Callable[[], None]:
    """The standbys do not reach the primary, and the service does."""
    leader = cluster.leader()
    others = cluster.others(leader)
    leader.cut_off_from(others)
    return lambda: leader.reconnect_to(others)


def freeze_standby(cluster: Cluster) -> list[Machine]:
    """The standby that commits wait for stands still."""
    standby = cluster.with_role("sync_standby")
    assert standby is not None
    standby.send_signal(signal.SIGSTOP, *FREEZABLE)
    return [standby]


def freeze_standbys(cluster: Cluster) -> list[Machine]:
    """All standbys stand still."""
    standbys = cluster.standbys()
    for standby in standbys:
        standby.send_signal(signal.SIGSTOP, *FREEZABLE)
    return standbys


Record = Callable[[str, list[Round]], None]


@pytest.fixture
def record(promises: list[Promise]) -> Record:
    """Writes a row of the table of promises."""

    def write(promise: str, rounds: list[Round]) -> None:
        gaps = {
            "writes": max(result.write_gap for result in rounds),
            "reads": max(result.read_gap for result in rounds),
            "an answer": max(result.longest_answer for result in rounds),
        }
        firsts = [result.first_write for result in rounds if result.first_write is not None]
        if firsts:
            gaps["the first write"] = max(firsts)
        lost = sum(result.lost for result in rounds)
        acknowledged = sum(result.acknowledged for result in rounds)
        seconds = ", ".join(f"{name} {gap:.1f} s" for name, gap in gaps.items())
        promises.append(Promise(promise, len(rounds), f"{lost} of {acknowledged:,}", seconds))

    return write


PRIMARY_FAULTS = [kill, freeze, partition, partition_from_standbys]


def wait_for_promotion(cluster: Cluster, old: Machine, since: float) -> float:
    """Waits until another machine than `old` is the primary; returns when it began to take writes."""
    others = cluster.others(old)
    moments: list[float] = []

    def is_promoted() -> bool:
        moments[:] = [float(moment) for machine in others for moment in READY.findall(machine.log())]
        return max(moments, default=0) > since

    eventually(is_promoted, SECONDS)
    return max(moments)


@contextmanager
def undisturbed(cluster: Cluster, load: Load) -> Iterator[None]:
    """Begins a round when all is well."""
    cluster.wait()
    load.reset()
    load.wait_for_writes(time.time() + UNDISTURBED_SECONDS)
    yield
    cluster.wait()


async def sum_up(cluster: Cluster, load: Load, promoted: float | None) -> Round:
    """What became of a fault, after all is well again."""
    acknowledged = list(load.acknowledged)
    lost = await lost_states(cluster.url_at(cluster.leader()), acknowledged)
    now = time.time()
    result = Round(
        len(acknowledged),
        len(lost),
        max(load.writes.longest, load.reads.longest),
        load.writes.longest_gap(now),
        load.reads.longest_gap(now),
        None if promoted is None else load.writes.first_after(promoted),
        load.reads.refusals(),
        dict(Counter(load.writes.failures()) + Counter(load.reads.failures())),
    )
    log.info("%s", result)
    return result


async def fail_over(cluster: Cluster, load: Load, fault: Callable[[Cluster], Callable[[], None]]) -> Round:
    """One fault of the primary, until its machine is a standby."""
    with undisturbed(cluster, load):
        leader, began = cluster.leader(), time.time()
        heal = fault(cluster)
        promoted = wait_for_promotion(cluster, leader, began)
        load.wait_for_writes(promoted)
        heal()
    return await sum_up(cluster, load, promoted)


def check(rounds: list[Round], record: Record, promise: str) -> None:
    """Every acknowledged write is there, every request has an answer in time, and none is an error of the service."""
    record(promise, rounds)
    assert sum(result.lost for result in rounds) == 0
    assert [result.failures for result in rounds if result.failures] == []
    assert max(result.longest_answer for result in rounds) < ANSWER_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("fault", PRIMARY_FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_acknowledged_is_lost_with_the_primary(
    cluster: Cluster, load: Load, fault: Callable[[Cluster], Callable[[], None]], rounds: int, record: Record
) -> None:
    results = [await fail_over(cluster, load, fault) for _ in range(rounds)]
    check(results, record, fault.__name__.replace("_", " "))
    assert problems_in(cluster.url("primary")) == ""


async def test_switchover_answers_no_error(cluster: Cluster, load: Load, rounds: int, record: Record) -> None:
    results = []
    for _ in range(rounds):
        with undisturbed(cluster, load):
            leader, began = cluster.leader(), time.time()
            cluster.switch_over()
            promoted = wait_for_promotion(cluster, leader, began)
            load.wait_for_writes(promoted)
        results.append(await sum_up(cluster, load, promoted))
    check(results, record, "switchover")
    assert problems_in(cluster.url("primary")) == ""


@pytest.mark.parametrize("fault", [freeze_standby, freeze_standbys], ids=lambda fault: fault.__name__)
async def test_frozen_standbys_stop_no_reads(
    cluster: Cluster, load: Load, fault: Callable[[Cluster], list[Machine]], rounds: int, record: Record
) -> None:
    results = []
    for _ in range(rounds):
        with undisturbed(cluster, load):
            frozen = fault(cluster)
            load.wait_for_reads(READS)
            # Commits wait for a frozen standby, until the primary takes it for lost.
            eventually(lambda: cluster.with_role("sync_standby") not in frozen, SECONDS)  # noqa: B023 - called at once
            load.wait_for_writes(time.time())
            load.wait_for_reads(READS)
            for machine in frozen:
                machine.send_signal(signal.SIGCONT, *FREEZABLE)
        results.append(await sum_up(cluster, load, None))
    check(results, record, fault.__name__.replace("_", " "))
    assert sum(result.refused_reads for result in results) == 0
    assert problems_in(cluster.url("primary")) == ""


async def sequence_at(url: str, flow_run: str) -> int:
    """How many changes of a flow run a database has."""
    return int(await value_at(url, "SELECT sequence FROM flow_run WHERE id = $1", flow_run))


async def promote(cluster: Cluster, load: Load, standby: Machine, service: Served) -> None:
    """Promotes a standby that a service reads from; the service soon reads what is recorded afterwards."""
    flow_run = load.flow_runs[0]
    with service.client() as client:

        def sequence() -> int:
            return int(client.get(f"/flow-runs/{flow_run}").raise_for_status().json()["sequence"])

        eventually(lambda: sequence() > 0)
        leader, began = cluster.leader(), time.time()
        standby.send_signal(signal.SIGSTOP, "patroni")  # which would make it a standby again
        try:
            assert await value_at(cluster.url_at(standby), "SELECT pg_promote(false)")
            wait_for_promotion(cluster, leader, began)
            stale = await sequence_at(cluster.url_at(standby), flow_run)
            load.wait_for_writes(time.time() + UNDISTURBED_SECONDS)
            fresh = await sequence_at(cluster.url("primary"), flow_run)
            assert fresh > stale
            eventually(lambda: sequence() >= fresh)
            assert min(sequence() for _ in range(READS)) >= fresh
        finally:
            standby.send_signal(signal.SIGCONT, "patroni")
            await wait_for_demotion(cluster, standby)
            cluster.reinitialize(standby)  # it is on a timeline of its own, which Patroni does not take it off
    assert "standby was promoted" in service.output() or "standby unavailable" in service.output()


async def test_standby_that_was_promoted_beside_the_primary_is_left(
    cluster: Cluster, load: Load, tmp_path: Path, rounds: int, record: Record
) -> None:
    results = []
    for _ in range(rounds):
        with undisturbed(cluster, load):
            standby = cluster.standbys()[0]
            reads = cluster.url_at(standby)
            with served(cluster.url("primary"), tmp_path, read_database_url=reads, pool_size=4) as service:
                await promote(cluster, load, standby, service)
        results.append(await sum_up(cluster, load, None))
    check(results, record, "standby promoted beside the primary")
    assert problems_in(cluster.url("primary")) == ""


async def wait_for_demotion(cluster: Cluster, machine: Machine) -> None:
    """Waits until Patroni has made a machine a standby."""
    eventually(lambda: cluster.members([machine]).get(machine.name, {}).get("state") == "running", SECONDS)


@pytest.mark.parametrize("name", WEAKENED)
async def test_checker_sees_what_a_standby_lacks(cluster: Cluster, load: Load, name: str, record: Record) -> None:
    """The control: the standbys hear nothing of the last writes, and one of them becomes the primary."""
    weak, strong = WEAKENED[name]
    cluster.configure(weak)
    try:

        def kill_unheard(cluster: Cluster) -> Callable[[], None]:
            leader = cluster.leader()
            leader.send_signal(signal.SIGSTOP, "walsender")
            load.wait_for_writes(time.time() + UNDISTURBED_SECONDS)
            return kill(cluster)

        result = await fail_over(cluster, load, kill_unheard)
    finally:
        cluster.configure(strong)
    record(f"control: {name}", [result])
    assert result.lost > 0
