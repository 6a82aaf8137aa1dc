"""A stranger's taste from a few ratings: the row, how sure it is, and what each rating did to it.

This is the definition that the demo's JavaScript (``js/taste.js``) is held to: float64 and NumPy,
with nothing done for speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_lib.errors import DataError
from recsys_lib.models import ALS
from recsys_lib.ratings import Ratings


@dataclass(frozen=True)
class Taste:
    """The posterior of one stranger's row x = [p_u; b_u], with the items fixed.

    The row solves A x = λ Σ z y, with A = λ Σ z zᵀ + n^ν diag(τ, ..., τ, γ), z = [q_i; 1] and
    y = r - μ - b_i. Read λ as the residuals' precision in units of 1/σ²: x is then normal around
    the solution, with the covariance λσ² A⁻¹.

    Attributes
    ----------
    vectors : (n_items, K + 1)
        The items' z.
    base : (n_items,)
        What a score is without any taste: μ + b_i.
    row : (K + 1,)
        x; zero without ratings.
    inverse : (K + 1, K + 1)
        λ A⁻¹.
    rated : (m,) int
        Positions of the rated items.
    surprise : (m,)
        y, what each rating is above what the item gets from everyone.
    """

    vectors: np.ndarray
    base: np.ndarray
    row: np.ndarray
    inverse: np.ndarray
    rated: np.ndarray
    surprise: np.ndarray

    def scores(self) -> np.ndarray:
        """Return the predicted ratings of all items, not clipped to the scale, (n_items,)."""
        return self.base + self.vectors @ self.row

    def spread(self, noise: float) -> np.ndarray:
        """Return the standard deviation of a new rating of each item, (n_items,), in stars.

        σ √(1 + λ zᵀA⁻¹z): what is not known of the taste, and the noise that no model can know.

        Parameters
        ----------
        noise : float
            σ, the residuals' standard deviation in stars.
        """
        unknown = np.einsum("ia,ab,ib->i", self.vectors, self.inverse, self.vectors)
        return noise * np.sqrt(1 + unknown)

    def pushes(self, item: int) -> np.ndarray:
        """Return what each rating adds to an item's score, (m,), in stars.

        The row is linear in the ratings, so the split is exact: with `base`, it adds up to the
        score. Rating j adds λ y_j z_iᵀ A⁻¹ z_j.
        """
        return self.surprise * (self.vectors[self.rated] @ self.inverse @ self.vectors[item])


def taste_of(model: ALS, ratings: Mapping[Any, float]) -> Taste:
    """Return a stranger's taste by a fitted model; `ratings` maps item ids to ratings.

    Without any rating the row is zero, and as uncertain as one single rating's penalty says:
    the n^ν of no rating would say that nothing at all is known of a user.
    """
    rows = model.item_vectors().astype(np.float64)
    place = {item: i for i, item in enumerate(model.item_ids_.tolist())}
    rated = np.array([place[item] for item in ratings], int)
    vectors = rows.copy()
    vectors[:, -1] = 1
    base = model.mu_ + rows[:, -1]
    surprise = np.array(list(ratings.values()), np.float64) - base[rated]
    z = vectors[rated]
    penalty = np.array([model.tau] * model.n_factors + [model.gamma])
    system = model.lam * z.T @ z + max(len(rated), 1) ** model.nu * np.diag(penalty)
    inverse = model.lam * np.linalg.inv(system)
    return Taste(vectors, base, inverse @ (z.T @ surprise), inverse, rated, surprise)


def measured_noise(model: ALS, shown: Ratings, hidden: Ratings, n_users: int = 300) -> float:
    """Return σ, in stars, from users whose further ratings are known.

    Each user's `shown` ratings are folded in, and the `hidden` ones are compared with what is
    predicted. σ is what makes the errors, each in units of its own spread, have a mean square of
    one; the residuals of training would make it too small, and the plain RMSE too large.

    Parameters
    ----------
    model : ALS
        Fitted.
    shown, hidden : Ratings
        Parts of one split.
    n_users : int
        Look at so many users at most, evenly taken.

    Raises
    ------
    DataError
        Nobody has ratings in both parts.
    """
    both = np.flatnonzero((shown.by_user.counts > 0) & (hidden.by_user.counts > 0))
    if len(both) == 0:
        raise DataError("nobody has ratings both shown and hidden; take parts of one split")
    squares = []
    for user in both[np.linspace(0, len(both) - 1, min(n_users, len(both))).astype(int)]:
        items, values = shown.by_user.row(user)
        taste = taste_of(model, dict(zip(model.item_ids_[items].tolist(), values, strict=True)))
        items, values = hidden.by_user.row(user)
        squares.append(((values - taste.scores()[items]) / taste.spread(1.0)[items]) ** 2)
    return float(np.sqrt(np.concatenate(squares).mean()))
