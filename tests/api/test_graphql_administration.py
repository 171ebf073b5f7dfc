"""Mutations of Prefect 1's UI that change or delete what was registered, and those of what this service lacks."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from taskruns_service.app import create_app
from tests.questions import FLOW, GraphQL
from tests.service import running, settings_of

UNKNOWN = "019064f2-5a3c-7e1d-9a26-72754b7ea174"
BY_ID = "query($id: uuid!) {{ {0}_by_pk(id: $id) {{ {1} }} }}"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[GraphQL]:
    """The application, with a tenant `acme` that has a project `etl` with a flow."""
    async with running(create_app(settings_of(database_url))) as client:
        service = GraphQL(client)
        ids = service.ids
        ids["tenant_id"] = (await service.change("create_tenant", "{ id }", name="Acme", slug="acme"))["id"]
        made = await service.change("create_project", "{ id }", name="etl", tenant_id=ids["tenant_id"])
        ids["project_id"] = made["id"]
        made = await service.change(
            "create_flow", "{ id }", project_id=ids["project_id"], serialized_flow=FLOW, version_group_id="group"
        )
        ids["flow_id"] = made["id"]
        (flow,) = (await service.data("{ flow { flow_group_id } }"))["flow"]
        ids |= flow
        yield service


async def get(service: GraphQL, entity: str, selected: str, identifier: str | None = None) -> Any:
    """A thing by its id, that of its kind in the fixture if no other is told."""
    query = BY_ID.format(entity, selected)
    return (await service.data(query, id=identifier or service.ids[f"{entity}_id"]))[f"{entity}_by_pk"]


async def run(service: GraphQL) -> str:
    """The id of a new run of the flow."""
    made = await service.change("create_flow_run", "{ id }", flow_id=service.ids["flow_id"])
    return str(made["id"])


async def refusal(service: GraphQL, mutation: str, selected: str = "{ id }", /, **members: Any) -> str:
    """The message of a mutation that is refused because of what was sent."""
    query = f"mutation($input: {mutation}_input!) {{ {mutation}(input: $input) {selected} }}"
    code, message = await service.error(query, input=members)
    assert code == "BAD_USER_INPUT"
    return message


async def test_tenant_is_renamed(service: GraphQL) -> None:
    tenant_id = service.ids["tenant_id"]
    changed = await service.change("update_tenant_name", "{ id }", tenant_id=tenant_id, name="Acme Ltd")
    assert changed == {"id": tenant_id}
    await service.change("update_tenant_slug", "{ id }", tenant_id=tenant_id, slug="acme-ltd")
    assert await get(service, "tenant", "name slug") == {"name": "Acme Ltd", "slug": "acme-ltd"}


async def test_tenant_that_is_not_named_is_the_first(service: GraphQL) -> None:
    data = await service.data(
        """mutation($name: String!, $slug: String!) {
          update_tenant_name(input: {name: $name}) { id }
          update_tenant_slug(input: {slug: $slug}) { id }
        }""",
        name="First",
        slug="first",
    )
    assert data["update_tenant_name"] == data["update_tenant_slug"]
    first = await get(service, "tenant", "name slug", data["update_tenant_name"]["id"])
    assert first == {"name": "First", "slug": "first"}


async def test_slug_of_another_tenant_is_refused(service: GraphQL) -> None:
    message = await refusal(service, "update_tenant_slug", tenant_id=service.ids["tenant_id"], slug="default")
    assert message == "Another tenant has the slug default."
    message = await refusal(service, "update_tenant_slug", tenant_id=UNKNOWN, slug="a")
    assert message == f"There is no tenant {UNKNOWN}."


async def test_tenant_without_projects_is_deleted(service: GraphQL) -> None:
    tenant_id = service.ids["tenant_id"]
    message = await refusal(service, "delete_tenant", "{ success }", tenant_id=tenant_id, confirm=True)
    assert message == "The tenant has projects. Delete them first."
    await service.change("delete_project", "{ success }", project_id=service.ids["project_id"])
    message = await refusal(service, "delete_tenant", "{ success }", tenant_id=tenant_id, confirm=False)
    assert "To delete a tenant, set `confirm` to true" in message
    for success in (True, False):
        deleted = await service.change("delete_tenant", "{ success }", tenant_id=tenant_id, confirm=True)
        assert deleted == {"success": success}
    assert await get(service, "tenant", "id") is None


async def test_project_is_renamed_with_its_flows(service: GraphQL) -> None:
    project_id, flow_id = service.ids["project_id"], service.ids["flow_id"]
    flow_run_id = await run(service)
    data = await service.data(
        """mutation($id: UUID!, $name: String!, $description: String) {
          set_project_name(input: {project_id: $id, name: $name}) { id }
          set_project_description(input: {project_id: $id, description: $description}) { id }
        }""",
        id=project_id,
        name="ingest",
        description="what comes in",
    )
    assert data["set_project_name"] == data["set_project_description"] == {"id": project_id}
    project = await get(service, "project", "name description flows { id }")
    assert project == {"name": "ingest", "description": "what comes in", "flows": [{"id": flow_id}]}
    flow_run = await get(service, "flow_run", "tenant_id flow { project { name } }", flow_run_id)
    assert flow_run == {"tenant_id": service.ids["tenant_id"], "flow": {"project": {"name": "ingest"}}}
    # The next version is that of the same flow.
    made = await service.change("create_flow", "{ id }", project_id=project_id, serialized_flow={**FLOW, "tasks": []})
    assert await get(service, "flow", "version flow_group_id", made["id"]) == {
        "version": 2,
        "flow_group_id": service.ids["flow_group_id"],
    }
    await service.change("set_project_description", "{ id }", project_id=project_id)
    assert await get(service, "project", "description") == {"description": None}


async def test_project_keeps_its_name_where_it_must(service: GraphQL) -> None:
    found = await service.data('{ project(where: {name: {_eq: "default"}}) { id } }')
    message = await refusal(service, "set_project_name", project_id=found["project"][0]["id"], name="a")
    assert message == "The project default cannot be renamed: it holds the flows that name no project."
    message = await refusal(service, "set_project_name", project_id=service.ids["project_id"], name="default")
    assert message == "Another project has the name default."
    assert await get(service, "project", "name flows { name }") == {"name": "etl", "flows": [{"name": "etl"}]}
    message = await refusal(service, "set_project_name", project_id=UNKNOWN, name="a")
    assert message == f"There is no project {UNKNOWN}."


async def test_flow_moves_to_another_project_of_its_tenant(service: GraphQL) -> None:
    ids = service.ids
    made = await service.change("create_project", "{ id }", name="other", tenant_id=ids["tenant_id"])
    moved = await service.change("update_flow_project", "{ id }", flow_id=ids["flow_id"], project_id=made["id"])
    assert moved == {"id": ids["flow_id"]}
    assert await get(service, "flow", "project_id project { name }") == {
        "project_id": made["id"],
        "project": {"name": "other"},
    }
    await service.change("create_flow", "{ id }", project_id=ids["project_id"], serialized_flow=FLOW)
    message = await refusal(service, "update_flow_project", flow_id=ids["flow_id"], project_id=ids["project_id"])
    assert message == "The project etl already has a flow of this name and version."
    (default,) = (await service.data('{ project(where: {name: {_eq: "default"}}) { id } }'))["project"]
    message = await refusal(service, "update_flow_project", flow_id=ids["flow_id"], project_id=default["id"])
    assert message == f"The tenant of the project default has no flow {ids['flow_id']}."


@pytest.mark.parametrize("name", ["flow", "flow_group"])
async def test_flow_without_runs_is_deleted(service: GraphQL, name: str) -> None:
    identifier = {f"{name}_id": service.ids[f"{name}_id"]}
    flow_run_id = await run(service)
    message = await refusal(service, f"delete_{name}", "{ success }", **identifier)
    assert message == f"The {name.replace('_', ' ')} has flow runs. Delete them first."
    await service.change("delete_flow_run", "{ success }", flow_run_id=flow_run_id)
    for success in (True, False):
        assert await service.change(f"delete_{name}", "{ success }", **identifier) == {"success": success}
    data = await service.data("{ flow { id } flow_group { id } task { id } edge { id } project { name } }")
    assert [data[kind] for kind in ("flow", "flow_group", "task", "edge")] == [[], [], [], []]
    assert len(data["project"]) == 2


async def test_flow_runs_begin_with_what_their_group_gives(service: GraphQL) -> None:
    group = {"flow_group_id": service.ids["flow_group_id"]}
    data = await service.data(
        """mutation($group: UUID!, $labels: [String!]) {
          set_flow_group_labels(input: {flow_group_id: $group, labels: $labels}) { success }
        }""",
        group=group["flow_group_id"],
        labels=["b", "a", "a"],
    )
    assert data == {"set_flow_group_labels": {"success": True}}
    await service.change("set_flow_group_default_parameters", "{ success }", **group, parameters={"n": 1})
    await service.change("set_flow_group_run_config", "{ success }", **group, run_config={"type": "LocalRun"})
    kept = await get(service, "flow_group", "labels default_parameters run_config")
    assert kept == {"labels": ["a", "b"], "default_parameters": {"n": 1}, "run_config": {"type": "LocalRun"}}
    flow_run = await get(service, "flow_run", "labels parameters run_config", await run(service))
    assert flow_run == {"labels": ["a", "b"], "parameters": {"n": 1}, "run_config": {"type": "LocalRun"}}
    await service.change("set_flow_group_labels", "{ success }", **group, labels=None)
    await service.change("set_flow_group_run_config", "{ success }", **group, run_config=None)
    flow_run = await get(service, "flow_run", "labels run_config", await run(service))
    assert flow_run == {"labels": ["b"], "run_config": {"labels": ["b"]}}
    unknown = await service.change("set_flow_group_labels", "{ success }", flow_group_id=UNKNOWN, labels=[])
    assert unknown == {"success": False}


async def test_settings_of_a_flow_group_are_checked(service: GraphQL) -> None:
    group = {"flow_group_id": service.ids["flow_group_id"]}
    message = await refusal(service, "set_flow_group_default_parameters", "{ success }", **group, parameters=[1])
    assert message == "`parameters` must be a JSON object."
    message = await refusal(service, "set_flow_group_run_config", "{ success }", **group, run_config="a")
    assert message == "`run_config` must be a JSON object."
    message = await refusal(service, "set_flow_group_labels", "{ success }", **group, labels=["a" * 300])
    assert message == "`labels` must have 1 to 255 characters."


async def test_flow_run_gets_other_labels(service: GraphQL) -> None:
    flow_run_id = await run(service)
    before = await get(service, "flow_run", "labels version state", flow_run_id)
    data = await service.data(
        """mutation($run: UUID!, $labels: [String!]!) {
          set_flow_run_labels(input: {flow_run_id: $run, labels: $labels}) { success }
        }""",
        run=flow_run_id,
        labels=["y", "x", "y"],
    )
    assert data == {"set_flow_run_labels": {"success": True}}
    after = await get(service, "flow_run", "labels version state", flow_run_id)
    assert after == {**before, "labels": ["x", "y"]}
    listed = await service.client.get("/flow-runs", params={"label": "x"})
    assert [item["id"] for item in listed.json()["items"]] == [flow_run_id]
    code, _message = await service.error(
        "mutation($input: set_flow_run_labels_input!) { set_flow_run_labels(input: $input) { success } }",
        input={"flow_run_id": UNKNOWN, "labels": []},
    )
    assert code == "FLOW_RUN_NOT_FOUND"


async def test_whether_lazarus_may_is_kept(service: GraphQL) -> None:
    for name, enabled in (("disable", False), ("enable", True)):
        done = await service.change(f"{name}_flow_lazarus_process", "{ success }", flow_id=service.ids["flow_id"])
        assert done == {"success": True}
        assert (await get(service, "flow", "settings"))["settings"]["lazarus_enabled"] is enabled


async def test_agent_is_deleted(service: GraphQL) -> None:
    agent_id = (await service.change("register_agent", "{ id }", type="LocalAgent"))["id"]
    for success in (True, False):
        assert await service.change("delete_agent", "{ success }", agent_id=agent_id) == {"success": success}
    assert await service.data("{ agent { id } }") == {"agent": []}


async def test_schedule_that_there_is_none_of_is_deleted(service: GraphQL) -> None:
    for flow_group_id, success in ((service.ids["flow_group_id"], True), (UNKNOWN, False)):
        deleted = await service.change("delete_flow_group_schedule", "{ success }", flow_group_id=flow_group_id)
        assert deleted == {"success": success}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "update_tenant_settings": ({"settings": {"a": 1}}, "stores no tenant settings"),
    "set_flow_group_description": ({"flow_group_id": UNKNOWN, "description": "a"}, "stores no flow group descriptions"),
    "set_flow_group_schedule": ({"flow_group_id": UNKNOWN, "cron_clocks": [{"cron": "* * * * *"}]}, "no scheduler"),
    "create_agent_config": ({"tenant_id": UNKNOWN, "name": "a"}, "stores no agent configurations"),
    "create_cloud_hook": ({"tenant_id": UNKNOWN, "type": "WEBHOOK", "states": ["Failed"]}, "no cloud hooks"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_mutation_of_unsupported_settings_is_refused(service: GraphQL, name: str) -> None:
    members, reason = REFUSED[name]
    assert reason in await refusal(service, name, "{ __typename }", **members)


ABSENT = {
    "update_agent_config": "agent_config_id",
    "delete_agent_config": "agent_config_id",
    "mark_message_as_read": "message_id",
    "mark_message_as_unread": "message_id",
    "delete_message": "message_id",
    "test_cloud_hook": "cloud_hook_id",
    "delete_cloud_hook": "cloud_hook_id",
    "set_cloud_hook_active": "cloud_hook_id",
    "set_cloud_hook_inactive": "cloud_hook_id",
}


@pytest.mark.parametrize("name", ABSENT)
async def test_unsupported_entity_is_not_changed(service: GraphQL, name: str) -> None:
    done = await service.change(name, "{ success error }", **{ABSENT[name]: UNKNOWN})
    assert done["success"] is False
    assert done["error"].startswith("This service ")
