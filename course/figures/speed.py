"""Figures on speed: from a slow loop to a fast one, beside other libraries, what bounds it."""

from collections.abc import Mapping

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator

from course.figures import style
from course.figures.style import BLUE, COLOURS, GREY, ORANGE, SEQUENTIAL, SKY, Options

OURS = "recsys_lib"
# The looks of the others: all but the first colour, which is ours, and black as the eighth.
OTHERS = tuple(zip((*COLOURS[1:], "black"), "sD^vPX*", strict=True))
# Of the names at the right of a figure, as shares of its axes: where they stand, and how high.
KEYS, LINE = 1.05, 0.055
PARTS = {
    "gather": (SKY, "gathering rows"),
    "sums": (BLUE, "summing products"),
    "solve": (ORANGE, "solving"),
}


def steps(table: pd.DataFrame) -> Figure:
    """Draw the time a rating takes after each step of the story, and what each step gained.

    `table` has a row a step, in the order of the story, and the column ``ns``: nanoseconds a
    rating.
    """
    ns = table["ns"].to_numpy(float)
    figure, axes = plt.subplots(figsize=(7.0, 1.1 + 0.4 * len(ns)))
    decades = np.log10(ns.max() / ns.min())
    # Bars need somewhere to begin, and a logarithmic axis has no zero: a little before the least.
    edges = (ns.min() / 10 ** (0.12 * decades), ns.max() * 10 ** (0.35 * decades))
    colours = [GREY] * (len(ns) - 1) + [BLUE]
    axes.barh(np.arange(len(ns)), ns - edges[0], left=edges[0], height=0.66, color=colours)
    for row, value in enumerate(ns):
        gain = f", {_short(ns[row - 1] / value)} × as fast as above" if row else ""
        _beside(axes, f"{_short(value)} ns{gain}", value, row)
    style.log_axis(axes)
    axes.set(xlim=edges, xlabel="nanoseconds a rating (logarithmic)")
    style.name_rows(axes, table.index)
    axes.invert_yaxis()
    return figure


def race(
    curves: Mapping[str, pd.DataFrame], quality: str = "RMSE on the test part (stars)"
) -> Figure:
    """Draw what each contender reaches over the seconds it has spent, a marker an epoch.

    `curves` maps at most eight contenders, "recsys_lib" among them, to a row an epoch: seconds
    (since the start) and quality. `quality` is the vertical axis's label.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    looks = dict(zip((name for name in curves if name != OURS), OTHERS, strict=False))
    looks[OURS] = (BLUE, "o")
    for name, curve in curves.items():
        colour, marker = looks[name]
        size: Options = (
            {"lw": 3.0, "ms": 6, "zorder": 4} if name == OURS else {"lw": 1.3, "ms": 4.5}
        )
        x, y = curve["seconds"], curve["quality"]
        axes.plot(x, y, color=colour, marker=marker, label=name, **size)
    axes.set(xlabel="seconds of training (logarithmic)", ylabel=quality)
    _one_two_five(axes)
    low, high = axes.get_ylim()
    ends = {name: curve[["seconds", "quality"]].dropna().iloc[-1] for name, curve in curves.items()}
    names = sorted(ends, key=lambda name: ends[name]["quality"])
    values = np.array([ends[name]["quality"] for name in names])
    heights = style.apart((values - low) / (high - low), LINE, within=(0, 1))
    beside: Options = {"xycoords": "axes fraction", "fontsize": 9}
    for name, height in zip(names, heights, strict=True):
        (colour, marker), end = looks[name], tuple(ends[name])
        leader = {"arrowstyle": "-", "color": colour, "lw": 0.9, "ls": ":"}
        axes.annotate("", end, (KEYS, height), textcoords=axes.transAxes, arrowprops=leader)
        axes.plot(KEYS, height, marker, color=colour, ms=5, transform=axes.transAxes, clip_on=False)
        weight = "bold" if name == OURS else "normal"
        style.note(axes, name, (KEYS, height), (6, 0), weight=weight, **beside)
    axes.set_ylim(low, high)
    return figure


def epochs(table: pd.DataFrame) -> Figure:
    """Draw the seconds an epoch takes each contender, a dot a number of factors.

    `table` has a row a contender, "recsys_lib" among them, and a column a number of factors, at
    most four; NaN was not measured. Rows are in the order of the middle column, the fastest at the
    top.
    """
    table = table.sort_values(table.columns[len(table.columns) // 2])
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.5 * len(table)))
    shades = mpl.colormaps[SEQUENTIAL](np.linspace(0.75, 0, table.shape[1]))
    offsets = np.linspace(-0.27, 0.27, table.shape[1])
    ours = list(table.index).index(OURS)
    for factors, shade, marker, offset in zip(table, shades, "osD^", offsets, strict=False):
        rows = np.arange(len(table)) + offset
        seconds = table[factors].to_numpy(float)
        axes.plot(seconds, rows, marker, ms=5.5, color=shade, label=f"K = {factors}")
        for place, (value, row) in enumerate(zip(seconds, rows, strict=True)):
            ratio = value / seconds[ours]
            if np.isfinite(ratio):
                text = f"{_short(value)} s" if place == ours else f"{_short(ratio)} ×"
                _beside(axes, text, value, row, 8)
    axes.set_xlabel("seconds an epoch (logarithmic); beside the dots: times ours")
    axes.margins(x=0.1)
    _one_two_five(axes)
    style.name_rows(axes, table.index, bold=OURS)
    axes.set_ylim(len(table) - 0.5, -0.5)
    for row in range(1, len(table)):
        axes.axhline(row - 0.5, color=GREY, lw=0.5, alpha=0.4)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def roof(table: pd.DataFrame) -> Figure:
    """Draw what an epoch is made of, how long it takes, and how long arithmetic alone would.

    `table` has a row a number of factors K, in seconds: gather, sums and solve, parts measured
    apart, measured, the whole epoch, and arithmetic, its products alone at the machine's speed.
    """
    figure, axes = plt.subplots(figsize=(7.0, 1.6 + 0.6 * len(table)))
    rows = np.arange(len(table))
    left = np.zeros(len(table))
    for part, (colour, name) in PARTS.items():
        width = table[part].to_numpy(float)
        axes.barh(rows, width, left=left, height=0.5, color=colour, label=name)
        left += width
    measured, floor = table["measured"].to_numpy(float), table["arithmetic"].to_numpy(float)
    whole, least = "the whole epoch, measured", "the arithmetic alone, at peak speed"
    axes.plot(measured, rows, "D", ms=7, color="black", mec="white", label=whole)
    edge = [withStroke(linewidth=3.5, foreground="white")]
    axes.plot(floor, rows, "|", ms=34, mew=2, color="black", label=least, path_effects=edge)
    for row in rows:
        reach = float(max(left[row], measured[row]))
        ratio = measured[row] / floor[row]
        text = f"{_short(measured[row])} s, {_short(ratio)} × the arithmetic"
        _beside(axes, text, reach, float(row), 9, 8)
    axes.set(xlabel="seconds an epoch", xlim=(0, 1.5 * max(left.max(), measured.max())))
    style.name_rows(axes, [f"K = {factors}" for factors in table.index])
    axes.set_ylim(len(table) - 0.45, -0.55)
    legend = figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    for handle in legend.legend_handles:
        if isinstance(handle, Line2D):
            handle.set_markersize(8)  # a mark as high as a bar would reach beyond the legend
    return figure


def _short(value: float) -> str:
    """Return a number in two digits, or more where it has them before the point."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:#.2g}"


def _beside(axes: Axes, text: str, x: float, y: float, size: float = 9, points: float = 5) -> None:
    """Write `text` in grey at the right of a point."""
    style.note(axes, text, (x, y), (points, 0), fontsize=size, color="#444444")


def _one_two_five(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with 1, 2, 5, 10 below it."""
    style.log_axis(axes)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
