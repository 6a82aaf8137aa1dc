"""What a fitted model says: vectors, lists for users by index or by the data's own ids."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.kernels import ranking
from recsys_lib.models.fitted import Fitted
from recsys_lib.models.known import USERS_AT_A_TIME
from recsys_lib.ratings import CSR


@dataclass(eq=False, repr=False)
class Lists(Fitted):
    """What every model offers to whoever wants a list."""

    predicts_ratings: ClassVar[bool] = False
    ends_in_bias: ClassVar[bool] = False  # the vectors' last column is added, not multiplied
    _users_at_a_time: ClassVar[int] = USERS_AT_A_TIME  # whose vectors are made together to rank

    def item_vectors(self) -> np.ndarray:
        """Return the items' vectors (n_items, D) float32.

        A score is the product with a user's vector; where the model's `ends_in_bias`, the last
        columns of both are added instead of multiplied. Rating models add the mean rating `mu_`.
        """
        raise NotImplementedError

    # ---- by index: positions in `user_ids_` and `item_ids_`

    def vectors(self, who: np.ndarray | CSR) -> np.ndarray:
        """Return the vectors (m, D) float32 of known users, by index, or of strangers' ratings."""
        if isinstance(who, CSR):
            return self.user_vectors(who)
        if self._stored is None:
            return self.user_vectors(self._known.take(who))
        return getattr(self, self._stored)[who]

    def check_who(self, who: np.ndarray | CSR) -> None:
        """Raise `DataError` unless `who` is as `vectors` takes it: kernels trust every index."""
        if isinstance(who, CSR):
            who.check("the ratings", len(who.indptr) - 1, len(self.item_ids_))
        elif len(who) and not (who.min() >= 0 and who.max() < len(self.user_ids_)):
            told = f"from 0 to below {len(self.user_ids_)}"
            raise DataError(f"who must hold users' indices, {told}")

    def multipliers(self, vectors: np.ndarray) -> np.ndarray:
        """Return what multiplies the items' vectors so that plain products put items in order.

        A user's own bias is the same for every item: a 1 takes its place, to meet the item's.
        """
        if not self.ends_in_bias:
            return vectors
        vectors = vectors.copy()
        vectors[:, -1] = 1
        return vectors

    def rank(
        self, who: np.ndarray | CSR, n: int, exclude: CSR | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return each user's best `n` items and their scores, (m, n) int32 and float32.

        Parameters
        ----------
        who : (m,) int array, or CSR (m, n_items)
            Known users, or strangers' ratings.
        n : int
            Length of the lists.
        exclude : CSR (m, n_items), optional
            Items to leave out. None: what is known of the users.

        Notes
        -----
        Ties go to the lower index; rows are padded by -1 and -inf.
        """
        m = len(who.indptr) - 1 if isinstance(who, CSR) else len(who)
        few = m <= self._users_at_a_time
        if not (few and isinstance(who, CSR)):  # which `user_vectors` checks
            self.check_who(who)
        if exclude is not None:
            exclude.check("exclude", m, len(self.item_ids_))
        items, scores = np.empty((m, n), np.int32), np.empty((m, n), np.float32)
        catalogue = self.item_vectors()
        for start in range(0, m, self._users_at_a_time):
            part = np.arange(start, min(start + self._users_at_a_time, m))
            some = who if few else who.take(part) if isinstance(who, CSR) else who[part]
            if exclude is not None:
                skip = exclude.take(part)
            else:
                skip = some if isinstance(some, CSR) else self._known.take(some)
            items[part], scores[part] = self._top(self.vectors(some), catalogue, n, skip)
        return items, scores

    def _top(
        self, vectors: np.ndarray, catalogue: np.ndarray, n: int, skip: CSR
    ) -> tuple[np.ndarray, np.ndarray]:
        level = np.full(len(vectors), self.mu_ if self.predicts_ratings else 0, np.float32)
        if self.ends_in_bias:
            level += vectors[:, -1]
        across = self.multipliers(vectors)
        items, scores = ranking.top_n(across, catalogue, skip.indptr, skip.indices, n)
        return items, scores + level[:, None]

    # ---- by the data's own ids

    def recommend(self, user_ids: Any = None, n: int = 10) -> pd.DataFrame:
        """Return the best `n` items that a user has not rated yet.

        Parameters
        ----------
        user_ids : id or array-like of ids, optional
            For whom. None: for nobody in particular, the items with the best damped mean
            rating (see `recsys_lib.metrics.damped_mean`).
        n : int
            How many.

        Returns
        -------
        DataFrame
            user_id, rank (from 1), item_id, score; without user_id where no user was given. A
            rating model's score is the predicted rating, not clipped to the scale, so that the
            first few can be told apart.

        Raises
        ------
        UnknownIdError
            A user is not in the training data; `recommend_for` serves strangers.
        """
        self.check_fitted()
        if user_ids is None:
            scores = self._known.damped_means(len(self.user_ids_), len(self.item_ids_), self.mu_)
            order = np.argsort(-scores, kind="stable")[None, : self._length(n)]
            return self._as_table(order, scores[order])
        users = self.user_index.positions(user_ids)
        items, scores = self.rank(users, self._length(n))
        table = self._as_table(items, scores)
        table.insert(0, "user_id", np.repeat(self.user_ids_[users], (items >= 0).sum(axis=1)))
        return table

    def recommend_for(self, ratings: Mapping[Any, float], n: int = 10) -> pd.DataFrame:
        """Return the best `n` items for a stranger, from a few ratings and without training.

        Parameters
        ----------
        ratings : mapping of item id to rating
            What is known of the user; may be empty.
        n : int
            How many.

        Returns
        -------
        DataFrame
            rank (from 1), item_id, score.
        """
        self.check_fitted()
        return self._as_table(*self.rank(self.as_ratings(ratings), self._length(n)))

    def similar_items(self, item_id: Hashable, n: int = 10) -> pd.DataFrame:
        """Return the `n` items whose factors point most nearly the same way (cosine).

        Returns
        -------
        DataFrame
            rank (from 1), item_id, score (the cosine, from -1 to 1); the item itself is left out,
            and so are items of which nothing is known.
        """
        self.check_fitted()
        factors = self._similarity_vectors()
        if factors.shape[1] == 0:
            raise RecsysError(f"{type(self).__name__} has no factors: to it no items are alike")
        found = self.item_index.positions(item_id)
        if len(found) != 1:
            raise RecsysError(f"item_id holds {len(found)} items; ask for those like one")
        item = found[0]
        length = np.linalg.norm(factors, axis=1)
        if length[item] == 0:
            raise RecsysError(f"nothing is known of item {item_id!r}: nobody has rated it")
        unit = factors / np.where(length > 0, length, 1)[:, None]
        skip = np.union1d(np.flatnonzero(length == 0), [item]).astype(np.int32)
        indptr = np.array([0, len(skip)])
        listed = ranking.top_n(unit[item][None], unit, indptr, skip, self._length(n))
        return self._as_table(*listed)

    def _similarity_vectors(self) -> np.ndarray:
        vectors = self.item_vectors()
        return vectors[:, :-1] if self.ends_in_bias else vectors

    def _length(self, n: int) -> int:
        """Return how long lists need to be: no longer than the catalogue."""
        if not isinstance(n, numbers.Integral) or n < 1:
            raise RecsysError(f"n is {n!r}; ask for at least one item")
        return min(int(n), len(self.item_ids_))

    def _as_table(self, items: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
        """Return ranked lists (m, n) as a table; the padding is left out."""
        row, column = np.nonzero(items >= 0)
        ids, listed = self.item_ids_[items[row, column]], scores[row, column]
        return pd.DataFrame({"rank": column + 1, "item_id": ids, "score": listed})
