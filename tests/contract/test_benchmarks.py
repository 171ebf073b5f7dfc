"""The benchmarks compare equal things, and measure all that they ask."""

import asyncio

import pytest

from tests.benchmarks import data, dataset, growth, limit, servers
from tests.benchmarks.dataset import Dataset
from tests.benchmarks.load import Ask, Batches
from tests.benchmarks.report import Table, updated
from tests.postgres import PostgresServer

TASK_RUNS = 1000


@pytest.mark.slow
def test_handlers_with_sql_by_hand_answer_as_the_service_does(postgres_server: PostgresServer) -> None:
    url = servers.migrated(postgres_server.create_database())
    asyncio.run(data.fill(url, TASK_RUNS))
    known = asyncio.run(dataset.look(url, TASK_RUNS))
    dsn = url.replace("+asyncpg", "")
    with servers.service(url) as service, servers.other("bare", BARE_DSN=dsn) as bare:
        limit.check(service.url, bare, known)


def test_every_question_of_growth_has_a_limit() -> None:
    known = Dataset(
        task_runs=TASK_RUNS,
        task_run_ids=[f"{number}" for number in range(1000)],
        flow_run_ids=["1"],
        second_page="",
        deep_page="",
        deep=1,
        last_hour="",
        new=Batches(lambda number: Ask("/")),
    )
    assert growth.questions("", known, 1).keys() == growth.MOST.keys()


def test_table_that_is_measured_again_takes_its_place_and_the_others_stay() -> None:
    old, other, new = (Table(title, "How.", ["figure"], []) for title in ("Streams", "Maps", "New"))
    page = "\n".join(["# Benchmarks\n\nAll.\n", str(old), str(other)])
    again = old._replace(introduction="How now.")
    assert updated(page, [again, new], "Later.") == "\n".join(
        [
            "# Benchmarks\n\nAll.\n",
            str(again._replace(introduction="Later.\n\nHow now.")),
            str(other),
            str(new._replace(introduction="Later.\n\nHow.")),
        ]
    )
