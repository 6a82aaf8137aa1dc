"""Looking at an experiment while it runs, and replaying it to see how often a rule errs.

A p-value holds for one look at a time fixed beforehand. The always-valid ones here hold for any
number of looks: if the difference is 0, the likelihood ratio of "it is drawn from N(0, κ²)" to "it
is 0" is a martingale, so the chance that it ever exceeds 1 / α is at most α (Ville's inequality).
This is the mixture sequential probability ratio test (Robbins 1970; Johari, Koomen, Pekelis & Walsh
2022, doi 10.1287/opre.2021.2135). It takes the estimate's variance V as known, and what comes in
between two looks as independent of what came before. With many users who return now and then both
are nearly so; how nearly, `replay` measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from course.ab_test.assignment import assign
from course.ab_test.effects import compare_users, p_values, ratio_deviation
from recsys_lib.errors import RecsysError

REPLAYS_AT_A_TIME = 256


def always_valid_p(
    difference: np.ndarray | Sequence[float], error: np.ndarray | Sequence[float], scale: float
) -> np.ndarray:
    """Return always-valid p-values: the smallest so far at each look, along the last axis.

    p_k = min over looks j <= k of √((V_j + κ²) / V_j) exp(-d_j² κ² / (2 V_j (V_j + κ²))), or 1.

    Parameters
    ----------
    difference, error : (..., looks)
        Estimates d at each look and their standard errors √V, not numbers yet where NaN.
    scale : float
        κ, the size of differences that matter. Any is valid; tests are shortest about their κ.
    """
    _check_scale(scale)
    d, v = np.asarray(difference, float), np.square(np.asarray(error, float))
    known = np.isfinite(d) & (v > 0)
    d, v = np.where(known, d, 0), np.where(known, v, 1)
    log_p = 0.5 * np.log1p(scale**2 / v) - d**2 * scale**2 / (2 * v * (v + scale**2))
    p = np.exp(np.minimum(log_p, 0))
    return np.minimum.accumulate(np.where(known, p, 1), axis=-1)


def confidence_sequence(
    error: np.ndarray | Sequence[float], scale: float, level: float = 0.95
) -> np.ndarray:
    """Return the half width of a confidence sequence: at all looks together it holds the truth.

    With probability `level` or more, no interval d_k ± margin_k misses the true difference. It
    leaves out 0 just where a single look's always-valid p-value is below 1 - level.

    Parameters
    ----------
    error : (..., looks)
        Standard errors √V of the estimates; unknown ones (NaN) have an infinite margin.
    scale : float
        As for `always_valid_p`.
    level : float
        Of all intervals together.
    """
    _check_scale(scale)
    if not 0 < level < 1:
        raise RecsysError(f"level is {level!r}; it must be between 0 and 1, such as 0.95")
    v = np.square(np.asarray(error, float))
    known = v > 0
    v = np.where(known, v, 1)
    width = v * (v + scale**2) / scale**2 * (np.log1p(scale**2 / v) - 2 * np.log(1 - level))
    return np.where(known, np.sqrt(width), np.inf)


def peek(visits: pd.DataFrame, looks: Sequence[float]) -> pd.DataFrame:
    """Compare the two arms of one experiment at each look, by all visits until then.

    Parameters
    ----------
    visits : DataFrame
        user_id, arm, time, converted, as `SimulatedUsers.experiment` returns it.
    looks : sequence of float
        Times, in days.

    Returns
    -------
    DataFrame
        Index time; users (of both arms), control, treatment, difference, error, p_value.
    """
    rows = {}
    for time in _times(looks):
        effect = compare_users(visits[visits["time"] <= time])
        rows[time] = {
            "users": sum(effect.n),
            **{name: getattr(effect, name) for name in ("control", "treatment", "difference")},
            "error": effect.error,
            "p_value": effect.p_value,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("time")


@dataclass(frozen=True, eq=False)
class Replays:
    """One experiment under many draws of the arms, looked at several times each.

    Attributes
    ----------
    looks : (k,) float64
        Times, in days.
    users : (n, k) int64
        How many users of both arms had come.
    differences : (n, k) float64
        Of the rates, treatment less control; NaN where an arm is empty.
    errors : (n, k) float64
        Their standard errors, users being what is independent.
    naive_errors : (n, k) float64
        The same, as if each visit were independent.
    """

    looks: np.ndarray
    users: np.ndarray
    differences: np.ndarray
    errors: np.ndarray
    naive_errors: np.ndarray

    @property
    def p_values(self) -> np.ndarray:
        """Of each look by itself, (n, k)."""
        return p_values(self.differences, self.errors)

    @property
    def naive_p_values(self) -> np.ndarray:
        """As if each visit were independent, (n, k)."""
        return p_values(self.differences, self.naive_errors)

    def always_valid(self, scale: float) -> np.ndarray:
        """Return always-valid p-values, (n, k); see `always_valid_p`."""
        return always_valid_p(self.differences, self.errors, scale)


def replay(
    control: pd.DataFrame,
    treatment: pd.DataFrame | None = None,
    *,
    looks: Sequence[float],
    n: int = 500,
    name: str = "replay",
) -> Replays:
    """Deal the arms of an experiment anew, many times, and compare them at each look.

    Parameters
    ----------
    control : DataFrame
        user_id, time, converted: what *all* users do when shown the control, from `SimulatedUsers.visit`.
    treatment : DataFrame, optional
        The same visits when shown the treatment, which only a simulator can know. None: an A/A
        test, both arms are shown the same and every difference is chance. That needs no simulator:
        it can be done with any service's past visits.
    looks : sequence of float
        Times, in days, of the comparisons.
    n : int
        How many draws. Number k is the experiment named ``"{name}-{k}"``.
    name : str

    Raises
    ------
    RecsysError
        The two are not of the same visits; looks or n make no sense.
    """
    if n < 1:
        raise RecsysError(f"n is {n!r}; ask for at least one replay")
    times = _times(looks)
    ids, users = np.unique(control["user_id"].to_numpy(), return_inverse=True)
    sums = _sums_until(control, users, len(ids), times)
    others = sums
    if treatment is not None:
        for column in ("user_id", "time"):
            if not np.array_equal(control[column], treatment[column]):
                raise RecsysError(
                    f"the two tables differ in {column}: let the same arrivals see both lists"
                )
        others = _sums_until(treatment, users, len(ids), times)

    results = []
    for start in range(0, n, REPLAYS_AT_A_TIME):
        numbers = range(start, min(start + REPLAYS_AT_A_TIME, n))
        # All whole numbers, so exact: no order of summation could change a bit.
        treated = np.array([assign(ids, f"{name}-{k}") for k in numbers], np.float64)
        shape = len(numbers), len(times), 6
        a = ((1 - treated) @ sums).reshape(shape)
        b = (treated @ others).reshape(shape)
        results.append(_compare(a, b))
    return Replays(
        np.array(times), *(np.concatenate(parts) for parts in zip(*results, strict=True))
    )


def _sums_until(
    visits: pd.DataFrame, users: np.ndarray, n_users: int, times: list[float]
) -> np.ndarray:
    """Return (n_users, 6k): 1, c, v, c², cv, v² of conversions and visits until each look."""
    look = np.searchsorted(times, visits["time"].to_numpy())  # the first that sees the visit
    cell, size = users * (len(times) + 1) + look, n_users * (len(times) + 1)
    v, c = (
        np.bincount(cell, weights, size).reshape(n_users, -1)[:, :-1].cumsum(axis=1)
        for weights in (None, visits["converted"].to_numpy(float))
    )
    return np.stack([v > 0, c, v, c * c, c * v, v * v], axis=-1).reshape(n_users, -1).astype(float)


def _compare(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return users, differences, errors and naive errors from the arms' sums (n, k, 6)."""
    rates, variances, naive = [], [], []
    for sums in (a, b):
        rate, sigma = ratio_deviation(*np.moveaxis(sums, -1, 0))
        rates.append(rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            variances.append(sigma**2 / sums[..., 0])
            naive.append(rate * (1 - rate) / sums[..., 2])
    users = (a[..., 0] + b[..., 0]).astype(np.int64)
    errors, naive_errors = np.sqrt(sum(variances)), np.sqrt(sum(naive))
    return users, rates[1] - rates[0], errors, naive_errors


def _times(looks: Sequence[float]) -> list[float]:
    times = [float(t) for t in looks]
    if not times or times != sorted(set(times)) or times[0] <= 0:
        raise RecsysError(
            f"looks are {times}; give times after the start, each later than the last"
        )
    return times


def _check_scale(scale: float) -> None:
    if not 0 < scale < np.inf:
        raise RecsysError(
            f"scale is {scale!r}; it must be above 0, the size of effects that matter"
        )
