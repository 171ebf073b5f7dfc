"""Types: what a type checker knows of tasks, and what it refuses in a program that uses them wrongly."""

import subprocess
import sys
from pathlib import Path

import pytest

USER = """
import asyncio
from concurrent.futures import Future
from taskruns import Task, flow_run, task, unmapped

@task
def inc(x: int, by: int = 1) -> int:
    return x + by

@task(max_retries=2, tags=["slow"])
async def fetch(url: str) -> bytes:
    return url.encode()

class Numbers:
    @task
    def add(self, x: int, by: int = 1) -> int:
        return x + by

    @task
    async def fetch(self, url: str) -> bytes:
        return url.encode()

    @staticmethod
    @task
    def plain(x: int) -> int:
        return x

numbers = Numbers()
total: int = numbers.add(1, by=2) + Numbers.add(numbers, 1) + Numbers.plain(1)
totals: list[int] = numbers.add.map([1, 2])
sum_later: Future[int] = numbers.add.submit(1)

async def main() -> None:
    from_method: bytes = await numbers.fetch("a")
    of_many: list[bytes] = await numbers.fetch.map(["a", "b"])
    print(from_method, of_many)
    one: bytes = await fetch("a")
    many: list[bytes] = await fetch.map(["a", "b"])
    later: asyncio.Task[bytes] = fetch.submit("a")
    print(one, many, await later)

with flow_run("typed", parameters={"x": 1}) as run:
    value: int = inc(1, by=2)
    values: list[int] = inc.map([1, 2], unmapped(2))
    future: Future[int] = inc.submit(1)
    number: int = future.result()
    identifier: str = run.flow_run_id
    asyncio.run(main())
"""

WRONG = """
from taskruns import task

@task
def inc(x: int) -> int:
    return x + 1

inc("1")
inc()
text: str = inc(1)
texts: list[str] = inc.map([1])
inc.submit("1")

class Numbers:
    @task
    def add(self, x: int) -> int:
        return x

Numbers().add("1")
Numbers().add()
text = Numbers().add(1)
"""


@pytest.mark.slow
def test_types_of_tasks_are_known_to_a_type_checker(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(USER)
    wrong.write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*command, right, wrong], check=False, capture_output=True, text=True, timeout=300)
    lines = [line.split(": ")[0].rpartition("/")[2] for line in done.stdout.splitlines() if ": error:" in line]
    assert lines == [f"wrong.py:{number}" for number in (8, 9, 10, 11, 12, 19, 20, 21)], done.stdout + done.stderr
