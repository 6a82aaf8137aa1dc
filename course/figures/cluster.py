"""Figures on clusters: ratings in blocks, what must travel, and time against ratings."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course.figures.style import BLUE, COLOURS, GREEN, GREY, ORANGE

MARKERS = "osD^vPX"
GAP = 0.9  # between blocks, in rows


def blocks(users: np.ndarray, items: np.ndarray, shape: tuple[int, int], n_blocks: int) -> Figure:
    """Draw a few ratings as they come, dealt out by user, and dealt out by item.

    Below the first block of users, ticks mark the items that it meets: the rows that it needs.

    Parameters
    ----------
    users, items : (n,) int
        The ratings' places in the matrix.
    shape : (int, int)
        Numbers of users and items; some dozens.
    n_blocks : int
        At most seven.
    """
    n_users, n_items = shape
    figure, panels = plt.subplots(1, 3, figsize=(7.6, 3.3), sharey=False)
    row, row_edges = _dealt(n_users, n_blocks)
    column, column_edges = _dealt(n_items, n_blocks)
    by_user, by_item = users % n_blocks, items % n_blocks
    _dots(panels[0], items, users, np.full(len(users), -1), "ratings, as they come")
    _dots(panels[1], items, row[users], by_user, "a record a block of users")
    _dots(panels[2], column[items], users, by_item, "a record a block of items")
    for edge in row_edges:
        panels[1].axhline(edge, color=GREY, lw=0.6)
    for edge in column_edges:
        panels[2].axvline(edge, color=GREY, lw=0.6)
    needed = np.unique(items[by_user == 0])
    first = row_edges[0] if len(row_edges) else row.max() + 1
    panels[1].plot(needed, np.full(len(needed), first), "|", color="black", ms=7, mew=1.4)
    for axes in panels:
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


def _dots(axes: Axes, x: np.ndarray, y: np.ndarray, block: np.ndarray, title: str) -> None:
    for b in np.unique(block):
        mine = block == b
        colour, marker = (GREY, ".") if b < 0 else (COLOURS[b % 7], MARKERS[b % 7])
        axes.plot(x[mine], y[mine], marker, color=colour, ms=4 if b < 0 else 2.6, ls="")
    axes.set_title(title, fontsize=10)


def travel(table: pd.DataFrame, limit: float) -> Figure:
    """Draw the bytes an epoch moves by each road against the number of blocks.

    Parameters
    ----------
    table : DataFrame
        A row a number of blocks; columns ``broadcast`` (a copy of both sides' rows for each block's
        process) and ``shuffle`` (the rows asked for).
    limit : float
        Bytes of the ratings, which need not travel.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.8))
    looks = {"broadcast": (BLUE, "o"), "shuffle": (ORANGE, "s")}
    for name, (colour, marker) in looks.items():
        axes.plot(table.index, table[name] / 1e6, marker=marker, color=colour, label=name)
    axes.axhline(limit / 1e6, color=GREY, ls="--", lw=1.2)
    axes.annotate(
        "the ratings, if they travelled too", (table.index[0], limit / 1e6), (4, 4),
        textcoords="offset points", color=GREY, fontsize=9,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="blocks a side", ylabel="megabytes an epoch")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(list(table.index), [str(n) for n in table.index], minor=False)
    axes.set_xticks([], minor=True)
    axes.legend()
    return figure


def scaling(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw seconds an epoch over the number of ratings, a line a contender.

    Parameters
    ----------
    curves : mapping of contender to DataFrame
        At most three; ``ratings`` and ``seconds``, ascending in the former.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.0))
    for (name, curve), colour, marker in zip(
        curves.items(), (BLUE, GREEN, ORANGE), "oDs", strict=False
    ):
        axes.plot(curve["ratings"], curve["seconds"], marker=marker, color=colour, label=name)
        last = curve.iloc[-1]
        axes.annotate(
            f"{last['seconds']:.3g} s", (last["ratings"], last["seconds"]), (7, 0),
            textcoords="offset points", va="center", fontsize=9,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="ratings", ylabel="seconds an epoch")
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="upper left")
    return figure
