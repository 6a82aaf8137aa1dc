"""Figures on genres and on films that nobody has rated."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course.figures.style import BLUE, COLOURS, GREEN, GREY, ORANGE, RED


def error_by_count(table: pd.DataFrame) -> Figure:
    """Draw each model's RMSE by the number of training ratings of the film.

    `table` has a row a class of films (its index the label), a column a model, in stars, and a
    column "share": which part of the test ratings falls into the class.
    """
    figure, (axes, below) = plt.subplots(
        2, 1, figsize=(7.0, 4.4), sharex=True, height_ratios=[4, 1]
    )
    x = np.arange(len(table))
    names = [name for name in table.columns if name != "share"]
    for name, colour, marker in zip(names, COLOURS, "os^D", strict=False):
        axes.plot(x, table[name], f"{marker}-", color=colour, label=name)
    axes.set_ylabel("RMSE on the test part (stars)")
    axes.legend()
    below.bar(x, table["share"], color=GREY, width=0.5)
    below.yaxis.set_major_formatter("{x:.0%}")
    below.set_ylabel("of the test\nratings")
    below.set_xticks(x, list(table.index))
    below.set_xlabel("training ratings of the film")
    return figure


def solver_errors(errors: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the distance from the solution over the sweeps of some iterative solvers."""
    figure, axes = plt.subplots()
    for (name, values), colour, marker in zip(
        errors.items(), (RED, BLUE, GREEN), "so^", strict=False
    ):
        axes.plot(range(len(values)), values, f"{marker}-", ms=4, color=colour, label=name)
    axes.set(yscale="log", xlabel="sweep over all genres", ylabel="distance from the solution")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


def genre_biases(names: Sequence[str], biases: np.ndarray, counts: np.ndarray) -> Figure:
    """Draw what each genre adds to a film's bias, in stars; `counts`: rated films of the genre."""
    order = np.argsort(biases)
    figure, axes = plt.subplots(figsize=(7.0, 0.26 * len(order) + 0.8))
    colours = [BLUE if biases[g] >= 0 else ORANGE for g in order]
    axes.barh([f"{names[g]} ({counts[g]:,})" for g in order], biases[order], color=colours)
    axes.axvline(0, color=GREY, lw=1)
    axes.set_xlabel("bias of the genre (stars, for a film of this genre alone)")
    axes.grid(visible=False, axis="y")
    return figure


def contributions(table: pd.DataFrame) -> Figure:
    """Draw a prediction as the sum of its parts: part and contribution (stars), a row each."""
    figure, axes = plt.subplots(figsize=(7.0, 0.36 * len(table) + 1.2))
    values = table["contribution"].to_numpy(float)
    starts = np.concatenate([[0], np.cumsum(values)])
    rows = np.arange(len(values))[::-1]
    colours = [GREY, *(BLUE if value >= 0 else ORANGE for value in values[1:])]
    axes.barh(rows, values, left=starts[:-1], color=colours, height=0.6)
    for row, value, start, end in zip(rows, values, starts, starts[1:], strict=False):
        axes.text(max(start, end), row, f" {value:+.2f}", va="center", fontsize=9)
        axes.plot([end, end], [row - 1.3, row + 0.3], color=GREY, lw=0.8)
    axes.barh(-1, starts[-1], color=GREEN, height=0.6)
    axes.text(starts[-1], -1, f" {starts[-1]:.2f}", va="center", fontsize=9)
    axes.set_yticks([*rows, -1], [*table["part"], "prediction"])
    low, high = min(starts[1:]), max(starts)
    axes.set_xlim(max(0.0, low - 1), high + 0.3)
    axes.set_xlabel("stars")
    axes.grid(visible=False, axis="y")
    return figure


def against_truth(predicted: np.ndarray, given: np.ndarray, labels: tuple[str, str]) -> Figure:
    """Draw the mean rating given over the prediction, in tenths of the users, with its error."""
    figure, axes = plt.subplots(figsize=(5.0, 4.2))
    groups = np.array_split(np.argsort(predicted, kind="stable"), 10)
    x = np.array([predicted[g].mean() for g in groups])
    y = np.array([given[g].mean() for g in groups])
    error = np.array([given[g].std() / np.sqrt(len(g)) for g in groups])
    axes.errorbar(x, y, 2 * error, fmt="o", color=BLUE, capsize=3)
    ends = np.array([min(x.min(), y.min()), max(x.max(), y.max())])
    axes.plot(ends, ends, color=GREY, ls="--", lw=1, label="prediction = rating")
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.legend(loc="upper left")
    return figure


def expected(readers: Sequence[str], stars: np.ndarray, scale: tuple[float, float]) -> Figure:
    """Draw what some readers are expected to give one film, a bar each.

    Parameters
    ----------
    readers : sequence of n str
        Who they are.
    stars : (n,)
        Predictions, not clipped.
    scale : (float, float)
        The lowest and the highest rating, in stars.
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.7 + 0.35 * len(readers)))
    bars = axes.barh(range(len(readers)), stars, color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{value:.2f}" for value in stars], padding=4)
    axes.set_yticks(range(len(readers)), readers)
    axes.invert_yaxis()
    axes.set(xlim=(0, scale[1] + 0.5), xlabel="predicted rating (stars)")
    axes.grid(axis="y", visible=False)
    return figure
