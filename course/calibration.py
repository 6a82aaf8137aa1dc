"""Coverage of intervals: shares of ratings inside, overall and group by group.

Intervals are a function from a level to their ends (low, high), each (n,): such as
``partial(model.interval, users, items)``.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from recsys_lib.errors import RecsysError

Intervals = Callable[[float], tuple[np.ndarray, np.ndarray]]


def conformal(predicted: np.ndarray, residuals: np.ndarray) -> Intervals:
    """Return split-conformal intervals about the predictions (n,) of any model.

    `residuals` (m,) are errors on ratings that the model was not fitted to. If those and the ones
    to come are exchangeable, an interval holds a rating with a probability of at least `level`,
    whatever the distribution (Vovk, Gammerman & Shafer 2005), and is equally wide for all.
    """
    sizes = np.sort(np.abs(residuals))

    def intervals(level: float) -> tuple[np.ndarray, np.ndarray]:
        place = int(np.ceil((len(sizes) + 1) * level)) - 1
        reach = sizes[place] if place < len(sizes) else np.inf
        return predicted - reach, predicted + reach

    return intervals


def inside(intervals: Intervals, ratings: np.ndarray, level: float) -> np.ndarray:
    """Return which ratings lie in their intervals, (n,) bool; the ends count as inside."""
    low, high = intervals(level)
    return np.asarray((low <= ratings) & (ratings <= high))


def reliability(
    intervals: Intervals, ratings: np.ndarray, levels: Sequence[float] = (0.5, 0.8, 0.95)
) -> pd.DataFrame:
    """Return how many ratings (n,) the intervals hold, beside how many they claim to hold.

    One row per level: level, share (of the ratings inside), width (mean of high - low, in stars).
    """
    if len(ratings) == 0:
        raise RecsysError("there is no rating to compare the intervals with")
    shares = [inside(intervals, ratings, level).mean() for level in levels]
    widths = [np.mean(np.subtract(*intervals(level)[::-1])) for level in levels]
    return pd.DataFrame({"level": levels, "share": shares, "width": widths}, dtype=float)


def by_quantile(within: np.ndarray, by: np.ndarray, n_groups: int = 5) -> pd.DataFrame:
    """Return the share inside for groups of equal size, from the lowest of `by` to the highest.

    An interval may be right on average and wrong for everyone: too wide for some, too narrow for
    others. `within` (n,) bool is that of `inside`; `by` (n,) is what to sort by, such as how
    erratic the user is. Ratings of equal `by` stay together, so groups may differ in size. Returns
    one row per group: low, high (of `by`), share, n.
    """
    if len(within) != len(by):
        raise RecsysError(f"{len(within)} ratings and {len(by)} values to sort them by")
    rank = pd.Series(by).rank(method="min").to_numpy() - 1
    table = pd.DataFrame({"by": by, "within": within})
    found = table.groupby(rank * n_groups // len(by)).agg(
        low=("by", "min"), high=("by", "max"), share=("within", "mean"), n=("by", "size")
    )
    return found.reset_index(drop=True)
