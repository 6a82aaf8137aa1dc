"""Vectors and lists of a fitted model, by index or by the data's own ids."""

from collections.abc import Callable, Hashable, Mapping, Set
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from recsys_lib.columns import IdIndex
from recsys_lib.errors import DataError, RecsysError, check_flags, check_whole
from recsys_lib.kernels import ranking
from recsys_lib.models.fitted import Fitted
from recsys_lib.models.known import USERS_AT_A_TIME, among, nothing
from recsys_lib.ratings import CSR, check_csr, check_index

Vectors = Callable[[np.ndarray], np.ndarray]  # from rows by index to their vectors
Who = np.ndarray | CSR  # known users by index, or new users' ratings
Ranked = tuple[np.ndarray, np.ndarray]  # items and scores, one row for each user


class Lists(Fitted):
    """Methods of every model that return vectors and lists."""

    predicts_ratings: ClassVar[bool] = False
    ends_in_bias: ClassVar[bool] = False  # the vectors' last column is added, not multiplied
    _items: ClassVar[str | None] = None  # the array of the items' vectors, if they are one
    _users_at_a_time: ClassVar[int] = USERS_AT_A_TIME  # whose vectors are made together to rank

    def item_vectors(self) -> np.ndarray:
        """Return the items' vectors (n_items, D) float32.

        A score is the product with a user's vector; where the model's `ends_in_bias`, the last
        columns of both are added instead of multiplied. Rating models add the mean rating `mu_`.
        """
        if self._items is None:
            raise RecsysError(f"{type(self).__name__} only gives lists: it has no vectors of items")
        return getattr(self, self._items)

    # ---- by index: positions in `user_ids_` and `item_ids_`

    def vectors(self, who: Who) -> np.ndarray:
        """Return the vectors (m, D) float32 of known users, by index, or of new users' ratings."""
        if isinstance(who, CSR):
            return self.user_vectors(who)
        return self._vectors_of(self.check_users(who))

    def _vectors_of(self, users: np.ndarray) -> np.ndarray:
        """Return the vectors of known users."""
        if self._stored is None:
            return self.user_vectors(self._known.take(users))
        return getattr(self, self._stored)[users]

    def check_users(self, who: Any) -> np.ndarray:
        """Return `who`; raise `DataError` unless it is indices (m,) of users, integers."""
        plain = type(who) in (np.ndarray, np.memmap) and who.ndim == 1 and who.dtype.kind in "iu"
        n = len(self.user_ids_)
        if not plain or (len(who) and not (who.min() >= 0 and who.max() < n)):
            raise DataError(f"who must be an array (m,) of indices, integers from 0 to below {n}")
        return who

    def multipliers(self, vectors: np.ndarray) -> np.ndarray:
        """Return what multiplies the items' vectors so that plain products put items in order.

        A user's own bias is the same for every item: a 1 takes its place, to meet the item's.
        """
        if not self.ends_in_bias:
            return vectors
        vectors = vectors.copy()
        vectors[:, -1] = 1
        return vectors

    def levels(self, vectors: np.ndarray) -> np.ndarray:
        """Return what such products lack of a user's scores, (m,) float32: the mean, the bias."""
        level = np.full(len(vectors), self.mu_ if self.predicts_ratings else 0, np.float32)
        return level + vectors[:, -1] if self.ends_in_bias else level

    def rank(
        self, who: Who, n: int, exclude: CSR | None = None, candidates: np.ndarray | None = None
    ) -> Ranked:
        """Return each user's best `n` items and their scores, (m, n) int32 and float32.

        `who` (m,) int are known users by index, or a CSR (m, n_items) the ratings of new ones.
        `exclude`, a CSR (m, n_items), are items to leave out; None: the users' known ratings. No
        others are scored than `candidates` (c,) int32, ascending; None: all are. Of equal scores,
        the lower index comes first; rows are padded with -1 and -inf, but are no longer than there
        are items. What does not fit raises `DataError`.
        """
        m = who.n_rows if isinstance(who, CSR) else len(self.check_users(who))
        once, n_items = m <= self._users_at_a_time, len(self.item_ids_)
        if isinstance(who, CSR) and not once:  # of fewer, `user_vectors` checks the ratings
            check_csr("the ratings", who, "n_rows + 1", n_items)
        n = _length(n, n_items)
        if exclude is not None:
            check_csr("exclude", exclude, m, n_items)
        items, scores = np.empty((m, n), np.int32), np.empty((m, n), np.float32)
        few, catalogue = None, self._catalogue()
        if candidates is not None:
            check_index("candidates", candidates, "c", n_items)
            if (candidates[1:] <= candidates[:-1]).any():
                raise DataError("candidates must ascend, and none may repeat")
            if len(candidates) < n_items:
                few, catalogue = candidates, catalogue[candidates]
        for start in range(0, m, self._users_at_a_time):
            part = np.arange(start, min(start + self._users_at_a_time, m))
            some = who if once else who.take(part) if isinstance(who, CSR) else who[part]
            vectors = self.vectors(some)
            if exclude is not None:
                skip = exclude.take(part)
            else:
                skip = some if isinstance(some, CSR) else self._known.take(some)
            if few is not None:
                skip = among(skip, few)
            items[part], scores[part] = self._top(vectors, catalogue, n, skip)
        return items if few is None else np.append(few, np.int32(-1))[items], scores

    def _catalogue(self) -> Any:
        """Return what `_top` multiplies users' vectors by: one row per item."""
        return self.item_vectors()

    def _top(self, vectors: np.ndarray, catalogue: np.ndarray, n: int, skip: CSR) -> Ranked:
        items, scores = ranking.top_n(self.multipliers(vectors), catalogue, *skip[:2], n)
        return items, scores + self.levels(vectors)[:, None]

    # ---- by the data's own ids

    def recommend(
        self,
        user_ids: Any,
        n: int = 10,
        *,
        candidates: Any = None,
        exclude: Any = None,
        seen: bool = False,
    ) -> pd.DataFrame:
        """Return the best `n` items that a user has not rated yet.

        The table has columns user_id, rank (from 1), item_id and score. The score of a rating model
        is the predicted rating, not clipped to the scale, so that the first items do not tie. A
        user or an item that is not in the training data is an `UnknownIdError`; for new users, see
        `recommend_for`.

        Parameters
        ----------
        user_ids : id or array-like of ids
            The users.
        n : int
            Length of the lists; shorter if there are fewer items to list.
        candidates : id, array-like or set of ids, optional
            The items that may be listed; few are fast. None: the whole catalogue.
        exclude : id, array-like or set of ids, optional
            Items to leave out.
        seen : bool
            Whether to list items that the user has rated, too.
        """
        self.check_fitted()
        users = self.user_index(user_ids)
        items, scores = self._list(users, n, candidates, exclude, seen)
        table = _as_table("item", self.item_ids_, items, scores)
        table.insert(0, "user_id", np.repeat(self.user_ids_[users], (items >= 0).sum(axis=1)))
        return table

    def recommend_for(
        self,
        ratings: Mapping[Any, float],
        n: int = 10,
        *,
        candidates: Any = None,
        exclude: Any = None,
        seen: bool = False,
    ) -> pd.DataFrame:
        """Return the best `n` items for a new user, from a few ratings and without a new fit.

        `ratings`, a mapping of item id to rating, are the known ratings of the user; it may be
        empty. `n`, `candidates`, `exclude` and `seen` are as for `recommend`, and so is the table
        that is returned, without user_id.
        """
        self.check_fitted()
        listed = self._list(self.as_ratings(ratings), n, candidates, exclude, seen)
        return _as_table("item", self.item_ids_, *listed)

    def _list(self, who: Who, n: int, candidates: Any, exclude: Any, seen: bool) -> Ranked:
        """`rank`, with candidates and exclusions by id, and `seen` as for `recommend`."""
        check_flags(seen=seen)
        rows = _listed(self.item_index, candidates, exclude)
        m = who.n_rows if isinstance(who, CSR) else len(who)
        return self.rank(who, _length(n, len(rows)), nothing(m) if seen else None, rows)

    def similar_items(
        self, item_id: Hashable, n: int = 10, *, candidates: Any = None, exclude: Any = None
    ) -> pd.DataFrame:
        """Return the `n` items whose factors have the largest cosine with those of the item.

        `n`, `candidates` and `exclude` are as for `recommend`. It is a table of rank (from 1),
        item_id and score (the cosine, from -1 to 1), without the item and items without data.
        """
        self.check_fitted()
        rows, vectors = _listed(self.item_index, candidates, exclude), self._similarity_vectors()
        return self._alike(self.item_index, item_id, n, rows, lambda some: vectors[some])

    def similar_users(self, user_id: Hashable, n: int = 10) -> pd.DataFrame:
        """Return the `n` users whose vectors have the largest cosine with that of the user.

        It is a table as of `similar_items`, of users, without those who have no rating or like.
        """
        self.check_fitted()

        def vectors(some: np.ndarray) -> np.ndarray:
            known = self.liked(self._known.take(some)).counts > 0
            return self._directions(self.vectors(some)) * known[:, None]

        everyone = np.arange(len(self.user_ids_), dtype=np.int32)
        return self._alike(self.user_index, user_id, n, everyone, vectors)

    def _directions(self, vectors: np.ndarray) -> np.ndarray:
        return vectors[:, :-1] if self.ends_in_bias else vectors

    def _similarity_vectors(self) -> np.ndarray:
        return self._directions(self.item_vectors())

    def _alike(
        self, index: IdIndex, one: Hashable, n: int, rows: np.ndarray, vectors: Vectors
    ) -> pd.DataFrame:
        """Return the `n` of some `rows` (c,) int32 whose vectors are most like that of `one`."""
        n, own = _length(n, len(rows)), index.position(one)
        vector = vectors(np.array([own]))
        if vector.shape[1] == 0:
            name = type(self).__name__
            raise RecsysError(f"{name} has no factors: to it no {index.what}s are alike")
        if not vector.any():
            raise RecsysError(f"nothing is known of {index.what} {one!r}: no rating to learn from")
        scores, step = np.full((1, len(rows)), -np.inf, np.float32), self._users_at_a_time
        for start in range(0, len(rows), step):  # of rows that are zero, it stays -inf
            some = vectors(rows[start : start + step])
            there = np.flatnonzero(length := np.linalg.norm(some, axis=1))
            pairs = np.zeros(len(there), np.int32), np.arange(len(there), dtype=np.int32)
            both = vector / np.linalg.norm(vector, axis=1), some[there] / length[there, None]
            scores[0, start + there] = ranking.score_pairs(*both, *pairs)
        scores[0, rows == own] = -np.inf
        best, scores = ranking.top_of_scores(scores, *nothing(1)[:2], n)
        return _as_table(index.what, getattr(self, f"{index.what}_ids_")[rows], best, scores)


def _listed(index: IdIndex, candidates: Any, exclude: Any) -> np.ndarray:
    """Return what may be listed, (c,) int32 ascending, by the ids of what may and what may not."""
    some, out = (list(ids) if isinstance(ids, Set) else ids for ids in (candidates, exclude))
    listed = np.arange(len(index), dtype=np.int32)
    if some is not None and len(listed := np.unique(index(some))) == 0:
        raise DataError("candidates holds no item; leave it out to rank the whole catalogue")
    return listed if out is None else listed[~np.isin(listed, index(out))]


def _as_table(what: str, ids: np.ndarray, listed: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Return ranked lists (m, n) of users or items as a table; the padding is left out."""
    row, column = np.nonzero(listed >= 0)
    found, scores = ids[listed[row, column]], scores[row, column]
    return pd.DataFrame({"rank": column + 1, f"{what}_id": found, "score": scores})


def _length(n: int, most: int) -> int:
    """Return how long lists need to be: no longer than what there is to list, but 1."""
    return max(1, min(check_whole("n", n, 1), most))
