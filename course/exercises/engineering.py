"""The checkers of the chapters on speed and on clusters, in the manner of `course.exercises`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def check_multiplications(multiplications: Callable[[int, int], float]) -> None:
    """Check the multiplications of one epoch, given the numbers of ratings and of factors."""
    for n, K in ((1, 1), (10, 3), (7, 32)):
        right = 2 * n * np.tri(K + 2).sum()
        found = multiplications(n, K)
        assert found == right, f"{n} ratings, K = {K}: {found:g}; both sides, and a triangle each?"
    print("Right.")


def check_least_time(least_time: Callable[..., float]) -> None:
    """Check the least seconds, given operations, bytes, and how many of each a second allows."""
    for operations, n_bytes, right in ((8e9, 1e9, 0.2), (1e9, 8e9, 0.8), (4e9, 1e9, 0.1)):
        found = least_time(operations, n_bytes, 4e10, 1e10)
        assert np.isclose(found, right), f"{found:g} s: can one wait while the other goes on?"
    print("Right.")


def check_expected_blocks(expected: Callable[..., np.ndarray]) -> None:
    """Check the mean number of blocks that a user meets, given numbers of ratings and of blocks."""
    n = np.array([0, 1, 2, 50])
    for J in (2, 8):
        missed = np.cumprod(np.full(51, 1 - 1 / J))[n - 1] * (n > 0) + (n == 0)
        found = np.asarray(expected(n, J), float)
        assert found.shape == n.shape, "a number for each user"
        assert np.allclose(found, J * (1 - missed)), f"J = {J}: how likely is a block not met?"
    print("Right.")


def check_break_even(break_even: Callable[[float, float], float]) -> None:
    """Check the machines that make up for a stretch, given it and the share nobody can divide."""
    for stretch, share in ((2.5, 0.0), (3.0, 0.1), (1.0, 0.5), (3.5, 0.4)):
        least = (m for m in range(1, 1000) if stretch * (share + (1 - share) / m) <= 1 + 1e-9)
        found, right = break_even(stretch, share), next(least, np.inf)
        assert found == right, f"stretch {stretch:g}, share {share:g}: not {found}; whole machines?"
    print("Right.")
