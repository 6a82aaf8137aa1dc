"""Figures on what is new: ratings that stream in, and films and users of whom little is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course.figures.style import BLUE, COLOURS, GREEN, GREY, ORANGE, RED

MARKERS = "os^Dv"
LONGEST = 30  # characters of a title beside a curve


def stream(table: pd.DataFrame) -> Figure:
    """Draw each way of keeping up with a stream: RMSE over the ratings that have come in.

    `table` is that of `streams.replay`: by number of ratings, a column a way, in stars.
    """
    figure, axes = plt.subplots()
    for (name, values), colour, marker in zip(
        table.items(), (GREY, ORANGE, BLUE, GREEN), MARKERS, strict=False
    ):
        dashed = "--" if name == table.columns[-1] else "-"
        axes.plot(table.index, values, f"{marker}{dashed}", ms=4, color=colour, label=name)
    axes.set(xlabel="ratings that have come in since the fit", ylabel="RMSE (stars)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend()
    return figure


def places(curves: Mapping[str, pd.Series], finals: Sequence[float]) -> Figure:
    """Draw how the prediction of each film moves as its ratings arrive.

    Parameters
    ----------
    curves : mapping of title to Series
        The mean prediction over all users, in stars, by the number of ratings known, from 0.
    finals : sequence of float
        The mean rating that each film was given in the end.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    ends = np.array([curve.iloc[-1] for curve in curves.values()])
    heights = _apart(ends, 0.055 * np.ptp([*ends, *(c.iloc[0] for c in curves.values()), *finals]))
    furthest = max(curve.index[-1] for curve in curves.values())
    for (title, curve), colour, final, height in zip(
        curves.items(), COLOURS, finals, heights, strict=False
    ):
        axes.plot(curve.index, curve, "-", color=colour, lw=1.6)
        axes.plot(curve.index[-1], curve.iloc[-1], "o", ms=4, color=colour)
        axes.axhline(final, color=colour, lw=0.8, ls=":", alpha=0.7)
        label = title if len(title) <= LONGEST else title[: LONGEST - 1].rstrip() + "…"
        axes.annotate(
            label, (furthest, height), (8, 0), textcoords="offset points",
            color=colour, va="center", fontsize=8, annotation_clip=False,
        )  # fmt: skip
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [n for n in (0, 1, 3, 10, 30, 100, 300, 1000, 10_000, 100_000) if n <= furthest]
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.minorticks_off()
    axes.set_xlim(0, furthest)
    axes.set(xlabel="ratings of the film known", ylabel="mean prediction (stars)")
    return figure


def _apart(values: np.ndarray, least: float) -> np.ndarray:
    """Return heights near the values, each at least `least` above the one below."""
    order = np.argsort(values)
    heights = values[order].astype(np.float64)
    for _ in range(50):  # push neighbours apart, both by the same
        for k in range(len(heights) - 1):
            lack = least - (heights[k + 1] - heights[k])
            if lack > 1e-9:
                heights[k] -= lack / 2
                heights[k + 1] += lack / 2
    out = np.empty_like(heights)
    out[order] = heights
    return out


def learning_curves(
    panels: Mapping[str, pd.DataFrame], ylabel: str, mark: tuple[str, str] | None = None
) -> Figure:
    """Draw models over the number of ratings known of each newcomer, a panel a kind of newcomer.

    Parameters
    ----------
    panels : mapping of title to DataFrame
        By number of ratings known, a column a model. The title goes to the horizontal axis.
    ylabel : str
    mark : (model, model), optional
        In the first panel: the level of the first model with no rating known, and where the second
        one reaches it; see `crossing`.
    """
    figure, row = plt.subplots(1, len(panels), figsize=(7.0, 3.6), sharey=True, squeeze=False)
    for axes, (title, table) in zip(row[0], panels.items(), strict=True):
        for (name, values), colour, marker in zip(
            table.items(), (GREY, BLUE, ORANGE, GREEN), MARKERS, strict=False
        ):
            axes.plot(_spread(table.index), values, f"{marker}-", ms=4, color=colour, label=name)
        axes.set_xticks(_spread(table.index), [str(n) for n in table.index])
        axes.set_xlabel(title)
    row[0][0].set_ylabel(ylabel)
    row[0][0].legend(fontsize=9)
    if mark is not None:
        _mark(row[0][0], next(iter(panels.values())), *mark)
    return figure


def _mark(axes: Axes, table: pd.DataFrame, known: str, other: str) -> None:
    level, n = float(table[known].iloc[0]), crossing(table, known, other)
    end = _spread(table.index)[-1] if np.isnan(n) else float(_spread(np.array([n]))[0])
    axes.plot([0, end], [level, level], color=RED, lw=1, ls="--")
    if not np.isnan(n):
        axes.plot(end, level, "x", color=RED)
        axes.annotate(
            f"{n:.1f} ratings", (end, level), (8, -3), textcoords="offset points",
            color=RED, fontsize=9, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def _spread(shown: pd.Index | np.ndarray) -> np.ndarray:
    return np.log2(1 + np.asarray(shown, np.float64))


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
    figure, grid = plt.subplots(
        2, len(panels), figsize=(7.0, 4.4), sharex="col", sharey="row", height_ratios=[4, 1],
        squeeze=False,
    )  # fmt: skip
    for (axes, below), (label, table) in zip(grid.T, panels.items(), strict=True):
        x = np.arange(len(table))
        reach = [table["gain"] - table["low"], table["high"] - table["gain"]]
        axes.axhline(0, color=GREY, lw=1)
        axes.errorbar(x, table["gain"], reach, fmt="o", color=BLUE, capsize=3)
        below.bar(x, table["share"], color=GREY, width=0.5)
        below.set_xticks(x, list(table.index))
        below.set_xlabel(label)
    grid[0, 0].set_ylabel("RMSE lower by (stars)")
    grid[1, 0].set_ylabel("of the test\nratings")
    grid[1, 0].yaxis.set_major_formatter("{x:.0%}")
    return figure
