"""The truth behind simulated watches: the distribution of any pair's watch ratio."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from recsys_lib.errors import DataError
from recsys_lib.ratings import Ratings

LIKED = 2.0  # watch ratio: KuaiRec's authors suggest "more than twice" as a like


@dataclass(frozen=True, eq=False, repr=False)
class WatchTruth:
    """What the simulator of watches knows: a watch ratio's distribution for any pair.

    With enjoyment e = b_u + b_i + p_u·q_i, a video is skipped with probability 1 / (1 + exp(skip +
    steep e)), after a time that is exponential with mean ``glance`` (of the video's length).
    Otherwise the ratio is log-normal, with median exp(level + slope e) and a logarithm that spreads
    by ``noise``: people stop before the end, or let the video begin anew. For one user, every
    quantile rises with e, so that the order of e is the best order, whatever ratio makes a like.

    Attributes
    ----------
    user_biases, item_biases : (n_users,), (n_items,) float32
    user_factors, item_factors : (n_users, K), (n_items, K) float32
    ratings, full : Ratings
        What was observed: the big matrix and the small one.
    cold_items : (n,) int64
        Ids of the videos that nobody watched in the big matrix.
    """

    user_biases: np.ndarray
    item_biases: np.ndarray
    user_factors: np.ndarray
    item_factors: np.ndarray
    skip: float
    steep: float
    glance: float
    level: float
    slope: float
    noise: float
    ratings: Ratings
    full: Ratings
    cold_items: np.ndarray

    def __repr__(self) -> str:
        return f"WatchTruth(n_factors={self.user_factors.shape[1]}, {self.ratings!r})"

    def enjoyment(self, user_ids: Any, item_ids: Any) -> np.ndarray:
        """Return b_u + b_i + p_u·q_i, (n,) float64.

        Parameters
        ----------
        user_ids, item_ids : array-like
            The data's own ids, n of each; a single one stands for n times the same.

        Raises
        ------
        UnknownIdError
            An id that the data does not hold.
        DataError
            Lengths differ.
        """
        users, items = self.ratings.user_index(user_ids), self.ratings.item_index(item_ids)
        try:
            users, items = np.broadcast_arrays(users, items)
        except ValueError:
            raise DataError(
                f"users and items are {len(users)}, {len(items)} long: give as many of each"
            ) from None
        return self._enjoyment(users, items)

    def p_more(self, user_ids: Any, item_ids: Any, ratio: float = LIKED) -> np.ndarray:
        """Return P(watch ratio > `ratio`), (n,) float64, by default that of a like; exact."""
        return self._p_more(self.enjoyment(user_ids, item_ids), ratio)

    def expected(self, user_ids: Any, item_ids: Any) -> np.ndarray:
        """Return the mean watch ratio, (n,) float32: no prediction has a smaller expected error."""
        return self._moments(self.enjoyment(user_ids, item_ids))[0].astype(np.float32)

    def std(self, user_ids: Any, item_ids: Any) -> np.ndarray:
        """Return the standard deviation of the watch ratio, (n,) float32; exact."""
        mean, square = self._moments(self.enjoyment(user_ids, item_ids))
        return np.sqrt(square - mean**2).astype(np.float32)

    def simulate(self, user_ids: Any, item_ids: Any, rng: np.random.Generator) -> np.ndarray:
        """Draw watch ratios anew, (n,) float32, for any pairs and as often as they are given."""
        return self._draw(self.enjoyment(user_ids, item_ids), rng)

    def _enjoyment(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        taste = np.einsum("nk,nk->n", self.user_factors[users], self.item_factors[items])
        e = self.user_biases[users] + self.item_biases[items] + taste
        return e.astype(np.float64)

    def _p_more(self, e: np.ndarray, ratio: float) -> np.ndarray:
        if ratio <= 0:
            return np.ones_like(e)
        skipped = expit(-self.skip - self.steep * e)
        played = ndtr((self.level + self.slope * e - log(ratio)) / self.noise)
        return skipped * np.exp(-ratio / self.glance) + (1 - skipped) * played

    def _moments(self, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return E y and E y²."""
        skipped, centre = expit(-self.skip - self.steep * e), self.level + self.slope * e
        mean = skipped * self.glance + (1 - skipped) * np.exp(centre + self.noise**2 / 2)
        square = 2 * skipped * self.glance**2
        return mean, square + (1 - skipped) * np.exp(2 * centre + 2 * self.noise**2)

    def _draw(self, e: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        skipped = rng.random(e.shape) < expit(-self.skip - self.steep * e)
        glance = self.glance * rng.standard_exponential(e.shape)
        played = np.exp(self.level + self.slope * e + self.noise * rng.standard_normal(e.shape))
        return np.where(skipped, glance, played).astype(np.float32)
