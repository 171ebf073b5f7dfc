"""Lists: the document says by what each is sorted, by itself and on request, and that is what the service does."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from taskruns_service import schemas
from taskruns_service.api import HANDLERS
from taskruns_service.api.operations import operation_of

ID = str(UUID(int=7))
LISTS = [
    pytest.param(handler.paths, id=operation.id)
    for handler in HANDLERS
    if (operation := operation_of(handler)) and any(parameter.name == "cursor" for parameter in operation.parameters)
]


async def record(client: httpx.AsyncClient) -> str:
    """Records two flow runs with three task runs each, and returns the path of the first."""
    for identifier, name in ((ID, "first"), (None, "second")):
        body = {"flow_name": "etl", "name": name, **({"id": identifier} if identifier else {})}
        flow_run = f"/flow-runs/{(await client.post('/flow-runs', json=body)).json()['id']}"
        items = [
            {
                "task_slug": slug,
                "map_index": map_index,
                "states": [
                    {"type": "Running", "timestamp": f"2021-05-12T18:00:0{start}Z"},
                    {"type": "Success", "timestamp": f"2021-05-12T18:01:0{end}Z"},
                ],
            }
            for slug, map_index, start, end in (("b", 1, 1, 9), ("c", 0, 3, 5), ("a", -1, 2, 7))
        ]
        (await client.post(f"{flow_run}/task-runs", json={"items": items})).raise_for_status()
        for second in (1, 2):
            state = {"type": "Running", "timestamp": f"2021-05-12T18:00:0{second}Z"}
            (await client.post(f"{flow_run}/states", json=state)).raise_for_status()
    return f"/flow-runs/{ID}"


async def read(client: httpx.AsyncClient, path: str, **parameters: Any) -> dict[str, Any]:
    response = await client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def report_lines(client: httpx.AsyncClient, flow_run: str, task_run: str, count: int) -> None:
    """Reports log lines of a task run, a second apart."""
    items = [
        {
            "id": str(uuid4()),
            "task_run_id": task_run,
            "timestamp": f"2021-05-12T18:00:{number % 60:02}Z",
            "message": "m",
        }
        for number in range(count)
    ]
    (await client.post(f"{flow_run}/logs", json={"items": items})).raise_for_status()


async def path_of(client: httpx.AsyncClient, template: str) -> str:
    """The path of a list, with the ids of runs that are recorded."""
    flow_run = await record(client)
    task_run = (await read(client, f"{flow_run}/task-runs"))["items"][0]["id"]
    await report_lines(client, flow_run, task_run, 3)
    return template.replace("{flow_run_id:uuid}", ID).replace("{task_run_id:uuid}", task_run)


async def parameters_of(client: httpx.AsyncClient, template: str) -> dict[str, dict[str, Any]]:
    """The documented parameters of a list by name."""
    paths = (await read(client, "/openapi.json"))["paths"]
    operation = paths[re.sub(r":\w+}", "}", template)]["get"]
    return {parameter["name"]: parameter for parameter in operation["parameters"]}


@pytest.mark.parametrize("paths", LISTS)
async def test_documented_default_sort_is_that_of_the_list(client: httpx.AsyncClient, paths: set[str]) -> None:
    """A cursor is for one sort only, so equal cursors prove the sort, also where all items have the same values."""
    (template,) = paths
    path = await path_of(client, template)
    parameters = await parameters_of(client, template)
    options = {"limit": 1, **({"fields": "id"} if "fields" in parameters else {})}
    if "sort" not in parameters:
        assert (await client.get(path, params={"sort": "timestamp"})).status_code == 400
        return
    page = await read(client, path, **options)
    assert page["next_cursor"]
    assert await read(client, path, sort=parameters["sort"]["schema"]["default"], **options) == page
    assert parameters["sort"]["example"] == parameters["sort"]["schema"]["default"]


@pytest.mark.parametrize("paths", LISTS)
async def test_documented_sort_keys_are_those_of_the_list(client: httpx.AsyncClient, paths: set[str]) -> None:
    (template,) = paths
    parameters = await parameters_of(client, template)
    if "sort" not in parameters:
        return
    path = await path_of(client, template)
    match = re.search(r"first key must be one of ([\w, ]+)[.;]", parameters["sort"]["description"])
    assert match
    keys = match[1].split(", ")
    is_log = template.endswith("/logs")
    runs = schemas.FlowRunSummary if "task-runs" not in template else schemas.TaskRun
    members = schemas.LogLine if is_log else runs
    for name in members.__struct_fields__:
        for sort in (name, f"-{name}"):
            response = await client.get(path, params={"sort": sort, **({} if is_log else {"fields": ["id", name]})})
            if name not in keys:
                assert response.status_code == 400
                assert f"The keys are {', '.join(keys)}, with" in response.json()["errors"][0]["detail"]
                continue
            items = response.json()["items"]
            # The ids of task runs are in the order of their creation, which many of them share.
            values = [item["id" if name == "created" and members is schemas.TaskRun else name] for item in items]
            expected = sorted((value for value in values if value is not None), reverse=sort != name)
            assert values[: len(expected)] == expected, sort
    assert keys


@pytest.mark.parametrize("paths", LISTS)
async def test_documented_default_limit_is_that_of_the_list(client: httpx.AsyncClient, paths: set[str]) -> None:
    (template,) = paths
    limit = (await parameters_of(client, template))["limit"]["schema"]["default"]
    flow_run = await record(client)
    states = [{"type": "Running", "timestamp": f"2021-05-12T18:00:{number % 60:02}Z"} for number in range(limit + 1)]
    await client.post(f"{flow_run}/task-runs", json={"items": [{"task_slug": "many", "states": states}]})
    children = [{"task_slug": "m", "map_index": index, "states": [{"type": "Success"}]} for index in range(limit + 1)]
    parent = {"task_slug": "m", "states": [{"type": "Mapped"}]}
    receipts = await client.post(f"{flow_run}/task-runs", json={"items": [parent, *children]})
    (many,) = (await read(client, f"{flow_run}/task-runs", task_slug="many"))["items"]
    task_run = receipts.json()["items"][0]["task_run_id"] if template.endswith("result") else many["id"]
    await report_lines(client, flow_run, many["id"], limit + 1)
    if template.endswith("artifacts"):
        mutation = (
            "mutation($input: create_task_run_artifact_input!) { create_task_run_artifact(input: $input) { id } }"
        )
        for number in range(limit + 1):
            artifact = {"task_run_id": many["id"], "kind": "link", "data": {"link": f"https://example.com/{number}"}}
            body = {"query": mutation, "variables": {"input": artifact}}
            assert "errors" not in (await client.post("/graphql", json=body)).json()
    if template.startswith("/flow-runs"):
        for number in range(limit):
            await client.post("/flow-runs", json={"flow_name": "etl"})
            state = {"type": "Running", "timestamp": f"2021-05-12T18:00:{number % 60:02}Z"}
            await client.post(f"{flow_run}/states", json=state)
    path = template.replace("{flow_run_id:uuid}", ID).replace("{task_run_id:uuid}", task_run)
    page = await read(client, path, **({"fields": "id"} if template.endswith("/fields") else {}))
    assert len(page.get("items") or page["children"]) == limit
    assert page["next_cursor"]
