"""Measures the running service and writes docs/benchmarks.md with its charts: `make bench ARGS=--help`."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import (
    charts,
    client,
    data,
    dataset,
    growth,
    limit,
    load,
    logs,
    maps,
    pages,
    pooler,
    servers,
    streams,
    versus,
)
from tests.benchmarks.dataset import Dataset
from tests.benchmarks.limit import Timing
from tests.benchmarks.load import Rate
from tests.benchmarks.report import Row, Table, updated
from tests.postgres import PostgresServer

PAGE = servers.ROOT / "docs" / "benchmarks.md"
PARTS = ("limit", "prefect", "growth", "sqlite", "maps", "logs", "streams", "client", "pages", "pooler")
COMPARED = 1_000_000
BESIDE_MAP = 10_000
"""The task runs of other flow runs in the database with a large map."""


def main() -> None:
    """Runs the parts that are asked for and writes their tables into the page, which keeps its others."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="task runs in the databases (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, in each of which all is measured (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="how long a figure is measured (%(default)s)")
    parser.add_argument(
        "--parts", default=",".join(PARTS), help="what to measure; the page keeps its other tables (%(default)s)"
    )
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write; charts go beside it")
    arguments = parser.parse_args()
    load.require_wrk()
    timing = Timing(arguments.rounds, arguments.seconds)
    sizes = sorted(map(int, arguments.sizes.split(",")))
    with servers.postgres() as server:
        databases = {size: filled(server, size) for size in sizes}
        parts = arguments.parts.split(",")
        tables = measure(server, databases, parts, timing, images=arguments.output.with_suffix(""))
    if set(parts) == set(PARTS) or not arguments.output.exists():
        text = page(tables, timing)
    else:
        text = updated(arguments.output.read_text(), tables, NOTE.format(command=command()))
    arguments.output.write_text(text)
    sys.stdout.write(f"Wrote {arguments.output}.\n")


def measure(
    server: PostgresServer, databases: dict[int, str], parts: list[str], timing: Timing, *, images: Path
) -> list[Table]:
    """The tables of the parts; each part's chart is written into the folder `images`."""
    datasets = {size: asyncio.run(dataset.look(url, size)) for size, url in databases.items()}
    compared = min(databases, key=lambda size: abs(size - COMPARED))
    tables: list[Table] = []
    if "sqlite" in parts:  # first: the other parts write into the databases that it copies
        tables.append(of_sqlite(databases, datasets, (min(databases), compared), timing))
    if "prefect" in parts:
        versus_table = versus.measure(server, databases[compared], datasets[compared], timing)
        charts.ratios(versus_table.rows, images / "prefect.svg", "times as many a second as Prefect 3")
        tables.insert(0, versus_table)
    if "limit" in parts:
        limit_tables = limit.measure(databases[compared], datasets[compared], timing)
        charts.ratios(limit_tables[0].rows, images / "limit.svg", "of what it is compared with")
        tables = [*limit_tables, *tables]
    if "growth" in parts:
        table, figures = growth.measure({url: datasets[size] for size, url in databases.items()}, timing)
        charts.growth(list(databases), figures, images / "growth.svg")
        tables.append(table)
    url, known = databases[compared], datasets[compared]
    others: dict[str, Callable[[], Table]] = {
        "maps": lambda: of_maps(server, timing),
        "logs": lambda: logs.measure(url, known, timing),
        "streams": lambda: streams.measure(url, known, timing),
        "client": lambda: of_client(client.measure(timing.rounds)),
        "pages": lambda: pages.measure(server, timing.rounds),
        "pooler": lambda: pooler.measure(server, url, known, timing),
    }
    tables += [others[part]() for part in others if part in parts]
    return tables


def filled(server: PostgresServer, task_runs: int) -> str:
    """A database with so many task runs."""
    url = servers.migrated(server.create_database())
    asyncio.run(data.fill(url, task_runs))
    return url


def of_sqlite(databases: dict[int, str], datasets: dict[int, Dataset], sizes: tuple[int, int], timing: Timing) -> Table:
    """The figures of SQLite, on copies of two of the databases."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{size}.db" for size in sizes]
        for path, size in zip(paths, sizes, strict=True):
            servers.migrated(f"sqlite:///{path}")
            asyncio.run(data.copy_to_sqlite(databases[size], str(path)))
        return growth.on_sqlite(paths[1], paths[0], (datasets[sizes[0]], datasets[sizes[1]]), timing)


def of_maps(server: PostgresServer, timing: Timing) -> Table:
    """The figures of a large map, in databases of its own."""
    url = filled(server, BESIDE_MAP)
    asyncio.run(data.fill_map(url, maps.WIDTH))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.db"
        servers.migrated(f"sqlite:///{path}")
        asyncio.run(data.copy_to_sqlite(url, str(path)))
        return maps.measure(url, path, timing)


def of_client(figures: dict[str, Rate]) -> Table:
    """The figures of the Python client."""
    ratios = {client.WITH_LOGS: figures[client.WITH_LOGS].over(figures[client.WITHOUT_LOGS])}
    rows = [Row(name, [rate], ratios.get(name), most=client.MOST.get(name)) for name, rate in figures.items()]
    return Table("The Python client, on SQLite", CLIENT, ["figure"], rows)


def page(tables: list[Table], timing: Timing) -> str:
    """The page, in Markdown."""
    header = HEADER.format(
        command=command(),
        cores=os.cpu_count(),
        python=platform.python_version(),
        rounds=timing.rounds,
        seconds=timing.seconds,
        connections=load.CONNECTIONS,
        bulk=load.BULK_CONNECTIONS,
        times=load.BULK_TIMES,
    )
    return "\n".join([header, *map(str, tables)])


def command() -> str:
    """The command that runs this program."""
    arguments = f' ARGS="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else ""
    return f"make bench{arguments}"


NOTE = """\
This table was measured at another time than the rest of this page, by
`{command}`."""
HEADER = """\
# Benchmarks

Generated by `{command}`,
which installs and starts everything that it compares, including PostgreSQL. wrk with {connections} connections ({bulk}
for bulk requests), the service in one process and the database share one machine with {cores} cores; Python {python}.

The figures are per second unless stated otherwise: the median of {rounds} rounds of {seconds:g} seconds, {times} times
as long for bulk requests (minimum to maximum in parentheses). Every round measures everything in turn, and a ratio
compares figures of one round. The speed of a shared machine changes from minute to minute, so compare the ratios rather
than the figures. Every write is on the disk when it is answered (PostgreSQL with `fsync`, SQLite with
`synchronous=FULL`).
"""

CLIENT = """\
How long a program waits and how much memory it uses, with its own service on the same machine."""


if __name__ == "__main__":
    main()
