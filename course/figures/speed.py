"""Figures on speed: from a slow loop to a fast one, beside other libraries, what bounds it."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from course.figures import style
from course.figures.style import BLUE, COLOURS, GREY, Options

OURS = "recsys_lib"
# The looks of the others: all but the first colour, which is ours, and black as the eighth.
OTHERS = tuple(zip((*COLOURS[1:], "black"), "sD^vPX*", strict=True))
# Of the names at the right of a figure, as shares of its axes: where they stand, and how high.
KEYS, LINE = 1.05, 0.055


def steps(table: pd.DataFrame) -> Figure:
    """Draw the time a rating takes after each step of the story, and what each step gained.

    `table` has one row per step, in the order of the story, and the column ``ns``: nanoseconds a
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


def race(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw what each contender reaches over the seconds it has spent, one marker per epoch.

    `curves` maps at most eight contenders, "recsys_lib" among them, to one row per epoch: seconds
    (since the start) and quality, the RMSE on the test part in stars.
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
    axes.set(xlabel="seconds of training (logarithmic)", ylabel="RMSE on the test part (stars)")
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
    """Draw each contender's seconds per epoch: a dot for the median, a line for the range.

    `table` has one row per contender, "recsys_lib" among them, and the columns value, low and high,
    in seconds. The fastest stands at the top.
    """
    table = table.sort_values("value")
    figure, axes = plt.subplots(figsize=(7.0, 1.0 + 0.32 * len(table)))
    style.intervals(axes, table, np.arange(len(table)))
    for row, (value, high) in enumerate(table[["value", "high"]].to_numpy(float)):
        _beside(axes, f"{_short(value)} s", high, row)
    axes.set_xlabel("seconds per epoch (logarithmic)")
    axes.margins(x=0.12)
    _one_two_five(axes)
    style.name_rows(axes, table.index, bold=OURS)
    axes.invert_yaxis()
    return figure


def roofline(table: pd.DataFrame, peak: float, bandwidth: float) -> Figure:
    """Draw operations per second over operations per byte, below the limits of the machine.

    `table` has one row per program and the columns intensity, in operations per byte, and rate, in
    10⁹ operations per second, as `peak` is. `bandwidth` is in 10⁹ bytes per second.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    ridge = peak / bandwidth
    ends = 0.5 * min(table["intensity"].min(), ridge), 4 * max(table["intensity"].max(), ridge)
    x = np.array([ends[0], ridge, ends[1]])
    axes.plot(x, np.minimum(peak, bandwidth * x), color="black", lw=2, label="roof")
    axes.plot(table["intensity"], table["rate"], "o", color=BLUE, label="measured")
    for name, row in table.iterrows():
        style.note(axes, str(name), (row["intensity"], row["rate"]), (7, 0), fontsize=9)
    axes.set(xlabel="operations per byte (logarithmic)", ylabel="10⁹ operations per second")
    _one_two_five(axes)
    style.log_axis(axes, "y")
    axes.legend(loc="lower right")
    return figure


def _short(value: float) -> str:
    """Return a number in two digits, or more where it has them before the point."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:#.2g}"


def _beside(axes: Axes, text: str, x: float, y: float) -> None:
    """Write `text` in grey at the right of a point."""
    style.note(axes, text, (x, y), (5, 0), fontsize=9, color="#444444")


def _one_two_five(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with 1, 2, 5, 10 below it."""
    style.log_axis(axes)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
