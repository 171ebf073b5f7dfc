"""The filters of the service as options: one table, which a test holds to the service's document."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import click

from taskruns.cli import completions, param_types
from taskruns.cli.commands import Option
from taskruns.type_aliases import Arguments

WHICH = "Filters (repeat options for more values; STATE, GROUP, ID, and NUMBER can have commas)"
WHEN = "Times (TIME is like 7d, 2h, yesterday, 2021-05-12, 2021-05-12T18:00, or 2021-05-12T18:00:00Z)"


class Filter(NamedTuple):
    """A filter: its name in the API, the type of its value, what it leaves, and other names of its option."""

    name: str
    type: click.ParamType[object]
    leaves: str
    also: tuple[str, ...] = ()
    many: bool = False
    section: str = WHICH
    shown: str | None = None
    hidden: bool = False

    def option(self) -> Option:
        """The option of a command."""
        dashed = self.name.replace("_", "-")
        if self.type is click.BOOL:
            names = [f"--{dashed}/--no-{dashed}"]
            arguments: Arguments = {"default": None}
        else:
            names = [*self.also, f"--{dashed}"]
            arguments = {"type": self.type, "multiple": self.many, "metavar": self.type.name.upper()}
        if isinstance(self.type, param_types.Words):
            arguments["callback"] = param_types.together
        return Option(
            [self.name, *names],
            shell_complete=_COMPLETIONS.get(self.name),
            help=f"{self.leaves}.",
            section=self.section,
            shown=self.shown,
            hidden=self.hidden,
            **arguments,
        )


def _time(field: str, operator: str) -> Filter:
    """A filter of a time. The help shows two that are used most, and of the sixteen how they are made up."""
    name, spelled = f"{field}_{operator}", "--{start-time,end-time,created,updated}-{gte,gt,lte,lt} TIME"
    visible = {
        "start_time_gte": ("Started at or after this time", ("--since",), None),
        "start_time_lt": ("Started before this time", ("--until",), None),
        "updated_lt": (
            "Started, ended, created, or changed at or after, after, at or before, or before TIME",
            (),
            spelled,
        ),
    }
    leaves, also, shown = visible.get(name, ("", (), None))
    return Filter(name, param_types.TIME, leaves, also, section=WHEN, shown=shown, hidden=name not in visible)


_COMPLETIONS = {
    "task_slug": completions.task_slugs,
    "task_slug_prefix": completions.task_slugs,
    "flow_name": completions.flow_names,
}
_TIMES = ("start_time", "end_time", "created", "updated")
_OPERATORS = ("gte", "gt", "lte", "lt")
_FILTERS = (
    Filter("state", param_types.STATES, "In any of these states", ("-s",), many=True),
    Filter("state_not", param_types.STATES, "In none of these states", many=True),
    Filter(
        "state_group",
        param_types.GROUPS,
        "In any of these groups: pending, running, finished, successful, failed",
        ("-g",),
        many=True,
    ),
    Filter("task_slug", click.STRING, "Of any of these tasks", ("-t",), many=True),
    Filter("task_slug_prefix", click.STRING, "Of tasks whose slug starts with this"),
    Filter("task_name", click.STRING, "Of tasks with this name, whatever their number", many=True),
    Filter("map_index", param_types.INTEGERS, "With this map index; -1 if not a mapped child", many=True),
    Filter("is_mapped_parent", click.BOOL, "Only mapped parents, or no mapped parents"),
    Filter("is_mapped_child", click.BOOL, "Only mapped children, or no mapped children"),
    Filter("task_run_id", param_types.IDS, "With any of these ids", many=True),
    Filter("task_run_id_prefix", param_types.ID_PREFIX, "With an id that starts with this"),
    Filter("flow_run_id", param_types.IDS, "Of any of these flow runs", many=True),
    Filter("flow_run_id_prefix", param_types.ID_PREFIX, "With an id that starts with this"),
    Filter("flow_name", click.STRING, "Of any of these flows", ("-f",), many=True),
    Filter("name_contains", click.STRING, "With this text in their name, ignoring case"),
    Filter("parent_task_run_id", param_types.IDS, "That any of these task runs started", many=True),
    Filter("parent_flow_run_id", param_types.IDS, "That the task runs of any of these flow runs started", many=True),
    Filter("label", click.STRING, "With any of these labels", ("-l",), many=True),
    Filter("label_all", click.STRING, "With all of these labels", many=True),
    Filter("tag", click.STRING, "With any of these tags", many=True),
    Filter("tag_all", click.STRING, "With all of these tags", many=True),
    Filter("run_count_gte", click.INT, "That ran at least this many times"),
    Filter("is_stale", click.BOOL, "Running without a heartbeat for 90 seconds, or all others"),
    Filter("has_result", click.BOOL, "With a stored result, or without one"),
    Filter("message", click.STRING, "With this message, whatever the numbers in it", many=True),
    Filter("message_is_null", click.BOOL, "Without a message, or with one"),
    Filter("after_sequence", click.INT, "That changed after this sequence number of their flow run"),
    *(_time(field, operator) for field in _TIMES for operator in _OPERATORS),
    Filter("start_time_is_null", click.BOOL, "Not started, or started", section=WHEN),
    Filter("end_time_is_null", click.BOOL, "Not ended, or ended", section=WHEN),
    Filter("duration_gte", param_types.SECONDS, "That took at least this long: 90, 1.5, 5m", section=WHEN),
    Filter("duration_lte", param_types.SECONDS, "That took at most this long", section=WHEN),
    Filter("run_time_gte", param_types.SECONDS, "That were running at least this long", section=WHEN),
    Filter("run_time_lte", param_types.SECONDS, "That were running at most this long", section=WHEN),
    Filter("queue_time_gte", param_types.SECONDS, "That waited at least this long", section=WHEN),
    Filter("queue_time_lte", param_types.SECONDS, "That waited at most this long", section=WHEN),
)
_OF_FLOW_RUNS_ONLY = {
    *("flow_run_id_prefix", "parent_task_run_id", "parent_flow_run_id", "label", "label_all", "is_stale"),
}
_OF_TASK_RUNS_ONLY = {
    *("task_slug", "task_slug_prefix", "task_name", "map_index", "is_mapped_parent", "is_mapped_child", "task_run_id"),
    *("task_run_id_prefix", "tag", "tag_all", "run_count_gte", "has_result", "after_sequence"),
}
FLOW_RUN_FILTERS = [candidate for candidate in _FILTERS if candidate.name not in _OF_TASK_RUNS_ONLY]
TASK_RUN_FILTERS = [candidate for candidate in _FILTERS if candidate.name not in _OF_FLOW_RUNS_ONLY]
IN_ONE_FLOW_RUN = [candidate for candidate in TASK_RUN_FILTERS if candidate.name not in ("flow_run_id", "flow_name")]


def options(filters: Iterable[Filter]) -> list[click.Parameter]:
    """The options of a command that takes these filters."""
    return [candidate.option() for candidate in filters]


def client_arguments(filters: Mapping[str, object]) -> Arguments:
    """The filters that were given, as the client takes them."""
    return {name: value for name, value in filters.items() if value not in (None, (), [])}
