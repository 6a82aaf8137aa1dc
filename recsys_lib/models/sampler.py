"""The Gibbs sampler of `BayesianALS`: rows, their prior and the users' noise, drawn in turn.

Whether its chains agree, ArviZ says: see Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021,
Rank-normalization, folding, and localization: an improved R-hat for assessing convergence of MCMC.
"""

import logging
from typing import Any

import numpy as np
from arviz_stats.base import array_stats
from numpy.random import Generator
from scipy.sparse import csc_array, csr_array, hstack
from scipy.stats import wishart

from recsys_lib.kernels import gibbs as kernels
from recsys_lib.kernels.threads import blas
from recsys_lib.models.known import by_length
from recsys_lib.ratings import CSR, Ratings

INITIAL_SCALE = 0.1  # standard deviation of the first factors: small, but not all alike
ROW_SPREAD = 0.03  # prior guess at the rows' variance, worth as much as K + 1 rows
FIRST_SPREAD = 0.1  # the rows' variance before the first draw: far from it, chains take long
TOLD_SPREAD = 0.3  # prior spread of the effects of what tables say, and of the constant
LARGEST = 1.1  # R-hat that still is agreement ...
CHANCE = 4.0  # ... and what independent draws have on top by chance, times their number a chain
EVERY = 20  # draws after which a warm-up is looked at
logger = logging.getLogger("recsys_lib")


class Side:
    """The rows of the users, or of the items, in the present draw, and the prior they have.

    A row is N((F g)_r, Λ⁻¹), where each feature has a row of weights g_j ~ N(0, I): the
    effect of a feature is limited by the scale of its column of F.

    `ratings` are those of each row; `features` (n_rows, n_features) float32 are F, as of
    `rated_or_not`: the first `n_columns` say which columns a row has rated. `size` is K + 1.
    """

    DRAWN = ("rows", "centres", "means", "Lambda", "weights")  # what a draw changes

    def __init__(self, ratings: CSR, features: csr_array, n_columns: int, size: int) -> None:
        n, n_features = features.shape
        self.ratings, self.features = ratings, features
        self.order = by_length(ratings)
        self.rows = np.zeros((n, size), np.float32)
        self.centres = np.zeros((n, size), np.float32)  # the means of the rows' draws
        self.means = np.zeros((n, size), np.float32)
        self.Lambda = np.eye(size, dtype=np.float32) / np.float32(FIRST_SPREAD)
        self.weights = np.zeros((n_features, size), np.float32)
        # Rows without a rating carry no information on the prior: it is drawn given the others.
        self.rated = np.flatnonzero(ratings.counts)
        self.columns = features[self.rated].tocsc()
        # That a row has no rating yet does not say that it will get none. If it gets some, they
        # will be like others: so its features are the mean over the rated rows. Each counts alike:
        # weighed by their ratings, a rare item dealt to the test part would pass for a popular one.
        self.unrated = np.flatnonzero(ratings.counts == 0)
        share = np.full(len(self.rated), 1 / max(len(self.rated), 1))
        self.usual = (share @ self.columns[:, :n_columns]).astype(np.float32)

    def draw(self, given: tuple[Any, ...], rng: Generator) -> None:
        """Draw the rows, and then their prior; `given` is as for the kernel, from `other` on."""
        noise = rng.standard_normal(self.rows.shape, np.float32)
        drawn = self.rows, self.centres
        kernels.draw_rows(*self.ratings, self.order, *given, self.Lambda, self.means, noise, *drawn)
        apart = self.rows[self.rated] - self.means[self.rated]
        self.weights = draw_weights(apart, self.columns, self.weights, self.Lambda, rng)
        self.means = self.features @ self.weights
        self.means[self.unrated] += self.usual @ self.weights[: len(self.usual)]
        apart = self.rows[self.rated] - self.means[self.rated]
        self.Lambda = draw_precision(apart, rng)


def draw_weights(
    apart: np.ndarray, features: csc_array, weights: np.ndarray, Lambda: np.ndarray, rng: Generator
) -> np.ndarray:
    """Draw the features' weights g (n_features, K + 1) in turn, given the rows and all others.

    `apart` (n_rows, K + 1) is what the `weights` so far leave of the rows, X - F g, and `features`
    is F (n_rows, n_features), by columns; all float32. With Λ = V diag(w) Vᵀ, the columns of g V
    are independent of each other.
    """
    w, V = np.linalg.eigh(np.asarray(Lambda, np.float64))
    turned, left = ((one @ V).astype(np.float32) for one in (weights, apart))
    noise = rng.standard_normal(turned.shape, np.float32)
    columns = features.indptr, features.indices, features.data
    kernels.draw_weights(*columns, w.astype(np.float32), noise, turned, left)
    return (turned @ V.T).astype(np.float32)


def draw_precision(apart: np.ndarray, rng: Generator) -> np.ndarray:
    """Draw Λ (K + 1, K + 1) float32 given the rows less their means, (n_rows, K + 1).

    Its prior is Wishart(K + 1, (`ROW_SPREAD` (K + 1) I)⁻¹), which is conjugate.
    """
    n, size = apart.shape
    apart = apart.astype(np.float64)
    scatter = ROW_SPREAD * size * np.eye(size) + apart.T @ apart
    drawn = wishart.rvs(size + n, np.linalg.inv(scatter), random_state=rng)
    return np.reshape(drawn, (size, size)).astype(np.float32)


def rated_or_not(ratings: CSR, n_columns: int, spread: float, *told: Any) -> csr_array:
    """Return the features of a side: which columns a row has rated, what is told of it, and a 1.

    Each of n rated columns is `spread`/√n, so that the prior variance does not depend on n. `told`
    (n_rows, n_told) is what a table says, if any; it and the constant are scaled by `TOLD_SPREAD`.
    """
    n_rows, counts = len(ratings.counts), ratings.counts
    values = np.repeat(spread / np.sqrt(np.maximum(counts, 1)), counts)
    rated = csr_array((values, ratings.indices, ratings.indptr), (n_rows, n_columns))
    said = hstack([*told, csr_array(np.ones((n_rows, 1), np.float32))])
    return hstack([rated, TOLD_SPREAD * said], format="csr", dtype=np.float32)


class Chain:
    """Draws of all unknowns, one after another, from a random start of its own.

    `features` are those of the users and of the items, as `Side` takes them. The users' noise is
    α_u ~ Gamma(ν/2, rate ν s²/2), s² unknown; without ν, `worth`, all have 1/s².
    """

    def __init__(
        self, train: Ratings, features: Any, n_factors: int, worth: float | None, rng: Generator
    ) -> None:
        self.ratings, self.mu, self.worth, self.rng = train.by_user, train.mean, worth, rng
        variance = float(np.var(train.by_user.values)) or 1.0  # where all are equal, a guess
        self.variance = np.array([variance])  # s²
        self.precisions = np.full(train.n_users, 1 / self.variance, np.float32)  # α
        self.users = Side(train.by_user, features[0], train.n_items, n_factors + 1)
        self.items = Side(train.by_item, features[1], train.n_users, n_factors + 1)
        start = rng.standard_normal((train.n_items, n_factors), np.float32)
        self.items.rows[:, :-1] = INITIAL_SCALE * start

    def draw(self) -> float:
        """Draw everything once; return the sum of squared residuals of the training part."""
        users, items, rng = self.users, self.items, self.rng
        mu, same, sse = np.float32(self.mu), np.ones(1, np.float32), np.empty(len(users.rows))
        with blas().limit(limits=1, user_api="blas"):  # for so little, threads wait more than work
            users.draw((items.rows, mu, self.precisions, same), rng)
            items.draw((users.rows, mu, same, self.precisions), rng)
        kernels.squared_residuals(*self.ratings, users.rows, items.rows, mu, sse)
        total, worth, counts = float(sse.sum()), self.worth, self.ratings.counts
        if worth is None:
            self.variance[...] = 1 / rng.gamma(1 + counts.sum() / 2, 2 / total)
            self.precisions[:] = 1 / self.variance
        else:
            drawn = rng.gamma((worth + counts) / 2, 2 / (worth * self.variance + sse))
            scale = 2 / float(worth * drawn.sum())
            self.variance[...] = rng.gamma(1 + worth * len(drawn) / 2, scale)
            self.precisions[:] = drawn
        return total

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that a draw changes, by name."""
        sides = {"users": self.users, "items": self.items}
        found = {f"{s}.{key}": getattr(sides[s], key) for s in sides for key in Side.DRAWN}
        return {**found, "precisions": self.precisions, "variance": self.variance}


def by_chain(user_draws: np.ndarray, item_draws: np.ndarray, n_chains: int) -> np.ndarray:
    """Return the scores of draws (n, S, K + 1) of both sides, (n_chains, S / n_chains, n)."""
    products = np.einsum("nsk,nsk->ns", user_draws[..., :-1], item_draws[..., :-1])
    scores = products + user_draws[..., -1] + item_draws[..., -1]
    return scores.reshape(len(scores), -1, n_chains).transpose(2, 1, 0)


# ---- do the chains agree?


def r_hat(draws: np.ndarray) -> np.ndarray:
    """Return R-hat (...) of draws (n_chains, n_draws, ...): near 1 where chains agree, else larger.

    ArviZ has none of a single chain: its halves are held against each other, as split R-hat does.
    """
    if len(draws) > 1:
        return array_stats.rhat(draws, chain_axis=0, draw_axis=1)
    half = draws.shape[1] // 2
    halves = np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])
    return array_stats.rhat(halves, chain_axis=0, draw_axis=1, method="identity")


def agreement(draws: np.ndarray, noise: np.ndarray, model: str) -> dict[str, float]:
    """Return what `BayesianALS.training_log_` says of the chains; warn if they disagree.

    `draws` (n_chains, n_draws, n) are of n predictions, `noise` (n_chains, n_draws).
    """
    size, of_noise = (array_stats.ess(one, chain_axis=0, draw_axis=1) for one in (draws, noise))
    found = {
        "rhat": float(np.quantile(r_hat(draws), 0.9)),
        "ess": float(np.median(size)),
        "rhat_noise": float(r_hat(noise)),
        "ess_noise": float(of_noise),
    }
    worst = max(found["rhat"], found["rhat_noise"])
    if worst > LARGEST + CHANCE / draws.shape[1]:
        logger.warning(
            "the chains of this %s do not agree (R-hat is %.2f, where 1 is agreement): they have "
            "not settled, and its certainty is not to be trusted; raise n_burn",
            model, worst,
        )  # fmt: skip
    return found


def settled(*traces: np.ndarray) -> bool:
    """Return whether a warm-up may end: in the last half of the draws so far, all parts agree.

    They do if no trace (n_chains, n_draws) has an R-hat there that `agreement` would warn of. Looks
    are `EVERY` draws apart: one of many would pass by chance.
    """
    n_draws, half = traces[0].shape[1], traces[0].shape[1] // 2
    limit = LARGEST + CHANCE / max(half, 1)
    return n_draws % EVERY == 0 and all(bool(r_hat(t[:, half:]) <= limit) for t in traces)
