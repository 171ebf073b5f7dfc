"""Against Prefect 3: the same questions about the same task runs, on the same PostgreSQL."""

import asyncio
import time
from typing import Any

import httpx

from tests.benchmarks import data, dataset, prefect, servers
from tests.benchmarks.dataset import Dataset
from tests.benchmarks.limit import Timing
from tests.benchmarks.load import Ask, Batches, Rate, in_turn, rate
from tests.benchmarks.report import Row, Table
from tests.postgres import PostgresServer

API = "/api/task_runs"
LEAST = {
    "one task run by id": 15,
    "the 100 task runs of a flow run": 40,
    "count by state": 30,
    "second page of those in a state": 20,
    "a deep page of those in a state": 20,
    "register a task run": 20,
    "set a state": 15,
}


def measure(server: PostgresServer, url: str, known: Dataset, timing: Timing) -> Table:
    """Both servers side by side, asked in turn."""
    theirs_url = server.create_database()
    with prefect.running(theirs_url):
        pass  # its server makes the tables when it starts
    asyncio.run(prefect.fill(theirs_url, url))
    with servers.service(url) as ours, prefect.running(theirs_url) as theirs:
        check(ours.url, theirs, known)
        registered = Batches(lambda number: their_new(known, number))

        def ask(address: str, asks: list[Ask], *, again: bool = True) -> float:
            # Prefect's deep pages take seconds each, and would go on while the next question is measured.
            while asyncio.run(data.active(url)):
                time.sleep(0.05)
            return rate(address, asks, timing.seconds, again=again)

        def register(address: str, batches: Batches, most: float) -> float:
            return ask(address, batches.take(int(most * (timing.seconds + 1))), again=False)

        mine = our_questions(known)
        requests = their_questions(known)
        questions: dict[str, Any] = {}
        for name in LEAST:
            if name == "register a task run":
                questions[name] = lambda: register(ours.url, known.new, 8000)
                questions[f"Prefect: {name}"] = lambda: register(theirs, registered, 1000)
            else:
                questions[name] = lambda asks=mine[name]: ask(ours.url, asks)
                questions[f"Prefect: {name}"] = lambda asks=requests[name]: ask(theirs, asks)
        for question in questions.values():  # warm
            question()
        rates = in_turn(timing.rounds, questions)
    return table(rates, known)


def our_questions(known: Dataset) -> dict[str, list[Ask]]:
    """What the service is asked."""
    return {
        "one task run by id": dataset.by_id(known),
        "the 100 task runs of a flow run": dataset.of_flow_run(known),
        "count by state": [dataset.query("/task-runs/aggregate", state="Success")],
        "second page of those in a state": dataset.successful(known, known.second_page),
        "a deep page of those in a state": dataset.successful(known, known.deep_page),
        "set a state": dataset.transitions(known, 1),
    }


def their_questions(known: Dataset) -> dict[str, list[Ask]]:
    """The same as Prefect asks it."""
    completed = {"state": {"type": {"any_": ["COMPLETED"]}}}
    newest = {"task_runs": completed, "sort": "EXPECTED_START_TIME_DESC", "limit": dataset.PAGE}
    retries = [
        {"state": {"type": state["type"].upper(), "message": state["message"]}, "force": True}
        for state in dataset.RETRIES
    ]
    return {
        "one task run by id": [Ask(f"{API}/{identifier}") for identifier in known.task_run_ids],
        "the 100 task runs of a flow run": [
            Ask(f"{API}/filter", {"flow_runs": {"id": {"any_": [identifier]}}, "limit": dataset.PAGE})
            for identifier in known.flow_run_ids
        ],
        "count by state": [Ask(f"{API}/count", {"task_runs": completed})],
        "second page of those in a state": [Ask(f"{API}/filter", {**newest, "offset": dataset.PAGE})],
        "a deep page of those in a state": [
            Ask(f"{API}/filter", {**newest, "offset": (known.deep - 1) * dataset.PAGE})
        ],
        "set a state": [
            Ask(f"{API}/{identifier}/set_state", state) for state in retries for identifier in known.task_run_ids
        ],
    }


def their_new(known: Dataset, number: int) -> Ask:
    """A request that registers a task run with Prefect."""
    flow_run_id = known.flow_run_ids[number % len(known.flow_run_ids)]
    return Ask(f"{API}/", {"flow_run_id": flow_run_id, "task_key": "new", "dynamic_key": f"new-{number}"})


def check(ours: str, theirs: str, known: Dataset) -> None:
    """Raises where the two do not answer the same, or a page is not as long."""
    mine, requests = our_questions(known), their_questions(known)

    def answers(name: str) -> tuple[Any, Any]:
        return answer(ours, mine[name][0]), answer(theirs, requests[name][0])

    first, second = answers("one task run by id")
    assert first["id"] == second["id"], "one task run"
    assert first["flow_run_id"] == second["flow_run_id"], "one task run"
    page, other = answers("the 100 task runs of a flow run")
    assert {item["id"] for item in page["items"]} == {item["id"] for item in other}, "those of a flow run"
    count, number = answers("count by state")
    assert count["count"] == number, "count by state"
    for name in ("second page of those in a state", "a deep page of those in a state"):
        page, other = answers(name)
        assert [len(page["items"]), len(page["items"])] == [len(other), dataset.PAGE], name
        assert {item["state_type"] for item in other} == {"COMPLETED"}, name
        # Task runs of one flow run begin in one moment here, and Prefect leaves their order open.
        assert {item["flow_run_id"] for item in page["items"]} & {item["flow_run_id"] for item in other}, name


def answer(url: str, ask: Ask) -> Any:
    """What is answered to a request."""
    method = "GET" if ask.body is None else "POST"
    return httpx.request(method, url + ask.path, json=ask.body, timeout=120).raise_for_status().json()


def table(rates: dict[str, Rate], known: Dataset) -> Table:
    """The figures side by side."""
    rows = []
    for name, least in LEAST.items():
        mine, theirs = rates[name], rates[f"Prefect: {name}"]
        text = f"page {known.deep:,} of those in a state" if name.startswith("a deep") else name
        rows.append(Row(text, [mine, theirs], mine.over(theirs), least))
    return Table(
        f"Against Prefect 3, {known.task_runs:,} task runs",
        INTRODUCTION,
        ["the service", "Prefect 3"],
        rows,
        "prefect.svg",
    )


INTRODUCTION = """\
The server of Prefect 3.8.8 (`prefect server start --no-services`) runs on the same PostgreSQL, with the same flow runs,
task runs and states and with its own indexes. The tables are vacuumed and analysed, both services are warmed up, and
their answers are checked to be equal. Prefect finds its pages by offset, the service by cursor."""
