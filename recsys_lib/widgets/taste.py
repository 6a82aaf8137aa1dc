"""The posterior of a new user's row, given a few ratings, and the effect of each rating.

This is the reference for the demo's JavaScript (``js/taste.js``): NumPy in float64, written to be
read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_lib.errors import DataError
from recsys_lib.models import ALS
from recsys_lib.ratings import Ratings

Items = np.ndarray | slice
ALL = slice(None)
KNOWN = (0, 1, 2, 3, 5, 10, 20, 50)  # numbers of ratings that a noise is measured for
WITHIN_ONE = 0.683  # of a normal distribution, within one standard deviation


@dataclass(frozen=True)
class Taste:
    """The posterior of a new user's row x = [p_u; b_u], with the items fixed.

    The row solves A x = λ Σ z y, with A = λ Σ z zᵀ + n^ν diag(τ, ..., τ, γ), z = [q_i; 1] and
    y = r - μ - b_i. Read λ as the residuals' precision in units of 1/σ²: x is then normal around
    the solution, with the covariance λσ² A⁻¹.

    Attributes
    ----------
    vectors : (n_items, K + 1)
        The items' z.
    base : (n_items,)
        μ + b_i, the score of a user without ratings.
    row : (K + 1,)
        x; zero without ratings.
    inverse : (K + 1, K + 1)
        λ A⁻¹.
    rated : (m,) int
        Positions of the rated items.
    surprise : (m,)
        y, each rating minus μ + b_i of its item.
    """

    vectors: np.ndarray
    base: np.ndarray
    row: np.ndarray
    inverse: np.ndarray
    rated: np.ndarray
    surprise: np.ndarray

    def scores(self, items: Items = ALL) -> np.ndarray:
        """Return the predicted ratings of items (all by default), in stars, not clipped, (n,)."""
        return self.base[items] + self.vectors[items] @ self.row

    def spread(self, noise: float, items: Items = ALL) -> np.ndarray:
        """Return the standard deviation of a new rating of items (all by default), (n,), in stars.

        σ √(1 + λ zᵀA⁻¹z): the uncertainty of the row and the noise of a rating together. `noise`
        is σ, the residuals' standard deviation in stars.
        """
        z = self.vectors[items]
        return noise * np.sqrt(1 + np.einsum("ia,ab,ib->i", z, self.inverse, z))

    def pushes(self, item: int) -> np.ndarray:
        """Return the contribution of each rating to an item's score, (m,), in stars.

        The row is linear in the ratings, so the contributions and `base` add up to the score
        exactly. Rating j adds λ y_j z_iᵀ A⁻¹ z_j.
        """
        return self.surprise * (self.vectors[self.rated] @ self.inverse @ self.vectors[item])


def taste_of(model: ALS, ratings: Mapping[Any, float]) -> Taste:
    """Return the posterior of a new user's row; `ratings` maps item ids to ratings.

    Without ratings the row is zero, with the variance of the penalty n^ν at n = 1, since n = 0
    would give an infinite variance.
    """
    rated = model.item_index.of_keys(ratings)
    return _taste(model, *_items_of(model), rated, np.array(list(ratings.values()), np.float64))


def _items_of(model: ALS) -> tuple[np.ndarray, np.ndarray]:
    """Return the items' `vectors` and `base`, as in `Taste`."""
    vectors = model.item_vectors().astype(np.float64)
    base = model.mu_ + vectors[:, -1]
    vectors[:, -1] = 1
    return vectors, base


def _taste(
    model: ALS, vectors: np.ndarray, base: np.ndarray, rated: np.ndarray, values: np.ndarray
) -> Taste:
    z, surprise = vectors[rated], values - base[rated]
    penalty = np.array([model.tau] * model.n_factors + [model.gamma])
    system = model.lam * z.T @ z + max(len(rated), 1) ** model.nu * np.diag(penalty)
    inverse = model.lam * np.linalg.inv(system)
    return Taste(vectors, base, inverse @ (z.T @ surprise), inverse, rated, surprise)


def measured_noise(
    model: ALS, shown: Ratings, hidden: Ratings, n_users: int = 300
) -> dict[int, float]:
    """Return σ, in stars, by number of known ratings, measured on users with further ratings.

    For each user, 0, 1, 2, ... random `shown` ratings are folded in, and the `hidden` ones are
    predicted; both are parts of one split. If more than `n_users` have ratings in both, evenly
    spaced ones are used; if nobody has, `DataError` is raised.

    σ is chosen so that 68.3 % of the errors are smaller than their standard deviation, as in a
    normal distribution (split-conformal calibration: Vovk et al. 2005). It depends on the number of
    ratings, since the penalty n^ν is not the true prior precision of a new user: each is returned
    by the lowest number that it is for, see `noise_at`.
    """
    both = np.flatnonzero((shown.by_user.counts > 0) & (hidden.by_user.counts > 0))
    if len(both) == 0:
        raise DataError("nobody has ratings both shown and hidden; take parts of one split")
    items, rng = _items_of(model), np.random.default_rng(0)
    errors: dict[int, list[np.ndarray]] = {n: [] for n in KNOWN}
    for user in both[np.linspace(0, len(both) - 1, min(n_users, len(both))).astype(int)]:
        rated, values = shown.by_user.row(user)
        order = rng.permutation(len(rated))
        asked, answers = hidden.by_user.row(user)
        for n in KNOWN[: np.searchsorted(KNOWN, len(rated), "right")]:
            known = order[:n]
            taste = _taste(model, *items, rated[known], values[known].astype(np.float64))
            error = np.abs(answers - taste.scores(asked)) / taste.spread(1.0, asked)
            errors[n].append(error)
    return {n: float(np.quantile(np.concatenate(e), WITHIN_ONE)) for n, e in errors.items() if e}


def noise_at(noise: Mapping[Any, float], n: int) -> float:
    """Return σ for `n` known ratings: that of the largest number in `noise` not above `n`."""
    return noise[max(known for known in noise if known <= n)]
