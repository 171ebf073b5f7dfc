"""Parents: those of maps, brought up to date with the children that have changed."""

from collections.abc import Iterable, Mapping, Sequence

from taskruns_service.commands.unit_of_work.entries import NaturalKey, TaskRunEntry
from taskruns_service.storage.dialects import Row
from taskruns_service.storage.maps import Change, Children, MapKey, Times, times_of_run


def parent_key(key: MapKey) -> NaturalKey:
    """What the parent of a map is known by."""
    return *key, -1


def changes_of(task_runs: Iterable[TaskRunEntry]) -> dict[MapKey, Change]:
    """What has changed with the children among these, by map."""
    changes: dict[MapKey, Change] = {}
    for child in task_runs:
        if child.map_index >= 0 and _has_other_times(child):
            changes.setdefault((child.flow_run.id, child.task_slug), Change()).add(child.read_run, child.run)
    return changes


def times_of(changes: Mapping[MapKey, Change], merged: Sequence[Row]) -> dict[MapKey, Times | None]:
    """The times of those maps that may have others now, of rows with the columns that a merge of the changes returns.

    They are None where the children have to be counted again.
    """
    times: dict[MapKey, Times | None] = {}
    for flow_run_id, task_slug, *values, previous_start in merged:
        children, change = Children(*values), changes[flow_run_id, task_slug]
        if not children.is_known:
            times[flow_run_id, task_slug] = None
        elif children.open in (0, change.opened) or children.start_time != previous_start:
            times[flow_run_id, task_slug] = children.times
    return times | {key: None for key, change in changes.items() if change.starts_later}


def _has_other_times(child: TaskRunEntry) -> bool:
    before, after = child.read_run, child.run
    return before is None or times_of_run(before) != times_of_run(after)
