"""The program: its groups of commands, what it says when something goes wrong, and its exit codes."""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from taskruns import __version__
from taskruns.cli import INTERRUPTED, filters, slowest
from taskruns.cli.commands import (
    DONE,
    NOT_DONE,
    Argument,
    Connection,
    Group,
    Option,
    Refusal,
    connection_options,
)
from taskruns.cli.flow_runs import flow_run
from taskruns.cli.list_command import form_options
from taskruns.cli.resolve import FAILED_FLOW_RUN, OF_FLOW, find_failed_flow_run_id, find_flow_run_id
from taskruns.cli.stored_results import result
from taskruns.cli.task_runs import task_run

PROGRAM = "taskruns"


@click.group(
    cls=Group,
    params=connection_options(hidden=False),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, prog_name=PROGRAM)
@click.pass_context
def cli(context: click.Context) -> None:
    """Look up the task runs of your workflow runs: what ran, its state, its duration, its result.

    Identify a flow run by its id or its name, or omit it for the latest. Identify a task run by its id, or by its slug
    for the one in the latest flow run that has it.
    """
    context.ensure_object(Connection)


cli.add_command(flow_run)
cli.add_command(task_run)
cli.add_command(result)


@cli.command(
    params=[FAILED_FLOW_RUN, OF_FLOW, *form_options("json")],
    examples=("why", "why brave-otter", "why --flow-name etl --json"),
)
@click.pass_obj
def why(connection: Connection, /, *, which: str | None, flow_name: str | None, form: str | None) -> None:
    """Show why a flow run failed.

    This groups its failed task runs by message, treating numbers as equal, and shows a traceback for each group. The
    default is the latest flow run that failed.
    """
    from taskruns.cli import output
    from taskruns.cli import why as report
    from taskruns.cli.failures import Failures, find_failures
    from taskruns.cli.waiting import warn_of_waiting_reports

    client = connection.client
    flow_run_id = (
        find_failed_flow_run_id(client, flow_name) if which is None else find_flow_run_id(client, which, flow_name)
    )
    failures = Failures(flow_run=None) if flow_run_id is None else find_failures(client, flow_run_id)
    if form == "json":
        output.write_json(failures)
    else:
        report.write(failures, flow_name)
    warn_of_waiting_reports()


@cli.command(
    "slowest",
    params=slowest.options(),
    examples=("slowest", "slowest --flow-name etl --since 7d --compare 7d", "slowest --task-runs -n 5 --json"),
)
@click.pass_obj
def show_slowest(
    connection: Connection, /, *, form: str | None, limit: int, task_runs: bool, **arguments: object
) -> None:
    """Show the slowest tasks of the last day, or its slowest task runs.

    Tasks are sorted by the 95th percentile of their durations. --since, --until and the other filters choose another
    period, or certain task runs. Mapped task runs are not counted, only their children.
    """
    slowest.show(connection.client, form, limit, filters.client_arguments(arguments), task_runs=task_runs)


@cli.command(
    params=[
        Argument(["text"], meaning="An id, its first 8 or more digits, or the beginning of a name."),
        *form_options("json", "csv"),
    ],
    examples=("find 8e445d74", "find brave", "find load- --json"),
)
@click.pass_obj
def find(connection: Connection, /, *, text: str, form: str | None) -> None:
    """Find runs by id or name.

    This finds runs by their ids, and flows, tasks and runs by the beginning of their names, in any case. It shows up to
    20.
    """
    from taskruns.cli import columns, list_command, output
    from taskruns.cli.list_writers import WRITERS, Layout
    from taskruns.cli.waiting import warn_of_waiting_reports

    hits = connection.client.service.search(q=text)
    if form == "json":
        output.write_json(hits)
    else:
        WRITERS[form](hits.items, Layout("hits", columns.HIT_COLUMNS, list_command.HIT_FIELDS), None)
    if hits.truncated:
        click.echo("There are more hits; to see others, write more of the name or the id.", err=True)
    warn_of_waiting_reports()


@cli.command(
    params=[
        Option(
            ["--folder"],
            type=click.Path(file_okay=False, path_type=Path),
            metavar="FOLDER",
            help="The folder of the reports. Default: ~/.taskruns/outbox, or outbox in TASKRUNS_HOME.",
        ),
        *form_options("json"),
    ],
    examples=("flush",),
)
@click.pass_obj
def flush(connection: Connection, /, *, folder: Path | None, form: str | None) -> int:
    """Send the reports that could not be sent earlier.

    Recorders store reports in a folder while the service is unavailable. Each report is sent to the service that it is
    for, or to the one of --url. The exit code is 1 if any report is left, was refused, or could not be read.
    """
    from taskruns.cli import flushing, output
    from taskruns.recording import outbox

    report = outbox.flush(folder, connection.client if "url" in connection.options or connection.profile else None)
    for problem in flushing.problem_lines(report):
        click.echo(problem, err=True)
    if form == "json":
        output.write_json(report)
    else:
        click.echo(flushing.summary(report))
    return flushing.exit_code(report)


@cli.command(examples=("demo",))
@click.pass_obj
def demo(connection: Connection, /) -> None:
    """Record three flow runs to try the commands on.

    brave-otter succeeded, calm-heron failed, and night-1 is running. The results of their task runs are written to
    ~/.taskruns/results/demo. Flow runs that the service already has are not changed.
    """
    from taskruns import settings
    from taskruns.cli.demo import FLOW_RUNS, is_recorded, record

    for example in FLOW_RUNS:
        is_new = not is_recorded(connection.client, example)
        if is_new:
            record(connection.client, example, settings.results_folder() / "demo")
        outcome = f"recorded with {len(example.task_runs)} task runs" if is_new else "already recorded"
        click.echo(f"{example.name} ({example.flow_name}) is {outcome}.")


@cli.command(examples=("config", "config --profile staging"))
@click.pass_obj
def config(connection: Connection, /) -> None:
    """Show which service the commands use, and where it is configured.

    Options override environment variables, which override the profile in the configuration file.
    """
    from taskruns.cli import output, profiles
    from taskruns.printable import printable

    file, client = profiles.path(), connection.client
    profile = profiles.read_profile(connection.profile)
    no_profile = "none" if file.exists() else "none, because the file does not exist"
    key = client.options.api_key
    output.write_record(
        [
            ("File", printable(str(file)), ""),
            ("Profile", no_profile if profile is None else printable(profile.name), ""),
            ("URL", printable(client.options.url), ""),
            ("API key", "none" if key is None else "set", ""),
            ("Timeout", f"{client.options.policy.timeout:g} s", ""),
        ]
    )


@cli.command(
    params=[Argument(["shell"], type=click.Choice(["bash", "zsh", "fish"]), meaning="The shell.")],
    examples=("completion bash >> ~/.bashrc", "completion fish > ~/.config/fish/completions/taskruns.fish"),
)
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    With the script, the shell completes commands, options, and their values.
    """
    completion_class = get_completion_class(shell)
    assert completion_class is not None
    click.echo(completion_class(cli, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())


def run(arguments: Sequence[str]) -> int:
    """Runs the program with these arguments; its exit code."""
    # A program that was started without its outputs, as with `>&-`, has None in their place.
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows few letters gets escapes, not an error.
            stream.reconfigure(errors="backslashreplace")
    try:
        for argument in arguments:
            argument.encode()
        return int(cli.main(list(arguments), prog_name=PROGRAM, standalone_mode=False) or DONE)
    except UnicodeEncodeError:
        error: click.ClickException = click.UsageError("The arguments must be UTF-8.")
    except click.Abort as abort:
        # At a question, or before a command begins, click makes this of Ctrl-C.
        return INTERRUPTED if isinstance(abort.__context__, KeyboardInterrupt) else NOT_DONE
    except click.ClickException as caught:
        error = caught
    except OSError as caught:
        # Of the help, which is written before any command begins.
        error = Refusal(str(caught))
    from taskruns.cli.problems import error_line

    click.echo(error_line(error), err=True)
    return error.exit_code
