"""Logs through the client: reported safely again, and listed by views page after page."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from taskruns import AsyncClient, AsyncFlowRunView, AsyncTaskRunView, Client, FlowRunView, TaskRunView
from taskruns.errors import InvalidRequest
from taskruns.models import LogLevel, LogLineReport, StateCreate, StateType, TaskRunReport
from tests.service import Served

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)
COUNT = 1001


def report_lines(client: Client) -> tuple[FlowRunView, TaskRunView]:
    """Reports a line of a new flow run, and more lines of its task run than a page has."""
    flow_run = client.flow_runs.create(flow_name="etl")
    running = StateCreate(type=StateType.RUNNING)
    client.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug="load-1", states=[running])])
    task_run = TaskRunView.from_task_slug("load-1", flow_run.id, client=client)
    lines = [
        LogLineReport(
            id=uuid4(),
            message=f"line {number}",
            timestamp=BEGIN + timedelta(seconds=number),
            level=LogLevel.ERROR if number == COUNT - 1 else LogLevel.INFO,
            task_run_id=task_run.task_run.id if number else None,
        )
        for number in range(COUNT + 1)
    ]
    for start in (0, 1000, 1000):
        receipt = client.flow_runs.report_logs(flow_run.id, items=lines[start : start + 1000])
    assert (receipt.received, receipt.recorded) == (2, 0)
    return FlowRunView.from_flow_run_id(flow_run.id, client=client), task_run


def test_views_list_all_lines(client: Client) -> None:
    flow_run, task_run = report_lines(client)
    messages = [f"line {number}" for number in range(COUNT + 1)]
    assert [line.message for line in flow_run.get_logs()] == messages
    assert [line.message for line in task_run.get_logs(newest_first=True)] == messages[:0:-1]
    for view in (flow_run, task_run):
        assert [line.message for line in view.get_logs(level="ERROR")] == [f"line {COUNT - 1}"]
        assert [line.message for line in view.get_logs(contains="LINE 77")][:2] == ["line 77", "line 770"]
        assert [line.message for line in view.get_logs(after=BEGIN + timedelta(seconds=COUNT - 1))] == [f"line {COUNT}"]
        with pytest.raises(InvalidRequest, match="DEBUG, INFO, WARNING, ERROR, CRITICAL"):
            view.get_logs(level="LOUD")


async def test_async_views_list_all_lines(client: Client, service: Served) -> None:
    flow_run, task_run = report_lines(client)
    async with AsyncClient(service.url) as other:
        flow_run_view = await AsyncFlowRunView.from_flow_run_id(flow_run.flow_run_id, client=other)
        task_run_view = await AsyncTaskRunView.from_task_run_id(task_run.task_run_id, client=other)
        assert len([line async for line in flow_run_view.get_logs()]) == COUNT + 1
        assert len([line async for line in task_run_view.get_logs()]) == COUNT
        assert [line.message async for line in task_run_view.get_logs(level="ERROR")] == [f"line {COUNT - 1}"]
