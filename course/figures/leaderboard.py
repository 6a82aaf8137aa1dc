"""Figures on comparing models: what more ratings are worth, how sure a difference is."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import COLOURS, GREY, MARKERS, ORANGE, SKY, Options

SHADES = ("#BBBBBB", "#D9D9D9")  # bands lie behind the lines, so they have no colour


def learning(
    table: pd.DataFrame, bands: Mapping[str, float], floor: float, within: float = 0.02
) -> Figure:
    """Draw RMSE over ratings a user, a line a model, and what each could reach at best.

    `table` has model, n (ratings a user) and rmse. `bands` maps a model to the best RMSE that its
    form could have; of those that are nearly the same, the lowest is drawn for all, and a share
    `within` above it as a band. `floor` is the RMSE of the truth itself.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.6))
    sizes = np.sort(table["n"].unique())
    edges = (sizes[0] / 1.15, sizes[-1] * 1.15)
    for number, (best, names) in enumerate(_together(bands)):
        axes.fill_between(edges, best, best * (1 + within), color=SHADES[number % 2], lw=0)
        words = f"within {within:.0%} of the best that\n{_and(names)} can be"
        if number == 0:  # all curves end here, from above: there is room at the left
            style.note(axes, words, (edges[0], best), (5, 3), va="bottom", fontsize=8)
        else:
            style.note(axes, words, (edges[1], best), (-5, -3), va="top", ha="right", fontsize=8)
    axes.axhline(floor, color="black", lw=1.5)
    words = "chance alone: a model that knows the truth"
    style.note(axes, words, (edges[0], floor), (5, -4), va="top", fontsize=8)
    wide = table.pivot_table("rmse", "n", "model", sort=False)
    style.lines(axes, wide, ms=5, lw=1.8)
    axes.set_xlabel("ratings of each user to learn from")
    axes.set_ylabel("RMSE on the same test ratings (stars)")
    spread = table["rmse"].max() - floor
    axes.set_ylim(floor - 0.12 * spread, table["rmse"].max() + 0.05 * spread)
    style.log_axis(axes, ticks=sizes.tolist())
    axes.set_xlim(edges)
    axes.grid(visible=False)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def parts(table: pd.DataFrame) -> Figure:
    """Draw what each model's squared error is made of, over ratings a user, a panel a model.

    `table` has ``model``, ``n`` and, in stars², ``chance``, ``form`` and ``to learn``.
    """
    groups = list(table.groupby("model", sort=False))
    figure, panels = style.panels(len(groups), 3.2, sharex=True, sharey=True)
    names = {
        "chance": ("#C8C8C8", "chance"),
        "form": (ORANGE, "beyond the model's form"),
        "to learn": (SKY, "not yet learnt"),
    }
    colours, labels = zip(*names.values(), strict=True)
    for axes, (name, rows) in zip(panels, groups, strict=True):
        axes.stackplot(rows["n"], rows[list(names)].T, colors=colours, labels=labels)
        axes.set_title(str(name), fontsize=10)
        style.log_axis(axes, ticks=rows["n"].tolist()[:: max(1, len(rows) // 2)])
        axes.set_xlim(rows["n"].min(), rows["n"].max())
    panels[0].set(ylabel="mean squared error (stars²)", ylim=(0, None))
    figure.supxlabel("ratings of each user to learn from", fontsize=10)
    style.legend_over(figure, 3, fontsize=9, reverse=True)
    return figure


def alone_and_paired(alone: pd.DataFrame, paired: pd.DataFrame, metric: str) -> Figure:
    """Draw intervals of a `metric`, a row a model, and those of the difference to the best.

    `alone` has a row a model: value, low, high. `paired` has the same of the difference, less the
    best.
    """
    names = list(alone.index[::-1])
    figure, (left, right) = style.panels(2, 0.42 * len(names) + 1.3, sharey=True)
    (reference,) = alone.index.difference(paired.index)
    for axes, table in ((left, alone), (right, paired)):
        style.intervals(axes, table, [names.index(name) for name in table.index])
        style.name_rows(axes, names)
    left.set_xlabel(metric)
    left.set_title("each model alone", fontsize=10)
    right.axvline(0, color=GREY, lw=1, ls="--")
    right.plot(0, names.index(reference), "o", ms=6, color=GREY)
    right.set_xlabel(f"{metric}, less that of {reference}")
    right.set_title("user by user, against the best", fontsize=10)
    left.set_ylim(-0.6, len(names) - 0.4)
    return figure


def by_split(table: pd.DataFrame, metric: str = "rmse") -> Figure:
    """Draw a metric of every model on every split, the points of one split joined by a line.

    `table` has a row a model and seed: ``model``, ``seed`` and the metric.
    """
    wide = table.pivot_table(index="model", columns="seed", values=metric, sort=False).dropna()
    wide = wide.loc[wide.mean(axis=1).sort_values().index]
    figure, axes = plt.subplots()
    style.lines(axes, wide.add_prefix("split "), x=range(len(wide)), lw=1, ms=6)
    axes.set_xticks(range(len(wide)), wide.index)
    axes.set(ylabel=f"{metric.upper()} on the test part (stars)", xlim=(-0.3, len(wide) - 0.7))
    axes.legend(loc="upper left")
    return figure


def users(table: pd.DataFrame) -> Figure:
    """Draw each user as a point: the RMSE under one model against that under another.

    `table` has a row a user and two columns, named after the models.
    """
    figure, axes = plt.subplots(figsize=(4.8, 4.6))
    x, y = (table[name].to_numpy() for name in table)
    style.dots(axes, x, y, s=9)
    ends = (0.0, 1.04 * float(np.nanmax(table.to_numpy())))
    axes.plot(ends, ends, color=GREY, lw=1, ls="--")
    first, second = map(str, table)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set(xlabel=f"the user's RMSE under {first} (stars)", ylabel=f"under {second} (stars)")
    corner: Options = {"xycoords": "axes fraction", "color": "#444444"}
    style.note(axes, f"{first} is better", (0.03, 0.97), va="top", **corner)
    style.note(axes, f"{second} is better", (0.97, 0.03), ha="right", va="bottom", **corner)
    return figure


def two_orders(table: pd.DataFrame, x: str, y: str, labels: tuple[str, str]) -> Figure:
    """Draw each model as a point: one metric against another, with their intervals.

    `table` has a row a model, the columns `x` and `y`, and for each such as "rmse low" and "rmse
    high"; of `x` less is better, of `y` more. A model without `x` is a line across. `labels` are
    the axes'.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    points, lines = table[table[x].notna()], table[table[x].isna()]
    for (name, row), colour, marker in zip(points.iterrows(), COLOURS, MARKERS, strict=False):
        axes.hlines(row[y], row[f"{x} low"], row[f"{x} high"], color=colour, lw=1.2)
        axes.vlines(row[x], row[f"{y} low"], row[f"{y} high"], color=colour, lw=1.2)
        axes.plot(row[x], row[y], marker, color=colour, ms=8, label=name)
    for place, (name, row) in enumerate(lines.sort_values(y).iterrows()):
        axes.axhspan(row[f"{y} low"], row[f"{y} high"], color=GREY, alpha=0.12, lw=0)
        axes.axhline(row[y], color=GREY, lw=1.2, ls="--")
        # Neighbours may be close: the lowest is named below its line, at the left.
        x_side, ha, va = (1, "right", "bottom") if place else (0, "left", "top")
        offset = (-4, 3) if place else (4, -3)
        how: Options = {"xycoords": ("axes fraction", "data"), "ha": ha, "va": va}
        style.note(axes, str(name), (x_side, row[y]), offset, color="#444444", **how)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def _together(bands: Mapping[str, float]) -> list[tuple[float, list[str]]]:
    """Return the bands, lowest first, those within a thousandth of each other as one."""
    groups: list[tuple[float, list[str]]] = []
    for name, best in sorted(bands.items(), key=lambda pair: pair[1]):
        if groups and best <= groups[-1][0] * 1.001:
            groups[-1][1].append(str(name))
        else:
            groups.append((float(best), [str(name)]))
    return groups


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
