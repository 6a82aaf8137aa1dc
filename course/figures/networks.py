"""Figures on likes and networks: a lax threshold, learning curves, standings, who gains."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, ORANGE, PERCENT, RED, Options, look


def ratios(matrices: Mapping[str, np.ndarray], liked: float, most: float = 4.0) -> Figure:
    """Draw how watch ratios are distributed.

    `matrices` maps a name to the watch ratios (n,) of a matrix; those above `most` are counted in
    the legend. `liked` is what makes a like: drawn as a line.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.2))
    edges = np.linspace(0, most, 81)
    for (name, values), colour in zip(matrices.items(), (BLUE, ORANGE), strict=False):
        share = np.histogram(values, edges)[0] / len(values)
        label = f"{name} ({(values > most).mean():.1%} above {most:g})"
        axes.stairs(share, edges, color=colour, lw=1.6, label=label)
    axes.axvline(liked, color=RED, ls="--", lw=1.4)
    top: Options = {"xycoords": ("data", "axes fraction"), "va": "top", "color": RED}
    style.note(axes, "a like", (liked, 1), (5, -4), **top)
    axes.set(xlim=(0, most), ylim=(0, None))
    axes.set(xlabel="watch ratio: time watched / length", ylabel="share of watches")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.9))
    return figure


def thresholds(precision: pd.DataFrame, liked: float, reported: float) -> Figure:
    """Draw precision@10 over the watch ratio that makes a video relevant.

    `precision` has a row a threshold and a column a model; `liked` is the threshold used from then
    on, `reported` a precision to mark across.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.9))
    for name in precision:
        colour, line, _ = look(str(name))
        axes.plot(precision.index, precision[name], color=colour, ls=line, lw=2, label=name)
    end = precision.index[-1]
    axes.axhline(reported, color=RED, lw=0.9)
    style.note(axes, f"{reported:.2f}", (end, reported), (0, 3), ha="right", va="bottom", color=RED)
    axes.axvline(liked, color=RED, ls="--", lw=1.4)
    style.note(axes, "more than twice", (liked, 0.62), (5, 0), color=RED)
    axes.set(xlim=(0, end), ylim=(0, 1.02))
    axes.set_xlabel("watch ratio from which a video counts as relevant")
    axes.set_ylabel("precision@10, fully observed matrix")
    axes.legend(loc="lower left")
    return figure


def learning(logs: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw each model's loss and its NDCG@10 on the validation part, epoch by epoch.

    `logs` maps a model to its training log: epoch, loss, ndcg_valid. Losses are of different kinds,
    so each is drawn as a share of its first value; the best validation epoch is ringed.
    """
    figure, (left, right) = style.panels(2, 3.6)
    for name, log in logs.items():
        colour, line, _ = look(name)
        loss = log["loss"] / log["loss"].iloc[0]
        left.plot(log["epoch"], loss, color=colour, ls=line, lw=1.8, label=name)
        right.plot(log["epoch"], log["ndcg_valid"], color=colour, ls=line, lw=1.8)
        best = log.nlargest(1, "ndcg_valid")
        style.ring(right, best["epoch"], best["ndcg_valid"], 10, colour)
    left.set_ylabel("loss / loss of the first epoch")
    right.set_ylabel("NDCG@10, validation part")
    for axes in (left, right):
        style.log_axis(axes)
        axes.set_xlabel("epoch")
    style.legend_over(figure, min(len(logs), 3))
    return figure


def standings(tables: Mapping[str, pd.DataFrame], metric: str = "ndcg@10") -> Figure:
    """Draw every model's place, a panel a data set.

    `tables` maps a title to a row a model: `metric`, and its interval over users, low and high. A
    model named "oracle" is drawn as a line: the best that is possible.
    """
    figure, panels = style.panels(len(tables), 4.2, sharey=True)
    names = list(dict.fromkeys(name for table in tables.values() for name in table.index[::-1]))
    names = [name for name in names if name != "oracle"]
    for axes, (title, table) in zip(panels, tables.items(), strict=True):
        for name in table.index.drop("oracle", errors="ignore"):
            (colour, _, marker), row = look(name), names.index(name)
            axes.plot(table.loc[name, ["low", "high"]], [row, row], color=colour, lw=2)
            axes.plot(table.loc[name, metric], row, marker, color=colour, ms=8)
        if "oracle" in table.index:
            best = float(table[metric].loc["oracle"])
            axes.axvline(best, color="black", lw=1.4)
            style.note(axes, "the best\npossible", (best, len(names) - 1), (-4, 0), ha="right")
        axes.set(xlim=(0, None), xlabel=f"NDCG@10, {title}")
    panels[0].set_yticks(range(len(names)), names)
    return figure


def by_likes(groups: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the models' NDCG@10 by how many likes of a user they were shown, a panel a data set.

    `groups` maps a title to a row a group of users, in order, and a column a model.
    """
    figure, panels = style.panels(len(groups), 3.7)
    for axes, (title, table) in zip(panels, groups.items(), strict=True):
        for name in table:
            colour, line, marker = look(str(name))
            values = table[name].to_numpy()
            axes.plot(values, marker=marker, color=colour, ls=line, label=name)
        axes.set_xticks(range(len(table)), [str(group) for group in table.index])
        axes.set(ylim=(0, None), xlabel=f"likes shown of a user, {title}")
    panels[0].set_ylabel("NDCG@10")
    style.legend_over(figure, 3)
    return figure
