"""Open-loop load: requests leave at their time, whether those before them were answered or not."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    """The status of an answer, when its request was sent, and after how many seconds it was there."""

    status: int
    sent_at: float
    seconds: float


async def get(url: str, path: str) -> Answer:
    """Sends one request over a connection of its own."""
    parts = urlsplit(url)
    sent_at = time.monotonic()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
        await writer.wait_closed()
    return Answer(int(answer.split(maxsplit=2)[1]), sent_at, time.monotonic() - sent_at)


async def capacity(url: str, path: str, *, clients: int, seconds: float) -> float:
    """Returns how many answers per second so many clients get that wait for each before the next request."""
    end = time.monotonic() + seconds

    async def ask() -> list[Answer]:
        answers = []
        while time.monotonic() < end:
            answers.append(await get(url, path))
        return answers

    answers = sum(await asyncio.gather(*(ask() for _ in range(clients))), list[Answer]())
    assert {answer.status for answer in answers} == {200}
    return len(answers) / seconds


async def open_load(url: str, path: str, *, per_second: float, seconds: float) -> list[Answer]:
    """Sends so many requests per second, evenly, and returns all answers once they are there."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        requests = []
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0, began + number / per_second - time.monotonic()))
            requests.append(tasks.create_task(get(url, path)))
    return [task.result() for task in requests]


def p99(answers: Sequence[Answer]) -> float:
    """Returns the seconds that 99 of 100 answers took at most."""
    assert answers
    return sorted(answer.seconds for answer in answers)[int(len(answers) * 0.99)]
