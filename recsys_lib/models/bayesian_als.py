"""Matrix factorisation that knows how sure it is: Gibbs sampling instead of least squares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import ndtri

from recsys_lib.errors import RecsysError
from recsys_lib.features import item_features
from recsys_lib.kernels import gibbs as kernels
from recsys_lib.models.als import INITIAL_SCALE
from recsys_lib.models.base import RatingModel
from recsys_lib.models.parameters import above, at_least, learnt
from recsys_lib.models.sampler import NOISE_RATINGS, Noise, Side
from recsys_lib.ratings import CSR, Ratings


@dataclass(eq=False, repr=False)
class BayesianALS(RatingModel):
    """r_ui ~ N(μ + b_u + b_i + p_u·q_i, 1/α_u): not the best factors, but all that may be.

    `ALS` returns the one set of rows that minimises its objective. Here rows are drawn again and
    again from their distribution given the ratings, by the same row solve plus noise (Gibbs
    sampling), and predictions are averaged over the draws. The weights that `ALS` needs to be told
    (τ, γ, λ) are unknowns as well, so that nothing is left to tune:

    * users' rows [p_u; b_u] ~ N(m, Λ⁻¹); items' rows ~ N(Σ_f F_if f, Λ'⁻¹), F the items' features
      (genres and years, where `fit` gets a table of items), a row f of its own for each;
      Normal-Wishart priors on m, f, Λ and Λ';
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

    Attributes
    ----------
    user_draws_, item_draws_ : (n_users, S, K + 1) and (n_items, S, K + 1) float32
        Factors, then the bias; draws of the same number belong together.
    item_means_ : (n_items, S, K + 1) float32
        The means that the items' draws scatter about, given the users' of the same number. Averages
        over these instead of the draws have the same expectation and less noise of their own (Rao
        and Blackwell's theorem), so that fewer draws do; spreads need the draws.
    user_variances_ : (n_users,) float32
        Variance 1/α_u of the noise in a user's ratings, averaged over the draws.
    prior_means_, prior_precisions_, noise_variances_ : (S, K + 1), (S, K + 1, K + 1), (S,) float32
        m and Λ of the users' rows and the typical user's noise, by draw.
    training_log_ : DataFrame
        A row a draw, the first `n_burn` included: rmse_train is of this draw, rmse_valid of the
        kept draws' mean so far, noise the typical user's standard deviation.

    References
    ----------
    Salakhutdinov & Mnih 2008, Bayesian probabilistic matrix factorization using MCMC; Simm et al.
    2015, Macau (features); Lakshminarayanan et al. 2011, Robust Bayesian matrix factorisation
    (noise by user).
    """

    ends_in_bias: ClassVar[bool] = True

    n_factors: int = at_least(0, 32)
    n_samples: int = above(0, 60)
    n_burn: int = at_least(0, 20)
    seed: int = at_least(0, 0)

    user_draws_: np.ndarray = learnt("n_users", "S", "K + 1")
    item_draws_: np.ndarray = learnt("n_items", "S", "K + 1")
    item_means_: np.ndarray = learnt("n_items", "S", "K + 1")
    user_variances_: np.ndarray = learnt("n_users")
    feature_names_: list[str] = field(init=False)
    prior_means_: np.ndarray = learnt("S", "K + 1", derived=True)
    prior_precisions_: np.ndarray = learnt("S", "K + 1", "K + 1", derived=True)
    noise_variances_: np.ndarray = learnt("S", derived=True)

    @property
    def n_epochs(self) -> int:  # type: ignore[override]
        """Number of draws, the first `n_burn` included."""
        return self.n_burn + self.n_samples

    def sizes(self) -> dict[str, int]:
        """See `Fitted.sizes`."""
        return {**super().sizes(), "S": self.n_samples}

    # ---- fitting

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        kinds = ["constant"] if items is None else ["genres", "years", "constant"]
        features, names = item_features(kinds, train.item_ids, train.by_item.counts, items)
        alike, _ = item_features(["constant"], train.user_ids, train.by_user.counts)
        self.feature_names_, size = names[:-1], self.n_factors + 1
        self._users = Side(train.by_user, alike, 1, size)
        self._items = Side(train.by_item, features, len(names), size)
        start = self._rng.standard_normal((train.n_items, self.n_factors), np.float32)
        self._items.rows[:, :-1] = INITIAL_SCALE * start
        self._noise, self._draw = Noise(train), 0
        self._valid_sum = np.zeros(0 if self._valid is None else len(self._valid))
        self._start_from_zeros()

    def _epoch(self, train: Ratings) -> dict[str, float]:
        users, items, noise = self._users, self._items, self._noise
        users.draw(items.rows, self.mu_, noise.precisions, noise.same, self._rng)
        items.draw(users.rows, self.mu_, noise.same, noise.precisions, self._rng)
        sse = noise.draw(users.rows, items.rows, self.mu_, self._rng)
        s = self._draw - self.n_burn
        self._draw += 1
        if s >= 0:
            self.user_draws_[:, s], self.item_draws_[:, s] = users.rows, items.rows
            self.item_means_[:, s] = items.centres
            self.user_variances_ += (1 / noise.precisions - self.user_variances_) / (s + 1)
            self.prior_means_[s], self.prior_precisions_[s] = users.means[0], users.Lambda
            self.noise_variances_[s] = noise.variance
        return {
            "rmse_train": float(np.sqrt(sse / len(train))),
            "noise": float(np.sqrt(noise.variance)),
        }

    def _validate(self) -> dict[str, float]:
        """Return the RMSE of the mean of the kept draws; before them, of this draw alone."""
        valid, kept = self._valid, self._draw - self.n_burn
        if valid is None or len(valid) == 0:
            return {"rmse_valid": float("nan")}
        draws = self._users.rows[:, None], self._items.centres[:, None]
        mean = self._moments(*draws, valid.user_of_rating(), valid.by_user.indices)[0]
        if kept > 0:
            self._valid_sum += mean
            mean = (self._valid_sum / kept).astype(np.float32)
        error = mean.clip(*self.scale_) - valid.by_user.values
        return {"rmse_valid": float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))}

    def _checkpoint(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, meta = super()._checkpoint()
        arrays |= {"valid_sum": self._valid_sum, "precisions": self._noise.precisions}
        for name, side in (("users", self._users), ("items", self._items)):
            arrays |= {f"{name}.{key}": getattr(side, key) for key in Side.DRAWN}
        return arrays, {**meta, "draw": self._draw, "variance": self._noise.variance}

    def _resume(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        super()._resume(arrays, meta)
        self._valid_sum, self._noise.precisions = arrays["valid_sum"], arrays["precisions"]
        for name, side in (("users", self._users), ("items", self._items)):
            for key in Side.DRAWN:
                setattr(side, key, arrays[f"{name}.{key}"])
        self._draw, self._noise.variance = meta["draw"], meta["variance"]

    # ---- predicting

    def predict_pairs(
        self, who: np.ndarray | CSR, rows: np.ndarray, items: np.ndarray
    ) -> np.ndarray:
        """Return the predicted ratings (n,) float32 of pairs; see `RatingModel.predict_pairs`."""
        self.check_pairs(who, rows, items)
        if isinstance(who, CSR):
            draws, users = self.draw_users(who), rows
        else:
            draws, users = self.user_draws_, np.asarray(who)[rows]
        return self._moments(draws, self.item_means_, users, items)[0].clip(*self.scale_)

    def _moments(
        self, user_draws: np.ndarray, item_draws: np.ndarray, users: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance (n,) float32 of what the draws predict, without the noise."""
        mean, variance = np.empty((2, len(users)), np.float32)
        draws = user_draws, item_draws, np.float32(self.mu_)
        kernels.predict_draws(*draws, users, items, mean, variance)
        return mean, variance

    def predict_std(self, user_ids: Any, item_ids: Any, *, noise: bool = True) -> np.ndarray:
        """Return the standard deviation of the predicted ratings, (n,) float32, in stars.

        With `noise`, the noise in the user's ratings counts too: how far the rating may be off.
        Without it: how far the prediction may be off from the mean of the user's ratings of it.
        """
        users, items = self.pairs(user_ids, item_ids)
        variance = self._moments(self.user_draws_, self.item_draws_, users, items)[1]
        if noise:
            variance += self.user_variances_[users]
        return np.sqrt(variance)

    def interval(
        self, user_ids: Any, item_ids: Any, level: float = 0.8
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval's ends, (n,) float32: it holds a rating with probability `level`.

        The distribution is taken to be normal, with the draws' mean and `predict_std`; the ends are
        clipped to the scale.
        """
        if not 0 < level < 1:
            raise RecsysError(f"level is {level!r}; it must lie between 0 and 1")
        users, items = self.pairs(user_ids, item_ids)
        mean = self._moments(self.user_draws_, self.item_means_, users, items)[0]
        variance = np.square(self.predict_std(user_ids, item_ids))
        reach = np.float32(ndtri((1 + level) / 2)) * np.sqrt(variance)
        return (mean - reach).clip(*self.scale_), (mean + reach).clip(*self.scale_)

    # ---- vectors

    def vectors(self, who: np.ndarray | CSR) -> np.ndarray:
        """Return vectors (m, S K + 1): their products with the items' are means over the draws."""
        draws = self.draw_users(who) if isinstance(who, CSR) else self.user_draws_[who]
        vectors = _flat(draws)
        vectors[:, :-1] *= np.float32(1 / self.n_samples)
        return vectors

    def user_vectors(self, ratings: CSR) -> np.ndarray:
        """Return strangers' vectors (m, S K + 1) float32; see `draw_users`."""
        return self.vectors(ratings)

    def item_vectors(self) -> np.ndarray:
        """Return the items' means of all draws side by side, (n_items, S K + 1) float32."""
        return _flat(self.item_means_)

    def draw_users(self, ratings: CSR) -> np.ndarray:
        """Draw strangers' rows, one for each draw of the items: (m, S, K + 1) float32.

        A stranger's noise is not drawn but set to its expectation, given the row that follows from
        the typical user's. Draw s has the same ε for every stranger, so that a stranger's rows do
        not depend on who else is asked for.
        """
        self.check_who(ratings)
        n, size = len(ratings.indptr) - 1, self.n_factors + 1
        draws = np.empty((n, self.n_samples, size), np.float32)
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal((self.n_samples, 1, size), np.float32)
        rated, indices = np.unique(ratings.indices, return_inverse=True)
        csr = ratings.indptr, indices.astype(np.int32), ratings.values
        known = np.ascontiguousarray(self.item_draws_[rated].swapaxes(0, 1))
        order, mu, same = np.arange(n), np.float32(self.mu_), np.ones(1, np.float32)
        (rows, means), sse = np.empty((2, n, size), np.float32), np.empty(n)
        for s, (items, mean) in enumerate(zip(known, self.prior_means_, strict=True)):
            others = same, self.prior_precisions_[s], mean[None]
            typical = 1 / self.noise_variances_[s : s + 1]
            kernels.draw_rows(*csr, order, items, mu, typical, *others, noise[s], rows, means)
            kernels.squared_residuals(*csr, means, items, mu, sse)
            own = NOISE_RATINGS + np.diff(ratings.indptr)
            own = (own / (NOISE_RATINGS / typical + sse)).astype(np.float32)
            kernels.draw_rows(*csr, order, items, mu, own, *others, noise[s], rows, means)
            draws[:, s] = rows
        return draws

    def _set_user(self, user: int, ratings: CSR) -> None:
        draws = self.draw_users(ratings)[0]
        if user == len(self.user_draws_):
            self._append("user_draws_", draws)
            self._append("user_variances_", self.noise_variances_.mean())
        self.user_draws_[user] = draws


def _flat(draws: np.ndarray) -> np.ndarray:
    """Return draws (n, S, K + 1) side by side: all factors, then the biases' mean."""
    factors = draws[..., :-1].reshape(len(draws), -1)
    return np.hstack([factors, draws[..., -1].mean(axis=1, keepdims=True)])
