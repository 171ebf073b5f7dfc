"""Search, as clients get it."""

from uuid import uuid4

import pytest

from taskruns import AsyncClient, Client
from taskruns.errors import InvalidRequest
from taskruns.models import HitKind, SearchHit, StateType, TaskRunReport
from tests.service import Served


async def test_clients_find_runs_by_name_and_id(client: Client, service: Served) -> None:
    name = f"found-{uuid4()}"
    flow_run = client.flow_runs.create(flow_name=f"{name}-flow", name=f"{name}-run")
    receipt = client.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug=f"{name}-task", map_index=2)])
    by_name = client.service.search(q=name.upper())
    assert not by_name.truncated
    assert [(hit.kind, hit.name) for hit in by_name.items] == [
        (HitKind.FLOW, f"{name}-flow"),
        (HitKind.TASK, f"{name}-task"),
        (HitKind.FLOW_RUN, f"{name}-run"),
    ]
    task_run = client.task_runs.get(str(receipt.items[0].task_run_id))
    by_id = client.service.search(q=str(task_run.id))
    assert by_id.items == [
        SearchHit(
            kind=HitKind.TASK_RUN,
            id=task_run.id,
            name=task_run.task_slug,
            flow_name=f"{name}-flow",
            flow_run_id=flow_run.id,
            flow_run_name=f"{name}-run",
            map_index=2,
            state=StateType.PENDING,
            created=task_run.created,
        )
    ]
    async with AsyncClient(service.url) as async_client:
        assert await async_client.service.search(q=str(task_run.id)) == by_id


@pytest.mark.parametrize("text", ["", "x" * 256, "a\0b"])
def test_text_that_no_name_can_be_is_refused(client: Client, text: str) -> None:
    with pytest.raises(InvalidRequest):
        client.service.search(q=text)
