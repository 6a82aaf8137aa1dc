"""Two arms compared once: the difference of their conversion rates, its interval, the sample size.

The rate is conversions per visit. Users are dealt to the arms, and one user's visits are alike; so
what is independent are users, not visits. `compare_users` treats the rate as what it is, a ratio of
two means over users, by the delta method (Deng, Knoblich & Lu 2018, doi 10.1145/3219819.3219919).
`compare_visits` is the textbook's test of two proportions, wrong here, to be shown as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr, ndtri

from course.ab_test.assignment import check_shares
from recsys_lib.errors import RecsysError


@dataclass(frozen=True)
class Effect:
    """What an experiment says about the difference of two rates.

    Attributes
    ----------
    control, treatment : float
        The arms' rates, conversions per visit.
    error : float
        Standard error of their difference.
    n : (int, int)
        How many users (or visits) of each arm were taken as independent.
    level : float
        Of the interval.
    """

    control: float
    treatment: float
    error: float
    n: tuple[int, int]
    level: float = 0.95

    @property
    def difference(self) -> float:
        """The treatment's rate less the control's."""
        return self.treatment - self.control

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the difference's confidence interval."""
        margin = float(ndtri(0.5 + self.level / 2)) * self.error
        return self.difference - margin, self.difference + margin

    @property
    def p_value(self) -> float:
        """Chance of a difference this large, either way, were there none (two-sided z-test)."""
        return float(p_values(self.difference, self.error))

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"Effect({self.control:.4f} -> {self.treatment:.4f}, difference {self.difference:+.4f} "
            f"[{low:+.4f}, {high:+.4f}], p = {self.p_value:.3g}, n = {self.n[0]:,} + {self.n[1]:,})"
        )


def compare_users(visits: pd.DataFrame, level: float = 0.95) -> Effect:
    """Compare the rates of two arms, users being what is independent.

    Parameters
    ----------
    visits : DataFrame
        user_id, arm, converted: a row a visit, as `SimulatedUsers.experiment` returns it.
    level : float
        Of the confidence interval.

    Raises
    ------
    RecsysError
        There are not two arms, an arm has fewer than two users, or a user is in both.
    """
    _check_level(level)
    parts = [_per_user(part) for part in _arms(visits)]
    both = parts[0].index.intersection(parts[1].index)
    if len(both):
        raise RecsysError(
            f"{len(both)} users have visits in both arms, the first is {both[0]}: deal arms to "
            "users, not to visits"
        )
    rates, deviations = zip(*[_ratio(part) for part in parts], strict=True)
    n = len(parts[0]), len(parts[1])
    error = sqrt(sum(s**2 / size for s, size in zip(deviations, n, strict=True)))
    return Effect(rates[0], rates[1], error, n, level)


def compare_visits(visits: pd.DataFrame, level: float = 0.95) -> Effect:
    """Compare the rates of two arms as if each visit were another person's.

    Wrong where users come more than once: the standard error is too small. Parameters as for
    `compare_users`.
    """
    _check_level(level)
    parts = [part["converted"].to_numpy() for part in _arms(visits)]
    n = len(parts[0]), len(parts[1])
    rates = [float(part.mean()) for part in parts]
    error = sqrt(sum(r * (1 - r) / size for r, size in zip(rates, n, strict=True)))
    return Effect(rates[0], rates[1], error, n, level)


def deviation(visits: pd.DataFrame) -> float:
    """Return σ, so that the rate of n users like these has a standard error of σ / √n.

    It is what a sample size needs, and past visits, before any experiment, can tell it.

    Parameters
    ----------
    visits : DataFrame
        user_id, converted: a row a visit.
    """
    return _ratio(_per_user(visits))[1]


def sample_size(deviation: float, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return how many users each of two arms needs.

    n = 2 σ² (z_{1-α/2} + z_{power})² / δ², rounded up.

    Parameters
    ----------
    deviation : float
        σ, see `deviation`.
    effect : float
        δ, the difference of rates that shall be found if it is there.
    alpha : float
        How often a two-sided test may find a difference where there is none.
    power : float
        How often the test shall find one of δ.
    """
    _check_plan(deviation, alpha)
    if not effect:
        raise RecsysError("no sample is large enough to find an effect of 0: name the smallest "
                          "that would matter")  # fmt: skip
    if not alpha < power < 1:
        raise RecsysError(f"power is {power!r}; it must be between alpha, {alpha:g}, and 1")
    return ceil(2 * (deviation * (ndtri(1 - alpha / 2) + ndtri(power)) / effect) ** 2)


def power(deviation: float, effect: float, n: int, *, alpha: float = 0.05) -> float:
    """Return how often a two-sided test of `n` users an arm finds a difference of `effect`."""
    _check_plan(deviation, alpha)
    if n < 1:
        raise RecsysError(f"n is {n!r}; there must be users in each arm")
    z, shift = ndtri(1 - alpha / 2), effect / (deviation * sqrt(2 / n))
    return float(ndtr(shift - z) + ndtr(-shift - z))


def srm_test(users: Sequence[int], shares: Sequence[float] = (0.5, 0.5)) -> float:
    """Return the p-value of the arms' numbers of users, were they dealt by `shares` (χ² test).

    A small one (below 0.001, say) is a sample ratio mismatch: somewhere users got lost, seldom at
    random, and no other number of the experiment can be trusted.
    """
    check_shares(shares)
    counts = np.asarray(users, float)
    if len(counts) != len(shares) or counts.min() < 0 or not counts.sum():
        raise RecsysError(
            f"users are {list(users)}; give each of the {len(shares)} arms' number of users"
        )
    expected = counts.sum() * np.asarray(shares)
    return float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum()))


def p_values(difference: np.ndarray | float, error: np.ndarray | float) -> np.ndarray:
    """Return two-sided p-values; where the error is unknown or 0 nothing is proven: 1."""
    safe = np.where(np.asarray(error) > 0, error, np.inf)  # NaN is not above 0
    return 2 * ndtr(-np.abs(np.where(np.isfinite(difference), difference, 0)) / safe)


def ratio_deviation(
    n: np.ndarray | float,
    conversions: np.ndarray | float,
    visits: np.ndarray | float,
    cc: np.ndarray | float,
    cv: np.ndarray | float,
    vv: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rate R = Σc / Σv of n users and its σ (see `deviation`), from sums over users.

    `cc`, `cv` and `vv` are Σc², Σcv and Σv². The delta method: R's deviation from the truth is to
    first order the mean of the users' residuals c - R v over the mean of v. NaN for n < 2.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.divide(conversions, visits)
        squares = cc - 2 * rate * cv + rate**2 * vv
        variance = np.maximum(squares, 0) / np.where(np.asarray(n) > 1, np.subtract(n, 1), np.nan)
        return rate, np.sqrt(variance) / np.divide(visits, n)


def _per_user(visits: pd.DataFrame) -> pd.DataFrame:
    """Return users' numbers of conversions (c) and of visits (v)."""
    users = visits.groupby("user_id")["converted"]
    return pd.DataFrame({"c": users.sum(), "v": users.size()}).astype(float)


def _ratio(users: pd.DataFrame) -> tuple[float, float]:
    if len(users) < 2:
        raise RecsysError(f"{len(users)} users: it takes two to see how much they differ")
    c, v = users["c"].to_numpy(), users["v"].to_numpy()
    rate, sigma = ratio_deviation(len(users), c.sum(), v.sum(), c @ c, c @ v, v @ v)
    return float(rate), float(sigma)


def _arms(visits: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the visits of the control and of the treatment."""
    arm = visits["arm"].astype("category")
    if len(arm.cat.categories) != 2:
        raise RecsysError(
            f"the visits are of {len(arm.cat.categories)} arms "
            f"({', '.join(map(str, arm.cat.categories))}); compare two"
        )
    parts = [visits[(arm.cat.codes == k).to_numpy()] for k in range(2)]
    for name, part in zip(arm.cat.categories, parts, strict=True):
        if part.empty:
            raise RecsysError(f"nobody visited arm {name!r}: there is nothing to compare")
    return parts


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise RecsysError(f"level is {level!r}; it must be between 0 and 1, such as 0.95")


def _check_plan(deviation: float, alpha: float) -> None:
    if not 0 < deviation < np.inf:
        raise RecsysError(f"deviation is {deviation!r}; it must be above 0")
    if not 0 < alpha < 1:
        raise RecsysError(f"alpha is {alpha!r}; it must be between 0 and 1, such as 0.05")
