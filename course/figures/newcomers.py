"""Figures on what is new: ratings that stream in, and films and users of whom little is known."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, COUNTS, GREEN, GREY, ORANGE, PERCENT, Options


def stream(table: pd.DataFrame) -> Figure:
    """Draw each way of keeping up with a stream: RMSE over the ratings that have come in.

    `table` is that of `cold_start.replay`: by number of ratings, one column per way, in stars.
    """
    figure, axes = plt.subplots()
    style.lines(axes, table, (GREY, ORANGE, BLUE, GREEN))
    axes.lines[-1].set_linestyle("--")
    axes.set(xlabel="ratings that have come in since the fit", ylabel="RMSE (stars)")
    axes.xaxis.set_major_formatter(COUNTS)
    axes.legend()
    return figure


def learning_curves(panels: Mapping[str, pd.DataFrame], ylabel: str) -> Figure:
    """Draw models over the number of ratings known of each newcomer, a panel a kind of newcomer.

    `panels` maps an axis's label to a table by number of ratings known, one column per model.
    """
    figure, row = style.panels(len(panels), 3.6, sharey=True)
    for axes, (title, table) in zip(row, panels.items(), strict=True):
        x = np.log2(1 + table.index.to_numpy(float))
        style.lines(axes, table, [style.look(str(name))[0] for name in table], x)
        axes.set_xticks(x, [str(n) for n in table.index])
        axes.set_xlabel(title)
    row[0].set_ylabel(ylabel)
    row[0].legend(fontsize=9)
    return figure


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
        below.bar([str(name) for name in table.index], table["share"], color=GREY, width=0.5)
        below.yaxis.set_major_formatter(PERCENT)
        below.set_xlabel(label)
    grid[0, 0].set_ylabel("RMSE lower by (stars)")
    grid[1, 0].set_ylabel("of the test\nratings")
    return figure
