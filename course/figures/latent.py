"""Figures on the latent space: maps of films, axes that last, directions, and what is artefact."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from course.figures import style
from course.figures.style import (
    BLUE,
    COUNTS,
    GREEN,
    GREY,
    MARKERS,
    ORANGE,
    PERCENT,
    PINK,
    RED,
    SEQUENTIAL,
    SKY,
    Options,
)

# Grey is for what has no name. Each colour has a marker of its own: no group by colour alone.
_GROUP_COLOURS = (GREEN, RED, BLUE, PINK, ORANGE, SKY)
_BARS: Options = {"fmt": "o-", "ms": 4, "capsize": 3, "color": BLUE}  # of two standard errors
_SHARP = 200  # dots per inch of what is drawn as pixels


def film_map(
    points: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    titles: Sequence[str],
    n_labels: int = 24,
) -> Figure:
    """Draw films as points, coloured by group, and write as many titles as fit.

    Parameters
    ----------
    points : (n, 2)
        Positions; they have no unit.
    groups : (n,) int
        Index in `names`, of which there are six at most, or -1.
    titles : (n,) sequence of str
        The most important film first: it is the first to get its title written. An empty one is
        never written, nor more than `n_labels`.
    """
    figure, axes = plt.subplots(figsize=(7.0, 6.4), dpi=_SHARP)
    _scatter(axes, points, groups, names, size=13)
    if len(names):
        style.legend_over(figure, len(names), handletextpad=0.1, markerscale=1.8)
    label_points(axes, points, titles, n_labels)
    return figure


def ties(
    points: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    titles: Sequence[str],
    film: int,
    others: Sequence[int],
) -> Figure:
    """Draw the map of `film_map` with lines from the film at one place to `others`.

    All of them have their titles written.
    """
    shown = [film, *others]
    said = [titles[i] if i in shown else "" for i in range(len(titles))]
    figure = film_map(points, groups, names, said, n_labels=len(shown))
    axes = figure.axes[0]
    for other in others:
        axes.plot(*points[[film, other]].T, color=RED, lw=1, zorder=1)
    axes.plot(*points[film], "o", ms=6, color=RED, zorder=3)
    plt.close(figure)  # its widget shows it
    return figure


def map_variants(
    variants: Mapping[str, tuple[np.ndarray, np.ndarray, str]], names: Sequence[str]
) -> Figure:
    """Draw small maps, four a row: `variants` has for each name points, groups and a note."""
    rows = -(-len(variants) // 4)
    size = (7.0, 2.15 * rows + 0.3)
    figure, grid = plt.subplots(rows, 4, figsize=size, dpi=_SHARP, squeeze=False)
    for axes, (name, (points, groups, said)) in zip(grid.flat, variants.items(), strict=False):
        _scatter(axes, points, groups, names, size=3)
        axes.set_title(name, loc="left", fontsize=9, weight="bold")
        axes.set_xlabel(said, fontsize=8.5)
    narrow: Options = {"handletextpad": 0.1, "columnspacing": 1, "markerscale": 2.5}
    style.legend_over(figure, max(len(names), 1), fontsize=8.5, **narrow)
    return figure


def axis_agreement(panels: Mapping[str, np.ndarray]) -> Figure:
    """Draw how strongly the axes of one fit go with those of another.

    `panels` maps a name to a (k, k) matrix of correlations, of which the size is drawn: one
    row per axis of the first fit, one column per axis of the second.
    """
    figure, row = style.panels(len(panels), 2.9, sharey=True)
    for axes, (name, matrix) in zip(row, panels.items(), strict=True):
        k = len(matrix)
        extent = (0.5, k + 0.5, k + 0.5, 0.5)
        image = axes.imshow(np.abs(matrix), vmin=0, vmax=1, cmap=SEQUENTIAL, extent=extent)
        ticks = [1, *range(5, k + 1, 5)] if k > 8 else list(range(1, k + 1))
        axes.set(xticks=ticks, yticks=ticks, xlabel=name)
        axes.grid(visible=False)
    row[0].set_ylabel("in the first fit")
    figure.colorbar(image, ax=row, shrink=0.8, label="size of the correlation", pad=0.02)
    return figure


def along_direction(
    groups: Mapping[str, tuple[np.ndarray, Sequence[str]]], ends: tuple[str, str]
) -> Figure:
    """Draw where films lie along a direction: a band a group, its median, and some titles.

    `groups` maps a name to positions (n,), without unit, and titles (n,), the most important first;
    `ends` says what the left and the right end stand for.
    """
    figure, axes = plt.subplots(figsize=(7.0, 1.15 * len(groups) + 0.7), dpi=_SHARP)
    labels = []
    for row, (x, titles) in enumerate(groups.values()):
        # A ladder of heights instead of chance: neighbours in x never share one. The films that
        # may get a title stand above the others, so that the title covers none.
        order = np.argsort(np.argsort(x, kind="stable"))
        y = row + 0.2 + 0.18 * ((order * 0.618) % 1)
        y[:15] = row + 0.14
        how: Options = {"color": (GREEN, RED, GREY)[row % 3], "marker": MARKERS[row % 3]}
        style.dots(axes, x, y, s=11, alpha=0.65, **how)
        axes.plot([np.median(x)] * 2, [row + 0.17, row + 0.41], color="black", lw=1.8)
        labels.append((np.column_stack([x, y])[:15], titles[:15]))
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_yticks(np.arange(len(groups)) + 0.2, [f"{n} ({len(g[0])})" for n, g in groups.items()])
    axes.set_ylim(len(groups) - 0.5, -0.3)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"← {ends[0]}          position along the direction          {ends[1]} →")
    for points, titles in labels:
        label_points(axes, points, titles, 5, places=_ABOVE)
    return figure


def few_ratings(counts: np.ndarray, lengths: np.ndarray, shares: pd.DataFrame) -> Figure:
    """Draw what films with few ratings are like: short vectors, and neighbours at random.

    `counts`, at least one, and `lengths` of the vectors are of each film (n,). `shares` has a row a
    class of films: "ratings" (its middle), "share" of neighbours with a common genre, "error" of it
    (standard error), "chance".
    """
    figure, (left, right) = style.panels(2, 3.6, dpi=_SHARP)
    style.dots(left, counts, lengths, s=4, color=GREY)
    edges = np.unique(np.geomspace(1, counts.max() + 1, 14).astype(int))
    table = pd.DataFrame({"ratings": counts, "length": lengths})
    middles = table.groupby(np.digitize(counts, edges)).median()
    left.plot(middles["ratings"], middles["length"], "o-", ms=4, color=BLUE, label="median")
    left.set_ylim(bottom=0)
    left.set_ylabel("length of its vector, ‖q‖")
    bars: Options = {"label": "its 10 neighbours", **_BARS}
    right.errorbar(shares["ratings"], shares["share"], 2 * shares["error"], **bars)
    right.plot(shares["ratings"], shares["chance"], "s--", ms=4, color=ORANGE, label="chance")
    right.set_ylabel("share a genre with the film")
    right.yaxis.set_major_formatter(PERCENT)
    for axes in (left, right):
        style.log_axis(axes, form=COUNTS)
        axes.set_xlabel("ratings of the film")
        axes.legend(loc="upper left")
    return figure


def recovered(factors: pd.DataFrame, films: pd.DataFrame) -> Figure:
    """Draw how much of a known truth was found, factor by factor and film by film.

    `factors` has one row per true factor: strength (stars), found and chance (correlations).
    `films` has one row per class of films: ratings, cosine (mean) and error (its standard error).
    """
    figure, (left, right) = style.panels(2, 3.6)
    left.plot(factors["strength"], factors["found"], "o", color=BLUE, label="found")
    left.plot(factors["strength"], factors["chance"], "s", ms=4, color=GREY, label="by chance")
    left.set(xlabel="strength of the true factor (stars)", ylabel="correlation with the truth")
    left.set(ylim=(-0.15, 1.05), xlim=(0, None))
    left.legend()
    right.errorbar(films["ratings"], films["cosine"], 2 * films["error"], **_BARS)
    style.log_axis(right, form=COUNTS)
    right.set(xlabel="ratings of the film", ylabel="cosine with the true vector")
    right.set_ylim(top=1.05)
    return figure


# Where a title may stand beside its point: offset in points, and which of its sides is there.
_PLACES = (
    (5, 0, "left", "center"),
    (-5, 0, "right", "center"),
    (0, 5, "center", "bottom"),
    (0, -5, "center", "top"),
)
_ABOVE = (
    (0, 5, "center", "bottom"),
    (-4, 5, "left", "bottom"),
    (4, 5, "right", "bottom"),
)


def label_points(
    axes: Axes,
    points: np.ndarray,
    titles: Sequence[str],
    n_labels: int,
    places: Sequence[tuple[int, int, str, str]] = _PLACES,
) -> None:
    """Write titles beside points, which are ringed; no title covers another title or ring.

    The first films have the first choice. A film close to one that has its title already goes
    without, so that the titles spread over the picture.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()  # only now is the layout known
    frame = axes.get_window_extent()
    unit = figure.dpi / 72  # a point, in pixels
    where = axes.transData.transform(points)
    rings: list[np.ndarray] = []
    taken = [text.get_window_extent() for text in axes.texts]
    for point, place, title in zip(points, where, titles, strict=True):
        if len(rings) == n_labels:
            break
        near = rings and np.hypot(*(np.array(rings) - place).T).min() < 25 * unit
        if near or not title or any(box.padded(4 * unit).contains(*place) for box in taken):
            continue
        for dx, dy, side, level in places:
            halo = [withStroke(linewidth=2, foreground="white")]
            how: Options = {"ha": side, "va": level, "fontsize": 7.5, "path_effects": halo}
            style.note(axes, style.shorten(title, 32), tuple(point), (dx, dy), **how)
            text = axes.texts[-1]
            text.set_in_layout(False)
            box = text.get_window_extent().padded(1.5 * unit)
            inside = frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
            hides = any(box.padded(3 * unit).contains(*ring) for ring in rings)
            if inside and not hides and not any(box.overlaps(other) for other in taken):
                axes.plot(*point, "o", ms=5, mfc="none", mec="black", mew=0.8)
                rings.append(place)
                taken.append(box)
                break
            text.remove()


def _scatter(
    axes: Axes, points: np.ndarray, groups: np.ndarray, names: Sequence[str], size: float
) -> None:
    """Draw a map without a scale: no number on it means anything."""
    other = groups < 0
    style.dots(axes, *points[other].T, s=size * 0.7, color="#BBBBBB", alpha=1)
    for g, (name, colour, marker) in enumerate(zip(names, _GROUP_COLOURS, MARKERS, strict=False)):
        look: Options = {"color": colour, "marker": marker, "label": name}
        style.dots(axes, *points[groups == g].T, s=size, alpha=1, **look)
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set(visible=True, color="#BBBBBB")
