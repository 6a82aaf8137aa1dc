"""Checkers of the exercises on experiments; see `course.exercises`."""

from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from course.exercises import ask, checker, numbers, task


@checker
def check_needed(users_needed: Callable[[float, float, float], float]) -> None:
    """Check how many users it takes where a share of them sees the treatment, for 80% power."""
    for sigma, effect, share in ((0.4, 0.02, 0.5), (0.4, 0.02, 0.1), (0.7, 0.05, 0.95)):
        total = float(numbers(users_needed(sigma, effect, share), ()))
        ask(total > 0, "a number of users is positive")
        error = sigma * np.sqrt(1 / (share * total) + 1 / ((1 - share) * total))
        power = norm.cdf(effect / error - norm.isf(0.025))
        hint = f"with a share of {share}, {total:,.0f} users give a power of {power:.0%}"
        if share == 0.5 and 0.45 < power < 0.55:
            hint += ": the users of one arm, or of both?"
        ask(abs(power - 0.8) < 0.005, hint)


@checker
def check_bar(bar: float) -> None:
    """Check the p-value at which to stop at any of five looks, to err in 5% of A/A tests."""
    level = float(numbers(bar, ()))
    ask(0 < level < 1, "the bar is a p-value, between 0 and 1, and not a value of |z|")
    steps = np.random.default_rng(99).standard_normal((200_000, 5))
    z = np.abs(steps.cumsum(axis=1)) / np.sqrt(np.arange(1, 6))
    stopped = (2 * norm.sf(z) < level).any(axis=1).mean()
    ask(stopped < 0.053, f"too lax: it stops {stopped:.1%} of the experiments without effect")
    ask(stopped > 0.047, f"too strict: it stops only {stopped:.1%} of them")


def _adjusted(y: np.ndarray, X: np.ndarray) -> np.ndarray:
    X = X - X.mean(axis=0)
    return y - X @ np.linalg.pinv(X) @ y


_RNG = np.random.default_rng(6)
_BEFORE = _RNG.normal(2, 1, (200, 3)) @ np.array([[1, 0.8, 0], [0, 1, 0.5], [0, 0, 1]])

check_adjust = task(
    _adjusted,
    [(_BEFORE @ [1.0, 0.5, -1] + _RNG.normal(3, 1, 200), _BEFORE)],
    "y less the centred columns times the least-squares solution",
    {
        "the mean of y is gone": lambda y, X: _adjusted(y, X) - y.mean(),
        "the columns are correlated: one solution for all of them": lambda y, X: (
            y + sum(_adjusted(y, x[:, None]) - y for x in X.T)
        ),
        "a part of the mean is gone: centre them": lambda y, X: y - X @ np.linalg.lstsq(X, y)[0],
    },
)


def _estimate(r: np.ndarray, a: np.ndarray, weights: np.ndarray) -> float:
    return float(np.mean(r * weights[np.arange(len(a)), a]))


_RNG = np.random.default_rng(5)
_LOGGING, _NEW = _RNG.dirichlet(np.ones(4), (2, 300))

check_ips = task(
    lambda r, a, logging, new: _estimate(r, a, new / logging),
    [(_RNG.random(300), _RNG.integers(4, size=300), _LOGGING, _NEW)],
    "the mean of the rewards, each with the weight of its logged action",
    {
        "which policy is above? This is upside down": lambda r, a, p, q: _estimate(r, a, p / q),
        "that is the self-normalised estimate: divide by n": lambda r, a, p, q: (
            _estimate(r, a, q / p) / _estimate(np.ones(300), a, q / p)
        ),
        "divide by how likely the action was logged": lambda r, a, p, q: _estimate(r, a, q),
    },
)
