"""One look for every figure of the book, and the files it leaves behind."""

import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart by all eyes; yellow is left out, it is too faint on white.
BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6E6E6E",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY)
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"

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


def use_style() -> None:
    """Set the look; in a notebook, draw figures as SVG. Call it once, after the imports."""
    mpl.rcParams.update(_SETTINGS)
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # not in a notebook
        return
    if "inline" in mpl.get_backend():
        set_matplotlib_formats("svg", metadata={"Date": None})


def save(figure: Figure, name: str) -> Figure:
    """Write ``name.svg`` and ``name.pdf`` to the folder RECSYS_FIGURES, if that is set.

    Returns the figure, closed to pyplot: as the last line of a cell it is shown once.
    """
    folder = os.environ.get("RECSYS_FIGURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        figure.savefig(Path(folder) / f"{name}.svg", metadata={"Date": None})
        figure.savefig(Path(folder) / f"{name}.pdf", metadata={"CreationDate": None})
    plt.close(figure)
    return figure
