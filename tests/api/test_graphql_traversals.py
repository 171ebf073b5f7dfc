"""Traversals in GraphQL: the tasks downstream and upstream of others."""

from typing import Any

import pytest

from tests.questions import GraphQL

TASKS_AWAY: dict[str, tuple[str, list[str], int | None, list[tuple[str, int]]]] = {
    "downstream": ("downstream", ["extract"], None, [("extract", 0), ("clean", 1), ("load", 2)]),
    "downstream of two": ("downstream", ["clean", "alone", "clean"], 50, [("alone", 0), ("clean", 0), ("load", 1)]),
    "one edge downstream": ("downstream", ["extract"], 1, [("extract", 0), ("clean", 1), ("load", 1)]),
    "upstream": ("upstream", ["load"], None, [("load", 0), ("clean", 1), ("extract", 2)]),
    "no edge": ("upstream", ["load"], 0, [("load", 0)]),
    "of none": ("upstream", [], None, []),
}


@pytest.mark.parametrize(("direction", "starts", "depth", "reached"), TASKS_AWAY.values(), ids=TASKS_AWAY)
async def test_tasks_before_and_after_others_are_told(
    common_etl: GraphQL, direction: str, starts: list[str], depth: int | None, reached: list[tuple[str, int]]
) -> None:
    query = f"""query($tasks: _uuid, $depth: Int, $run: uuid) {{
      tasks: utility_{direction}_tasks(args: {{start_task_ids: $tasks, depth_limit: $depth}}) {{
        depth
        task_id
        tenant_id
        task {{ slug task_runs(where: {{flow_run_id: {{_eq: $run}}}}) {{ map_index version }} }}
      }}
      deepest: utility_{direction}_tasks_aggregate(args: {{start_task_ids: $tasks, depth_limit: $depth}}) {{
        aggregate {{ count max {{ depth }} }}
      }}
    }}"""
    task_ids = [common_etl.ids[slug] for slug in starts]
    depths = [depth for _, depth in reached]
    for tasks in ("{" + ", ".join(task_ids) + "}", task_ids):
        data = await common_etl.data(query, tasks=tasks, depth=depth, run=common_etl.ids["run-2"])
        assert sorted((row["depth"], row["task"]["slug"]) for row in data["tasks"]) == sorted(
            (depth, slug) for slug, depth in reached
        )
        assert [row["depth"] for row in data["tasks"]] == sorted(depths)
        assert all(row["task_id"] == common_etl.ids[row["task"]["slug"]] for row in data["tasks"])
        assert all(row["tenant_id"] == common_etl.ids["tenant"] for row in data["tasks"])
        assert all(row["task"]["task_runs"] == [{"map_index": -1, "version": 1}] for row in data["tasks"])
        assert data["deepest"]["aggregate"] == {"count": len(reached), "max": {"depth": max(depths, default=None)}}


async def test_tasks_away_are_chosen_as_other_rows_are(common_etl: GraphQL) -> None:
    data = await common_etl.data(
        """query($tasks: _uuid) {
          utility_downstream_tasks(
            args: {start_task_ids: $tasks}
            where: {depth: {_gt: 0}, task: {slug: {_neq: "alone"}}}
            order_by: {task: {slug: desc}}
            limit: 1
          ) { task { slug } }
          utility_traversal { depth }
        }""",
        tasks=[common_etl.ids["extract"]],
    )
    assert data == {"utility_downstream_tasks": [{"task": {"slug": "load"}}], "utility_traversal": []}


@pytest.mark.parametrize(
    ("tasks", "complaint"),
    [
        ("a", 'malformed array literal: "a"'),
        ("{a}", 'invalid input syntax for type uuid: "a"'),
        (["a"], 'invalid input syntax for type uuid: "a"'),
        ([f"00000000-0000-0000-0000-{number:012}" for number in range(10_001)], "at most 10000 items"),
    ],
)
async def test_tasks_to_begin_with_are_checked(common_etl: GraphQL, tasks: Any, complaint: str) -> None:
    query = "query($tasks: _uuid) { utility_upstream_tasks(args: {start_task_ids: $tasks}) { depth } }"
    _code, message = await common_etl.error(query, tasks=tasks)
    assert complaint in message


async def test_circle_of_edges_ends_after_fifty(etl: GraphQL) -> None:
    circle = [{"upstream_task": {"slug": "load"}, "downstream_task": {"slug": "extract"}}]
    await etl.change("register_edges", "{ success }", flow_id=etl.ids["etl"], serialized_edges=circle)
    query = """query($tasks: _uuid) {
      utility_downstream_tasks(args: {start_task_ids: $tasks, depth_limit: 1000}) { depth }
    }"""
    data = await etl.data(query, tasks=[etl.ids["extract"]])
    assert max(row["depth"] for row in data["utility_downstream_tasks"]) == 50
