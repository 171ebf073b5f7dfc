"""The charts of the page, as SVG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.figure import Figure

from tests.benchmarks.load import Rate
from tests.benchmarks.report import Row

OURS, MARK = "#0b6bcb", "#c2410c"

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False})
mpl.rcParams.update({"axes.spines.right": False, "figure.constrained_layout.use": True})


def ratios(rows: Sequence[Row], path: Path, label: str) -> None:
    """A bar for the ratio of each row that has to reach something, with its spread, and a mark for what it must."""
    rows = [row for row in reversed(rows) if row.ratio is not None and row.least is not None and row.least < 1000]
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.45 * len(rows)))
    ratios = [row.ratio or Rate() for row in rows]
    medians = [ratio.median for ratio in ratios]
    spread = [
        [ratio.median - min(ratio) for ratio in ratios],
        [max(ratio) - ratio.median for ratio in ratios],
    ]
    axes.barh([row.question for row in rows], medians, xerr=spread, color=OURS, height=0.6, ecolor="#777")
    axes.plot([row.least or 0 for row in rows], range(len(rows)), "|", color=MARK, markersize=16, label="has to reach")
    axes.set_xlabel(label)
    axes.legend(loc="lower right", frameon=False)
    _save(figure, path)


def growth(sizes: Sequence[int], figures: Mapping[str, Sequence[Rate]], path: Path) -> None:
    """A line for each question: the rate at each size beside that at the smallest."""
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for (name, rates), style in zip(figures.items(), ["-", "--", ":"] * len(figures), strict=False):
        axes.plot(sizes, [rate.median / rates[0].median for rate in rates], style, marker="o", markersize=3, label=name)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.5)
    axes.set_xlabel("task runs")
    axes.set_ylabel(f"rate, of that at {sizes[0]:,}")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=7)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
