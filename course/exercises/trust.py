"""Checks of the exercises on comparing models; see `course.exercises`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd


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
        found = cheapest(table)
        assert found in allowed.index, f"{found} ranks worse than the winner, and that is decided"
        assert found == allowed["fit_seconds"].idxmin(), "a faster model is not decided to be worse"
    print("Right.")


def check_users_needed(users_needed: Callable[[np.ndarray, float], float]) -> None:
    """Check how many users bring the 95 % interval of a mean difference to plus or minus d."""
    for spread in (0.1, 0.4):
        x = np.random.default_rng(3).normal(0.01, spread, 500)
        for d in (0.01, 0.04):
            right, found = (1.96 * x.std(ddof=1) / d) ** 2, users_needed(x, d)
            assert abs(found / right - 1) < 0.02, f"for d = {d} about {right:.0f}, not {found:.0f}"
    print("Right.")


def check_rmse_of_mean(rmse_of_mean: Callable[..., float]) -> None:
    """Check the RMSE of the mean of draws (n_draws, n), clipped to the scale."""
    rng = np.random.default_rng(4)
    draws, ratings = rng.normal(4.3, 1.0, (7, 40)), rng.integers(1, 11, 40) / 2
    found = rmse_of_mean(draws, ratings, (0.5, 5.0))
    single = np.sqrt(np.mean((draws.clip(0.5, 5) - ratings) ** 2, axis=1)).mean()
    early = np.sqrt(np.mean((draws.clip(0.5, 5).mean(axis=0) - ratings) ** 2))
    right = np.sqrt(np.mean((draws.mean(axis=0).clip(0.5, 5) - ratings) ** 2))
    assert abs(found - single) > 1e-6, "average the predictions, not the errors"
    assert abs(found - early) > 1e-6, "average first, then clip"
    assert abs(found - right) < 1e-6, "the mean over the draws, then the RMSE over the ratings"
    print("Right.")


def check_ratings_needed(ratings_needed: Callable[..., int]) -> None:
    """Check the fewest ratings that bring a bias's standard deviation to `spread` or less."""
    for sigma, s, spread in ((0.9, 0.5, 0.1), (1.2, 0.4, 0.05), (0.7, 0.3, 0.2)):
        n = ratings_needed(sigma, s, spread)
        left = [(k / sigma**2 + 1 / s**2) ** -0.5 for k in (n - 1, n)]
        assert n == int(n), "a whole number of ratings"
        assert left[1] <= spread, f"with {n} ratings it is still {left[1]:.3f}"
        assert left[0] > spread, f"{n - 1} ratings are enough"
    print("Right.")
