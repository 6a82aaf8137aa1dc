"""Matrix factorisation of likes: alternating least squares over every pair, seen or not."""

from typing import ClassVar

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from recsys_lib.errors import RecsysError
from recsys_lib.kernels import implicit as kernels
from recsys_lib.models.base import ImplicitFeedbackModel
from recsys_lib.models.known import by_length
from recsys_lib.models.parameters import above, at_least, learnt, one_of
from recsys_lib.ratings import CSR, Ratings

INITIAL_SCALE = 0.1  # standard deviation of the first scores: small, but not all alike
CG_STEPS = 3
CG_FROM = 32  # factors: the fewest for which conjugate gradient takes less time


class ImplicitALS(ImplicitFeedbackModel):
    """ŝ_ui = p_u·q_i, near 1 where u liked i and near 0 elsewhere, each pair by its confidence.

    Minimises, over *all* pairs,

    L = ½ Σ c_ui (l_ui - ŝ_ui)² + τ/2 (Σ n_u^ν ‖p_u‖² + Σ n_i^ν ‖q_i‖²),

    l_ui = 1 and c_ui = 1 + α for a like, l_ui = 0 and c_ui = 1 for any other pair. Each exact half
    step solves one side's rows, so L never rises. n_u and n_i count likes.

    After Hu, Koren & Volinsky 2008, Collaborative filtering for implicit feedback datasets; Takács,
    Pilászy & Tikk 2011, Applications of the conjugate gradient method for implicit feedback
    collaborative filtering; Rendle, Krichene, Zhang & Koren 2022, Revisiting the performance of
    iALS on item recommendation benchmarks (ν).

    Parameters
    ----------
    alpha : float
        α, how much more a like counts than a pair without one.
    tau : float
        τ, weight of the vectors.
    nu : float
        ν, how the weight grows with a row's number of likes: 0 is the textbook's objective, 1 is
        ALS-WR.
    solver : {"auto", "cholesky", "cg"}
        Exact, or `CG_STEPS` of conjugate gradient from the row's last value, which rotates the
        vectors. By default the latter for K of `CG_FROM` or more. New users are always folded in
        exactly.

    Attributes
    ----------
    user_factors_, item_factors_ : (n_users, K) and (n_items, K) float32
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "n_factors": CategoricalDistribution((8, 16, 32, 64)),
        "alpha": FloatDistribution(1.0, 40.0, log=True),
        "tau": FloatDistribution(1.0, 100.0, log=True),
    }
    _stored: ClassVar[str | None] = "user_factors_"
    _items: ClassVar[str | None] = "item_factors_"

    n_factors: int = above(0, 64)
    alpha: float = at_least(0, 10.0)
    tau: float = above(0, 3.0)
    nu: float = at_least(0, 0.5)
    solver: str = one_of(("auto", "cholesky", "cg"), "auto")
    n_epochs: int = above(0, 15)
    seed: int = at_least(0, 0)
    patience: int | None = above(0, None)
    user_factors_: np.ndarray = learnt("n_users", "K")
    item_factors_: np.ndarray = learnt("n_items", "K")
    gram_: np.ndarray = learnt("K", "K", derived=True)

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        likes = Ratings(train.user_ids, train.item_ids, self._weighted(self.likes_of(train)))
        self._sides = [(side, by_length(side)) for side in (likes.by_user, likes.by_item)]
        self.user_factors_ = np.zeros((train.n_users, self.n_factors), np.float32)
        self.item_factors_ = first_factors(train.n_items, self.n_factors, self._rng)

    def _epoch(self, train: Ratings) -> dict[str, float]:
        (users, items), p, q = self._sides, self.user_factors_, self.item_factors_
        _, of_users = self._solve(*users, q, p)
        squares, of_items = self._solve(*items, p, q)
        self.gram_ = kernels.gram_of(q).astype(np.float32)
        return {"loss": 0.5 * (squares + self.tau * (of_users + of_items))}

    def _weighted(self, likes: CSR) -> CSR:
        """Return the likes with c - 1, their additional weight, as values."""
        return likes._replace(values=np.full(len(likes.values), self.alpha, np.float32))

    def _solve(
        self, pairs: CSR, order: np.ndarray, fixed: np.ndarray, rows: np.ndarray
    ) -> tuple[float, float]:
        """Solve one side's rows in place; return Σ c (l - ŝ)² over all pairs, and Σ n^ν ‖x‖²."""
        weights, losses = pairs.counts ** float(self.nu), np.empty(len(rows))
        penalties = (self.tau * weights).astype(np.float32)
        if self.solver == "cg" or (self.solver == "auto" and self.n_factors >= CG_FROM):
            kernels.approach(*pairs, order, fixed, penalties, rows, losses, CG_STEPS)
        else:
            gram = kernels.gram_of(fixed).astype(np.float32)
            kernels.half_step(*pairs, order, fixed, gram, penalties, rows, losses)
        if not np.isfinite(squares := float(losses.sum())):
            raise RecsysError(f"there is no solution: tau {self.tau!r} is too small for float32")
        return squares, float(weights @ np.square(rows, dtype=np.float64).sum(axis=1))

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return the rows p_u, (m, K), solved exactly from the likes."""
        pairs = self._weighted(liked)
        rows = np.empty((len(pairs.counts), self.item_factors_.shape[1]), np.float32)
        penalties = (self.tau * pairs.counts ** float(self.nu)).astype(np.float32)
        task = *pairs, by_length(pairs), self.item_factors_, self.gram_, penalties
        kernels.half_step(*task, rows, np.empty(len(rows)))
        return rows


def first_factors(n: int, n_factors: int, rng: np.random.Generator) -> np.ndarray:
    """Return the items' first vectors (n, K) float32."""
    scale = np.float32(np.sqrt(INITIAL_SCALE / np.sqrt(n_factors)))
    return scale * rng.standard_normal((n, n_factors), np.float32)
