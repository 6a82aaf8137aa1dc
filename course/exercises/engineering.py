"""Checkers of the exercises on speed and on clusters; see `course.exercises`."""

from __future__ import annotations

import numpy as np

from course.exercises import task

check_multiplications = task(
    lambda n, K: 2 * n * np.tri(K + 2).sum(),
    [(1, 1), (10, 3), (7, 32)],
    "a triangle with its diagonal for each rating, on both sides",
    {
        "right for the users' half step: an epoch has two": lambda n, K: n * np.tri(K + 2).sum(),
        "the matrix is symmetric: its lower triangle is enough": lambda n, K: 2 * n * (K + 2) ** 2,
        "the diagonal is a part of the triangle": lambda n, K: n * (K + 2) * (K + 1),
    },
)

check_least_time = task(
    lambda operations, n_bytes, peak, bandwidth: max(operations / peak, n_bytes / bandwidth),
    [(8e9, 1e9, 4e10, 1e10), (1e9, 8e9, 4e10, 1e10), (4e9, 1e9, 4e10, 1e10)],
    "the time for the operations, the time for the bytes: which of them decides?",
    {
        "one can go on while the other waits: the times do not add up": (
            lambda operations, n_bytes, peak, bandwidth: operations / peak + n_bytes / bandwidth
        ),
        "the slower of the two decides": lambda operations, n_bytes, peak, bandwidth: min(
            operations / peak, n_bytes / bandwidth
        ),
        "the bytes take time as well": lambda operations, n_bytes, peak, bandwidth: (
            operations / peak
        ),
    },
)


def _met(n: np.ndarray, J: int) -> np.ndarray:
    missed = np.cumprod(np.full(51, 1 - 1 / J))[n - 1] * (n > 0) + (n == 0)
    return np.asarray(J * (1 - missed))


check_expected_blocks = task(
    _met,
    [(np.array([0, 1, 2, 50]), J) for J in (2, 8)],
    "how likely is it that one given block is not met by any of the n ratings?",
    {
        "that is the largest number possible: two ratings may meet one block": np.minimum,
        "that is the probability of one block: there are J of them": lambda n, J: _met(n, J) / J,
        "that is how many blocks are *not* met": lambda n, J: J - _met(n, J),
    },
)


def _machines(stretch: float, phi: float) -> float:
    """Search for the smallest number of machines."""
    found = (m for m in range(1, 1000) if stretch * (phi + (1 - phi) / m) <= 1 + 1e-9)
    return next(found, np.inf)


check_break_even = task(
    _machines,
    [(3.0, 0.1), (2.5, 0.0), (1.0, 0.5), (3.5, 0.4)],
    "by Amdahl's law, stretch times (φ + (1 - φ) / machines) should be at most 1",
    {
        "machines are whole: round up": lambda stretch, phi: (
            stretch * (1 - phi) / (1 - stretch * phi) if stretch * phi < 1 else np.inf
        ),
        "the share φ is not divided among machines": lambda stretch, phi: np.ceil(stretch),
        "if stretch · φ is 1 or more, no number of machines is enough": lambda stretch, phi: (
            np.ceil(stretch * (1 - phi) / (1 - stretch * phi))
        ),
    },
)
