"""The results of a mapped task run: those of its children, each in the place that its map index gives it."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeAlias, TypeVar

from taskruns.errors import ChildError, ChildMissing, ChildNotReady, ChildWithoutResult
from taskruns.models import ChildResult, ConstantResult, ResultReference
from taskruns.states import State

T = TypeVar("T")
Missing: TypeAlias = Literal["raise", "none"]

READERS = 16
"""How many results of children are read at once."""
MAX_GAPS = 100_000
"""How many children may be missing: a map index may be as large as two billion, and each gap is an item of the list."""


def check_missing(missing: str) -> None:
    """Raises ValueError unless `missing` is "raise" or "none"."""
    if missing not in ("raise", "none"):
        raise ValueError(f'missing is {missing!r}, but must be "raise" or "none".')


def kept_reference(child: ChildResult | None) -> ResultReference | None:
    """Where the result of a child is; None if the child is not there or its result was not kept."""
    reference = None if child is None else child.reference
    if reference is None or (reference.location is None and not isinstance(reference, ConstantResult)):
        return None
    return reference


def in_places(task_slug: str, children: Iterable[ChildResult]) -> list[ChildResult | None]:
    """Returns the children at their map indexes, with None where the service has none.

    Children above the highest map index are not known to be missing.

    Raises:
        ChildMissing: If more than MAX_GAPS are missing.
    """
    by_index = {child.map_index: child for child in children if child.map_index >= 0}
    width = max(by_index, default=-1) + 1
    if width - len(by_index) > MAX_GAPS:
        raise ChildMissing(
            f"{task_slug} has {len(by_index)} children with map indexes up to {width - 1}: more than {MAX_GAPS} are "
            "missing between them. iter_mapped() returns the existing ones."
        )
    return [by_index.get(index) for index in range(width)]


def load_children(
    task_slug: str, children: Sequence[ChildResult | None], missing: Missing, load: Callable[[ResultReference], T]
) -> list[T | None]:
    """Loads the results of the children of a map, several at once, in the order of their map indexes.

    Raises:
        ChildError: If a child is missing or has no result, and `missing` is "raise".
    """
    if missing == "raise":
        for index, child in enumerate(children):
            if kept_reference(child) is None:
                raise _child_error(task_slug, index, child)

    def value(child: ChildResult | None) -> T | None:
        reference = kept_reference(child)
        return None if reference is None else load(reference)

    with ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="taskruns-result") as readers:
        try:
            return list(readers.map(value, children))
        except BaseException:
            readers.shutdown(wait=False, cancel_futures=True)
            raise


def _child_error(task_slug: str, index: int, child: ChildResult | None) -> ChildError:
    others = 'get_result(missing="none") returns the others.'
    if child is None:
        return ChildMissing(
            f"{task_slug} has no child with the map index {index}, but has children with higher ones; {others}"
        )
    sentence = f"{task_slug} has no result for the item {index}, which is {child.state}"
    if not State(child.state).is_finished():
        return ChildNotReady(f"{sentence}: try again when it is finished; {others}")
    return ChildWithoutResult(f"{sentence}; {others}")
