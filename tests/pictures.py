"""Pictures: what a client of a stream has of a flow run, which fails if a change comes twice or not at all."""

from typing import Any

from tests.streams import Event


class Picture:
    """The task runs of a flow run as the events of its stream paint them."""

    def __init__(self) -> None:
        self.task_runs: dict[str, Any] = {}
        self.last_id: str | None = None
        self._sequence: int | None = None
        self._seen: set[tuple[str, int]] = set()

    @property
    def sequence(self) -> int:
        """Up to where it has all changes; -1 before the first event."""
        return -1 if self._sequence is None else self._sequence

    def start(self, sequence: int) -> None:
        """Begins after a sequence."""
        self._sequence = sequence

    def take(self, event: Event) -> None:
        """Takes an event; fails if it does not follow the one before it."""
        self.last_id = event.id or self.last_id
        if event.name == "bookmark" and event.id is not None:
            assert int(event.id) > self.sequence
            self._sequence = int(event.id)
        if event.name != "task_runs":
            return
        assert event.data["from"] == self.sequence, f"After {self.sequence} comes what follows {event.data['from']}."
        numbers = event.sequences
        assert numbers == sorted(set(numbers))
        assert all(event.data["from"] < number <= event.data["sequence"] for number in numbers)
        for item in event.data["items"]:
            change = (item["id"], item["sequence"])
            assert change not in self._seen, "A change has come twice."
            self._seen.add(change)
            self.task_runs[item["id"]] = item
        self._sequence = event.data["sequence"]

    def compare(self, items: list[Any]) -> None:
        """Fails unless it has exactly these task runs."""
        assert self.task_runs == {item["id"]: item for item in items}
