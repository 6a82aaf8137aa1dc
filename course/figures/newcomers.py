"""Figures on what is new: ratings that stream in, and films and users of whom little is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, COLOURS, COUNTS, GREEN, GREY, ORANGE, RED, Options

LONGEST = 30  # characters of a title beside a curve


def stream(table: pd.DataFrame) -> Figure:
    """Draw each way of keeping up with a stream: RMSE over the ratings that have come in.

    `table` is that of `cold_start.replay`: by number of ratings, a column a way, in stars.
    """
    figure, axes = plt.subplots()
    style.lines(axes, table, (GREY, ORANGE, BLUE, GREEN))
    axes.lines[-1].set_linestyle("--")
    axes.set(xlabel="ratings that have come in since the fit", ylabel="RMSE (stars)")
    axes.xaxis.set_major_formatter(COUNTS)
    axes.legend()
    return figure


def places(curves: Mapping[str, pd.Series], finals: Sequence[float]) -> Figure:
    """Draw how the prediction of each film moves as its ratings arrive.

    `curves` maps a title to the mean prediction over all users, in stars, by the number of ratings
    known, from 0; `finals` are the mean ratings that the films were given in the end.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    ends = np.array([curve.iloc[-1] for curve in curves.values()])
    spread = np.ptp([*ends, *(curve.iloc[0] for curve in curves.values()), *finals])
    heights = style.apart(ends, 0.055 * spread)
    furthest = max(curve.index[-1] for curve in curves.values())
    for (title, curve), colour, final, height in zip(
        curves.items(), COLOURS, finals, heights, strict=False
    ):
        axes.plot(curve.index, curve, "-", color=colour, lw=1.6)
        axes.plot(curve.index[-1], curve.iloc[-1], "o", ms=4, color=colour)
        axes.axhline(final, color=colour, lw=0.8, ls=":", alpha=0.7)
        label, at = style.shorten(title, LONGEST), (furthest, height)
        style.note(axes, label, at, (8, 0), color=colour, fontsize=8, annotation_clip=False)
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [n for n in (0, 1, 3, 10, 30, 100, 300, 1000, 10_000, 100_000) if n <= furthest]
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.minorticks_off()
    axes.set_xlim(0, furthest)
    axes.set(xlabel="ratings of the film known", ylabel="mean prediction (stars)")
    return figure


def learning_curves(
    panels: Mapping[str, pd.DataFrame], ylabel: str, mark: tuple[str, str] | None = None
) -> Figure:
    """Draw models over the number of ratings known of each newcomer, a panel a kind of newcomer.

    `panels` maps an axis's label to a table by number of ratings known, a column a model. In the
    first, `mark` shows the level of its first model without ratings, and where the second reaches
    it; see `crossing`.
    """
    figure, row = style.panels(len(panels), 3.6, sharey=True)
    for axes, (title, table) in zip(row, panels.items(), strict=True):
        x = np.log2(1 + table.index.to_numpy(float))
        style.lines(axes, table, (GREY, BLUE, ORANGE, GREEN), x)
        axes.set_xticks(x, [str(n) for n in table.index])
        axes.set_xlabel(title)
    row[0].set_ylabel(ylabel)
    row[0].legend(fontsize=9)
    if mark is not None:
        _mark(row[0], next(iter(panels.values())), *mark)
    return figure


def _mark(axes: Axes, table: pd.DataFrame, known: str, other: str) -> None:
    level, n = float(table[known].iloc[0]), crossing(table, known, other)
    end = np.log2(1 + (table.index[-1] if np.isnan(n) else n))
    axes.plot([0, end], [level, level], color=RED, lw=1, ls="--")
    if not np.isnan(n):
        axes.plot(end, level, "x", color=RED)
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        text = f"{n:.1f} ratings"
        style.note(axes, text, (end, level), (8, -3), va="top", color=RED, fontsize=9, bbox=paper)


def crossing(table: pd.DataFrame, known: str, other: str) -> float:
    """Return how many ratings `other` needs to be as good as `known` is with none.

    Straight lines are drawn between the points of the table (by number of ratings; errors, so less
    is better). 0: it is as good from the start; NaN: it never is.
    """
    level, errors = float(table[known].iloc[0]), table[other].to_numpy(np.float64)
    reached = np.flatnonzero(errors <= level)
    if len(reached) == 0:
        return float("nan")
    k = int(reached[0])
    if k == 0:
        return 0.0
    before, after = float(table.index[k - 1]), float(table.index[k])
    return before + (after - before) * float((errors[k - 1] - level) / (errors[k - 1] - errors[k]))


def gains(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how much lower an error is, with its interval, stratum by stratum.

    `panels`: label of the horizontal axis to a table by stratum, with the columns gain, low, high
    (stars) and share (of the test ratings).
    """
    shape: Options = {"sharex": "col", "sharey": "row", "height_ratios": [4, 1]}
    figure, grid = plt.subplots(2, len(panels), figsize=(7.0, 4.4), squeeze=False, **shape)
    for (axes, below), (label, table) in zip(grid.T, panels.items(), strict=True):
        reach = [table["gain"] - table["low"], table["high"] - table["gain"]]
        axes.axhline(0, color=GREY, lw=1)
        axes.errorbar(range(len(table)), table["gain"], reach, fmt="o", color=BLUE, capsize=3)
        style.shares_below(below, table, label)
    grid[0, 0].set_ylabel("RMSE lower by (stars)")
    grid[1, 0].set_ylabel("of the test\nratings")
    return figure
