"""What models of implicit feedback share: which ratings are a like, and how good lists are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from recsys_lib import metrics
from recsys_lib.errors import DataError
from recsys_lib.kernels import ranking
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import CSR, Ratings

VALID_N = 10  # length of the lists that are measured after each epoch
VALID_USERS = 10_000  # of more, as many are drawn: the mean's standard error is then at most 0.005


@dataclass(eq=False, repr=False)
class ImplicitFeedbackModel(Recommender):
    """Base class of the models that learn from what was liked, and not how much.

    They have a parameter `threshold`: ratings of at least this are likes; None: every rating is.
    """

    monitor: ClassVar[tuple[str, str]] = ("ndcg_valid", "max")
    threshold = None  # type: float | None # declared by each model in its own order

    def liked(self, ratings: CSR) -> CSR:
        """Return the likes among `ratings`, in the same rows."""
        if self.threshold is None:
            return ratings
        return ratings.select(ratings.values >= np.float32(self.threshold))

    def likes_of(self, part: Ratings, name: str = "training") -> CSR:
        """Return the likes of a part of the data; refuse a part without any."""
        liked = self.liked(part.by_user)
        if len(liked.values) == 0:
            raise DataError(f"no rating in the {name} part is a like; lower the threshold")
        return liked

    def _validate(self) -> dict[str, float]:
        """Return NDCG@10 on the validation part, over the users with a like in it."""
        if self._valid is None or len(self._valid) == 0:
            return {"ndcg_valid": float("nan")}
        liked = self.likes_of(self._valid, "validation")
        users = some_of(np.flatnonzero(liked.counts > 0).astype(np.int32))
        wanted = liked.take(users)
        hits = ranking.find_hits(self.rank(users, VALID_N)[0], wanted.indptr, wanted.indices)
        return {"ndcg_valid": float(metrics.ndcg_at_k(hits, wanted.counts).mean())}


def some_of(users: np.ndarray, most: int = VALID_USERS) -> np.ndarray:
    """Return the users, (n,) int ascending; of more than `most`, as many, always the same."""
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(0).permutation(users)[:most])


def as_scipy(likes: CSR, n_items: int) -> csr_matrix:
    """Return the matrix R (n_rows, n_items) float32 with a 1 for each like."""
    ones = np.ones(len(likes.values), np.float32)
    shape = len(likes.indptr) - 1, n_items
    return csr_matrix((ones, likes.indices, likes.indptr - likes.indptr[0]), shape=shape)
