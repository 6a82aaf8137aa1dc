"""A simulator of MovieLens that knows the truth: the distribution of any pair's rating."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, cos, erfc, exp, floor, inf, log, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numba import njit, prange

from recsys_lib.datasets import titles
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.errors import DataError
from recsys_lib.ratings import CSR, Ratings

__all__ = ["Truth", "generate"]

_DAY = 86_400.0
_YEAR = 365.2425 * _DAY
_START = 26 * _YEAR  # 1996: nobody rates before
_HALF_STARS = 33 * _YEAR  # 2003: who came before keeps to whole stars
_END = 48 * _YEAR  # 2018: nobody rates after
_BLOCK = 64  # users that share one scratch array
_CHUNK = 1 << 20  # ratings that `Truth` looks at together
_GENRE_SHARE = 0.4  # of the variance of a film's factors


class _Options(NamedTuple):
    n_users: int
    n_items: int
    n_ratings: int
    seed: int
    n_factors: int
    taste: float
    noise: float
    min_ratings: int


class _Users(NamedTuple):
    bias: np.ndarray
    factors: np.ndarray
    noise: np.ndarray
    halves: np.ndarray
    began: np.ndarray  # time of the first rating
    returns: np.ndarray  # probability that the next rating is made another day
    indptr: np.ndarray  # where their ratings stand


class _Films(NamedTuple):
    bias: np.ndarray
    factors: np.ndarray
    released: np.ndarray
    weight: np.ndarray  # popularity; sums to 1
    cumulative: np.ndarray
    guide: np.ndarray  # guide[k]: the first item whose cumulative weight exceeds k / n_items


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
        return _round(self._enjoyment(users, items, times) + noise, self.user_halves[users])

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
            x += (self.drift * ((times - _START) / (_END - _START) - 0.5)).astype(np.float32)
        return x

    def _moments(
        self, users: np.ndarray, items: np.ndarray, times: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        x = self._enjoyment(users, items, times)
        mean, variance = np.empty_like(x), np.empty_like(x)
        _star_moments(x, self.user_noise[users], self.user_halves[users], mean, variance)
        return mean, variance


def generate(
    n_users: int = 1_000,
    n_items: int = 2_000,
    n_ratings: int = 100_000,
    *,
    seed: int = 0,
    n_factors: int = 8,
    taste: float = 0.45,
    noise: float = 0.735,
    min_ratings: int = 20,
) -> Dataset:
    """Simulate users who watch and rate films.

    A rating is the enjoyment μ + b_u + b_i + p_u·q_i + drift(t) plus normal noise, rounded by the
    user's own habit. What is watched depends on the film's popularity, its age and the user's taste
    p_u·q_i but never on the noise, so observed ratings have the distribution that `Truth` says.

    Parameters
    ----------
    n_users, n_items, n_ratings : int
        Exactly `n_ratings` are made, no pair twice. Some items may get none.
    seed : int
        Same seed, same bits, at any number of threads.
    n_factors : int
        K, the length of p_u and q_i; each dimension weighs less than the one before.
    taste : float
        Standard deviation of p_u·q_i over all pairs, in stars.
    noise : float
        Median over users of the noise's standard deviation, in stars.
    min_ratings : int
        Fewest ratings of a user; MovieLens has 20.

    Returns
    -------
    Dataset
        With `truth`.

    Raises
    ------
    DataError
        The sizes contradict each other; the message says what to change.
    """
    options = _Options(**locals())
    _check(options)
    rng = np.random.default_rng(seed)
    items, films, genre_vectors = _make_films(options, rng)
    users = _make_users(options, films.released, rng)
    mu, drift = 3.6, 0.1  # what is observed has a mean of about 3.5, as MovieLens has
    indices, values = np.empty(n_ratings, np.int32), np.empty(n_ratings, np.float32)
    times = np.empty(n_ratings, np.int64)
    key = rng.integers(2**64, dtype=np.uint64)
    _live(key, mu, drift, users, films, indices, values, times)
    ids = items["item_id"].to_numpy()
    ratings = Ratings(
        np.arange(1, n_users + 1), ids, CSR(users.indptr, indices, values), timestamps=times
    )
    truth = Truth(
        mu=mu,
        drift=drift,
        user_biases=users.bias,
        item_biases=films.bias,
        user_factors=users.factors,
        item_factors=films.factors,
        genre_vectors=genre_vectors,
        user_noise=users.noise,
        user_halves=users.halves,
        ratings=ratings,
        cold_items=ids[np.bincount(indices, minlength=n_items) == 0],
    )
    info = {
        "name": "synthetic",
        "source": "synthetic",
        "path": None,
        "licence": "none needed: all users, films and ratings are invented",
        "citation": None,
        "url": None,
        "options": options._asdict(),
    }
    return Dataset("synthetic", ratings, items, None, info, truth)


def _check(options: _Options) -> None:
    """Refuse options that are out of range or contradict each other."""
    for name, value in options._asdict().items():
        if name in ("taste", "noise"):
            if not 0 <= value < inf:
                raise DataError(f"{name}={value!r}: it must be a number of stars, not negative")
        elif not isinstance(value, int | np.integer) or value < (name != "seed"):
            raise DataError(f"{name}={value!r}: it must be a whole number and positive")
    n_users, n_items, n_ratings, min_ratings = options[0], options[1], options[2], options[-1]
    if n_ratings > n_users * n_items:
        raise DataError(
            f"n_ratings={n_ratings} is more than the {n_users * n_items} pairs of "
            f"n_users={n_users} and n_items={n_items}: ask for fewer ratings or more of the others"
        )
    if n_ratings < n_users * min_ratings:
        raise DataError(
            f"n_ratings={n_ratings} is too few for n_users={n_users} with min_ratings={min_ratings}"
            f" each: ask for at least {n_users * min_ratings} ratings, for fewer users or for a "
            "smaller min_ratings"
        )


def _make_films(
    options: _Options, rng: np.random.Generator
) -> tuple[pd.DataFrame, _Films, np.ndarray]:
    """Return the table of films, what the kernels need of it, and the genres' vectors."""
    n, n_factors = options.n_items, options.n_factors
    genres = titles.draw_genres(n, rng)
    years = titles.draw_years(genres, rng)
    names = np.array(titles.GENRES)
    table = pd.DataFrame(
        {
            # Ids have gaps, as MovieLens' have: who takes an id for an index is found out.
            "item_id": np.cumsum(rng.integers(1, 4, n)),
            "title": pd.Series(titles.invent_titles(genres, years, rng), dtype="str"),
            "year": pd.array(years.astype(np.int64), dtype="Int64"),
            "genres": pd.Series(["|".join(names[row]) for row in genres], dtype="str"),
        }
    )
    fame = rng.standard_normal(n) + titles.blend(genres, titles.POPULARITY)
    fame = (fame - fame.mean()) / max(fame.std(), 1e-9)
    # Good films are seen more; and they fail further below the middle than they succeed above it.
    luck = rng.standard_normal(n)
    bias = 0.27 * fame + titles.blend(genres, titles.QUALITY) + 0.3 * luck - 0.08 * luck**2
    vectors = _genre_vectors(n_factors, rng)
    own = sqrt(1 - _GENRE_SHARE) * rng.standard_normal((n, n_factors))
    # The larger the catalogue, the longer its tail; though everything in it somebody cared for. And
    # no film takes more than about 1 % of the choices: half of MovieLens' users have seen its most
    # popular film, the other half have not.
    size = log(n / 2000)
    weight = np.exp(max(1.2, 1.6 + 0.22 * size + 0.045 * size * abs(size)) * fame)
    weight += 0.4 * weight.sum() / options.n_ratings
    capped = weight
    for _ in range(20):  # the limit depends on the sum of what it limits
        capped = weight / (1 + weight / (max(0.011, 5 / n) * capped.sum()))
    weight = capped / capped.sum()
    cumulative = np.cumsum(weight)
    cumulative /= cumulative[-1]
    films = _Films(
        bias=(bias - (weight * bias).sum()).astype(np.float32),
        factors=(titles.blend(genres, vectors) + own).astype(np.float32),
        released=(years - 1970) * _YEAR + 2 * _DAY,  # calendar years begin up to 2 days late
        weight=weight,
        cumulative=cumulative,
        guide=np.searchsorted(cumulative, np.arange(n) / n, side="right"),
    )
    return table, films, vectors.astype(np.float32)


def _genre_vectors(n_factors: int, rng: np.random.Generator) -> np.ndarray:
    """Return f_g, (19, K): genres that keep company are alike.

    They are centred and scaled so that Σ_g f_g / √F_i has variance _GENRE_SHARE over films.
    """
    sets, p = titles.genre_sets()
    pairs = titles.genre_pairs()
    raw = rng.standard_normal((len(pairs), n_factors))
    f = raw + np.einsum("gh,hk->gk", pairs / np.diag(pairs), raw)
    ones = np.ones(len(pairs))
    f -= np.einsum("s,sk->k", p, titles.blend(sets, f)) / (p * titles.blend(sets, ones)).sum()
    return f * np.sqrt(_GENRE_SHARE / np.einsum("s,sk->k", p, titles.blend(sets, f) ** 2))


def _make_users(options: _Options, released: np.ndarray, rng: np.random.Generator) -> _Users:
    n, n_films = options.n_users, len(released)
    zeal = rng.standard_normal(n)
    # Nobody sees more than half of all films, unless the average user must see a quarter.
    most = ceil(np.clip(2 * options.n_ratings / n, n_films / 2, n_films))
    counts = _share_out(options.n_ratings, np.exp(1.35 * zeal), options.min_ratings, most)
    # Some years bring more newcomers. Nobody begins before there are films enough to rate.
    year = rng.choice(22, n, p=rng.dirichlet(np.full(22, 8.0)))
    enough = np.minimum(counts + counts // 2, n_films) - 1
    began = np.minimum(_START + (year + rng.random(n)) * _YEAR, _END - 60.0 * counts)
    began = np.ceil(np.maximum(began, np.sort(released)[enough]))
    halves = np.where(rng.random(n) < 0.1, 0, rng.uniform(0.35, 0.6, n))
    halves[began < _HALF_STARS] = 0
    spectrum = 0.75 ** np.arange(options.n_factors)
    spectrum *= options.taste / sqrt((spectrum**2).sum())
    strength = np.exp(0.3 * rng.standard_normal((n, 1)) - 0.09)  # mean square 1
    return _Users(
        bias=(0.4 * rng.standard_normal(n) - 0.07 * zeal).astype(np.float32),
        factors=(strength * spectrum * rng.standard_normal((n, len(spectrum)))).astype(np.float32),
        noise=(options.noise * np.exp(0.3 * rng.standard_normal(n))).astype(np.float32),
        halves=halves.astype(np.float32),
        began=began,
        returns=0.5 * rng.random(n) ** 9,  # most come once, some for years
        indptr=np.concatenate([[0], np.cumsum(counts)]),
    )


def _share_out(total: int, shares: np.ndarray, least: int, most: int) -> np.ndarray:
    """Return whole numbers from `least` to `most`, (n,) int64, that add up to `total`.

    They are in proportion to `shares` as far as the limits allow.
    """
    spare = total - least * len(shares)
    low, high = 0.0, float(most / shares.min())
    for _ in range(200):  # bisection on the common factor, to the last bit
        middle = (low + high) / 2
        if np.minimum(middle * shares, most - least).sum() <= spare:
            low = middle
        else:
            high = middle
    exact = np.minimum(low * shares, most - least)
    counts = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(counts - exact, kind="stable")[: spare - counts.sum()]
    counts[largest_remainders] += 1
    return counts + least


# The kernels. Each user has a stream of random numbers of its own, so neither the number of threads
# nor the order of users changes a bit.


@njit(cache=True)
def _mix(z: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of SplitMix64: Steele, Lea and Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def _uniform(state: np.ndarray) -> float:
    """Return a number in (0, 1): SplitMix64, a counter and the scrambler."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    return (float(_mix(state[0]) >> np.uint64(12)) + 0.5) * 2.0**-52


@njit(cache=True)
def _normal(state: np.ndarray) -> float:
    return sqrt(-2 * log(_uniform(state))) * cos(2 * pi * _uniform(state))


@njit(cache=True)
def _visit(state: np.ndarray, began: float, returns: float, times: np.ndarray) -> None:
    """Fill in when a user rates: seconds apart within a visit, days to years between visits."""
    t = began
    for k in range(len(times)):
        times[k] = int(t)
        if _uniform(state) < returns:
            gap = 5 * _DAY * exp(1.7 * _normal(state))
        else:
            gap = 8 * exp(2 * _normal(state))
        if t + gap < _END:
            t += gap


@njit(cache=True)
def _dot(a: np.ndarray, b: np.ndarray) -> float:
    x = 0.0
    for k in range(len(a)):
        x += a[k] * b[k]
    return x


@njit(cache=True)
def _appeal(p: np.ndarray, films: _Films, i: int, t: float) -> float:
    """Return how likely a user takes up a film that comes along, in (0, 1): new, and to taste."""
    age = (t - films.released[i]) / _YEAR
    return (0.15 + 0.85 * exp(-age / 12)) / (1 + exp(-1.5 * _dot(p, films.factors[i])))


@njit(cache=True)
def _choose(
    state: np.ndarray,
    p: np.ndarray,
    films: _Films,
    times: np.ndarray,
    seen: np.ndarray,
    me: int,
    chosen: np.ndarray,
) -> None:
    """Fill in which films a user sees, each with probability in proportion to weight x appeal.

    Films come along by their weight, and are passed over if seen (``seen[i] == me``), not yet
    released or not appealing. A user who has seen most of what comes along takes the rest in one
    go: the same distribution, by a race of exponential clocks over all films.
    """
    n = len(films.weight)
    patience = 2 * n
    for k in range(len(times)):
        t = float(times[k])
        found = -1
        while found < 0 and patience > 0:
            patience -= 1
            u = _uniform(state)
            i = films.guide[int(u * n)]
            while films.cumulative[i] < u:
                i += 1
            fresh = seen[i] != me and films.released[i] <= t
            if fresh and _uniform(state) < _appeal(p, films, i, t):
                found = i
        if found < 0:
            clock = np.full(n, inf)
            for i in range(n):
                if seen[i] != me and films.released[i] <= t:
                    rate = films.weight[i] * _appeal(p, films, i, t)
                    clock[i] = -log(_uniform(state)) / rate
            chosen[k:] = np.argsort(clock)[: len(times) - k]
            return
        seen[found] = me
        chosen[k] = found


@njit(cache=True)
def _stars(x: float, h: float) -> float:
    """Round enjoyment to the scale of a user whose half stars' bins are `h` wide."""
    whole = np.floor(x + 0.5)
    if x - whole > (1 - h) / 2:
        whole += 0.5
    elif whole - x > (1 - h) / 2:
        whole -= 0.5
    return min(max(whole, 0.5 if h > 0 else 1.0), 5.0)


@njit(parallel=True, cache=True)
def _live(
    key: np.uint64,
    mu: float,
    drift: float,
    users: _Users,
    films: _Films,
    indices: np.ndarray,
    values: np.ndarray,
    times: np.ndarray,
) -> None:
    """Simulate everybody's visits, choices and ratings; ends sorted by item within each user."""
    n_users = len(users.bias)
    for block in prange((n_users + _BLOCK - 1) // _BLOCK):
        seen = np.full(len(films.weight), -1, np.int32)
        state = np.empty(1, np.uint64)
        for u in range(block * _BLOCK, min((block + 1) * _BLOCK, n_users)):
            state[0] = _mix(key ^ _mix(np.uint64(u + 1)))
            mine = slice(users.indptr[u], users.indptr[u + 1])
            when = np.empty(users.indptr[u + 1] - users.indptr[u], np.int64)
            chosen = np.empty(len(when), np.int32)
            stars = np.empty(len(when), np.float32)
            _visit(state, users.began[u], users.returns[u], when)
            _choose(state, users.factors[u], films, when, seen, u, chosen)
            for k in range(len(when)):
                i = chosen[k]
                x = mu + users.bias[u] + films.bias[i] + _dot(users.factors[u], films.factors[i])
                x += drift * ((when[k] - _START) / (_END - _START) - 0.5)
                stars[k] = _stars(x + users.noise[u] * _normal(state), users.halves[u])
            order = np.argsort(chosen)
            indices[mine] = chosen[order]
            values[mine] = stars[order]
            times[mine] = when[order]


@njit(cache=True)
def _round(x: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Return `_stars` of each."""
    stars = np.empty(len(x), np.float32)
    for k in range(len(x)):
        stars[k] = _stars(x[k], halves[k])
    return stars


@njit(parallel=True, cache=True)
def _star_moments(
    x: np.ndarray, sd: np.ndarray, halves: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> None:
    """Fill in mean and variance of ``_stars(x + sd ε)``, ε standard normal.

    With levels v_0 < ... < v_9 and P(rating >= v_l) = Φ((x − c_l) / sd), c_l the lower edge of
    level l: E = v_0 + Σ (v_l − v_{l−1}) P(>= v_l), and likewise for the square.
    """
    for k in prange(len(x)):
        h = halves[k]
        first = 0.5 if h > 0 else 1.0
        m, square = first, first * first
        level = first + 0.5
        while level <= 5.0:
            is_half = level != floor(level)
            width = h if is_half else 1 - h
            at_least = 0.5 * erfc((level - width / 2 - x[k]) / (sd[k] * sqrt(2.0)))
            m += 0.5 * at_least
            square += (level - 0.25) * at_least  # level² − (level − 0.5)²
            level += 0.5
        mean[k] = m
        variance[k] = square - m * m
