"""Figures on clusters: ratings in blocks, and time against ratings."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, COLOURS, COUNTS, GREEN, GREY, MARKERS, ORANGE

GAP = 0.9  # between blocks, in rows


def blocks(users: np.ndarray, items: np.ndarray, shape: tuple[int, int], n_blocks: int) -> Figure:
    """Draw a few ratings as they come, dealt out by user, and dealt out by item.

    `users` and `items` (n,) are the ratings' places in a matrix of this `shape`, of some dozens,
    dealt out into `n_blocks`, at most seven. Below the first block of users, ticks mark the items
    it needs.
    """
    figure, panels = style.panels(3, 3.3)
    row, row_edges = _dealt(shape[0], n_blocks)
    column, column_edges = _dealt(shape[1], n_blocks)
    by_user, by_item = users % n_blocks, items % n_blocks
    panels[0].plot(items, users, ".", color=GREY, ms=4)
    _blocks(panels[1], items, row[users], by_user)
    _blocks(panels[2], column[items], users, by_item)
    for edge in row_edges:
        panels[1].axhline(edge, color=GREY, lw=0.6)
    for edge in column_edges:
        panels[2].axvline(edge, color=GREY, lw=0.6)
    needed = np.unique(items[by_user == 0])
    first = row_edges[0] if len(row_edges) else row.max() + 1
    panels[1].plot(needed, np.full(len(needed), first), "|", color="black", ms=7, mew=1.4)
    titles = ("ratings, as they come", "one record per user block", "one record per item block")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[], xlabel="items")
        axes.grid(visible=False)
        axes.invert_yaxis()
    panels[0].set_ylabel("users")
    return figure


def _dealt(n: int, n_blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where each of `n` rows stands once dealt out, and the middles of the gaps."""
    order = np.argsort(np.arange(n) % n_blocks, kind="stable")
    place = np.empty(n)
    place[order] = np.arange(n) + GAP * (order % n_blocks)
    ends = np.cumsum(np.bincount(np.arange(n) % n_blocks, minlength=n_blocks))[:-1]
    return place, ends + GAP * np.arange(len(ends)) - 0.5 + GAP / 2


def _blocks(axes: Axes, x: np.ndarray, y: np.ndarray, block: np.ndarray) -> None:
    for b in np.unique(block):
        mine = block == b
        axes.plot(x[mine], y[mine], MARKERS[b % 7], color=COLOURS[b % 7], ms=2.6, ls="")


def scaling(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw seconds per epoch over the number of ratings, one line per contender.

    `curves` maps at most three contenders to tables: ratings, ascending, and seconds. A dashed line
    grows in proportion from the first point of the first.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.0))
    n, seconds = next(iter(curves.values()))[["ratings", "seconds"]].to_numpy(float).T
    line = n * seconds[0] / n[0]
    axes.plot(n, line, color=GREY, ls="--", lw=1.3, zorder=1, label="in proportion")
    for (name, curve), colour, marker in zip(
        curves.items(), (BLUE, GREEN, ORANGE), "oDs", strict=False
    ):
        axes.plot(curve["ratings"], curve["seconds"], marker=marker, color=colour, label=name)
        last = curve.iloc[-1]
        text, at = f"{last['seconds']:.3g} s", (last["ratings"], last["seconds"])
        style.note(axes, text, at, (7, 0), fontsize=9)
    style.log_axis(axes, form=COUNTS)
    style.log_axis(axes, "y")
    axes.set(xlabel="ratings", ylabel="seconds per epoch")
    axes.margins(x=0.12)
    axes.legend(loc="upper left")
    return figure
