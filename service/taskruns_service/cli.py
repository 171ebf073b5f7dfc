"""The command line for operators: serve, migrate, check, backup, prune, import-prefect1, openapi and keys."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click

from taskruns_service import __version__
from taskruns_service.commands import keys, pruning
from taskruns_service.databases import ask, change, durability_risks, opened
from taskruns_service.domain.errors import ConfigurationError, ServiceError
from taskruns_service.domain.times import time_before
from taskruns_service.logs import configure_logs
from taskruns_service.prefect1 import importing
from taskruns_service.queries import integrity
from taskruns_service.schemas import NAME_LENGTH
from taskruns_service.server import ports
from taskruns_service.settings import PREFIX, Settings, is_loopback, read_settings
from taskruns_service.storage import dialects, file_lock, migrations, private_files

T = TypeVar("T")
Flag = str | int | bool | None
"""The value of an option that is a setting; None where it was not used."""

PROGRAM = "taskruns-service"
"""What the command is called, also when it runs as `python -m taskruns_service`."""

FINDINGS = 1000
"""How many problems `check` prints at most."""

_database = click.option("--database-url", help="The SQLite file or PostgreSQL database.  [TASKRUNS_DATABASE_URL]")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Record the task runs of workflow runs and look them up.

    Each setting is an option or an environment variable, which the help shows in brackets.
    """
    # What commands have to say, they say themselves; the server's processes set up their own logging.
    configure_logs("error", "console")


@cli.command()
@_database
@click.option("--host", help="The address to listen on (127.0.0.1).  [TASKRUNS_HOST]")
@click.option("--port", type=int, help="The port to listen on (4200).  [TASKRUNS_PORT]")
@click.option("--allowed-hosts", help="Additional names of the service, separated by commas.  [TASKRUNS_ALLOWED_HOSTS]")
@click.option(
    "--workers", type=int, help="The number of processes; more than one requires PostgreSQL (1).  [TASKRUNS_WORKERS]"
)
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Serve addresses other than loopback without API keys.  [TASKRUNS_INSECURE]",
)
@click.option(
    "--require-keys",
    is_flag=True,
    default=None,
    help="Require API keys on loopback addresses too.  [TASKRUNS_REQUIRE_KEYS]",
)
@click.option(
    "--log-format",
    type=click.Choice(["json", "console"]),
    help="The format of log lines (json; console on a terminal).  [TASKRUNS_LOG_FORMAT]",
)
def serve(**flags: Flag) -> None:
    """Serve the API until SIGTERM or Ctrl-C. Requests in progress finish first."""
    if sys.stderr.isatty():
        # For people, unless they say otherwise.
        flags["log_format"] = flags["log_format"] or os.environ.get(f"{PREFIX}LOG_FORMAT", "console")
    settings = read_settings(os.environ, **flags)
    capabilities = dialects.capabilities(settings.url)
    if settings.workers > 1 and not capabilities.is_async:
        raise ConfigurationError("SQLite supports one process. Use PostgreSQL for more --workers.")
    with _alone(settings):
        _bring_up(settings)
        _refuse_to_expose(settings)
        address = ports.resolve(settings.host, settings.port)
        click.echo(f"database  {dialects.shown_url(settings.url)}", err=True)
        if settings.read_url is not None:
            click.echo(f"standbys  {dialects.shown_url(settings.read_url)}", err=True)
        for risk in durability_risks(settings):
            click.echo(f"warning   {risk}", err=True)
    _serve(settings, address)


def _serve(settings: Settings, address: str) -> None:
    from taskruns_service.server import processes

    for name in Settings.__struct_fields__:
        os.environ[PREFIX + name.upper()] = str(getattr(settings, name))
    processes.become(
        processes.Serving(
            host=settings.host,
            address=address,
            port=settings.port,
            workers=settings.workers,
            connections=settings.connections,
            receive_timeout=settings.receive_timeout,
            log_level=settings.log_level,
            log_format=settings.log_format,
            ui=settings.ui,
            file=None if dialects.capabilities(settings.url).is_async else settings.url.database,
        )
    )


@cli.command()
@_database
def migrate(**flags: Flag) -> None:
    """Update the database schema. You can run this again at any time."""
    settings = read_settings(os.environ, **flags)
    with _alone(settings):
        change(settings, migrations.upgrade)
    click.echo(f"The database has the schema {ask(settings, migrations.current)}.")


@cli.command()
@_database
@click.option(
    "--flow-run", "flow_run_id", type=click.UUID, metavar="ID", help="Check only this flow run and its task runs."
)
def check(flow_run_id: UUID | None, **flags: Flag) -> None:
    """Check that the stored data is consistent. The service can keep running. The exit code is 1 if there are problems.

    Runs must match their histories, natural keys must be unique, sequences must be in order, and stored counts must
    match the counted rows. The pages of a SQLite file are checked too.
    """
    settings = read_settings(os.environ, **flags)
    ask(settings, migrations.verify)
    count = asyncio.run(_check(settings, flow_run_id))
    if count > FINDINGS:
        click.echo(f"Problems found: more than {FINDINGS}; the first are listed.")
    else:
        click.echo(f"Problems found: {count}." if count else "No problems found.")
    sys.exit(1 if count else 0)


async def _check(settings: Settings, flow_run_id: UUID | None) -> int:
    """Prints what is wrong, up to a bound; how many things that were, one more than the bound if there are others."""
    count = 0
    async with (
        opened(settings) as database,
        aclosing(integrity.check(database, flow_run_id)) as findings,
    ):
        async for finding in findings:
            count += 1
            if count > FINDINGS:
                break
            click.echo(str(finding))
    return count


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_database
def backup(file: Path, **flags: Flag) -> None:
    """Copy the SQLite database to FILE while the service runs. The copy is checked before it gets that name.

    The command never overwrites an existing file. For PostgreSQL, use its own tools, such as pg_dump.
    """
    settings = read_settings(os.environ, **flags)
    capabilities = dialects.capabilities(settings.url)
    if capabilities.is_async:
        raise ConfigurationError(
            f"This command copies SQLite files, but the database is {capabilities.name}. Use its own pg_dump, for "
            f"example `pg_dump --format=custom --file=taskruns.dump`."
        )
    dialects.back_up(Path(str(settings.url.database)), file)
    click.echo(f"Copied {settings.url.database} to {file} ({file.stat().st_size:,} bytes).")


@cli.command("import-prefect1")
@click.argument("url")
@_database
@click.option("--logs/--no-logs", default=True, help="Whether to copy the logs of flow runs (--logs).")
def import_prefect1(url: str, logs: bool, **flags: Flag) -> None:
    """Copy the data of a Prefect Server 1. URL is that of its PostgreSQL database, which is only read.

    Existing data is not changed, so you can run the command again, also after an interruption.
    """
    settings = read_settings(os.environ, **flags)
    bar = click.progressbar(length=0, label="task runs", file=sys.stderr, show_pos=True)
    with _alone(settings), ExitStack() as stack:
        _bring_up(settings)

        def show(done: int, total: int) -> None:
            if not bar.entered:
                bar.length = total
                stack.enter_context(bar)
            bar.update(done - bar.pos)

        async def run() -> importing.Imported:
            async with opened(settings) as database:
                return await importing.import_prefect1(url, database, show, with_logs=logs)

        imported = asyncio.run(run())
    for note in imported.notes:
        click.echo(note)
    for name, count in imported.copied.items():
        click.echo(f"{name:17}{count:>12}")
    if not imported.copied:
        click.echo("There is nothing new to copy.")


@cli.command()
@_database
@click.option("--older-than", "age", metavar="AGE", help="The minimum age of flow runs, such as 90d, 12h, or 2w.")
@click.option("--logs-older-than", "log_age", metavar="AGE", help="The minimum age of lines of logs.")
@click.option("--unfinished", is_flag=True, help="Also delete runs that never ended and have not changed since then.")
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="The approximate number of task runs, or of lines, to delete at a time.",
)
def prune(
    age: str | None, log_age: str | None, unfinished: bool, dry_run: bool, batch_size: int, **flags: Flag
) -> None:
    """Delete old flow runs with everything recorded about them, or old lines of logs. Results are not deleted.

    A flow run is as old as its end. Each batch is a separate transaction: you can stop the command at any time, and run
    it again to continue. On PostgreSQL, the service can keep running.
    """
    if age is None and (log_age is None or unfinished):
        raise ConfigurationError("Say what to delete: --older-than AGE, --logs-older-than AGE, or both.")
    before, lines_before = (None if text is None else time_before(datetime.now(UTC), text) for text in (age, log_age))
    settings = read_settings(os.environ, **flags)
    done = "There are" if dry_run else "Deleted"
    with _alone(settings):
        ask(settings, migrations.verify)
        if before is not None:
            chosen = [pruning.Old(before, unfinished=kind) for kind in sorted({False, unfinished})]
            if dry_run:
                parts = [ask(settings, pruning.count_old, old) for old in chosen]
            else:
                parts = [part for old in chosen for part in asyncio.run(_prune(settings, old, batch_size))]
            flow_runs, task_runs = (sum(numbers) for numbers in zip(*parts, strict=True))
            moment = f"{before:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{done} {flow_runs:,} flow runs from before {moment}, with {task_runs:,} task runs.")
        if lines_before is not None:
            if dry_run:
                lines = ask(settings, pruning.count_old_lines, lines_before)
            else:
                lines = asyncio.run(_prune_logs(settings, lines_before, batch_size))
            click.echo(f"{done} {lines:,} lines of logs from before {lines_before:%Y-%m-%d %H:%M} UTC.")


async def _prune(settings: Settings, old: pruning.Old, batch_size: int) -> list[pruning.Pruned]:
    parts = [pruning.Pruned()]
    async with opened(settings) as database:
        while (part := await database.transact(pruning.prune_batch, old, batch_size)).flow_runs:
            parts.append(part)
            flow_runs, task_runs = (sum(numbers) for numbers in zip(*parts, strict=True))
            click.echo(f"deleted   {flow_runs:,} flow runs, {task_runs:,} task runs", err=True)
    return parts


async def _prune_logs(settings: Settings, before: datetime, batch_size: int) -> int:
    part, lines = pruning.PrunedLogs(), 0
    async with opened(settings) as database:
        while part.last is not None:
            part = await database.transact(pruning.prune_log_batch, before, part.last, batch_size)
            lines += part.lines
            click.echo(f"deleted   {lines:,} lines of logs", err=True)
    return lines


@cli.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="The file to write. Default: standard output.",
)
def openapi(output: Path | None) -> None:
    """Write the OpenAPI document."""
    from taskruns_service.api import HANDLERS
    from taskruns_service.api.document import make_document

    document = make_document(HANDLERS)
    if output is None:
        click.echo(document, nl=False)
    else:
        output.write_bytes(document)


@cli.group("keys")
def keys_group() -> None:
    """Create, list, and revoke API keys."""


@keys_group.command("create")
@_database
@click.option("--scope", type=click.Choice(["read", "write"]), required=True, help="`write` includes `read`.")
@click.option("--name", required=True, help="The purpose of the key.")
def create_key(scope: keys.KeyScope, name: str, **flags: Flag) -> None:
    """Create an API key and print it. It cannot be printed again."""
    if not 1 <= len(name) <= NAME_LENGTH:
        raise ConfigurationError(f"A name must have 1 to {NAME_LENGTH} characters.")
    settings = _migrated(flags)
    click.echo(change(settings, keys.create_key, name, scope))


@keys_group.command("list")
@_database
def list_keys(**flags: Flag) -> None:
    """List the API keys, without their secrets."""
    for key in ask(_migrated(flags), keys.list_keys):
        state = f"revoked {key.revoked:%Y-%m-%d %H:%M}" if key.revoked else "valid"
        click.echo(f"{key.id}  {key.scope:5}  {key.created:%Y-%m-%d %H:%M}  {state:24}  {key.name}")


@keys_group.command("revoke")
@_database
@click.argument("key_id")
def revoke_key(key_id: str, **flags: Flag) -> None:
    """Revoke the API key with this id, which is the middle part of the key. It stops working within five seconds."""
    if not change(_migrated(flags), keys.revoke_key, key_id):
        raise ConfigurationError(f"There is no valid key {key_id}. See `taskruns-service keys list`.")
    click.echo(f"Revoked {key_id}.")


def _bring_up(settings: Settings) -> None:
    """Brings the schema up to date, or refuses one that is not; whoever calls this has the lock of a SQLite file."""
    if dialects.capabilities(settings.url).auto_migrates:
        change(settings, migrations.upgrade)
    else:
        ask(settings, migrations.verify)


def _migrated(flags: dict[str, Flag]) -> Settings:
    """The settings, once the database has the tables that keys are kept in."""
    settings = read_settings(os.environ, **flags)
    if dialects.capabilities(settings.url).auto_migrates:
        # What another process has open is not changed behind its back.
        with suppress(file_lock.Locked), _alone(settings):
            change(settings, migrations.upgrade)
    ask(settings, migrations.verify)
    return settings


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Holds the lock of a SQLite file; raises ConfigurationError for one that is damaged."""
    if dialects.capabilities(settings.url).is_async:
        yield
    else:
        private_files.create_folder(Path(str(settings.url.database)).parent)
        with file_lock.hold(str(settings.url.database)):
            dialects.refuse_damaged(Path(str(settings.url.database)))
            yield


def _refuse_to_expose(settings: Settings) -> None:
    """Nobody serves a network without keys by mistake."""
    if not is_loopback(settings.host) and settings.needs_keys and not ask(settings, keys.count_keys):
        raise ConfigurationError(
            f"Other machines can reach {settings.host}, and there are no API keys. Create one with `taskruns-service "
            f"keys create`, or pass --insecure."
        )


def main() -> None:
    """Runs the command line; what the user can mend is one line and exit code 2."""
    try:
        cli(prog_name=PROGRAM)
    except (ConfigurationError, ServiceError, OSError, *dialects.DATABASE_ERRORS) as error:
        # SQLAlchemy's own text has the statement and a link; the driver's, which it wraps, says what happened.
        sentence = str(getattr(error, "orig", None) or error).partition("\n")[0]
        click.echo(f"{PROGRAM}: {sentence}", err=True)
        sys.exit(2)
