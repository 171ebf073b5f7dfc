"""What went wrong, in one line and in the words of the command line."""

import re

import click

from taskruns.cli.commands import Refusal
from taskruns.errors import ConnectionFailed, InvalidRequest, InvalidSetting, NoSuchTaskRun, TaskRunsError
from taskruns.printable import printable

# What the library says in Python, in options.
_IN_OPTIONS = {
    'get_result(missing="none") returns': "--missing none shows",
    "`trust=True`": "--trust",
    "max_bytes": "--max-bytes",
    "send `force`": "use --force",
    "pass `api_key=`, or": "pass --api-key, or",
}
_HINTS: dict[type[TaskRunsError], str] = {
    ConnectionFailed: "Set its URL with --url or TASKRUNS_URL.",
    NoSuchTaskRun: "To see the task runs of a flow run, use `taskruns flow-run tasks`.",
}


def to_click_error(error: Exception, context: click.Context) -> click.ClickException:
    """Returns the message for an error that a command does not handle; re-raises unexpected errors."""
    if isinstance(error, InvalidRequest):
        faults = error.problem.errors or []
        named = [f"--{fault.parameter.replace('_', '-')}: {fault.detail}" for fault in faults if fault.parameter]
        return click.UsageError(" ".join(named) or str(error), context)
    if isinstance(error, InvalidSetting):
        return click.UsageError(str(error), context)
    if isinstance(error, TaskRunsError):
        hints = (hint for kind, hint in _HINTS.items() if isinstance(error, kind))
        sentence = " ".join([str(error), *getattr(error, "__notes__", []), *hints])
        for python, option in _IN_OPTIONS.items():
            sentence = sentence.replace(python, option)
        return Refusal(sentence)
    if isinstance(error, OSError):
        return Refusal(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    raise error


def error_line(error: click.ClickException) -> str:
    """Returns the line for standard error; without any arguments this is the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    context = getattr(error, "ctx", None)
    path = "taskruns" if context is None else context.command_path
    sentence = printable(re.sub(r"\s+", " ", error.format_message()))
    hint = f" See `{path} --help`." if isinstance(error, click.UsageError) else ""
    return f"{path}: {sentence}{hint}"
