"""The model that nobody has: it knows the truth behind simulated ratings."""

from __future__ import annotations

import os
from typing import Self

import numpy as np
import pandas as pd

from recsys_lib.datasets import Truth
from recsys_lib.models.rating import RatingModel
from recsys_lib.ratings import Ratings


class Oracle(RatingModel):
    """Predicts the expected rating of every pair, and lists what each user would enjoy most.

    Of simulated watches, the expected watch ratio; its list is then the best there is, also by the
    chance of a like.

    It stands in a table as the best possible: no model can be expected to have a smaller RMSE. It
    does not know *when* a rating is given, and predicts for the middle of the period. Its list is
    best in what users would enjoy, which is not what they will come to rate.

    Parameters
    ----------
    truth : Truth
        That of the data.
    """

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Remember who rated what, so that lists can leave it out: there is nothing to learn."""
        self._remember(train)
        self._users = self.truth.ratings.user_index(train.user_ids)
        self._items = self.truth.ratings.item_index(train.item_ids)
        self.training_log_ = pd.DataFrame()
        return self

    def _predict_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.truth.expected(self.user_ids_[users], self.item_ids_[items])

    def _user_rows(self, users: np.ndarray) -> np.ndarray:
        return self.truth.user_factors[self._users[users]]

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.column_stack([rows, np.ones(len(rows), np.float32)])

    def _item_vectors(self) -> np.ndarray:
        truth = self.truth
        rows = np.column_stack([truth.item_factors, truth.item_biases])
        return np.ascontiguousarray(rows[self._items])
