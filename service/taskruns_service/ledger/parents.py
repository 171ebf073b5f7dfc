"""Parents: those of maps, brought up to date with the children that have changed."""

from collections.abc import Iterable, Iterator, Mapping

from taskruns_service.ledger.entries import NaturalKey, TaskRunEntry
from taskruns_service.states import Run


def parent_key(key: NaturalKey) -> NaturalKey:
    """What the parent of a child is known by."""
    flow_run_id, task_slug, _ = key
    return flow_run_id, task_slug, -1


def settle(task_runs: Iterable[TaskRunEntry], by_key: Mapping[NaturalKey, TaskRunEntry]) -> Iterator[TaskRunEntry]:
    """Gives mapped parents what they keep of their children; yields those that are shown with other times now."""
    children: list[TaskRunEntry] = []
    parents: dict[NaturalKey, TaskRunEntry] = {}
    for entry in task_runs:
        if entry.map_index >= 0:
            children.append(entry)
        elif not entry.is_mapped_parent:
            entry.counted = entry.children is not None
            entry.children = None
        else:
            parents[entry.key] = entry
            # One that has just been mapped: its children may have been there before.
            entry.recounts = entry.children is None
    before = {key: parent.shown for key, parent in parents.items()}
    for child in children:
        parent = parents.get(parent_key(child.key))
        if parent is not None and parent.children is not None and _has_other_times(child):
            parent.children, parent.counted = parent.children.changed(child.read_run, child.run), True
            parent.recounts |= _starts_later(child)
    for key, parent in parents.items():
        parent.recounts |= parent.children is not None and not parent.children.is_known
        if parent.recounts or _times(parent.shown) != _times(before[key]):
            yield parent


def _has_other_times(child: TaskRunEntry) -> bool:
    return child.read_run is None or _times(child.read_run) != _times(child.run)


def _starts_later(child: TaskRunEntry) -> bool:
    """Whether it does not start any more when it did: only a child whose history was not imported can do that."""
    before = None if child.read_run is None else child.read_run.start_time
    return before is not None and (child.run.start_time is None or child.run.start_time > before)


def _times(run: Run) -> tuple[object, object]:
    return run.start_time, run.end_time
