"""What a part of the benchmarks found: tables of figures beside what they have to reach."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.benchmarks.load import Rate


class Row(NamedTuple):
    """A question, its figures in the order of the table's columns, and the ratio that is judged."""

    question: str
    figures: Sequence[Rate | str]
    ratio: Rate | None = None
    least: float | None = None
    """What the ratio has to reach; None where nothing is asked of it."""
    most: float | None = None
    """What the ratio may not exceed."""

    @property
    def target(self) -> str:
        """What it has to reach, in words."""
        if self.least is not None:
            return f"≥ {self.least:g}"
        return "" if self.most is None else f"≤ {self.most:g}"

    @property
    def verdict(self) -> str:
        """Whether it was reached."""
        if self.ratio is None or not self.target:
            return ""
        good = self.ratio.median >= self.least if self.least is not None else self.ratio.median <= (self.most or 0)
        return "reached" if good else "**missed**"


class Table(NamedTuple):
    """Rows under a heading."""

    title: str
    introduction: str
    columns: Sequence[str]
    rows: Sequence[Row]
    chart: str | None = None

    def __str__(self) -> str:
        head = ["measurement", *self.columns, "ratio", "target", ""]
        lines = [f"## {self.title}", "", self.introduction, ""]
        if self.chart:
            lines += [f"![{self.title}](benchmarks/{self.chart})", ""]
        lines += [_line(head), _line(["---"] * len(head))]
        for row in self.rows:
            figures = [str(figure) for figure in row.figures]
            ratio = "" if row.ratio is None else str(row.ratio)
            lines.append(_line([row.question, *figures, ratio, row.target, row.verdict]))
        return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
