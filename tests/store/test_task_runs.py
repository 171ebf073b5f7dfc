"""Task runs: reporting them by their natural key, and changing them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from taskruns_service import schemas
from taskruns_service.commands.reports import SetTaskRunState, UpdateTaskRun
from taskruns_service.domain.errors import (
    Fault,
    InvalidRequest,
    TerminalState,
    VersionConflict,
)
from taskruns_service.domain.ids import new_id, partition_of
from taskruns_service.domain.states import StateType
from taskruns_service.schemas import TaskRunUpdate
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    create_task_run,
    get_flow_run,
    get_task_run,
    list_states,
    report_task_run,
    report_task_runs,
    reported,
    rows_of,
    state,
    task_run_item,
    update_task_run,
)

# Reporting by natural key


async def test_task_run_has_the_id_that_it_was_given(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    identifier = new_id(flow_run_id)
    outcome = await report_task_run(writer, flow_run_id, "extract-1", state("Running", 0), id=identifier)
    assert outcome == reported("created", identifier, 1, StateType.Running)
    assert (await get_task_run(database, identifier)).task_slug == "extract-1"
    # It is known by its natural key: an id counts as long as the task run is not there.
    again = await report_task_run(writer, flow_run_id, "extract-1", id=new_id(flow_run_id))
    assert (again.outcome, again.run_id) == ("existing", identifier)


async def test_id_of_another_task_run_is_refused(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    identifier, new = new_id(flow_run_id), new_id(flow_run_id)
    await report_task_run(writer, flow_run_id, "extract-1", id=identifier)
    items = [
        task_run_item(flow_run_id, "extract-2", state("Running", 0), id=identifier),
        task_run_item(flow_run_id, "extract-3", id=new),
        task_run_item(flow_run_id, "extract-4", id=new),
    ]
    first, second, third = await report_task_runs(writer, items)
    detail = "Another task run has this id. Generate a new id for every task run."
    for refused in (first, third):
        assert isinstance(refused, InvalidRequest)
        assert refused.faults == (Fault(pointer="/id", detail=detail),)
    assert second.run_id == new
    # Nothing of it is there, so that it can be reported once more.
    assert (await report_task_run(writer, flow_run_id, "extract-2")).outcome == "created"


async def test_id_without_the_family_of_its_flow_run_is_refused(writer: Writer) -> None:
    flow_run_id = UUID("8e445d74-9ca6-425b-98e5-72754b7ea174")
    await create_flow_run(writer, id=flow_run_id)
    for text in ("019064f2-5b11-7e1d-8a50-88978dabb7c1", "019064f2-5b11-425b-8a50-88978dabb7c1"):
        with pytest.raises(InvalidRequest, match="It must be a UUID of version 7 with 725b as its third group"):
            await report_task_run(writer, flow_run_id, "extract-1", id=UUID(text))
    outcome = await report_task_run(writer, flow_run_id, "extract-1", id=UUID("019064f2-5b11-725b-8a50-88978dabb7c1"))
    assert outcome.outcome == "created"


async def test_reported_task_run_is_as_it_was_reported(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    before = datetime.now(UTC)
    outcome = await report_task_run(
        writer,
        flow_run_id,
        "extract-1",
        state("Pending", 0),
        state("Running", 0.25),
        state("Success", 1.5, message="Done.", result={"type": "S3Result", "bucket": "b", "location": "k"}),
        map_index=3,
        name="extract (3)",
        tags=["etl", "größe"],
    )
    assert outcome == reported("created", outcome.run_id, 3, StateType.Success)
    found = await get_task_run(database, outcome.run_id)
    assert before <= found.created <= datetime.now(UTC)
    assert found == schemas.TaskRun(
        id=outcome.run_id,
        flow_run_id=flow_run_id,
        flow_run_name=found.flow_run_name,
        flow_id=found.flow_id,
        flow_name="etl",
        task_id=found.task_id,
        task_slug="extract-1",
        task_name="extract",
        map_index=3,
        name="extract (3)",
        tags=["etl", "größe"],
        state=StateType.Success,
        state_message="Done.",
        state_timestamp=at(1.5),
        version=3,
        run_count=1,
        start_time=at(0.25),
        end_time=at(1.5),
        duration=1.25,
        run_time=1.25,
        queue_time=0.25,
        has_result=True,
        sequence=4,
        created=found.created,
        updated=found.created,
    )


async def test_task_run_without_states_is_pending(database: Database, writer: Writer) -> None:
    outcome = await report_task_run(writer, await create_flow_run(writer), "extract-1")
    assert outcome == reported("created", outcome.run_id, 0, StateType.Pending)
    found = await get_task_run(database, outcome.run_id)
    assert (found.state, found.version, found.sequence, found.map_index, found.tags) == ("Pending", 0, 1, -1, [])
    assert await list_states(database, outcome.run_id) == []


async def test_id_of_a_task_run_is_of_its_flow_runs_family(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    outcome = await report_task_run(writer, flow_run_id, "extract-1")
    assert partition_of(outcome.run_id) == partition_of(flow_run_id)


async def test_task_run_is_found_again_by_its_natural_key(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    created = await report_task_run(writer, flow_run_id, "extract-1", name="first", tags=["a"])
    again = await report_task_run(writer, flow_run_id, "extract-1", name="second", tags=["b"])
    assert again == reported("existing", created.run_id, 0, StateType.Pending)
    found = await get_task_run(database, created.run_id)
    assert (found.name, found.tags, found.sequence) == ("first", ["a"], 1)


async def test_natural_key_is_flow_run_and_slug_and_map_index(writer: Writer) -> None:
    one, other = [await create_flow_run(writer) for _ in range(2)]
    keys = [(one, "a", -1), (other, "a", -1), (one, "A", -1), (one, "a", 0), (one, "a", 1), (one, "a ", -1)]
    items = [task_run_item(flow_run_id, slug, map_index=map_index) for flow_run_id, slug, map_index in keys]
    outcomes = [*await report_task_runs(writer, items), *await report_task_runs(writer, items)]
    assert [outcome.outcome for outcome in outcomes] == ["created"] * len(keys) + ["existing"] * len(keys)
    assert len({outcome.run_id for outcome in outcomes}) == len(keys)


SLUGS = ['"quoted"', "'quoted'", "back\\slash", "größe", "emoji-🙂", "new\nline", "{a,b}", "%_", "NULL", "1", "a" * 255]


@pytest.mark.parametrize("slug", SLUGS)
async def test_any_text_is_a_slug(database: Database, writer: Writer, slug: str) -> None:
    flow_run_id = await create_flow_run(writer)
    created = await report_task_run(writer, flow_run_id, slug, tags=[slug], name=slug)
    again = await report_task_run(writer, flow_run_id, slug, state("Running", 1, message=slug))
    assert again == reported("recorded", created.run_id, 1, StateType.Running)
    found = await get_task_run(database, created.run_id)
    assert (found.task_slug, found.name, found.tags, found.state_message) == (slug, slug, [slug], slug)


async def test_task_of_a_flow_is_the_same_in_all_its_runs(database: Database, writer: Writer) -> None:
    flow_runs = [await create_flow_run(writer, flow_name) for flow_name in ("etl", "etl", "other")]
    outcomes = [await report_task_run(writer, one, "extract-1", task_name="extract") for one in flow_runs]
    found = [await get_task_run(database, outcome.run_id) for outcome in outcomes]
    assert found[0].task_id == found[1].task_id != found[2].task_id
    assert [row.name for row in await database.read(rows_of, tables.task)] == ["extract", "extract"]


@pytest.mark.parametrize(
    ("slug", "name"), [("extract-1", "extract"), ("extract", "extract"), ("load-de-12", "load-de"), ("-1", "-1")]
)
async def test_task_without_a_name_has_that_in_its_slug(
    database: Database, writer: Writer, slug: str, name: str
) -> None:
    task_run_id = await create_task_run(writer, slug)
    (task,) = await database.read(rows_of, tables.task)
    assert (task.slug, task.name) == (slug, name)
    assert (await get_task_run(database, task_run_id)).task_name == name


async def test_task_run_has_the_name_of_its_task(database: Database, writer: Writer) -> None:
    """It is that with which the task was first reported."""
    flow_run_id = await create_flow_run(writer)
    for index, name in enumerate(("Extract", "extract")):
        outcome = await report_task_run(writer, flow_run_id, "extract-1", task_name=name, map_index=index)
        assert (await get_task_run(database, outcome.run_id)).task_name == "Extract"


async def test_same_task_run_twice_in_a_batch_is_one(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    first, second = state("Running", 1), state("Success", 2)
    outcomes = await report_task_runs(
        writer,
        [
            task_run_item(flow_run_id, "extract-1", first),
            task_run_item(flow_run_id, "extract-1", second),
            task_run_item(flow_run_id, "extract-1", first),
        ],
    )
    task_run_id = outcomes[0].run_id
    assert outcomes == [
        reported("created", task_run_id, 1, StateType.Running),
        reported("recorded", task_run_id, 2, StateType.Success),
        reported("duplicate", task_run_id, 2, StateType.Success),
    ]
    assert [one.id for one in await list_states(database, task_run_id)] == [first.id, second.id]


async def test_refused_state_refuses_its_item_and_names_its_place(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    outcome = await report_task_run(
        writer,
        flow_run_id,
        "extract-1",
        state("Running", 1),
        state("Success", 2),
        state("Running", 3),
        state("Cached", 4),
    )
    assert (outcome.outcome, outcome.version, outcome.state) == ("refused", 3, "Cached")
    assert isinstance(outcome.problem, TerminalState)
    assert [fault.pointer for fault in outcome.problem.faults] == ["/states/2"]
    assert [one.type for one in await list_states(database, outcome.run_id)] == ["Running", "Success", "Cached"]


async def test_batch_over_flow_runs_answers_in_its_order(database: Database, writer: Writer) -> None:
    flow_runs = [await create_flow_run(writer) for _ in range(4)]
    items = [
        task_run_item(flow_run_id, f"task-{number}", state("Running", number))
        for number in range(25)
        for flow_run_id in reversed(flow_runs)
    ]
    outcomes = await report_task_runs(writer, items)
    found = [await get_task_run(database, outcome.run_id) for outcome in outcomes[:8]]
    assert [(one.flow_run_id, one.task_slug) for one in found] == [
        (item.flow_run_id, item.request.task_slug) for item in items[:8]
    ]
    assert {outcome.outcome for outcome in outcomes} == {"created"}
    assert [(await get_flow_run(database, one)).sequence for one in flow_runs] == [50] * 4


# Changing


async def test_name_and_tags_are_changed(database: Database, writer: Writer) -> None:
    result = {"type": "LocalResult", "location": "/r"}
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 1, result=result), tags=["a"])
    before = await get_task_run(database, task_run_id)
    outcome = await update_task_run(writer, task_run_id, name="new", tags=["b", "c"])
    assert outcome == reported("recorded", task_run_id, 1, StateType.Success)
    found = await get_task_run(database, task_run_id)
    changes = {"name": "new", "tags": ["b", "c"], "sequence": 3, "updated": found.updated}
    assert found == replace(before, **changes)
    assert found.updated > before.updated


async def test_member_that_is_not_sent_stays(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", name="old", tags=["a"])
    await update_task_run(writer, task_run_id, tags=[])
    assert ((await get_task_run(database, task_run_id)).name, (await get_task_run(database, task_run_id)).tags) == (
        "old",
        [],
    )
    await update_task_run(writer, task_run_id, name=None)
    assert (await get_task_run(database, task_run_id)).name is None


async def test_change_of_nothing_changes_nothing(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", name="old")
    before = await get_task_run(database, task_run_id)
    await update_task_run(writer, task_run_id)
    assert await get_task_run(database, task_run_id) == before


async def test_change_of_another_version_is_refused(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Running", 1))
    with pytest.raises(VersionConflict):
        await update_task_run(writer, task_run_id, expected_version=0, name="new")
    await update_task_run(writer, task_run_id, expected_version=1, name="new")
    assert (await get_task_run(database, task_run_id)).name == "new"


async def test_change_and_state_of_one_batch_both_happen(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer)
    items = [
        UpdateTaskRun(task_run_id, TaskRunUpdate(name="new"), None),
        SetTaskRunState(task_run_id, state("Running", 1)),
        UpdateTaskRun(task_run_id, TaskRunUpdate(tags=["a"]), 1),
    ]
    outcomes = await writer.submit(items, [task_run_id] * 3)
    assert [outcome.version for outcome in outcomes] == [0, 1, 1]
    found = await get_task_run(database, task_run_id)
    assert (found.name, found.tags, found.state, found.version, found.sequence) == ("new", ["a"], "Running", 1, 4)
