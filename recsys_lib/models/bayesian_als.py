"""Matrix factorisation that knows how sure it is: Gibbs sampling instead of least squares."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri

from recsys_lib import io
from recsys_lib.errors import RecsysError
from recsys_lib.features import item_features
from recsys_lib.kernels import gibbs as kernels
from recsys_lib.kernels.threads import threads_for
from recsys_lib.models.rating import RatingModel
from recsys_lib.models.sampler import NOISE_RATINGS, Noise, Side
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR, Ratings

FROM_TABLE = ("genres", "years")  # features that are read from the table of items


class BayesianALS(RatingModel):
    """r_ui ~ N(μ + b_u + b_i + p_u·q_i, 1/α_u): not the best factors, but all that may be.

    `ALS` returns the one set of rows that minimises its objective. Here rows are drawn again and
    again from their distribution given the ratings, by the same row solve plus noise (Gibbs
    sampling), and predictions are averaged over the draws. The weights that `ALS` needs to be told
    (τ, γ, λ) are unknowns as well, so that nothing is left to tune:

    * users' rows [p_u; b_u] ~ N(m, Λ⁻¹); items' rows ~ N(Σ_f F_if f, Λ'⁻¹), F the items' features,
      a row f of its own for each; Normal-Wishart priors on m, f, Λ and Λ';
    * each user has a noise precision α_u ~ Gamma: some rate at whim, and count for less.

    Parameters
    ----------
    n_factors : int
        K, the length of the vectors p_u and q_i; a large K does no harm.
    n_samples : int
        Draws S that are kept. Memory grows with it: 4 S (K + 1) bytes for each user,
        twice that for each item.
    n_burn : int
        Draws before those, to get from the random start to where the distribution is.
    features : sequence of {"genres", "years", "popularity"}
        What the items' prior means are built on; genres and years are left out where `fit` gets no
        table of items. Popularity helps films with ratings a little and harms those without, which
        may be of any.
    seed : int
        Of all draws. The same seed gives the same bits at any number of threads.

    Attributes
    ----------
    mu_ : float
        μ, the training mean.
    user_draws_, item_draws_ : (n_users, S, K + 1) and (n_items, S, K + 1) float32
        Factors, then the bias. Draws of the same number belong together.
    item_means_ : (n_items, S, K + 1) float32
        The means that the items' draws scatter about, given the users' of the same number. Averages
        over these instead of the draws have the same expectation and less noise of their own (Rao
        and Blackwell's theorem), so that fewer draws do; spreads need the draws.
    user_variances_ : (n_users,) float32
        Variance 1/α_u of the noise in a user's ratings, averaged over the draws.
    history : DataFrame
        A row a draw, the first `n_burn` included: epoch, rmse_train (of this draw), rmse_valid (of
        the kept draws' mean so far), noise (standard deviation, of the typical user), seconds.

    References
    ----------
    Salakhutdinov & Mnih 2008, Bayesian probabilistic matrix factorization using MCMC; Simm et al.
    2015, Macau (features); Lakshminarayanan et al. 2011, Robust Bayesian matrix factorisation
    (noise by user).
    """

    _stored: ClassVar[str | None] = "user_draws_"
    _learnt: ClassVar[tuple[str, ...]] = (
        "user_draws_", "item_draws_", "item_means_", "user_variances_",
        "_prior_means", "_prior_precisions", "_noise_variances",
    )  # fmt: skip

    user_draws_: np.ndarray
    item_draws_: np.ndarray
    item_means_: np.ndarray
    user_variances_: np.ndarray
    feature_names_: list[str]
    _prior_means: np.ndarray  # (S, K + 1) float32: m, by draw
    _prior_precisions: np.ndarray  # (S, K + 1, K + 1) float32: Λ, by draw
    _noise_variances: np.ndarray  # (S,) float32: of the typical user, by draw

    def __init__(
        self,
        n_factors: int = 32,
        n_samples: int = 60,
        n_burn: int = 20,
        features: Sequence[str] = ("genres", "years"),
        seed: int = 0,
    ) -> None:
        self.n_factors = n_factors
        self.n_samples = n_samples
        self.n_burn = n_burn
        self.features = tuple(features)
        self.seed = seed

    # ---- fitting

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        callback: Callable[[dict[str, Any]], None] | None = None,
    ) -> Self:
        """Learn from `train`; see `Recommender.fit` for the parameters.

        `run_dir` gets the log; there are no checkpoints. `callback` is called after each draw with
        its row of `history`; what it raises ends the fit.
        """
        self._check_parameters()
        self._remember(train)
        rng = np.random.default_rng(self.seed)
        kinds = [kind for kind in self.features if items is not None or kind not in FROM_TABLE]
        features = item_features(kinds, train.item_ids, train.by_item.counts, items)
        size, self.feature_names_ = self.n_factors + 1, features.names
        people, films = Side.of_users(train, size), Side.of_items(train, size, features, rng)
        noise = Noise(train)
        self._make_room(train)
        watched = _Watched(valid, self.mu_)
        log, total = io.RunLog(run_dir), self.n_burn + self.n_samples
        with bar(progress, total=total, desc=type(self).__name__) as steps:
            for epoch in range(1, total + 1):
                began = time.perf_counter()
                people.draw(films.rows, self.mu_, noise.precisions, noise.same, rng)
                films.draw(people.rows, self.mu_, noise.same, noise.precisions, rng)
                sse = noise.draw(people.rows, films.rows, self.mu_, rng)
                kept = epoch - 1 - self.n_burn
                if kept >= 0:
                    self._keep(kept, people, films, noise)
                seconds = time.perf_counter() - began
                row = {
                    "epoch": epoch,
                    "rmse_train": float(np.sqrt(sse / len(train))),
                    "rmse_valid": watched.rmse(people.rows, films.centres, kept, self.scale_),
                    "noise": float(np.sqrt(noise.variance)),
                    "seconds": seconds,
                }
                log.write(**row)
                steps.update()
                steps.set_postfix_str(f"valid {row['rmse_valid']:.4f}")
                if callback is not None:
                    callback(row)
        self.user_variances_ /= self.n_samples
        self.training_log_ = log.table()
        return self

    def _check_parameters(self) -> None:
        for name, least in (("n_factors", 0), ("n_samples", 1), ("n_burn", 0)):
            if not getattr(self, name) >= least:
                raise RecsysError(f"{name} is {getattr(self, name)!r}; it must be {least} or more")

    def _make_room(self, train: Ratings) -> None:
        shape = self.n_samples, self.n_factors + 1
        self.user_draws_ = np.empty((train.n_users, *shape), np.float32)
        self.item_draws_ = np.empty((train.n_items, *shape), np.float32)
        self.item_means_ = np.empty((train.n_items, *shape), np.float32)
        self.user_variances_ = np.zeros(train.n_users, np.float32)
        self._prior_means = np.empty(shape, np.float32)
        self._prior_precisions = np.empty((*shape, shape[1]), np.float32)
        self._noise_variances = np.empty(self.n_samples, np.float32)

    def _keep(self, s: int, users: Side, items: Side, noise: Noise) -> None:
        self.user_draws_[:, s], self.item_draws_[:, s] = users.rows, items.rows
        self.item_means_[:, s] = items.centres
        self.user_variances_ += 1 / noise.precisions
        self._prior_means[s], self._prior_precisions[s] = users.means[0], users.Lambda
        self._noise_variances[s] = noise.variance

    # ---- predicting

    def _predict_index(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._mean(self.user_draws_, users, items).clip(*self.scale_)

    def _predict_history(self, history: CSR, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._mean(self._fold_in(history), rows, items).clip(*self.scale_)

    def _mean(self, user_draws: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return _moments(user_draws, self.item_means_, self.mu_, users, items)[0]

    def _variance(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return _moments(self.user_draws_, self.item_draws_, self.mu_, users, items)[1]

    def predict_std(self, user_ids: Any, item_ids: Any, *, noise: bool = True) -> np.ndarray:
        """Return the standard deviation of the predicted ratings, (n,) float32, in stars.

        Parameters
        ----------
        user_ids, item_ids : id or array-like (n,)
            As for `predict`.
        noise : bool
            Whether to count the noise in the user's ratings, and so to say how far the rating may
            be off; without it, how far the prediction may be off from the user's mean rating.

        Raises
        ------
        UnknownIdError
            An id is not in the training data.
        """
        users, items = self._pairs(user_ids, item_ids)
        variance = self._variance(users, items)
        if noise:
            variance += self.user_variances_[users]
        return np.sqrt(variance)

    def interval(
        self, user_ids: Any, item_ids: Any, level: float = 0.8
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval that holds a rating with probability `level`.

        The distribution is taken to be normal, with the draws' mean and `predict_std`.

        Returns
        -------
        low, high : (n,) float32
            Clipped to the scale.

        Raises
        ------
        UnknownIdError
            An id is not in the training data.
        RecsysError
            `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise RecsysError(f"level is {level!r}; it must lie between 0 and 1")
        users, items = self._pairs(user_ids, item_ids)
        mean = self._mean(self.user_draws_, users, items)
        variance = self._variance(users, items) + self.user_variances_[users]
        reach = np.float32(ndtri((1 + level) / 2)) * np.sqrt(variance)
        return (mean - reach).clip(*self.scale_), (mean + reach).clip(*self.scale_)

    # ---- what the base class asks for

    def _set_user_row(self, user: int, row: np.ndarray) -> None:
        if user == len(self.user_variances_):
            self._append("user_variances_", self._noise_variances.mean())
        super()._set_user_row(user, row)

    def _fold_in(self, history: CSR) -> np.ndarray:
        """Draw strangers' rows, one for each draw of the items: (m, S, K + 1).

        A stranger's noise is not drawn but set to its expectation, given the row that follows from
        the typical user's. Draw s has the same ε for every stranger, so that a stranger's rows do
        not depend on who else is asked for.
        """
        n, size = len(history.indptr) - 1, self.n_factors + 1
        draws = np.empty((n, self.n_samples, size), np.float32)
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal((self.n_samples, 1, size), np.float32)
        rated, indices = np.unique(history.indices, return_inverse=True)
        csr = history.indptr, indices.astype(np.int32), history.values
        known = np.ascontiguousarray(self.item_draws_[rated].swapaxes(0, 1))
        order, mu, same = np.arange(n), np.float32(self.mu_), np.ones(1, np.float32)
        (rows, means), sse = np.empty((2, n, size), np.float32), np.empty(n)
        with threads_for(n):
            for s, (items, mean) in enumerate(zip(known, self._prior_means, strict=True)):
                others = same, self._prior_precisions[s], mean[None]
                typical = 1 / self._noise_variances[s : s + 1]
                kernels.draw_rows(*csr, order, items, mu, typical, *others, noise[s], rows, means)
                kernels.squared_residuals(*csr, means, items, mu, sse)
                own = NOISE_RATINGS + np.diff(history.indptr)
                own = (own / (NOISE_RATINGS / typical + sse)).astype(np.float32)
                kernels.draw_rows(*csr, order, items, mu, own, *others, noise[s], rows, means)
                draws[:, s] = rows
        return draws

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        vectors = rows / np.float32(self.n_samples)  # so that the scores are means over the draws
        vectors[..., -1] = 1 / self.n_samples  # meets b_i; see ALS
        return vectors.reshape(len(rows), -1)

    def _item_vectors(self) -> np.ndarray:
        return self.item_means_.reshape(len(self.item_means_), -1)

    def _offsets(self, rows: np.ndarray) -> np.ndarray:
        return np.float32(self.mu_) + rows[..., -1].mean(axis=1)

    def _similarity_vectors(self) -> np.ndarray:
        if self.n_factors == 0:
            return super()._similarity_vectors()
        return self.item_means_[..., :-1].reshape(len(self.item_means_), -1)

    def _extra(self) -> dict[str, Any]:
        return {"feature_names": self.feature_names_}

    @classmethod
    def _from_saved(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Self:
        model = super()._from_saved(arrays, meta)
        model.feature_names_ = meta["feature_names"]
        return model


class _Watched:
    """The validation part, and what the kept draws predict for it on average."""

    def __init__(self, valid: Ratings | None, mu: float) -> None:
        self.valid, self.mu = valid, mu
        if valid is not None:
            self.total = np.zeros(len(valid))
            self.users = valid.user_of_rating()

    def rmse(
        self, users: np.ndarray, items: np.ndarray, kept: int, scale: tuple[float, float]
    ) -> float:
        """Return the RMSE of the mean of draws 0 to `kept`; before them, of this draw alone."""
        if self.valid is None:
            return float("nan")
        pairs = self.users, self.valid.by_user.indices
        mean = _moments(users[:, None], items[:, None], self.mu, *pairs)[0]
        if kept >= 0:
            self.total += mean
            mean = (self.total / (kept + 1)).astype(np.float32)
        error = mean.clip(*scale) - self.valid.by_user.values
        return float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))


def _moments(
    user_draws: np.ndarray, item_draws: np.ndarray, mu: float, users: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance (n,) float32 of what the draws predict, without the noise."""
    mean, variance = np.empty((2, len(users)), np.float32)
    kernels.predict_draws(user_draws, item_draws, np.float32(mu), users, items, mean, variance)
    return mean, variance
