"""`taskruns flush`: what it says of the reports it sent, and the whole of it for where the extra `cli` is missing."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from taskruns.errors import TaskRunsError
from taskruns.printable import printable

if TYPE_CHECKING:
    from taskruns.recording.outbox import Flushed


def summary(report: "Flushed") -> str:
    """What became of the reports, in one line."""
    if not (report.sent or report.refused or report.unreadable or report.left):
        return "There is nothing to send."
    unreadable = f", {report.unreadable} unreadable" if report.unreadable else ""
    return f"Reports: {report.sent} sent, {report.refused} refused{unreadable}. Files left: {report.left}."


def problem_lines(report: "Flushed") -> list[str]:
    """What went wrong, in a line each, for standard error."""
    return [f"taskruns flush: {printable(problem)}" for problem in report.problems]


def exit_code(report: "Flushed") -> int:
    """The exit code: 1 if any report is left, was refused or could not be read."""
    return int(bool(report.refused or report.unreadable or report.left))


def run_plain(arguments: Sequence[str]) -> int:
    """Runs `taskruns flush` with the standard library alone; returns its exit code."""
    parser = argparse.ArgumentParser(
        "taskruns flush",
        description="Send the reports that could not be sent earlier. The `cli` extra of taskruns adds more options.",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="the folder of the reports (default: ~/.taskruns/outbox, or outbox in TASKRUNS_HOME)",
    )
    parser.add_argument("--url", help="the service to send them to (default: the one that each report is for)")
    options = parser.parse_args(arguments)
    from taskruns.client import Client
    from taskruns.recording import outbox

    try:
        with nullcontext() if options.url is None else Client(options.url) as client:
            report = outbox.flush(options.folder, client)
    except (TaskRunsError, OSError) as error:
        sys.stderr.write(f"taskruns flush: {printable(str(error))}\n")
        return 1
    sys.stderr.writelines(f"{line}\n" for line in problem_lines(report))
    sys.stdout.write(f"{summary(report)}\n")
    return exit_code(report)
