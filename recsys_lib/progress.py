"""Progress bars: drawn for someone who watches, and for nobody else."""

import os
import sys
from typing import Any

from tqdm import tqdm


def is_watched() -> bool:
    """Whether bars are wanted: in a terminal or a live notebook, unless RECSYS_PROGRESS is off."""
    if os.environ.get("RECSYS_PROGRESS", "on").lower() in {"off", "0", "no"}:
        return False
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return sys.stderr.isatty() or hasattr(shell, "kernel")


def bar(show: bool | None = None, **options: Any) -> "tqdm[Any]":
    """Return a tqdm bar; `show` None asks `is_watched`. `options` go to tqdm."""
    disable = not (is_watched() if show is None else show)
    return tqdm(disable=disable, dynamic_ncols=True, leave=False, **options)
