"""Figures on certainty: draws and their mean, intervals that hold what they say or do not."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, GREY, ORANGE, PERCENT, RED


def posterior(bias: np.ndarray, densities: Mapping[str, np.ndarray]) -> Figure:
    """Draw what is known of a film's bias after more and more ratings, one density each."""
    figure, axes = plt.subplots(figsize=(7.0, 3.2))
    shades = plt.get_cmap("Blues")(np.linspace(0.35, 1, len(densities)))
    for (name, density), colour in zip(densities.items(), shades, strict=True):
        axes.plot(bias, density, color=colour, lw=2, label=name)
    axes.legend()
    axes.set(xlabel="bias of the film (stars)", ylabel="density", ylim=(0, None), yticks=[])
    return figure


def traces(noise: np.ndarray, warm_up: int) -> Figure:
    """Draw the noise of each chain, (n_chains, n_draws) in stars, over its draws.

    Those up to `warm_up` are not kept, and stand on grey.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.2))
    axes.axvspan(0, warm_up, color=GREY, alpha=0.2, lw=0)
    for chain, (colour, values) in enumerate(zip((BLUE, ORANGE, RED, GREY), noise, strict=False)):
        axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=f"chain {chain + 1}")
    axes.set(xlabel="draw", ylabel="noise (stars)", xlim=(0, noise.shape[1]))
    style.legend_above(axes, len(noise))
    return figure


def draws(single: np.ndarray, mean: np.ndarray, best: float) -> Figure:
    """Draw the RMSE of each draw and of their mean so far, (n_draws,) each, beside one model's."""
    figure, axes = plt.subplots()
    numbers = np.arange(1, len(single) + 1)
    axes.plot(numbers, single, "o", ms=3, color=ORANGE, label="one draw")
    axes.plot(numbers, mean, color=BLUE, lw=2, label="mean of the draws so far")
    axes.axhline(best, color=RED, lw=1.5, ls="--", label="ALS: the one best set of factors")
    axes.set(xlabel="draw", ylabel="RMSE, validation part (stars)")
    style.legend_above(axes, 3)
    return figure


def reliability(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the shares that intervals cover over the shares that they claim (level, share)."""
    figure, axes = plt.subplots(figsize=(5.0, 4.4))
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="covers what it claims")
    shares = {name: table.set_index("level")["share"] for name, table in tables.items()}
    style.lines(axes, pd.DataFrame(shares), ms=5)
    axes.set(xlabel="share that the interval claims", ylabel="share of test ratings inside")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="upper left")
    return figure


def by_group(tables: Mapping[str, pd.DataFrame], level: float, label: str) -> Figure:
    """Draw the share inside by group of ratings, one line per model; `tables` of `by_quantile`."""
    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    axes.axhline(level, color=GREY, lw=1, ls="--")
    shares = pd.DataFrame({name: table["share"] for name, table in tables.items()})
    style.lines(axes, shares, ms=6)
    widest = max(tables.values(), key=len)
    ends = zip(widest["low"], widest["high"], strict=True)
    axes.set_xticks(widest.index, [f"{low:.2f} to {high:.2f}" for low, high in ends])
    axes.set(xlabel=label, ylabel=f"share inside; {level:.0%} was claimed")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend()
    return figure


def shelf(table: pd.DataFrame) -> Figure:
    """Draw a list of films with their intervals, best prediction first.

    `table` has one row per film: title, predicted, low, high (stars), raters (how many).
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.36 * len(table) + 1.0))
    style.intervals(axes, table.rename(columns={"predicted": "value"}), np.arange(len(table)))
    titles = zip(table["title"], table["raters"], strict=True)
    style.name_rows(axes, [f"{style.shorten(title)}  ({raters:,})" for title, raters in titles])
    axes.invert_yaxis()
    axes.set_xlabel("predicted rating and 80% interval (stars); in brackets, how many rated it")
    return figure
