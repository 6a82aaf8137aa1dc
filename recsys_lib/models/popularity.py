"""Popularity: the same list for everyone."""

from typing import ClassVar

import numpy as np

from recsys_lib.metrics import damped_mean
from recsys_lib.models.base import ImplicitFeedbackModel
from recsys_lib.models.parameters import at_least, learnt, one_of
from recsys_lib.ratings import CSR, Ratings


class Popularity(ImplicitFeedbackModel):
    """Recommend the most popular items to everyone, without those that the user has rated.

    Parameters
    ----------
    by : {"count", "mean"}
        Rank by the number of likes, or by the damped mean rating.
    damping : float
        For "mean": number of ratings equal to the overall mean that are added to each item's own.

    Attributes
    ----------
    item_scores_ : (n_items,) float32
    """

    ends_in_bias: ClassVar[bool] = True

    by: str = one_of(("count", "mean"), "count")
    damping: float = at_least(0, 10.0)
    item_scores_: np.ndarray = learnt("n_items")

    def _epoch(self, train: Ratings) -> dict[str, float]:
        rated = train.by_user if self.by == "mean" else self.likes_of(train)
        scores = np.bincount(rated.indices, minlength=train.n_items)
        if self.by == "mean":
            sums = np.bincount(rated.indices, rated.values, train.n_items)
            scores = damped_mean(sums, scores, self.mu_, self.damping)
        self.item_scores_ = scores.astype(np.float32)
        return {}

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return a bias of 0 for each user, (m, 1): ratings change no score."""
        return np.zeros((ratings.n_rows, 1), np.float32)

    def item_vectors(self) -> np.ndarray:
        """Return the items' scores, their biases, (n_items, 1) float32."""
        return self.item_scores_[:, None]
