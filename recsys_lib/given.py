"""Lists that were made elsewhere, evaluated like those of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.kernels import ranking
from recsys_lib.models.base import Recommender, as_scipy
from recsys_lib.ratings import CSR, Ratings


class GivenLists(Recommender):
    """A checked table of lists: user_id, item_id, rank. A user who is not in it has an empty list.

    `train` gives the indices of users and items; no list may hold an item that its user rated
    there.
    """

    def __init__(self, table: pd.DataFrame, train: Ratings) -> None:
        if not {"user_id", "item_id", "rank"} <= {*table.columns} or table.empty:
            there = ", ".join(map(str, table.columns))
            told = f"this one has {len(table)} rows of {there}"
            raise DataError(f"lists are a table of user_id, item_id and rank; {told}")
        self._remember(train)
        users, items = train.user_index(table["user_id"]), train.item_index(table["item_id"])
        rank = pd.to_numeric(table["rank"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        order = np.lexsort((rank, users))  # what is no number comes last
        users, items, rank = users[order], items[order], rank[order]
        place = np.arange(len(users)) - np.searchsorted(users, users)
        self._listed = np.searchsorted(users, np.arange(train.n_users + 1)), items
        rated = as_scipy(train.by_user, train.n_items)[users, items]
        for wrong, says in (
            (rank != place + 1, "ranks go 1, 2, 3 ... from the first; not so at"),
            (pd.DataFrame([users, items]).T.duplicated(), "an item stands in a list once; not so"),
            (np.asarray(rated).ravel() > 0, "in train stands"),
        ):
            if np.any(wrong):
                user, item = users[np.argmax(wrong)], items[np.argmax(wrong)]
                told = f"{says} item {train.item_ids[item]} ({np.sum(wrong)} such rows)"
                raise DataError(f"the list of user {train.user_ids[user]}: {told}")

    def rank(
        self, who: Any, n: int, exclude: Any = None, candidates: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first `n` items (m, n) int32 of users' lists, by index; scores are all 0."""
        if isinstance(who, CSR):
            raise RecsysError("lists are of users by id: pass what is known of them as train")
        indptr, items = self._listed
        listed = CSR(indptr, items, items).take(who)
        if candidates is not None and not np.isin(listed.indices, candidates).all():
            raise RecsysError("the lists hold items that are no candidates; leave these out")
        lists = ranking.padded(listed, n)
        return lists, np.zeros(lists.shape, np.float32)
