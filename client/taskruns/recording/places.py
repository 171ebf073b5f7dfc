"""Where task runs of a flow run keep their results: each has a place of its own, so that none overwrites another's."""

import threading
from contextlib import suppress
from typing import Final, TypeAlias

from taskruns.errors import ResultError
from taskruns.recording.progress import TaskRunSpec
from taskruns.results import ConstantResult, InvalidTemplate, LocalResult, PrefectResult, Storage
from taskruns.results.folders import mark


class Default:
    """Says of a `result` that it was not given."""

    def __repr__(self) -> str:
        return "LocalResult()"


DEFAULT: Final = Default()
ResultOption: TypeAlias = Storage | Default | None


class Places:
    """The places that are taken."""

    def __init__(self, url: str) -> None:
        """None is taken; `url` is of the service that has the flow run."""
        self._url = url
        self._is_marked = False
        self._lock = threading.Lock()
        self._owners: dict[str, str] = {}

    def claim(self, spec: TaskRunSpec) -> None:
        """Takes the place of a task run's result.

        Raises:
            ValueError: If another task run has taken it.
        """
        self._mark(spec)
        storage = spec.result
        # Without a location of its own, a storage keeps results by flow run, slug and map index.
        if isinstance(storage, PrefectResult | ConstantResult | None) or storage.location is None:
            return
        try:
            place = storage.place(**spec.fields)
        except InvalidTemplate:
            return  # which writing the result will say
        owner = spec.task_slug if spec.map_index < 0 else f"{spec.task_slug}[{spec.map_index}]"
        with self._lock:
            first = self._owners.setdefault(place, owner)
        if first != owner:
            raise ValueError(
                f"{owner} would overwrite the result of {first} at {place}: the location {storage.location!r} needs "
                f"{{task_slug}} and, for a map, {{map_index}}."
            )

    def _mark(self, spec: TaskRunSpec) -> None:
        """Notes where the results are which service has the flow run: `taskruns result prune` goes by that."""
        storage = spec.result
        if self._is_marked or not isinstance(storage, LocalResult) or (storage.dir, storage.location) != (None, None):
            return
        self._is_marked = True
        with suppress(ResultError):  # as will be said of the results themselves
            mark(spec.flow_run_id, self._url)
