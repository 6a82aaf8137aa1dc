"""Bayesian matrix factorisation by Gibbs sampling, with intervals for its predictions.

`ALS` returns the rows that minimise its objective. Here rows are drawn repeatedly from their
distribution given the ratings, by the same row solve plus noise (Gibbs sampling), and predictions
are averaged over the draws. The weights that are parameters of `ALS` (τ, γ, λ) are drawn as well:

* a row [p_u; b_u] ~ N(m_u, Λ⁻¹), a Wishart prior on Λ; the same for items;
* m_u = Σ_j F_uj g_j, g_j ~ N(0, I): the set of items that a user has rated (1/√n for each of n
  items) says something about the user whatever the ratings are (Koren's SVD++), and so do an
  item's raters, its genres and its year (if `fit` gets a table of items);
* each user has a noise precision α_u ~ Gamma: ratings of erratic users weigh less.

References
----------
Salakhutdinov & Mnih 2008, Bayesian probabilistic matrix factorization using MCMC; Simm et al.
2015, Macau (features); Koren 2008, Factorization meets the neighborhood (who rated what);
Lakshminarayanan et al. 2011, Robust Bayesian matrix factorisation (noise by user).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from recsys_lib import convergence
from recsys_lib.errors import check_value
from recsys_lib.features import item_features
from recsys_lib.kernels import gibbs as kernels
from recsys_lib.models.base import RatingModel
from recsys_lib.models.parameters import above, at_least, learnt
from recsys_lib.models.sampler import Chain, by_chain, draw_strangers, rated_or_not, resume, states
from recsys_lib.ratings import CSR, Ratings, check_index

TOLD = {"genres": "genres", "years": "year"}  # features, and the column they are read from
WATCHED = 200  # pairs whose predictions say whether the chains agree


@dataclass(eq=False, repr=False)
class BayesianALS(RatingModel):
    """r_ui ~ N(μ + b_u + b_i + p_u·q_i, 1/α_u), with draws from the posterior of all unknowns.

    The text of the module has the model and its sources.

    Parameters
    ----------
    n_factors : int
        K, the length of the vectors p_u and q_i. A large K does no harm in the end, but chains take
        longer to settle.
    n_samples : int
        Number of draws S that are kept, over all chains, rounded up to a multiple of `n_chains`.
        Memory is 4 S (K + 1) bytes per user and three times that per item.
    n_burn : int
        Number of first draws of each chain that are discarded; `training_log_` tells if it is
        enough.
    n_chains : int
        Number of independent chains, which start from different points.
    rated_spread : float
        Prior standard deviation of the effect of the rated items on a user, and of raters on an
        item. It is fixed: a drawn value would grow, since each rating is in the set that explains
        it.
    noise_worth : float, optional
        ν, the prior of a user's noise in numbers of ratings. None: all have the same noise.

    Attributes
    ----------
    user_draws_, item_draws_ : (n_users, S, K + 1) and (n_items, S, K + 1) float32
        Factors, then the bias. Draw s of users and of items is of chain s mod `n_chains`.
    item_means_ : (n_items, S, K + 1) float32
        The means of the items' draws given the users' of the same draw. Predictions are averages
        over these (Rao-Blackwellised), with less Monte Carlo noise. Intervals are of the draws.
    user_variances_ : (n_users, S) float32
        Variance 1/α_u of the noise in a user's ratings.
    feature_draws_ : (n_items + 1, S, K + 1) float32
        g of the users: one row per item, and the mean of all users.
    prior_precisions_, noise_variances_ : (S, K + 1, K + 1) and (S,) float32
        Λ of the users' rows and the typical user's noise.
    training_log_ : DataFrame
        A row for each draw of all chains, the first `n_burn` included: rmse_train is of this draw,
        rmse_valid of the kept draws' mean so far, noise the typical user's standard deviation (in
        chain c noise_c); rhat, ess, rhat_noise, ess_noise say whether the chains agree on the noise
        and on predictions, of the validation part if there is one (`convergence.summary`). If they
        do not at the end, a warning is logged.
    """

    ends_in_bias: ClassVar[bool] = True

    n_factors: int = at_least(0, 16)
    n_samples: int = above(0, 120)
    n_burn: int = at_least(0, 40)
    n_chains: int = above(0, 2)
    rated_spread: float = at_least(0, 0.07)
    noise_worth: float | None = above(0, 4.0)
    seed: int = at_least(0, 0)

    user_draws_: np.ndarray = learnt("n_users", "S", "K + 1")
    item_draws_: np.ndarray = learnt("n_items", "S", "K + 1")
    item_means_: np.ndarray = learnt("n_items", "S", "K + 1")
    user_variances_: np.ndarray = learnt("n_users", "S")
    feature_names_: list[str] = field(init=False)
    feature_draws_: np.ndarray = learnt("n_items + 1", "S", "K + 1")
    prior_precisions_: np.ndarray = learnt("S", "K + 1", "K + 1", derived=True)
    noise_variances_: np.ndarray = learnt("S", derived=True)

    @property
    def n_epochs(self) -> int:  # type: ignore[override]
        """Number of draws of each chain, including the first `n_burn`."""
        return self.n_burn - (-self.n_samples // self.n_chains)

    def sizes(self) -> dict[str, int]:
        """See `Fitted.sizes`."""
        return {**super().sizes(), "S": self.n_chains * (self.n_epochs - self.n_burn)}

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        told = [k for k, column in TOLD.items() if items is not None and column in items]
        kinds, counts = [*told, "constant"], train.by_item.counts
        features, names = item_features(kinds, train.item_ids, counts, items)
        self.feature_names_ = names[:-1]
        raters = rated_or_not(train.by_item, train.n_users, features, len(names), self.rated_spread)
        sides = self._user_features(train.by_user, train.n_items), raters
        rngs = self._rng.spawn(self.n_chains)
        how = self.n_factors, self.noise_worth
        self._chains = [Chain(train, *sides, *how, rng) for rng in rngs]
        part = self._valid or train
        watched = np.linspace(0, len(part) - 1, min(len(part), WATCHED)).astype(int)
        self._watched = part.user_of_rating()[watched], part.by_user.indices[watched]
        self._valid_sum = np.zeros(len(self._valid or ()))
        self._draw = 0
        sizes = self.sizes()
        for name, symbols in self.shapes.items():
            setattr(self, name, np.zeros([sizes[one] for one in symbols], np.float32))

    def _user_features(self, ratings: CSR, n_items: int) -> csr_array:
        alike = item_features(["constant"], ratings.counts, ratings.counts)[0]
        return rated_or_not(ratings, n_items, alike, 1, self.rated_spread)

    def _epoch(self, train: Ratings) -> dict[str, float]:
        sse = sum(chain.draw() for chain in self._chains) / self.n_chains
        kept = max(self._draw - self.n_burn, 0)
        self._draw += 1
        if self._draw > self.n_burn:
            for s, chain in enumerate(self._chains, kept * self.n_chains):
                users, items = chain.users, chain.items
                self.user_draws_[:, s], self.item_draws_[:, s] = users.rows, items.rows
                self.item_means_[:, s] = items.centres
                self.user_variances_[:, s] = 1 / chain.noise.precisions
                self.feature_draws_[:, s], self.prior_precisions_[s] = users.weights, users.Lambda
                self.noise_variances_[s] = chain.noise.variance
            kept += 1
        noise = [float(np.sqrt(chain.noise.variance)) for chain in self._chains]
        row = {"rmse_train": float(np.sqrt(sse / len(train))), "noise": float(np.mean(noise))}
        row |= {f"noise_{c}": own for c, own in enumerate(noise, 1)}
        pairs = self.user_draws_[self._watched[0]], self.item_draws_[self._watched[1]]
        drawn = by_chain(*pairs, self.n_chains)[:, :kept]
        spreads = self.noise_variances_.reshape(-1, self.n_chains).T[:, :kept]
        row |= convergence.summary(drawn, spreads)
        if self._draw == self.n_epochs:
            convergence.warn_of(row, kept, type(self).__name__)
        return row

    def _validate(self) -> dict[str, float]:
        """Return the RMSE of the mean of the kept draws; before them, of these draws alone."""
        valid, kept = self._valid, self._draw - self.n_burn
        mean = np.zeros(len(valid))
        for chain in self._chains:
            draws = chain.users.rows[:, None], chain.items.centres[:, None]
            mean += self._moments(*draws, valid.user_of_rating(), valid.by_user.indices)[0]
        mean /= self.n_chains
        if kept > 0:
            self._valid_sum += mean
            mean = self._valid_sum / kept
        error = mean.astype(np.float32).clip(*self.scale_) - valid.by_user.values
        return {"rmse_valid": float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))}

    def _checkpoint(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, meta = super()._checkpoint()
        own, chains = states(self._chains)
        more = {"draw": self._draw, "chains": chains}
        return {**arrays, **own, "valid_sum": self._valid_sum}, {**meta, **more}

    def _resume(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        super()._resume(arrays, meta)
        self._valid_sum, self._draw = arrays["valid_sum"], meta["draw"]
        resume(self._chains, arrays, meta["chains"])

    # ---- predicting

    def predict_pairs(
        self, who: np.ndarray | CSR, rows: np.ndarray, items: np.ndarray
    ) -> np.ndarray:
        """Return the predicted ratings (n,) float32 of pairs; see `RatingModel.predict_pairs`."""
        if isinstance(who, CSR):
            draws, known = self.draw_users(who)[0], np.arange(who.n_rows, dtype=np.int32)
        else:
            draws, known = self.user_draws_, self.check_users(who)
        check_index("rows", rows, "n", len(known))
        check_index("items", items, len(rows), len(self.item_ids_))
        return self._moments(draws, self.item_means_, known[rows], items)[0].clip(*self.scale_)

    def _moments(
        self, user_draws: np.ndarray, item_draws: np.ndarray, users: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance (n,) float32 of what the draws predict, without the noise."""
        mean, variance = np.empty((2, len(users)), np.float32)
        draws = user_draws, item_draws, np.float32(self.mu_)
        kernels.predict_draws(*draws, users, items, mean, variance)
        return mean, variance

    def draws(self, user_ids: Any, item_ids: Any) -> np.ndarray:
        """Return the predictions of each draw, not clipped: (n_chains, S / n_chains, n) float32.

        `recsys_lib.convergence` takes such arrays; `predict_std` without noise is their spread.
        """
        users, items = self.pairs(user_ids, item_ids)
        sides = self.user_draws_[users], self.item_draws_[items]
        return np.float32(self.mu_) + by_chain(*sides, self.n_chains)

    def predict_std(self, user_ids: Any, item_ids: Any, *, noise: bool = True) -> np.ndarray:
        """Return the standard deviation of the predicted ratings, (n,) float32, in stars.

        With `noise` it is of a new rating, and includes the noise of the user's ratings. Without,
        it is of the expected rating.
        """
        users, items = self.pairs(user_ids, item_ids)
        variance = self._moments(self.user_draws_, self.item_draws_, users, items)[1]
        if noise:
            variance += self.user_variances_.mean(axis=1)[users]
        return np.sqrt(variance)

    def interval(
        self, user_ids: Any, item_ids: Any, level: float = 0.8
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends (n,) float32 of intervals that hold a rating with probability `level`.

        Each draw predicts N(r̂, 1/α_u). The ends are quantiles of the mixture of all draws, with
        equal tails, clipped to the scale.
        """
        check_value("level", level, "between 0 and 1", lambda one: 0 < one < 1)
        users, items = self.pairs(user_ids, item_ids)
        low, high = np.empty((2, len(users)), np.float32)
        kernels.intervals(
            self.user_draws_, self.item_draws_, np.float32(self.mu_), self.user_variances_, users,
            items, level, *self.scale_, low, high,
        )  # fmt: skip
        return low, high

    def vectors(self, who: np.ndarray | CSR) -> np.ndarray:
        """Return vectors (m, S K + 1): their products with the items' are means over the draws."""
        known = not isinstance(who, CSR)
        draws = self.user_draws_[self.check_users(who)] if known else self.draw_users(who)[0]
        vectors = _flat(draws)
        vectors[:, :-1] *= np.float32(1 / len(self.noise_variances_))
        return vectors

    def user_vectors(self, ratings: CSR) -> np.ndarray:
        """Return new users' vectors (m, S K + 1) float32; see `draw_users`."""
        return self.vectors(ratings)

    def item_vectors(self) -> np.ndarray:
        """Return the items' means of all draws side by side, (n_items, S K + 1) float32."""
        return _flat(self.item_means_)

    def draw_users(self, ratings: CSR) -> tuple[np.ndarray, np.ndarray]:
        """Draw new users' rows, one for each draw of the items: (m, S, K + 1) float32.

        Also return the variances of their noise, (m, S) float32. Rows and noise depend on each
        other and are drawn alternately. Draw s has the same random numbers for every user, so that
        a user's rows do not depend on which other users are drawn.
        """
        self.check_ratings(ratings)
        rated, indices = np.unique(ratings.indices, return_inverse=True)
        ratings = ratings._replace(indices=indices.astype(np.int32))
        told = np.append(rated, len(self.item_ids_))  # of the rated items, and of everyone
        features = self._user_features(ratings, len(rated))
        return draw_strangers(
            ratings,
            np.ascontiguousarray(self.item_draws_[rated].swapaxes(0, 1)),
            (features @ f for f in self.feature_draws_[told].swapaxes(0, 1)),
            self.prior_precisions_, self.noise_variances_, self.noise_worth, self.mu_, self.seed,
        )  # fmt: skip

    def _set_user(self, user: int, ratings: CSR) -> None:
        draws, variances = (one[0] for one in self.draw_users(ratings))
        if user == len(self.user_draws_):
            self._append("user_draws_", draws)
            self._append("user_variances_", variances)
        self.user_draws_[user], self.user_variances_[user] = draws, variances


def _flat(draws: np.ndarray) -> np.ndarray:
    """Return draws (n, S, K + 1) side by side: all factors, then the biases' mean."""
    factors = draws[..., :-1].reshape(len(draws), -1)
    return np.hstack([factors, draws[..., -1].mean(axis=1, keepdims=True)])
