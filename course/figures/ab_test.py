"""Figures on experiments: p-values that lie, peeking, a result as it grows, offline and online."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from course.figures.style import BLUE, COLOURS, GREEN, GREY, ORANGE, RED

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

    Parameters
    ----------
    p_values : mapping of a name ("visits", "users") to (n,)
        Of experiments in which there is nothing to find.
    alpha : float
        The level; the share of p-values below it is written into the panel.
    """
    figure, panels = plt.subplots(1, len(p_values), figsize=(7.0, 3.3), sharey=True, squeeze=False)
    edges = np.linspace(0, 1, 21)
    for panel, (name, values) in zip(panels[0], p_values.items(), strict=True):
        colour = LOOKS.get(name, (COLOURS[0], "o", "-"))[0]
        panel.hist(values, edges, weights=np.full(len(values), 1 / len(values)), color=colour,
                   ec="white", lw=0.5)  # fmt: skip
        panel.axhline(edges[1], color="black", lw=1, ls="--", label="if they told the truth")
        panel.annotate(
            f"{np.mean(values < alpha):.1%} of the\ntests below {alpha:g}",
            (0.45, 0.95), xycoords="axes fraction", va="top",
        )  # fmt: skip
        panel.set(xlabel=f"p-value, {name} taken as independent", xlim=(0, 1))
    panels[0, 0].set_ylabel("share of the A/A tests")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center")
    return figure


def p_value_paths(looks: np.ndarray, p_values: np.ndarray, alpha: float = 0.05) -> Figure:
    """Draw how p-values wander from look to look, those that ever dip below `alpha` in colour.

    Parameters
    ----------
    looks : (k,)
        Times, in days.
    p_values : (n, k)
        A row an experiment; the first `MOST_PATHS` are drawn.
    """
    figure, axes = plt.subplots(figsize=(7.0, 4.4))
    drawn = np.maximum(p_values[:MOST_PATHS], LEAST_P)
    caught = (drawn < alpha).any(axis=1)
    at_the_end = drawn[:, -1] < alpha
    axes.axhspan(LEAST_P / 2, alpha, color=RED, alpha=0.08, lw=0)
    for path in drawn[~caught]:
        axes.plot(looks, path, color=GREY, lw=0.6, alpha=0.35)
    for path in drawn[caught]:
        first = int((path < alpha).argmax())
        axes.plot(looks, path, color=RED, lw=0.9, alpha=0.45)
        axes.plot(looks[first], path[first], "o", ms=5, color=RED, mec="white", mew=0.6, zorder=4)
    axes.axhline(alpha, color="black", lw=1.2)
    axes.annotate(
        f"p = {alpha:g}", (looks[-1], alpha), (4, 0), textcoords="offset points", va="center"
    )
    handles = [
        plt.Line2D([], [], color=RED, marker="o", ms=4.5, mec="white"),
        plt.Line2D([], [], color=GREY, lw=0.8),
    ]
    labels = [
        f"{caught.sum()} of {len(drawn)} were below on some day, {at_the_end.sum()} on the last",
        f"{len(drawn) - caught.sum()} never were",
    ]
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    axes.set(yscale="log", ylim=(LEAST_P * 0.8, 1.1), xlim=(looks[0], looks[-1]))
    ticks = [1, 0.3, 0.1, 0.03, 0.01, 0.003, LEAST_P]
    axes.set_yticks(ticks, [f"{p:g}" for p in ticks[:-1]] + [f"{LEAST_P:g}\nor less"])
    axes.minorticks_off()
    axes.set(xlabel="day of the look", ylabel="p-value so far (logarithmic)")
    return figure


def false_alarms(
    table: pd.DataFrame, theory: Mapping[int, float], n: int, alpha: float = 0.05
) -> Figure:
    """Draw the share of A/A tests that are significant at some look, over the number of looks.

    Parameters
    ----------
    table : DataFrame
        Index numbers of looks; a column a way to test ("visits", "users", "always valid").
    theory : mapping of number of looks to share
        What is known of a plain test at evenly spaced looks; drawn as crosses.
    n : int
        Number of tests behind each share: two standard errors of it are drawn as bands.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.9))
    for name in table:
        colour, marker, line = LOOKS[str(name)]
        share = table[name].to_numpy(float)
        error = 2 * np.sqrt(share * (1 - share) / n)
        axes.fill_between(table.index, share - error, share + error, color=colour, alpha=0.15, lw=0)
        axes.plot(table.index, share, marker=marker, ms=5, ls=line, color=colour, lw=1.8)
        axes.annotate(
            str(name), (table.index[-1], share[-1]), (8, 0), textcoords="offset points",
            va="center", color=colour, weight="bold",
        )  # fmt: skip
    crosses = {k: share for k, share in theory.items() if k <= table.index[-1]}
    axes.plot(
        list(crosses), list(crosses.values()), "x", color="black", ms=7, mew=1.6, zorder=5,
        label="theory, independent people",
    )  # fmt: skip
    axes.axhline(alpha, color=GREY, ls=":", lw=1.4, label=f"what was promised: {alpha:.0%}")
    axes.set(xscale="log", xlabel="looks, evenly spaced; the last is at the end")
    axes.set_xticks(table.index, [str(k) for k in table.index])
    axes.minorticks_off()
    axes.set_xlim(table.index[0] * 0.93, table.index[-1] * 1.75)
    axes.set_ylim(0, 1.15 * np.nanmax(table.to_numpy(float)))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    axes.set_ylabel("A/A tests with a “discovery”")
    axes.legend(loc="upper left")
    return figure


def growing(table: pd.DataFrame, truth: float, planned: float) -> Figure:
    """Draw an experiment's difference day by day, with both kinds of intervals.

    Parameters
    ----------
    table : DataFrame
        Index time in days; difference, "margin" of a single look's interval and "valid margin" of
        the confidence sequence.
    truth : float
        The difference that the simulator knows.
    planned : float
        The day of the planned end.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.9))
    days, d = table.index.to_numpy(float), 100 * table["difference"].to_numpy(float)
    for column, name, alpha in (
        ("valid margin", "always valid", 0.18), ("margin", "users", 0.35)
    ):  # fmt: skip
        margin = 100 * table[column].to_numpy(float)
        label = {
            "always valid": "95 % for all days together (always valid)",
            "users": "95 % for one day fixed beforehand",
        }[name]
        axes.fill_between(
            days, d - margin, d + margin, color=LOOKS[name][0], alpha=alpha, lw=0, label=label
        )
    axes.plot(days, d, "o-", color=BLUE, ms=3.5, lw=1.4, label="difference so far")
    axes.axhline(0, color="black", lw=1)
    axes.axhline(100 * truth, color=RED, lw=1.4, ls="--", label="the truth")
    axes.axvline(planned, color=GREY, lw=1.2, ls=":")
    # The first days' intervals would dwarf the others.
    margin = 100 * table["margin"].to_numpy(float)
    ends = np.concatenate([(d - margin)[2:], (d + margin)[2:], [0, 100 * truth]])
    low, high = ends.min(), ends.max()
    pad = 0.2 * (high - low)
    axes.set(xlim=(days[0], days[-1]), ylim=(low - pad, high + pad))
    axes.annotate(
        "planned end", (planned, low - pad), (4, 6), textcoords="offset points", color=GREY
    )
    axes.set(xlabel="day of the look", ylabel="difference (percentage points)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def offline_online(table: pd.DataFrame) -> Figure:
    """Draw what people did over what each offline metric had promised.

    Parameters
    ----------
    table : DataFrame
        Index models; rmse (NaN where there is none), ndcg@10, online (conversions per visit) and
        error, its standard error. The best by an offline metric are ringed; of the same models the
        best online has a star.
    """
    figure, panels = plt.subplots(1, 2, figsize=(7.0, 4.2), sharey=True)
    online, error = table["online"].to_numpy(float), table["error"].to_numpy(float)
    palette = (*COLOURS, "black")
    colours = [palette[k % len(palette)] for k in range(len(table))]
    names = ("RMSE in stars (better →)", "NDCG@10 (better →)")
    for panel, column, name in zip(panels, ("rmse", "ndcg@10"), names, strict=True):
        x = table[column].to_numpy(float)
        has = np.flatnonzero(np.isfinite(x))
        best = np.flatnonzero(x == (x[has].min() if column == "rmse" else x[has].max()))
        top = int(has[online[has].argmax()])
        for y, colour in zip(online, colours, strict=True):
            panel.axhline(y, color=colour, lw=0.8, ls=":", alpha=0.7)
        for k in has.tolist():
            panel.errorbar(
                x[k], online[k], 2 * error[k], fmt="o", ms=7, color=colours[k], capsize=2
            )
        panel.plot(x[best], online[best], "o", ls="", ms=16, mfc="none", mec=RED, mew=1.8)
        panel.plot(x[top], online[top], "*", ms=20, mfc="none", mec="black", zorder=5)
        low, high = x[has].min(), x[has].max()
        pad = 0.15 * (high - low) or 0.01
        panel.set_xlim((high + pad, low - pad) if column == "rmse" else (low - pad, high + pad))
        panel.set_xlabel(name)
        panel.grid(visible=False, axis="y")
    reach = online.max() - online.min() or 0.01
    low, high = online.min() - 0.12 * reach, online.max() + 0.12 * reach
    panels[0].set_ylim(low, high)
    panels[0].yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    panels[0].set_ylabel("conversions per visit, online")
    for k, y in enumerate(_apart(online, 0.065 * (high - low)).tolist()):
        panels[1].annotate(
            str(table.index[k]), (1, online[k]), (1.06, y), ("axes fraction", "data"),
            ("axes fraction", "data"), va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colours[k], "lw": 0.8},
        )  # fmt: skip
    handles = [
        plt.Line2D([], [], ls="", marker="o", ms=12, mfc="none", mec=RED, mew=1.8),
        plt.Line2D([], [], ls="", marker="*", ms=14, mfc="none", mec="black"),
    ]
    labels = ["best by the offline metric", "best by what people did"]
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _apart(y: np.ndarray, gap: float) -> np.ndarray:
    """Return places near `y`, in the same order, that are at least `gap` apart."""
    order = np.argsort(y, kind="stable")
    lifted = np.maximum.accumulate(y[order] - gap * np.arange(len(y))) + gap * np.arange(len(y))
    down = y[order][::-1] + gap * np.arange(len(y))
    lowered = (np.minimum.accumulate(down) - gap * np.arange(len(y)))[::-1]
    places = np.empty(len(y))
    places[order] = (lifted + lowered) / 2
    return places
