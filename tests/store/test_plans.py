"""Plans: what writers look for and what lists show is found by an index, in its order, however large the tables are."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, Connection

import taskruns_service
from taskruns_service.domain.states import StateGroup, StateType
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import AggregateQuestion
from taskruns_service.queries.filters import FLOW_RUN_FILTERS, TASK_RUN_FILTERS, Filter
from taskruns_service.queries.listings import FLOW_RUN_TASK_RUNS, FLOW_RUNS, TASK_RUNS, ListQuery
from taskruns_service.queries.pages import read_page
from taskruns_service.queries.paging import FLOW_RUN_KEYS, TASK_RUN_KEYS, Key, Page, read_sort
from taskruns_service.storage import tables
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.dialects import Prepared, read_url
from taskruns_service.storage.writer import Writer
from tests.store import large_dataset
from tests.store.factories import (
    at,
    create_flow_run,
    opened,
    report_flow_run,
    report_task_run,
    state,
    statements_seen,
    task_run_item,
)
from tests.store.reading import ROWS_READ, nodes


def prepared_in(name: str, value: object) -> Iterator[tuple[str, Prepared]]:
    """Every prepared statement that a value of a module is or holds, by its name."""
    if isinstance(value, Prepared):
        yield name, value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from prepared_in(f"{name}[{key!r}]", member)
    elif isinstance(value, list | tuple):
        for key, member in zip(getattr(value, "_fields", range(len(value))), value, strict=True):
            yield from prepared_in(f"{name}.{key}", member)


def prepared_statements() -> dict[str, Prepared]:
    """Every statement that the service prepares when its modules are imported, each by the first of its names."""
    names: dict[int, tuple[str, Prepared]] = {}
    for package in pkgutil.walk_packages(taskruns_service.__path__, "taskruns_service."):
        if package.name.endswith("__main__") or ".migrations." in package.name:
            continue  # they run when they are imported, or only where alembic imports them
        for attribute, value in vars(importlib.import_module(package.name)).items():
            for name, statement in prepared_in(f"{package.name}.{attribute}", value):
                names.setdefault(id(statement), (name.removeprefix("taskruns_service."), statement))
    return dict(names.values())


STATEMENTS = prepared_statements()


def generic_plan(connection: Connection, statement: str, parameters: int) -> dict[str, Any]:
    """PostgreSQL's plan for any values, as writers keep it."""
    connection.exec_driver_sql("SET enable_seqscan = off")
    connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
    connection.exec_driver_sql(f"PREPARE asked AS {statement}")
    values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    (explained,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) EXECUTE asked{values}").scalar_one()
    connection.exec_driver_sql("DEALLOCATE asked")
    plan: dict[str, Any] = explained["Plan"]
    return plan


def plan_of(connection: Connection, prepared: Prepared) -> list[str]:
    """A line for each step of the plan."""
    compiled = prepared.statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    names = compiled.positiontup or []
    if connection.dialect.name == "postgresql":
        plan = generic_plan(connection, str(compiled), len(names))
        return [" on ".join(map(str, (node["Node Type"], node.get("Relation Name")))) for node in nodes(plan)]
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ("[]",) * len(names)).all()
    return [row[3] for row in rows]


SCANS = {"sqlite": "SCAN", "postgresql": "Seq Scan"}
NO_TABLE = re.compile(r"SCAN (json_each|CONSTANT ROW|task_slugs|anon_|cell|\(subquery)")
"""What SQLite scans that is no table: the values of a list, and rows that were found before."""
TALLY = re.compile(r"(SCAN|Seq Scan on) (task_run|flow_run)_tally")
"""The counts across flow runs are read as a whole: there are as many as flows have tasks."""


def test_statements_are_found_in_all_modules() -> None:
    """Also those that stand in a tuple, and those that no other module may use."""
    of_history = "commands.unit_of_work.history.FLOW_RUN_STATEMENTS.known"
    assert {of_history, "queries.runs._get_task_run", "storage.maps._of_parents"} <= STATEMENTS.keys()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_statement_does_not_read_a_table_from_end_to_end(database: Database, name: str) -> None:
    def scans_of_tables(connection: Connection) -> list[str]:
        lines = plan_of(connection, STATEMENTS[name])
        assert lines
        return [
            line
            for line in lines
            if SCANS[connection.dialect.name] in line and not NO_TABLE.match(line) and not TALLY.match(line)
        ]

    assert await database.transact(scans_of_tables) == []


READING = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan"}
PARAMETER = re.compile(r"\$\d+")


async def test_postgresql_finds_what_is_written_by_id(postgres_url: str) -> None:
    """So it is even where the tables are so small that to read all of them would cost least."""
    async with (
        open_database(read_url(postgres_url)) as database,
        Writer(database, execute_commands, capacity=100).running() as writer,
    ):
        with statements_seen() as seen:
            flow_run_id = await create_flow_run(writer)
            for type_, seconds in (("Running", 1), ("Success", 2), ("Pending", 0)):  # the last one is late
                await report_flow_run(writer, flow_run_id, state(type_, seconds))
                await report_task_run(writer, flow_run_id, "extract-1", state(type_, seconds))
        written = {one: len(set(PARAMETER.findall(one))) for one in seen if "unnest" in one}

        def found(connection: Connection) -> set[bool]:
            """Whether what is read of a table is found by a condition on an index."""
            connection.exec_driver_sql("ANALYZE")
            plans = [generic_plan(connection, statement, most) for statement, most in written.items()]
            scans = [node for plan in plans for node in nodes(plan) if "Relation Name" in node or "Index Name" in node]
            return {"Index Cond" in node for node in scans if node["Node Type"] in READING}

        assert await database.transact(found) == {True}


async def test_postgresql_plans_what_writers_ask_once(postgres_url: str) -> None:
    def planned(connection: Connection) -> tuple[Any, ...]:
        for number in range(3):
            execute_commands(connection, [task_run_item(flow_run_id, f"task-{number}", state("Running", number))])
        asked = "SELECT sum(generic_plans) > 0, sum(custom_plans) FROM pg_prepared_statements"
        return tuple(connection.exec_driver_sql(asked).one())

    async with (
        open_database(read_url(postgres_url)) as database,
        Writer(database, execute_commands, capacity=100).running() as writer,
    ):
        flow_run_id = await create_flow_run(writer)
        assert await database.transact(planned) == (True, 0)


async def test_postgresql_plans_the_list_of_a_flow_run_once(postgres_url: str) -> None:
    """Also that of a flow run which its statistics do not know, as it expects no rows of that."""
    async with (
        open_database(read_url(postgres_url)) as database,
        Writer(database, execute_commands, capacity=100).running() as writer,
    ):
        known, new = await create_flow_run(writer), await create_flow_run(writer)
        of_known, of_new = ([task_run_item(run, f"task-{number}") for number in range(200)] for run in (known, new))

        def custom_plans(connection: Connection, after: tuple[Any, ...] | None) -> int:
            page = LISTS["task runs of a flow run"].page("created", after)
            for _ in range(10):
                read_page(connection, ListQuery(FLOW_RUN_TASK_RUNS, {"flow_run_id": [new]}, page))
            asked = "SELECT max(custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%WITH page%'"
            return int(connection.exec_driver_sql(asked).scalar_one())

        await database.transact(lambda connection: execute_commands(connection, of_known))
        await database.transact(lambda connection: connection.exec_driver_sql("ANALYZE"))
        await database.transact(lambda connection: execute_commands(connection, of_new))
        # It plans a statement for its values five times before it compares.
        assert await database.read(custom_plans, None) == 5
        assert await database.read(custom_plans, (UUID(int=1),)) == 5


async def test_postgresql_plans_an_aggregate_for_its_bounds(postgres_url: str) -> None:
    """What it has a plan for that is kept goes by how many rows an average bound leaves: a third."""

    def kept(connection: Connection, where: dict[str, Any]) -> int:
        question = AggregateQuestion(where=where, group_by=["task_slug"], measures=["p95_duration"])
        for _ in range(8):
            aggregates.aggregate(connection, question)
        kept = connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars()
        return sum("percentile_cont" in statement for statement in kept)

    async with open_database(read_url(postgres_url)) as database:
        assert await database.read(kept, {"start_time_gte": at(0), "task_slug": ["extract-1"]}) == 0
        assert await database.read(kept, {"task_slug": ["extract-1"]}) == 1


async def test_postgresql_starts_no_processes_for_a_quick_answer(postgres_url: str) -> None:
    """Their start takes longer than they save."""
    async with open_database(read_url(postgres_url)) as database:
        show = "SHOW parallel_setup_cost"
        assert await database.read(lambda connection: connection.exec_driver_sql(show).scalar_one()) == "20000"


LAST = (large_dataset.FLOW_RUNS - 1) * large_dataset.APART
EARLY, LATE = at(LAST * 0.02), at(LAST * 0.98)
# Of each filter what most meet, and then what few do, or none, where an index has those.
VALUES: dict[str, list[Any]] = {
    "state": [[StateType.Success], [StateType.Failed], [StateType.Running], [StateType.Running, StateType.Retrying]],
    "state_not": [[StateType.Failed]],
    "state_group": [[StateGroup.finished], [StateGroup.failed], [StateGroup.running]],
    "task_slug": [["task-0"], ["task-1", "task-2"], ["unknown"]],
    "task_name": [["task-0 of all flows"], ["task-1 of all flows", "task-2 of all flows"], ["unknown"]],
    "task_slug_prefix": ["task-", "task-19", "unknown"],
    "name_contains": ["RUN-"],
    "task_run_id": [[large_dataset.TASK_RUN_ID], [large_dataset.TASK_RUN_ID, UUID(int=1)]],
    "task_run_id_prefix": [str(large_dataset.TASK_RUN_ID)[:4], str(large_dataset.TASK_RUN_ID)[:13], "ffff"],
    "flow_run_id_prefix": [str(large_dataset.FLOW_RUN_ID)[:4], str(large_dataset.FLOW_RUN_ID)[:13], "ffff"],
    "flow_run_id": [[large_dataset.FLOW_RUN_ID], [large_dataset.FLOW_RUN_ID, UUID(int=1)]],
    "parent_task_run_id": [[large_dataset.TASK_RUN_ID], [UUID(int=1), UUID(int=2)]],
    "parent_flow_run_id": [[large_dataset.FLOW_RUN_ID], [UUID(int=1)]],
    "flow_name": [["daily"], ["daily", "weekly"], ["seldom"], ["unknown"]],
    "map_index": [[1]],
    "tag": [["etl"]],
    "tag_all": [["etl", "large"]],
    "label": [["prod"]],
    "label_all": [["prod"]],
    "run_count_gte": [1],
    "duration_gte": [1.0],
    "duration_lte": [60.0],
    "run_time_gte": [1.0],
    "run_time_lte": [60.0],
    "queue_time_gte": [1.0],
    "queue_time_lte": [50.0],
    "start_time_is_null": [False, True],
    "end_time_is_null": [False, True],
    "is_mapped_parent": [False, True],
    "is_mapped_child": [True, False],
    "is_stale": [False, True],
    "has_result": [True, False],
    "after_sequence": [10],
    "message": [["Took #.# s."]],
    "message_is_null": [False],
}
for field in ("start_time", "end_time", "created", "updated"):
    VALUES |= {f"{field}_gte": [EARLY], f"{field}_gt": [EARLY], f"{field}_lte": [LATE], f"{field}_lt": [LATE]}


class Listing(NamedTuple):
    """A list of the API, by what it may be sorted, and how many rows its table has."""

    question: Callable[[Connection, Mapping[str, Any], Page], Any]
    filters: tuple[Filter, ...]
    keys: Mapping[str, Key]
    across_flow_runs: bool
    identifier: ColumnElement[Any]
    rows: int

    def page(self, sort: str, after: tuple[Any, ...] | None = None) -> Page:
        orders = read_sort(sort, self.keys, self.identifier, across_flow_runs=self.across_flow_runs)
        return Page(orders=orders, limit=100, after=after)


FIELDS = ("id",)
LISTS = {
    "task runs": Listing(
        lambda connection, where, page: read_page(connection, ListQuery(TASK_RUNS, where, page, FIELDS)),
        *(TASK_RUN_FILTERS, TASK_RUN_KEYS, True, tables.task_run.c.id, large_dataset.TASK_RUNS),
    ),
    "task runs of a flow run": Listing(
        lambda connection, where, page: read_page(
            connection,
            ListQuery(FLOW_RUN_TASK_RUNS, {**where, "flow_run_id": [large_dataset.FLOW_RUN_ID]}, page, FIELDS),
        ),
        *(TASK_RUN_FILTERS, TASK_RUN_KEYS, False, tables.task_run.c.id, large_dataset.TASK_RUNS),
    ),
    "flow runs": Listing(
        lambda connection, where, page: read_page(connection, ListQuery(FLOW_RUNS, where, page, FIELDS)),
        *(FLOW_RUN_FILTERS, FLOW_RUN_KEYS, True, tables.flow_run.c.id, large_dataset.FLOW_RUNS),
    ),
}


ON_LARGE_DATASET = pytest.mark.xdist_group("large-dataset")
"""One worker fills the large dataset, for all tests on it."""
HAVE_PAGES = {
    "state": StateType.Success,
    "task_slug": "task-0",
    "task_name": "task-0 of all flows",
    "flow_name": "daily",
}
"""Of each filter whose index has the rows with one value in the order of their creation, what most meet."""
MIDDLE = {
    "task runs": (large_dataset.TASK_RUN_ID,),
    "flow runs": (at(LAST / 2), large_dataset.FLOW_RUN_ID),
}
"""The values of the sort keys of a row in the middle."""


@ON_LARGE_DATASET
@pytest.mark.slow
@pytest.mark.parametrize("of", LISTS)
async def test_page_does_not_read_the_table(database_kind: str, large_dataset_url: str, of: str) -> None:
    """For a page of 100 less than a quarter of a large table is read, or of an index, and no more is sorted.

    So it is for each filter with each sort. Where an index has the very page it is less than a 40th, though the newest
    32nd of the runs has other values than the rest. The databases plan as they do in use: with what they know by
    themselves of the table, and for the values that are asked for.

    Where an index has the rows that meet a filter, many of them are asked for, and few, and none. All other filters
    are tried while walking in the order of the sort, which ends soon if many rows meet them: only that is asked. Times
    are among these, since no planner here knows that what was made late started late. The few rows of a flow run are
    read and sorted in any case: there, what most meet leads astray, one direction is as good as the other, and no index
    has the very page.
    """
    listed = LISTS[of]
    ways = ("", "-") if listed.across_flow_runs else ("",)
    values = {name: of_filter if listed.across_flow_runs else of_filter[:1] for name, of_filter in VALUES.items()}

    def reads_much(connection: Connection, name: str, value: Any, sort: str) -> bool:
        page = listed.page(sort)
        read = ROWS_READ[database_kind](connection, lambda: listed.question(connection, {name: value}, page))
        has_page = listed.across_flow_runs and name in HAVE_PAGES and len(value) == 1 and sort.endswith("created")
        return read >= listed.rows / (40 if has_page else 4)

    def judge(connection: Connection) -> set[tuple[str, str]]:
        return {
            (one.name, way + sort)
            for one in listed.filters
            for sort in (
                name for name, key in listed.keys.items() if key.indexed_globally or not listed.across_flow_runs
            )
            for way, value in product(ways, values[one.name])
            if reads_much(connection, one.name, value, way + sort)
        }

    async with opened(large_dataset_url) as database:
        assert await database.read(judge) == set()


@ON_LARGE_DATASET
@pytest.mark.slow
@pytest.mark.parametrize("way", ["", "-"])
@pytest.mark.parametrize("of", MIDDLE)
async def test_page_in_the_middle_does_not_read_what_is_before(
    database_kind: str, large_dataset_url: str, of: str, way: str
) -> None:
    listed = LISTS[of]
    page = listed.page(f"{way}created", MIDDLE[of])

    def judge(connection: Connection) -> dict[str, int]:
        asked = {one.name: HAVE_PAGES[one.name] for one in listed.filters if one.name in HAVE_PAGES}
        read = {
            name: ROWS_READ[database_kind](connection, partial(listed.question, connection, {name: [value]}, page))
            for name, value in asked.items()
        }
        return {name: rows for name, rows in read.items() if rows >= listed.rows / 40}

    async with opened(large_dataset_url) as database:
        assert await database.read(judge) == {}


WINDOWS: dict[str, Any] = {
    "flow_run_id": [large_dataset.FLOW_RUN_ID],
    "start_time_gte": at(LAST * 0.95),
    "end_time_gte": at(LAST * 0.95),
}


@ON_LARGE_DATASET
@pytest.mark.slow
@pytest.mark.parametrize("window", WINDOWS)
async def test_failures_are_found_without_all_others(database_kind: str, large_dataset_url: str, window: str) -> None:
    """PostgreSQL has indexes of them; it would otherwise read the entries of all task runs that ever failed."""
    where = {window: WINDOWS[window], "state_group": [StateGroup.failed]}
    question = AggregateQuestion(where=where, group_by=["message"])

    def read(connection: Connection) -> int:
        return ROWS_READ[database_kind](connection, lambda: aggregates.aggregate(connection, question))

    async with opened(large_dataset_url) as database:
        assert await database.read(read) < large_dataset.TASK_RUNS / 7


@ON_LARGE_DATASET
@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["state", "flow_name"])
async def test_sqlite_reads_a_short_window_of_what_most_runs_have(large_dataset_url: str, name: str) -> None:
    """PostgreSQL knows from its statistics that the window has fewer runs."""
    where = {"start_time_gte": at(LAST * 0.995), name: [HAVE_PAGES[name]]}

    def read(connection: Connection, question: AggregateQuestion) -> int:
        return ROWS_READ["sqlite"](connection, lambda: aggregates.aggregate(connection, question))

    async with opened(large_dataset_url) as database:
        for question in (
            AggregateQuestion(where=where, group_by=["task_slug"]),
            AggregateQuestion(where=where, group_by=["task_slug"], measures=["max_duration"]),
            AggregateQuestion(where=where, histogram="duration"),
        ):
            assert await database.read(read, question) < large_dataset.TASK_RUNS / 7
