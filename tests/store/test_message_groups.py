"""Groups by message: what differs between errors of one kind is folded, and the same on both databases."""

from urllib.parse import urlencode

import msgspec
import pytest

from taskruns_service.domain.states import StateGroup
from taskruns_service.queries import aggregates, parameters
from taskruns_service.queries.aggregations import FLOW_RUNS, TASK_RUNS, AggregateQuestion
from taskruns_service.queries.listings import FLOW_RUN_TASK_RUNS
from taskruns_service.queries.pages import read_page
from taskruns_service.schemas import Aggregate
from taskruns_service.storage.database import Database
from taskruns_service.storage.lanes import QueryKind
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    report_flow_run,
    report_task_run,
    report_task_runs,
    state,
    task_run_item,
)

KINDS = {
    "KeyError: 'price'": "KeyError: 'price'",
    "row 17 of batch-12: 3.5 < 7": "row # of batch-#: #.# < #",
    "run 019064f2-5a3c-7e1d-9a26-72754b7ea174 is lost": "run # is lost",
    "run 019064F2-abcd-abcd-abcd-abcdefabcdef": "run #",
    "<Frame object at 0x7f3a00fF>": "<Frame object at #>",
    "sha256 of deadbeefcaf3, utf8, facade, Node4": "sha# of #, utf#, facade, Node#",
    "the page was defaced, an effaced DEADBEEF": "the page was defaced, an effaced DEADBEEF",
    "abcdefabcdef0, cafes12": "#, cafes#",
    "abcdef1, abcde12, abcd123, abc1234, ab12345, a123456, 1abcdef": ", ".join("#" * 7),
    "abcdef, abcde1, abcd1g, fedcbag": "abcdef, abcde#, abcd#g, fedcbag",
    "f" * 300 + "1": "#",
    "commit 1a2b3c4 by me": "commit # by me",
    "first\nsecond 1": "first",
    "\n  indented 1 \r\nsecond": "indented #",
    "\t": "",
    "Zeile 3: größer als ٢": "Zeile #: größer als ٢",
    "it's 100% {of} 'it' \\d :name": "it's #% {of} 'it' \\d :name",
    "x" * 300: "x" * 200,
    "1 " * 400: "# " * 99 + "#",
    "f" * 600: "f" * 200,
    "ab12" * 3: "#",
    "a1b2c": "a#b#c",
    "0x": "#x",
    "00x1f": "#x#f",
}


async def failures(database: Database, **where: object) -> Aggregate:
    question = AggregateQuestion(where={"state_group": [StateGroup.failed], **where}, group_by=("message",))
    return await database.read_snapshot(aggregates.aggregate, question)


@pytest.mark.parametrize("message", KINDS)
async def test_what_differs_is_folded(database: Database, writer: Writer, message: str) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "load-1", state("Failed", 1, message=message))
    (group,) = (await failures(database)).groups or []
    assert group.key.message == KINDS[message]


async def test_group_has_its_first_and_last_end_and_three_samples(database: Database, writer: Writer) -> None:
    flow_run_ids = [await create_flow_run(writer) for _ in range(2)]
    ended = {"row 1": [9, 3, 5, 7], "row 2": [4], "disk full": [6], None: [8]}
    for number, (message, ends) in enumerate(ended.items()):
        reports = [
            task_run_item(
                flow_run_ids[number % 2],
                f"task-{number}-{end}",
                state("Running", 1),
                state("Failed", end, message=message),
            )
            for end in ends
        ]
        await report_task_runs(writer, reports)
    await report_task_run(writer, flow_run_ids[0], "load-1", state("Success", 20, message="row 3"))
    answer = await failures(database)
    shown = [
        (group.key.message, group.count, group.measures.first_end_time, group.measures.last_end_time)
        for group in answer.groups or []
    ]
    assert shown == [("disk full", 1, at(6), at(6)), ("row #", 5, at(3), at(9)), (None, 1, at(8), at(8))]
    assert [len(group.sample_ids or ()) for group in answer.groups or []] == [1, 3, 1]
    assert (answer.count, answer.measures.first_end_time, answer.measures.last_end_time) == (7, at(3), at(9))
    of_one = await failures(database, flow_run_id=[flow_run_ids[0]])
    assert [(group.key.message, group.count) for group in of_one.groups or []] == [("disk full", 1), ("row #", 4)]


@pytest.mark.parametrize("message", KINDS)
async def test_filter_finds_the_group_by_its_key_and_by_each_message_in_it(
    database: Database, writer: Writer, message: str
) -> None:
    flow_run_id = await create_flow_run(writer)
    outcome = await report_task_run(writer, flow_run_id, "load-1", state("Failed", 1, message=message))
    await report_task_run(writer, flow_run_id, "load-2", state("Failed", 1, message="Another one."))
    await report_task_run(writer, flow_run_id, "load-3", state("Failed", 1))
    for text in {message[:500], KINDS[message]} - {""}:
        taken = parameters.Parameters(FLOW_RUN_TASK_RUNS.parameters)
        values = parameters.read_query(urlencode({"message": text}).encode(), taken)
        page = await database.read(read_page, FLOW_RUN_TASK_RUNS.query(values, flow_run_id))
        assert [item["id"] for item in msgspec.json.decode(page.items)] == [str(outcome.run_id)]


async def test_flow_runs_have_groups_by_message_as_well(database: Database, writer: Writer) -> None:
    flow_run_ids = [await create_flow_run(writer) for _ in range(4)]
    for number, flow_run_id in enumerate(flow_run_ids):
        await report_flow_run(writer, flow_run_id, state("Failed", number, message=f"{number} tasks failed."))
    question = AggregateQuestion(aggregation=FLOW_RUNS, where={}, group_by=("message", "state"))
    answer = await database.read_snapshot(aggregates.aggregate, question)
    (group,) = answer.groups or []
    assert (group.key.message, group.key.state, group.count) == ("# tasks failed.", "Failed", 4)
    assert group.sample_ids == sorted(flow_run_ids)[:3]


def test_messages_of_one_flow_run_are_no_scan() -> None:
    one_flow_run = AggregateQuestion(aggregation=TASK_RUNS, where={"flow_run_id": ["1"]}, group_by=("message",))
    assert one_flow_run.kind is QueryKind.read
    assert AggregateQuestion(where={"state_group": ["failed"]}, group_by=("message",)).kind is QueryKind.scan
