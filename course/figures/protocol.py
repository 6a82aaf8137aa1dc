"""Figures on measuring: what a hit is worth, what sampling does, how far one name reaches."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, GREY, ORANGE, Options


def negatives(table: pd.DataFrame) -> Figure:
    """Draw a metric over the number of sampled films, one line per model.

    `table` has one row per number of films, ascending, the last being the whole catalogue, and one
    column per model; the usual number, a hundred, is marked.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    style.lines(axes, table, lw=1.5, ms=5)
    axes.set_yscale("log")
    axes.set(xlabel="films that each relevant film is ranked against")
    axes.set(ylabel="NDCG@10 of a single film")
    *sampled, whole = table.index
    ticks = {n: f"{n:,}" for n in sampled if n * 1.5 < whole}  # the last two must not touch
    style.log_axis(axes, ticks=ticks | {whole: f"all\n({whole:,})"})
    low, high = axes.get_ylim()
    steps = [f * 10.0**e for e in range(-6, 1) for f in (1, 2, 5)]
    style.log_axis(axes, "y", ticks={step: f"{step:g}" for step in steps if low <= step <= high})
    axes.axvline(100, color=GREY, lw=1, ls="--")
    top: Options = {"xycoords": ("data", "axes fraction"), "va": "top", "color": GREY}
    style.note(axes, "usual", (100, 1), (3, -3), **top)
    axes.legend(loc="lower left")
    return figure


def one_name(values: Mapping[str, float], ours: str) -> Figure:
    """Draw one value a row, largest first, the row `ours` in another colour, with a line down."""
    figure, axes = plt.subplots(figsize=(7.0, 0.36 * len(values) + 0.9))
    names = sorted(values, key=lambda name: values[name])
    rows = np.arange(len(names))
    numbers = np.array([values[name] for name in names])
    colours = [BLUE if name == ours else ORANGE for name in names]
    axes.hlines(rows, 0, numbers, color=colours, lw=2)
    axes.scatter(numbers, rows, color=colours, s=45, zorder=3)
    axes.axvline(values[ours], color=BLUE, lw=1, ls="--")
    paper = {"fc": "white", "ec": "none", "pad": 0.5}
    for row, number in zip(rows, numbers, strict=True):
        style.note(axes, f"{number:.2f}", (number, row), (7, 0), bbox=paper)
    style.name_rows(axes, names, bold=ours)
    axes.set(xlabel="NDCG@10 of one model", xlim=(0, 1.12 * numbers.max()))
    return figure
