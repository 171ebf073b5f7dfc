"""Statistics: counts, sums, averages and the like, of the columns of rows."""

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Double, cast, func, literal

from taskruns_service.prefect1.graph.selections import Constant, Count, Measure, Statistic
from taskruns_service.storage.dialects import Column, comparable, document, row_of


def measured_fields(measures: Iterable[Measure]) -> set[str]:
    """The fields that measures are of."""
    names: set[str] = set()
    for measure in measures:
        if isinstance(measure, Count):
            names |= set(measure.columns)
        elif isinstance(measure, Statistic):
            names |= {name for name in measure.fields.values() if isinstance(name, str)}
    return names


def measure_column(measure: Measure, fields: Mapping[str, Column]) -> Column:
    """A measure, as an aggregate of the columns of some fields."""
    match measure:
        case Count(columns, distinct):
            if not columns:
                return func.count()
            counted = [comparable(fields[name]) for name in columns]
            value = counted[0] if len(counted) == 1 else row_of(*counted)
            return func.count(value.distinct() if distinct else value)
        case Statistic(name, statistic_fields):
            return document(
                {
                    key: literal(field.text) if isinstance(field, Constant) else STATISTICS[name](fields[field])
                    for key, field in statistic_fields.items()
                }
            )
        case Constant(text):
            return literal(text)


def _number(name: str) -> Callable[[Column], Column]:
    # avg and stddev return numeric on PostgreSQL: cast to double for the same JSON on both databases.
    return lambda column: cast(getattr(func, name)(column), Double)


STATISTICS: dict[str, Callable[[Column], Column]] = {
    "max": lambda column: func.max(comparable(column)),
    "min": lambda column: func.min(comparable(column)),
    "sum": func.sum,
    "avg": _number("avg"),
    "stddev": _number("stddev_samp"),
    "stddev_pop": _number("stddev_pop"),
    "stddev_samp": _number("stddev_samp"),
    "var_pop": _number("var_pop"),
    "var_samp": _number("var_samp"),
    "variance": _number("var_samp"),
}
