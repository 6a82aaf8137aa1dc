"""Figures on the data themselves: how empty, how uneven, how they change, how they are parted."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from course.figures.style import BLUE, GREY, ORANGE, RED, SEQUENTIAL
from recsys_lib.errors import DataError
from recsys_lib.ratings import CSR, Ratings

PARTS = ("training part", "validation part", "test part")
_PALE = "#BDBDBD"  # behind what matters
_YEAR = 365.2425 * 86_400  # seconds
_THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")
_DARK = f"{SEQUENTIAL}_r"  # white paper is nothing, dark is much


def matrix(ratings: Ratings, corner: int = 100, blocks: tuple[int, int] = (100, 120)) -> Figure:
    """Draw the whole table from afar and its fullest corner from close by.

    Left: users by activity, films by popularity, cut into blocks; a block's colour is the share of
    its pairs that are rated, white means none. Right: the `corner` most active users and most
    popular films, a pixel a pair, its colour the stars. Needs a few bytes a rating, no dense table.
    """
    figure, (whole, close) = plt.subplots(1, 2, figsize=(7.0, 3.5), width_ratios=(1.25, 1))
    share = _block_shares(ratings, blocks)
    image = whole.imshow(
        np.ma.masked_equal(share, 0),
        cmap=_DARK,
        norm=LogNorm(max(1e-5, share[share > 0].min()), 1),
        extent=(0, ratings.n_items, ratings.n_users, 0),
        aspect="auto",
        interpolation="nearest",
    )
    whole.set(xlabel="films, most popular first", ylabel="users, most active first")
    bar = figure.colorbar(image, ax=whole, location="top", aspect=30, pad=0.02)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    bar.set_label("share of the pairs that are rated")

    table = _corner(ratings, corner)
    low, high = ratings.scale
    levels = np.arange(np.floor(low), high + 0.1) + 0.5  # one colour a star: 0.5 and 1 share one
    image = close.imshow(
        table,
        cmap=_DARK,
        norm=BoundaryNorm(np.concatenate([[0.25], levels[levels > 1]]), 256),
        aspect="auto",
        interpolation="nearest",
        extent=(0, table.shape[1], table.shape[0], 0),
    )
    close.set(
        xlabel=f"the {table.shape[1]} most popular films",
        ylabel=f"the {len(table)} most active users",
    )
    bar = figure.colorbar(image, ax=close, location="top", aspect=24, pad=0.02)
    bar.set_ticks(list(range(1, int(high) + 1)), labels=[str(k) for k in range(1, int(high) + 1)])
    bar.set_label("stars")
    for axes in (whole, close):
        axes.grid(visible=False)
        axes.xaxis.set_major_formatter(_THOUSANDS)
        axes.yaxis.set_major_formatter(_THOUSANDS)
    whole.xaxis.set_major_locator(plt.MaxNLocator(4))
    return figure


def tails(film_counts: np.ndarray, user_counts: np.ndarray, marked: float = 0.1) -> Figure:
    """Draw how ratings are spread over films and over users: by rank, and as Lorenz curves.

    Parameters
    ----------
    film_counts, user_counts : (n_items,) and (n_users,) int
        Number of ratings of each; zeros count as members of the tail.
    marked : float
        The share of films and users, the largest first, at which the curves get a point.
    """
    figure, (ranks, lorenz) = plt.subplots(1, 2, figsize=(7.0, 3.4))
    labels = []
    for name, counts, colour in (("films", film_counts, BLUE), ("users", user_counts, ORANGE)):
        x, y = cumulative_share(counts)
        ordered = np.sort(counts)[::-1]
        rated = ordered[ordered > 0]
        ranks.plot(np.arange(1, len(rated) + 1), rated, color=colour, lw=2, label=name)
        few = np.unique(np.linspace(0, len(x) - 1, 1000).astype(int))  # enough for a smooth line
        lorenz.plot(x[few], y[few], color=colour, lw=2, label=name)
        at = float(np.interp(marked, x, y))
        lorenz.plot(marked, at, "o", color=colour)
        labels.append((at, f"{name} {at:.0%}"))
    (low, lower), (high, upper) = sorted(labels)
    ranks.set(xscale="log", yscale="log", xlabel="rank", ylabel="number of ratings")
    ranks.legend()
    lorenz.axvline(marked, color=GREY, lw=1, ls=":")
    lorenz.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for at, label in ((high, upper), (min(low, high - 0.09), lower)):
        lorenz.text(
            marked + 0.05, at - 0.015, label, va="top", color=GREY,
            bbox={"fc": "white", "ec": "none", "pad": 1},
        )  # fmt: skip
    lorenz.set(xlabel="share of films or users, largest first", ylabel="their share of all ratings")
    for axis in (lorenz.xaxis, lorenz.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    return figure


def cumulative_share(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Lorenz curve, largest first: share of the members, share of the total they hold.

    Both are (n + 1,) float64 and run from 0 to 1.
    """
    held = np.concatenate([[0], np.cumsum(np.sort(counts)[::-1], dtype=np.float64)])
    return np.linspace(0, 1, len(held)), held / held[-1]


def stars(
    values: np.ndarray,
    means: np.ndarray,
    spreads: np.ndarray,
    marked: Mapping[str, int] | None = None,
) -> Figure:
    """Draw how often each rating is given, and each user's mean and spread.

    Parameters
    ----------
    values : (nnz,) float32
        All ratings.
    means, spreads : (n_users,)
        Mean and standard deviation of each user's ratings, in stars. Above 5,000
        users only a part of them is drawn, evenly spaced.
    marked : mapping, optional
        Name to put beside a user: the user's position in `means`.
    """
    figure, (scale, people) = plt.subplots(1, 2, figsize=(7.0, 3.4))
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
    people.scatter(x, y, s=size, color=BLUE, alpha=0.5, lw=0, rasterized=True)
    low, high = float(level.min()), float(level.max())
    m = np.linspace(low, high, 200)
    people.plot(m, np.sqrt((m - low) * (high - m)), color=GREY, lw=1, ls="--")
    people.text(
        0, 1, "dashed: as wide as\nthe scale allows", transform=people.transAxes, va="top",
        color=GREY, fontsize=8,
    )  # fmt: skip
    for name, u in (marked or {}).items():
        people.plot(means[u], spreads[u], "o", ms=8, mfc="none", mec=RED, mew=1.5)
        people.annotate(
            name, (means[u], spreads[u]), (9, -9), textcoords="offset points", color=RED,
            ha="right", va="top", fontsize=9,
        )  # fmt: skip
    people.set(xlabel="mean of a user's ratings (stars)", ylabel="their spread (stars)")
    people.set(ylim=(-0.05, None))
    return figure


def years(table: pd.DataFrame) -> Figure:
    """Draw, over the years of rating: how many, how good, and how old the films were.

    `table` has a row a year (its index) and the columns ``ratings``, ``mean`` and ``error`` (of the
    mean, one standard error, in stars) and ``young``, ``median``, ``old`` (quartiles of the films'
    age in years).
    """
    figure, axes = plt.subplots(3, 1, figsize=(7.0, 5.6), sharex=True)
    year = table.index.to_numpy()
    axes[0].bar(year, table["ratings"], 0.8, color=GREY)
    axes[0].set_ylabel("ratings")
    axes[0].yaxis.set_major_formatter(_THOUSANDS)
    axes[1].errorbar(
        year, table["mean"], 2 * table["error"], fmt="o", ms=4, color=BLUE, elinewidth=1.2
    )
    axes[1].axhline(np.average(table["mean"], weights=table["ratings"]), color=GREY, lw=1, ls="--")
    axes[1].set_ylabel("mean rating (stars)")
    axes[2].fill_between(
        year, table["young"], table["old"], color=ORANGE, alpha=0.3, lw=0, label="middle half"
    )
    axes[2].plot(year, table["median"], "o-", ms=4, color=ORANGE, label="median")
    axes[2].set(ylabel="age of the film (years)", xlabel="year of the rating")
    axes[2].set_ylim(0, 1.3 * table["old"].max())
    axes[2].legend(loc="upper left", ncols=2)
    axes[2].xaxis.set_major_locator(plt.MaxNLocator(integer=True))
    return figure


def genres(given: pd.DataFrame, counts: Mapping[str, int]) -> Figure:
    """Draw P(column's genre | row's genre) as a heat map with whole percents.

    Parameters
    ----------
    given : DataFrame, square
        Row g, column h: the share of the films of genre g that are of genre h too. Drawn in the
        order given; the diagonal, always 1, is left grey.
    counts : mapping
        Number of films of each genre, for the rows' labels.
    """
    figure, axes = plt.subplots(figsize=(7.0, 6.4))
    share = given.to_numpy(copy=True)
    np.fill_diagonal(share, np.nan)
    colours = plt.get_cmap("Blues").with_extremes(bad="#dddddd")
    axes.imshow(share, cmap=colours, vmin=0, aspect="auto", interpolation="nearest")
    middle = 0.6 * float(np.nanmax(share))
    for row, column in zip(*np.nonzero(share >= 0.005), strict=True):
        axes.text(
            column, row, f"{100 * share[row, column]:.0f}", ha="center", va="center", fontsize=7,
            color="white" if share[row, column] > middle else "black",
        )  # fmt: skip
    axes.set_xticks(
        range(len(given)), given.columns, rotation=60, ha="left", rotation_mode="anchor"
    )
    axes.set_yticks(range(len(given)), [f"{name} ({counts[name]:,})" for name in given.index])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(xlabel="… how many in a hundred are also …", ylabel="of the films that are …")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def selection(
    counts: np.ndarray, means: np.ndarray, rated: np.ndarray, everything: np.ndarray
) -> Figure:
    """Draw two traces of choice: popular films please more, and chosen films please most.

    Parameters
    ----------
    counts, means : (n,)
        Number of ratings, at least 1, and mean rating of each film: left, by class of popularity.
    rated, everything : (m,)
        Expected ratings of pairs that were rated, and of pairs drawn at random: right.
    """
    figure, (popularity, truth) = plt.subplots(1, 2, figsize=(7.0, 3.4))
    edges = np.unique(np.geomspace(1, counts.max() + 1, 9).astype(int))
    group = np.digitize(counts, edges) - 1
    size = np.bincount(group, minlength=len(edges))
    for g in np.flatnonzero(size > 1):
        mine = means[group == g]
        x, error = np.exp(np.log(counts[group == g]).mean()), mine.std(ddof=1) / np.sqrt(size[g])
        popularity.errorbar(x, mine.mean(), 2 * error, fmt="o", ms=5, color=BLUE)
    popularity.set(xscale="log", xlabel="number of ratings of the film")
    popularity.set(ylabel="mean of the films' means (stars)")

    bins = np.linspace(min(rated.min(), everything.min()), max(rated.max(), everything.max()), 50)
    for name, values, colour in (
        ("all pairs", everything, GREY), ("pairs that were rated", rated, ORANGE)
    ):  # fmt: skip
        weights = np.full(len(values), 1 / len(values))
        truth.hist(values, bins, weights=weights, color=colour, alpha=0.45, label=name)
        truth.axvline(values.mean(), color=colour, lw=2)
    truth.set(xlabel="expected rating (stars)", ylabel="share of the pairs", yticks=[])
    truth.set_ylim(top=1.25 * truth.get_ylim()[1])
    truth.legend(loc="upper left", fontsize=9)
    return figure


def parts(
    ratings: Ratings,
    protocols: Mapping[str, Sequence[Ratings]],
    rng: np.random.Generator,
    n_drawn: int = 12_000,
) -> Figure:
    """Draw ratings as points, time across and users upwards, coloured by the part they are in.

    Parameters
    ----------
    ratings : Ratings
        The whole, with timestamps; users are ordered by their first rating.
    protocols : mapping
        Name of the protocol: its train, valid and test. A panel each.
    rng : Generator
        Chooses which ratings are drawn.
    n_drawn : int
        At most so many a panel.

    Raises
    ------
    DataError
        The ratings have no timestamps.
    """
    figure, panels = plt.subplots(1, len(protocols), figsize=(7.0, 4.0), sharey=True, squeeze=False)
    if ratings.timestamps is None:
        raise DataError("parts draws when each rating was given, and these have no timestamps")
    some = ratings.by_user.counts > 0
    first = np.full(ratings.n_users, np.iinfo(np.int64).max)
    first[some] = np.minimum.reduceat(ratings.timestamps, ratings.by_user.indptr[:-1][some])
    place = _rank(-first)
    for axes, (name, three) in zip(panels[0], protocols.items(), strict=True):
        x, y, c = [], [], []
        for part, colour, label in zip(three, (_PALE, ORANGE, BLUE), PARTS, strict=True):
            n = min(len(part), round(n_drawn * len(part) / len(ratings)))
            drawn = rng.choice(len(part), n, replace=False)
            x.append(1970 + np.asarray(part.timestamps)[drawn] / _YEAR)
            y.append(place[np.searchsorted(part.by_user.indptr, drawn, side="right") - 1])
            c.append(np.full(n, colour))
            axes.scatter([], [], s=25, color=colour, label=label)  # for the legend
        mixed = rng.permutation(sum(map(len, x)))  # so that no part lies on top of the others
        when, who, colours = (np.concatenate(column)[mixed] for column in (x, y, c))
        axes.scatter(when, who, s=4, lw=0, c=colours, rasterized=True)
        axes.set_xlabel(f"year of the rating: {name}")
        axes.yaxis.set_major_formatter(_THOUSANDS)
    panels[0, 0].set_ylabel("users, in the order they came")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _rank(counts: np.ndarray) -> np.ndarray:
    """Return each member's place, the largest at 0; ties keep their order."""
    place = np.empty(len(counts), np.int32)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts), dtype=np.int32)
    return place


def _block_shares(ratings: Ratings, blocks: tuple[int, int]) -> np.ndarray:
    """Return the share of observed pairs in each block of users and films, ranked by counts."""
    by_user = ratings.by_user
    n_rows, n_columns = min(blocks[0], ratings.n_users), min(blocks[1], ratings.n_items)
    films = np.bincount(by_user.indices, minlength=ratings.n_items)
    row = _rank(by_user.counts).astype(np.int64) * n_rows // ratings.n_users
    column = _rank(films).astype(np.int64) * n_columns // ratings.n_items
    filled = np.zeros((n_rows, n_columns))
    for r in range(n_rows):  # a band of users at a time: no array of the length of all ratings
        band = by_user.take(np.flatnonzero(row == r))
        filled[r] = np.bincount(column[band.indices], minlength=n_columns)
    return filled / np.outer(np.bincount(row), np.bincount(column))


def _corner(ratings: Ratings, size: int) -> np.ndarray:
    """Return the most active users' ratings of the most popular films, NaN where there is none."""
    films = np.bincount(ratings.by_user.indices, minlength=ratings.n_items)
    place = _rank(films)
    users = np.argsort(-ratings.by_user.counts, kind="stable")[:size]
    top: CSR = ratings.by_user.take(users)
    rows = np.repeat(np.arange(len(users)), top.counts)
    columns = place[top.indices]
    table = np.full((len(users), min(size, ratings.n_items)), np.nan)
    near = columns < table.shape[1]
    table[rows[near], columns[near]] = top.values[near]
    return table
