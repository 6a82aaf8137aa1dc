"""Figures on experiments: p-values that lie, peeking, estimates from logs, several audiences."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, GREEN, GREY, ORANGE, PERCENT, Options

ALPHA = 0.05  # the level
# One look for each way to test, the same in every figure.
LOOKS = {
    "visits": (ORANGE, "s", "--"),
    "users": (BLUE, "o", "-"),
    "always valid": (GREEN, "D", "-."),
}


def aa_p_values(p_values: Mapping[str, np.ndarray]) -> Figure:
    """Draw a histogram of A/A tests' p-values for each way to test, side by side.

    `p_values` maps a name of `LOOKS` to the p-values (n,) of experiments with nothing to find; the
    share of them below `ALPHA` is written into the panel.
    """
    figure, panels = style.panels(len(p_values), 3.3, sharey=True)
    edges = np.linspace(0, 1, 21)
    for panel, (name, values) in zip(panels, p_values.items(), strict=True):
        share = np.full(len(values), 1 / len(values))
        panel.hist(values, edges.tolist(), weights=share, color=LOOKS[name][0], ec="white", lw=0.5)
        panel.axhline(edges[1], color="black", lw=1, ls="--", label="if the p-values are right")
        text = f"{np.mean(values < ALPHA):.1%} of the\ntests below {ALPHA:g}"
        style.note(panel, text, (0.45, 0.95), xycoords="axes fraction", va="top")
        panel.set(xlabel=f"p-value, {name} taken as independent", xlim=(0, 1))
    panels[0].set_ylabel("share of the A/A tests")
    style.legend_over(figure, 1)
    return figure


def false_alarms(table: pd.DataFrame, theory: Mapping[int, float], n: int) -> Figure:
    """Draw the share of A/A tests that are significant at some look, over the number of looks.

    `table` has one row per number of looks and one column per way to test, as in `LOOKS`, each
    share from `n` tests: bands show two standard errors. Crosses: `theory`, known of a plain test.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.9))
    first, last = table.index[[0, -1]]
    for name in table:
        colour, marker, line = LOOKS[str(name)]
        share = table[name].to_numpy(float)
        error = 2 * np.sqrt(share * (1 - share) / n)
        axes.fill_between(table.index, share - error, share + error, color=colour, alpha=0.15, lw=0)
        axes.plot(table.index, share, marker=marker, ms=5, ls=line, color=colour, lw=1.8)
        style.note(axes, str(name), (last, share[-1]), (8, 0), color=colour, weight="bold")
    crosses = {k: share for k, share in theory.items() if k <= last}
    how: Options = {"color": "black", "ms": 7, "mew": 1.6, "zorder": 5}
    axes.plot(*zip(*crosses.items(), strict=True), "x", label="theory, independent users", **how)
    axes.axhline(ALPHA, color=GREY, ls=":", lw=1.4, label=f"level of the test: {ALPHA:.0%}")
    style.log_axis(axes, ticks=table.index)
    axes.set_xlabel("looks, evenly spaced; the last is at the end")
    axes.set_xlim(first * 0.93, last * 1.75)
    axes.set_ylim(0, 1.15 * np.nanmax(table.to_numpy(float)))
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel("A/A tests with a “discovery”")
    axes.legend(loc="upper left")
    return figure


def estimates(table: pd.DataFrame, truth: float) -> Figure:
    """Draw what each estimator says of each log, a dot, and their mean; a line at the truth.

    `table` has one row per log and one column per estimator, of rates.
    """
    figure, axes = plt.subplots(figsize=(7.0, 0.9 + 0.6 * table.shape[1]))
    spread = np.linspace(-0.25, 0.25, len(table))
    for row, name in enumerate(table):
        style.dots(axes, table[name].to_numpy(), row + spread, s=10)
    style.ring(axes, table.mean(), np.arange(table.shape[1]), 9)
    axes.axvline(truth, color="black", lw=1.4, ls="--")
    style.note(axes, "truth", (truth, -0.5), (3, 0))
    style.name_rows(axes, table)
    axes.xaxis.set_major_formatter("{x:.1%}")
    axes.set_xlabel("estimated conversions per visit")
    return figure


def audiences(table: pd.DataFrame, chosen: Mapping[str, str]) -> Figure:
    """Draw what each model converts in each audience, one line per model over the audiences.

    `table` has one row per audience and one column per model; `chosen` names the models that a
    metric chose: their lines are thick and carry its name.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    for name, values in table.items():
        colour, line, marker = style.look(str(name))
        by = [metric for metric, model in chosen.items() if model == name]
        label = f"{name} (chosen by {' and '.join(by)})" if by else str(name)
        how: Options = {"color": colour, "ls": line, "marker": marker, "lw": 2.6 if by else 1.2}
        axes.plot(range(len(table)), values, label=label, **how)
    axes.set_xticks(range(len(table)), [str(name).replace(", ", ",\n") for name in table.index])
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel("conversions per visit")
    style.legend_over(figure, 2)
    return figure
