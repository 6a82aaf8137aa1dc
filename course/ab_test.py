"""A/B tests: who sees which arm, how sure the difference is, and how often a rule is wrong.

The rate of an arm is conversions per visit. Users are dealt to the arms, and one user's visits are
alike; so what is independent are users, not visits. The rate is a ratio of two means over users,
and its standard error that of the delta method (Deng, Knoblich & Lu 2018, doi
10.1145/3219819.3219919).

A p-value holds for one look at a time fixed beforehand. The always-valid ones hold for any number
of looks: if the difference is 0, the likelihood ratio of "it is drawn from N(0, κ²)" to "it is 0"
is a martingale: it ever exceeds 1 / α with probability α at most (Ville's inequality). This is
the mixture sequential probability ratio test (Robbins 1970; Johari et al. 2022, doi
10.1287/opre.2021.2135). It takes the estimate's variance V as known, and what comes in between two
looks as independent of what came before. How nearly that is so, `replay` measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from recsys_lib.errors import RecsysError

REPLAYS_AT_A_TIME = 256  # it bounds the memory and changes no number


def assign(user_ids: Any, experiment: str, shares: Sequence[float] = (0.5, 0.5)) -> np.ndarray:
    """Return each user's arm, (n,) int8, from 0: a hash of the id and of the experiment's name.

    The same user gets the same arm of an experiment on every visit and every machine, without a
    table to keep; experiments of other names deal arms independently. `user_ids` are whole numbers
    (n,); `shares` are the arms' shares of the users and add up to 1, or `RecsysError` is raised.
    """
    ids = np.atleast_1d(user_ids)
    if ids.dtype.kind not in "iu":
        raise RecsysError(f"user ids are {ids.dtype}; to be dealt arms they must be whole numbers")
    if len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise RecsysError(
            f"shares are {tuple(shares)}; give each of two arms or more one above 0, adding up to 1"
        )
    key = int.from_bytes(blake2b(experiment.encode(), digest_size=8).digest(), "little")
    # Scrambled once before the key comes in: ids in a row must not meet the key in a row.
    mixed = _mix(_mix(ids.astype(np.uint64)) ^ np.uint64(key))
    uniform = (mixed >> np.uint64(11)) * 2.0**-53
    return np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right").astype(np.int8)


def _mix(z: np.ndarray) -> np.ndarray:
    """Scramble 64 bits: SplitMix64's step and finaliser (Steele, Lea and Flood 2014)."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Two arms compared: once (), at each of k looks (k,), or so in each of n replays (n, k).

    The arms' rates are conversions per visit, NaN while nobody has come; of `users` it is how many
    have come to each arm. All are float64.
    """

    control: np.ndarray
    treatment: np.ndarray
    error: np.ndarray  # of their difference, users being independent; NaN while an arm has only one
    naive_error: np.ndarray  # as if each visit were another person's: too small where users return
    users: tuple[np.ndarray, np.ndarray]

    @property
    def difference(self) -> np.ndarray:
        """The treatment's rate less the control's."""
        return self.treatment - self.control

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided p-value of a difference of 0; 1 where the error is not known."""
        return _p_value(self.difference, self.error)

    @property
    def naive_p_value(self) -> np.ndarray:
        """The p-value by `naive_error`."""
        return _p_value(self.difference, self.naive_error)

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the difference's confidence interval, valid for a single look."""
        _check("level", level)
        margin = ndtri(0.5 + level / 2) * self.error
        return self.difference - margin, self.difference + margin

    def __repr__(self) -> str:
        if np.ndim(self.error):
            return f"Comparison({np.shape(self.error)})"
        low, high = self.interval()
        return (
            f"Comparison({self.control:.4f} -> {self.treatment:.4f}, difference "
            f"{self.difference:+.4f} [{low:+.4f}, {high:+.4f}], p = {self.p_value:.3g}, "
            f"n = {self.users[0]:,.0f} + {self.users[1]:,.0f})"
        )


def compare_users(visits: pd.DataFrame, looks: Sequence[float] | None = None) -> Comparison:
    """Compare the rates of two arms, by all visits or by those until each look.

    `visits` has one row per visit: user_id, arm, converted and, for looks, time, as
    `SimulatedUsers.experiment` returns it. `looks` are k times in days, rising; without them there
    is one comparison. Raises `RecsysError` where there are not two arms, an arm has fewer than two
    users, a user is in both, or the looks do not rise.
    """
    arm = visits["arm"].astype("category").cat
    if len(arm.categories) != 2:
        names = ", ".join(map(str, arm.categories))
        raise RecsysError(f"the visits are of {len(arm.categories)} arms ({names}); compare two")
    sums, ids, users = _sums(visits, looks)
    treated = np.zeros(len(ids), bool)
    treated[users] = arm.codes
    moved = np.unique(users[treated[users] != arm.codes])
    if len(moved):
        raise RecsysError(
            f"{len(moved)} users have visits in both arms, the first is {ids[moved[0]]}: deal arms "
            "to users, not to visits"
        )
    n = np.bincount(treated, minlength=2)
    if n.min() < 2:
        raise RecsysError(
            f"the arms have {n[0]} and {n[1]} users: it takes two in each to see how they differ"
        )
    return _compare(sums[~treated].sum(axis=0), sums[treated].sum(axis=0))


def residuals(visits: pd.DataFrame, column: str = "converted") -> pd.Series:
    """Return each user's (c - R v) / v̄, by user_id: the linear metric of the delta method.

    c is the sum of a column of `visits` over a user's v visits, R the mean over all visits and v̄
    that of v. The mean over the users of an arm is the arm's rate less R, to first order.
    """
    sums = visits.groupby("user_id")[column].agg(["sum", "size"])
    rate = sums["sum"].sum() / sums["size"].sum()
    return (sums["sum"] - rate * sums["size"]) / sums["size"].mean()


def off_policy(
    rewards: np.ndarray, weights: np.ndarray, normalise: bool = False
) -> tuple[float, float]:
    """Return the mean reward of a policy that was not in use, and the standard error.

    `rewards` (n,) were logged of independent users, and `weights` (n,) are the probabilities of
    what was shown under the policy asked about over those under the policy in use. The estimate is
    Σ w r / n (IPS, Horvitz & Thompson 1952), or with `normalise` Σ w r / Σ w (SNIPS, Swaminathan &
    Joachims 2015), a ratio whose error is that of the delta method.
    """
    r, w = np.asarray(rewards, float), np.asarray(weights, float)
    value = (w * r).sum() / (w.sum() if normalise else len(w))
    parts = w * (r - value) / w.mean() if normalise else w * r
    return float(value), float(parts.std(ddof=1) / np.sqrt(len(w)))


def team_draft(one: pd.DataFrame, other: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Interleave two recommenders' lists by team draft (Radlinski, Kurup & Joachims 2008).

    In each round a coin decides who goes first; then either puts its best item in that is not there
    yet. Lists are those of ``model.recommend``, equally long for all users. Returns such lists with
    the column team: 0 for what `one` put in, 1 for `other`.
    """
    tables = [lists.sort_values(["user_id", "rank"]) for lists in (one, other)]
    ids, n = np.unique(one["user_id"]), int(one["rank"].max())
    if not all(np.array_equal(table["user_id"], np.repeat(ids, n)) for table in tables):
        raise RecsysError("the lists are of other users, or not equally long for all")
    lists = np.stack([table["item_id"].to_numpy().reshape(-1, n) for table in tables])
    m = len(ids)
    rows, taken = np.arange(m), np.zeros(lists.shape, bool)
    first = rng.integers(2, size=(m, (n + 1) // 2))
    items, team = np.empty((m, n), lists.dtype), np.empty((m, n), np.int8)
    for k in range(n):
        team[:, k] = side = first[:, k // 2] ^ (k % 2)
        items[:, k] = lists[side, rows, taken[side, rows].argmin(axis=1)]
        taken |= lists == items[:, k, None]
    columns = {"user_id": np.repeat(ids, n), "rank": np.tile(np.arange(1, n + 1), m)}
    return pd.DataFrame({**columns, "item_id": items.ravel(), "team": team.ravel()})


def _p_value(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return two-sided p-values; 1 where the error is unknown or 0."""
    safe = np.where(error > 0, error, np.inf)  # NaN is not above 0
    return 2 * ndtr(-np.abs(np.where(np.isfinite(difference), difference, 0)) / safe)


def _sums(
    visits: pd.DataFrame, looks: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what rates and errors are made of, the users' ids, and whose each visit is.

    The first is (n_users, k, 6), without looks (n_users, 6): until each look 1, c, v, c², cv, v² of
    a user's c conversions and v visits. Being whole numbers, they add up exactly, in any order.
    """
    ids, users = np.unique(visits["user_id"].to_numpy(), return_inverse=True)
    at, k = np.zeros(len(visits), int), 1
    if looks is not None:
        times, k = np.asarray(looks, float), len(looks)
        if not k or times[0] <= 0 or (np.diff(times) <= 0).any():
            raise RecsysError(
                f"looks are {list(looks)}; give times after the start, each later than the last"
            )
        at = np.searchsorted(times, visits["time"].to_numpy())  # the first that sees the visit
    cell, size = users * (k + 1) + at, len(ids) * (k + 1)
    v, c = (
        np.bincount(cell, weights, size).reshape(len(ids), -1)[:, :k].cumsum(axis=1)
        for weights in (None, visits["converted"].to_numpy(float))
    )
    sums = np.stack([v > 0, c, v, c * c, c * v, v * v], axis=-1).astype(float)
    return sums if looks is not None else sums[:, 0], ids, users


def _rate(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rate R = Σc / Σv and σ, its error being σ / √n, from sums over users (..., 6).

    The delta method: R's deviation from the truth is to first order the mean of the users'
    residuals c - R v over the mean of v. NaN for fewer than two users.
    """
    n, c, v, cc, cv, vv = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = c / v
        squares = np.maximum(cc - 2 * rate * cv + rate**2 * vv, 0)
        return rate, np.sqrt(squares / np.where(n > 1, n - 1, np.nan)) / (v / n)


def _compare(control: np.ndarray, treatment: np.ndarray) -> Comparison:
    """Compare arms by their users' sums (..., 6)."""
    rates, variances, naive = [], [], []
    for sums in (control, treatment):
        rate, sigma = _rate(sums)
        rates.append(rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            variances.append(sigma**2 / sums[..., 0])
            naive.append(rate * (1 - rate) / sums[..., 2])
    users = control[..., 0], treatment[..., 0]
    errors = np.sqrt(sum(variances)), np.sqrt(sum(naive))
    return Comparison(rates[0], rates[1], *errors, users=users)


def always_valid_p(
    difference: np.ndarray | Sequence[float], error: np.ndarray | Sequence[float], scale: float
) -> np.ndarray:
    """Return always-valid p-values: the smallest so far at each look, along the last axis.

    p_k = min over looks j <= k of √((V_j + κ²) / V_j) exp(-d_j² κ² / (2 V_j (V_j + κ²))), or 1, for
    estimates d and standard errors √V of shape (..., looks), NaN where there is no number yet.
    `scale` is κ, the size of differences that matter: any is valid, and tests are shortest about
    theirs.
    """
    _check("scale", scale, np.inf)
    d, v = np.asarray(difference, float), np.square(np.asarray(error, float))
    v = np.where(np.isfinite(d) & (v > 0), v, np.inf)  # of which nothing follows
    odds = np.where(np.isfinite(v), d, 0) ** 2 * scale**2 / (2 * v * (v + scale**2))
    p = np.exp(np.minimum(0.5 * np.log1p(scale**2 / v) - odds, 0))
    return np.minimum.accumulate(p, axis=-1)


def replay(
    visits: pd.DataFrame, *, looks: Sequence[float], n: int = 500, name: str = "replay"
) -> Comparison:
    """Deal the users of past visits two arms, `n` times, and compare these at each of k looks.

    All saw the same lists (`visits` has user_id, time and converted), so these are A/A tests: every
    difference is chance. `looks` are k times in days; draw j is the experiment ``"{name}-{j}"``.
    """
    if n < 1:
        raise RecsysError(f"n is {n!r}; ask for at least one replay")
    sums, ids, _ = _sums(visits, looks)
    arms = np.empty((2, n, *sums.shape[1:]))
    for start in range(0, n, REPLAYS_AT_A_TIME):
        part = range(start, min(start + REPLAYS_AT_A_TIME, n))
        treated = np.array([assign(ids, f"{name}-{k}") for k in part], float)
        arms[0, part] = np.tensordot(1 - treated, sums, 1)
        arms[1, part] = np.tensordot(treated, sums, 1)
    return _compare(*arms)


def _check(name: str, value: float, below: float = 1) -> None:
    if not 0 < value < below:
        raise RecsysError(f"{name} is {value!r}; it must be above 0 and below {below:g}")
