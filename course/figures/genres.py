"""Figures on genres and on films that nobody has rated."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, GREEN, GREY, ORANGE, PERCENT


def genre_biases(names: Sequence[str], biases: np.ndarray, counts: np.ndarray) -> Figure:
    """Draw what each genre adds to a film's bias, in stars; `counts`: rated films of the genre."""
    order = np.argsort(biases)
    figure, axes = plt.subplots(figsize=(7.0, 0.26 * len(order) + 0.8))
    axes.barh(range(len(order)), biases[order], color=_signs(biases[order]))
    style.name_rows(axes, [f"{names[g]} ({counts[g]:,})" for g in order])
    axes.axvline(0, color=GREY, lw=1)
    axes.set_xlabel("bias of the genre (stars, for a film of this genre alone)")
    return figure


def contributions(table: pd.DataFrame) -> Figure:
    """Draw a prediction as the sum of its parts: part and contribution (stars), a row each."""
    figure, axes = plt.subplots(figsize=(7.0, 0.36 * len(table) + 1.2))
    values = table["contribution"].to_numpy(float)
    n, ends = len(values), np.cumsum(values)
    starts = ends - values
    axes.barh(range(n), values, left=starts, color=[GREY, *_signs(values[1:])], height=0.6)
    axes.barh(n, ends[-1], color=GREEN, height=0.6)
    axes.vlines(ends, np.arange(n) - 0.3, np.arange(n) + 1.3, color=GREY, lw=0.8)
    texts = [f" {ends[0]:.2f}", *(f" {value:+z.2f}" for value in values[1:]), f" {ends[-1]:.2f}"]
    for row, (text, x) in enumerate(zip(texts, [*np.maximum(starts, ends), ends[-1]], strict=True)):
        axes.text(x, row, text.replace("-", "−"), va="center", fontsize=9)
    style.name_rows(axes, [*table["part"], "prediction"])
    axes.invert_yaxis()
    axes.set_xlim(max(0.0, ends.min() - 1), ends.max() + 0.3)
    axes.set_xlabel("stars")
    return figure


def gains(table: pd.DataFrame, label: str) -> Figure:
    """Draw how much lower an error is, with its interval, stratum by stratum.

    `table` has one row per stratum: gain, low, high (stars) and share (of the test ratings).
    `label` says what the strata are.
    """
    figure, (axes, below) = plt.subplots(2, figsize=(7.0, 4.4), sharex=True, height_ratios=[4, 1])
    reach = [table["gain"] - table["low"], table["high"] - table["gain"]]
    axes.axhline(0, color=GREY, lw=1)
    axes.errorbar(range(len(table)), table["gain"], reach, fmt="o", color=BLUE, capsize=3)
    below.bar([str(name) for name in table.index], table["share"], color=GREY, width=0.5)
    below.yaxis.set_major_formatter(PERCENT)
    below.set(xlabel=label, ylabel="of the test\nratings")
    axes.set_ylabel("RMSE lower by (stars)")
    return figure


def against_truth(predicted: np.ndarray, given: np.ndarray, labels: tuple[str, str]) -> Figure:
    """Draw the mean rating given over the prediction, in tenths of the films, with its error."""
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
    """Draw what some `readers` are expected to give one film, a bar each.

    `stars` (n,) are predictions, not clipped to the `scale` of lowest and highest rating.
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.7 + 0.35 * len(readers)))
    bars = axes.barh(range(len(readers)), stars, color=BLUE, height=0.6)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    style.name_rows(axes, readers)
    axes.invert_yaxis()
    axes.set(xlim=(0, scale[1] + 0.5), xlabel="predicted rating (stars)")
    plt.close(figure)  # its widget shows it
    return figure


def _signs(values: np.ndarray) -> list[str]:
    return [BLUE if value >= 0 else ORANGE for value in values]
