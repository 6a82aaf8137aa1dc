"""The truncated singular value decomposition of the likes, and nothing more."""

from __future__ import annotations

import os
import time
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from scipy.sparse.linalg import svds

from recsys_lib import io
from recsys_lib.errors import RecsysError
from recsys_lib.models.implicit_feedback import ImplicitFeedbackModel, Watch, as_scipy
from recsys_lib.ratings import CSR, Ratings


class PureSVD(ImplicitFeedbackModel):
    """ŝ_u = r_u Q Qᵀ: a user's likes, seen through the K directions that say most of everyone's.

    R ≈ U Σ Qᵀ, R having a 1 for each like and a 0 elsewhere. A user's vector is r_u Q, so that a
    stranger's is exact and costs a sum over the likes.

    Parameters
    ----------
    n_factors : int
        K.
    threshold : float, optional
        Ratings of at least this are likes; None: every rating is one.
    seed : int
        Of the vector that the iteration starts from.

    Attributes
    ----------
    item_factors_ : (n_items, K) float32
        Q, the columns by falling singular value, each with its largest number positive.
    singular_values_ : (K,) float32
        Σ.
    history : DataFrame
        A single row: epoch, ndcg_valid (at 10), seconds.

    References
    ----------
    Cremonesi, Koren & Turrin 2010, Performance of recommender algorithms on top-N recommendation
    tasks.
    """

    _learnt: ClassVar[tuple[str, ...]] = ("item_factors_", "singular_values_")

    item_factors_: np.ndarray
    singular_values_: np.ndarray

    def __init__(self, n_factors: int = 32, threshold: float | None = None, seed: int = 0) -> None:
        self.n_factors = n_factors
        self.threshold = threshold
        self.seed = seed

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        history: Ratings | None = None,
    ) -> Self:
        """Decompose; see `Recommender.fit`. There are no epochs, and no checkpoint.

        `history` is what is shown of the users of `valid`, where those are strangers to `train`.
        """
        most = min(train.n_users, train.n_items) - 1
        if not 0 < self.n_factors <= most:
            raise RecsysError(
                f"n_factors is {self.n_factors!r}; of {train.n_users} users and {train.n_items} "
                f"items it is 1 to {most}"
            )
        self._remember(train)
        likes = as_scipy(self._likes(train), train.n_items)
        watch, log = Watch(self, valid, history), io.RunLog(run_dir)
        began = time.perf_counter()
        start = np.random.default_rng(self.seed).standard_normal(min(likes.shape))
        _, values, q = svds(likes.astype(np.float64), self.n_factors, v0=start)
        order = np.argsort(-values)
        q = q[order].T
        largest = np.abs(q).argmax(axis=0)
        q *= np.where(q[largest, np.arange(self.n_factors)] < 0, -1.0, 1.0)
        self.item_factors_ = np.ascontiguousarray(q, np.float32)
        self.singular_values_ = values[order].astype(np.float32)
        seconds = time.perf_counter() - began
        log.write(epoch=1, ndcg_valid=watch.ndcg(), seconds=seconds)
        self.training_log_ = log.table()
        return self

    # ---- what the base class asks for

    def _fold_in(self, history: CSR) -> np.ndarray:
        return as_scipy(self._liked(history), len(self.item_factors_)) @ self.item_factors_

    def _item_vectors(self) -> np.ndarray:
        return self.item_factors_

    def _similarity_vectors(self) -> np.ndarray:
        """Return Q Σ: its products are those of the items' columns of R, as far as K sees them."""
        return self.item_factors_ * self.singular_values_
