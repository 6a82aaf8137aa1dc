"""The simulator's kernels: when people come, what they see, how many stars they give."""

from math import cos, exp, inf, log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit, vectorize

from recsys_lib.kernels.bpr import next_random, scramble

DAY = 86_400.0
YEAR = 365.2425 * DAY
START = 26 * YEAR  # 1996: nobody rates before
END = 48 * YEAR  # 2018: nobody rates after
BLOCK = 64  # users that are worth a thread


class Users(NamedTuple):
    """What the kernels know of users, an entry each."""

    bias: np.ndarray
    factors: np.ndarray
    noise: np.ndarray
    halves: np.ndarray
    began: np.ndarray  # time of the first rating
    returns: np.ndarray  # probability that the next rating is made another day
    indptr: np.ndarray  # where their ratings stand


class Films(NamedTuple):
    """What the kernels know of films, an entry each."""

    bias: np.ndarray
    factors: np.ndarray
    released: np.ndarray
    weight: np.ndarray  # popularity; sums to 1
    cumulative: np.ndarray
    guide: np.ndarray  # guide[k]: the first item whose cumulative weight exceeds k / n_items


# The kernels. Each user has a stream of random numbers of its own, so neither the number of threads
# nor the order of users changes a bit.


@njit(cache=True)
def _uniform(state: np.ndarray) -> float:
    """Return a number in (0, 1)."""
    return (float(next_random(state) >> np.uint64(12)) + 0.5) * 2.0**-52


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
            gap = 5 * DAY * exp(1.7 * _normal(state))
        else:
            gap = 8 * exp(2 * _normal(state))
        t += gap
    if t >= END:  # too long a story: told in part of the time that is left, and not all to the end
        room = (END - began) * (0.2 + 0.8 * _uniform(state)) / (t - began)
        for k in range(len(times)):
            times[k] = int(began + room * (times[k] - began))


@njit(cache=True)
def _dot(a: np.ndarray, b: np.ndarray) -> float:
    x = 0.0
    for k in range(len(a)):
        x += a[k] * b[k]
    return x


@njit(cache=True)
def _appeal(p: np.ndarray, films: Films, i: int, t: float) -> float:
    """Return how likely a user takes up a film that comes along, in (0, 1): new, and to taste."""
    age = (t - films.released[i]) / YEAR
    return (0.15 + 0.85 * exp(-age / 12)) / (1 + exp(-1.5 * _dot(p, films.factors[i])))


@njit(cache=True)
def _choose(
    state: np.ndarray,
    p: np.ndarray,
    films: Films,
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
            order = np.argsort(clock)
            for later in range(k, len(times)):
                chosen[later] = order[later - k]
            return
        seen[found] = me
        chosen[k] = found


@vectorize(cache=True)
def to_stars(x: float, h: float) -> float:
    """Round enjoyment to the scale of a user whose half stars' bins are `h` wide; any arrays do."""
    whole = np.floor(x + 0.5)
    if x - whole > (1 - h) / 2:
        whole += 0.5
    elif whole - x > (1 - h) / 2:
        whole -= 0.5
    return min(max(whole, 0.5 if h > 0 else 1.0), 5.0)


@njit(nogil=True, cache=True)
def live(
    part: int,
    parts: int,
    key: np.uint64,
    mu: float,
    drift: float,
    users: Users,
    films: Films,
    rated: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Fill in every `parts`-th user's items, ascending, ratings and times."""
    indices, values, times = rated
    seen = np.full(len(films.weight), -1, np.int32)
    state = np.empty(1, np.uint64)
    for u in range(part, len(users.bias), parts):
        state[0] = scramble(key ^ scramble(np.uint64(u + 1)))
        first = users.indptr[u]
        when = np.empty(users.indptr[u + 1] - first, np.int64)
        chosen = np.empty(len(when), np.int32)
        stars = np.empty(len(when), np.float32)
        _visit(state, users.began[u], users.returns[u], when)
        _choose(state, users.factors[u], films, when, seen, u, chosen)
        for k in range(len(when)):
            i = chosen[k]
            x = mu + users.bias[u] + films.bias[i] + _dot(users.factors[u], films.factors[i])
            x += drift * ((when[k] - START) / (END - START) - 0.5)
            stars[k] = to_stars(x + users.noise[u] * _normal(state), users.halves[u])
        order = np.argsort(chosen)
        for k in range(len(when)):
            indices[first + k] = chosen[order[k]]
            values[first + k] = stars[order[k]]
            times[first + k] = when[order[k]]
