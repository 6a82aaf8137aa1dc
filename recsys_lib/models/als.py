"""Biased matrix factorisation of explicit ratings by alternating least squares."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from recsys_lib import io
from recsys_lib.errors import RecsysError
from recsys_lib.features import Features, item_features, popularity_column
from recsys_lib.kernels import als as kernels
from recsys_lib.kernels import features as feature_kernels
from recsys_lib.kernels.threads import threads_for
from recsys_lib.models import checkpoints
from recsys_lib.models.rating import RatingModel
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR, Ratings

INITIAL_SCALE = 0.1  # standard deviation of the first factors: small, but not all alike
ROWS_AT_A_TIME = 1 << 16  # of the first factors, so that who wants a few of them holds no more


def first_factors(seed: int, n_items: int, n_factors: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the items' first factors, some rows at a time: which rows, and (m, K) float32."""
    rng = np.random.default_rng(seed)
    for start in range(0, n_items, ROWS_AT_A_TIME):
        part = slice(start, min(start + ROWS_AT_A_TIME, n_items))
        shape = part.stop - part.start, n_factors
        yield part, INITIAL_SCALE * rng.standard_normal(shape, np.float32)


class ALS(RatingModel):
    """r̂_ui = μ + b_u + b_i + p_u·q_i, fitted by exact alternating least squares.

    Minimises, over the observed pairs,

    L = λ/2 Σ (r - r̂)² + τ/2 (Σ n_u^ν ‖p_u‖² + Σ n_i^ν ‖q_i‖²) + γ/2 (Σ n_u^ν b_u² + Σ n_i^ν b_i²).

    Each half step solves one side's rows exactly, so L never rises.

    With `popularity`, an item's row is drawn not to zero but to m_i, which is learnt: one row
    [factors; bias] for all items of the same level floor(log2(1 + n_i)), under its own penalty.
    The films that few have rated differ from the others before a single rating is read.

    Parameters
    ----------
    n_factors : int
        K, the length of the vectors p_u and q_i.
    lam : float
        λ, weight of the residuals. Only τ/λ and γ/λ matter to the estimate.
    tau, gamma : float
        τ and γ, weights of the factors and of the biases.
    nu : float
        ν, how the weight grows with a row's number of ratings: 0 is the textbook's objective, 1 is
        ALS-WR (Zhou et al. 2008), ½ lets a large K do no harm.
    n_epochs : int
        How many times both sides are solved.
    seed : int
        Of the first factors. The same seed gives the same bits at any number of threads.
    popularity : float, optional
        Weight of the popularity levels' rows, as β is that of the genres' in `GenreALS`. None: the
        rows are drawn to zero.

    Attributes
    ----------
    mu_ : float
        μ, the training mean.
    user_factors_, item_factors_ : (n_users, K) and (n_items, K) float32
    user_biases_, item_biases_ : (n_users,) and (n_items,) float32
    user_ids_, item_ids_ : arrays
        The data's ids, in the order of the rows above.
    history : DataFrame
        A row an epoch: epoch, loss (L), rmse_train, rmse_valid, seconds.

    References
    ----------
    Koren, Bell & Volinsky 2009, Matrix factorization techniques for recommender systems.
    """

    _stored: ClassVar[str | None] = "user_rows_"
    _learnt: ClassVar[tuple[str, ...]] = (
        "user_rows_", "item_rows_", "item_priors_", "feature_rows_",
        "_feature_indptr", "_feature_indices", "_feature_values",
    )  # fmt: skip

    user_rows_: np.ndarray  # (n_users, K + 1) float32: p_u, then b_u
    item_rows_: np.ndarray  # (n_items, K + 1) float32: q_i, then b_i
    item_priors_: np.ndarray  # (n_items, K + 1) float32: m_i; a single row of zeros where m = 0
    feature_rows_: np.ndarray  # (n_features, K + 1) float32: what each feature adds to m_i
    feature_names_: list[str]

    def __init__(
        self,
        n_factors: int = 20,
        lam: float = 1.0,
        tau: float = 1.35,
        gamma: float = 1.0,
        nu: float = 0.5,
        n_epochs: int = 15,
        seed: int = 0,
        popularity: float | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.lam = lam
        self.tau = tau
        self.gamma = gamma
        self.nu = nu
        self.n_epochs = n_epochs
        self.seed = seed
        self.popularity = popularity

    @property
    def user_factors_(self) -> np.ndarray:
        """p_u, (n_users, K)."""
        return self.user_rows_[:, :-1]

    @property
    def item_factors_(self) -> np.ndarray:
        """q_i, (n_items, K)."""
        return self.item_rows_[:, :-1]

    @property
    def user_biases_(self) -> np.ndarray:
        """b_u, (n_users,)."""
        return self.user_rows_[:, -1]

    @property
    def item_biases_(self) -> np.ndarray:
        """b_i, (n_items,)."""
        return self.item_rows_[:, -1]

    @property
    def n_parameters_(self) -> int:
        """How many numbers `fit` has learnt; the prior means follow from the features' rows."""
        return super().n_parameters_ - self.item_priors_.size

    # ---- fitting

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        callback: Callable[[dict[str, Any]], None] | None = None,
    ) -> Self:
        """Learn from `train`; see `Recommender.fit` for the parameters.

        `callback` is called after each epoch with its row of `history`; what it raises ends the
        fit.

        `resume` goes on from the checkpoint in `run_dir`, with the same result as if the run had
        never been interrupted; `n_epochs` may have been raised meanwhile.
        """
        self._check_parameters()
        self._remember(train)
        self._start(train, items)
        done = checkpoints.take_up(run_dir, self) if resume else 0
        log = io.RunLog(run_dir, keep=done)
        steps = bar(progress, total=self.n_epochs, initial=done, desc=type(self).__name__)
        with steps:
            for epoch in range(done + 1, self.n_epochs + 1):
                began = time.perf_counter()
                self._solve_users(train)
                sse = self._solve_items(train)
                self._solve_priors(train)
                seconds = time.perf_counter() - began
                row = {
                    "epoch": epoch,
                    "loss": self._loss(train, sse),
                    "rmse_train": float(np.sqrt(sse / len(train))),
                    "rmse_valid": self._rmse(valid) if valid is not None else float("nan"),
                    "seconds": seconds,
                }
                log.write(**row)
                checkpoints.save(run_dir, self, epoch)
                steps.update()
                steps.set_postfix_str(
                    " ".join(f"{key[5:]} {row[key]:.4f}" for key in ("rmse_train", "rmse_valid"))
                )
                if callback is not None:
                    callback(row)
        self.training_log_ = log.table()
        return self

    def _check_parameters(self) -> None:
        for name, least in (("n_factors", 0), ("n_epochs", 1), ("nu", 0.0)):
            if not getattr(self, name) >= least:
                raise RecsysError(
                    f"{name} is {getattr(self, name)!r}; it must be {least:g} or more"
                )
        for name in ("lam", "tau", "gamma"):
            if not getattr(self, name) > 0:
                raise RecsysError(
                    f"{name} is {getattr(self, name)!r}; it must be above 0, or a row's system may "
                    "have no single solution"
                )
        if self.popularity is not None and not self.popularity > 0:
            raise RecsysError(f"popularity is {self.popularity!r}; it must be above 0, or None")

    def _start(self, train: Ratings, items: pd.DataFrame | None) -> None:
        """Set the first factors, and what the half steps need throughout."""
        size = self.n_factors + 1
        self.user_rows_ = np.zeros((train.n_users, size), np.float32)
        self.item_rows_ = np.zeros((train.n_items, size), np.float32)
        for part, rows in first_factors(self.seed, train.n_items, self.n_factors):
            self.item_rows_[part, :-1] = rows
        self._user_order = np.argsort(-train.by_user.counts, kind="stable")
        self._item_order = np.argsort(-train.by_item.counts, kind="stable")
        self._start_features(train.item_ids, train.by_item.counts, items)
        n_priors = train.n_items if self.feature_names_ else 1
        self.item_priors_ = np.zeros((n_priors, size), np.float32)

    def _start_features(
        self, item_ids: np.ndarray, counts: np.ndarray, items: pd.DataFrame | None
    ) -> None:
        """Set what the items' prior means are built on; the features' rows begin at zero."""
        features, self._betas = self._item_features(item_ids, counts, items)
        self._feature_indptr, self._feature_indices, self._feature_values = features[:3]
        self.feature_names_ = features.names
        self.feature_rows_ = np.zeros((len(features.names), self.n_factors + 1), np.float32)

    def _item_features(
        self, item_ids: np.ndarray, counts: np.ndarray, items: pd.DataFrame | None
    ) -> tuple[Features, np.ndarray]:
        """Return the features of items rated `counts` times, and the weight of each one's row."""
        kinds = [] if self.popularity is None else ["popularity"]
        found = item_features(kinds, item_ids, counts)
        return found, np.full(len(found.names), self.popularity or 0.0)

    @property
    def _penalty(self) -> np.ndarray:
        """(τ, ..., τ, γ), (K + 1,) float32."""
        return np.array([self.tau] * self.n_factors + [self.gamma], np.float32)

    @property
    def _no_prior(self) -> np.ndarray:
        """A prior mean of zero, (1, K + 1) float32: the single row serves all."""
        return np.zeros((1, self.n_factors + 1), np.float32)

    def _solve(
        self,
        ratings: CSR,
        order: np.ndarray,
        fixed: np.ndarray,
        prior: np.ndarray,
        rows: np.ndarray,
    ) -> float:
        """Solve `rows`, with the other side fixed; return the sum of squared residuals."""
        sse = np.empty(len(rows))
        mu, lam = np.float32(self.mu_), np.float32(self.lam)
        nu = float(self.nu)
        with threads_for(len(rows)):
            kernels.half_step(*ratings, order, fixed, mu, lam, self._penalty, nu, prior, rows, sse)
        return float(sse.sum())

    def _solve_users(self, train: Ratings) -> float:
        zero = self._no_prior
        return self._solve(train.by_user, self._user_order, self.item_rows_, zero, self.user_rows_)

    def _solve_items(self, train: Ratings) -> float:
        return self._solve(
            train.by_item, self._item_order, self.user_rows_, self.item_priors_, self.item_rows_
        )

    def _solve_priors(self, train: Ratings) -> None:
        """Solve the features' rows, and with them the items' prior means."""
        if not self.feature_names_:
            return
        counts, matrix = train.by_item.counts, self._feature_matrix
        rows = feature_kernels.solve_features(
            counts, float(self.nu), *matrix, self.item_rows_, self._penalty, self._betas
        )
        self.feature_rows_ = rows.astype(np.float32)
        feature_kernels.prior_means(*matrix, self.feature_rows_, self.item_priors_)
        self.item_rows_[counts == 0] = self.item_priors_[counts == 0]

    @property
    def _feature_matrix(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._feature_indptr, self._feature_indices, self._feature_values

    def _loss(self, train: Ratings, sse: float) -> float:
        """Return the objective L, given the sum of squared residuals."""
        nu = float(self.nu)
        users = kernels.penalties(self.user_rows_, train.by_user.indptr, nu, self._no_prior)
        items = kernels.penalties(self.item_rows_, train.by_item.indptr, nu, self.item_priors_)
        features = self._betas @ np.square(self.feature_rows_, dtype=np.float64).sum(axis=1)
        weighed = self._penalty.astype(np.float64) @ (users + items)
        return 0.5 * (self.lam * sse + float(weighed) + float(features))

    # ---- predicting

    def _predict_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._predict_rows(self.user_rows_, users, items)

    def _predict_rows(self, rows: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        out = np.empty(len(users), np.float32)
        kernels.predict_pairs(rows, self.item_rows_, np.float32(self.mu_), users, items, out)
        return out.clip(*self.scale_, out=out)

    def _predict_history(self, history: CSR, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._predict_rows(self._fold_in(history), rows, items)

    # ---- what the base class asks for

    def _fold_in(self, history: CSR) -> np.ndarray:
        """Solve strangers' rows: the very update of training, so the result is exact."""
        n = len(history.indptr) - 1
        rows = np.empty((n, self.n_factors + 1), np.float32)
        zero = self._no_prior
        self._solve(history, np.arange(n), self.item_rows_, zero, rows)
        return rows

    def _add_item(self, features: Sequence[tuple[int, float]]) -> None:
        self._append("item_rows_", self._no_prior[0])
        if not self.feature_names_:
            return
        self._append("item_priors_", self._no_prior[0])
        if self.popularity is not None:  # the level of no rating, until the item is solved for
            features = [*features, (popularity_column(self.feature_names_, 0), 1.0)]
        for feature, value in features:
            self._append("_feature_indices", feature)
            self._append("_feature_values", value)
        self._append("_feature_indptr", len(self._feature_indices))

    def _solve_item(self, item: int) -> None:
        """Solve for an item as training does: its prior mean, then its row."""
        users, values = self._rated.of_item(item)
        prior, row = self._no_prior, np.empty((1, self.n_factors + 1), np.float32)
        if self.feature_names_:
            mine = slice(self._feature_indptr[item], self._feature_indptr[item + 1])
            if self.popularity is not None:  # the last of an item's features
                self._feature_indices[mine.stop - 1] = popularity_column(
                    self.feature_names_, len(users)
                )
            ends = np.array([0, mine.stop - mine.start])
            features = self._feature_indices[mine], self._feature_values[mine]
            prior = self.item_priors_[item : item + 1]
            feature_kernels.prior_means(ends, *features, self.feature_rows_, prior)
        history = CSR(np.array([0, len(users)]), users, values)
        self._solve(history, np.arange(1), self.user_rows_, prior, row)
        self.item_rows_[item] = row[0]

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        vectors = rows.copy()
        vectors[:, -1] = 1  # meets b_i; the user's own bias is the same for every item
        return vectors

    def _item_vectors(self) -> np.ndarray:
        return self.item_rows_

    def _offsets(self, rows: np.ndarray) -> np.ndarray:
        return np.float32(self.mu_) + rows[:, -1]

    def _similarity_vectors(self) -> np.ndarray:
        if self.n_factors == 0:
            return super()._similarity_vectors()
        return self.item_factors_

    def _extra(self) -> dict[str, Any]:
        return {"feature_names": self.feature_names_}

    @classmethod
    def _from_saved(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Self:
        model = super()._from_saved(arrays, meta)
        model.feature_names_ = meta["feature_names"]
        return model
