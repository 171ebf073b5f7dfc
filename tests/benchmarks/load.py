"""Load by wrk on a service of this machine: requests per second, and nothing but good answers."""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 16
BULK_CONNECTIONS = 4
BULK_TIMES = 4  # as long as others

# Requests lie in a file as a length, a newline and the bytes to send; they are sent in turn, over and over.
_SCRIPT = """
local requests = {{}}
local file = io.open("{path}", "rb")
for line in file:lines() do requests[#requests + 1] = file:read(tonumber(line)) end
file:close()
local place = -1 -- wrk asks for a request that it does not send
request = function()
  place = place % #requests + 1
  return requests[place]
end
"""


def require_wrk() -> str:
    """The path of wrk; ends the program with what to do when it is missing."""
    path = shutil.which("wrk")
    if path is None:
        raise SystemExit("make bench needs wrk, a load generator: install it (Debian: apt-get install wrk).")
    return path


class Ask(NamedTuple):
    """A request to be sent: GET without a body, POST with one."""

    path: str
    body: Any = None

    def to_bytes(self, host: str) -> bytes:
        """What goes over the wire."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        method, kind = ("GET", "") if self.body is None else ("POST", "Content-Type: application/json\r\n")
        head = f"{method} {self.path} HTTP/1.1\r\nHost: {host}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


class Rate(list[float]):
    """The figure of several rounds, such as requests per second or a ratio."""

    @property
    def median(self) -> float:
        """What to quote."""
        return statistics.median(self)

    def over(self, other: "Rate") -> "Rate":
        """How many times the other it is, round by round."""
        return Rate(mine / theirs for mine, theirs in zip(self, other, strict=True))

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 1 if self.median >= 10 else 2
        return f"{self.median:,.{digits}f} ({min(self):,.{digits}f} to {max(self):,.{digits}f})"


def rate(url: str, asks: Sequence[Ask], seconds: int, *, connections: int = CONNECTIONS, again: bool = True) -> float:
    """Good answers per second to these requests; unless they may be sent `again`, there have to be enough of them."""
    host = urlsplit(url).netloc
    with tempfile.TemporaryDirectory() as name:
        known, script = Path(name) / "requests", Path(name) / "requests.lua"
        with known.open("wb") as file:
            for ask in asks:
                raw = ask.to_bytes(host)
                file.write(f"{len(raw)}\n".encode() + raw)
        script.write_text(_SCRIPT.format(path=known))
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=60s", "--script", str(script)]
        output = subprocess.run([require_wrk(), *options, url], check=True, capture_output=True, text=True).stdout
    summary = re.search(r"(\d+) requests in [^$]*Requests/sec:\s+([\d.]+)", output)
    if "Non-2xx" in output or "Socket errors" in output or summary is None:
        raise RuntimeError(f"{url}{asks[0].path}: {output}")
    if not again and int(summary[1]) + connections > len(asks):
        raise RuntimeError(f"{url}{asks[0].path}: {summary[1]} requests, and there were only {len(asks)} to send.")
    if summary[1] == "0":  # so slow that more time has to be taken for one answer
        return rate(url, asks, 5 * seconds, connections=connections, again=again)
    return float(summary[2])


def in_turn(rounds: int, questions: Mapping[str, Callable[[], float]]) -> dict[str, Rate]:
    """Asks the questions in turn, several times over, so that all meet the same weather on the machine."""
    rates = {name: Rate() for name in questions}
    for number in range(1, rounds + 1):
        for name, ask in questions.items():
            figure = ask()
            rates[name].append(figure)
            sys.stderr.write(f"round {number} of {rounds}: {name} {figure:,.0f}/s\n")
    return rates


class Batches:
    """Hands out what may be sent once only, so many at a time."""

    def __init__(self, make: Callable[[int], Ask]) -> None:
        self._make = make
        self._next = 0

    def take(self, count: int) -> list[Ask]:
        """The next ones."""
        first, self._next = self._next, self._next + count
        return [self._make(number) for number in range(first, self._next)]
