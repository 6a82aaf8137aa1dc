"""Figures on alternating least squares: its landscape, its progress, its tuning, its lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, GREEN, GREY, ORANGE, RED, SEQUENTIAL, Options

LETTERS = {"tau": "τ", "gamma": "γ", "nu": "ν", "beta": "β"}  # of parameters named after them


def valleys(target: float, tau: float, alternating: np.ndarray, descent: np.ndarray) -> Figure:
    """Draw the loss ½ (y - p q)² + τ/2 (p² + q²) of one rating, two ways down, and two cuts.

    `target` is y, `tau` τ; `alternating` and `descent` (n, 2) are the points (p, q) that
    alternating least squares and gradient descent pass through.
    """

    def loss(p: Any, q: Any) -> Any:
        return 0.5 * (target - p * q) ** 2 + 0.5 * tau * (p**2 + q**2)

    figure, (map_, cuts) = style.panels(2, 3.7, width_ratios=(1.15, 1))
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
    style.legend_above(map_, 3)

    fixed = float(alternating[0, 1])
    cuts.plot(side, loss(side, fixed), color=RED, label=f"p alone, q = {fixed:g}")
    cuts.plot(side, loss(side, side), color=GREY, ls="--", label="p = q, both at once")
    best = fixed * target / (fixed**2 + tau)
    cuts.plot(best, loss(best, fixed), "o", color=RED)
    cuts.set(xlabel="p", ylabel="loss", ylim=(0, 2.2 * loss(0.0, fixed)))
    style.legend_above(cuts, 1)
    return figure


def progress(losses: Sequence[float], log: pd.DataFrame, marks: Mapping[str, float]) -> Figure:
    """Draw the objective after every half step, and RMSE after every epoch.

    `losses` is the objective divided by the number of ratings: users solved, items solved, and so
    on. `log` has epoch, rmse_train, rmse_valid; `marks` names at most two levels of RMSE, drawn
    dashed.
    """
    figure, (left, right) = style.panels(2, 3.6)
    values = np.asarray(losses)
    steps = np.arange(1, len(values) + 1) / 2
    left.plot(steps, values, color=GREY, lw=1, zorder=1)
    for first, colour, name in ((0, BLUE, "users solved"), (1, ORANGE, "films solved")):
        left.plot(steps[first::2], values[first::2], "o", ms=4, color=colour, label=name)
    left.set(xlabel="epoch", ylabel="objective per rating")
    style.legend_above(left, 1)
    for part, colour in (("training", GREY), ("validation", BLUE)):
        rmse = log[f"rmse_{part[:5]}"]
        right.plot(log["epoch"], rmse, "o-", ms=4, color=colour, label=part)
    for (name, level), colour in zip(marks.items(), (ORANGE, RED), strict=False):
        right.axhline(level, color=colour, ls="--", lw=1.4, label=name)
    right.set(xlabel="epoch", ylabel="RMSE (stars)")
    style.legend_above(right, 2)
    return figure


def ends(
    values: Sequence[np.ndarray], names: Sequence[str], train: np.ndarray, valid: np.ndarray
) -> Figure:
    """Draw what fits ended with over one parameter, a line for each value of the other.

    `values` (n,) and (m,) are those of the first parameter (the lines) and of the second (the
    axis), `names` what the two are called, `train` and `valid` (n, m) RMSE in stars.
    """
    figure, panels = style.panels(2, 3.4, sharey=True)
    for axes, part, name in zip(panels, (train, valid), ("training", "validation"), strict=True):
        # Without the last fifth of the scale, which is too faint for a line on white.
        shades = mpl.colormaps[SEQUENTIAL](np.linspace(0, 0.8, len(part)))
        for value, row, shade in zip(values[0], part, shades, strict=True):
            axes.plot(values[1], row, "o-", ms=3, color=shade, label=f"{names[0]} = {value:g}")
        style.log_axis(axes)
        axes.set_xlabel(f"{names[1]} ({name})")
    panels[0].set_ylabel("RMSE at the end (stars)")
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    plt.close(figure)  # its widget shows it
    return figure


def contest(runs: Mapping[str, Sequence[pd.DataFrame]], axes: tuple[str, str]) -> Figure:
    """Draw where several ways of searching looked, and how fast each found something good.

    `runs` maps one to three ways to the trials of one or more runs, in the order tried: a column
    for each of the two parameters, which `axes` names, and value, the RMSE. The first run is drawn
    above.
    """
    layout: list[Any] = [list(runs), ["best"] * len(runs)]
    figure, panels = plt.subplot_mosaic(layout, figsize=(7.0, 5.8), height_ratios=(1.1, 1))
    everything = pd.concat([run for several in runs.values() for run in several])
    least = everything["value"].min()
    # Beyond these 0.05 stars one colour serves all: it is far off.
    colours: Options = {"cmap": SEQUENTIAL, "norm": Normalize(least, least + 0.05)}
    for name, several in runs.items():
        panel, run = panels[name], several[0]
        x, y = (run[axis] for axis in axes)
        points = panel.scatter(x, y, c=run["value"], s=34, ec="white", lw=0.5, **colours)
        best = run.nsmallest(1, "value")
        style.ring(panel, best[axes[0]], best[axes[1]], 13)
        panel.update_datalim(everything[list(axes)].to_numpy(float))  # all panels, the same limits
        for which in "xy":
            style.log_axis(panel, which)
        panel.set_xlabel(LETTERS.get(axes[0], axes[0]))
        panel.set_title(name, fontsize=10)
    above = [panels[name] for name in runs]
    above[0].set_ylabel(LETTERS.get(axes[1], axes[1]))
    for panel in above[1:]:
        panel.tick_params(labelleft=False)
    figure.colorbar(points, ax=above, label="RMSE (stars)", extend="max", pad=0.02)

    so_far, looks = panels["best"], ((GREY, "-"), (ORANGE, "--"), (BLUE, "-"))
    for (name, several), (colour, line) in zip(runs.items(), looks, strict=False):
        for number, run in enumerate(several):
            label = name if number == 0 else f"_{name}"
            tried, reached = np.arange(1, len(run) + 1), run["value"].cummin()
            so_far.step(tried, reached, line, where="post", color=colour, lw=1.8, label=label)
    so_far.set(xlabel="trials made", ylabel="best RMSE so far (stars)")
    so_far.set_ylim(least - 0.001, least + 0.03)  # the first few trials may be anywhere
    so_far.legend()
    return figure


def draws(table: pd.DataFrame) -> Figure:
    """Draw two models' RMSE on several splits, and how far each number strays from its mean.

    `table` has one row per split, its index the seed, and two columns, the better model last.
    """
    figure, (left, right) = style.panels(2, 3.4, width_ratios=(1.2, 1))
    worse, better = table.columns
    place = np.arange(len(table))
    left.vlines(place, table[better], table[worse], color=GREY, lw=1)
    style.lines(left, table, (ORANGE, BLUE), place, ls="", ms=6)
    left.set_xticks(place, [str(seed) for seed in table.index])
    left.set(xlabel="seed of the split", ylabel="RMSE, test part (stars)")
    style.legend_above(left, 2)

    strays = table.assign(**{"their\ndifference": table[worse] - table[better]})
    strays = 1000 * (strays - strays.mean())
    for row, (name, colour, marker) in enumerate(
        zip(strays, (ORANGE, BLUE, GREEN), "osD", strict=True)
    ):
        right.plot(strays[name], np.full(len(place), row), marker, color=colour, alpha=0.7)
    right.axvline(0, color=GREY, lw=1)
    style.name_rows(right, strays)
    right.set(xlabel="from its mean (thousandths)", ylim=(2.6, -0.6))
    return figure
