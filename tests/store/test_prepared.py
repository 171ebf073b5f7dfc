"""Prepared questions: each takes the values that it has names for, no less and no more, on every way to a driver."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, Integer, case, literal, select, text

from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import StateType
from taskruns_service.queries import aggregates, filters
from taskruns_service.queries.aggregations import AggregateQuestion
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import (
    CompiledValue,
    ListOfIds,
    Prepared,
    Writes,
    any_of,
    constant,
    has_text,
    placeholder,
    target_of,
)
from tests.store.factories import at

_flow_run = tables.flow_run
BETWEEN = (
    select(_flow_run.c.id)
    .where(_flow_run.c.run_count >= placeholder("least"), _flow_run.c.run_count <= placeholder("most", Integer()))
    .where(_flow_run.c.state == constant("Success"), _flow_run.c.version > 1)
)


def rows(connection: Connection, prepared: Prepared, values: dict[str, Any]) -> Any:
    return prepared.rows(connection, values)


MISMATCHES = {
    "missing": ({"least": 1}, "most is missing."),
    "misspelt": ({"least": 1, "mots": 2}, "most is missing, mots is none of them."),
    "extra": ({"least": 1, "most": 2, "limit": 3}, "limit is none of them."),
    "nothing": ({}, "least is missing, most is missing."),
}


@pytest.mark.parametrize("replan", [False, True])
@pytest.mark.parametrize(("values", "complaint"), MISMATCHES.values(), ids=MISMATCHES)
async def test_values_that_a_statement_does_not_take_are_an_error(
    database: Database, values: dict[str, Any], complaint: str, replan: bool
) -> None:
    prepared = Prepared(BETWEEN, replan=replan)
    expected = f"The statement takes the values least, most: {complaint}"
    for ask in (database.read, database.transact, database.read_snapshot):
        with pytest.raises(TypeError) as raised:
            await ask(rows, prepared, values)
        assert str(raised.value) == expected


async def test_a_value_that_is_null_is_bound_as_it_is(database: Database) -> None:
    prepared = Prepared(select(placeholder("value", Integer()).label("value")))
    assert [list(row) for row in await database.read(rows, prepared, {"value": None})] == [[None]]
    assert [list(row) for row in await database.read(rows, prepared, {"value": 7})] == [[7]]


def test_names_are_those_of_the_placeholders() -> None:
    nested = select(tables.task_run.c.id).where(
        any_of(tables.task_run.c.flow_run_id, placeholder("ids", ListOfIds)),
        has_text(tables.task_run.c.name, placeholder("name")),
        tables.task_run.c.flow_run_id.in_(BETWEEN),
        tables.task_run.c.version == 3,
    )
    assert Prepared(nested).names == {"ids", "name", "least", "most"}
    assert Prepared(select(_flow_run.c.id)).names == set()


async def test_a_statement_that_stands_with_its_values_has_no_placeholders(database: Database) -> None:
    def compiled(connection: Connection) -> bytes | None:
        with pytest.raises(TypeError, match="least is missing, most is missing"):
            CompiledValue(BETWEEN, target_of(connection.engine))
        return CompiledValue(select(constant("text")), target_of(connection.engine)).read(connection, 1000)

    assert await database.read(compiled) == b"text"


async def test_statements_of_one_shape_are_read_with_their_own_values(database: Database) -> None:
    def shown(connection: Connection, bound: str, inline: str, members: list[str]) -> bytes | None:
        is_member = literal(inline).in_(members)
        value = case((is_member, literal(bound) + constant(inline)), else_=literal("none"))
        return CompiledValue(select(value), target_of(connection.engine)).read(connection, 1000)

    assert await database.read(shown, "a", "b", ["b"]) == b"ab"
    assert await database.read(shown, "c", "d", ["b", "c", "d"]) == b"cd"
    assert await database.read(shown, "c", "d", []) == b"none"
    assert await database.read(shown, "a", "b", ["b"]) == b"ab"


def test_values_of_a_question_are_those_that_its_shape_binds() -> None:
    where = {"has_result": True, "state": [StateType.Failed], "name_contains": "a", "map_index": [1, 2], "tag": ["a"]}
    assert filters.bind_values(where) == {"name_contains": "a", "map_index": [1, 2], "tag": "a"}


async def test_a_question_binds_the_values_of_its_form(database: Database) -> None:
    where = {"has_result": True, "state": [StateType.Failed], "name_contains": "a", "map_index": [1, 2], "tag": ["a"]}
    question = AggregateQuestion(where=where, group_by=("state",), measures=("max_duration",))
    assert (await database.scan(aggregates.aggregate, question)).count == 0


async def test_rows_to_write_all_have_the_members_of_the_first(database: Database) -> None:
    def write(connection: Connection, rows: list[dict[str, Any]]) -> None:
        with Writes(connection) as writes:
            writes.insert(tables.task_run_tally_delta, rows)

    row = {"id": new_id(), "flow_id": new_id(), "task_slug": "a", "state": "Success", "count": 1}
    short = {name: value for name, value in row.items() if name != "count"}
    for others in (short, row | {"cuont": 1}, short | {"cuont": 1}):
        with pytest.raises(TypeError, match="task_run_tally_delta"):
            await database.transact(write, [row, others | {"id": new_id()}])
    with pytest.raises(TypeError, match="cuont"):
        await database.transact(write, [short | {"cuont": 1}])
    assert (
        await database.read(lambda c: c.execute(text("SELECT count(*) FROM task_run_tally_delta")).scalar_one())
    ) == 0


async def test_values_that_only_python_takes_for_the_same_stay_different(database: Database) -> None:
    """Of many rows, a value that all have is sent once."""
    parameters: list[dict[str, object]] = [{"n": 1}, {"n": 1.0}, {"n": True}, {"n": 1}] * 5

    def write(connection: Connection) -> list[str]:
        flow = {"project": "default", "name": "etl", "archived": False, "created": at(0)}
        flows = [{**flow, "id": new_id(), "version": n, "parameters": value} for n, value in enumerate(parameters)]
        with Writes(connection) as writes:
            writes.insert(tables.flow, flows)
        ordered = select(tables.flow.c.parameters).order_by(tables.flow.c.version)
        return [json.dumps(value) for value in connection.execute(ordered).scalars()]

    assert await database.transact(write) == [json.dumps(value) for value in parameters]
