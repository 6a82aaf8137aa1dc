"""The list that everyone gets: what most people rated."""

from __future__ import annotations

import os
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from recsys_lib.errors import RecsysError
from recsys_lib.metrics import damped_mean
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import CSR, Ratings


class Popularity(Recommender):
    """Recommend the same items to everyone, less what each has rated.

    Parameters
    ----------
    by : {"count", "mean"}
        Rank by the number of ratings, or by the damped mean rating.
    damping : float
        For "mean": how many ratings of the overall mean are added to each item's own.

    Attributes
    ----------
    item_scores_ : (n_items,) float32
    """

    _learnt: ClassVar[tuple[str, ...]] = ("item_scores_",)

    item_scores_: np.ndarray

    def __init__(self, by: str = "count", damping: float = 10.0) -> None:
        self.by = by
        self.damping = damping

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Count; see `Recommender.fit`. There are no epochs, so nothing is logged."""
        self._remember(train)
        counts = train.by_item.counts
        if self.by == "count":
            scores = counts.astype(np.float64)
        elif self.by == "mean":
            sums = np.bincount(train.by_user.indices, train.by_user.values, train.n_items)
            scores = damped_mean(sums, counts, self.mu_, self.damping)
        else:
            raise RecsysError(f"by is {self.by!r}; it must be 'count' or 'mean'")
        self.item_scores_ = scores.astype(np.float32)
        self.training_log_ = pd.DataFrame()
        return self

    def _user_rows(self, users: np.ndarray) -> np.ndarray:
        return np.ones((len(users), 1), np.float32)  # no need to look up what they have rated

    def _fold_in(self, history: CSR) -> np.ndarray:
        return np.ones((len(history.indptr) - 1, 1), np.float32)

    def _item_vectors(self) -> np.ndarray:
        return self.item_scores_[:, None]
