"""The effect of damping on items' means and on the top of the list."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models import BiasALS
from recsys_lib.widgets.base import Draw, Explorer, Plain
from recsys_lib.widgets.catalogue import rows_of, titles_of

N_BEST = 8
N_KNOWN = 300  # items with the most ratings: a reader will look for these
N_OTHERS = 400  # drawn evenly from the others, so that the cloud has its shape


class BiasExplorer(Explorer, page="bias"):
    """Items' estimates over their number of ratings, and the best of them, at any damping.

    An item's estimate is (Σ (r - b_u) + γ μ) / (n + γ), that of a half step of `BiasALS` with λ = 1
    and ν = 0, or, without b_u, its damped mean. The best are of all rated items; the cloud shows a
    sample.

    Parameters
    ----------
    model : BiasALS
        A fitted model; its users' biases are subtracted.
    items : DataFrame
        item_id, title; year where it is known.
    gammas : sequence of float
        The values of the damping to choose from, ascending, from 0 on.
    figure : callable, optional
        Draws the clouds for print, from the numbers of ratings (n,), the estimates by name of the
        damping, each (n,), and the mean of all ratings.

    Attributes
    ----------
    gamma : float
        One of `gammas`.
    fair : bool
        Whether the users' biases are subtracted.
    """

    gamma = traitlets.Float().tag(sync=True, page=True)
    fair = traitlets.Bool(False).tag(sync=True, page=True)

    def __init__(
        self,
        model: BiasALS,
        items: pd.DataFrame,
        gammas: Sequence[float],
        figure: Draw | None = None,
    ) -> None:
        if not isinstance(model, BiasALS):
            raise RecsysError(f"{type(model).__name__} is more than biases; fit BiasALS")
        if not gammas or list(gammas) != sorted(set(gammas)) or gammas[0] < 0:
            raise RecsysError(f"gammas are {list(gammas)!r}; give them ascending, from 0 on")
        known = model.known_ratings()
        users = np.repeat(model.user_biases_.astype(np.float64), known.counts)
        stars = known.values.astype(np.float64)
        n_items = len(model.item_ids_)
        counts = np.bincount(known.indices, minlength=n_items)
        sums = [np.bincount(known.indices, w, n_items) for w in (stars, stars - users)]
        self._counts, self._sums, self._mu = counts, np.array(sums), float(model.mu_)
        self._places = shown = self._shown(list(gammas))
        fixed = {
            "titles": titles_of(rows_of(items, model.item_ids_[shown].tolist())),
            "counts": counts[shown].tolist(),
            "sums": self._sums[:, shown].tolist(),
            "gammas": list(gammas),
            "mu": self._mu,
            "stars": list(model.scale_),
            "best": N_BEST,
        }
        super().__init__(figure, fixed, gamma=gammas[0])

    @traitlets.validate("gamma")
    def _check_gamma(self, proposal: Any) -> float:
        gamma: float = proposal["value"]
        if gamma not in self.fixed["gammas"]:
            raise DataError(f"gamma is {gamma!r}; it must be one of {self.fixed['gammas']}")
        return gamma

    def _estimates(self, gamma: float, fair: bool) -> np.ndarray:
        """Return all items' estimates (n_items,); -inf for those without a rating."""
        total = self._sums[int(fair)] + gamma * self._mu
        out = np.full(len(self._counts), -np.inf)
        return np.divide(total, self._counts + gamma, out=out, where=self._counts > 0)

    def _shown(self, gammas: list[float]) -> np.ndarray:
        """Return the items that are ever among the best, the best known, and some of the others."""
        of_note = [
            np.argsort(-self._estimates(gamma, fair), kind="stable")[:N_BEST]
            for gamma, fair in itertools.product(gammas, (False, True))
        ]
        by_count = np.argsort(-self._counts, kind="stable")[: (self._counts > 0).sum()]
        others = by_count[np.linspace(0, len(by_count) - 1, N_OTHERS).astype(int)]
        shown = np.unique(np.concatenate([*of_note, by_count[:N_KNOWN], others]))
        return shown[self._counts[shown] > 0]

    def best(self) -> pd.DataFrame:
        """Return the items at the top: title, ratings, estimate (stars)."""
        estimates = self._estimates(self.gamma, self.fair)[self._places]
        top = np.argsort(-estimates, kind="stable")[:N_BEST]
        titles = [self.fixed["titles"][i] for i in top]
        counts = self._counts[self._places[top]]
        return pd.DataFrame({"title": titles, "ratings": counts, "estimate": estimates[top]})

    def _still(self) -> Plain:
        gammas = self.fixed["gammas"]
        rated = self._counts > 0
        clouds = {
            f"γ = {gamma:g}": self._estimates(gamma, self.fair)[rated]
            for gamma in (gammas[0], gammas[len(gammas) // 2])
        }
        said = "Films' estimates over their number of ratings: with more damping, films with few "
        said += "ratings move towards the mean of all."
        return said, (self._counts[rated], clouds, self._mu)
