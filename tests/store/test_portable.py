"""Portable statements: what distributed engines lack is found in a statement and in the migrations."""

import pytest
from sqlalchemy import text

from taskruns_service.storage import migrations
from tests.portable import LACKING, lacking
from tests.postgres import PostgresServer
from tests.store.factories import opened, run_on, statements_seen

EXAMPLES = {
    "advisory locks": "SELECT pg_advisory_xact_lock(1)",
    "notifications": "LISTEN changes",
    "locks on tables": "LOCK TABLE flow",
    "triggers and rules": "CREATE TRIGGER t AFTER INSERT ON flow EXECUTE FUNCTION f()",
    "functions of our own": "CREATE OR REPLACE FUNCTION f() RETURNS int AS 'SELECT 1' LANGUAGE sql",
    "extensions": "CREATE EXTENSION pg_trgm",
    "temporary and unlogged tables": "CREATE TEMP TABLE t (id int)",
    "inheritance": "CREATE TABLE t () INHERITS (flow)",
    "exclusion constraints": "ALTER TABLE t ADD EXCLUDE USING gist (c WITH &&)",
    "deferred constraints": "ALTER TABLE t ADD UNIQUE (a) DEFERRABLE",
    "counters that all nodes share": "CREATE TABLE t (id bigserial)",
    "places of rows": "DELETE FROM flow WHERE ctid IN (SELECT ctid FROM flow)",
    "positions of a cursor": "DELETE FROM flow WHERE CURRENT OF c",
    "large objects": "SELECT lo_create(0)",
    "two-phase commit": "PREPARE TRANSACTION 'a'",
    "samples": "SELECT count(*) FROM flow TABLESAMPLE SYSTEM (1)",
    "two changes of a table at once": "WITH a AS (INSERT INTO flow (id) VALUES (1)) UPDATE flow SET name = 'etl'",
    "several groupings at once": "SELECT count(*) FROM flow GROUP BY GROUPING SETS ((name), ())",
}


@pytest.mark.parametrize("what", LACKING)
def test_feature_that_other_engines_lack_is_found(what: str) -> None:
    assert lacking(EXAMPLES[what]) == (what,)


def test_feature_of_all_engines_is_let_through() -> None:
    assert lacking("SELECT id FROM flow_run WHERE id = $1 FOR UPDATE SKIP LOCKED") == ()
    assert lacking("WITH a AS (INSERT INTO task (id) VALUES (1)) UPDATE flow SET name = 'etl'") == ()


async def test_statements_are_read_before_they_are_sent(postgres_url: str) -> None:
    async with opened(postgres_url) as database:
        with pytest.raises(AssertionError, match="Distributed engines lack advisory locks"):
            await database.transact(run_on, text("SELECT pg_advisory_xact_lock(1)"))


async def test_migrations_have_nothing_that_is_lacking(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    with statements_seen() as statements:
        async with opened(url) as database:
            await database.transact(migrations.upgrade)
    postgres_server.drop(url)
    assert any("CREATE TABLE task_run " in statement for statement in statements)
    assert [found for statement in statements if (found := lacking(statement))] == []
