"""Counts of task runs that REST's aggregates answer: from the tally, or from a window of time.

The tally costs the same however many task runs there are, and a window costs what is in it.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from taskruns_service.prefect1.graph.computed import stored_states
from taskruns_service.prefect1.graph.conditions import read_value
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.selections import Aggregates, AggregateSelection, Constant, Count, Part, RowQuery
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import AggregateQuestion
from taskruns_service.queries.filters import BOUNDS
from taskruns_service.storage.dialects import encode_json

_TASK_RUN = ENTITIES["task_run"]
_TALLIED = {
    ("state",): "state",
    ("task_slug",): "task_slug",
    ("task", "slug"): "task_slug",
    ("flow_run_id",): "flow_run_id",
}
"""The conditions that the tally knows, by the path to their comparisons, with the field that they are about."""
_TIMES = {("start_time",): "start_time", ("end_time",): "end_time"}
"""The same of the times of a window."""
_BOUNDS = {f"_{operator}": operator for operator in sorted(BOUNDS)}
"""The operators of filters by those of comparisons."""


def count_question(selection: AggregateSelection) -> AggregateQuestion | None:
    """The question that has the same answer; None if more is selected than how many some task runs are."""
    row_query = selection.row_query
    if row_query != RowQuery(where=row_query.where) or not all(map(_is_count, selection.parts.values())):
        return None
    where: dict[str, list[object]] = {}
    bounds: dict[str, object] = {}
    for path, comparisons in _paths(row_query.where):
        if path in _TIMES and (bounds_of_time := _bounds(_TIMES[path], comparisons)):
            bounds |= bounds_of_time
            continue
        field, values = _TALLIED.get(path), _values(comparisons)
        if field is None or values is None or field in where:
            return None
        where[field] = [read_value(_TASK_RUN.fields[field].scalar, value) for value in values]
    if "state" in where:
        where["state"] = stored_states(where["state"])
    if [] in where.values():
        return None
    return AggregateQuestion(where={**where, **bounds})


def _paths(where: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, value in where.items():
        match value:
            case {"slug": comparisons, **others} if not others:
                yield (name, "slug"), comparisons
            case _:
                yield (name,), value


def _values(comparisons: object) -> list[object] | None:
    """The values that a field may have, none of them null; None where other comparisons restrict it."""
    match comparisons:
        case {"_eq": value, **others} if not others and value is not None:
            return [value]
        case {"_in": [_, *_] as values, **others} if not others and None not in values:
            return list(values)
    return None


def _bounds(field: str, comparisons: object) -> dict[str, object]:
    """The filters that bound a time as comparisons do; empty where other comparisons restrict it."""
    if not isinstance(comparisons, Mapping) or not comparisons.keys() <= _BOUNDS.keys() or None in comparisons.values():
        return {}
    scalar = _TASK_RUN.fields[field].scalar
    return {f"{field}_{_BOUNDS[name]}": read_value(scalar, value) for name, value in comparisons.items()}


def _is_count(part: Part) -> bool:
    match part:
        case Aggregates(measures):
            return all(isinstance(measure, Constant) or measure == Count() for measure in measures.values())
        case Constant():
            return True
    return False


def read_count(selection: AggregateSelection, question: AggregateQuestion, connection: Connection) -> bytes:
    """Answers a selection of counts with the count of a question, as JSON."""
    count = aggregates.aggregate(connection, question).count
    return encode_json({key: _count(part, count) for key, part in selection.parts.items()}).encode()


def _count(part: Part, count: int) -> object:
    match part:
        case Aggregates(measures):
            return {key: measure.text if isinstance(measure, Constant) else count for key, measure in measures.items()}
        case Constant(text):
            return text
    raise TypeError(part)
