"""The schema of Prefect 1 for what this service keeps: fields, relations, conditions, orders and names of types."""

from typing import Any

import httpx
import pytest

from taskruns_service.prefect1.graphql.sdl import make_sdl
from tests.etl import PARAMETERS, SCHEDULE
from tests.questions import GraphQL

UNKNOWN = "019064f2-5a3c-7e1d-9a26-72754b7ea174"


async def test_flow_has_the_id_of_its_project(etl: GraphQL) -> None:
    ids = etl.ids
    data = await etl.data(
        """query($project: uuid, $projects: [uuid!]) {
          flow(order_by: {name: asc}) { name project_id }
          reports: flow(where: {project_id: {_eq: $project}}) { name }
          runs: flow_run(where: {flow: {project_id: {_in: $projects}}}) { id }
          counted: flow_run_aggregate(where: {flow: {project_id: {_in: $projects}}}) { aggregate { count } }
          by_project: flow(distinct_on: project_id, order_by: {project_id: asc}) { project_id }
        }""",
        project=ids["reports"],
        projects=[ids["project"]],
    )
    assert data["flow"] == [
        {"name": "etl", "project_id": ids["project"]},
        {"name": "report", "project_id": ids["reports"]},
    ]
    assert data["reports"] == [{"name": "report"}]
    assert len(data["runs"]) == data["counted"]["aggregate"]["count"] == len(PARAMETERS)
    assert data["by_project"] == [{"project_id": one} for one in sorted([ids["project"], ids["reports"]])]


async def test_tenant_leads_to_its_flows_and_flow_groups_and_back(etl: GraphQL) -> None:
    other = (await etl.change("create_tenant", "{ id }", name="Other", slug="other"))["id"]
    data = await etl.data(
        """query($tenant: uuid!, $other: uuid!) {
          tenant_by_pk(id: $tenant) {
            flows(order_by: {name: asc}) { name tenant { id } }
            flows_aggregate(where: {archived: {_eq: false}}) { aggregate { count } }
            flow_groups_aggregate { aggregate { count } }
            flow_groups(limit: 1) { tenant_id tenant { slug } }
          }
          other: tenant_by_pk(id: $other) { flows { id } flow_groups { id } projects { id } }
          with_flow: tenant(where: {flows: {name: {_eq: "etl"}}}) { id }
          of_runs: flow_run(where: {tenant: {id: {_eq: $other}}}) { id }
        }""",
        tenant=etl.ids["tenant"],
        other=other,
    )
    tenant = {"id": etl.ids["tenant"]}
    assert data["tenant_by_pk"] == {
        "flows": [{"name": "etl", "tenant": tenant}, {"name": "report", "tenant": tenant}],
        "flows_aggregate": {"aggregate": {"count": 2}},
        "flow_groups_aggregate": {"aggregate": {"count": 2}},
        "flow_groups": [{"tenant_id": tenant["id"], "tenant": {"slug": "default"}}],
    }
    assert data["other"] == {"flows": [], "flow_groups": [], "projects": []}
    assert (data["with_flow"], data["of_runs"]) == ([tenant], [])


async def test_everything_has_its_tenant(etl: GraphQL) -> None:
    ids = etl.ids
    (task_run,) = (
        await etl.data(
            "query($id: uuid) { task_run(where: {flow_run_id: {_eq: $id}}, limit: 1) { id } }", id=ids["run-0"]
        )
    )["task_run"]
    await etl.change("create_task_run_artifact", "{ id }", task_run_id=task_run["id"], kind="link", data={})
    await etl.change("write_run_logs", "{ success }", logs=[{"flow_run_id": ids["run-0"], "message": "a"}])
    await etl.change("register_agent", "{ id }", tenant_id=ids["tenant"], type="LocalAgent")
    names = ["project", "flow_group", "flow", "task", "edge", "flow_run", "flow_run_state", "task_run"]
    names += ["task_run_state", "log", "agent", "task_run_artifact"]
    data = await etl.data("{" + " ".join(f"{name}(limit: 3) {{ tenant_id }}" for name in names) + "}")
    for name in names:
        assert data[name], name
        assert {row["tenant_id"] for row in data[name]} == {ids["tenant"]}, name


async def test_unsupported_field_is_null(etl: GraphQL) -> None:
    await etl.change("write_run_logs", "{ success }", logs=[{"flow_run_id": etl.ids["run-0"], "message": "a"}])
    await etl.change("register_agent", "{ id }", type="LocalAgent")
    data = await etl.data(
        """{
          tenant { info settings }
          flow(order_by: {name: asc}) { name schedule flow_group { description schedule } }
          scheduled: flow(where: {schedule: {_is_null: false}}) { name }
          flow_run(limit: 1, order_by: {times_resurrected: asc}) { times_resurrected state_result }
          agent { agent_config_id agent_config { id } }
          log { is_loaded_from_archive }
          api { backend core_version release_timestamp }
        }"""
    )
    group = {"description": None, "schedule": None}
    assert data == {
        "tenant": [{"info": None, "settings": {}}],
        "flow": [
            {"name": "etl", "schedule": None, "flow_group": group},
            {"name": "report", "schedule": SCHEDULE, "flow_group": group},
        ],
        "scheduled": [{"name": "report"}],
        "flow_run": [{"times_resurrected": 0, "state_result": None}],
        "agent": [{"agent_config_id": None, "agent_config": None}],
        "log": [{"is_loaded_from_archive": None}],
        "api": {"backend": "SERVER", "core_version": None, "release_timestamp": None},
    }


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("message", '{read: {_eq: false}, text: {_ilike: "%a%"}, content: {_has_key: "a"}}'),
        ("cloud_hook", '{active: {_eq: true}, states: {_contains: ["Failed"]}}'),
        ("agent_config", '{name: {_eq: "a"}, agents: {type: {_eq: "LocalAgent"}}}'),
    ],
)
async def test_unsupported_entity_has_no_rows(etl: GraphQL, name: str, condition: str) -> None:
    data = await etl.data(
        f"""query($id: uuid!) {{
          {name}(where: {condition}, order_by: {{updated: desc, id: asc}}, limit: 10) {{ id tenant_id __typename }}
          {name}_by_pk(id: $id) {{ id }}
          {name}_aggregate(where: {condition}) {{ aggregate {{ count max {{ created }} }} nodes {{ id }} }}
        }}""",
        id=UNKNOWN,
    )
    nothing = {"aggregate": {"count": 0, "max": {"created": None}}, "nodes": []}
    assert data == {name: [], f"{name}_by_pk": None, f"{name}_aggregate": nothing}


async def test_rows_are_sorted_by_aggregates_of_a_relation(etl: GraphQL) -> None:
    query = """query($by: [flow_order_by!]) { flow(order_by: $by) { name } }"""
    orders: list[tuple[Any, list[str]]] = [
        ({"flow_runs_aggregate": {"count": "desc"}}, ["etl", "report"]),
        ({"flow_runs_aggregate": {"max": {"scheduled_start_time": "desc_nulls_last"}}}, ["etl", "report"]),
        ({"flow_runs_aggregate": {"min": {"created": "asc_nulls_first"}}}, ["report", "etl"]),
        ({"flow_runs_aggregate": {"avg": {"duration": "asc"}, "count": "asc"}}, ["report", "etl"]),
        ([{"tasks_aggregate": {"count": "asc"}}, {"flow_runs_aggregate": {}}, {"name": "desc"}], ["report", "etl"]),
    ]
    for by, names in orders:
        assert [row["name"] for row in (await etl.data(query, by=by))["flow"]] == names, by


async def test_agent_has_the_flow_runs_that_it_took(etl: GraphQL) -> None:
    agent_id = (await etl.change("register_agent", "{ id }", type="LocalAgent"))["id"]
    query = """mutation($states: [set_flow_run_state_input!]!) {
      set_flow_run_states(input: {states: $states}) { states { id status message } }
    }"""
    states = [{"flow_run_id": etl.ids["run-1"], "state": {"type": "Submitted"}, "version": None}]
    submitted = await etl.client.post(
        "/graphql",
        json={"query": query, "variables": {"states": states}},
        headers={"X-Prefect-Agent-Id": agent_id},
    )
    assert submitted.json()["data"]["set_flow_run_states"]["states"][0]["status"] == "SUCCESS"
    data = await etl.data(
        """query($id: uuid!) {
          agent_by_pk(id: $id) { flow_runs { name } flow_runs_aggregate { aggregate { count } } }
          agent(where: {flow_runs: {state: {_eq: "Submitted"}}}, order_by: {flow_runs_aggregate: {count: desc}}) { id }
        }""",
        id=agent_id,
    )
    assert data == {
        "agent_by_pk": {"flow_runs": [{"name": "1"}], "flow_runs_aggregate": {"aggregate": {"count": 1}}},
        "agent": [{"id": agent_id}],
    }


NAMES = [
    "input set_task_run_state_input",
    "input set_flow_run_state_input",
    "input write_run_log_input",
    "input flow_run_aggregate_order_by",
    "input task_run_max_order_by",
    "input utility_downstream_tasks_args",
    "type utility_traversal",
    "type project_id_payload",
    "type flow_run_id_payload",
    "type set_task_run_states_payload",
    "type reference_data",
    "scalar _uuid",
    "scalar log_level",
]


@pytest.mark.parametrize("name", NAMES)
def test_types_have_the_names_of_the_original(name: str) -> None:
    assert f"\n{name} {{" in make_sdl() or f"\n{name}\n" in make_sdl()


async def test_variables_have_the_types_of_the_original(etl: GraphQL) -> None:
    ids = etl.ids
    made = await etl.data(
        """mutation($name: String!, $tenant: UUID!) {
          create_project(input: {name: $name, tenant_id: $tenant}) { id __typename }
        }""",
        name="mine",
        tenant=ids["tenant"],
    )
    assert made["create_project"]["__typename"] == "project_id_payload"
    tasks = await etl.data(
        """mutation($flow: UUID!, $tasks: JSON!, $edges: JSON!) {
          register_tasks(input: {flow_id: $flow, serialized_tasks: $tasks}) { success error }
          register_edges(input: {flow_id: $flow, serialized_edges: $edges}) { success error }
        }""",
        flow=ids["etl"],
        tasks=[{"slug": "extra"}],
        edges=[],
    )
    assert tasks["register_tasks"] == tasks["register_edges"] == {"success": True, "error": None}
    (task_run,) = (
        await etl.data(
            "query($id: uuid) { task_run(where: {flow_run_id: {_eq: $id}}, limit: 1) { id } }", id=ids["run-0"]
        )
    )["task_run"]
    states = await etl.data(
        """mutation($states: [set_task_run_state_input!]!) {
          set_task_run_states(input: {states: $states}) { states { id status message } }
        }""",
        states=[{"task_run_id": task_run["id"], "state": {"type": "Failed"}, "version": 1, "flow_run_version": 1}],
    )
    assert states["set_task_run_states"]["states"] == [{"id": task_run["id"], "status": "SUCCESS", "message": None}]
    written = await etl.data(
        """mutation($logs: [write_run_log_input!]!, $run: UUID!, $level: log_level) {
          write_run_logs(input: {logs: $logs}) { success }
          here: write_run_logs(
            input: {logs: [{flow_run_id: $run, level: ERROR}, {flow_run_id: $run, level: $level, message: "b"}]}
          ) { success }
        }""",
        logs=[{"flow_run_id": ids["run-0"], "level": "DEBUG", "message": "a"}],
        run=ids["run-0"],
        level="WARNING",
    )
    assert written["here"] == {"success": True}
    levels = await etl.data("{ log(distinct_on: level, order_by: {level: asc}) { level } }")
    assert [line["level"] for line in levels["log"]] == ["DEBUG", "ERROR", "WARNING"]


async def test_lists_of_tasks_have_to_be_lists(etl: GraphQL) -> None:
    query = """mutation($flow: UUID!, $tasks: JSON!) {
      register_tasks(input: {flow_id: $flow, serialized_tasks: $tasks}) { success }
    }"""
    _code, message = await etl.error(query, flow=etl.ids["etl"], tasks={"slug": "a"})
    assert message == "`serialized_tasks` must be a list."


async def test_relations_that_go_through_tables_in_between_count_as_two(etl: GraphQL) -> None:
    def nested(relations: list[str], inner: str) -> str:
        return inner if not relations else f"{{{relations[0]}: {nested(relations[1:], inner)}}}"

    path = ["flows", "tenant", "flows", "tenant", "flows"]
    for name, relations, answered in (("tenant", path, True), ("tenant", [*path, "tenant", "flows"], False)):
        query = f"{{ {name}(where: {nested(relations, '{tenant_id: {_is_null: false}}')}) {{ id }} }}"
        response: httpx.Response = await etl.post(query)
        assert ("errors" not in response.json()) is answered, response.text
        if not answered:
            assert "levels deep" in response.text
