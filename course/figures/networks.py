"""Figures on likes and networks: a lax threshold, learning curves, standings, who gains."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures.style import BLUE, COLOURS, GREEN, GREY, ORANGE, PINK, RED, SKY

# One look for each model, so that it is known again from figure to figure.
LOOKS: dict[str, tuple[str, Any, str]] = {
    "random": (GREY, ":", "x"),
    "popularity": (GREY, "--", "s"),
    "like rate": (GREY, "-.", "D"),
    "BPR": (BLUE, "-.", "v"),
    "ImplicitALS": (ORANGE, "-", "o"),
    "PureSVD": (PINK, (0, (5, 1, 1, 1)), "^"),
    "EASE": (GREEN, "--", "P"),
    "autoencoder, BCE": (SKY, (0, (3, 1, 1, 1, 1, 1)), "X"),
    "autoencoder, multinomial": (BLUE, "-", "*"),
    "two towers": (RED, "-", "d"),
    "oracle": ("black", "-", "|"),
}


def ratios(matrices: Mapping[str, np.ndarray], liked: float, most: float = 4.0) -> Figure:
    """Draw how watch ratios are distributed.

    Parameters
    ----------
    matrices : mapping of name to (n,)
        The watch ratios of each matrix; those above `most` are counted in the legend.
    liked : float
        What makes a like: drawn as a line.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.2))
    edges = np.linspace(0, most, 81)
    for (name, values), colour in zip(matrices.items(), (BLUE, ORANGE), strict=False):
        share, _ = np.histogram(values, edges)
        beyond = float((values > most).mean())
        axes.stairs(
            share / len(values), edges, color=colour, lw=1.6,
            label=f"{name} ({beyond:.1%} above {most:g})",
        )  # fmt: skip
    axes.axvline(liked, color=RED, ls="--", lw=1.4)
    axes.annotate("a like", (liked, 1), (5, -4), xycoords=("data", "axes fraction"),
                  textcoords="offset points", va="top", color=RED)  # fmt: skip
    axes.set(xlim=(0, most), ylim=(0, None))
    axes.set(xlabel="watch ratio: time watched / length", ylabel="share of watches")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.9))
    return figure


def thresholds(precision: pd.DataFrame, liked: float, reported: float) -> Figure:
    """Draw precision@10 over the watch ratio that makes a video relevant.

    Parameters
    ----------
    precision : DataFrame
        Index thresholds, a column a model.
    liked : float
        The threshold that is used from then on.
    reported : float
        A precision to mark across.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.9))
    for name in precision:
        colour, line, _ = look(str(name))
        axes.plot(precision.index, precision[name], color=colour, ls=line, lw=2, label=name)
    axes.axhline(reported, color=RED, lw=0.9)
    axes.annotate(f"{reported:.2f}", (precision.index[-1], reported), (0, 3), ha="right",
                  textcoords="offset points", color=RED)  # fmt: skip
    axes.axvline(liked, color=RED, ls="--", lw=1.4)
    axes.annotate("more than twice", (liked, 0.62), (5, 0), textcoords="offset points", color=RED)
    axes.set(xlim=(0, precision.index[-1]), ylim=(0, 1.02))
    axes.set_xlabel("watch ratio from which a video counts as relevant")
    axes.set_ylabel("precision@10, fully observed matrix")
    axes.legend(loc="lower left")
    return figure


def learning(histories: Mapping[str, pd.DataFrame], loss: str = "loss") -> Figure:
    """Draw each model's loss and its NDCG@10 on the validation part, epoch by epoch.

    Parameters
    ----------
    histories : mapping of model to DataFrame
        A row an epoch: epoch, `loss`, ndcg_valid. The losses are of different kinds, so each is
        drawn as a share of its first value; the best validation epoch is marked.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.6))
    for name, table in histories.items():
        colour, line, _ = look(name)
        style: dict[str, Any] = {"color": colour, "ls": line, "lw": 1.8}
        left.plot(table["epoch"], table[loss] / table[loss].iloc[0], label=name, **style)
        right.plot(table["epoch"], table["ndcg_valid"], **style)
        best = int(table["ndcg_valid"].to_numpy().argmax())
        place = table["epoch"].iloc[best], table["ndcg_valid"].iloc[best]
        right.plot(*place, "o", ms=10, mfc="none", mec=colour, mew=1.8)
    left.set(xlabel="epoch", ylabel="loss / loss of the first epoch")
    right.set(xlabel="epoch", ylabel="NDCG@10, validation part")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(histories), 3))
    return figure


def standings(tables: Mapping[str, pd.DataFrame], metric: str = "ndcg@10") -> Figure:
    """Draw every model's place, a panel a data set.

    Parameters
    ----------
    tables : mapping of title to DataFrame
        Index models; columns `metric`, and its interval over users, "low" and "high". A model named
        "oracle" is drawn as a line: the best that is possible.
    """
    figure, panels = plt.subplots(1, len(tables), figsize=(7.0, 4.2), sharey=True, squeeze=False)
    names = list(dict.fromkeys(name for table in tables.values() for name in table.index[::-1]))
    names = [name for name in names if name != "oracle"]
    for axes, (title, table) in zip(panels[0], tables.items(), strict=True):
        for place, name in enumerate(names):
            if name not in table.index:
                continue
            colour, _, marker = look(name)
            value, low, high = table.loc[name, [metric, "low", "high"]].to_numpy(float)
            axes.plot([low, high], [place, place], color=colour, lw=2)
            axes.plot(value, place, marker, color=colour, ms=8)
        if "oracle" in table.index:
            best = float(table[metric].to_numpy(float)[table.index.get_loc("oracle")])
            axes.axvline(best, color="black", lw=1.4)
            axes.annotate(
                "the best\npossible", (best, len(names) - 1), (-4, 0), ha="right", va="center",
                textcoords="offset points", linespacing=1.1,
            )  # fmt: skip
        axes.set(xlim=(0, None), xlabel=f"NDCG@10, {title}")
    panels[0][0].set_yticks(range(len(names)), names)
    return figure


def by_likes(groups: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the models' NDCG@10 by how many likes of a user they were shown, a panel a data set.

    Parameters
    ----------
    groups : mapping of title to DataFrame
        Index: the groups' names, in order; a column a model.
    """
    figure, panels = plt.subplots(1, len(groups), figsize=(7.0, 3.7), squeeze=False)
    for axes, (title, table) in zip(panels[0], groups.items(), strict=True):
        for name in table:
            colour, line, marker = look(str(name))
            axes.plot(
                range(len(table)), table[name], marker=marker, color=colour, ls=line, label=name
            )
        axes.set_xticks(range(len(table)), [str(group) for group in table.index])
        axes.set(ylim=(0, None), xlabel=f"likes shown of a user, {title}")
    panels[0][0].set_ylabel("NDCG@10")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def look(name: str) -> tuple[str, Any, str]:
    """Return a model's colour, line and marker; an unknown one gets what its name is dealt."""
    if name in LOOKS:
        return LOOKS[name]
    return COLOURS[sum(map(ord, name)) % len(COLOURS)], "-", "o"
