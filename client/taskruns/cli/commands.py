"""What all commands share: an example and sections in the help, and the options that say where the service is."""

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from taskruns.cli import INTERRUPTED
from taskruns.cli.param_types import SECONDS
from taskruns.type_aliases import Arguments

if TYPE_CHECKING:
    from taskruns.client import Client


DONE, NOT_DONE = 0, 1
"""Exit codes: what was asked is done, or could not be. A wrong question is 2, as click has it."""
_OTHER = "Options"
_WIDEST_NAMES = 34
_COMMAND_MARGIN = 6
"""How many columns the list of commands leaves beside their names and their help."""


class Connection:
    """Where the service is, as the options say; it connects when a command first asks for `client`."""

    def __init__(self) -> None:
        """Nothing was said yet: all comes from the environment, and from the configuration file below that."""
        self.options: Arguments = {}
        self.profile: str | None = None

    @property
    def settings(self) -> Arguments:
        """The options of a client: those of the command line, and of the profile what the environment does not say.

        Raises:
            UsageError: If the configuration file is not as it should be.
        """
        from taskruns.cli.profiles import read_profile

        profile = read_profile(self.profile)
        return self.options if profile is None else {**profile.options, **self.options}

    @cached_property
    def client(self) -> "Client":
        """The client, which is closed when the command ends."""
        from taskruns.client import Client  # imports httpx, which takes longer than all the rest

        client = Client(**self.settings)
        click.get_current_context().call_on_close(client.close)
        return client


class Refusal(click.ClickException):
    """What was asked for could not be done."""

    exit_code = 1


class Option(click.Option):
    """An option that stands in a section of the help; `shown` are the names that stand there, if not its own."""

    def __init__(
        self, names: Sequence[str], *, section: str = _OTHER, shown: str | None = None, **attributes: Any
    ) -> None:
        """Takes the arguments of click's own option as well."""
        super().__init__(names, **attributes)
        self.section = section
        self.shown = shown

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option's names and what it does."""
        record = super().get_help_record(ctx)
        return (self.shown, record[1]) if record is not None and self.shown is not None else record

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        """Nothing: what there is to say about defaults and bounds, the help says in words."""
        return {}


class Argument(click.Argument):
    """A positional argument that the help explains."""

    section = "Arguments"

    def __init__(self, names: Sequence[str], *, meaning: str, **attributes: Any) -> None:
        """Takes the arguments of click's own argument as well."""
        super().__init__(names, **attributes)
        self.meaning = meaning

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The argument's name and what it means."""
        return self.make_metavar(ctx), self.meaning


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    if value is not None:
        context.ensure_object(Connection).options[str(option.name)] = value


def _choose(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Connection).profile = value


def _log(context: click.Context, option: click.Parameter, value: bool) -> None:
    log = logging.getLogger("taskruns")
    if value and not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)


_CONNECTION: tuple[tuple[list[str], Arguments], ...] = (
    (
        ["--url"],
        {"metavar": "URL", "help": "The URL of the service (http://127.0.0.1:4200).  [TASKRUNS_URL]"},
    ),
    (
        ["--api-key"],
        {
            "metavar": "KEY",
            "help": "The API key. Other users can see it here, so set the variable instead.  [TASKRUNS_API_KEY]",
        },
    ),
    (
        ["--timeout"],
        {
            "metavar": "SECONDS",
            "type": SECONDS,
            "help": "The time to wait for a response (30).  [TASKRUNS_TIMEOUT]",
        },
    ),
    (
        ["--profile"],
        {
            "metavar": "NAME",
            "callback": _choose,
            "help": "The profile of the configuration file; see `taskruns config`.  [TASKRUNS_PROFILE]",
        },
    ),
    (
        ["-v", "--verbose"],
        {"is_flag": True, "callback": _log, "help": "Log requests and responses on standard error."},
    ),
)


def connection_options(*, hidden: bool) -> list[click.Parameter]:
    """The options that say where the service is; every command takes them, the help of `taskruns` shows them."""
    section = "Connection (also allowed after the command)"
    shared: Arguments = {"callback": _remember, "expose_value": False, "hidden": hidden, "section": section}
    return [Option(names, **(shared | attributes)) for names, attributes in _CONNECTION]


def _write_options(params: Iterable[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in params:
        if (record := param.get_help_record(ctx)) is not None:
            sections.setdefault(getattr(param, "section", _OTHER), []).append(record)
    # What every command has, such as --help, comes last.
    sections[_OTHER] = sections.pop(_OTHER)
    for section, records in sections.items():
        with formatter.section(section):
            formatter.write_dl(records, col_max=_WIDEST_NAMES)


def _write_aliases(aliases: Sequence[str], formatter: click.HelpFormatter) -> None:
    if aliases:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(f"Aliases: {', '.join(aliases)}.")


class Command(click.Command):
    """A command with examples, and sections of options, in its help."""

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), aliases: Sequence[str] = (), **attributes: Any
    ) -> None:
        """Takes the arguments of click's own command as well; each example is what follows `taskruns`."""
        super().__init__(*args, **attributes)
        self.examples = examples
        self.aliases = aliases
        own = {name for param in self.params for name in param.opts}
        self.params += [option for option in connection_options(hidden=True) if own.isdisjoint(option.opts)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the arguments; options that exclude each other, as `--json` and `--csv` do, are a usage error."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        by_name: dict[str | None, click.Parameter] = {}
        for param in order:
            if (other := by_name.setdefault(param.name, param)) is not param:
                raise click.UsageError(f"{other.opts[-1]} and {param.opts[-1]} cannot be used together.", ctx)
            if not set(args).isdisjoint(param.opts) and not set(args).isdisjoint(param.secondary_opts):
                raise click.UsageError(f"{param.opts[-1]} and {param.secondary_opts[-1]} cannot be used together.", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> int:
        """Runs the command; its exit code."""
        try:
            code = self._invoke_filtered(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            # Who reads has seen enough, as `head` has.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except Exception as error:
            from taskruns.cli.problems import to_click_error

            raise to_click_error(error, ctx) from error
        return code or DONE

    def _invoke_filtered(self, ctx: click.Context) -> Any:
        """Runs the command, with its output through jq if that was asked for."""
        expression = ctx.params.pop("jq", None)
        if expression is None:
            return super().invoke(ctx)
        if ctx.params["form"] not in (None, "json"):
            raise click.UsageError("--jq works on JSON: omit the other format.", ctx)
        if ctx.params.get("output") is not None:
            raise click.UsageError("--jq and --output cannot be used together: --output writes the result itself.", ctx)
        ctx.params["form"] = "json"
        from taskruns.cli.jq import filtered

        with filtered(expression):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the other names, the examples, and the options by section."""
        _write_aliases(self.aliases, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}taskruns {example}\n")
        _write_options(self.get_params(ctx), ctx, formatter)


class Group(click.Group):
    """A group of such commands, shown in the order in which they were written."""

    command_class = Command

    def __init__(self, *args: Any, aliases: Sequence[str] = (), **attributes: Any) -> None:
        """Takes the arguments of click's own group as well."""
        super().__init__(*args, **attributes)
        self.aliases = aliases

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the other names, the commands, and the options by section."""
        _write_aliases(self.aliases, formatter)
        self.format_commands(ctx, formatter)
        _write_options(self.get_params(ctx), ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands, each with its aliases."""
        names = {", ".join([name, *_aliases_of(command)]): command for name, command in self.commands.items()}
        width = formatter.width - max(map(len, names)) - _COMMAND_MARGIN
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(width)) for name, command in names.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name, or with the name that it is an alias of."""
        return super().get_command(ctx, cmd_name) or self._by_alias.get(cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands and options that begin so; aliases if there is none."""
        return super().shell_complete(ctx, incomplete) or [
            CompletionItem(alias, help=command.get_short_help_str())
            for alias, command in self._by_alias.items()
            if alias.startswith(incomplete)
        ]

    @property
    def _by_alias(self) -> dict[str, click.Command]:
        return {alias: command for command in self.commands.values() for alias in _aliases_of(command)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, the most common first."""
        return list(self.commands)


def _aliases_of(command: click.Command) -> Sequence[str]:
    return command.aliases if isinstance(command, Command | Group) else ()
