"""Two flows that are registered, one of which ran, to be asked for in GraphQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskruns_service.app import create_app
from tests.questions import GraphQL
from tests.service import running, settings_of

SCHEDULE = {"clocks": [{"type": "CronClock", "cron": "0 0 * * *"}], "type": "Schedule"}
PARAMETERS = [{"a": {"b": [1, "two"]}}, {"a": 1, "c": None}, {"a": 1.0}, {"a": True}, {}]
SLUGS = ["extract", "clean", "load", "alone"]
EDGES = [("extract", "clean"), ("clean", "load"), ("extract", "load")]


def flow(name: str, **members: Any) -> dict[str, Any]:
    """A flow of four tasks, of which three depend on one another, as Prefect 1 writes it."""
    edges = [
        {"upstream_task": {"slug": upstream}, "downstream_task": {"slug": downstream}} for upstream, downstream in EDGES
    ]
    return {"name": name, "tasks": [{"slug": slug, "name": slug} for slug in SLUGS], "edges": edges, **members}


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[GraphQL]:
    """Runs the application on an empty database and registers the flows."""
    async with running(create_app(settings_of(database_url))) as client:
        service = GraphQL(client)
        await register(service)
        yield service


async def register(service: GraphQL) -> None:
    """Registers the flow `etl`, which runs once with each of the PARAMETERS, and `report`, which has a schedule.

    `service` knows their ids, those of the tenant, of both projects, of the tasks of `etl`, and of its runs.
    """
    rows = await service.data("{ tenant { id } project { id } }")
    ids = service.ids
    ids |= {"tenant": rows["tenant"][0]["id"], "project": rows["project"][0]["id"]}
    answer = await service.change("create_project", "{ id }", name="reports", tenant_id=ids["tenant"])
    ids["reports"] = answer["id"]
    for name, project, members in (("etl", "project", {}), ("report", "reports", {"schedule": SCHEDULE})):
        new = flow(name, **members)
        answer = await service.change("create_flow", "{ id }", project_id=ids[project], serialized_flow=new)
        ids[name] = answer["id"]
    for number, parameters in enumerate(PARAMETERS):
        answer = await service.change(
            "create_flow_run",
            "{ id }",
            flow_id=ids["etl"],
            flow_run_name=str(number),
            parameters=parameters,
            labels=["a", "b"][:number],
        )
        ids[f"run-{number}"] = answer["id"]
    tasks = await service.data("query($id: uuid) { task(where: {flow_id: {_eq: $id}}) { id slug } }", id=ids["etl"])
    ids |= {task["slug"]: task["id"] for task in tasks["task"]}
