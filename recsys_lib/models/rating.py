"""What the models that predict ratings share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from recsys_lib.errors import RecsysError
from recsys_lib.kernels import ranking
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import CSR


@dataclass(eq=False, repr=False)
class RatingModel(Recommender):
    """Base class of the models that predict ratings: r̂_ui = μ + the score of the vectors."""

    predicts_ratings: ClassVar[bool] = True
    monitor: ClassVar[tuple[str, str]] = ("rmse_valid", "min")

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
        users, items = self.pairs(user_ids, item_ids)
        if len(users) > len(self.user_ids_):
            return self.predict_pairs(np.arange(len(self.user_ids_)), users, items)
        who, rows = np.unique(users, return_inverse=True)
        return self.predict_pairs(who, rows.astype(np.int32), items)

    def predict_pairs(
        self, who: np.ndarray | CSR, rows: np.ndarray, items: np.ndarray
    ) -> np.ndarray:
        """Return the predicted ratings (n,) float32 of pairs by index, clipped to the scale.

        Parameters
        ----------
        who : (m,) int array, or CSR (m, n_items)
            Known users, or strangers' ratings.
        rows, items : (n,) int32
            Pair k is of the user in row ``rows[k]`` of `who` and of item ``items[k]``.
        """
        vectors = self.vectors(who)
        out = ranking.score_pairs(self.multipliers(vectors), self.item_vectors(), rows, items)
        own = vectors[:, -1] if self.ends_in_bias else np.zeros(len(vectors), np.float32)
        out += (own + np.float32(self.mu_))[rows]
        return out.clip(*self.scale_, out=out)

    def pairs(self, user_ids: Any, item_ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the users and items of pairs, by index (n,) int32."""
        self.check_fitted()
        users = self.user_index.positions(user_ids)
        items = self.item_index.positions(item_ids)
        if len(users) != len(items) and 1 not in (len(users), len(items)):
            raise RecsysError(f"{len(users)} users and {len(items)} items do not make pairs")
        users, items = np.broadcast_arrays(users, items)
        return np.ascontiguousarray(users), np.ascontiguousarray(items)

    def _validate(self) -> dict[str, float]:
        valid = self._valid
        if valid is None or len(valid) == 0:
            return {"rmse_valid": float("nan")}
        everyone = np.arange(valid.n_users)
        error = self.predict_pairs(everyone, valid.user_of_rating(), valid.by_user.indices)
        error -= valid.by_user.values
        return {"rmse_valid": float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))}
