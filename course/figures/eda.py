"""Figures on the data themselves: how empty, how uneven, how they are parted."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from course.figures import style
from course.figures.style import BLUE, COUNTS, GREY, ORANGE, RED, SEQUENTIAL, Options
from recsys_lib.ratings import CSR

PARTS = ("training part", "validation part", "test part")
_PALE = "#BDBDBD"  # behind what matters
_YEAR = 365.2425 * 86_400  # seconds


def matrix(ratings: CSR, n_items: int, blocks: tuple[int, int] = (100, 160)) -> Figure:
    """Draw the whole table: a block's colour is the share of its pairs that are rated.

    `ratings` is a CSR (n_users, `n_items`). Users are ordered by activity, films by popularity, and
    cut into at most `blocks`; white means no rating. Needs a few bytes per rating, no dense table.
    """
    n_users = len(ratings.indptr) - 1
    figure, axes = plt.subplots(figsize=(7.0, 3.5))
    share = _block_shares(ratings, n_items, blocks)
    norm = LogNorm(max(1e-5, share[share > 0].min()), 1)
    image = axes.imshow(
        np.ma.masked_equal(share, 0), norm=norm, extent=(0, n_items, n_users, 0),
        cmap=f"{SEQUENTIAL}_r", aspect="auto", interpolation="nearest",
    )  # fmt: skip
    axes.set(xlabel="films, most popular first", ylabel="users, most active first")
    bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    bar.set_label("share of the pairs that are rated")
    axes.grid(visible=False)
    axes.xaxis.set_major_formatter(COUNTS)
    axes.yaxis.set_major_formatter(COUNTS)
    return figure


def tails(film_counts: np.ndarray, user_counts: np.ndarray, marked: float = 0.1) -> Figure:
    """Draw how ratings are spread over films and over users: by rank, and as Lorenz curves.

    The counts (n_items,) and (n_users,) are numbers of ratings; zeros count as members of the tail.
    The curves get a point at the share `marked` of films and users, the largest first.
    """
    figure, (ranks, lorenz) = style.panels(2, 3.4)
    labels = []
    for name, counts, colour in (("films", film_counts, BLUE), ("users", user_counts, ORANGE)):
        ordered = np.sort(counts)[::-1]
        y = np.concatenate([[0], np.cumsum(ordered, dtype=float)]) / counts.sum()
        x = np.linspace(0, 1, len(y))
        rated = ordered[ordered > 0]
        ranks.plot(np.arange(1, len(rated) + 1), rated, color=colour, lw=2, label=name)
        few = np.unique(np.linspace(0, len(x) - 1, 1000).astype(int))  # enough for a smooth line
        lorenz.plot(x[few], y[few], color=colour, lw=2, label=name)
        at = float(np.interp(marked, x, y))
        lorenz.plot(marked, at, "o", color=colour)
        labels.append((at, f"{name} {at:.0%}"))
    (low, lower), (high, upper) = sorted(labels)
    style.log_axis(ranks, form=COUNTS)
    style.log_axis(ranks, "y", form=COUNTS)
    ranks.set(xlabel="rank", ylabel="number of ratings")
    ranks.legend()
    lorenz.axvline(marked, color=GREY, lw=1, ls=":")
    lorenz.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for at, label in ((high, upper), (min(low, high - 0.09), lower)):
        paper = {"fc": "white", "ec": "none", "pad": 1}
        lorenz.text(marked + 0.05, at - 0.015, label, va="top", color=GREY, bbox=paper)
    lorenz.set(xlabel="share of films or users, largest first", ylabel="their share of all ratings")
    for axis in (lorenz.xaxis, lorenz.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    return figure


def stars(
    values: np.ndarray,
    means: np.ndarray,
    spreads: np.ndarray,
    marked: Mapping[str, int] | None = None,
) -> Figure:
    """Draw how often each rating is given, and each user's mean and spread.

    `values` (nnz,) are all ratings, `means` and `spreads` (n_users,) mean and standard deviation of
    each user's, in stars; above 5,000 users only a part is drawn. `marked`: name to a user's place.
    """
    figure, (scale, people) = style.panels(2, 3.4)
    level, count = np.unique(values, return_counts=True)
    whole = level % 1 == 0
    for kind, name, colour in ((whole, "whole stars", BLUE), (~whole, "half stars", ORANGE)):
        if kind.any():
            scale.bar(level[kind], count[kind] / len(values), 0.4, color=colour, label=name)
    scale.set(xlabel="rating (stars)", ylabel="share of all ratings")
    scale.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    scale.set_xticks(np.arange(1, level.max() + 1))
    scale.legend(loc="upper left")
    scale.grid(visible=False, axis="x")

    some = slice(None, None, -(-len(means) // 5000))
    x, y = means[some], spreads[some]
    size = float(np.clip(3000 / len(x), 0.5, 9))
    style.dots(people, x, y, s=size, alpha=0.5)
    low, high = float(level.min()), float(level.max())
    m = np.linspace(low, high, 200)
    people.plot(m, np.sqrt((m - low) * (high - m)), color=GREY, lw=1, ls="--")
    words, corner = "dashed: as wide as\nthe scale allows", people.transAxes
    people.text(0.02, 1, words, transform=corner, va="top", color=GREY, fontsize=8)
    for name, u in (marked or {}).items():
        style.ring(people, means[u], spreads[u], 8)
        how: Options = {"color": RED, "ha": "right", "va": "top", "fontsize": 9}
        style.note(people, name, (means[u], spreads[u]), (9, -9), **how)
    people.set(xlabel="mean of a user's ratings (stars)", ylabel="their spread (stars)")
    people.set(ylim=(-0.05, None))
    return figure


def genres(given: pd.DataFrame, counts: Mapping[str, int]) -> Figure:
    """Draw P(column's genre | row's genre) as a heat map with whole percents.

    `given` is square: the share of the films of the row's genre that are of the column's too, drawn
    in this order but for the diagonal; `counts` has the number of films of each genre.
    """
    figure, axes = plt.subplots(figsize=(7.0, 6.4))
    percent = 100 * given
    hidden = np.eye(len(given), dtype=bool)
    numbers = percent.map("{:.0f}".format).where(given >= 0.005, "")
    seaborn.heatmap(
        percent, mask=hidden, annot=numbers, fmt="", cmap="Blues", vmin=0, cbar=False, ax=axes,
        annot_kws={"fontsize": 7},
    )  # fmt: skip
    axes.set_facecolor("#dddddd")
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(
        axes.get_xticks(), given.columns, rotation=60, ha="left", rotation_mode="anchor"
    )
    names = [f"{name} ({counts[name]:,})" for name in given.index]
    axes.set_yticks(axes.get_yticks(), names, rotation=0)
    axes.set(xlabel="… how many in a hundred are also …", ylabel="of the films that are …")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    return figure


def selection(rated: np.ndarray, everything: np.ndarray) -> Figure:
    """Draw expected ratings (n,) of pairs that were `rated`, and of pairs drawn at random."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    bins = np.linspace(min(rated.min(), everything.min()), max(rated.max(), everything.max()), 50)
    drawn = ("random films", everything, GREY), ("films that were rated", rated, ORANGE)
    for name, values, colour in drawn:
        axes.hist(values, bins.tolist(), color=colour, alpha=0.45, label=name)
        axes.axvline(values.mean(), color=colour, lw=2)
    axes.set(xlabel="expected rating (stars)", ylabel="pairs of a user and a film")
    axes.yaxis.set_major_formatter(COUNTS)
    axes.legend(loc="upper left")
    return figure


def parts(
    protocols: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]],
    rng: np.random.Generator,
    n_drawn: int = 12_000,
) -> Figure:
    """Draw ratings as points, time across and users upwards, coloured by the part they are in.

    `protocols` maps a name to training, validation and test part, each its ratings' users, counted
    from 0, and their times in seconds, both (n,) int; `rng` chooses at most `n_drawn` of a panel.
    """
    figure, panels = style.panels(len(protocols), 4.0, sharey=True)
    every = next(iter(protocols.values()))
    n_users = 1 + max(int(users.max(initial=-1)) for users, _ in every)
    first = np.full(n_users, np.iinfo(np.int64).max)
    for users, times in every:
        np.minimum.at(first, users, times)
    place = _rank(-first)  # in the order of their first rating, the last at the bottom
    for axes, (name, three) in zip(panels, protocols.items(), strict=True):
        drawn = []
        whole = sum(len(users) for users, _ in three)
        for (users, times), colour, label in zip(three, (_PALE, ORANGE, BLUE), PARTS, strict=True):
            n = min(len(users), round(n_drawn * len(users) / whole))
            some = rng.choice(len(users), n, replace=False)
            when = 1970 + times[some] / _YEAR
            drawn.append(pd.DataFrame({"when": when, "who": place[users[some]], "colour": colour}))
            axes.scatter([], [], s=25, color=colour, label=label)  # for the legend
        points = pd.concat(drawn)
        points = points.iloc[rng.permutation(len(points))]  # no part lies on top of the others
        axes.scatter(points["when"], points["who"], s=4, lw=0, c=points["colour"], rasterized=True)
        axes.set_xlabel(f"year of the rating: {name}")
        axes.yaxis.set_major_formatter(COUNTS)
    panels[0].set_ylabel("users, in the order they came")
    style.legend_over(figure, 3)
    return figure


def _rank(counts: np.ndarray) -> np.ndarray:
    """Return each member's place, the largest at 0; ties keep their order."""
    place = np.empty(len(counts), np.int32)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts), dtype=np.int32)
    return place


def _block_shares(ratings: CSR, n_items: int, blocks: tuple[int, int]) -> np.ndarray:
    """Return the share of observed pairs in each block of users and films, ranked by counts."""
    n_users = len(ratings.indptr) - 1
    n_rows, n_columns = min(blocks[0], n_users), min(blocks[1], n_items)
    films = np.bincount(ratings.indices, minlength=n_items)
    row = _rank(ratings.counts).astype(np.int64) * n_rows // n_users
    column = _rank(films).astype(np.int64) * n_columns // n_items
    filled = np.zeros((n_rows, n_columns))
    for r in range(n_rows):  # a band of users at a time: no array of the length of all ratings
        band = ratings.take(np.flatnonzero(row == r))
        filled[r] = np.bincount(column[band.indices], minlength=n_columns)
    return filled / np.outer(np.bincount(row), np.bincount(column))
