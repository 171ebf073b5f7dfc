"""A small world to look at: flow runs of three flows, with results on disk and names that mean no good."""

import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from taskruns.client import Client
from taskruns.models import StateCreate, TaskRunReport

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)
HOSTILE = "e\x1b[31mvil\r\n\u202eeman"
"""A colour, a line end, and a mark that turns the direction."""
HOSTILE_SHOWN = r"e\x1b[31mvil\r\n\u202eeman"


class World:
    """What was made, by name."""

    def __init__(self, client: Client, folder: Path, *, hostile: bool = True, night: datetime = BEGIN) -> None:
        """Makes it; results go into the folder, and what goes on began at night."""
        self.client = client
        self.url = client.options.url
        self.folder = folder
        self.flow_runs: dict[str, UUID] = {}
        if hostile:
            self.hostile()
        self.brave_otter()
        self.calm_heron()
        self.night_1((night - BEGIN).total_seconds())

    def http(self) -> httpx.Client:
        """A bare HTTP client of the service, to be closed by whoever asked for it."""
        return httpx.Client(base_url=self.url)

    def hostile(self) -> None:
        """A flow run whose every text is hostile."""
        found = self.flow_run(HOSTILE, HOSTILE, labels=[HOSTILE], parameters={HOSTILE: HOSTILE})
        self.states(found, ("Running", 0.0))
        message, tags = f"It said {HOSTILE}.", [HOSTILE, "a,b"]
        self.report(found, task(HOSTILE, ("Failed", 3.0), message=message, name=HOSTILE, tags=tags))
        self.report(found, task("pickled", ("Success", 4.0), result=self.pickled("pickled", {1, 2})))
        self.report(found, task("text", ("Success", 5.0), result=self.written("text", HOSTILE)))
        self.report(found, task("number", ("Success", 5.0), result=self.written("number", "NaN", as_it_is=True)))

    def brave_otter(self) -> None:
        """A flow run that went well."""
        found = self.flow_run("etl", "brave-otter", labels=["prod"], parameters={"day": "2021-05-12", "n": 3})
        self.states(found, ("Scheduled", 0.0), ("Running", 1.0), ("Success", 100.0))
        self.report(found, task("extract-1", ("Running", 2.0), ("Success", 3.5), result=self.written("x", [1, 2, 3])))
        self.report(found, task("inc-1", ("Mapped", 4.0)))
        for index in range(3):
            result = self.written(f"inc-{index}", {"value": index + 2})
            states = (("Pending", 4.0), ("Running", 5.0 + index), ("Success", 65.25 + index))
            self.report(found, task("inc-1", *states, map_index=index, result=result, tags=["etl", f"n{index}"]))
        self.report(found, task("load-1", ("Running", 98.0), ("Success", 98.12), message="All is well."))

    def calm_heron(self) -> None:
        """A flow run that failed."""
        found = self.flow_run("etl", "calm-heron", labels=["prod", "eu"], parameters={"day": "2021-05-13", "n": 3})
        self.states(found, ("Running", 2.0), ("Failed", 4000.0))
        self.report(found, task("extract-1", ("Running", 2.0), ("Success", 3.0), result=self.written("y", [1, 2])))
        self.report(found, task("inc-1", ("Mapped", 4.0)))
        kept = self.written("inc-0b", {"value": 2})
        self.report(found, task("inc-1", ("Running", 5.0), ("Success", 6.0), map_index=0, result=kept))
        broken = (("Running", 5.0), ("Failed", 8.0), ("Retrying", 8.5), ("Running", 70.0), ("Failed", 3700.0))
        self.report(found, task("inc-1", *broken, map_index=1, message="ZeroDivisionError: division by zero"))
        self.report(found, task("load-1", ("TriggerFailed", 3900.0), message="Upstream failed."))

    def night_1(self, begin: float) -> None:
        """A flow run that goes on, the latest."""
        found = self.flow_run("nightly", "night-1")
        self.states(found, ("Running", begin + 3.0))
        self.report(found, task("say_hello-1", ("Running", begin + 3.0)))
        self.report(found, task("wait-1", ("Queued", begin + 2.0)))

    def flow_run(self, flow_name: str, name: str, **members: Any) -> UUID:
        """Makes a flow run."""
        self.flow_runs[name] = self.client.flow_runs.create(id=uuid4(), flow_name=flow_name, name=name, **members).id
        return self.flow_runs[name]

    def states(self, flow_run_id: UUID, *states: tuple[str, float]) -> None:
        """Reports states of a flow run."""
        for type, seconds in states:
            self.client.flow_runs.set_state(flow_run_id, type=type, timestamp=BEGIN + timedelta(seconds=seconds))

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
        StateCreate(type=type, timestamp=BEGIN + timedelta(seconds=seconds), id=uuid4()) for type, seconds in states
    ]
    last = {name: value for name, value in (("message", message), ("result", result)) if value is not None}
    made[-1] = StateCreate(type=made[-1].type, timestamp=made[-1].timestamp, id=made[-1].id, **last)
    return TaskRunReport(task_slug=slug, states=made, **members)
