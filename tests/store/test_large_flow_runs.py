"""Large flow runs: what is asked of a few of a hundred thousand task runs does not read them all."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select

from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.graph import statements
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.selections import RowQuery, Selection
from taskruns_service.prefect1.graph.statements import Bounds
from taskruns_service.queries import aggregates, runs, timelines
from taskruns_service.queries.aggregations import AggregateQuestion
from taskruns_service.queries.filters import Where
from taskruns_service.queries.listings import FLOW_RUN_TASK_RUNS, ListQuery
from taskruns_service.queries.neighbours import get_task_run_neighbours
from taskruns_service.queries.pages import RawPage
from taskruns_service.queries.paging import TASK_RUN_KEYS, Page, read_cursor, read_sort
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Target
from tests.store import mapped
from tests.store.factories import at, opened
from tests.store.mapped import CHILDREN, FLOW_RUN_ID, SINGLES, SLUG, TASK_IDS, TASK_RUNS
from tests.store.reading import ROWS_READ, nodes, plans

# One worker fills the databases, for all tests here.
pytestmark = pytest.mark.xdist_group("large-flow-run")

FIELDS = ("id", "map_index", "state")
PARENT = -1


@pytest.fixture
def mapped_url(database_kind: str, filled: Callable[[str, Any], str]) -> str:
    """The URL of a database with a flow run that has a large map."""
    return filled(database_kind, mapped.fill)


def page_of(sort: str, limit: int = 100, after: tuple[Any, ...] | None = None) -> Page:
    orders = read_sort(sort, TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=False)
    return Page(orders=orders, limit=limit, after=after)


def query_of(where: Where, page: Page, fields: tuple[str, ...] | None = None) -> ListQuery:
    return ListQuery(FLOW_RUN_TASK_RUNS, {**where, "flow_run_id": [FLOW_RUN_ID]}, page, fields)


def list_of(connection: Connection, where: Where, page: Page) -> RawPage:
    _, found = runs.list_flow_run_task_runs(connection, query_of(where, page, FIELDS), known=None)
    assert found is not None
    return found


FEW: dict[str, tuple[dict[str, Any], str, int]] = {
    "by natural key": ({"task_slug": [SLUG], "map_index": [7000]}, "created", 1),
    "by the natural key of a parent": ({"task_slug": [SLUG], "map_index": [PARENT]}, "created", 1),
    "by the natural key of the first": ({"task_slug": [SINGLES[0]], "map_index": [PARENT]}, "-created", 1),
    "by a natural key that is not there": ({"task_slug": ["unknown"], "map_index": [PARENT]}, "created", 0),
    "by natural key, sorted by start": ({"task_slug": [SLUG], "map_index": [7000]}, "-start_time", 1),
    "by two natural keys": ({"task_slug": [SLUG], "map_index": [5, 7000]}, "created", 2),
    "by map index under two slugs": ({"task_slug": [SINGLES[3], SLUG], "map_index": [PARENT]}, "created", 2),
    "what is not mapped": ({"map_index": [PARENT]}, "created", len(SINGLES) + 1),
    "what is not mapped, newest first": ({"map_index": [PARENT]}, "-created", len(SINGLES) + 1),
    "what is not mapped and failed": ({"map_index": [PARENT], "state": [StateType.Failed]}, "created", 0),
    "one map index of any slug": ({"map_index": [7000]}, "created", 1),
    "parents of maps": ({"is_mapped_parent": True}, "created", 1),
    "children by map index": ({"task_slug": [SLUG], "is_mapped_child": True}, "map_index", 100),
    "children by map index, last first": ({"task_slug": [SLUG]}, "-map_index", 100),
    "by slug and map index": ({}, "task_slug,map_index", 100),
    "the last changes": ({"after_sequence": 3 * TASK_RUNS - 30}, "sequence", 10),
    "the last changes, by creation": ({"after_sequence": 3 * TASK_RUNS - 30}, "created", 10),
}

FEW_ON_SQLITE: dict[str, tuple[dict[str, Any], str, int]] = {
    "what is not mapped, by duration": ({"map_index": [PARENT]}, "-duration", len(SINGLES) + 1),
    "a slug of few": ({"task_slug": [SINGLES[0]]}, "-created", 1),
    "two slugs of few": ({"task_slug": SINGLES[:2]}, "-created", 2),
    "slugs of few by prefix": ({"task_slug_prefix": "single-"}, "-created", len(SINGLES)),
}
"""PostgreSQL takes what its statistics say is cheapest of these, which depends on the size of the table."""


@pytest.mark.parametrize("name", FEW)
async def test_few_task_runs_of_a_large_flow_run_are_found_without_reading_it(
    database_kind: str, mapped_url: str, name: str
) -> None:
    where, sort, count = FEW[name]

    def ask(connection: Connection) -> tuple[int, int]:
        found: list[RawPage] = []
        read = ROWS_READ[database_kind](connection, lambda: found.append(list_of(connection, where, page_of(sort))))
        return bytes(found[0].items).count(b'"id"'), read

    async with opened(mapped_url) as database:
        items, read = await database.read(ask)
    assert items == count
    assert read < TASK_RUNS / 4


@pytest.mark.parametrize("name", FEW_ON_SQLITE)
async def test_sqlite_finds_few_task_runs_of_a_large_flow_run(sqlite_mapped_url: str, name: str) -> None:
    where, sort, count = FEW_ON_SQLITE[name]

    def ask(connection: Connection) -> tuple[int, int]:
        found: list[RawPage] = []
        read = ROWS_READ["sqlite"](connection, lambda: found.append(list_of(connection, where, page_of(sort))))
        return bytes(found[0].items).count(b'"id"'), read

    async with opened(sqlite_mapped_url) as database:
        items, read = await database.read(ask)
    assert items == count
    assert read < TASK_RUNS / 4


@pytest.mark.parametrize("sort", ["created", "-created", "map_index", "-duration", "name"])
async def test_pages_of_what_is_not_mapped_follow_each_other(database_kind: str, mapped_url: str, sort: str) -> None:
    """Rows that are looked for under each slug are sorted, whatever order they are found in."""

    def ask(connection: Connection) -> tuple[list[bytes], bytes, int]:
        pages: list[bytes] = []
        read = 0
        after: tuple[Any, ...] | None = None
        while True:
            page = page_of(sort, 7, after)
            found: list[RawPage] = []
            ask_for = lambda page=page, found=found: found.append(list_of(connection, {"map_index": [PARENT]}, page))  # noqa: E731
            read = max(read, ROWS_READ[database_kind](connection, ask_for))
            pages.append(bytes(found[0].items)[1:-1])
            if found[0].next_cursor is None:
                whole = bytes(list_of(connection, {"map_index": [PARENT]}, page_of(sort)).items)[1:-1]
                return pages, whole, read
            types = [(order.key.cursor_type, order.key.nullable) for order in page.orders]
            after = read_cursor(found[0].next_cursor, page.question, types)

    async with opened(mapped_url) as database:
        pages, whole, read = await database.read(ask)
    assert b",".join(pages) == whole
    assert len(pages) == 5
    assert read < TASK_RUNS / 4


STEPS_OF_A_SORTED_ROW = 24
"""SQLite takes so many to read a row and sort it by its key; to make its JSON takes it several times as many."""


@pytest.mark.parametrize("sort", ["-duration", "duration", "-start_time", "-end_time"])
async def test_sqlite_makes_the_items_of_the_page_alone(sqlite_mapped_url: str, sort: str) -> None:
    def ask(connection: Connection) -> int:
        def list_all_members() -> None:
            runs.list_flow_run_task_runs(connection, query_of({}, page_of(sort)), known=None)

        return ROWS_READ["sqlite"](connection, list_all_members)

    async with opened(sqlite_mapped_url) as database:
        assert await database.read(ask) < TASK_RUNS * STEPS_OF_A_SORTED_ROW / 4


@pytest.fixture
def sqlite_mapped_url(filled: Callable[[str, Any], str]) -> str:
    """The same, of SQLite alone."""
    return filled("sqlite", mapped.fill)


@pytest.mark.parametrize(("slug", "map_index"), [(SLUG, 7000), (SLUG, PARENT), (SINGLES[3], PARENT)], ids=str)
async def test_neighbours_of_a_task_run_are_few_rows(
    database_kind: str, mapped_url: str, slug: str, map_index: int
) -> None:
    """Neither the map, beside it or downstream, nor all flow runs of the flow are read."""
    task_run = tables.task_run.c
    task_runs = select(task_run.id).where(task_run.task_slug == slug, task_run.map_index == map_index)
    in_large_flow_run = task_runs.where(task_run.flow_run_id == FLOW_RUN_ID)
    in_last_flow_run = task_runs.order_by(task_run.flow_run_id.desc()).limit(1)

    def rows_read(connection: Connection) -> int:
        ids = [connection.execute(choice).scalar_one() for choice in (in_large_flow_run, in_last_flow_run)]
        count = ROWS_READ[database_kind]
        return max(count(connection, partial(get_task_run_neighbours, connection, task_run_id)) for task_run_id in ids)

    async with opened(mapped_url) as database:
        assert await database.read(rows_read) < 1000


async def test_timeline_of_few_task_runs_does_not_read_the_map(database_kind: str, mapped_url: str) -> None:
    def read(connection: Connection) -> int:
        window = {"task_slug": SINGLES[:2], "after": at(0), "before": at(60)}
        values = timelines.timeline_values(FLOW_RUN_ID, window)
        return ROWS_READ[database_kind](connection, lambda: timelines.get_timeline(connection, values))

    async with opened(mapped_url) as database:
        assert await database.read(read) < TASK_RUNS / 4


PLAIN = Selection({name: name for name in ("id", "map_index", "state", "duration", "start_time")})
OF_FLOW_RUN = {"flow_run_id": {"_eq": str(FLOW_RUN_ID)}}
TASK_ID = str(TASK_IDS[SLUG])
CHOICES = {
    "by task and map index": (
        RowQuery(where={**OF_FLOW_RUN, "task_id": {"_eq": TASK_ID}, "map_index": {"_eq": 7000}}),
        1,
    ),
    "by task as a relation": (
        RowQuery(where={**OF_FLOW_RUN, "task": {"id": {"_eq": TASK_ID}}, "map_index": {"_eq": 7000}}),
        1,
    ),
    "by slug and map index": (
        RowQuery(where={**OF_FLOW_RUN, "task": {"slug": {"_eq": SLUG}}, "map_index": {"_eq": 7000}}),
        1,
    ),
    "children by map index": (
        RowQuery(where={**OF_FLOW_RUN, "task_id": {"_eq": TASK_ID}}, order_by=[{"map_index": "asc"}], limit=100),
        100,
    ),
}


@pytest.mark.parametrize("name", CHOICES)
async def test_graphql_finds_task_runs_by_task_and_map_index(database_kind: str, mapped_url: str, name: str) -> None:
    row_query, count = CHOICES[name]

    def ask(connection: Connection, target: Target) -> tuple[int, int]:
        found: list[bytes] = []
        question = statements.list_entities(Bounds(target, 10_000_000), ENTITIES["task_run"], row_query, PLAIN)
        read = ROWS_READ[database_kind](connection, lambda: found.append(question(connection)))
        return found[0].count(b'"id"'), read

    async with opened(mapped_url) as database:
        items, read = await database.read(ask, database.target)
    assert items == count
    assert read < TASK_RUNS / 4


async def test_sqlite_sorts_what_graphql_asks_for_before_it_reads_it(sqlite_mapped_url: str) -> None:
    names = ("id", "state_message", "start_time", "end_time", "tags", "serialized_state", "created", "updated")
    row_query = RowQuery(where=OF_FLOW_RUN, order_by=[{"start_time": "desc"}], limit=100)

    def ask(connection: Connection, target: Target) -> int:
        selection = Selection({name: name for name in names})
        question = statements.list_entities(Bounds(target, 10_000_000), ENTITIES["task_run"], row_query, selection)
        return ROWS_READ["sqlite"](connection, lambda: question(connection))

    async with opened(sqlite_mapped_url) as database:
        assert await database.read(ask, database.target) < TASK_RUNS * 2 * STEPS_OF_A_SORTED_ROW / 4


OF_MAP: Where = {"flow_run_id": [FLOW_RUN_ID], "task_slug": [SLUG]}


async def test_sqlite_sorts_the_values_of_a_column_once_for_all_its_percentiles(sqlite_mapped_url: str) -> None:
    def steps(connection: Connection, *measures: str) -> int:
        question = AggregateQuestion(where=OF_MAP, group_by=["hour"], measures=measures)
        return ROWS_READ["sqlite"](connection, lambda: aggregates.aggregate(connection, question))

    async with opened(sqlite_mapped_url) as database:
        alone = await database.read(steps, "p95_duration")
        together = await database.read(steps, "p50_duration", "p95_duration", "p99_duration")
    assert together < alone * 1.02


@pytest.mark.parametrize("unit", ["hour", "day"])
async def test_postgresql_groups_by_moments_and_not_by_texts(filled: Callable[[str, Any], str], unit: str) -> None:
    def keys(connection: Connection) -> list[str]:
        question = AggregateQuestion(where=OF_MAP, group_by=[unit], measures=["p95_duration"])
        made = plans(connection, lambda: aggregates.aggregate(connection, question))
        return [key for plan in made for node in nodes(plan) for key in node.get("Group Key", ())]

    async with opened(filled("postgresql", mapped.fill)) as database:
        found = await database.read(keys)
    assert found
    assert not [key for key in found if "to_char" in key]


async def test_map_is_counted_by_hours(mapped_url: str) -> None:
    question = AggregateQuestion(where=OF_MAP, group_by=["hour"], measures=["p50_duration"])
    async with opened(mapped_url) as database:
        answer = await database.read(aggregates.aggregate, question)
    assert answer.count == CHILDREN + 1
    assert [group.count for group in answer.groups or ()] == [3600 - len(SINGLES) - 1, 3600, CHILDREN - 7200 + 31, 1]
