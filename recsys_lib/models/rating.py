"""What the models that predict ratings share."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lib.errors import RecsysError
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import CSR, Ratings


class RatingModel(Recommender):
    """Base class of the models that predict ratings: they fill in two methods more."""

    def _predict_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """`predict`, by index (n,) int32."""
        raise NotImplementedError

    def _predict_history(self, history: CSR, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """`predict` for strangers: pair k is of the stranger in row ``rows[k]`` of `history`."""
        raise NotImplementedError

    def predict(self, user_ids: Any, item_ids: Any) -> np.ndarray:
        """Return the predicted ratings (n,) float32 of pairs, clipped to the scale.

        Parameters
        ----------
        user_ids, item_ids : id or array-like (n,)
            The data's own ids; a single one goes with all of the other.

        Raises
        ------
        UnknownIdError
            An id is not in the training data.
        """
        return self._predict_index(*self._pairs(user_ids, item_ids))

    def _pairs(self, user_ids: Any, item_ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the users and items of pairs, by index."""
        self._check_fitted()
        users = self._user_lookup.positions(user_ids)
        items = self._item_lookup.positions(item_ids)
        if len(users) != len(items) and 1 not in (len(users), len(items)):
            raise RecsysError(f"{len(users)} users and {len(items)} items do not make pairs")
        users, items = np.broadcast_arrays(users, items)
        return np.ascontiguousarray(users), np.ascontiguousarray(items)

    def _rmse(self, ratings: Ratings) -> float:
        error = self._predict_index(ratings.user_of_rating(), ratings.by_user.indices)
        error -= ratings.by_user.values
        return float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))
