"""The baseline of every rating model: some users are kind, some items are good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from optuna.distributions import BaseDistribution, FloatDistribution

from recsys_lib.models.als import ALS
from recsys_lib.models.parameters import above, at_least


@dataclass(eq=False, repr=False)
class BiasALS(ALS):
    """r̂_ui = μ + b_u + b_i: `ALS` without factors, fitted by the same kernel.

    Parameters
    ----------
    lam, gamma : float
        λ and γ, weights of the residuals and of the biases. With ν = 0, γ/λ is the damping: an item
        of n ratings keeps n / (n + γ/λ) of its mean deviation.
    nu : float
        ν, how the weight of a bias grows with its number of ratings.
    n_epochs : int
        How many times both sides are solved; a handful suffices.
    patience : int, optional
        As in `ALS`.

    Attributes
    ----------
    mu_, user_biases_, item_biases_, training_log_ :
        As in `ALS`.
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
