"""Figures on alternating least squares: its landscape, its progress, its tuning, its lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from course.figures.style import BLUE, GREEN, GREY, ORANGE, RED, SEQUENTIAL

# The sequential map without its last fifth, which is too faint for a line on white.
_SHADES = ListedColormap(mpl.colormaps[SEQUENTIAL](np.linspace(0, 0.8, 256)))


def valleys(target: float, tau: float, alternating: np.ndarray, descent: np.ndarray) -> Figure:
    """Draw the loss of one rating over p and q, two ways down, and two cuts through it.

    Parameters
    ----------
    target, tau : float
        y and τ of the loss ½ (y - p q)² + τ/2 (p² + q²).
    alternating, descent : (n, 2)
        The points (p, q) that alternating least squares and gradient descent pass through.
    """

    def loss(p: Any, q: Any) -> Any:
        return 0.5 * (target - p * q) ** 2 + 0.5 * tau * (p**2 + q**2)

    figure, (map_, cuts) = plt.subplots(
        1, 2, figsize=(7.0, 3.7), gridspec_kw={"width_ratios": (1.15, 1)}
    )
    reach = 1.15 * max(float(np.abs(alternating).max()), float(np.abs(descent).max()))
    side = np.linspace(-reach, reach, 201)
    p, q = np.meshgrid(side, side)
    height = loss(p, q)
    levels = np.geomspace(height.min(), height.max(), 22)
    map_.contourf(p, q, height, levels, cmap="Greys", norm="log", alpha=0.55, extend="both")
    map_.contour(p, q, height, levels, colors="white", linewidths=0.4)
    map_.plot(*descent.T, "o-", ms=3, lw=1, color=BLUE, label="gradient descent")
    map_.plot(*alternating.T, "o-", ms=4, lw=1.6, color=RED, label="alternating")
    map_.plot(0, 0, "x", ms=8, mew=2, color="black", label="saddle")
    map_.set(xlabel="p, of the user", ylabel="q, of the film", aspect="equal")
    map_.grid(visible=False)
    _legend_above(map_, 3)

    fixed = float(alternating[0, 1])
    alone = loss(side, np.full_like(side, fixed))
    cuts.plot(side, alone, color=RED, label=f"p alone, q = {fixed:g}")
    cuts.plot(side, loss(side, side), color=GREY, ls="--", label="p = q, both at once")
    best = fixed * target / (fixed**2 + tau)
    cuts.plot(best, loss(best, fixed), "o", color=RED)
    cuts.set(xlabel="p", ylabel="loss", ylim=(0, 2.2 * loss(0.0, fixed)))
    _legend_above(cuts, 1)
    return figure


def progress(
    losses: Sequence[float], history: pd.DataFrame, marks: Mapping[str, float] | None = None
) -> Figure:
    """Draw the objective after every half step, and RMSE after every epoch.

    Parameters
    ----------
    losses : sequence
        The objective divided by the number of ratings: users solved, items solved, and so on.
    history : DataFrame
        epoch, rmse_train, rmse_valid.
    marks : mapping of name to RMSE, optional
        Levels to compare with, drawn as dashed lines.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.6))
    values = np.asarray(losses)
    steps = np.arange(1, len(values) + 1) / 2
    left.plot(steps, values, color=GREY, lw=1, zorder=1)
    for first, colour, name in ((0, BLUE, "users solved"), (1, ORANGE, "films solved")):
        left.plot(steps[first::2], values[first::2], "o", ms=4, color=colour, label=name)
    left.set(xlabel="epoch", ylabel="objective per rating")
    _legend_above(left, 1)

    right.plot(history["epoch"], history["rmse_train"], "o-", ms=4, color=GREY, label="training")
    right.plot(history["epoch"], history["rmse_valid"], "o-", ms=4, color=BLUE, label="validation")
    for (name, level), colour in zip((marks or {}).items(), (ORANGE, RED), strict=False):
        right.axhline(level, color=colour, ls="--", lw=1.4, label=name)
    right.set(xlabel="epoch", ylabel="RMSE (stars)")
    _legend_above(right, 2)
    return figure


def ends(
    values: Sequence[np.ndarray], names: Sequence[str], train: np.ndarray, valid: np.ndarray
) -> Figure:
    """Draw what fits ended with over one parameter, a line for each value of the other.

    Parameters
    ----------
    values : (n,) and (m,)
        Of the first parameter (the lines) and of the second (the axis).
    names : (str, str)
        What the two are called.
    train, valid : (n, m)
        RMSE in stars.
    """
    figure, panels = plt.subplots(1, 2, figsize=(7.0, 3.4), sharey=True)
    for axes, part, name in zip(panels, (train, valid), ("training", "validation"), strict=True):
        for value, row, shade in zip(values[0], part, _shades(len(part)), strict=True):
            axes.plot(values[1], row, "o-", ms=3, color=shade, label=f"{names[0]} = {value:g}")
        axes.set(xscale="log", xlabel=f"{names[1]} ({name})")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("RMSE at the end (stars)")
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return figure


def contest(runs: Mapping[str, Sequence[pd.DataFrame]], axes: tuple[str, str]) -> Figure:
    """Draw where several ways of searching looked, and how fast each found something good.

    Parameters
    ----------
    runs : mapping of name to trials
        One to three ways, each with the trials of one or more runs, in the order tried: a column
        for each of the two parameters, and value, the RMSE. The first run is drawn above.
    axes : two names
        The parameters.
    """
    layout: list[Any] = [list(runs), ["best"] * len(runs)]
    figure, panels = plt.subplot_mosaic(layout, figsize=(7.0, 5.8), height_ratios=(1.1, 1))
    everything = pd.concat([run for several in runs.values() for run in several])
    least = everything["value"].min()
    shade = Normalize(least, least + 0.05)  # beyond, one colour for all: it is far off
    first = panels[next(iter(runs))]
    for name, several in runs.items():
        panel, run = panels[name], several[0]
        x, y = (run[axis] for axis in axes)
        dots = panel.scatter(
            x, y, c=run["value"], cmap=SEQUENTIAL, norm=shade, s=34, ec="white", lw=0.5
        )
        best = run.nsmallest(1, "value")
        panel.plot(best[axes[0]], best[axes[1]], "o", ms=13, mfc="none", mec=RED, mew=1.8)
        panel.set(xscale="log", yscale="log", xlabel=_letter(axes[0]), title=name)
        panel.set(xlim=_around(everything[axes[0]]), ylim=_around(everything[axes[1]]))
        panel.title.set_fontsize(10)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        if panel is not first:
            panel.set_yticklabels([])
    first.set_ylabel(_letter(axes[1]))
    figure.colorbar(
        dots, ax=[panels[name] for name in runs], label="RMSE (stars)", extend="max", pad=0.02
    )

    best_so_far = panels["best"]
    for (name, several), colour, line in zip(
        runs.items(), (GREY, ORANGE, BLUE), ("-", "--", "-"), strict=False
    ):
        for number, run in enumerate(several):
            values = np.minimum.accumulate(run["value"].to_numpy())
            label = name if number == 0 else f"_{name}"
            best_so_far.plot(
                np.arange(1, len(values) + 1), values, line, color=colour, lw=1.8, label=label,
                drawstyle="steps-post",
            )  # fmt: skip
    best_so_far.set(xlabel="trials made", ylabel="best RMSE so far (stars)")
    best_so_far.set_ylim(least - 0.001, least + 0.03)  # the first few trials may be anywhere
    best_so_far.legend()
    return figure


def draws(table: pd.DataFrame) -> Figure:
    """Draw two models' RMSE on several splits, and how far each number strays from its mean.

    Parameters
    ----------
    table : DataFrame
        A row a split, its index the seed; two columns, one a model, the better one last.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.0, 3.4), gridspec_kw={"width_ratios": (1.2, 1)}
    )
    worse, better = table.columns
    place = np.arange(len(table))
    left.vlines(place, table[better], table[worse], color=GREY, lw=1)
    left.plot(place, table[worse], "o", color=ORANGE, label=worse)
    left.plot(place, table[better], "s", color=BLUE, label=better)
    left.set_xticks(place, [str(seed) for seed in table.index])
    left.set(xlabel="seed of the split", ylabel="RMSE, test part (stars)")
    _legend_above(left, 2)

    strays = {
        worse: table[worse],
        better: table[better],
        "their\ndifference": table[worse] - table[better],
    }
    for row, (values, colour, marker) in enumerate(
        zip(strays.values(), (ORANGE, BLUE, GREEN), "osD", strict=True)
    ):
        stray = 1000 * (values - values.mean())
        right.plot(stray, np.full(len(stray), 2 - row), marker, color=colour, alpha=0.7)
    right.axvline(0, color=GREY, lw=1)
    right.set_yticks([2, 1, 0], list(strays))
    right.set(xlabel="from its mean (thousandths)", ylim=(-0.6, 2.6))
    right.grid(visible=False, axis="y")
    return figure


def descent(exact: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """Draw validation RMSE of ALS and of gradient descent, over epochs and over seconds.

    Parameters
    ----------
    exact : DataFrame
        The history of ALS: epoch, seconds (of each epoch), rmse_valid.
    runs : DataFrame
        rate, epoch, seconds (since the start), rmse; a row an epoch of a run.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.8), sharey=True)
    spent = exact["seconds"].cumsum()
    styles = ("-", "--", ":", "-.")
    for axes, mine in ((left, "epoch"), (right, "seconds")):
        for shade, line, (rate, run) in zip(
            _shades(runs["rate"].nunique()), styles * 9, runs.groupby("rate"), strict=False
        ):
            name = f"SGD, step {rate:g}"
            axes.plot(run[mine], run["rmse"], line, lw=1.6, color=shade, label=name)
        where = exact["epoch"] if mine == "epoch" else spent
        axes.plot(where, exact["rmse_valid"], "o-", ms=3.5, color=RED, label="ALS")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())  # or a short axis is full of them
    left.set(xlabel="epochs", ylabel="RMSE, validation part (stars)")
    right.set(xlabel="seconds, compiling apart")
    left.legend(fontsize=9)
    least = float(min(exact["rmse_valid"].min(), runs["rmse"].min()))
    left.set_ylim(least - 0.005, least + 0.1)
    return figure


def known_and_listed(
    counts: np.ndarray,
    scores: np.ndarray,
    listed: np.ndarray,
    ends: Sequence[int],
    names: Sequence[str],
) -> Figure:
    """Draw every film's predicted rating over its number of ratings, a list's films picked out.

    Parameters
    ----------
    counts : (n_items,) int
        Number of ratings of each film; those without one are left out.
    scores : (n_items,)
        Predicted ratings for one person, in stars.
    listed : (n,) int
        Indices of the films on the list.
    ends, names : two indices and two titles
        The films of the list with the fewest and with the most ratings, to be named.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    jitter = np.random.default_rng(0).uniform(0.94, 1.06, len(counts))  # counts are whole numbers
    x = counts * jitter
    others = np.setdiff1d(np.flatnonzero(counts > 0), listed)
    axes.scatter(
        x[others], scores[others], s=6, color=BLUE, alpha=0.3, lw=0, rasterized=True,
        label="all films",
    )  # fmt: skip
    axes.scatter(x[listed], scores[listed], s=30, color=ORANGE, ec="black", lw=0.6, label="listed")
    for item, name, edge, side in zip(ends, names, (0.0, 1.0), ("left", "right"), strict=True):
        title = name if len(name) < 45 else f"{name[:43]}…"
        axes.annotate(
            title, (x[item], scores[item]), (edge, 1.02), textcoords="axes fraction",
            ha=side, va="bottom", fontsize=9, arrowprops={"arrowstyle": "-", "color": GREY},
        )  # fmt: skip
    axes.set(xscale="log", xlabel="ratings of the film", ylabel="predicted rating (stars)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(y=0.08)
    axes.legend(loc="lower right")
    return figure


def _shades(n: int) -> np.ndarray:
    """Return `n` colours in order, from dark to light."""
    shades: Colormap = _SHADES
    return shades(np.linspace(0, 1, max(n, 1)))


def _letter(name: str) -> str:
    """Return a parameter's Greek letter, if it is named after one."""
    return {"tau": "τ", "gamma": "γ", "nu": "ν", "beta": "β"}.get(name, name)


def _around(values: pd.Series) -> tuple[float, float]:
    """Return limits of a logarithmic axis that leave some room about the values."""
    low, high = float(values.min()), float(values.max())
    room = max((high / low) ** 0.08, 1.1)
    return low / room, high * room


def _legend_above(axes: Axes, columns: int) -> None:
    """Put the legend over the panel, where no line can run through it."""
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, fontsize=9,
        columnspacing=1, handlelength=1.4,
    )  # fmt: skip
