"""Matrix factorisation of likes: alternating least squares over every pair, seen or not."""

from __future__ import annotations

import os
import time
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from recsys_lib import io
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.kernels import implicit as kernels
from recsys_lib.kernels.threads import threads_for
from recsys_lib.models import checkpoints
from recsys_lib.models.implicit_feedback import ImplicitFeedbackModel, Watch
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR, Ratings

INITIAL_SCALE = 0.1  # standard deviation of the first scores: small, but not all alike


class ImplicitALS(ImplicitFeedbackModel):
    """ŝ_ui = p_u·q_i, near 1 where u liked i and near 0 elsewhere, each pair by its confidence.

    Minimises, over *all* pairs,

    L = ½ Σ c_ui (l_ui - ŝ_ui)² + τ/2 (Σ n_u^ν ‖p_u‖² + Σ n_i^ν ‖q_i‖²),

    l_ui = 1 and c_ui = 1 + α for a like, l_ui = 0 and c_ui = 1 for any other pair. With `by_value`,
    a like's confidence grows with its rating: c_ui = 1 + α r_ui. Each exact half step solves one
    side's rows, so L never rises. n_u and n_i count likes.

    Parameters
    ----------
    n_factors : int
        K, the length of the vectors p_u and q_i.
    alpha : float
        α, how much more a like counts than a pair without one.
    tau : float
        τ, weight of the vectors.
    nu : float
        ν, how the weight grows with a row's number of likes: 0 is the textbook's objective, 1 is
        ALS-WR.
    by_value : bool
        Whether ratings, which must not be negative then, scale α.
    threshold : float, optional
        Ratings of at least this are likes; None: every rating is one.
    solver : {"cholesky", "cg"}
        Exact; or a few steps of conjugate gradient from where the row was, which pays where K is
        large. Strangers are always folded in exactly.
    cg_steps : int
        How many.
    n_epochs : int
        How many times both sides are solved.
    seed : int
        Of the first vectors. The same seed gives the same bits at any number of threads.

    Attributes
    ----------
    user_factors_, item_factors_ : (n_users, K) and (n_items, K) float32
    history : DataFrame
        A row an epoch: epoch, loss (L), ndcg_valid (at 10), seconds.

    References
    ----------
    Hu, Koren & Volinsky 2008, Collaborative filtering for implicit feedback datasets. Takács,
    Pilászy & Tikk 2011, Applications of the conjugate gradient method for implicit feedback
    collaborative filtering. Rendle, Krichene, Zhang & Koren 2022, Revisiting the performance of
    iALS on item recommendation benchmarks (ν).
    """

    _stored: ClassVar[str | None] = "user_factors_"
    _learnt: ClassVar[tuple[str, ...]] = ("user_factors_", "item_factors_", "_gram")

    user_factors_: np.ndarray
    item_factors_: np.ndarray
    _gram: np.ndarray  # (K, K) float32: Σ q qᵀ, what a stranger's row needs of all items

    def __init__(
        self,
        n_factors: int = 64,
        alpha: float = 10.0,
        tau: float = 3.0,
        nu: float = 0.5,
        by_value: bool = False,
        threshold: float | None = None,
        solver: str = "cholesky",
        cg_steps: int = 3,
        n_epochs: int = 15,
        seed: int = 0,
    ) -> None:
        self.n_factors = n_factors
        self.alpha = alpha
        self.tau = tau
        self.nu = nu
        self.by_value = by_value
        self.threshold = threshold
        self.solver = solver
        self.cg_steps = cg_steps
        self.n_epochs = n_epochs
        self.seed = seed

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        history: Ratings | None = None,
    ) -> Self:
        """Learn from `train`; see `Recommender.fit`.

        `resume` goes on from the checkpoint in `run_dir`, with the same result as if the run had
        never been interrupted. `history` is what is shown of the users of `valid`, where those are
        strangers to `train`.
        """
        self._check_parameters()
        self._remember(train)
        likes = Ratings(train.user_ids, train.item_ids, self._weighted(self._likes(train)))
        watch = Watch(self, valid, history)
        people, films = _Side(likes.by_user), _Side(likes.by_item)
        rng = np.random.default_rng(self.seed)
        self.user_factors_ = np.zeros((train.n_users, self.n_factors), np.float32)
        self.item_factors_ = first_factors(train.n_items, self.n_factors, rng)
        self._gram = np.zeros((self.n_factors, self.n_factors), np.float32)
        done = checkpoints.take_up(run_dir, self) if resume else 0
        log = io.RunLog(run_dir, keep=done)
        with bar(progress, total=self.n_epochs, initial=done, desc="ImplicitALS") as steps:
            for epoch in range(done + 1, self.n_epochs + 1):
                began = time.perf_counter()
                self._solve(people, self.item_factors_, self.user_factors_)
                squares = self._solve(films, self.user_factors_, self.item_factors_)
                self._gram = kernels.gram_of(self.item_factors_).astype(np.float32)
                penalty = people.penalty(self.user_factors_, self.nu)
                penalty += films.penalty(self.item_factors_, self.nu)
                seconds = time.perf_counter() - began
                row = {
                    "epoch": epoch,
                    "loss": 0.5 * (squares + self.tau * penalty),
                    "ndcg_valid": watch.ndcg(),
                    "seconds": seconds,
                }
                if not np.isfinite(row["loss"]):
                    raise RecsysError(
                        f"no solution in epoch {epoch}: tau {self.tau!r} is too small for float32"
                    )
                log.write(**row)
                checkpoints.save(run_dir, self, epoch)
                steps.update()
                steps.set_postfix_str(f"ndcg_valid {row['ndcg_valid']:.4f}")
        self.training_log_ = log.table()
        return self

    def _check_parameters(self) -> None:
        for name in ("n_factors", "n_epochs", "cg_steps", "tau"):
            if not getattr(self, name) > 0:
                raise RecsysError(f"{name} is {getattr(self, name)!r}; it must be above 0")
        for name in ("alpha", "nu"):
            if not getattr(self, name) >= 0:
                raise RecsysError(f"{name} is {getattr(self, name)!r}; it must be 0 or more")
        if self.solver not in ("cholesky", "cg"):
            raise RecsysError(f"solver is {self.solver!r}; it must be 'cholesky' or 'cg'")

    def _weighted(self, likes: CSR) -> CSR:
        """Return the likes with c - 1, how much more they count than no like, for values."""
        if not self.by_value:
            return likes._replace(values=np.full(len(likes.values), self.alpha, np.float32))
        if len(likes.values) and likes.values.min() < 0:
            raise DataError(
                f"a like has the value {likes.values.min():g}: with by_value=True values are "
                "confidences, and those are not negative"
            )
        return likes._replace(values=np.float32(self.alpha) * likes.values)

    def _solve(self, side: _Side, fixed: np.ndarray, rows: np.ndarray) -> float:
        """Solve one side's rows, the other fixed; return Σ c (l - ŝ)² over all pairs."""
        gram = kernels.gram_of(fixed).astype(np.float32)
        losses = np.empty(len(rows))
        task = *side.pairs, side.order, fixed, gram, side.penalties(self.tau, self.nu)
        if self.solver == "cg":
            kernels.half_step_cg(*task, self.cg_steps, rows, losses)
        else:
            kernels.half_step(*task, rows, losses)
        return float(losses.sum())

    # ---- what the base class asks for

    def _fold_in(self, history: CSR) -> np.ndarray:
        """Solve strangers' rows: the exact half step, for them alone."""
        side = _Side(self._weighted(self._liked(history)))
        rows = np.empty((len(side.order), self.n_factors), np.float32)
        with threads_for(len(rows)):
            kernels.half_step(
                *side.pairs, side.order, self.item_factors_, self._gram,
                side.penalties(self.tau, self.nu), rows, np.empty(len(rows)),
            )  # fmt: skip
        return rows

    def _item_vectors(self) -> np.ndarray:
        return self.item_factors_

    def _similarity_vectors(self) -> np.ndarray:
        return self.item_factors_


def first_factors(n: int, n_factors: int, rng: np.random.Generator) -> np.ndarray:
    """Return the items' first vectors (n, K) float32."""
    scale = np.float32(np.sqrt(INITIAL_SCALE / np.sqrt(n_factors)))
    return scale * rng.standard_normal((n, n_factors), np.float32)


class _Side:
    """The rows of one side: their likes, and the order in which they are dealt out."""

    def __init__(self, pairs: CSR) -> None:
        self.pairs = pairs
        self.counts = pairs.counts
        self.order = np.argsort(-self.counts, kind="stable")

    def penalties(self, tau: float, nu: float) -> np.ndarray:
        """Return τ n^ν, (n_rows,) float32."""
        return (tau * self.counts ** float(nu)).astype(np.float32)

    def penalty(self, rows: np.ndarray, nu: float) -> float:
        """Return Σ n^ν ‖x‖²."""
        return float(self.counts ** float(nu) @ np.square(rows, dtype=np.float64).sum(axis=1))
