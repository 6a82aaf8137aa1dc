"""Checkers of the exercises on speed and on clusters; see `course.exercises`."""

import numpy as np

from course.exercises import task

check_multiplications = task(
    lambda n, K: 2 * n * np.tri(K + 2).sum(),
    [(10, 3), (1, 1), (7, 32)],
    "a triangle with its diagonal for each rating, on both sides",
    {
        "right for the users' half step: an epoch has two": lambda n, K: n * np.tri(K + 2).sum(),
        "the matrix is symmetric: its lower triangle is enough": lambda n, K: 2 * n * (K + 2) ** 2,
        "the diagonal is a part of the triangle": lambda n, K: n * (K + 2) * (K + 1),
    },
)

check_least_time = task(
    lambda work, size, peak, width: max(work / peak, size / width),
    [(8e9, 1e9, 4e10, 1e10), (1e9, 8e9, 4e10, 1e10), (4e9, 1e9, 4e10, 1e10)],
    "the time for the operations, the time for the bytes: which of them decides?",
    {
        "the two happen at the same time: they do not add up": lambda w, s, p, b: w / p + s / b,
        "the slower of the two decides": lambda w, s, p, b: min(w / p, s / b),
    },
)


_ONES = np.array([0.0, 0.0, 1.0, 1.0, np.nan, 3.0], np.float32)
_OTHERS = np.array([-0.0, -0.0, 1 - 2**-24, 1.0, np.nan, 3.5], np.float32)

check_differing = task(
    lambda a, b: np.sum(a.view(np.uint32) != b.view(np.uint32)),
    [(_ONES, _OTHERS), (_ONES, _ONES)],
    "count the places at which some bit of the two numbers differs",
    {
        "0.0 and -0.0 are equal, but not their bits": lambda a, b: np.sum(a != b),
        "a tolerance hides a last bit": lambda a, b: np.sum(~np.isclose(a, b)),
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

check_break_even = task(
    lambda stretch, phi: next(
        (m for m in range(1, 1000) if stretch * (phi + (1 - phi) / m) <= 1 + 1e-9), np.inf
    ),
    [(3.0, 0.1), (2.5, 0.0), (1.0, 0.5), (3.5, 0.4)],
    "by Amdahl's law, stretch times (φ + (1 - φ) / machines) should be at most 1",
    {
        "machines are whole: round up": lambda t, phi: t * (1 - phi) / max(1 - t * phi, 1e-9),
        "the share φ is not divided among machines": lambda t, phi: np.ceil(t),
        "from stretch · φ = 1 on no number will do": lambda t, phi: np.ceil(
            t * (1 - phi) / (1 - t * phi)
        ),
    },
)
