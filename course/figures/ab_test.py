"""Figures on experiments: p-values that lie, peeking, a result as it grows, offline and online."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures import style
from course.figures.style import BLUE, COLOURS, GREEN, GREY, ORANGE, PERCENT, RED, Options

MOST_PATHS = 100  # more lines than that are a blot
LEAST_P = 1e-3  # p-values below stand at the lower edge
# One look for each way to test, the same in every figure.
LOOKS = {
    "visits": (ORANGE, "s", "--"),
    "users": (BLUE, "o", "-"),
    "always valid": (GREEN, "D", "-."),
}


def aa_p_values(p_values: Mapping[str, np.ndarray], alpha: float = 0.05) -> Figure:
    """Draw a histogram of A/A tests' p-values for each way to test, side by side.

    `p_values` maps a name of `LOOKS` to the p-values (n,) of experiments with nothing to find; the
    share of them below `alpha` is written into the panel.
    """
    figure, panels = style.panels(len(p_values), 3.3, sharey=True)
    edges = np.linspace(0, 1, 21)
    for panel, (name, values) in zip(panels, p_values.items(), strict=True):
        share = np.full(len(values), 1 / len(values))
        panel.hist(values, edges.tolist(), weights=share, color=LOOKS[name][0], ec="white", lw=0.5)
        panel.axhline(edges[1], color="black", lw=1, ls="--", label="if they told the truth")
        text = f"{np.mean(values < alpha):.1%} of the\ntests below {alpha:g}"
        style.note(panel, text, (0.45, 0.95), xycoords="axes fraction", va="top")
        panel.set(xlabel=f"p-value, {name} taken as independent", xlim=(0, 1))
    panels[0].set_ylabel("share of the A/A tests")
    style.legend_over(figure, 1)
    return figure


def p_value_paths(looks: np.ndarray, p_values: np.ndarray, alpha: float = 0.05) -> Figure:
    """Draw how p-values wander from look to look, those that ever dip below `alpha` in colour.

    `looks` (k,) are times in days, `p_values` (n, k) has a row an experiment; the first
    `MOST_PATHS` of them are drawn.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.4))
    drawn = np.maximum(p_values[:MOST_PATHS], LEAST_P)
    below = drawn < alpha
    caught = below.any(axis=1)
    labels = (
        f"{caught.sum()} of {len(drawn)} were below on some day, {below[:, -1].sum()} on the last",
        f"{len(drawn) - caught.sum()} never were",
    )
    axes.axhspan(LEAST_P / 2, alpha, color=RED, alpha=0.08, lw=0)
    axes.plot([], [], "o-", color=RED, ms=4.5, mec="white", label=labels[0])
    axes.plot([], [], color=GREY, lw=0.8, label=labels[1])
    for path in drawn[~caught]:
        axes.plot(looks, path, color=GREY, lw=0.6, alpha=0.35)
    for path in drawn[caught]:
        first = int((path < alpha).argmax())
        axes.plot(looks, path, color=RED, lw=0.9, alpha=0.45)
        axes.plot(looks[first], path[first], "o", ms=5, color=RED, mec="white", mew=0.6, zorder=4)
    axes.axhline(alpha, color="black", lw=1.2)
    style.note(axes, f"p = {alpha:g}", (looks[-1], alpha), (4, 0))
    style.legend_over(figure, 2)
    ticks = {p: f"{p:g}" for p in (1, 0.3, 0.1, 0.03, 0.01, 0.003)}
    style.log_axis(axes, "y", ticks=ticks | {LEAST_P: f"{LEAST_P:g}\nor less"})
    axes.set(ylim=(LEAST_P * 0.8, 1.1), xlim=(looks[0], looks[-1]))
    axes.set(xlabel="day of the look", ylabel="p-value so far (logarithmic)")
    return figure


def false_alarms(
    table: pd.DataFrame, theory: Mapping[int, float], n: int, alpha: float = 0.05
) -> Figure:
    """Draw the share of A/A tests that are significant at some look, over the number of looks.

    `table` has a row a number of looks and a column a way to test, as in `LOOKS`, each share from
    `n` tests: bands show two standard errors. Crosses: `theory`, what is known of a plain test.
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
    axes.plot(*zip(*crosses.items(), strict=True), "x", label="theory, independent people", **how)
    axes.axhline(alpha, color=GREY, ls=":", lw=1.4, label=f"what was promised: {alpha:.0%}")
    style.log_axis(axes, ticks=table.index)
    axes.set_xlabel("looks, evenly spaced; the last is at the end")
    axes.set_xlim(first * 0.93, last * 1.75)
    axes.set_ylim(0, 1.15 * np.nanmax(table.to_numpy(float)))
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel("A/A tests with a “discovery”")
    axes.legend(loc="upper left")
    return figure


def growing(table: pd.DataFrame, truth: float, planned: float) -> Figure:
    """Draw an experiment's difference day by day, with both kinds of intervals.

    `table` has a row a day: difference, "margin" of a single look's interval, and "valid margin" of
    the confidence sequence. `truth` is what the simulator knows, `planned` the day of the planned
    end.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.9))
    days, points = table.index.to_numpy(float), 100 * table  # percentage points
    d = points["difference"]
    for column, name, alpha, label in (
        ("valid margin", "always valid", 0.18, "95 % for all days together (always valid)"),
        ("margin", "users", 0.35, "95 % for one day fixed beforehand"),
    ):
        low, high = d - points[column], d + points[column]
        axes.fill_between(days, low, high, color=LOOKS[name][0], alpha=alpha, lw=0, label=label)
    axes.plot(days, d, "o-", color=BLUE, ms=3.5, lw=1.4, label="difference so far")
    axes.axhline(0, color="black", lw=1)
    axes.axhline(100 * truth, color=RED, lw=1.4, ls="--", label="the truth")
    axes.axvline(planned, color=GREY, lw=1.2, ls=":")
    # The first days' intervals would dwarf the others.
    least, most = min(low[2:].min(), 0, 100 * truth), max(high[2:].max(), 0, 100 * truth)
    pad = 0.2 * (most - least)
    axes.set(xlim=(days[0], days[-1]), ylim=(least - pad, most + pad))
    style.note(axes, "planned end", (planned, least - pad), (4, 6), color=GREY, va="bottom")
    axes.set(xlabel="day of the look", ylabel="difference (percentage points)")
    style.legend_over(figure, 2)
    return figure


def offline_online(table: pd.DataFrame) -> Figure:
    """Draw what people did over what each offline metric had promised.

    `table` has a row a model: rmse and ndcg@10 (NaN where there is none), online (conversions per
    visit) and error, its standard error. Rings: best by an offline metric; star: best online.
    """
    figure, panels = style.panels(2, 4.2, sharey=True)
    online = table["online"].to_numpy(float)
    palette = (*COLOURS, "black")
    colours = [palette[k % len(palette)] for k in range(len(table))]
    names = ("RMSE in stars (better →)", "NDCG@10 (better →)")
    for panel, metric, name in zip(panels, ("rmse", "ndcg@10"), names, strict=True):
        x = table[metric].to_numpy(float)
        low, high = np.nanmin(x), np.nanmax(x)
        worst, best = (high, low) if metric == "rmse" else (low, high)
        for at, y, error, colour in zip(x, online, table["error"], colours, strict=True):
            panel.axhline(y, color=colour, lw=0.8, ls=":", alpha=0.7)
            if np.isfinite(at):
                panel.errorbar(at, y, 2 * error, fmt="o", ms=7, color=colour, capsize=2)
        label = "best by the offline metric"
        style.ring(panel, x[x == best], online[x == best], 16)
        panel.lines[-1].set(ls="", label=label)
        top = np.nanargmax(np.where(np.isfinite(x), online, np.nan))
        star: Options = {"ls": "", "mfc": "none", "mec": "black", "zorder": 5}
        panel.plot(x[top], online[top], "*", ms=20, label="best by what people did", **star)
        pad = 0.15 * (best - worst) or 0.01
        panel.set_xlim(worst - pad, best + pad)
        panel.set_xlabel(name)
        panel.grid(visible=False, axis="y")
    reach = np.ptp(online) or 0.01
    low, high = online.min() - 0.12 * reach, online.max() + 0.12 * reach
    panels[0].set_ylim(low, high)
    panels[0].yaxis.set_major_formatter(PERCENT)
    panels[0].set_ylabel("conversions per visit, online")
    places = style.apart(online, 0.065 * (high - low))
    at_edge = ("axes fraction", "data")
    for name, y, place, colour in zip(table.index, online, places, colours, strict=True):
        leader = {"arrowstyle": "-", "color": colour, "lw": 0.8}
        where: Options = {"xycoords": at_edge, "textcoords": at_edge, "annotation_clip": False}
        panels[1].annotate(
            str(name), (1, y), (1.06, place), va="center", arrowprops=leader, **where
        )
    style.legend_over(figure, 2, markerscale=0.7)
    return figure
