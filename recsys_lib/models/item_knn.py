"""Item-based nearest neighbours."""

from collections.abc import Hashable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from scipy.sparse import csr_matrix

from recsys_lib.errors import RecsysError
from recsys_lib.models.base import MAX_ITEMS, ItemToItem, as_scipy
from recsys_lib.models.parameters import above, at_least, learnt
from recsys_lib.ratings import CSR, Ratings

AT_A_TIME = 256  # items, whose likenesses to all others are held together


class ItemKNN(ItemToItem):
    """ŝ_ui = Σ s_ij over the items j that u likes among the k nearest of i.

    s_ij = n_ij / (√(n_i n_j) + shrinkage), where n_i users like item i and n_ij like both: the
    cosine of the items' columns of likes, shrunk where few users like them. After Deshpande &
    Karypis 2004, Item-based top-N recommendation algorithms; the shrinkage as in Ferrari Dacrema,
    Cremonesi & Jannach 2019, Are we really making much progress?

    The fit makes 256 rows at a time and never holds a dense items x items matrix. AUC and
    ``candidates="test"`` of `evaluate` need one, and raise `RecsysError` for more than 15,000
    items; lists do not.

    Parameters
    ----------
    n_neighbors : int
        Number k of the neighbours.
    shrinkage : float
        Added to the denominator.

    Attributes
    ----------
    neighbors_indptr_, neighbors_indices_, neighbors_values_ : arrays
        The rows (n_items, n_items) of a `CSR`: an item's k nearest, of equally near ones those of
        lower index, and their s_ij.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "n_neighbors": CategoricalDistribution((5, 10, 20, 40, 80, 160, 320, 640)),
        "shrinkage": FloatDistribution(0.1, 1000.0, log=True),
    }

    n_neighbors: int = above(0, 100)
    shrinkage: float = at_least(0, 10.0)
    neighbors_indptr_: np.ndarray = learnt("n_items + 1")
    neighbors_indices_: np.ndarray = learnt("nnz")
    neighbors_values_: np.ndarray = learnt("nnz")

    def _epoch(self, train: Ratings) -> dict[str, float]:
        likes = as_scipy(self.likes_of(train), train.n_items)
        by_item = likes.T.tocsr()
        length = np.sqrt(np.diff(by_item.indptr))
        near: list[np.ndarray] = []
        values: list[np.ndarray] = []
        for start in range(0, train.n_items, AT_A_TIME):
            both = by_item[start : start + AT_A_TIME] @ likes  # n_ij, for some of the i
            both.sort_indices()
            for i, (a, b) in enumerate(zip(both.indptr[:-1], both.indptr[1:], strict=True), start):
                others = both.indices[a:b] != i
                j, n_ij = both.indices[a:b][others], both.data[a:b][others]
                alike = (n_ij / (length[i] * length[j] + self.shrinkage)).astype(np.float32)
                kept = np.sort(np.argsort(-alike, kind="stable")[: self.n_neighbors])
                near.append(j[kept])
                values.append(alike[kept])
        self.neighbors_indptr_ = np.cumsum([0, *map(len, near)])
        self.neighbors_indices_ = np.concatenate(near).astype(np.int32)
        self.neighbors_values_ = np.concatenate(values)
        return {}

    def item_vectors(self) -> np.ndarray:
        """Return the neighbours' s_ij as a dense matrix, (n_items, n_items) float32.

        Raise `RecsysError` for more than 15,000 items.
        """
        if len(self.item_ids_) > MAX_ITEMS:
            told = f"{len(self.item_ids_):,} items x items are too many for a dense array"
            how = "ask ItemKNN for lists, and leave out auc and candidates='test'"
            raise RecsysError(f"{told}: {how}")
        return self._catalogue().toarray()

    def similar_items(
        self, item_id: Hashable, n: int = 10, *, candidates: Any = None, exclude: Any = None
    ) -> pd.DataFrame:
        """Return the items that have this one among their neighbours, by s_ij; see `Lists`."""
        self.check_fitted()
        liked = {self.item_ids_[self.item_index.position(item_id)]: min(self.scale_[1], 1e38)}
        listed = self.recommend_for(liked, n, candidates=candidates, exclude=exclude)
        if not (listed["score"] > 0).any():
            raise RecsysError(f"nothing is known of item {item_id!r}: no item is near it")
        return listed[listed["score"] > 0]

    def _catalogue(self) -> csr_matrix:
        rows = self.neighbors_indptr_, self.neighbors_indices_, self.neighbors_values_
        return CSR(*rows).to_scipy(len(self.item_ids_))
