"""The truth behind simulated ratings: the distribution of any pair's rating."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from recsys_lib.datasets.simulation import END, START, round_stars, star_moments
from recsys_lib.errors import DataError
from recsys_lib.ratings import Ratings

_CHUNK = 1 << 20  # ratings that are looked at together


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """What the simulator knows: a rating's distribution for any pair, cold films included.

    Attributes
    ----------
    mu : float
        Enjoyment of the average film that comes along by an average user, in stars.
    drift : float
        By how many stars everyone's enjoyment rises from the first day to the last.
    user_biases, item_biases : (n_users,), (n_items,) float32
    user_factors, item_factors : (n_users, K), (n_items, K) float32
    genre_vectors : (19, K) float32
        f_g, rows as in `titles.GENRES`: q_i = Σ_g f_g / √F_i + a part of the film's own.
    user_noise : (n_users,) float32
        Standard deviation of the noise, in stars, before rounding.
    user_halves : (n_users,) float32
        Width h of the bins that round to half stars; those of whole stars are 1 − h wide. Users
        with h = 0 give whole stars from 1 to 5, the others half stars from 0.5 to 5.
    ratings : Ratings
        What was observed.
    cold_items : (n,) int64
        Ids of the films that nobody rated.
    """

    mu: float
    drift: float
    user_biases: np.ndarray
    item_biases: np.ndarray
    user_factors: np.ndarray
    item_factors: np.ndarray
    genre_vectors: np.ndarray
    user_noise: np.ndarray
    user_halves: np.ndarray
    ratings: Ratings
    cold_items: np.ndarray

    def __repr__(self) -> str:
        return f"Truth(mu={self.mu:g}, n_factors={self.user_factors.shape[1]}, {self.ratings!r})"

    def enjoyment(self, user_ids: Any, item_ids: Any, timestamps: Any = None) -> np.ndarray:
        """Return μ + b_u + b_i + p_u·q_i + drift(t), (n,) float32, neither rounded nor clipped.

        Parameters
        ----------
        user_ids, item_ids : array-like
            The data's own ids, n of each; a single one stands for n times the same.
        timestamps : array-like, optional
            Seconds since 1970. Without it, the drift is that of the middle of the period: none.

        Raises
        ------
        UnknownIdError
            An id that the data does not hold.
        DataError
            Lengths differ.
        """
        return self._enjoyment(*self._index(user_ids, item_ids, timestamps))

    def expected(self, user_ids: Any, item_ids: Any, timestamps: Any = None) -> np.ndarray:
        """Return the mean of the observed (rounded, clipped) rating, (n,) float32; exact.

        No prediction has a smaller expected squared error. Parameters as for `enjoyment`.
        """
        return self._moments(*self._index(user_ids, item_ids, timestamps))[0]

    def std(self, user_ids: Any, item_ids: Any, timestamps: Any = None) -> np.ndarray:
        """Return the standard deviation of the observed rating, (n,) float32; exact."""
        return np.sqrt(self._moments(*self._index(user_ids, item_ids, timestamps))[1])

    def simulate(
        self, user_ids: Any, item_ids: Any, rng: np.random.Generator, timestamps: Any = None
    ) -> np.ndarray:
        """Draw ratings anew, (n,) float32, for any pairs and as often as they are given."""
        users, items, times = self._index(user_ids, item_ids, timestamps)
        noise = self.user_noise[users] * rng.standard_normal(len(users))
        return round_stars(self._enjoyment(users, items, times) + noise, self.user_halves[users])

    def noise_floor(self, ratings: Ratings | None = None) -> float:
        """Return the RMSE that no model can be expected to beat on these pairs.

        It is the root of the mean variance of their ratings: that of `expected` itself, before the
        dice are cast. `ratings` are a part of the data, by default all of it.
        """
        return self._root_mean(variance for _, variance, _ in self._observed(ratings))

    def rmse(self, ratings: Ratings | None = None) -> float:
        """Return the RMSE of `expected` on these very ratings: that of a model that knows all."""
        return self._root_mean((r - mean) ** 2 for mean, _, r in self._observed(ratings))

    @staticmethod
    def _root_mean(chunks: Iterator[np.ndarray]) -> float:
        total = count = 0.0
        for chunk in chunks:
            total += float(chunk.sum(dtype=np.float64))
            count += len(chunk)
        return sqrt(total / count) if count else float("nan")

    def _observed(
        self, ratings: Ratings | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield means, variances and ratings, some at a time so that 100 M need no room."""
        given = self.ratings if ratings is None else ratings
        if not (
            np.array_equal(given.user_ids, self.ratings.user_ids)
            and np.array_equal(given.item_ids, self.ratings.item_ids)
        ):
            raise DataError(
                "these ratings are not of this simulated data: pass a part of it, as splits return"
            )
        users, times = given.user_of_rating(), given.timestamps
        for k in range(0, len(given), _CHUNK):
            part = slice(k, k + _CHUNK)
            when = None if times is None else times[part]
            moments = self._moments(users[part], given.by_user.indices[part], when)
            yield *moments, given.by_user.values[part]

    def _index(self, user_ids: Any, item_ids: Any, timestamps: Any) -> tuple[Any, ...]:
        """Return user indices, item indices and times (or None), all of one length."""
        arrays = [self.ratings.user_index(user_ids), self.ratings.item_index(item_ids)]
        if timestamps is not None:
            arrays.append(np.atleast_1d(timestamps))
        try:
            users, items, *times = np.broadcast_arrays(*arrays)
        except ValueError:
            lengths = ", ".join(str(len(a)) for a in arrays)
            raise DataError(
                f"users, items (and timestamps) are {lengths} long: give as many of each"
            ) from None
        return users, items, times[0] if times else None

    def _enjoyment(self, users: np.ndarray, items: np.ndarray, times: Any) -> np.ndarray:
        x = np.einsum("nk,nk->n", self.user_factors[users], self.item_factors[items])
        x += np.float32(self.mu) + self.user_biases[users] + self.item_biases[items]
        if times is not None:
            x += (self.drift * ((times - START) / (END - START) - 0.5)).astype(np.float32)
        return x

    def _moments(
        self, users: np.ndarray, items: np.ndarray, times: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        x = self._enjoyment(users, items, times)
        mean, variance = np.empty_like(x), np.empty_like(x)
        star_moments(x, self.user_noise[users], self.user_halves[users], mean, variance)
        return mean, variance
