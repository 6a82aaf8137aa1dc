"""Biased matrix factorisation of explicit ratings by alternating least squares.

The algorithm is `reference_half_step`, called alternately for the users and the items. `ALS` does
the same with a faster kernel (`recsys_lib.kernels.als`), which the tests compare with it.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from recsys_lib.errors import DataError, RecsysError, check_array
from recsys_lib.features import KINDS, item_features, popularity_column, solve_features
from recsys_lib.kernels import als as kernels
from recsys_lib.models.base import RatingModel
from recsys_lib.models.known import as_row, by_length
from recsys_lib.models.parameters import above, at_least, factors_and_biases, learnt
from recsys_lib.ratings import CSR, Ratings, check_csr

INITIAL_SCALE = 0.1  # standard deviation of the first factors: small, but not all alike
ROWS_AT_A_TIME = 1 << 16  # of the first factors, so that who wants a few of them holds no more


def reference_half_step(
    ratings: CSR, fixed: np.ndarray, mu: float, lam: float, tau: float, gamma: float, nu: float
) -> np.ndarray:
    """Solve the rows [factors; bias] of one side, given the other side's: half an epoch.

    With z = [q; 1] for each rated row of `fixed` and y = r - μ - b, a row of n ratings solves
    (λ Σ z zᵀ + n^ν D) x = λ Σ z y with D = diag(τ, ..., τ, γ). `ratings` are (n_rows, n_fixed) and
    `fixed` (n_fixed, K + 1); returns the rows (n_rows, K + 1) float64.
    """
    size = fixed.shape[1]
    penalty = np.diag([tau] * (size - 1) + [gamma])
    rows = np.zeros((len(ratings.counts), size))
    for r, n in enumerate(ratings.counts):
        if n:
            others, values = ratings.row(r)
            z = np.hstack([fixed[others, :-1], np.ones((n, 1))])
            y = values - mu - fixed[others, -1]
            rows[r] = np.linalg.solve(lam * z.T @ z + n**nu * penalty, lam * z.T @ y)
    return rows


def first_factors(seed: int, n_items: int, n_factors: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the items' initial factors in parts: a slice of rows, and (m, K) float32."""
    rng = np.random.default_rng(seed)
    for start in range(0, n_items, ROWS_AT_A_TIME):
        part = slice(start, min(start + ROWS_AT_A_TIME, n_items))
        shape = part.stop - part.start, n_factors
        yield part, INITIAL_SCALE * rng.standard_normal(shape, np.float32)


class ALS(RatingModel):
    """r̂_ui = μ + b_u + b_i + p_u·q_i, fitted by exact alternating least squares.

    Minimises, over the observed pairs,

    L = λ/2 Σ (r - r̂)² + τ/2 (Σ n_u^ν ‖p_u‖² + Σ n_i^ν ‖q_i‖²) + γ/2 (Σ n_u^ν b_u² + Σ n_i^ν b_i²).

    Each half step solves one side's rows exactly, so L never rises. With `popularity`, an item's
    row is shrunk not to zero but to m_i, which is learnt: one row [factors; bias] for all items of
    the same level floor(log2(1 + n_i)), with a penalty of its own.

    After Koren, Bell & Volinsky 2009, Matrix factorization techniques for recommender systems.

    Parameters
    ----------
    lam : float
        λ, weight of the residuals. The estimate depends on τ/λ and γ/λ only.
    tau, gamma : float
        τ and γ, weights of the factors and of the biases.
    nu : float
        ν, how the penalty grows with a row's number of ratings: 0 is the textbook's objective, 1 is
        ALS-WR (Zhou et al. 2008); with ½ a large K does no harm.
    popularity : float, optional
        Weight of the levels' rows, as β in `GenreALS`. None: rows are shrunk to zero.

    Attributes
    ----------
    user_rows_, item_rows_ : (n_users, K + 1) and (n_items, K + 1) float32
        [p_u; b_u] and [q_i; b_i]; also apart, as `user_factors_`, `user_biases_` and so on.
    item_priors_ : (n_items, K + 1) float32
        m_i; a single row of zeros if the items have no features.
    feature_rows_ : (n_features, K + 1) float32
        What each of `feature_names_` adds to m_i; `features` holds the features of each item.

    Examples
    --------
    >>> from recsys_lib import datasets, models
    >>> data = datasets.load("synthetic", n_users=50, n_items=80, n_ratings=1500, seed=0)
    >>> model = models.ALS(n_factors=4).fit(data.ratings)
    >>> model.user_factors_.shape
    (50, 4)
    >>> model.recommend(3, n=2).columns.tolist()  # of user 3
    ['user_id', 'rank', 'item_id', 'score']
    >>> len(model.recommend_for({2: 5.0, 4: 1.5}, n=10))  # of a new user with two ratings
    10
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "n_factors": CategoricalDistribution((20, 40)),
        "tau": FloatDistribution(0.7, 3.0, log=True),
        "gamma": FloatDistribution(0.1, 10.0, log=True),
        "popularity": CategoricalDistribution((None, 10.0, 30.0, 100.0, 300.0)),
    }
    ends_in_bias: ClassVar[bool] = True
    _stored: ClassVar[str | None] = "user_rows_"
    _items: ClassVar[str | None] = "item_rows_"

    n_factors: int = at_least(0, 20)
    lam: float = above(0, 1.0)
    tau: float = above(0, 1.35)
    gamma: float = above(0, 1.0)
    nu: float = at_least(0, 0.5)
    n_epochs: int = above(0, 15)
    seed: int = at_least(0, 0)
    popularity: float | None = above(0, None)
    patience: int | None = above(0, None)

    user_rows_: np.ndarray = learnt("n_users", "K + 1")
    item_rows_: np.ndarray = learnt("n_items", "K + 1")
    item_priors_: np.ndarray = learnt("n_priors", "K + 1", derived=True)
    feature_rows_: np.ndarray = learnt("n_features", "K + 1")
    feature_names_: list[str] = field(init=False)
    feature_indptr_: np.ndarray = learnt("n_items + 1")
    feature_indices_: np.ndarray = learnt("n")
    feature_values_: np.ndarray = learnt("n", derived=True)

    user_factors_, user_biases_ = factors_and_biases("user_rows_")
    item_factors_, item_biases_ = factors_and_biases("item_rows_")

    # ---- fitting

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        self.user_rows_ = np.zeros((train.n_users, self.n_factors + 1), np.float32)
        self.item_rows_ = np.zeros((train.n_items, self.n_factors + 1), np.float32)
        for part, rows in first_factors(self.seed, train.n_items, self.n_factors):
            self.item_rows_[part, :-1] = rows
        self._orders = by_length(train.by_user), by_length(train.by_item)
        self.init_features(train.item_ids, train.by_item.counts, items)

    def init_features(
        self, item_ids: np.ndarray, counts: np.ndarray, items: pd.DataFrame | None
    ) -> None:
        """Set the features of items with `counts` ratings; the features' rows begin at zero."""
        kinds = [*self._kinds_of_features()]
        features, self.feature_names_ = item_features(kinds, item_ids, counts, items)
        self.feature_indptr_, self.feature_indices_, self.feature_values_ = features
        self.feature_rows_ = np.zeros((len(self.feature_names_), self.n_factors + 1), np.float32)
        self.item_priors_ = self.prior_means(self.feature_rows_)

    def _kinds_of_features(self) -> dict[str, float]:
        """Return the kinds of the items' features, as `item_features` names them, and their β."""
        return {} if self.popularity is None else {"popularity": self.popularity}

    @property
    def _betas(self) -> np.ndarray:
        """The weight of each feature's row, (n_features,) float64."""
        betas = {KINDS[kind]: beta for kind, beta in self._kinds_of_features().items()}
        return np.array([betas[name.partition(":")[0]] for name in self.feature_names_])

    def _epoch(self, train: Ratings) -> dict[str, float]:
        zero, nu = np.zeros((1, self.n_factors + 1), np.float32), float(self.nu)
        by_user, by_item, (of_users, of_items) = train.by_user, train.by_item, self._orders
        users, items = self.user_rows_, self.item_rows_
        # What `fit` was given is checked: once more in each epoch would take a tenth of it.
        self._half_step(by_user, items, zero, users, of_users)
        sse = self._half_step(by_item, users, self.item_priors_, items, of_items)
        if self.feature_names_:
            self.feature_rows_ = self.solve_features(by_item.counts, items)
            self.item_priors_ = self.prior_means(self.feature_rows_)
            items[by_item.counts == 0] = self.item_priors_[by_item.counts == 0]
        penalties = kernels.penalties(users, by_user.indptr, nu, zero)
        penalties += kernels.penalties(items, by_item.indptr, nu, self.item_priors_)
        rmse = float(np.sqrt(sse / len(train)))
        return {"loss": self.loss(sse, penalties), "rmse_train": rmse}

    def loss(self, sse: float, penalties: np.ndarray) -> float:
        """Return L, given Σ (r - r̂)² and, of both sides, Σ n^ν (x - m)² (K + 1,)."""
        of_features = self._betas @ np.square(self.feature_rows_, dtype=np.float64).sum(axis=1)
        weighed = float(self._penalty(len(penalties)).astype(np.float64) @ penalties)
        loss = 0.5 * (self.lam * sse + weighed + float(of_features))
        if not np.isfinite(loss):
            told = f"raise tau ({self.tau:g}) and gamma ({self.gamma:g}), or scale the ratings down"
            raise RecsysError(f"the rows' systems have no solution in float32: {told}")
        return loss

    @property
    def penalty(self) -> np.ndarray:
        """(τ, ..., τ, γ), (K + 1,) float32."""
        return self._penalty(self.n_factors + 1)

    def _penalty(self, size: int) -> np.ndarray:
        """Return (τ, ..., τ, γ), (size,) float32."""
        return np.array([self.tau] * (size - 1) + [self.gamma], np.float32)

    def half_step(self, ratings: CSR, fixed: Any, prior: Any, rows: Any) -> float:
        """Solve one side's rows in place, given the other's; return the sum of squared residuals.

        `rows` (n_rows, K + 1) are overwritten; `ratings` has as many rows; `fixed` (n_fixed, K + 1)
        are the other side's rows. `prior` holds the prior means, one row each or one for all. These
        arrays are float32; another dtype or shape is a `DataError`.
        """
        check_array("rows", rows, np.float32, ("n", "K + 1"))
        size = rows.shape[1]  # `n_factors` may have been changed since the fit
        for name, array in {"fixed": fixed, "prior": prior}.items():
            check_array(name, array, np.float32, ("n", size))
        check_array("prior", prior, np.float32, (1 if len(prior) == 1 else len(rows), size))
        check_csr("the ratings", ratings, len(rows), len(fixed))
        if not rows.flags.writeable:
            raise DataError("rows are to be overwritten, and are read-only; pass a copy")
        return self._half_step(ratings, fixed, prior, rows, by_length(ratings))

    def _half_step(self, ratings: CSR, fixed: Any, prior: Any, rows: Any, order: Any) -> float:
        """`half_step` of checked arrays; `order` (n_rows,), see `by_length`, changes no bit."""
        weights = np.float32(self.lam), self._penalty(rows.shape[1]), float(self.nu)
        task, sse = (order, fixed, np.float32(self.mu_)), np.empty(len(rows))
        kernels.half_step(*ratings, *task, *weights, prior, rows, sse)
        return float(sse.sum())

    @property
    def features(self) -> CSR:
        """The items' features, one row per item."""
        return CSR(self.feature_indptr_, self.feature_indices_, self.feature_values_)

    def solve_features(self, counts: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        """Return the features' rows (n_features, K + 1) float32 that fit the items' rows best."""
        args = counts, self.nu, item_rows, self._penalty(item_rows.shape[1]), self._betas
        return solve_features(self.features, *args).astype(np.float32)

    def prior_means(self, feature_rows: np.ndarray) -> np.ndarray:
        """Return the items' prior means (n_items, K + 1) float32; (1, K + 1) without features."""
        if not self.feature_names_:
            return np.zeros((1, feature_rows.shape[1]), np.float32)
        return self.features.to_scipy(len(feature_rows)) @ feature_rows

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return the rows [p_u; b_u] (m, K + 1), by the exact update of training."""
        rows = np.empty((ratings.n_rows, self.item_rows_.shape[1]), np.float32)
        zero = np.zeros((1, rows.shape[1]), np.float32)
        self._half_step(ratings, self.item_rows_, zero, rows, np.arange(len(rows)))
        return rows

    # ---- new ratings of an item

    def partial_fit_items(self, item_id: Hashable, ratings: Mapping[Any, float]) -> Self:
        """See `Recommender`."""
        return self._fit_item(item_id, ratings, [])

    def _fit_item(
        self, item_id: Hashable, ratings: Mapping[Any, float], features: list[tuple[int, float]]
    ) -> Self:
        """`partial_fit_items`; `features` are those of a new item, column and value."""
        self.check_fitted()
        _, users, values = as_row(ratings, self.user_index, self.scale_)
        item = self.item_index.find_or_next(item_id)
        if item == len(self.item_ids_):
            self._add("item", item_id)
            if self.feature_names_:
                self._append("item_priors_", 0)
            if self.popularity is not None:  # the last of an item's features is its level
                features = [*features, (0, 1.0)]
            for feature, value in features:
                self._append("feature_indices_", feature)
                self._append("feature_values_", value)
            self._append("feature_indptr_", len(self.feature_indices_))
        self._known.add(users, item, values)
        rated, row = self._known.of_item(item), slice(item, item + 1)
        prior = self.item_priors_[row] if self.feature_names_ else self.item_priors_
        if self.feature_names_:
            if self.popularity is not None:
                level = popularity_column(self.feature_names_, len(rated.values))
                self.feature_indices_[self.feature_indptr_[item + 1] - 1] = level
            own = self.features.take(np.array([item])).to_scipy(len(self.feature_rows_))
            prior[:] = own @ self.feature_rows_
        self.half_step(rated, self.user_rows_, prior, self.item_rows_[row])
        return self


class BiasALS(ALS):
    """r̂_ui = μ + b_u + b_i: `ALS` without factors, fitted by the same kernel.

    Parameters
    ----------
    lam, gamma : float
        λ and γ, weights of the residuals and of the biases. With ν = 0, γ/λ is the damping: an item
        with n ratings keeps the share n / (n + γ/λ) of its mean deviation.
    nu : float
        ν, how the penalty of a bias grows with its number of ratings.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "gamma": FloatDistribution(0.1, 10.0, log=True),
        "nu": FloatDistribution(0.0, 0.6),
    }

    n_factors: ClassVar[int] = 0  # type: ignore[misc]
    tau: ClassVar[float] = 1.0  # type: ignore[misc] # of no effect: there are no factors to weigh
    seed: ClassVar[int] = 0  # type: ignore[misc] # likewise
    popularity: ClassVar[float | None] = None  # type: ignore[misc]

    gamma: float = above(0, 2.5)
    nu: float = at_least(0, 0.0)
    n_epochs: int = above(0, 10)
