"""The timeline of a flow run: its task runs in columns, or counted in bins, on every database."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Row

from taskruns_service.domain.errors import FlowRunNotFound, InvalidRequest
from taskruns_service.domain.ids import new_id
from taskruns_service.queries import timelines
from taskruns_service.queries.timelines import get_timeline, timeline_values
from taskruns_service.schemas.timelines import BINS, Timeline, TimelineTask
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.dataset import Dataset
from tests.store.factories import at, create_flow_run, report_flow_run, report_task_run, state

Shown = tuple[int, str, int | None, int | None, int | None, int]
"""Map index, state, milliseconds from the epoch to the earliest state, to the start and to the end, and runs."""


async def timeline_of(database: Database, flow_run_id: UUID, **window: Any) -> Timeline:
    values = timeline_values(flow_run_id, window)
    answer = await database.read(get_timeline, values)
    timeline = msgspec.json.decode(answer.body, type=Timeline)
    assert answer.version == f"{timeline.sequence}"
    return timeline


def spans_of(timeline: Timeline, task: TimelineTask) -> Counter[Shown]:
    spans = task.spans
    assert spans is not None
    run_counts = spans.run_count or [0] * len(spans.state)
    columns = (spans.map_index, spans.state, spans.queued_ms, spans.wait_ms, spans.duration_ms, run_counts)
    return Counter((map_index, timeline.states[place], *rest) for map_index, place, *rest in zip(*columns, strict=True))


def milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    return None if start is None or end is None else round((end - start).total_seconds() * 1000)


def thousand_times(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def expected_spans(epoch: datetime, task_runs: Sequence[Row[Any]]) -> Counter[Shown]:
    """The same in plain Python."""
    counted = any(row.run_count > 1 for row in task_runs)
    return Counter(
        (
            row.map_index,
            row.state,
            milliseconds(epoch, row.first_timestamp),
            thousand_times(row.queue_time),
            milliseconds(row.first_timestamp, row.end_time) if row.start_time is None else thousand_times(row.duration),
            row.run_count if counted else 0,
        )
        for row in task_runs
    )


WINDOWS: dict[str, tuple[dict[str, Any], Callable[[Row[Any]], bool]]] = {
    "all": ({}, lambda row: True),
    "two tasks": ({"task_slug": ["extract-1", "z"]}, lambda row: row.task_slug in ("extract-1", "z")),
    "no task": ({"task_slug": ["unknown"]}, lambda row: False),
    "after a time": ({"after": at(80_000)}, lambda row: row.end_time is None or row.end_time > at(80_000)),
    "before a time": (
        {"before": at(80_010)},
        lambda row: row.first_timestamp is not None and row.first_timestamp < at(80_010),
    ),
    "between times, of a task": (
        {"task_slug": ["z"], "after": at(40_000), "before": at(120_000)},
        lambda row: (
            row.task_slug == "z"
            and (row.end_time is None or row.end_time > at(40_000))
            and row.first_timestamp is not None
            and row.first_timestamp < at(120_000)
        ),
    ),
}


@pytest.mark.parametrize("name", WINDOWS)
async def test_timeline_has_the_task_runs_of_its_window(dataset: Dataset, name: str) -> None:
    window, is_shown = WINDOWS[name]
    for flow_run in dataset.flow_runs:
        timeline = await timeline_of(dataset.database, flow_run.id, **window)
        by_slug: dict[str, list[Row[Any]]] = {}
        for row in dataset.task_runs:
            if row.flow_run_id == flow_run.id and is_shown(row):
                by_slug.setdefault(row.task_slug, []).append(row)
        assert timeline.epoch_time == flow_run.start_time or flow_run.start_time is None
        assert (timeline.sequence, timeline.bins, timeline.truncated) == (flow_run.sequence, None, False)
        shown = {task.task_slug: spans_of(timeline, task) for task in timeline.tasks}
        assert shown == {slug: expected_spans(timeline.epoch_time, rows) for slug, rows in by_slug.items()}
        ids = {task.task_slug: task.task_run_id for task in timeline.tasks}
        for slug, rows in by_slug.items():
            assert ids[slug] == next((row.id for row in rows if row.map_index == -1), None)


async def test_tasks_that_began_first_come_first(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Running", 0))
    await report_task_run(writer, flow_run_id, "third", state("Pending", 3))
    await report_task_run(writer, flow_run_id, "never")
    await report_task_run(writer, flow_run_id, "first", state("Running", 1), state("Success", 9.5))
    await report_task_run(writer, flow_run_id, "second", state("Pending", 0), state("Running", 2))
    timeline = await timeline_of(database, flow_run_id)
    assert timeline.epoch_time == at(0)
    assert [task.task_slug for task in timeline.tasks] == ["first", "second", "third", "never"]
    assert [spans_of(timeline, task) for task in timeline.tasks] == [
        Counter({(-1, "Success", 1000, 0, 8500, 0): 1}),
        Counter({(-1, "Running", 0, 2000, None, 0): 1}),
        Counter({(-1, "Pending", 3000, None, None, 0): 1}),
        Counter({(-1, "Pending", None, None, None, 0): 1}),
    ]


@pytest.mark.parametrize("window", [{}, {"task_slug": ["extract-1", "extract-2", "z"]}], ids=["all", "tasks"])
async def test_too_many_task_runs_are_counted_in_bins(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, window: dict[str, Any]
) -> None:
    monkeypatch.setattr(timelines, "MAX_SPANS", 5)
    for flow_run in dataset.flow_runs:
        timeline = await timeline_of(dataset.database, flow_run.id, **window)
        rows = [
            (row, milliseconds(timeline.epoch_time, row.start_time or row.first_timestamp))
            for row in dataset.task_runs
            if row.flow_run_id == flow_run.id and row.task_slug in window.get("task_slug", [row.task_slug])
        ]
        assert timeline.truncated == (len(rows) > 5)
        if not timeline.truncated:
            continue
        bins = timeline.bins
        assert bins is not None
        moments = [moment for _, moment in rows if moment is not None]
        assert bins.first_ms == min(moments)
        assert bins.count == BINS
        assert bins.first_ms + BINS * bins.width_ms > max(moments)
        expected = Counter(
            (row.task_slug, (moment - bins.first_ms) // bins.width_ms, row.state)
            for row, moment in rows
            if moment is not None
        )
        shown: Counter[tuple[str, int, str]] = Counter()
        for task in timeline.tasks:
            assert task.spans is None
            assert task.counts is not None
            columns = (task.counts.bin, task.counts.state, task.counts.count)
            for number, place, count in zip(*columns, strict=True):
                assert 0 <= number < BINS
                shown[task.task_slug, number, timeline.states[place]] += count
        assert shown == expected


async def test_small_window_of_too_many_task_runs_shows_them(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    flow_run = dataset.flow_runs[0]
    rows = [row for row in dataset.task_runs if row.flow_run_id == flow_run.id]
    slug, count = Counter(row.task_slug for row in rows).most_common()[-1]
    monkeypatch.setattr(timelines, "MAX_SPANS", count)
    assert count < len(rows)
    timeline = await timeline_of(dataset.database, flow_run.id, task_slug=[slug])
    assert (timeline.bins, timeline.truncated) == (None, False)
    assert spans_of(timeline, timeline.tasks[0]).total() == count


async def test_too_many_task_runs_that_have_not_begun_are_in_no_bin(
    database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow_run_id = await create_flow_run(writer)
    for slug in ("a", "b"):
        await report_task_run(writer, flow_run_id, slug)
    monkeypatch.setattr(timelines, "MAX_SPANS", 1)
    timeline = await timeline_of(database, flow_run_id)
    assert (timeline.tasks, timeline.truncated) == ([], True)


async def test_too_many_tasks_are_those_that_began_first(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    flow_run = dataset.flow_runs[0]
    whole = await timeline_of(dataset.database, flow_run.id)
    monkeypatch.setattr(timelines, "MAX_TASKS", 3)
    timelines._spans.cache_clear()
    cut = await timeline_of(dataset.database, flow_run.id)
    timelines._spans.cache_clear()
    assert (cut.tasks, cut.truncated) == (whole.tasks[:3], True)


async def test_timeline_of_no_flow_run_is_not_found(database: Database) -> None:
    with pytest.raises(FlowRunNotFound):
        await timeline_of(database, new_id())


async def test_flow_run_without_task_runs_has_an_empty_timeline(database: Database, writer: Writer) -> None:
    timeline = await timeline_of(database, await create_flow_run(writer))
    assert (timeline.tasks, timeline.bins, timeline.truncated) == ([], None, False)


def test_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidRequest) as raised:
        timeline_values(new_id(), {"after": at(1), "before": at(0)})
    assert [fault.parameter for fault in raised.value.faults] == ["before"]
