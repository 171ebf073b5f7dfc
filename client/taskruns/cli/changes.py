"""Changes: the options that say which state, what became of it, and the question before something is deleted."""

import sys

import click
from click.shell_completion import CompletionItem

from taskruns.cli.commands import Argument, Option, Refusal
from taskruns.cli.param_types import known_states, nearest
from taskruns.type_aliases import Arguments

MESSAGE = Option(["-m", "--message"], metavar="TEXT", help="A human-readable message.")
YES = Option(["-y", "--yes"], is_flag=True, help="Do not ask for confirmation.")


class StateName(click.ParamType[str]):
    """The type of a state, with capitals or without."""

    name = "state"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The type as the service writes it."""
        as_written = {state.lower(): state for state in known_states()}
        if (state := as_written.get(str(value).lower())) is None:
            meant = nearest(str(value), as_written.values())
            self.fail(
                f"There is no state {value!r}. {meant}The states are {', '.join(as_written.values())}.", param, ctx
            )
        return state

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The states that begin so."""
        return [CompletionItem(state) for state in known_states() if state.lower().startswith(incomplete.lower())]


def state_options() -> list[click.Parameter]:
    """The argument and the options that say to which state a run comes."""
    return [
        Argument(["state"], type=StateName(), metavar="STATE", meaning="The new state, such as Failed or Cancelled."),
        MESSAGE,
        Option(["--force"], is_flag=True, help="Set the state even if it reopens a finished run."),
    ]


def state_arguments(state: str, message: str | None, *, force: bool = False) -> Arguments:
    """The arguments of the client's methods that report a state."""
    arguments = {"type": state, "message": message, "force": force or None}
    return {name: value for name, value in arguments.items() if value is not None}


def confirm(outcome: str, state: str, run: str) -> None:
    """Says what became of a state."""
    if outcome == "late":
        click.echo(f"The {run} stays {state}: it has a newer state.")
    else:
        click.echo(f"The {run} is {state}.")


def ask(question: str, *, yes: bool) -> None:
    """Asks a person before something is deleted, unless they said `--yes`; refuses if they do not want it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for confirmation. To delete without it, pass --yes.")
    if not click.confirm(question, err=True):
        raise Refusal("Nothing was deleted.")
