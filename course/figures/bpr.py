"""Figures on ranking: pairs, blocks, two rulers for a list, the long tail."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, COUNTS, GREY, ORANGE, RED, Options, look

LIST = 10  # length of the lists in this chapter


def pair_cost() -> Figure:
    """Draw what a pair costs by its margin x: as AUC counts, as BPR does, and BPR's slope."""
    figure, axes = plt.subplots(figsize=(7.0, 3.4))
    x = np.linspace(-4, 4, 401)
    axes.plot([-4, 0], [1, 1], color=GREY, lw=2, label="AUC: 1 if the order is wrong, else 0")
    axes.plot([0, 4], [0, 0], color=GREY, lw=2)
    axes.plot([0, 0], [0, 1], color=GREY, lw=1, ls=":")
    axes.plot(x, np.log1p(np.exp(-x)), color=BLUE, lw=2, label="BPR: −ln σ(x)")
    axes.plot(x, 1 / (1 + np.exp(x)), color=ORANGE, lw=2, ls="--", label="the pull σ(−x)")
    axes.set_xlabel("margin x: how far the liked film stands above the other")
    axes.set(ylabel="cost of a pair", xlim=(-4, 4), ylim=(-0.1, 3.2))
    axes.legend()
    return figure


def learning(log: pd.DataFrame, curve: pd.DataFrame, marks: Mapping[str, float]) -> Figure:
    """Draw AUC and NDCG@10 over epochs, beside what popularity has.

    `log` has epoch and auc_train, the share of drawn triples in the right order; `curve` has, by
    epoch, auc and ndcg@10 on the validation part, the best of which are ringed; `marks` those of
    popularity.
    """
    figure, panels = style.panels(2, 3.6)
    drawn: Options = {"color": ORANGE, "lw": 1.2, "label": "triples of training"}
    panels[0].plot(log["epoch"], log["auc_train"], **drawn)
    ticks = {n: str(n) if k % 2 == 0 else "" for k, n in enumerate(curve.index)}
    for panel, metric, name in zip(panels, ("auc", "ndcg@10"), ("AUC", "NDCG@10"), strict=True):
        panel.plot(curve.index, curve[metric], "o-", ms=4, color=BLUE, label="BPR, validation")
        style.ring(panel, curve[metric].idxmax(), curve[metric].max())
        panel.axhline(marks[metric], color=GREY, ls="--", lw=1.4, label="popularity, validation")
        style.log_axis(panel, ticks=ticks)
        panel.set(xlabel="epochs", ylabel=name)
    least = min(curve["auc"].min(), marks["auc"])
    panels[0].set_ylim(least - 0.02, max(log["auc_train"].max(), curve["auc"].max()) + 0.012)
    style.legend_over(figure, 3)
    return figure


def found_by_place(places: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the share of liked films found down to a place: over the whole ranking, and its top.

    `places` maps a model to a table, one row per liked film: user_id, rank (its place, from 1),
    above (how many films that are not liked stand above it), others (how many of these there are).
    Users weigh the same. The area under the left curve is the AUC; the right curve at k is
    recall@k.
    """
    figure, (left, right) = style.panels(2, 3.9, sharey=True)
    longest = max(int(table["others"].max()) for table in places.values())
    for name, table in places.items():
        counts = table.groupby("user_id")["rank"].transform("size").to_numpy()
        weight = 1 / (counts * table["user_id"].nunique())
        for axes, x, grid in (
            (left, (table["above"] / table["others"]).to_numpy(), np.linspace(0, 1, 1001)),
            (right, table["rank"].to_numpy(), _spaced(longest)),
        ):
            order = np.argsort(x, kind="stable")
            reached = np.concatenate([[0], np.cumsum(weight[order])])
            y = reached[np.searchsorted(x[order], grid, side="right")]
            axes.plot(grid, y, ls=look(name)[1], color=look(name)[0], lw=1.8, label=name)
    left.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
    left.axvspan(0, LIST / longest, color=RED, alpha=0.9, lw=0.4)
    right.axvspan(1, LIST, color=RED, alpha=0.15, lw=0)
    right.text(np.sqrt(LIST), 0.97, "a list\nof ten", color=RED, ha="center", va="top")
    arrow = {"arrowstyle": "->", "color": RED}
    text, at = "a list of ten:\nthe red line", (LIST / longest, 0.06)
    left.annotate(text, at, (0.14, 0.06), color=RED, va="center", arrowprops=arrow)
    left.set(xlabel="share of the other films that stand above", xlim=(-0.01, 1), ylim=(0, 1.01))
    left.set_ylabel("share of the liked films found")
    style.log_axis(right, form=COUNTS)
    right.set(xlabel="place in the ranking", xlim=(1, longest))
    left.legend(loc="lower right", bbox_to_anchor=(1, 0.14))
    return figure


def long_tail(shares: Mapping[str, np.ndarray], wanted: str) -> Figure:
    """Draw which part of the lists the most rated films take up, the first n of them, for each n.

    `shares` maps a name to how often each film is listed or liked (n_items,), films in order of
    their number of ratings; `wanted` is the name of what lists should resemble, drawn in black.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.8))
    for name, counts in shares.items():
        colour, line = ("black", "-") if name == wanted else look(name)[:2]
        n = _spaced(len(counts))
        share = (np.cumsum(counts) / np.sum(counts))[n - 1]
        axes.plot(n, share, ls=line, color=colour, lw=1.8, label=name)
    axes.axhline(0.5, color=GREY, lw=0.8, ls=":")
    style.log_axis(axes, form=COUNTS)
    axes.set(ylim=(0, 1.02), xlim=(1, len(counts)))
    axes.set(xlabel="films, the most rated first", ylabel="share that goes to the first n films")
    figure.legend(loc="outside upper center", ncols=len(shares))
    return figure


def _spaced(n: int) -> np.ndarray:
    """Return some of the whole numbers from 1 to n, evenly spaced on a logarithmic axis."""
    return np.unique(np.rint(np.geomspace(1, n, 400)).astype(int))
