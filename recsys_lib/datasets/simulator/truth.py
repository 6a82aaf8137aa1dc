"""The truth behind simulated data: the distribution of any pair's rating, or watch ratio."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from recsys_lib.datasets.simulator.kernels import END, START, to_stars
from recsys_lib.errors import taking
from recsys_lib.ratings import Ratings, check_parts

_CHUNK = 1 << 20  # ratings that are looked at together, so that 100 M need no room


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Truth:
    """The true enjoyment e = μ + b_u + b_i + p_u·q_i + drift(t) of every pair, and its ratings.

    `RatingTruth` and `WatchTruth` say how a rating follows from the enjoyment. Methods take n user
    ids and n item ids of the data; a single id is repeated n times. They raise `UnknownIdError` for
    an unknown id and `DataError` where lengths differ.

    Attributes
    ----------
    user_biases, item_biases : (n_users,), (n_items,) float32
    user_factors, item_factors : (n_users, K), (n_items, K) float32
    ratings : Ratings
        The observed ratings; for watches, the big matrix.
    cold_items : (n,) int64
        Ids of the items without an observed rating.
    mu : float
        Enjoyment of the average item by an average user.
    drift : float
        Rise of everyone's enjoyment from the first day to the last.
    """

    user_biases: np.ndarray
    item_biases: np.ndarray
    user_factors: np.ndarray
    item_factors: np.ndarray
    ratings: Ratings
    cold_items: np.ndarray
    mu: float = 0.0
    drift: float = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_factors={self.user_factors.shape[1]}, {self.ratings!r})"

    def enjoyment(self, user_ids: Any, item_ids: Any, timestamps: Any = None) -> np.ndarray:
        """Return the enjoyment, (n,) float32, neither rounded nor clipped.

        Without timestamps (seconds since 1970), the drift is 0, its value in the middle of the
        period.
        """
        return self._enjoyment(*self._index(user_ids, item_ids, timestamps))

    def expected(self, user_ids: Any, item_ids: Any, timestamps: Any = None) -> np.ndarray:
        """Return the mean of the observed (rounded, clipped) rating, (n,) float32; exact.

        No other prediction has a smaller expected squared error.
        """
        return self._moments(*self._index(user_ids, item_ids, timestamps))[0].astype(np.float32)

    def std(self, user_ids: Any, item_ids: Any, timestamps: Any = None) -> np.ndarray:
        """Return the standard deviation of the observed rating, (n,) float32; exact."""
        variance = self._moments(*self._index(user_ids, item_ids, timestamps))[1]
        return np.sqrt(variance).astype(np.float32)

    def simulate(self, user_ids: Any, item_ids: Any, rng: np.random.Generator) -> np.ndarray:
        """Draw new ratings (n,) float32 of any pairs; a pair may be given more than once."""
        users, items, _ = self._index(user_ids, item_ids, None)
        drawn = np.empty(len(users), np.float32)
        for k in range(0, len(users), _CHUNK):
            part = slice(k, k + _CHUNK)
            x = self._enjoyment(users[part], items[part], None)
            drawn[part] = self._draw(x, users[part], rng)
        return drawn

    def noise_floor(self, ratings: Ratings | None = None) -> float:
        """Return the RMSE that no model can be expected to beat on these pairs.

        It is the square root of the mean variance of these ratings: the expected error of
        `expected`. `ratings` is a part of the data, by default all of it.
        """
        given = self.ratings if ratings is None else ratings
        check_parts(simulated=self.ratings, ratings=given)
        users, items, total = given.user_of_rating(), given.by_user.indices, 0.0
        for k in range(0, len(given), _CHUNK):
            part = slice(k, k + _CHUNK)
            times = None if given.timestamps is None else given.timestamps[part]
            total += float(self._moments(users[part], items[part], times)[1].sum())
        return sqrt(total / len(given)) if len(given) else float("nan")

    def _enjoyment(self, users: np.ndarray, items: np.ndarray, times: Any) -> np.ndarray:
        x = np.einsum("nk,nk->n", self.user_factors[users], self.item_factors[items])
        x += np.float32(self.mu) + self.user_biases[users] + self.item_biases[items]
        if times is not None:
            x += (self.drift * ((times - START) / (END - START) - 0.5)).astype(np.float32)
        return x

    def _moments(self, users: np.ndarray, items: np.ndarray, times: Any) -> tuple[Any, Any]:
        """Return mean and variance of the observed rating, (n,) float64, by index."""
        mean, square = self._means(self._enjoyment(users, items, times).astype(np.float64), users)
        return mean, square - mean**2

    # What a subclass says of users, by index, and of how much they enjoy an item each, (n,).

    def _means(self, x: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the means of the observed rating and of its square, (n,) float64."""
        raise NotImplementedError

    def _draw(self, x: np.ndarray, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        raise NotImplementedError

    def _index(self, user_ids: Any, item_ids: Any, timestamps: Any) -> tuple[Any, ...]:
        """Return user indices, item indices and times (or None), all of one length."""
        arrays = [self.ratings.user_index(user_ids), self.ratings.item_index(item_ids)]
        if timestamps is not None:
            arrays.append(np.atleast_1d(timestamps))
        lengths = ", ".join(str(len(a)) for a in arrays)
        with taking(f"users, items (and timestamps) that are {lengths} long, not as many of each,"):
            users, items, *times = np.broadcast_arrays(*arrays)
        return users, items, times[0] if times else None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RatingTruth(Truth):
    """The true model of star ratings: enjoyment plus normal noise, rounded as the user does.

    Attributes
    ----------
    user_noise : (n_users,) float32
        Standard deviation of the noise, in stars, before rounding.
    user_halves : (n_users,) float32
        Width h of the bins that round to half stars; those of whole stars are 1 − h wide. Users
        with h = 0 give whole stars from 1 to 5, the others half stars from 0.5 to 5.
    """

    user_noise: np.ndarray
    user_halves: np.ndarray

    def _means(self, x: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # With levels v_0 < ... < v_9 and P(stars >= v_l) = Φ((x − c_l) / sd), with c_l the lower
        # edge of level l, the mean is v_0 + Σ (v_l − v_{l−1}) P(stars >= v_l).
        h, sd = self.user_halves[users].astype(np.float64), self.user_noise[users]
        first = np.where(h > 0, 0.5, 1.0)
        mean, square = first, first**2
        for level in np.arange(1.0, 5.5, 0.5):
            width = h if level % 1 else 1 - h
            at_least = np.where(level > first, ndtr((x - level + width / 2) / sd), 0)
            mean = mean + 0.5 * at_least
            square += (level - 0.25) * at_least  # level² − (level − 0.5)²
        return mean, square

    def _draw(self, x: np.ndarray, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = self.user_noise[users] * rng.standard_normal(len(users))
        return to_stars(x + noise, self.user_halves[users])


# Watch ratios: see `WatchTruth`.
SKIP, STEEP, GLANCE, LEVEL, SLOPE, NOISE = 1.3, 0.8, 0.06, -0.35, 0.4, 0.42


class WatchTruth(Truth):
    """The true model of watch ratios: a user skips a video, or watches some of it or more.

    A video is skipped with probability 1 / (1 + exp(SKIP + STEEP e)), after an exponential time
    with mean GLANCE (in lengths of the video). Otherwise the ratio is log-normal with median
    exp(LEVEL + SLOPE e) and standard deviation NOISE of the logarithm; above 1, the video was
    played again. For each user every quantile rises with e, so the order of e is the best ranking,
    whatever ratio counts as a like.
    """

    def _means(self, x: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        skipped, centre = self._skipped(x)
        mean = skipped * GLANCE + (1 - skipped) * np.exp(centre + NOISE**2 / 2)
        square = 2 * skipped * GLANCE**2 + (1 - skipped) * np.exp(2 * centre + 2 * NOISE**2)
        return mean, square

    def _draw(self, x: np.ndarray, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p, centre = self._skipped(x.astype(np.float64))
        skipped = rng.random(p.shape) < p
        glance = GLANCE * rng.standard_exponential(p.shape)
        played = np.exp(centre + NOISE * rng.standard_normal(p.shape))
        return np.where(skipped, glance, played)

    def _skipped(self, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probability of a skip, and the logarithm of the median otherwise."""
        return expit(-SKIP - STEEP * e), LEVEL + SLOPE * e
