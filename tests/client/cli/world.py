"""A small world to look at: flow runs of three flows, with results on disk and names that mean no good."""

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from taskruns.cli.demo import FLOW_RUNS, record
from taskruns.client import Client
from taskruns.models import StateCreate, StateType, TaskRunReport
from tests.service import served

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)
HOSTILE = "e\x1b[31mvil\r\n\u202eeman"
"""A colour, a line end, and a mark that turns the direction."""
HOSTILE_SHOWN = r"e\x1b[31mvil\r\n\u202eeman"


class World:
    """What was made, by name."""

    def __init__(self, client: Client, folder: Path) -> None:
        """Makes it; results go into the folder."""
        self.client = client
        self.url = client.options.url
        self.folder = folder
        self.flow_runs: dict[str, UUID] = {}
        self.hostile()
        for flow_run in FLOW_RUNS:
            # What goes on has no day of its own, and would last a second longer at every look.
            begin = BEGIN if flow_run.begin else BEGIN + timedelta(seconds=128)
            record(client, flow_run._replace(begin=begin), folder)
            self.flow_runs[flow_run.name] = flow_run.id

    def http(self) -> httpx.Client:
        """A bare HTTP client of the service, to be closed by whoever asked for it."""
        return httpx.Client(base_url=self.url)

    def hostile(self) -> None:
        """A flow run whose every text is hostile."""
        found = self.flow_run(HOSTILE, HOSTILE, labels=[HOSTILE], parameters={HOSTILE: HOSTILE})
        self.client.flow_runs.set_state(found, type="Running", timestamp=BEGIN)
        message, tags = f"It said {HOSTILE}.", [HOSTILE, "a,b"]
        self.report(found, task(HOSTILE, ("Failed", 3.0), message=message, name=HOSTILE, tags=tags))
        self.report(found, task("pickled", ("Success", 4.0), result=self.pickled("pickled", {1, 2})))
        self.report(found, task("text", ("Success", 5.0), result=self.written("text", HOSTILE)))
        self.report(found, task("number", ("Success", 5.0), result=self.written("number", "NaN", as_it_is=True)))

    def flow_run(self, flow_name: str, name: str, **members: Any) -> UUID:
        """Makes a flow run."""
        self.flow_runs[name] = self.client.flow_runs.create(id=uuid4(), flow_name=flow_name, name=name, **members).id
        return self.flow_runs[name]

    def report(self, flow_run_id: UUID, report: TaskRunReport) -> None:
        """Reports a task run."""
        (receipt,) = self.client.flow_runs.report(flow_run_id, items=[report]).items
        assert receipt.problem is None, receipt

    def written(self, name: str, value: Any, *, as_it_is: bool = False) -> dict[str, Any]:
        """Writes a result as JSON; its reference."""
        (self.folder / f"{name}.json").write_text(value if as_it_is else json.dumps(value))
        return self.reference(f"{name}.json", "JSONSerializer")

    def pickled(self, name: str, value: Any) -> dict[str, Any]:
        """Pickles a result; its reference."""
        (self.folder / f"{name}.pickle").write_bytes(pickle.dumps(value))
        return self.reference(f"{name}.pickle", "PickleSerializer")

    def reference(self, location: str, serializer: str) -> dict[str, Any]:
        """A reference to a file."""
        kept = {"dir": str(self.folder), "location": location, "serializer": {"type": serializer}}
        return {"type": "LocalResult", **kept}


def task(slug: str, *states: tuple[str, float], message: str | None = None, result: Any = None, **members: Any) -> Any:
    """A task run to report; the last state has the message and the result."""
    made = [
        StateCreate(type=StateType(type), timestamp=BEGIN + timedelta(seconds=seconds), id=uuid4())
        for type, seconds in states
    ]
    members_of_last = {"message": message, "result": result}
    last: dict[str, Any] = {name: value for name, value in members_of_last.items() if value is not None}
    made[-1] = StateCreate(type=made[-1].type, timestamp=made[-1].timestamp, id=made[-1].id, **last)
    return TaskRunReport(task_slug=slug, states=made, **members)


@contextmanager
def serve_world(folder: Path) -> Iterator[World]:
    """A service with a small world in it; its database and the results are in the folder."""
    with (
        served(f"sqlite:///{folder / 'taskruns.db'}", folder, log_level="error") as service,
        Client(service.url) as client,
    ):
        yield World(client, folder)
