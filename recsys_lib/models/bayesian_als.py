"""Bayesian matrix factorisation by Gibbs sampling, with intervals for its predictions.

`ALS` returns the rows that minimise its objective. Here rows are drawn repeatedly from their
distribution given the ratings, by the same row solve plus noise (Gibbs sampling), and predictions
are averaged over the draws. The weights that are parameters of `ALS` (τ, γ, λ) are drawn as well:

* a row [p_u; b_u] ~ N(m_u, Λ⁻¹), a Wishart prior on Λ; the same for items;
* m_u = Σ_j F_uj g_j, g_j ~ N(0, I): the set of items that a user has rated (1/√n for each of n
  items) says something about the user whatever the ratings are (Koren's SVD++), and so do an
  item's raters, and what a table says of an item, its genres and year;
* each user has a noise precision α_u ~ Gamma: ratings of erratic users weigh less.

References
----------
Salakhutdinov & Mnih 2008, Bayesian probabilistic matrix factorization using MCMC; Simm et al.
2015, Macau (features); Koren 2008, Factorization meets the neighborhood (who rated what);
Lakshminarayanan et al. 2011, Robust Bayesian matrix factorisation (noise by user).
"""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from recsys_lib.errors import check_value
from recsys_lib.features import item_features
from recsys_lib.kernels import gibbs as kernels
from recsys_lib.models import sampler
from recsys_lib.models.base import RatingModel
from recsys_lib.models.parameters import Arrays, above, at_least, learnt, within
from recsys_lib.ratings import CSR, Ratings, check_csr, check_index

TOLD = {"genres": "genres", "years": "year"}  # features, and the column they are read from
MOST_BURN = 200  # draws of a warm-up that ends by the rule
ROUNDS = 3  # turns of drawing a stranger's row and noise: from the typical noise, a few are enough
WATCHED = 200  # pairs whose predictions say whether the chains agree


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
    n_burn : int, optional
        Number of first draws of each chain that are discarded; `training_log_` tells if it is
        enough. None: until the chains agree on the noise and the training error has no trend
        (`sampler.settled`), at most `MOST_BURN`.
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
        A row for each draw of all chains, the discarded ones included: rmse_train is of this draw,
        rmse_valid of the mean of the draws kept so far (kept, of each chain), noise the typical
        user's standard deviation (in chain c noise_c). The last row alone says whether the chains
        agree, on predictions (of the validation part if there is one) and on the noise: rhat is the
        90 % quantile of the predictions' R-hats, since some of many are large by chance, and ess
        the median of their effective sizes; rhat_noise and ess_noise are those of the noise. With
        fewer than four draws of a chain they are NaN. If chains disagree, a warning is logged.
    """

    ends_in_bias: ClassVar[bool] = True

    n_factors: int = at_least(0, 16)
    n_samples: int = above(0, 120)
    n_burn: int | None = at_least(0, 40)
    n_chains: int = within(1, 1000, 2)
    rated_spread: float = at_least(0, 0.07)
    noise_worth: float | None = above(0, 4.0)
    seed: int = at_least(0, 0)

    user_draws_: np.ndarray = learnt("n_users", "S", "K + 1")
    item_draws_: np.ndarray = learnt("n_items", "S", "K + 1")
    item_means_: np.ndarray = learnt("n_items", "S", "K + 1")
    user_variances_: np.ndarray = learnt("n_users", "S")
    feature_draws_: np.ndarray = learnt("n_items + 1", "S", "K + 1")
    prior_precisions_: np.ndarray = learnt("S", "K + 1", "K + 1", derived=True)
    noise_variances_: np.ndarray = learnt("S", derived=True)

    @property
    def n_epochs(self) -> int:  # type: ignore[override]
        """Largest number of draws of each chain, including the discarded ones."""
        kept, burnt = getattr(self, "_kept", 0), MOST_BURN if self.n_burn is None else self.n_burn
        burnt = len(self.training_log_) - kept if kept else burnt
        return burnt - (-self.n_samples // self.n_chains)

    def sizes(self) -> dict[str, int]:
        """See `Fitted.sizes`."""
        return {**super().sizes(), "S": self.n_chains * -(-self.n_samples // self.n_chains)}

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        kinds = [k for k, column in TOLD.items() if items is not None and column in items]
        told, names = item_features(kinds, train.item_ids, train.by_item.counts, items)
        rated, spread = sampler.rated_or_not, self.rated_spread
        of_items = rated(train.by_item, train.n_users, spread, told.to_scipy(len(names)))
        sides = rated(train.by_user, train.n_items, spread), of_items
        how = self.n_factors, self.noise_worth
        self._rngs += (rngs := self._rng.spawn(self.n_chains))
        self._chains = [sampler.Chain(train, sides, *how, rng) for rng in rngs]
        part = self._valid or train
        watched = np.linspace(0, len(part) - 1, min(len(part), WATCHED)).astype(int)
        self._watched = part.user_of_rating()[watched], part.by_user.indices[watched]
        self._kept, self._valid_sum = 0, np.zeros(len(self._valid or ()))
        sizes = self.sizes()
        for name, symbols in self.shapes.items():
            setattr(self, name, np.zeros([sizes[one] for one in symbols], np.float32))

    def _epoch(self, train: Ratings) -> dict[str, float]:
        sse = sum(chain.draw() for chain in self._chains) / self.n_chains
        if self._kept or self._warm():
            for s, chain in enumerate(self._chains, self._kept * self.n_chains):
                users, items = chain.users, chain.items
                self.user_draws_[:, s], self.item_draws_[:, s] = users.rows, items.rows
                self.item_means_[:, s] = items.centres
                self.user_variances_[:, s] = 1 / chain.precisions
                self.feature_draws_[:, s], self.prior_precisions_[s] = users.weights, users.Lambda
                self.noise_variances_[s] = chain.variance.item()
            self._kept += 1
        noise = [float(np.sqrt(chain.variance.item())) for chain in self._chains]
        row = {"rmse_train": float(np.sqrt(sse / len(train))), "noise": float(np.mean(noise))}
        row |= {f"noise_{c}": own for c, own in enumerate(noise, 1)} | {"kept": self._kept}
        if self._kept * self.n_chains == len(self.noise_variances_):
            pairs = self.user_draws_[self._watched[0]], self.item_draws_[self._watched[1]]
            spreads = self.noise_variances_.reshape(-1, self.n_chains).T
            drawn = sampler.by_chain(*pairs, self.n_chains)
            row |= sampler.agreement(drawn, spreads, type(self).__name__)
        return row

    def _warm(self) -> bool:
        log = self.training_log_
        if self.n_burn is not None:
            return len(log) >= self.n_burn
        traces = log.filter(regex=r"^noise_\d+$"), log.filter(["rmse_train"])
        return len(log) >= MOST_BURN or sampler.settled(*(one.to_numpy().T for one in traces))

    def _validate(self) -> dict[str, float]:
        """Return the RMSE of the mean of the kept draws; before them, of these draws alone."""
        valid, mean = self._valid, np.zeros(len(self._valid))
        for chain in self._chains:
            draws = chain.users.rows[:, None], chain.items.centres[:, None]
            mean += moments(*draws, self.mu_, valid.user_of_rating(), valid.by_user.indices)[0]
        mean /= self.n_chains
        if self._kept:
            self._valid_sum += mean
            mean = self._valid_sum / self._kept
        error = mean.astype(np.float32).clip(*self.scale_) - valid.by_user.values
        return {"rmse_valid": float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))}

    def _checkpoint(self) -> Arrays:
        chains = (
            (c, *one) for c, chain in enumerate(self._chains) for one in chain.state().items()
        )
        return {"valid_sum": self._valid_sum, **{f"{c}.{name}": a for c, name, a in chains}}

    def _resume(self, arrays: Arrays) -> None:
        super()._resume(arrays)
        self._kept = int(self.training_log_["kept"].iloc[-1])

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
        return moments(draws, self.item_means_, self.mu_, known[rows], items)[0].clip(*self.scale_)

    def draws(self, user_ids: Any, item_ids: Any) -> np.ndarray:
        """Return the predictions of each draw, not clipped: (n_chains, S / n_chains, n) float32.

        ArviZ takes such arrays (chain_axis=0, draw_axis=1); `predict_std` without noise is their
        spread.
        """
        users, items = self.pairs(user_ids, item_ids)
        sides = self.user_draws_[users], self.item_draws_[items]
        return np.float32(self.mu_) + sampler.by_chain(*sides, self.n_chains)

    def predict_std(self, user_ids: Any, item_ids: Any, *, noise: bool = True) -> np.ndarray:
        """Return the standard deviation of the predicted ratings, (n,) float32, in stars.

        With `noise` it is of a new rating, and includes the noise of the user's ratings. Without,
        it is of the expected rating.
        """
        users, items = self.pairs(user_ids, item_ids)
        variance = moments(self.user_draws_, self.item_draws_, self.mu_, users, items)[1]
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
        draws = self.user_draws_, self.item_draws_, np.float32(self.mu_), self.user_variances_
        kernels.intervals(*draws, users, items, level, *self.scale_, low, high)
        return low, high

    def _vectors_of(self, users: np.ndarray) -> np.ndarray:
        return _flat(self.user_draws_[users], 1 / self.user_draws_.shape[1])

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return vectors (m, S K + 1) float32, whose scores are means over the draws."""
        return _flat(self.draw_users(ratings)[0], 1 / self.user_draws_.shape[1])

    def item_vectors(self) -> np.ndarray:
        """Return the items' means of all draws side by side, (n_items, S K + 1) float32."""
        return _flat(self.item_means_, 1.0)

    def draw_users(self, ratings: CSR) -> tuple[np.ndarray, np.ndarray]:
        """Draw new users' rows, one for each draw of the items: (m, S, K + 1) float32.

        Also return the variances of their noise, (m, S) float32. Row and noise are drawn in turns,
        from the typical user's noise on. Draw s has the same random numbers for every user, so that
        no user's rows depend on the others.
        """
        check_csr("the ratings", ratings, "n_rows + 1", len(self.item_ids_))
        rated, indices = np.unique(ratings.indices, return_inverse=True)
        ratings = ratings._replace(indices=indices.astype(np.int32))
        features = sampler.rated_or_not(ratings, len(rated), self.rated_spread)
        weights = self.feature_draws_[np.append(rated, -1)].swapaxes(0, 1)
        items = np.ascontiguousarray(self.item_draws_[rated].swapaxes(0, 1))
        (n_draws, _, size), m = items.shape, ratings.n_rows
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal((n_draws, ROUNDS, 1, size), np.float32)
        chance = rng.random((n_draws, ROUNDS))
        found = np.empty((m, n_draws, size), np.float32)
        variances = np.empty((m, n_draws), np.float32)
        (rows, centres), sse = np.empty((2, m, size), np.float32), np.empty(m)
        order, same = np.arange(m), np.ones(1, np.float32)
        mu, worth = np.float32(self.mu_), self.noise_worth
        for s, typical in enumerate(self.noise_variances_):
            prior = self.prior_precisions_[s], features @ weights[s]
            own = np.ones(m, np.float32) / typical
            for t in range(ROUNDS):
                if t > 0 and worth is not None:
                    kernels.squared_residuals(*ratings, rows, items[s], mu, sse)
                    rates, shapes = (worth * typical + sse) / 2, (worth + ratings.counts) / 2
                    own = (gammaincinv(shapes, chance[s, t]) / rates).astype(np.float32)
                given = *ratings, order, items[s], mu, own, same
                kernels.draw_rows(*given, *prior, noise[s, t], rows, centres)
            found[:, s], variances[:, s] = rows, 1 / own
        return found, variances

    def _learn_user(self, ratings: CSR) -> dict[str, np.ndarray]:
        rows, variances = self.draw_users(ratings)
        return {"user_draws_": rows[0], "user_variances_": variances[0]}


def moments(
    user_draws: np.ndarray, item_draws: np.ndarray, mu: float, users: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance (n,) float32 of what draws predict for pairs, without the noise."""
    mean, variance = np.empty((2, len(users)), np.float32)
    kernels.predict_draws(user_draws, item_draws, np.float32(mu), users, items, mean, variance)
    return mean, variance


def _flat(draws: np.ndarray, scale: float) -> np.ndarray:
    """Return draws (n, S, K + 1) side by side: all factors times `scale`, then the biases' mean."""
    factors = draws[..., :-1].reshape(len(draws), -1)
    flat = np.hstack([factors, draws[..., -1].mean(axis=1, keepdims=True)])
    flat[:, :-1] *= np.float32(scale)
    return flat
