"""Progress bars, drawn in terminals and live notebooks only."""

import os
import sys
from typing import Any

from tqdm import tqdm


def is_watched() -> bool:
    """Return whether to draw bars: in notebooks and terminals, unless RECSYS_PROGRESS is off."""
    if os.environ.get("RECSYS_PROGRESS", "on").lower() in {"off", "0", "no"}:
        return False
    # Services may have no standard error at all, or one that only knows how to write.
    return getattr(sys.stderr, "isatty", lambda: False)() or _in_notebook()


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


def bar(show: bool | None = None, **options: Any) -> "tqdm[Any]":
    """Return a tqdm bar, drawn if `show` (None: if `is_watched`); `options` go to tqdm."""
    disable = sys.stderr is None or not (is_watched() if show is None else show)
    # A notebook shows what was written to standard error in red, even where the bar is gone.
    file = sys.stdout if _in_notebook() else sys.stderr
    return tqdm(disable=disable, file=file, dynamic_ncols=True, leave=False, **options)
