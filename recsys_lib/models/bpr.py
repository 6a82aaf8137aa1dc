"""Bayesian personalised ranking: learn the order of the list, not the stars."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from recsys_lib import io
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.kernels import bpr as kernels
from recsys_lib.kernels import ranking
from recsys_lib.models import checkpoints
from recsys_lib.models.implicit_feedback import ImplicitFeedbackModel
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR, Ratings

MAX_GROUPS = 32  # of users and of items: the rows of a block stay in a core's own cache
LIKES_A_BLOCK = 10_000  # about: a millisecond's work, or waiting for each other costs more
FOLD_IN_STEPS = 2000


class BPR(ImplicitFeedbackModel):
    """Rank what a user liked above what the user never saw: x_ui = p_u·q_i + b_i.

    Draws triples (u, i, j), i liked by u and j not rated by u, and takes gradient steps on
    -ln σ(x_ui - x_uj). A user is drawn in proportion to the number of items liked.

    Parameters
    ----------
    n_factors : int
        K.
    learning_rate : float
        Step length.
    reg : float
        Weight of the squared lengths, at each step.
    threshold : float, optional
        Ratings of at least this are likes; None: every rating is one.
    n_epochs : int
        An epoch draws as many triples as there are likes.
    seed : int
        The same seed gives the same bits at any number of threads.

    Attributes
    ----------
    user_factors_, item_factors_ : (n_users, K) and (n_items, K) float32
    item_biases_ : (n_items,) float32
    history : DataFrame
        A row an epoch: epoch, loss (mean of -ln σ), auc_train (share of the triples drawn that
        were in order), auc_valid (exact, mean over users), seconds.

    References
    ----------
    Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, BPR: Bayesian personalized ranking from
    implicit feedback.
    """

    _stored: ClassVar[str | None] = "user_factors_"
    _learnt: ClassVar[tuple[str, ...]] = ("user_factors_", "item_rows_")

    user_factors_: np.ndarray
    item_rows_: np.ndarray  # (n_items, K + 1) float32: q_i, then b_i

    def __init__(
        self,
        n_factors: int = 32,
        learning_rate: float = 0.05,
        reg: float = 0.01,
        threshold: float | None = None,
        n_epochs: int = 30,
        seed: int = 0,
    ) -> None:
        self.n_factors = n_factors
        self.learning_rate = learning_rate
        self.reg = reg
        self.threshold = threshold
        self.n_epochs = n_epochs
        self.seed = seed

    @property
    def item_factors_(self) -> np.ndarray:
        """q_i, (n_items, K)."""
        return self.item_rows_[:, :-1]

    @property
    def item_biases_(self) -> np.ndarray:
        """b_i, (n_items,)."""
        return self.item_rows_[:, -1]

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn from `train`; see `Recommender.fit`."""
        for name in ("n_factors", "n_epochs", "learning_rate"):
            if not getattr(self, name) > 0:
                raise RecsysError(f"{name} is {getattr(self, name)!r}; it must be above 0")
        if not self.reg >= 0:
            raise RecsysError(f"reg is {self.reg!r}; it must be 0 or more")
        self._remember(train)
        rng = np.random.default_rng(self.seed)
        scale = 1 / np.sqrt(self.n_factors)
        shape = train.n_items, self.n_factors + 1
        self.user_factors_ = np.float32(0.1 * scale) * rng.standard_normal(
            (train.n_users, self.n_factors), np.float32
        )
        self.item_rows_ = np.float32(0.1 * scale) * rng.standard_normal(shape, np.float32)
        self.item_rows_[:, -1] = 0
        blocks = _Blocks(train, self._is_liked(train.by_user.values), rng)
        # Who likes nothing is never drawn: like a stranger, they get zeros, not their first noise.
        self.user_factors_[np.bincount(blocks.users, minlength=train.n_users) == 0] = 0
        log = io.RunLog(run_dir)
        with bar(progress, total=self.n_epochs, desc="BPR") as steps:
            for number in range(1, self.n_epochs + 1):
                began = time.perf_counter()
                loss, in_order = self._epoch(train, blocks, rng)
                seconds = time.perf_counter() - began
                row = {
                    "epoch": number,
                    "loss": loss,
                    "auc_train": in_order,
                    "auc_valid": self._auc(train, valid) if valid is not None else float("nan"),
                    "seconds": seconds,
                }
                log.write(**row)
                checkpoints.save(run_dir, self, number)
                steps.update()
                steps.set_postfix_str(f"loss {loss:.4f} auc_valid {row['auc_valid']:.4f}")
        self.training_log_ = log.table()
        return self

    def _epoch(
        self, train: Ratings, blocks: _Blocks, rng: np.random.Generator
    ) -> tuple[float, float]:
        """Deal the items anew and take an epoch's steps; return mean loss and share in order."""
        totals = np.zeros((blocks.n_groups**2, 3))
        seeds = rng.integers(0, 2**64, blocks.n_groups**2, dtype=np.uint64)
        rate, reg = np.float32(self.learning_rate), np.float32(self.reg)
        seen = train.by_user.indptr, train.by_user.indices
        rows = self.user_factors_, self.item_rows_
        starts, users, likes, items, item_starts = blocks.deal(rng)
        if blocks.n_groups == 1:  # nothing to share: wake no other thread
            kernels.work_on(users, likes, items, *seen, *rows, rate, reg, seeds[0], totals[0])
        else:
            groups = starts, users, likes, items, item_starts
            kernels.epoch(*groups, *seen, *rows, rate, reg, seeds, totals)
        loss, in_order, drawn = totals.sum(axis=0)
        if drawn == 0:  # by chance, on a handful of likes
            return float("nan"), float("nan")
        if not np.isfinite(loss):
            raise RecsysError(
                f"the steps grow without bound: learning_rate {self.learning_rate!r} is too large"
            )
        return float(loss / drawn), float(in_order / drawn)

    def _auc(self, train: Ratings, valid: Ratings) -> float:
        liked = self._liked(valid.by_user)
        users = np.flatnonzero(liked.counts > 0)
        seen, wanted = train.by_user.take(users), liked.take(users)
        auc = ranking.user_auc(
            self._user_vectors(users), self.item_rows_,
            seen.indptr, seen.indices, wanted.indptr, wanted.indices,
        )  # fmt: skip
        auc = auc[~np.isnan(auc)]  # who has rated all but the liked items has no pair to order
        return float(auc.mean()) if len(auc) else float("nan")

    # ---- what the base class asks for

    def _fold_in(self, history: CSR) -> np.ndarray:
        """Learn strangers' vectors by the same steps, the items held fixed."""
        liked = self._liked(history)
        rows = np.zeros((len(history.indptr) - 1, self.n_factors), np.float32)
        seeds = np.full(len(rows), self.seed, np.uint64)
        kernels.fold_in(
            history.indptr, history.indices, liked.indptr, liked.indices,
            self.item_rows_, np.float32(self.learning_rate), np.float32(self.reg),
            FOLD_IN_STEPS, seeds, rows,
        )  # fmt: skip
        return rows

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.hstack([rows, np.ones((len(rows), 1), np.float32)])

    def _item_vectors(self) -> np.ndarray:
        return self.item_rows_

    def _similarity_vectors(self) -> np.ndarray:
        return self.item_factors_


class _Blocks:
    """The likes, and users and items dealt into groups: blocks that share no user and no item."""

    def __init__(self, train: Ratings, liked: np.ndarray, rng: np.random.Generator) -> None:
        self.users = train.user_of_rating()[liked]
        self.items = train.by_user.indices[liked]
        if len(self.users) == 0:
            raise DataError("no rating in the training part is a like; lower the threshold")
        if train.by_user.counts[self.users].min() == train.n_items:
            raise DataError(
                "who likes anything has rated every item: there is no pair to learn from"
            )
        self.n_items = train.n_items
        worth = int((len(self.users) / LIKES_A_BLOCK) ** 0.5)
        self.n_groups = max(1, min(MAX_GROUPS, worth, train.n_users, train.n_items // 4))
        group = rng.permutation(train.n_users) % self.n_groups
        self.group_of_user = group.astype(np.int32)
        starts = np.empty(self.n_groups**2 + 1, np.int64)
        self.dealt = starts, np.empty_like(self.users), np.empty_like(self.items)

    def deal(self, rng: np.random.Generator) -> tuple[Any, ...]:
        """Deal the items anew; return the arguments of the kernel that describe the blocks.

        The first three are overwritten by the next deal.
        """
        group_items = rng.permutation(self.n_items).astype(np.int32)
        group_starts = np.linspace(0, self.n_items, self.n_groups + 1).astype(np.int64)
        group_of_item = np.empty(self.n_items, np.int32)
        group_of_item[group_items] = np.repeat(
            np.arange(self.n_groups, dtype=np.int32), np.diff(group_starts)
        )
        groups = self.group_of_user, group_of_item
        kernels.deal_events(self.users, self.items, *groups, *self.dealt)
        return *self.dealt, group_items, group_starts
