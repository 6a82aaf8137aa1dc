"""The two towers, fitted to values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution

from recsys_lib.models.rating import RatingModel
from recsys_lib.models.two_tower import TwoTower
from recsys_lib.ratings import CSR, Ratings

if TYPE_CHECKING:
    import torch

FARTHEST = 3.0  # standard deviations: how much an odd value can weigh in a history


@dataclass(eq=False, repr=False)
class TwoTowerRegressor(TwoTower, RatingModel):
    """r̂_ui = μ + σ f(u)·g(i): the two towers of `TwoTower`, fitted to values and not to likes.

    Minimises the squared error, in units of the values' standard deviation σ, over the pairs that
    were observed. A history holds all that the user rated, weighed by how far above or below the
    mean (at most 3 σ, so that no odd value drowns the rest). The vectors have any length, and
    there is no contest: what nobody showed the user says nothing, so that lists rank poorly.

    Parameters
    ----------
    n_factors, width, hidden, history_size, learning_rate, weight_decay, dropout, batch_size :
        As in `TwoTower`.
    n_epochs, patience, seed, device :
        As in `TwoTower`; what makes an epoch better is the error on the validation part.

    Attributes
    ----------
    sigma_ : float
        σ.
    training_log_ : DataFrame
        A row an epoch: epoch, loss (mean squared error over σ², with dropout), rmse_valid, seconds.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {}
    monitor: ClassVar[tuple[str, str]] = ("rmse_valid", "min")
    _unit: ClassVar[bool] = False
    # Not its parameters: every rating is a value to learn from.
    threshold: ClassVar[float | None] = None  # type: ignore[misc]
    temperature: ClassVar[float] = 1.0  # type: ignore[misc]
    stop_on: ClassVar[str] = "rmse"  # type: ignore[misc]

    sigma_: float = field(init=False)

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        values = train.by_user.values
        self.sigma_ = float(np.std(values, dtype=np.float64)) or 1.0
        self._targets = self._standardised(values)
        super()._init(train, items, users)

    def _loss(self, users: torch.Tensor, items: torch.Tensor, examples: np.ndarray) -> torch.Tensor:
        from torch.nn import functional

        targets = self._tensor(self._targets[examples])
        return functional.mse_loss((users * items).sum(dim=1), targets)

    def _validate(self) -> dict[str, float]:
        return RatingModel._validate(self)

    def _finish(self) -> None:
        super()._finish()
        del self._targets

    def _standardised(self, values: np.ndarray) -> np.ndarray:
        return ((values - np.float32(self.mu_)) / np.float32(self.sigma_)).astype(np.float32)

    def _weighted(self, likes: CSR) -> CSR:
        return likes._replace(values=self._standardised(likes.values).clip(-FARTHEST, FARTHEST))

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return rows * np.float32(self.sigma_)
