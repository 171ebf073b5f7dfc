"""Logs: lines are recorded once, listed page by page whoever wrote them, and deleted with their flow runs."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import Connection

from taskruns_service.commands.logs import ReportLogs
from taskruns_service.domain.errors import FlowRunNotFound, InvalidRequest, TaskRunNotFound
from taskruns_service.domain.log_levels import LogLevel
from taskruns_service.prefect1.commands.logs_and_artifacts import LogLine, read_lines, write_logs
from taskruns_service.queries import runs
from taskruns_service.queries.listings import FLOW_RUN_LOGS, TASK_RUN_LOGS, Listing, ListQuery
from taskruns_service.queries.pages import RawPage
from taskruns_service.schemas import LogLineReport
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    delete_flow_run,
    findings_of,
    report_task_run,
    rows_of,
    state,
    statements_seen,
)
from tests.store.importing import bring, flow_run_with
from tests.store.prefect1 import PrefectServer
from tests.store.reading import ROWS_READ

Query = Callable[[Connection, ListQuery], RawPage]


def line(message: str, seconds: float = 0, **members: Any) -> LogLineReport:
    """A log line, so many seconds after the beginning."""
    return LogLineReport(**{"id": uuid4(), "timestamp": at(seconds), **members}, message=message)


async def report(writer: Writer, flow_run_id: UUID, *lines: LogLineReport) -> int:
    """Reports lines, and returns how many were new."""
    return await writer.submit_one(ReportLogs(flow_run_id, lines), flow_run_id)


async def messages(database: Database, run_id: UUID, *, of: str = "flow run", **values: Any) -> list[str]:
    """The messages of all pages of a log."""
    listing: Listing = FLOW_RUN_LOGS if of == "flow run" else TASK_RUN_LOGS
    query: Query = runs.list_flow_run_logs if of == "flow run" else runs.list_task_run_logs
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        parameters = {"sort": "timestamp", "limit": 2, **values, **cursor}
        page = await database.read(query, listing.query(parameters, run_id))
        listed += [item["message"] for item in msgspec.json.decode(page.items)]
        if page.next_cursor is None:
            return listed
        assert len(listed) < 1000, "paging does not end"
        cursor = {"cursor": page.next_cursor}


async def create_task_run(writer: Writer, flow_run_id: UUID, slug: str = "extract-1") -> UUID:
    return (await report_task_run(writer, flow_run_id, slug, state("Running", 1))).run_id


async def test_line_is_recorded_with_all_its_members(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id = await create_task_run(writer, flow_run_id)
    reported_line = line("Loaded 42 rows.", 1.5, task_run_id=task_run_id, level=LogLevel.ERROR, name="etl.load")
    assert await report(writer, flow_run_id, reported_line) == 1
    for query, listing, run_id in (
        (runs.list_flow_run_logs, FLOW_RUN_LOGS, flow_run_id),
        (runs.list_task_run_logs, TASK_RUN_LOGS, task_run_id),
    ):
        page = await database.read(query, listing.query({"sort": "timestamp", "limit": 1}, run_id))
        assert msgspec.json.decode(page.items) == [
            {
                "id": str(reported_line.id),
                "flow_run_id": str(flow_run_id),
                "task_run_id": str(task_run_id),
                "timestamp": "2021-05-12T18:00:01.500000Z",
                "level": "ERROR",
                "name": "etl.load",
                "message": "Loaded 42 rows.",
            }
        ]


async def test_lines_with_equal_timestamps_are_listed_once_each_in_both_directions(
    database: Database, writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    lines = sorted((line(str(number), number // 5) for number in range(15)), key=lambda line: (line.timestamp, line.id))
    await report(writer, flow_run_id, *lines)
    expected = [reported.message for reported in lines]
    assert await messages(database, flow_run_id) == expected
    assert await messages(database, flow_run_id, sort="-timestamp") == expected[::-1]


async def test_lines_are_filtered(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id = await create_task_run(writer, flow_run_id)
    lines = [line(f"{level} 50%", place, level=level, task_run_id=task_run_id) for place, level in enumerate(LogLevel)]
    await report(writer, flow_run_id, *lines)
    custom = LogLine(flow_run_id=flow_run_id, task_run_id=task_run_id, timestamp=at(9), level="AUDIT", message="mine")
    await database.transact(write_logs, read_lines([custom]))
    for of, run_id in (("flow run", flow_run_id), ("task run", task_run_id)):
        for place, level in enumerate(LogLevel):
            # No minimum hides a level of somebody's own.
            expected = [*(reported.message for reported in lines[place:]), "mine"]
            assert await messages(database, run_id, of=of, level=level) == expected
        assert await messages(database, run_id, of=of, after=at(3)) == ["CRITICAL 50%", "mine"]
        assert await messages(database, run_id, of=of, contains="r 50%") == ["ERROR 50%"]
        assert await messages(database, run_id, of=of, contains="r 50_") == []


async def test_lines_of_the_original_are_listed(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id = await create_task_run(writer, flow_run_id)
    lines = [
        LogLine(flow_run_id=flow_run_id, timestamp=at(1), message="of the flow run"),
        LogLine(flow_run_id=flow_run_id, task_run_id=task_run_id, timestamp=at(2), message="of the task run"),
    ]
    await database.transact(write_logs, read_lines(lines))
    assert await messages(database, flow_run_id) == ["of the flow run", "of the task run"]
    assert await messages(database, task_run_id, of="task run") == ["of the task run"]


async def test_lines_that_the_import_brings_are_listed(
    prefect: PrefectServer, nightly: UUID, database: Database
) -> None:
    flow_run_id = await flow_run_with(prefect, nightly, 1)
    parent, child = await prefect.rows("task_run")
    for second, (task_run_id, level) in enumerate([(None, "INFO"), (child.id, "ERROR"), (parent.id, "AUDIT")]):
        of_run = {"flow_run_id": flow_run_id, "task_run_id": task_run_id, "timestamp": at(second)}
        await prefect.insert("log", **of_run, level=level, name="prefect.x", message=f"line {second}")
    await bring(prefect, database)
    assert await messages(database, flow_run_id) == ["line 0", "line 1", "line 2"]
    assert await messages(database, flow_run_id, level=LogLevel.ERROR, after=at(0)) == ["line 1", "line 2"]
    assert await messages(database, child.id, of="task run") == ["line 1"]
    assert await messages(database, parent.id, of="task run", contains="LINE") == ["line 2"]


async def test_repeated_line_is_recorded_once(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    first, second = line("first", 1), line("second", 2)
    assert await report(writer, flow_run_id, first, first) == 1
    assert await report(writer, flow_run_id, first, second) == 1
    assert await report(writer, flow_run_id, first, second) == 0
    assert await report(writer, flow_run_id, line("another", 1, id=first.id)) == 0
    assert await messages(database, flow_run_id) == ["first", "second"]


async def test_reports_of_one_batch_count_their_own_lines(database: Database, writer: Writer) -> None:
    flow_run_id, other_id = await create_flow_run(writer), await create_flow_run(writer)
    shared = line("shared", 1)
    commands = [
        ReportLogs(flow_run_id, [shared, line("a", 2)]),
        ReportLogs(uuid4(), [shared, line("b", 2)]),
        ReportLogs(other_id, [shared, line("c", 2), line("d", 3)]),
    ]
    first, refused, last = await writer.submit(commands, [flow_run_id] * 3)
    assert (first, last) == (2, 2)
    assert isinstance(refused, FlowRunNotFound)
    assert await messages(database, flow_run_id) == ["shared", "a"]
    assert await messages(database, other_id) == ["c", "d"]


async def test_line_of_a_task_run_of_another_flow_run_is_refused_with_its_place(
    database: Database, writer: Writer
) -> None:
    flow_run_id, other_id = await create_flow_run(writer), await create_flow_run(writer)
    for foreign in (await create_task_run(writer, other_id), uuid4()):
        with pytest.raises(InvalidRequest) as refused:
            await report(writer, flow_run_id, line("good"), line("foreign", task_run_id=foreign))
        assert [fault.pointer for fault in refused.value.faults] == ["/items/1/task_run_id"]
    assert await database.read(rows_of, tables.log) == []


async def test_logs_of_runs_that_do_not_exist_are_not_found(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    assert await messages(database, flow_run_id) == []
    with pytest.raises(FlowRunNotFound):
        await messages(database, uuid4())
    with pytest.raises(FlowRunNotFound):
        await report(writer, uuid4(), line("lost"))
    unknown = uuid4()
    lost = LogLine(flow_run_id=flow_run_id, task_run_id=unknown, timestamp=at(1), message="of a task run that is not")
    await database.transact(write_logs, read_lines([lost]))
    with pytest.raises(TaskRunNotFound):
        await messages(database, unknown, of="task run")


async def test_lines_are_deleted_with_their_flow_run(database: Database, writer: Writer) -> None:
    flow_run_id, other_id = await create_flow_run(writer), await create_flow_run(writer)
    task_run_id = await create_task_run(writer, flow_run_id)
    await report(writer, flow_run_id, line("a"), line("b", task_run_id=task_run_id))
    await report(writer, other_id, line("c"))
    await delete_flow_run(writer, flow_run_id)
    assert [row.message for row in await database.read(rows_of, tables.log)] == ["c"]
    assert await findings_of(database) == []


LINES, OWN_LINES = 20_000, 20
"""How many lines a flow run has, and one of its task runs."""
QUESTIONS: dict[str, dict[str, Any]] = {
    "first page": {},
    "small page": {"limit": 5},
    "severe": {"level": LogLevel.ERROR},
    "late": {"after": at(LINES / 2)},
    "with a text": {"contains": "7"},
    "all of these": {"level": LogLevel.ERROR, "after": at(LINES / 2), "contains": "7"},
}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("is_analyzed", [False, True], ids=["new", "analyzed"])
async def test_lines_of_a_task_run_are_found_among_those_of_its_flow_run(
    database_kind: str, database: Database, writer: Writer, is_analyzed: bool
) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id, other_id = [await create_task_run(writer, flow_run_id, slug) for slug in ("extract-1", "load-1")]
    lines = [
        {
            "id": uuid4(),
            "flow_run_id": flow_run_id,
            "task_run_id": (task_run_id if number % (LINES // OWN_LINES) == 0 else other_id, None)[number % 3 == 1],
            "timestamp": at(number),
            "level": ("INFO", "ERROR")[number % 2],
            "message": f"line {number}",
            "created": at(number),
        }
        for number in range(LINES)
    ]

    def fill(connection: Connection) -> None:
        connection.execute(tables.log.insert(), lines)
        if is_analyzed:
            connection.exec_driver_sql("ANALYZE")

    await database.transact(fill)

    def read(connection: Connection) -> dict[tuple[str, str], int]:
        return {
            (name, sort): ROWS_READ[database_kind](connection, partial(runs.list_task_run_logs, connection, query))
            for name, where in QUESTIONS.items()
            for sort in ("timestamp", "-timestamp")
            for query in [TASK_RUN_LOGS.query({"sort": sort, "limit": 100, **where}, task_run_id)]
        }

    assert {question: rows for question, rows in (await database.read(read)).items() if rows >= LINES / 40} == {}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_report_takes_two_statements(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id = await create_task_run(writer, flow_run_id)
    with statements_seen() as statements:
        await report(writer, flow_run_id, *(line(str(number), task_run_id=task_run_id) for number in range(100)))
    assert [statement.split()[0] for statement in statements if "log" in statement or "flow_run" in statement] == [
        "SELECT",
        "INSERT",
    ]
