"""Figures of a leaderboard: how sure its differences are, and what else orders its models."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import COLOURS, GREY, MARKERS, Options


def contest(table: pd.DataFrame, metric: str, label: str) -> Figure:
    """Draw each model's metric, and its paired difference to the winner, both with intervals.

    `table` is that of `benchmarks.leaderboard.Board.table`, whose first row is the winner; `label`
    names the `metric`.
    """
    names = list(table.index[::-1])
    figure, (left, right) = style.panels(2, 0.3 * len(names) + 1.3, sharey=True)
    panels = (
        (left, table, [metric, "low", "high"]),
        (right, table[1:], ["gap", "gap low", "gap high"]),
    )
    for axes, part, columns in panels:
        rows = [names.index(name) for name in part.index]
        style.intervals(axes, part[columns].set_axis(["value", "low", "high"], axis=1), rows)
        style.name_rows(axes, names)
    left.set_xlabel(label)
    left.set_title("each model alone", fontsize=10)
    right.axvline(0, color=GREY, lw=1, ls="--")
    right.plot(0, len(names) - 1, "o", ms=6, color=GREY)
    right.set_xlabel(f"{label}, less that of {table.index[0]}")
    right.set_title("user by user, against the winner", fontsize=10)
    left.set_ylim(-0.6, len(names) - 0.4)
    return figure


def two_orders(table: pd.DataFrame, x: str, y: str, labels: tuple[str, str]) -> Figure:
    """Draw each model as a point: one metric against another, with their intervals.

    `table` has one row per model, the columns `x` and `y`, and the ends of their intervals, such as
    "rmse low"; of `x` less is better, of `y` more. A model without `x` is a line across. `labels`
    are the axes'.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    points, lines = table[table[x].notna()], table[table[x].isna()]
    for (name, row), colour, marker in zip(points.iterrows(), COLOURS, MARKERS, strict=False):
        axes.hlines(row[y], row[f"{x} low"], row[f"{x} high"], color=colour, lw=1.2)
        axes.vlines(row[x], row[f"{y} low"], row[f"{y} high"], color=colour, lw=1.2)
        axes.plot(row[x], row[y], marker, color=colour, ms=8, label=name)
    for place, (name, row) in enumerate(lines.sort_values(y).iterrows()):
        axes.axhspan(row[f"{y} low"], row[f"{y} high"], color=GREY, alpha=0.12, lw=0)
        axes.axhline(row[y], color=GREY, lw=1.2, ls="--")
        # Neighbours may be close: the lowest is named below its line, at the left.
        x_side, ha, va = (1, "right", "bottom") if place else (0, "left", "top")
        offset = (-4, 3) if place else (4, -3)
        how: Options = {"xycoords": ("axes fraction", "data"), "ha": ha, "va": va}
        style.note(axes, str(name), (x_side, row[y]), offset, color="#444444", **how)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=4)
    return figure
