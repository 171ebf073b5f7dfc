"""Migrations: the schema that they make is the tables' own, they go up and down, and `verify` refuses any other."""

from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.schema import SchemaItem

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.domain.ids import new_id
from taskruns_service.storage import migrations, tables
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    findings_of,
    opened,
    report_flow_run,
    report_task_run,
    report_task_runs,
    rows_of,
    run_on,
    state,
    task_run_item,
)


def table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def differences(connection: Connection) -> list[object]:
    def is_expected(item: SchemaItem, *_: object) -> bool:
        return bool(item.info.get("dialect", connection.dialect.name) == connection.dialect.name)

    options = {"compare_type": True, "compare_server_default": True, "include_object": is_expected}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, tables.metadata))


def downgrade(connection: Connection) -> None:
    command.downgrade(migrations.config(connection), "base")


def known_revisions() -> list[str]:
    """All revisions, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(migrations.config()).walk_revisions()]


def test_revisions_are_known_without_alembic() -> None:
    assert known_revisions()[0] == migrations.head()


async def test_migrated_schema_is_that_of_the_tables(database: Database) -> None:
    assert await database.transact(differences) == []


async def test_every_index_and_constraint_is_there_by_its_name(database: Database, database_kind: str) -> None:
    def named(connection: Connection) -> set[str | None]:
        found = inspect(connection)
        return {
            one["name"]
            for table in tables.metadata.tables
            for one in (
                *found.get_indexes(table),
                *found.get_unique_constraints(table),
                *found.get_foreign_keys(table),
            )
        }

    indexes = {
        index.name
        for table in tables.metadata.tables.values()
        for index in table.indexes
        if index.info.get("dialect", database_kind) == database_kind
    }
    constraints = {
        constraint.name
        for table in tables.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint.name, str) and not constraint.name.startswith("pk_")
    }
    assert indexes | constraints <= await database.transact(named)


async def test_database_goes_up_and_down_and_up(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        assert await database.transact(table_names) == set(tables.metadata.tables)
        assert await database.transact(migrations.current) == migrations.head()
        await database.transact(downgrade)
        assert await database.transact(table_names) == set()
        assert await database.transact(migrations.current) is None
        await database.transact(migrations.upgrade)
        assert await database.transact(differences) == []


async def test_postgresql_vacuums_early_what_is_pruned(postgres_url: str) -> None:
    statement = text("SELECT relname FROM pg_class WHERE 'autovacuum_vacuum_scale_factor=0.02' = ANY(reloptions)")
    async with opened(postgres_url) as database:
        early = await database.read(lambda connection: set(connection.scalars(statement)))
    has_rows_of_runs = {"flow_run_id", "task_run_id", "state_counts"}
    assert early == {table.name for table in tables.metadata.tables.values() if has_rows_of_runs & set(table.c.keys())}


async def test_each_revision_goes_up_one_by_one(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        for revision in reversed(known_revisions()):
            await database.transact(migrations.upgrade, revision)
            assert await database.transact(migrations.current) == revision
        assert await database.transact(differences) == []


async def test_migrating_again_keeps_what_is_there(database: Database, writer: Writer) -> None:
    await create_flow_run(writer)
    await database.transact(migrations.upgrade)
    assert (
        await database.read(lambda connection: connection.execute(text("SELECT count(*) FROM flow_run")).scalar()) == 1
    )


def default_ids(connection: Connection) -> tuple[set[UUID], set[UUID]]:
    """The ids of the tenants and projects, and those of the tenants that projects and agents refer to."""
    tenant, project, agent = tables.tenant, tables.project, tables.agent
    own = [connection.scalars(select(column)) for column in (tenant.c.id, project.c.id)]
    referred = [connection.scalars(select(column)) for column in (project.c.tenant_id, agent.c.tenant_id)]
    return set(chain(*own)), set(chain(*referred))


async def test_ids_of_the_default_tenant_and_project_are_random(empty_database_url: str, tmp_path: Path) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade, "0002")
        (known, _) = await database.read(default_ids)
        now = datetime.now(UTC)
        (tenant_id,) = await database.read(lambda connection: list(connection.scalars(select(tables.tenant.c.id))))
        agent = {"id": uuid4(), "tenant_id": tenant_id, "labels": [], "created": now, "updated": now}
        await database.transact(run_on, tables.agent.insert().values(**agent))
        await database.transact(migrations.upgrade)
        (ids, referred) = await database.read(default_ids)
    async with opened(f"sqlite:///{tmp_path / 'other.db'}") as other:
        await other.transact(migrations.upgrade)
        (other_ids, _) = await other.read(default_ids)
    assert len(known) == len(ids) == len(other_ids) == 2
    assert all(identifier.version == 7 and identifier < new_id() for identifier in ids)  # clients take the first
    assert known.isdisjoint(ids)
    assert ids.isdisjoint(other_ids)
    assert len(referred) == 1
    assert referred <= ids


async def test_mapped_parents_of_an_older_database_get_the_times_of_their_children(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        async with Writer(database, execute_commands, capacity=1000).running() as writer:
            flow_run_id = await create_flow_run(writer)
            maps_ends: dict[str, list[float | None]] = {"ended": [5.25, 9.5], "running": [5, None], "empty": []}
            for slug, ends in maps_ends.items():
                await report_task_run(writer, flow_run_id, slug, state("Pending", 1), state("Mapped", 1))
                for index, end in enumerate(ends):
                    reports = [state("Running", 2 + index), *([state("Success", end)] if end else [])]
                    await report_task_run(writer, flow_run_id, slug, *reports, map_index=index)
            await report_task_run(writer, flow_run_id, "plain", state("Running", 2), state("Success", 9))
        before = await database.read(rows_of, tables.task_run)
        await database.transact(lambda connection: command.downgrade(migrations.config(connection), "0004"))
    async with opened(empty_database_url) as database:
        end_times = select(tables.task_run.c.end_time).where(tables.task_run.c.state == "Mapped")
        assert set(await database.read(lambda connection: connection.scalars(end_times).all())) == {at(1)}
        await database.transact(migrations.upgrade)
    async with opened(empty_database_url) as database:
        assert await database.read(rows_of, tables.task_run) == before
        assert await findings_of(database) == []


async def test_flow_runs_of_an_older_database_are_counted(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        async with Writer(database, execute_commands, capacity=1000).running() as writer:
            flow_run_ids = [await create_flow_run(writer, flow_name) for flow_name in ("etl", "etl", "report")]
            await report_flow_run(writer, flow_run_ids[0], state("Success", 1))
        await database.transact(lambda connection: command.downgrade(migrations.config(connection), "0007"))
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
    async with opened(empty_database_url) as database:
        rows = [row._mapping for row in await database.read(rows_of, tables.flow_run_tally)]
        counts = [(row["state"], row["count"]) for row in rows]
        assert sorted(counts) == [("Pending", 1), ("Pending", 1), ("Success", 1)]
        assert await findings_of(database) == []


async def test_runs_of_an_older_database_get_their_run_times(empty_database_url: str) -> None:
    """Whatever their histories, also those from before states were marked as forced, and however many there are."""
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        async with Writer(database, execute_commands, capacity=1000).running() as writer:
            flow_run_id = await create_flow_run(writer)
            retried: list[tuple[str, float]] = [("Running", 1), ("Retrying", 3), ("Running", 60), ("Success", 64.25)]
            histories: list[list[tuple[str, float]]] = [[], [("Pending", 0)], [("Running", 1)], retried, retried[::-1]]
            histories.append([("Success", 9), ("Running", 10)])
            for number, steps in enumerate(histories):
                await report_task_run(writer, flow_run_id, f"task-{number}", *(state(*step) for step in steps))
            await report_task_run(writer, flow_run_id, "map", state("Mapped", 1))
            for index in range(2):
                reports = (state(*step) for step in retried)
                await report_task_run(writer, flow_run_id, "map", *reports, map_index=index)
            many = [
                task_run_item(flow_run_id, f"many-{number}", state("Running", 0), state("Failed", 1))
                for number in range(1100)
            ]
            await report_task_runs(writer, many)
            for step in retried[:3]:
                await report_flow_run(writer, flow_run_id, state(*step))
        await database.transact(
            run_on, tables.task_run_state.update().where(tables.task_run_state.c.type == "Success").values(forced=None)
        )
        before = [await database.read(rows_of, table) for table in (tables.task_run, tables.flow_run)]
        assert {row.run_time for rows in before for row in rows} == {None, 0.0, 1.0, 2.0, 6.25, 12.5}
        await database.transact(lambda connection: command.downgrade(migrations.config(connection), "0007"))
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        assert [await database.read(rows_of, table) for table in (tables.task_run, tables.flow_run)] == before


async def test_task_runs_of_an_older_database_get_the_names_of_their_tasks(empty_database_url: str) -> None:
    """A task that was reported without a name had its slug for one."""
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        async with Writer(database, execute_commands, capacity=1000).running() as writer:
            flow_run_id = await create_flow_run(writer)
            for slug, members in (("step-1", {}), ("step-2", {}), ("load", {}), ("inc-1", {"task_name": "Increment"})):
                await report_task_run(writer, flow_run_id, slug, **members)
        before = [await database.read(rows_of, table) for table in (tables.task, tables.task_run)]
        assert {row.task_name for row in before[1]} == {"step", "load", "Increment"}
        await database.transact(lambda connection: command.downgrade(migrations.config(connection), "0011"))
        is_unnamed = tables.task.c.name == "step"
        await database.transact(run_on, tables.task.update().where(is_unnamed).values(name=tables.task.c.slug))
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        assert [await database.read(rows_of, table) for table in (tables.task, tables.task_run)] == before


async def test_migration_that_fails_leaves_the_database_as_it_was(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        # The last table of the first schema is in the way.
        await database.transact(run_on, text("CREATE TABLE task_run (id integer)"))
        with pytest.raises(Exception, match="task_run"):
            await database.transact(migrations.upgrade)
        assert await database.transact(table_names) == {"task_run"}
        assert await database.transact(migrations.current) is None


# Verifying


async def test_database_that_is_up_to_date_is_accepted(database: Database) -> None:
    await database.read_snapshot(migrations.verify)


async def test_empty_database_is_refused(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(run_on, text("SELECT 1"))  # SQLite makes the file
        with pytest.raises(ConfigurationError) as refused:
            await database.read_snapshot(migrations.verify)
    assert str(refused.value) == "The database has no tables yet. Run `taskruns-service migrate`."


async def test_every_older_database_is_refused(empty_database_url: str) -> None:
    head, *older = known_revisions()
    async with opened(empty_database_url) as database:
        for revision in reversed(older):
            await database.transact(migrations.upgrade, revision)
            with pytest.raises(ConfigurationError) as refused:
                await database.read_snapshot(migrations.verify)
            assert str(refused.value) == (
                f"The database has the schema {revision}, which is older than this service ({head}). "
                "Run `taskruns-service migrate`."
            )


@pytest.mark.parametrize(
    ("revisions", "oldest"),
    [
        ([("0001", False)], "0001"),
        ([("0003", True), ("0002", False), ("0001", False)], "0002"),
        ([("0003", False), ("0002", True), ("0001", False)], "0003"),
        ([("0003", True), ("0002", True), ("0001", False)], "0001"),
    ],
)
def test_oldest_service_is_that_of_the_last_revision_that_does_more_than_add(
    revisions: list[tuple[str, bool]], oldest: str
) -> None:
    assert migrations.oldest_use(revisions) == oldest


async def set_revision(database: Database, version: str, **use: str) -> None:
    """Makes the database one that a newer version of the service has migrated."""
    await database.transact(run_on, text(f"UPDATE alembic_version SET version_num = '{version}'"))
    if use:
        await database.transact(run_on, tables.schema_use.update().values(**use))


async def test_newer_database_that_has_more_is_used_and_not_migrated(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        await set_revision(database, "9999", revision="9999", oldest=migrations.head())
        await database.read_snapshot(migrations.verify)
        await database.transact(migrations.upgrade)
        assert await database.transact(migrations.current) == "9999"
        assert await database.transact(differences) == []


@pytest.mark.parametrize(
    ("use", "needed"),
    [
        ({"revision": "9999", "oldest": "9998"}, ", and only services from version 9998 on can use it"),
        ({"revision": "9998", "oldest": "0001"}, ""),  # that of another revision does not count
        ({}, ""),
    ],
)
async def test_newer_database_is_refused_and_not_migrated(
    empty_database_url: str, use: dict[str, str], needed: str
) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade)
        await set_revision(database, "9999", **use)
        for ask in (migrations.verify, migrations.upgrade):
            with pytest.raises(ConfigurationError) as refused:
                await database.transact(ask)
            assert str(refused.value) == (
                f"The database has the schema 9999, which is newer than this service ({migrations.head()}){needed}. "
                "Update the service."
            )


async def test_newer_database_of_before_the_use_was_noted_is_refused(empty_database_url: str) -> None:
    async with opened(empty_database_url) as database:
        await database.transact(migrations.upgrade, "0004")
        await set_revision(database, "9999")
        with pytest.raises(ConfigurationError, match="newer than this service"):
            await database.read_snapshot(migrations.verify)
