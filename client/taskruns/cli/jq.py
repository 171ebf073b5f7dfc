"""`--jq`: what a command writes as JSON, sent through the program jq."""

import io
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout

import click

from taskruns.cli.commands import Refusal
from taskruns.cli.output import on_terminal, write_text
from taskruns.printable import printable

_NOT_COMPILED = 3


@contextmanager
def filtered(expression: str) -> Generator[None]:
    """Has standard output go through jq; texts come without quotes, as scripts need them.

    Raises:
        Refusal: If jq is not installed, or does not get through with the answer.
        UsageError: If it does not understand the expression.
    """
    if (program := shutil.which("jq")) is None:
        raise Refusal("--jq needs the program jq, which is not installed. Use --json to write the JSON unchanged.")
    written = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(written):
        yield
        written.flush()
    document = written.buffer.getvalue()
    done = subprocess.run([program, "--raw-output", expression], input=document, capture_output=True, check=False)
    shown = done.stdout.decode()
    write_text("\n".join(map(printable, shown.split("\n"))) if on_terminal() else shown)
    sys.stdout.flush()
    if done.returncode:
        message = f"--jq: {done.stderr.decode(errors='replace')}"
        if done.returncode == _NOT_COMPILED:
            raise click.UsageError(message, click.get_current_context())
        raise Refusal(message)
