"""One look for every figure of the book, what several figures draw, and the files they leave."""

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from course.questions import answer_back
from recsys_lib.io import replacing

# Okabe & Ito's colours, told apart by all eyes; yellow is left out, it is too faint on white.
BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6E6E6E",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY)
MARKERS = "osD^vPX"  # told apart without colour, too
SEQUENTIAL = "viridis"
COUNTS = "{x:,.0f}"  # how an axis writes whole numbers
PERCENT = "{x:.0%}"  # and shares
# A model's colour, line and marker, so that it is known again from figure to figure.
LOOKS: dict[str, tuple[str, Any, str]] = {
    "Popularity": (GREY, "--", "s"),
    "BiasALS": (SKY, ":", "D"),
    "ALS": (ORANGE, "-", "o"),
    "GenreALS": (GREEN, (0, (5, 1, 1, 1, 1, 1)), "^"),
    "random": (GREY, ":", "x"),
    "popularity": (GREY, "--", "s"),
    "like rate": (GREY, "-.", "D"),
    "BPR": (BLUE, "-.", "v"),
    "ImplicitALS": (ORANGE, (0, (6, 1.5)), "<"),
    "PureSVD": (PINK, (0, (5, 1, 1, 1)), "^"),
    "EASE": (GREEN, "--", "P"),
    "autoencoder, BCE": (SKY, (0, (3, 1, 1, 1, 1, 1)), "X"),
    "autoencoder, multinomial": (BLUE, "-", "*"),
    "two towers": (RED, "-", "d"),
}

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.figsize": (7.0, 3.8),
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.facecolor": "white",
    "svg.hashsalt": "recsys",  # the same figure gives the same file
}

mpl.rcParams["text.parse_math"] = False  # a dollar sign in a title or a genre is no formula

Options = dict[str, Any]  # of a function of Matplotlib


def use_style() -> None:
    """Set the look; in a notebook, draw figures as SVG and PNG. Call it once, after the imports.

    Text in a table is shown whole and as it stands: it is no HTML and no formula. In JupyterLab,
    the questions in the text are brought to life.
    """
    answer_back()
    mpl.rcParams.update(_SETTINGS)
    warnings.filterwarnings("ignore", "Glyph .* missing")  # a title in letters that no font has
    pd.set_option("display.html.use_mathjax", False, "display.max_colwidth", None)
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # not in a notebook
        return
    if "inline" in mpl.get_backend():
        set_matplotlib_formats("svg", "png", metadata={"Date": None})  # a PNG needs no trust


def save(figure: Figure, name: str) -> Figure:
    """Write ``name.svg`` and ``name.pdf`` to the folder RECSYS_FIGURES, if that is set.

    Returns the figure, closed to pyplot: as the last line of a cell it is shown once.
    """
    if folder := os.environ.get("RECSYS_FIGURES"):
        for kind, date in (("svg", "Date"), ("pdf", "CreationDate")):
            with replacing(f"{folder}/{name}.{kind}") as path:
                figure.savefig(path, metadata={date: None})
    plt.close(figure)
    return figure


def panels(n: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of `n` panels side by side; `height` in inches."""
    figure, axes = plt.subplots(1, n, figsize=(7.0, height), squeeze=False, **options)
    return figure, list(axes[0])


def look(name: str) -> tuple[str, Any, str]:
    """Return a model's colour, line and marker; an unknown one gets what its name is dealt."""
    return LOOKS.get(name, (COLOURS[sum(map(ord, name)) % len(COLOURS)], "-", "o"))


def lines(
    axes: Axes, table: pd.DataFrame, colours: Iterable[str] = COLOURS, x: Any = None, **options: Any
) -> None:
    """Draw one line per column over the index, or over `x`, in different colours and markers.

    `options` are those of `Axes.plot`.
    """
    for (name, values), colour, marker in zip(table.items(), colours, MARKERS, strict=False):
        how: Options = {"marker": marker, "ms": 4, "color": colour, "label": name} | options
        axes.plot(table.index if x is None else x, values, **how)


def curves(tables: Mapping[str, pd.DataFrame], ylabel: str, log: str = "") -> Figure:
    """Draw a panel for each table, under its name: one line per column over the index.

    An index of text is spaced evenly; the axes named in `log`, "x" or "y", are logarithmic.
    """
    figure, row = panels(len(tables), 3.6, sharey=True)
    for axes, (label, table) in zip(row, tables.items(), strict=True):
        own = {name: look(name)[0] for name in map(str, table) if name in LOOKS}
        free = iter([colour for colour in COLOURS if colour not in own.values()])
        lines(axes, table, [own.get(str(name)) or next(free, GREY) for name in table])
        axes.set_xlabel(label)
        if table.index.dtype.kind == "i":
            axes.xaxis.set(major_locator=MaxNLocator(integer=True), major_formatter=COUNTS)
        for which in log:
            log_axis(axes, which)
    row[0].set_ylabel(ylabel)
    legend_over(figure, 2)
    return figure


def dots(axes: Axes, x: np.ndarray, y: np.ndarray, **options: Any) -> None:
    """Draw a cloud of points, as pixels."""
    how: Options = {"s": 6, "color": BLUE, "alpha": 0.35, "lw": 0, "rasterized": True} | options
    axes.scatter(x, y, **how)


def ring(axes: Axes, x: Any, y: Any, size: float = 12, colour: str = RED) -> None:
    """Mark points by a ring."""
    axes.plot(x, y, "o", ms=size, mfc="none", mec=colour, mew=1.8)


def note(
    axes: Axes, text: str, at: Any, offset: tuple[float, float] = (0, 0), **options: Any
) -> None:
    """Write beside a point, `offset` points from it; `options` are those of `Axes.annotate`."""
    axes.annotate(text, at, offset, textcoords="offset points", **{"va": "center"} | options)


def intervals(axes: Axes, table: pd.DataFrame, rows: Any, colour: str = BLUE) -> None:
    """Draw value, low and high as a dot on a line, one at each of the `rows`."""
    axes.hlines(rows, table["low"], table["high"], color=colour, lw=2.5, alpha=0.6)
    axes.plot(table["value"], rows, "o", ms=6, color=colour)


def name_rows(axes: Axes, names: Iterable[Any], bold: str | None = None) -> None:
    """Name the rows 0, 1, ... of a figure of bars or intervals; one name may be in bold type."""
    names = [str(name) for name in names]
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False, axis="y")
    if bold is not None:
        axes.get_yticklabels()[names.index(bold)].set_fontweight("bold")


def log_axis(
    axes: Axes,
    which: str = "x",
    form: str = "{x:g}",
    ticks: Mapping[Any, str] | Iterable[Any] | None = None,
) -> None:
    """Make an axis logarithmic, with plain numbers at its decades, or with these ticks alone."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(form)

    def between(value: float, _: float) -> str:  # a short axis has 2 and 5 as well
        low, high = sorted(axis.get_view_interval())
        few = high < 20 * low and round(value / 10 ** np.floor(np.log10(value)), 6) in (2, 5)
        return form.format(x=value) if few else ""

    axis.set_minor_formatter(between)
    if ticks is not None:
        if not isinstance(ticks, Mapping):
            ticks = {tick: f"{tick:,}" for tick in ticks}
        axis.set_ticks(list(ticks), list(ticks.values()))
        axis.set_minor_locator(NullLocator())


def legend_over(figure: Figure, columns: int, axes: Axes | None = None, **options: Any) -> None:
    """Put one legend above all panels: that of `axes`, or of the first panel."""
    handles, labels = (axes or figure.axes[0]).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, **options)


def legend_above(axes: Axes, columns: int) -> None:
    """Put a panel's legend above it, where no line can run through it."""
    place: Options = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    axes.legend(ncols=columns, fontsize=9, columnspacing=1, handlelength=1.4, **place)


def shorten(title: str, longest: int = 40) -> str:
    """Return a title that fits a figure: cut at a word, with an ellipsis."""
    if len(title) <= longest:
        return title
    return title[: longest - 1].rsplit(" ", 1)[0].rstrip(" :,-") + "…"


def apart(
    values: np.ndarray, gap: float, within: tuple[float, float] = (-np.inf, np.inf)
) -> np.ndarray:
    """Return places near the values, in the same order, at least `gap` apart, and `within`."""
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(values))
    level = np.asarray(values, float)[order] - steps  # what may not fall, if the places are apart
    lifted = np.maximum.accumulate(level)
    lowered = np.minimum.accumulate(level[::-1])[::-1]
    middle = np.clip((lifted + lowered) / 2, within[0], within[1] - steps[-1:].sum())
    places = np.empty(len(values))
    places[order] = middle + steps
    return places
