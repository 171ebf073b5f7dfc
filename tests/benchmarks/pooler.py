"""PgBouncer: what it costs that many clients share a few connections to PostgreSQL."""

import subprocess
from functools import partial

from tests.benchmarks import dataset, servers
from tests.benchmarks.dataset import Dataset
from tests.benchmarks.limit import Timing, bulk
from tests.benchmarks.load import in_turn, rate
from tests.benchmarks.report import Row, Table
from tests.pgbouncer import CONNECTIONS, find_pgbouncer, running_pgbouncer
from tests.postgres import PostgresServer

CLIENTS = 200
PROCESSES = 2
PATIENT = 60
"""Seconds that a query may have to wait for its turn, so that all of so many clients get an answer."""
QUESTIONS = {
    "one": "one task run by id",
    "list": "the 100 task runs of a flow run",
    "transition": "one transition a request",
    "bulk": "1,000 transitions a request, transitions/s",
}


def measure(server: PostgresServer, url: str, known: Dataset, timing: Timing) -> Table:
    """The service through PgBouncer beside the service with connections of its own."""
    asks = {
        "one": dataset.by_id(known),
        "list": dataset.of_flow_run(known),
        "transition": dataset.transitions(known, 1),
    }
    with (
        running_pgbouncer(server) as pooler,
        servers.service(pooler.url(url), workers=PROCESSES, max_wait=PATIENT, pooler="transaction") as pooled,
        servers.service(url, workers=PROCESSES, max_wait=PATIENT) as direct,
    ):
        questions = {
            f"{name} {way}": partial(rate, service.url, requests, timing.seconds, connections=CLIENTS)
            for name, requests in asks.items()
            for way, service in (("pooled", pooled), ("direct", direct))
        }
        questions["bulk pooled"] = partial(bulk, pooled.url, known, timing.seconds)
        questions["bulk direct"] = partial(bulk, direct.url, known, timing.seconds)
        rates = in_turn(timing.rounds, questions)
    rows = []
    for name, question in QUESTIONS.items():
        through, without = rates[f"{name} pooled"], rates[f"{name} direct"]
        rows.append(Row(question, [through, without], through.over(without)))
    return Table("PgBouncer", POOLER.format(version=version()), ["through PgBouncer", "direct"], rows)


def version() -> str:
    """What PgBouncer says it is."""
    command = [find_pgbouncer(), "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.partition("\n")[0]


POOLER = f"""\
{CLIENTS} clients ask {PROCESSES} processes, which have {CONNECTIONS} connections to PostgreSQL through {{version}} in
transaction mode, or up to {19 * PROCESSES} of their own. Bulk requests have 4 clients."""
