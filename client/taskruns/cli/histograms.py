"""A histogram as a table: how many runs have a duration, or another length, between two bounds."""

from collections.abc import Iterator
from math import ceil
from operator import attrgetter

import click
from msgspec import Struct

from taskruns.cli import output
from taskruns.cli.output import Column
from taskruns.cli.waiting import warn_of_waiting_reports
from taskruns.models import Aggregate, Histogram

_BAR_WIDTH = 30


class _Interval(Struct, frozen=True):
    """The runs between two bounds, in seconds."""

    lower: float | None
    """None: no bound."""
    upper: float | None
    """The bound that they do not reach; None: no bound."""
    counts: dict[str, int]
    """The number of runs in each state that occurs."""

    @property
    def count(self) -> int:
        """The number of runs."""
        return sum(self.counts.values())


def write(answer: Aggregate, form: str | None) -> None:
    """Writes the histogram of an answer, from the first interval that has runs to the last one."""
    if form == "json":
        output.write_json(answer)
    else:
        assert answer.histogram is not None
        intervals = list(_intervals(answer.histogram))
        if form == "csv":
            rows = ([interval.lower, interval.upper, interval.count, interval.counts] for interval in intervals)
            output.write_csv(["lower_bound", "upper_bound", "count", "counts"], rows)
        elif not output.write_table(_columns(answer.histogram.measure, intervals), intervals):
            click.echo("No runs.", err=True)
    warn_of_waiting_reports()


def _intervals(histogram: Histogram) -> Iterator[_Interval]:
    bounds = [None, *histogram.bounds, None]
    places = [place for place, counts in enumerate(zip(*histogram.counts.values(), strict=True)) if any(counts)]
    for place in range(places[0], places[-1] + 1) if places else ():
        counts = {state: numbers[place] for state, numbers in histogram.counts.items() if numbers[place]}
        yield _Interval(bounds[place], bounds[place + 1], counts)


def _columns(measure: str, intervals: list[_Interval]) -> list[Column]:
    largest = max((interval.count for interval in intervals), default=0)

    def bar(interval: _Interval) -> str:
        return "━" * ceil(interval.count * _BAR_WIDTH / largest)

    return [
        Column("FROM", measure, attrgetter("lower")),
        Column("TO", measure, attrgetter("upper")),
        Column("COUNT", "count"),
        Column("", "bar", bar, optional=0),
        Column("STATES", "counts", least=10),
    ]
