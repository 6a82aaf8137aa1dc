"""EASE: a linear autoencoder with a solution in closed form."""

from typing import ClassVar

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution
from scipy.linalg import lapack, solve_triangular

from recsys_lib.errors import RecsysError
from recsys_lib.models.base import MAX_ITEMS, ItemToItem, as_scipy
from recsys_lib.models.parameters import above, learnt
from recsys_lib.ratings import CSR, Ratings

AT_A_TIME = 1024  # users, as dense rows of likes; rows of a matrix


class EASE(ItemToItem):
    """ŝ_u = r_u B: a user's likes times a dense items x items matrix with a zero diagonal.

    B minimises ‖R - R B‖² + λ ‖B‖², where R has a 1 for each like. The diagonal is zero, since
    otherwise the best B would be the identity. With P = (RᵀR + λ I)⁻¹, B_ij = -P_ij / P_jj off the
    diagonal. After Steck 2019, Embarrassingly shallow autoencoders for sparse data.

    With m items and n users, the fit takes about m³ multiplications, or n m² if there are fewer
    users, and at most 16 m² bytes. More than 15,000 items (3.6 GB) raise `RecsysError`. The last
    bits of B depend on the number of threads of BLAS.

    Parameters
    ----------
    lam : float
        λ, weight of the squared entries of B.

    Attributes
    ----------
    item_weights_ : (n_items, n_items) float32
        B: column j holds the weights of all items in the score of item j.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "lam": FloatDistribution(20.0, 5000.0, log=True),
    }

    lam: float = above(0, 200.0)
    item_weights_: np.ndarray = learnt("n_items", "n_items")

    def _epoch(self, train: Ratings) -> dict[str, float]:
        if train.n_items > MAX_ITEMS:
            told = f"{train.n_items:,} items would take {16 * train.n_items**2 / 1e9:.1f} GB"
            raise RecsysError(f"EASE holds items x items: {told}; it takes up to {MAX_ITEMS:,}")
        likes = self.likes_of(train)
        # An item without a like says nothing of others, and nothing is said of it: B is zero there.
        liked, users = np.unique(likes.indices), np.flatnonzero(np.diff(likes.indptr))
        if len(users) < len(liked):
            rows = as_scipy(likes.take(users), train.n_items)[:, liked].toarray()
            weights = _weights_of_few(rows, self.lam)
        else:
            gram = _gram(likes, train.n_items, liked)
            gram[np.diag_indices_from(gram)] += self.lam
            weights = _weights(gram)
        self.item_weights_ = np.zeros((train.n_items, train.n_items), np.float32)
        self.item_weights_[np.ix_(liked, liked)] = weights
        return {}

    def item_vectors(self) -> np.ndarray:
        """Return Bᵀ, (n_items, n_items) float32."""
        return self.item_weights_.T


def _gram(likes: CSR, n_items: int, liked: np.ndarray) -> np.ndarray:
    """Return RᵀR (m, m) float64 of the m items `liked`.

    These are whole numbers, so exact in any order of summing.
    """
    gram, matrix = np.zeros((len(liked), len(liked))), as_scipy(likes, n_items)
    for start in range(0, likes.n_rows, AT_A_TIME):
        rows = matrix[start : start + AT_A_TIME][:, liked].toarray()
        gram += rows.T @ rows
    return gram


def _weights_of_few(rows: np.ndarray, lam: float) -> np.ndarray:
    """Return B (m, m) float64 of the likes R (n, m) of n < m users.

    By Woodbury's identity λ P = I - Rᵀ(R Rᵀ + λ I)⁻¹ R, a system of n users instead of m items.
    """
    system = rows @ rows.T
    system[np.diag_indices_from(system)] += lam
    half = solve_triangular(np.linalg.cholesky(system), rows, lower=True)
    weights = half.T @ half
    weights /= 1 - np.diag(weights)
    np.fill_diagonal(weights, 0)
    return weights


def _weights(gram: np.ndarray) -> np.ndarray:
    """Return B (m, m) float32 of a positive definite matrix, which is overwritten."""
    factor, _ = lapack.dpotrf(gram.T, overwrite_a=1)  # transposed: as LAPACK lays matrices out
    inverse = lapack.dpotri(factor, overwrite_c=1)[0].T  # of which only the lower triangle is right
    for start in range(0, len(inverse), AT_A_TIME):
        stop = start + AT_A_TIME
        corner = np.tril(inverse[start:stop, start:stop])
        inverse[start:stop, start:stop] = corner + np.tril(corner, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    inverse *= -1 / np.diag(inverse)
    np.fill_diagonal(inverse, 0)
    return inverse.astype(np.float32)
