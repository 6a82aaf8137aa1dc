"""Checkers of the exercises on comparing models; see `course.exercises`."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from course.exercises import ask, checker, task


def _interval(d: np.ndarray, error: float) -> list[float]:
    return [d.mean(), d.mean() - 1.96 * error, d.mean() + 1.96 * error]


_RNG = np.random.default_rng(7)
_HARD = _RNG.normal(1, 0.5, 400)  # how hard each user is, for both models
_PAIR = (_HARD + _RNG.normal(0, 0.1, 400), _HARD + _RNG.normal(0.03, 0.1, 400))


def _error(x: np.ndarray) -> float:
    return float(np.std(x, ddof=1) / len(x) ** 0.5)


check_paired = task(
    lambda a, b: _interval(a - b, _error(a - b)),
    [_PAIR],
    "the mean of a - b, then the lower and the upper end, 1.96 standard errors away",
    {
        "too wide: as if they shared no user": lambda a, b: _interval(
            a - b, np.hypot(_error(a), _error(b))
        ),
        "too wide: divide by the root of n": lambda a, b: _interval(a - b, np.std(a - b, ddof=1)),
        "the sign: a less b": lambda a, b: _interval(b - a, _error(a - b)),
    },
    2e-4,
)

_SMALLEST = {1: 0.0, 2: np.pi**-0.5, 3: 1.5 * np.pi**-0.5, 100: 2.508}

check_luck = task(
    lambda n, sd: _SMALLEST[n] * sd,
    [(3, 0.1), (1, 1.0), (2, 1.0), (3, 1.0), (100, 1.0)],
    "the mean of the smallest of n normal numbers, over many repetitions",
    {
        "right, but its size is a positive number": lambda n, sd: -_SMALLEST[n] * sd,
        "the noise has the standard deviation sd": lambda n, sd: _SMALLEST[n],
        "that is a bound, and not the mean": lambda n, sd: sd * np.sqrt(2 * np.log(n)),
    },
    0.04,
)


@checker
def check_cheapest(cheapest: Callable[[pd.DataFrame], str]) -> None:
    """Check the fastest fit of the models whose paired interval does not lie below 0.

    `cheapest` takes a table like `Board.table`, of a metric of which more is better.
    """
    rng = np.random.default_rng(2)
    for _ in range(20):
        gaps = np.concatenate([[0.0], rng.normal(-0.02, 0.02, 7)])
        reach = np.concatenate([[0.0], rng.uniform(0.005, 0.04, 7)])
        ends = {"gap": gaps, "gap low": gaps - reach, "gap high": gaps + reach}
        table = pd.DataFrame({**ends, "fit_seconds": rng.permutation(8) + 1.0}, list("ABCDEFGH"))
        allowed = table[table["gap high"] >= 0]
        found = cheapest(table.copy())
        ask(isinstance(found, str) and found in table.index, "return the name of a model")
        ask(found in allowed.index, f"{found} is worse than the winner, and that is decided")
        best = allowed["fit_seconds"].idxmin()
        ask(found == best, "a faster model is not decided to be worse")


def _users(x: np.ndarray, d: float) -> float:
    return float((1.96 * x.std(ddof=1) / d) ** 2)


_SPREAD = np.random.default_rng(3).normal(0.01, 0.1, 500)
check_users_needed = task(
    _users,
    [(_SPREAD, 0.01), (4 * _SPREAD, 0.04), (_SPREAD, 0.02)],
    "the interval reaches 1.96 standard errors to either side",
    {
        "half the reach takes four times the users: square": lambda x, d: _users(x, d) ** 0.5,
        "d is the reach to one side, and not the whole width": lambda x, d: 4 * _users(x, d),
    },
    2.0,
)


_RNG = np.random.default_rng(4)
_DRAWS = (_RNG.normal(4.3, 1.0, (7, 40)), _RNG.integers(1, 11, 40) / 2, (0.5, 5.0))


def _rmse(predicted: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean((predicted - ratings) ** 2, axis=-1))


check_rmse_of_mean = task(
    lambda d, r, scale: _rmse(d.mean(axis=0).clip(*scale), r),
    [_DRAWS],
    "the mean over the draws, clipped, then the RMSE over the ratings",
    {
        "average the predictions, not the errors": lambda d, r, s: _rmse(d.clip(*s), r).mean(),
        "average first, then clip": lambda d, r, s: _rmse(d.clip(*s).mean(axis=0), r),
        "no rating lies outside of the scale: clip": lambda d, r, s: _rmse(d.mean(axis=0), r),
    },
)


def _n(sigma: float, s: float, spread: float) -> float:
    return sigma**2 * (1 / spread**2 - 1 / s**2)


check_ratings_needed = task(
    lambda *given: max(0, np.ceil(_n(*given))),
    [(0.9, 0.5, 0.1), (1.2, 0.4, 0.05), (0.7, 0.3, 0.2), (0.9, 0.3, 0.5)],
    "1 / a should be at most the square of the spread, for the first time",
    {
        "before any rating there is the prior": lambda sigma, s, d: np.ceil((sigma / d) ** 2),
        "with one rating less it is still above: round up": lambda *given: _n(*given) // 1,
        "a whole number of ratings": _n,
    },
)
