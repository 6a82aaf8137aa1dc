"""References for the leaderboard's chapter: lists that are the same for everyone, and the truth."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from benchmarks.protocols import Split
from recsys_lib.datasets import Truth
from recsys_lib.errors import RecsysError
from recsys_lib.models import Popularity, Recommender
from recsys_lib.models.base import RatingModel
from recsys_lib.ratings import CSR, Ratings

DAMPING = 10.0  # imagined ratings, liked as often as all are, in the rate of likes


def baselines(split: Split, seed: int = 0) -> dict[str, Recommender]:
    """Return three lists that are the same for everyone, fitted.

    ``random``: one random order. ``popularity``: by the number of likes. ``like rate``: by the
    damped share of likes among those who tried (or rated), which does not reward being shown.
    """
    train, likes = split.train, split.likes
    order = Popularity().fit(likes)
    order.item_scores_ = np.random.default_rng(seed).random(train.n_items, np.float32)
    liked = (train.by_user.values >= np.float32(split.relevant)).astype(np.float32)
    yes_or_no = Ratings(
        train.user_ids, train.item_ids, train.by_user._replace(values=liked), scale=(0.0, 1.0)
    )
    return {
        "random": order,
        "popularity": Popularity().fit(likes),
        "like rate": Popularity(by="mean", damping=DAMPING).fit(yes_or_no),
    }


class Oracle(RatingModel):
    """Predicts the expected rating (or watch ratio) of every pair, and lists by enjoyment.

    No model can be expected to have a smaller RMSE. It does not know *when* a rating is given, and
    predicts for the middle of the period. Its list is best in what users would enjoy, which is not
    what they will come to rate; of watches, it is the best there is. `truth` is ``data.truth`` of a
    simulated data set.
    """

    ends_in_bias: ClassVar[bool] = True

    truth: Truth

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        pass  # there is nothing to learn

    def _epoch(self, train: Ratings) -> dict[str, float]:
        return {}

    def vectors(self, who: np.ndarray | CSR) -> np.ndarray:
        """Return the true vectors of known users, by index; nobody knows a stranger's."""
        if isinstance(who, CSR):
            raise RecsysError("the truth is known for the users of the data only")
        rows = self.truth.user_factors[self.truth.ratings.user_index(self.user_ids_[who])]
        return np.column_stack([rows, np.zeros(len(rows), np.float32)])

    def item_vectors(self) -> np.ndarray:
        """Return the items' true vectors and biases."""
        rows = np.column_stack([self.truth.item_factors, self.truth.item_biases])
        return np.ascontiguousarray(rows[self.truth.ratings.item_index(self.item_ids_)])

    def predict_pairs(self, who: Any, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return the expected ratings of pairs by index, as `RatingModel.predict_pairs`."""
        return self.truth.expected(self.user_ids_[who[rows]], self.item_ids_[items])
