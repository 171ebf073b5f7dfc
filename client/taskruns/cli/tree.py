"""`taskruns flow-run tree`: the flow runs that led to a flow run, and those that it started."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from taskruns.cli import columns, formatting, output
from taskruns.errors import FlowRunNotFound, TaskRunNotFound
from taskruns.models import FlowRun, FlowRunSummary, StateType, TaskRun
from taskruns.printable import printable

if TYPE_CHECKING:
    from taskruns.client import Client

MAX_DEPTH = 10
"""How many generations of parents are read, and how many of children."""
MAX_CHILDREN = 200
"""How many flow runs below one are read in all."""
_BATCH_SIZE = 100
"""How many ids a filter takes."""


class TreeNode(Struct, kw_only=True):
    """A flow run in a tree, with the task run that started it."""

    id: UUID
    name: str
    flow_name: str
    state: StateType
    duration: float | None
    parent_task_run_id: UUID | None
    parent_task: str | None = None
    """The task run that started it, as commands take it; None if none did, or if the service does not know it."""
    children: "list[TreeNode]" = []


class Tree(Struct, frozen=True, kw_only=True):
    """The parents of a flow run and the flow runs that it started."""

    flow_run_id: UUID
    root: TreeNode
    """The first parent that is known; on the way to the flow run, each parent has only one child here."""
    truncated: bool
    """Whether there may be more parents or children than were read."""


def find_tree(client: "Client", flow_run_id: UUID) -> Tree:
    """Reads the tree of a flow run; one that is its own parent, by whatever way, is in it once."""
    flow_run = client.flow_runs.get(flow_run_id)
    node = _node(flow_run)
    known = {flow_run.id}
    has_all_children = _add_children(client, node, known)
    root, has_all_parents = _add_parents(client, node, flow_run, known)
    return Tree(flow_run_id=flow_run.id, root=root, truncated=not (has_all_parents and has_all_children))


def _add_parents(client: "Client", node: TreeNode, flow_run: FlowRun, known: set[UUID]) -> tuple[TreeNode, bool]:
    """Puts a node below its parents; the first of them, and whether there are no more."""
    for _ in range(MAX_DEPTH):
        if flow_run.parent_task_run_id is None:
            return node, True
        try:
            task_run = client.task_runs.get(flow_run.parent_task_run_id)
            flow_run = client.flow_runs.get(task_run.flow_run_id)
        except (TaskRunNotFound, FlowRunNotFound):
            return node, True
        node.parent_task = columns.task_of(task_run)
        if flow_run.id in known:
            return node, True
        known.add(flow_run.id)
        parent = _node(flow_run)
        parent.children = [node]
        node = parent
    return node, flow_run.parent_task_run_id is None


def _add_children(client: "Client", root: TreeNode, known: set[UUID]) -> bool:
    """Puts the flow runs that were started below a node, generation by generation; whether there are no more."""
    generation = {root.id: root}
    for _ in range(MAX_DEPTH):
        limit = MAX_CHILDREN + 1 - len(known)
        children = list(islice(_children_of(client, list(generation)), limit + 1))
        parents = _task_runs(client, [child.parent_task_run_id for child in children[:limit]])
        following: dict[UUID, TreeNode] = {}
        for child in children[:limit]:
            task_run = parents.get(child.parent_task_run_id)
            if task_run is None or child.id in known:
                continue
            known.add(child.id)
            node = following[child.id] = _node(child)
            node.parent_task = columns.task_of(task_run)
            parent = generation[task_run.flow_run_id]
            parent.children = [*parent.children, node]
        if len(children) > limit:
            return False
        if not following:
            return True
        generation = following
    return next(_children_of(client, list(generation)), None) is None


def _children_of(client: "Client", flow_run_ids: list[UUID]) -> Iterator[FlowRunSummary]:
    for start in range(0, len(flow_run_ids), _BATCH_SIZE):
        batch = flow_run_ids[start : start + _BATCH_SIZE]
        yield from client.flow_runs.list(parent_flow_run_id=batch, sort="created", limit=MAX_CHILDREN)


def _task_runs(client: "Client", ids: list[UUID | None]) -> dict[UUID | None, TaskRun]:
    wanted = list(dict.fromkeys(id_ for id_ in ids if id_ is not None))
    batches = (wanted[start : start + _BATCH_SIZE] for start in range(0, len(wanted), _BATCH_SIZE))
    return {task_run.id: task_run for batch in batches for task_run in client.task_runs.list(task_run_id=batch)}


def _node(flow_run: FlowRun | FlowRunSummary) -> TreeNode:
    return TreeNode(
        id=flow_run.id,
        name=flow_run.name,
        flow_name=flow_run.flow_name,
        state=flow_run.state,
        duration=flow_run.duration,
        parent_task_run_id=flow_run.parent_task_run_id,
    )


def write(tree: Tree) -> None:
    """Writes a line for each flow run, below that of its parent."""
    output.write_lines(_lines(tree))


def _lines(tree: Tree) -> Iterator[tuple[str, str]]:
    for node, depth in _nodes(tree.root, 0):
        started_by = "" if node.parent_task is None else f"{printable(node.parent_task)}: "
        took = "" if node.duration is None else f"  {formatting.duration(node.duration)}"
        title = f"{printable(node.name)} ({printable(node.flow_name)})"
        style = "bold" if node.id == tree.flow_run_id else formatting.style_of(node.state)
        yield f"{'  ' * depth}{started_by}{title}  {node.state}{took}  {node.id}", style
    if tree.truncated:
        yield f"There may be more: {MAX_DEPTH} generations and {MAX_CHILDREN} flow runs below are shown at most.", ""


def _nodes(node: TreeNode, depth: int) -> Iterator[tuple[TreeNode, int]]:
    yield node, depth
    for child in node.children:
        yield from _nodes(child, depth + 1)
