"""Sends what prefect 1.4.1 was recorded to send to another service, and tells where the answers differ."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx

RECORDED = {
    exchange["number"]: exchange
    for exchange in map(json.loads, Path(__file__).with_name("recordings.jsonl").read_text().splitlines())
}
"""What was sent and answered, each operation once, in the order in which it was first seen.

Of long lists in the answers the first three items are kept, and how many more there were: `{"more": 26}`.
"""
BEGIN = datetime(2026, 11, 22, 17, 12, 38, tzinfo=UTC)
"""When the recording began: moments in it are as far from the beginning of the replay."""

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"2026-11-22T\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00)?")
MADE_UP = re.compile(r"stub-[0-9a-f]{6}")


class Difference(NamedTuple):
    """Where an answer is another one than the recorded one."""

    number: str
    path: str
    recorded: Any
    ours: Any


class Replay:
    """A replay to one service. Ids of the recording become those that the service gives in their place."""

    def __init__(self, http: httpx.Client) -> None:
        """It goes through this client."""
        self.ids: dict[str, str] = {}
        self._http = http
        self._later = datetime.now(UTC) - BEGIN

    def play(self, number: str) -> list[Difference]:
        """Sends a recorded request, and compares the answers."""
        exchange = RECORDED[number]
        status, answer = self.send(exchange["query"], exchange["variables"], **exchange.get("headers", {}))
        if status != exchange["status"]:
            return [Difference(number, "status", exchange["status"], (status, answer))]
        return [Difference(number, *difference) for difference in self._differences("", exchange["answer"], answer)]

    def again(self, number: str, **variables: Any) -> None:
        """Sends a recorded request with another input, which has to succeed; the ids of its answer are learnt."""
        exchange = RECORDED[number]
        self.ask(exchange["query"], exchange["answer"], input=variables)

    def ask(self, query: str, answer: dict[str, Any] | None = None, /, **variables: Any) -> Any:
        """Sends a request that is not in the recording and returns its data; `answer` has the ids that it had then."""
        status, answered = self.send(query, json.dumps(variables))
        assert status == 200, answered
        assert "errors" not in answered, answered
        if answer is not None:
            list(self._differences("", answer, answered))
        return answered["data"]

    def send(self, query: str, variables: Any, **headers: str) -> tuple[int, Any]:
        """Sends a request in the words of the recording, as prefect does: the variables as text, if they were that."""
        body = json.loads(self._ours(json.dumps({"query": query, "variables": variables})))
        headers = {"X-PREFECT-CORE-VERSION": "1.4.1", **{name: self._ours(value) for name, value in headers.items()}}
        answer = self._http.post("/graphql", json=body, headers=headers)
        return answer.status_code, answer.json()

    def new(self, recorded: str) -> None:
        """Makes an id up for one that the client makes."""
        self.ids[recorded] = str(uuid4())

    def _ours(self, text: str) -> str:
        """What the recording says, with our ids, and in our time."""

        def moment(match: re.Match[str]) -> str:
            time = datetime.fromisoformat(match[0])
            return (time + self._later).isoformat()

        return MOMENT.sub(moment, ID.sub(lambda match: self.ids.get(match[0], match[0]), text))

    def _differences(self, path: str, recorded: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
        """Tells where two values differ in more than ids, moments and made-up names, and learns the ids."""
        match recorded, ours:
            case dict(), dict():
                for name in sorted({*recorded, *ours}):
                    below = f"{path}.{name}".removeprefix(".")
                    if name not in ours or name not in recorded:
                        yield below, recorded.get(name, "absent"), ours.get(name, "absent")
                    else:
                        yield from self._differences(below, recorded[name], ours[name])
            case list(), list():
                omitted = recorded[-1].get("more", 0) if recorded and isinstance(recorded[-1], dict) else 0
                items = recorded[:-1] if omitted else recorded
                if len(items) + omitted != len(ours):
                    yield f"{path}.length", len(items) + omitted, len(ours)
                for recorded_item, our_item in self._paired(items, ours):
                    yield from self._differences(f"{path}[]", recorded_item, our_item)
            case str(), str():
                if not self._same(recorded, ours):
                    yield path, recorded, ours
            case _:
                # In Python True is 1.
                if isinstance(recorded, bool) != isinstance(ours, bool) or recorded != ours:
                    yield path, recorded, ours

    def _same(self, recorded: str, ours: str) -> bool:
        if ID.fullmatch(recorded) and ID.fullmatch(ours):
            return self.ids.setdefault(recorded, ours) == ours
        if MOMENT.fullmatch(recorded):
            return datetime.fromisoformat(ours).utcoffset() == timedelta(0)
        return bool(MADE_UP.fullmatch(recorded)) or self._ours(recorded) == ours

    def _paired(self, recorded: list[Any], ours: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Finds for each item the one of ours that it is: by its id, else by what names it, else by where it stands."""
        rest = list(ours)
        for item in recorded[: len(ours)]:
            partner = rest[0]
            for key in (_id, _name):
                name = self._ours(json.dumps(key(item)))
                if key(item) is not None and (
                    same := [candidate for candidate in rest if json.dumps(key(candidate)) == name]
                ):
                    partner = same[0]
                    break
            rest.remove(partner)
            yield item, partner


def _id(item: Any) -> Any:
    return item.get("id") if isinstance(item, dict) else item


def _name(item: Any) -> Any:
    """What an item is known by: the slug of its task and its index, or its slug, or its name."""
    if not isinstance(item, dict):
        return None
    if "task" in item:
        return [item["task"].get("slug"), item.get("map_index", -1)]
    return item.get("slug") or item.get("name")
