"""The unknowns of `BayesianALS`, drawn in turn: rows, their prior, the users' noise; a chain."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.sparse import csr_array
from scipy.stats import wishart

from recsys_lib.kernels import features as feature_kernels
from recsys_lib.kernels import gibbs as kernels
from recsys_lib.models.known import by_length
from recsys_lib.ratings import CSR, Ratings

INITIAL_SCALE = 0.1  # standard deviation of the first factors: small, but not all alike
ROW_SPREAD = 0.03  # prior guess at the rows' variance, worth as much as K + 1 rows
FIRST_SPREAD = 0.2  # the rows' variance before the first draw: a narrow start takes long to widen
FEATURE_SHARE = 1.0  # prior precision of a feature's row, in units of that of an item's
NOISE_RATINGS = 4.0  # the prior of a user's noise is worth as much as four ratings


class Side:
    """The rows of the users, or of the items, in the present draw, and the prior they have.

    Its mean is built on features (n, n_features), the last of which is the constant.
    """

    DRAWN = ("rows", "centres", "means", "Lambda")  # what a draw changes

    def __init__(self, ratings: CSR, features: CSR, n_features: int, size: int) -> None:
        n = len(ratings.indptr) - 1
        self.ratings, self.features = ratings, features
        self.order = by_length(ratings)
        self.rows = np.zeros((n, size), np.float32)
        self.centres = np.zeros((n, size), np.float32)  # what the rows' draws scatter about
        self.means = np.zeros((n if n_features > 1 else 1, size), np.float32)
        self.Lambda = np.eye(size, dtype=np.float32) / np.float32(FIRST_SPREAD)
        # Rows without a rating know nothing of the prior: it is drawn given the others alone.
        self.rated = np.flatnonzero(ratings.counts)
        values = features.values.astype(np.float64)
        matrix = csr_array((values, features.indices, features.indptr), (n, n_features))
        self.matrix = matrix[self.rated]
        self.gram = (self.matrix.T @ self.matrix).toarray()

    def draw(
        self,
        other: np.ndarray,
        mu: float,
        own: np.ndarray,
        others: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        """Draw the rows, given the other side's, and then their prior."""
        noise = rng.standard_normal(self.rows.shape, np.float32)
        kernels.draw_rows(
            *self.ratings, self.order, other, np.float32(mu), own, others, self.Lambda, self.means,
            noise, self.rows, self.centres,
        )  # fmt: skip
        f, Lambda = draw_prior(self.rows[self.rated], self.matrix, self.gram, self.Lambda, rng)
        self.Lambda = Lambda.astype(np.float32)
        if self.matrix.shape[1] == 1:  # the mean of all
            self.means = f.astype(np.float32)
        else:
            feature_kernels.prior_means(*self.features, f, self.means)


class Noise:
    """The users' noise: α_u ~ Gamma(ν/2, rate ν s²/2), ν worth `NOISE_RATINGS`, s² unknown."""

    same = np.ones(1, np.float32)  # for the side whose ratings all have the other side's precision

    def __init__(self, train: Ratings) -> None:
        self.ratings, self.counts = train.by_user, train.by_user.counts
        self.variance = float(np.var(train.by_user.values)) or 1.0  # where all are equal, a guess
        self.precisions = np.full(train.n_users, 1 / self.variance, np.float32)
        self.sse = np.empty(train.n_users)

    def draw(
        self, users: np.ndarray, items: np.ndarray, mu: float, rng: np.random.Generator
    ) -> float:
        """Draw the precisions given the residuals, then s²; return the sum of squared residuals."""
        kernels.squared_residuals(*self.ratings, users, items, np.float32(mu), self.sse)
        shape = (NOISE_RATINGS + self.counts) / 2
        precisions = rng.gamma(shape, 2 / (NOISE_RATINGS * self.variance + self.sse))
        total = float(NOISE_RATINGS * precisions.sum())
        self.variance = float(rng.gamma(1 + NOISE_RATINGS * len(precisions) / 2, 2 / total))
        self.precisions = precisions.astype(np.float32)
        return float(self.sse.sum())


class Chain:
    """Draws of all unknowns, one after another, from a random start of its own.

    `items` are their features, CSR (n_items, n_features); the users have none but the constant.
    """

    def __init__(
        self,
        train: Ratings,
        items: CSR,
        n_features: int,
        n_factors: int,
        rng: np.random.Generator,
    ) -> None:
        self.mu, self.rng, self.noise = train.mean, rng, Noise(train)
        n = train.n_users
        alike = CSR(np.arange(n + 1), np.zeros(n, np.int32), np.ones(n, np.float32))
        self.users = Side(train.by_user, alike, 1, n_factors + 1)
        self.items = Side(train.by_item, items, n_features, n_factors + 1)
        start = rng.standard_normal((train.n_items, n_factors), np.float32)
        self.items.rows[:, :-1] = INITIAL_SCALE * start

    def draw(self) -> float:
        """Draw everything once; return the sum of squared residuals of the training part."""
        users, items, noise = self.users, self.items, self.noise
        users.draw(items.rows, self.mu, noise.precisions, noise.same, self.rng)
        items.draw(users.rows, self.mu, noise.same, noise.precisions, self.rng)
        return noise.draw(users.rows, items.rows, self.mu, self.rng)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what it takes to go on: arrays, and what JSON knows."""
        arrays = {"precisions": self.noise.precisions}
        for name, side in (("users", self.users), ("items", self.items)):
            arrays |= {f"{name}.{key}": getattr(side, key) for key in Side.DRAWN}
        return arrays, {"variance": self.noise.variance, "rng": self.rng.bit_generator.state}

    def resume(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        for name, side in (("users", self.users), ("items", self.items)):
            for key in Side.DRAWN:
                setattr(side, key, arrays[f"{name}.{key}"])
        self.noise.precisions, self.noise.variance = arrays["precisions"], meta["variance"]
        self.rng.bit_generator.state = meta["rng"]


def draw_prior(
    rows: np.ndarray,
    features: csr_array,
    gram: np.ndarray,
    Lambda: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the features' rows f given the rows and Λ, then Λ given both.

    rows = F f + E, the rows of E ~ N(0, Λ⁻¹), those of f ~ N(0, (κ Λ)⁻¹), κ = `FEATURE_SHARE`, and
    Λ ~ Wishart(K + 1, (`ROW_SPREAD` (K + 1) I)⁻¹): conjugate, so that both have closed forms.

    Parameters
    ----------
    rows : (n, K + 1) float32
    features : sparse array (n, L) float64
        F.
    gram : (L, L) float64
        FᵀF, the same for all draws.
    Lambda : (K + 1, K + 1)
        The present Λ.

    Returns
    -------
    f : (L, K + 1) float64
    Lambda : (K + 1, K + 1) float64
    """
    (n, size), n_features = rows.shape, features.shape[1]
    rows = rows.astype(np.float64)
    precision = gram + FEATURE_SHARE * np.eye(n_features)
    f = np.linalg.solve(precision, features.T @ rows)
    away = solve_triangular(
        np.linalg.cholesky(precision).T, rng.standard_normal((n_features, size))
    )
    root = np.linalg.cholesky(np.asarray(Lambda, np.float64))
    f += solve_triangular(root.T, away.T).T  # rows of `away` times a root of Λ⁻¹
    apart = rows - features @ f
    scatter = ROW_SPREAD * size * np.eye(size) + apart.T @ apart + FEATURE_SHARE * f.T @ f
    drawn = wishart.rvs(size + n + n_features, np.linalg.inv(scatter), random_state=rng)
    return f, np.reshape(drawn, (size, size))
