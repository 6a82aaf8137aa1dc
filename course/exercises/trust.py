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
