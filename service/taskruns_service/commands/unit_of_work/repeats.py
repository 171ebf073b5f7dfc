"""Repeats: whether a state that is reported again is the one that is in the history."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from taskruns_service.commands.unit_of_work.entries import Entry
from taskruns_service.domain.errors import Fault, StateIdConflict
from taskruns_service.domain.runs import Report


class KnownState(NamedTuple):
    """A state that is in a history already."""

    run_id: UUID
    type: str
    timestamp: datetime
    message: str | None
    result: dict[str, object] | None
    details: dict[str, object] | None

    def refuse_others(self, entry: Entry, report: Report) -> None:
        """Raises StateIdConflict for a report with the id of this state that is of another run, or of another state."""
        if self.run_id != entry.id:
            raise StateIdConflict
        if members := self._differences(report):
            details = [f"The state {report.id} has a different {name}." for name in members]
            faults = zip(members, details, strict=True)
            raise StateIdConflict(faults=tuple(Fault(pointer=f"/{name}", detail=detail) for name, detail in faults))

    def _differences(self, report: Report) -> Sequence[str]:
        """The members in which a report differs.

        A timestamp that was not sent is not compared, since the service made one. Nor are `force` and
        `expected_version`: they say under which conditions a state is recorded, and this one is.
        """
        same = {
            "type": self.type == report.type,
            "timestamp": report.timestamp in (None, self.timestamp),
            "message": self.message == report.message,
            "result": _encode(self.result) == _encode(report.result),
            "details": _encode(self.details or None) == _encode(report.details or None),
        }
        return [name for name, is_same in same.items() if not is_same]


def _encode(value: dict[str, object] | None) -> bytes:
    """The JSON of a value, in which the order of members does not count; to Python 1, 1.0 and true are the same."""
    return msgspec.json.encode(value, order="deterministic")
