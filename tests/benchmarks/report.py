"""What a part of the benchmarks found: tables of figures beside what they have to reach."""

import re
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


def updated(page: str, tables: Sequence[Table], note: str) -> str:
    """A page with these tables in place of those with the same titles, or at its end, each with a note below its title.

    All other tables stay as they are.
    """
    header, *sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    by_title = {section.partition("\n")[0]: section.rstrip("\n") + "\n" for section in sections}
    for table in tables:
        heading, _, rest = str(table).partition("\n\n")
        by_title[heading] = f"{heading}\n\n{note}\n\n{rest}"
    return "\n".join([header.rstrip("\n") + "\n", *by_title.values()])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
