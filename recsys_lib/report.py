"""The results of an evaluation: values, intervals, and tables of several models.

Intervals are over users. Ratings and errors of one user are correlated, so intervals over single
ratings would be too narrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from recsys_lib.errors import RecsysError, check_value, check_whole, generator

# The rating metrics that have an interval: the column of `Report.errors` that each sums up.
_SUMMED = {"rmse": "squared", "mae": "absolute"}
SMALLER_IS_BETTER = frozenset(_SUMMED)
DRAWN_AT_A_TIME = 2**18  # users: it bounds the memory of an interval and changes no number


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The result of `evaluation.evaluate`; ``report["ndcg@10"]`` is the value of a metric.

    Attributes
    ----------
    values : dict
        Metric to value, in the order of the request: means over users, or over ratings.
    per_user : DataFrame
        One row per user, by ``user_id``, and a column for each metric that is a mean over users.
    n_users, n_left_out, n_cold : int
        Users of the test part with a relevant item, over whom ranking metrics are averaged; users
        without one; and those of the first of whom the model has no rating.
    n_ratings : int
        Ratings in the test part, over which rating metrics are averaged.
    relevant, candidates :
        Arguments of `evaluation.evaluate`.
    errors : DataFrame
        One row per user of the test part, by ``user_id``: n, the number of predicted ratings, and
        the sums of their ``squared`` and ``absolute`` errors; empty if no rating was predicted.
    test_part : str
        A fingerprint of the test ratings: the same for all reports of one test part.
    """

    values: dict[str, float]
    per_user: pd.DataFrame
    n_users: int
    n_left_out: int
    n_cold: int
    n_ratings: int
    relevant: float
    candidates: str = "all"
    errors: pd.DataFrame = field(default_factory=pd.DataFrame)
    test_part: str = ""

    def __getitem__(self, metric: str) -> float:
        if not isinstance(metric, str) or metric not in self.values:
            there = ", ".join(self.values)
            raise RecsysError(f"this report has no {metric!r}, only {there}; name it in metrics=")
        return self.values[metric]

    def interval(
        self, metric: str, *, level: float = 0.95, n: int = 1000, seed: int = 0
    ) -> tuple[float, float]:
        """Return the percentile bootstrap interval (low, high) of a metric (Efron 1979).

        The users are resampled with replacement `n` times; the share `level` of the values lies
        within the interval. RMSE and MAE are over ratings: the errors of the users are pooled. It
        covers the choice of users, and says nothing about other splits or seeds. A user without a
        value is left out.
        """
        return _bootstrap([self], metric, level, n, seed)[2]

    def _columns(self, metric: str) -> np.ndarray:
        """Return the users' parts (2, n_users) in the two sums whose ratio the metric is."""
        self[metric]  # refuses what is not here
        if metric not in self._of_users():
            told = "is not made up of values of single users in this report, so it has no interval"
            able = ", ".join(self._of_users()) or "none"
            raise RecsysError(f"{metric!r} {told} over users; these have: {able}")
        if metric in _SUMMED:
            return self.errors[[_SUMMED[metric], "n"]].to_numpy(np.float64).T
        return np.array([self.per_user[metric], np.ones(len(self.per_user))])

    def _of_users(self) -> list[str]:
        summed = _SUMMED if len(self.errors) else ()
        return [name for name in self.values if name in self.per_user or name in summed]

    @property
    def summary(self) -> str:
        """Description of the test part, in one line."""
        text = f"{self.n_ratings:,} test ratings; {self.n_users:,} users with one of "
        text += f"{self.relevant:g} or more, {self.n_left_out:,} without left out"
        if self.n_cold:
            text += f"; {self.n_cold:,} of them unknown to the model"
        if self.candidates == "test":
            text += "; only the user's own test items were ranked"
        return text

    def __repr__(self) -> str:
        width = max(map(len, self.values), default=0)
        lines = [f"  {name:<{width}}  {value:.4f}" for name, value in self.values.items()]
        return "\n".join([f"Report({self.summary})", *lines])


def compare(
    reports: Mapping[str, Report], interval: float | None = None, *, n: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Return a table of several models that were measured on the same test part.

    It has one row per model (index ``model``) and one column per metric, NaN where a model does not
    have it. With `interval`, a level such as 0.95, there are also ``"ndcg@10 low"`` and
    ``"ndcg@10 high"`` where `Report.interval` has one. Reports of different test parts or
    protocols raise `RecsysError`.
    """
    if not isinstance(reports, Mapping) or not reports:
        raise RecsysError("there is no report to compare: they are a mapping of name to Report")
    first, *_ = reports
    rows: dict[str, dict[str, float]] = {}
    for name, report in reports.items():
        _check_same(first, reports[first], name, report)
        row = rows[name] = {}
        for metric, value in report.values.items():
            row[metric] = value
            if interval is not None and metric in report._of_users():
                ends = report.interval(metric, level=interval, n=n, seed=seed)
                row[f"{metric} low"], row[f"{metric} high"] = ends
    return pd.DataFrame([*rows.values()], index=pd.Index([*rows], name="model"))


class Paired(NamedTuple):
    """The difference between two models: the first one's `metric` minus the second's.

    `low` and `high` are the ends of the interval. `better` and `worse` are the shares of the
    `n_users` for whom the first model is better and worse; the rest tie.
    """

    metric: str
    difference: float
    low: float
    high: float
    better: float
    worse: float
    n_users: int


def paired(
    a: Report, b: Report, metric: str, *, level: float = 0.95, n: int = 1000, seed: int = 0
) -> Paired:
    """Compare two models by a paired bootstrap over users.

    Differences between users are common to both models and cancel, so this interval can exclude 0
    where the intervals of the two models overlap widely. The reports must have one test part and
    protocol. Less is better for rmse and mae. `level`, `n` and `seed` are as for `Report.interval`.
    """
    _check_same("the first", a, "the second", b)
    columns, difference, (low, high) = _bootstrap([a, b], metric, level, n, seed)
    # Of the same ratings, the larger sum of errors is the larger mean.
    gain = (columns[0] - columns[2]) * (-1 if metric in SMALLER_IS_BETTER else 1)
    better, worse = float((gain > 0).mean()), float((gain < 0).mean())
    return Paired(metric, difference, low, high, better, worse, len(gain))


def _check_same(first: str, a: Report, name: str, b: Report) -> None:
    if not (isinstance(a, Report) and isinstance(b, Report)):
        raise RecsysError(f"{first!r} and {name!r} are not both Reports, as evaluate returns them")
    one, other = ((r.n_users, r.n_ratings, r.relevant, r.candidates, r.test_part) for r in (a, b))
    if one != other:
        told = f"were not measured on the same ground ({a.summary} / {b.summary}), so their numbers"
        both = f"{first!r} and {name!r} {told}"
        raise RecsysError(f"{both} do not compare; evaluate both on one test part")


def _bootstrap(
    reports: list[Report], metric: str, level: float, n: int, seed: int
) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Return users' parts (2 or 4, n) in a metric, or in a difference; its value; its interval.

    Users without a value in a report are left out; the others are drawn n times.
    """
    check_value("level", level, "between 0 and 1", lambda one: 0 < one < 1)
    n = check_whole("n", n, 2)
    columns = np.concatenate([report._columns(metric) for report in reports])
    columns = columns[:, ~np.isnan(columns).any(axis=0)]
    if (size := columns.shape[1]) == 0:
        raise RecsysError("there is no user to draw from: not one has a value")
    of_ratio = np.sqrt if metric == "rmse" else np.asarray

    def statistic(*parts: np.ndarray, axis: int = -1) -> np.ndarray:
        sums = [part.sum(axis=axis) for part in parts]
        first, *second = map(of_ratio, map(np.divide, sums[::2], sums[1::2]))
        return first - second[0] if second else first

    found = stats.bootstrap(  # SciPy asks for two users; of twins all draws are alike
        tuple(np.repeat(columns, 2, axis=1) if size == 1 else columns), statistic,
        paired=True, vectorized=True, method="percentile", confidence_level=level,
        n_resamples=n, batch=max(1, DRAWN_AT_A_TIME // size), rng=generator(seed),
    ).confidence_interval  # fmt: skip
    return columns, float(statistic(*columns)), (float(found.low), float(found.high))
