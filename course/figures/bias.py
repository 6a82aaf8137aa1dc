"""Figures on averages: how few ratings mislead, and what damping does about it."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, COUNTS, GREY, RED, Options


def funnel(counts: np.ndarray, means: np.ndarray, overall: float, spread: float) -> Figure:
    """Draw each film's mean rating over its number of ratings, and where chance alone would put it.

    `counts`, at least 1, and `means` are of each film (n_items,); `overall` and `spread` are mean
    and standard deviation of all ratings, in stars.
    """
    figure, axes = plt.subplots()
    apart = np.random.default_rng(0).uniform(0.94, 1.06, len(counts))  # equal counts coincide
    style.dots(axes, counts * apart, means)
    n = np.geomspace(1, counts.max(), 200)
    low, high = means.min(), means.max()
    for sign in (-2, 2):
        edge = overall + sign * spread / np.sqrt(n)
        axes.plot(n, np.where((edge > low) & (edge < high), edge, np.nan), color=RED, lw=1.5)
    axes.plot([], [], color=RED, label="chance alone: mean ± 2 standard errors")
    axes.axhline(overall, color=GREY, lw=1, ls="--", label="mean of all ratings")
    style.log_axis(axes, form=COUNTS)
    axes.set(xlabel="number of ratings of the film", ylabel="its mean rating (stars)")
    axes.legend(loc="lower right")
    return figure


def damped_clouds(counts: np.ndarray, clouds: Mapping[str, np.ndarray], overall: float) -> Figure:
    """Draw each film's estimate over its number of ratings, a panel for each damping.

    `counts` are at least 1; `clouds` maps a damping's name to estimates in stars, both (n_items,);
    `overall` is the mean of all ratings.
    """
    figure, panels = style.panels(len(clouds), 3.2, sharey=True)
    for axes, (name, estimates) in zip(panels, clouds.items(), strict=True):
        style.dots(axes, counts, estimates)
        axes.axhline(overall, color=GREY, lw=1, ls="--")
        style.log_axis(axes, form=COUNTS)
        axes.set_xlabel(f"number of ratings ({name})")
    panels[0].set_ylabel("estimate (stars)")
    plt.close(figure)  # its widget shows it
    return figure


def ladder(scores: Mapping[str, float], floor: float | None = None) -> Figure:
    """Draw one bar of RMSE a model, worst first; the noise floor as a line where it is known."""
    figure, axes = plt.subplots(figsize=(7.0, 0.5 * len(scores) + 1.2))
    names = sorted(scores, key=lambda name: scores[name])
    values = [scores[name] for name in names]
    bars = axes.barh(range(len(names)), values, color=BLUE, height=0.6)
    axes.bar_label(bars, fmt="%.3f", padding=3)
    style.name_rows(axes, names)
    least = values[0] if floor is None else min(values[0], floor)
    axes.set_xlim(left=0.94 * least, right=1.06 * max(values))
    if floor is not None:
        axes.axvline(floor, color=RED, lw=1.5)
        paper = {"fc": "white", "ec": "none", "pad": 1}
        how: Options = {"xycoords": ("data", "axes fraction"), "va": "top", "bbox": paper}
        style.note(
            axes, "no model can\nbeat this", (floor, 1), (4, -2), color=RED, fontsize=9, **how
        )
    axes.set_xlabel("RMSE on the test part (stars); the axis does not start at 0")
    return figure


def moved(table: pd.DataFrame) -> Figure:
    """Draw, for a few films, the damped mean and the estimate that knows who did the rating.

    `table` has one row per film: title, plain, unbiased (both in stars).
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.34 * len(table) + 1.1))
    rows = np.arange(len(table))
    axes.hlines(rows, table["plain"], table["unbiased"], color=GREY, lw=1.5)
    axes.plot(table["plain"], rows, "o", color=GREY, mfc="white", label="damped mean")
    axes.plot(table["unbiased"], rows, "o", color=BLUE, label="μ + b_i")
    style.name_rows(axes, [style.shorten(title) for title in table["title"]])
    axes.invert_yaxis()
    axes.set_xlabel("stars")
    style.legend_above(axes, 2)
    return figure
