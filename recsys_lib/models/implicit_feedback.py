"""What models of likes share: which ratings are one, and how good the lists are meanwhile."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from recsys_lib import metrics
from recsys_lib.errors import DataError
from recsys_lib.kernels import ranking
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import CSR, Ratings

WATCHED = 10  # length of the lists that are watched
WATCHED_USERS = (
    10_000  # of more, as many are drawn: the mean's standard error is then at most 0.005
)


class ImplicitFeedbackModel(Recommender):
    """Base class of the models that learn from what was liked, and not how much.

    They have a parameter `threshold`: ratings of at least this are likes; None: every rating is.
    """

    threshold: float | None

    def _is_liked(self, values: np.ndarray) -> np.ndarray:
        return np.ones(len(values), bool) if self.threshold is None else values >= self.threshold

    def _liked(self, ratings: CSR) -> CSR:
        """Return the likes among `ratings`, in the same rows."""
        return ratings.select(self._is_liked(ratings.values))

    def _likes(self, train: Ratings) -> CSR:
        """Return the likes of the training part; refuse a part without any."""
        liked = self._liked(train.by_user)
        if len(liked.values) == 0:
            raise DataError("no rating in the training part is a like; lower the threshold")
        return liked


def some_of(users: np.ndarray, most: int = WATCHED_USERS) -> np.ndarray:
    """Return the users, (n,) int ascending; of more than `most`, as many, always the same."""
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(0).permutation(users)[:most])


def as_scipy(likes: CSR, n_items: int) -> csr_matrix:
    """Return the matrix R (n_rows, n_items) float32 with a 1 for each like."""
    ones = np.ones(len(likes.values), np.float32)
    shape = len(likes.indptr) - 1, n_items
    return csr_matrix((ones, likes.indices, likes.indptr - likes.indptr[0]), shape=shape)


class Watch:
    """NDCG@10 on the validation part, epoch by epoch; NaN where there is none.

    Parameters
    ----------
    model : ImplicitFeedbackModel
        Ranks whatever its state is at the moment.
    valid : Ratings, optional
        The validation part.
    history : Ratings, optional
        What is shown of its users, where those are strangers to the training part.
    """

    def __init__(
        self, model: ImplicitFeedbackModel, valid: Ratings | None, history: Ratings | None
    ) -> None:
        self._model, self._shown = model, None if history is None else history.by_user
        if valid is None:
            self._users = np.empty(0, np.int32)
            return
        self._liked = model._liked(valid.by_user)
        users = np.flatnonzero(self._liked.counts > 0).astype(np.int32)
        if len(users) == 0:
            raise DataError("no rating in the validation part is a like; lower the threshold")
        self._users = some_of(users)

    def ndcg(self) -> float:
        """Return the mean over the users."""
        users, model = self._users, self._model
        if len(users) == 0:
            return float("nan")
        if self._shown is None:
            lists, _ = model._rank(users, WATCHED)
        else:
            lists, _ = model._rank_history(self._shown.take(users), WATCHED)
        wanted = self._liked.take(users)
        hits = ranking.find_hits(lists, wanted.indptr, wanted.indices)
        return float(metrics.ndcg_at_k(hits, wanted.counts).mean())
