"""PureSVD: the truncated singular value decomposition of the likes."""

from typing import ClassVar

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy.sparse.linalg import svds

from recsys_lib.models.base import ImplicitFeedbackModel, as_scipy
from recsys_lib.models.parameters import above, at_least, learnt
from recsys_lib.ratings import CSR, Ratings


class PureSVD(ImplicitFeedbackModel):
    """ŝ_u = r_u Q Qᵀ: a user's likes, projected on the first K right singular vectors.

    R ≈ U Σ Qᵀ, R having a 1 for each like and a 0 elsewhere. A user's vector is r_u Q, so that a
    stranger's is exact and costs a sum over the likes. After Cremonesi, Koren & Turrin 2010,
    Performance of recommender algorithms on top-N recommendation tasks.

    Parameters
    ----------
    n_factors : int
        Length K of the vectors. A table of fewer users or items has fewer directions: the last
        columns of Q are then 0.

    Attributes
    ----------
    item_factors_ : (n_items, K) float32
        Q, the columns by falling singular value, each with its largest number positive.
    singular_values_ : (K,) float32
        Σ.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "n_factors": CategoricalDistribution((8, 12, 16, 24, 32, 48, 64)),
    }
    _items: ClassVar[str | None] = "item_factors_"

    n_factors: int = above(0, 32)
    seed: int = at_least(0, 0)
    item_factors_: np.ndarray = learnt("n_items", "K")
    singular_values_: np.ndarray = learnt("K")

    def _epoch(self, train: Ratings) -> dict[str, float]:
        likes = as_scipy(self.likes_of(train), train.n_items).astype(np.float64)
        start = self._rng.standard_normal(min(likes.shape))
        if self.n_factors < min(likes.shape):
            _, values, q = svds(likes, self.n_factors, v0=start)
        else:  # svds needs fewer; a table this narrow is small enough to be decomposed as a whole
            _, values, q = np.linalg.svd(likes.toarray(), full_matrices=False)
            none = self.n_factors - len(values)
            q[values < 1e-9 * values.max()] = 0.0  # directions in which nothing lies
            values, q = np.pad(values, (0, none)), np.pad(q, ((0, none), (0, 0)))
        order = np.argsort(-values)
        q = q[order].T
        largest = np.abs(q).argmax(axis=0)
        q *= np.where(q[largest, np.arange(self.n_factors)] < 0, -1.0, 1.0)
        self.item_factors_ = np.ascontiguousarray(q, np.float32)
        self.singular_values_ = values[order].astype(np.float32)
        return {}

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return r_u Q, (m, K) float32."""
        return as_scipy(liked, len(self.item_factors_)) @ self.item_factors_

    def _similarity_vectors(self) -> np.ndarray:
        """Return Q Σ: its products are those of the items' columns of R, as far as K sees them."""
        return self.item_factors_ * self.singular_values_
