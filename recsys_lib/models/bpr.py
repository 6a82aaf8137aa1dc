"""Bayesian personalised ranking (BPR)."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.kernels import bpr as kernels
from recsys_lib.models.base import ImplicitFeedbackModel, with_zero
from recsys_lib.models.parameters import above, at_least, factors_and_biases, learnt
from recsys_lib.ratings import CSR, Ratings

MAX_GROUPS = 32  # of users and of items: the rows of a block stay in a core's own cache
LIKES_A_BLOCK = 10_000  # about: a millisecond's work, or waiting for each other costs more
FOLD_IN_STEPS = 2000


class BPR(ImplicitFeedbackModel):
    """x_ui = p_u·q_i + b_i, fitted to rank liked items above items without a rating.

    Stochastic gradient descent draws triples (u, i, j), i liked by u and j not rated by u, and
    steps on -ln σ(x_ui - x_uj). Users are drawn in proportion to their number of likes.

    After Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, BPR: Bayesian personalized ranking
    from implicit feedback.

    Parameters
    ----------
    learning_rate : float
        Step length.
    reg : float
        Weight of the penalty (L2) at each step.
    n_epochs : int
        Number of epochs; an epoch draws as many triples as there are likes.

    Attributes
    ----------
    user_factors_, item_factors_ : (n_users, K) and (n_items, K) float32
    item_biases_ : (n_items,) float32
    training_log_ : DataFrame
        loss is the mean of -ln σ, auc_train the share of the triples drawn that were in order.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "n_factors": CategoricalDistribution((16, 32, 64)),
        "learning_rate": FloatDistribution(0.01, 0.2, log=True),
        "reg": FloatDistribution(0.001, 0.1, log=True),
        "n_epochs": CategoricalDistribution((10, 20, 40, 80)),
    }
    ends_in_bias: ClassVar[bool] = True
    _stored: ClassVar[str | None] = "user_factors_"
    _items: ClassVar[str | None] = "item_rows_"

    n_factors: int = above(0, 32)
    learning_rate: float = above(0, 0.05)
    reg: float = at_least(0, 0.01)
    n_epochs: int = above(0, 30)
    seed: int = at_least(0, 0)
    patience: int | None = above(0, None)
    user_factors_: np.ndarray = learnt("n_users", "K")
    item_rows_: np.ndarray = learnt("n_items", "K + 1")  # (n_items, K + 1) float32: q_i, then b_i

    item_factors_, item_biases_ = factors_and_biases("item_rows_")

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        scale = np.float32(0.1 * (1 / np.sqrt(self.n_factors)))
        shapes = (train.n_users, self.n_factors), (train.n_items, self.n_factors + 1)
        self.user_factors_ = scale * self._rng.standard_normal(shapes[0], np.float32)
        self.item_rows_ = scale * self._rng.standard_normal(shapes[1], np.float32)
        self.item_rows_[:, -1] = 0
        self._blocks = _Blocks(train, self.likes_of(train), self._rng)
        # Who likes nothing is never drawn: like a stranger, they get zeros, not their first noise.
        self.user_factors_[np.bincount(self._blocks.users, minlength=train.n_users) == 0] = 0

    def _epoch(self, train: Ratings) -> dict[str, float]:
        """Deal the items anew and take an epoch's steps."""
        totals = np.zeros((self._blocks.n_groups**2, 3))
        seeds = self._rng.integers(0, 2**64, len(totals), dtype=np.uint64)
        steps = np.float32(self.learning_rate), np.float32(self.reg), seeds, totals
        rows = *train.by_user[:2], self.user_factors_, self.item_rows_
        kernels.epoch(*self._blocks.deal(self._rng), *rows, *steps)
        loss, in_order, drawn = totals.sum(axis=0)
        if drawn == 0:  # by chance, on a handful of likes
            return {"loss": float("nan"), "auc_train": float("nan")}
        if not np.isfinite(loss):
            raise RecsysError(f"learning_rate {self.learning_rate!r} is too large: steps diverge")
        return {"loss": float(loss / drawn), "auc_train": float(in_order / drawn)}

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return vectors [p_u; 0] (m, K + 1), learnt by the same steps, items fixed."""
        rows = np.zeros((ratings.n_rows, self.item_rows_.shape[1] - 1), np.float32)
        seeds = np.full(len(rows), self.seed % 2**64, np.uint64)
        steps = np.float32(self.learning_rate), np.float32(self.reg), FOLD_IN_STEPS
        kernels.fold_in(*ratings[:2], *liked[:2], self.item_rows_, *steps, seeds, rows)
        return with_zero(rows)

    def _vectors_of(self, users: np.ndarray) -> np.ndarray:
        return with_zero(self.user_factors_[users])


class _Blocks:
    """The likes, and users and items dealt into groups: blocks that share no user and no item."""

    def __init__(self, train: Ratings, liked: CSR, rng: np.random.Generator) -> None:
        self.users = np.repeat(np.arange(train.n_users, dtype=np.int32), liked.counts)
        self.items = liked.indices
        if train.by_user.counts[self.users].min() == train.n_items:
            raise DataError("who likes anything has rated all items: no pair to learn from")
        self.n_items = train.n_items
        worth = int((len(self.users) / LIKES_A_BLOCK) ** 0.5)
        self.n_groups = max(1, min(MAX_GROUPS, worth, train.n_users, train.n_items // 4))
        group = rng.permutation(train.n_users) % self.n_groups
        self.group_of_user = group.astype(np.int32)
        starts = np.empty(self.n_groups**2 + 1, np.int64)
        self.dealt = starts, np.empty_like(self.users), np.empty_like(self.items)

    def deal(self, rng: np.random.Generator) -> tuple[Any, Any, Any, Any, Any]:
        """Deal the items anew; return the arguments of the kernel that describe the blocks.

        The first three are overwritten by the next deal.
        """
        group_items = rng.permutation(self.n_items).astype(np.int32)
        group_starts = np.linspace(0, self.n_items, self.n_groups + 1).astype(np.int64)
        group_of_item = np.empty(self.n_items, np.int32)
        group_of_item[group_items] = np.repeat(range(self.n_groups), np.diff(group_starts))
        groups = self.group_of_user, group_of_item
        kernels.deal_events(self.users, self.items, *groups, *self.dealt)
        return *self.dealt, group_items, group_starts
