"""Plans of GraphQL: a question about a short window of time does not read what there was before it."""

from typing import Any

import pytest
from sqlalchemy import Connection

from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.selections import Aggregates, AggregateSelection, Count, RowQuery
from taskruns_service.prefect1.graph.statements import Bounds, aggregate_entities
from taskruns_service.storage.dialects import target_of
from tests.store import large_dataset
from tests.store.factories import at, opened
from tests.store.reading import ROWS_READ

WINDOW = {"_gte": at(large_dataset.FLOW_RUNS * large_dataset.APART * 0.998).isoformat(), "_lt": "2100-01-01"}


@pytest.mark.xdist_group("large-dataset")
@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "condition",
    [{"state": {"_eq": "Success"}}, {"state": {"_eq": "Failed"}}, {"task": {"slug": {"_eq": "task-0"}}}],
    ids=["most", "failed", "task"],
)
@pytest.mark.parametrize("time", ["start_time", "end_time"])
async def test_sqlite_counts_a_short_window(large_dataset_url: str, condition: dict[str, Any], time: str) -> None:
    """Beside the window little more than the tally is read, which does not grow with the task runs.

    PostgreSQL knows from its statistics that the window has fewer runs.
    """
    where = {time: WINDOW, **condition}
    counts = AggregateSelection(RowQuery(where=where), {"aggregate": Aggregates({"count": Count()})})

    def read(connection: Connection) -> int:
        question = aggregate_entities(Bounds(target_of(connection.engine), 10_000), ENTITIES["task_run"], counts)
        return ROWS_READ["sqlite"](connection, lambda: question(connection))

    async with opened(large_dataset_url) as database:
        assert await database.read(read) < large_dataset.TASK_RUNS / 20
