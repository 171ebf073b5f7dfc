"""Distributed: what Citus would refuse of statements, and which statements of the service it would."""

import pytest
from sqlalchemy import SelectBase, make_url, select

from taskruns_service.storage import tables
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import open_database
from taskruns_service.storage.dialects import ListOfIds, Prepared, any_of, placeholder, read_url
from taskruns_service.storage.writer import Writer
from tests.distributed import (
    INSERT_IN_WITH,
    JOIN,
    LOCK,
    NO_FROM,
    STABLE_IN_UPDATE,
    refusals,
    refusals_of_text,
)
from tests.store.factories import create_flow_run, report_task_run, state, statements_seen
from tests.store.test_plans import STATEMENTS

_flow_run, _task_run, _task_run_state = tables.flow_run, tables.task_run, tables.task_run_state
_dialect, _options = make_url("postgresql+asyncpg://").get_dialect()(), {"render_postcompile": True}
_of_flow_run = _flow_run.c.id == placeholder("id")

REFUSED = {
    JOIN: select(_task_run.c.id).join(_task_run_state, _task_run_state.c.type == _task_run.c.state),
    LOCK: select(_flow_run.c.id).order_by(_flow_run.c.created).limit(10).with_for_update(skip_locked=True),
    NO_FROM: select(_task_run.c.id, select(_task_run.c.name).correlate(_task_run).scalar_subquery()),
}
TAKEN = [
    select(_flow_run.c.id).where(any_of(_flow_run.c.id, placeholder("ids", ListOfIds))).with_for_update(),
    select(_task_run.c.id).join(_flow_run, _flow_run.c.id == _task_run.c.flow_run_id),
    select(_task_run.c.id).join(_task_run_state, _task_run_state.c.id == _task_run.c.state_id),
    select(_flow_run.c.id, select(_flow_run.c.name).correlate(_flow_run).scalar_subquery()).where(_of_flow_run),
    select(_task_run.c.id).join(tables.flow, tables.flow.c.id == _task_run.c.flow_id),
]


def refusals_of(prepared: Prepared) -> list[str]:
    """What Citus would refuse of a prepared statement."""
    return refusals(prepared, str(prepared.statement.compile(dialect=_dialect, compile_kwargs=_options)))


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_found(what: str) -> None:
    assert refusals_of(Prepared(REFUSED[what])) == [what]


@pytest.mark.parametrize("statement", TAKEN)
def test_what_is_about_one_family_or_one_table_is_taken(statement: SelectBase) -> None:
    assert refusals_of(Prepared(statement)) == []


def test_refused_changes_are_found() -> None:
    insert = "INSERT INTO task (id) SELECT new.id FROM unnest($1::uuid[]) AS new (id)"
    update = "UPDATE flow SET {} FROM unnest($1::interval[]) AS new (created)"
    assert refusals_of_text(f"WITH change_0 AS ({insert}) UPDATE flow SET name = 'etl'") == [INSERT_IN_WITH]
    assert refusals_of_text(f"WITH change_0 AS (UPDATE flow SET name = 'etl') {insert}") == [INSERT_IN_WITH]
    assert refusals_of_text(update.format("created = TIMESTAMPTZ 'epoch' + new.created")) == [STABLE_IN_UPDATE]
    assert refusals_of_text(update.format("created = now()")) == []
    assert refusals_of_text(insert.replace("new.id ", "TIMESTAMPTZ 'epoch' + new.id ")) == []


REFUSED_TODAY = {
    "queries.neighbours._earlier": [JOIN],
    "queries.now._read_failures": [NO_FROM],
    "queries.search._newest_flow_runs": [JOIN],
    "queries.search._newest_task_runs": [JOIN],
    "storage.maps._of_flow_runs": [JOIN],
    "storage.maps._of_parents": [JOIN],
}
"""The prepared statements that Citus would refuse, and why: none may be added."""


def test_no_more_prepared_statements_are_refused() -> None:
    refused = {name: reasons for name, statement in STATEMENTS.items() if (reasons := refusals_of(statement))}
    assert refused == REFUSED_TODAY


async def test_a_write_is_refused_for_these_reasons_alone(postgres_url: str) -> None:
    """A transaction writes in one statement, which no shard would take."""
    async with (
        open_database(read_url(postgres_url)) as database,
        Writer(database, execute_commands, capacity=100).running() as writer,
    ):
        with statements_seen() as seen:
            await report_task_run(writer, await create_flow_run(writer), "extract-1", state("Running", 1))
    assert {reason for statement in seen for reason in refusals_of_text(statement)} == {
        INSERT_IN_WITH,
        STABLE_IN_UPDATE,
    }
