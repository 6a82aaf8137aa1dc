"""What an evaluation found: the numbers, how sure they are, and tables of several models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from recsys_lib.errors import RecsysError


@dataclass(frozen=True, eq=False)
class Report:
    """The result of `evaluation.evaluate`; ``report["ndcg@10"]`` is one number of it.

    Attributes
    ----------
    values : dict
        Metric to number, in the order asked for: means over users, or over ratings.
    per_user : DataFrame
        A row a user, by ``user_id``, and a column for each metric that is a mean over users.
    n_users : int
        Users with a relevant item in the test part, over whom the ranking metrics are averaged.
    n_left_out : int
        Users of the test part without one.
    n_cold : int
        Of `n_users`, those of whom the model was shown no rating at all.
    n_ratings : int
        Ratings in the test part, over which the rating metrics are averaged.
    relevant : float
        The lowest rating that counted as relevant.
    candidates : str
        What was ranked: "all", or "test" (see `evaluation.evaluate`).
    """

    values: dict[str, float]
    per_user: pd.DataFrame
    n_users: int
    n_left_out: int
    n_cold: int
    n_ratings: int
    relevant: float
    candidates: str = "all"

    def __getitem__(self, metric: str) -> float:
        if metric not in self.values:
            raise RecsysError(
                f"this report has no {metric!r}, only {', '.join(self.values)}; name it in metrics="
            )
        return self.values[metric]

    def to_series(self) -> pd.Series:
        """Return the values, by metric."""
        return pd.Series(self.values, name="value", dtype=np.float64)

    def interval(
        self,
        metric: str,
        *,
        level: float = 0.95,
        n: int = 1000,
        seed: int | np.random.Generator = 0,
    ) -> tuple[float, float]:
        """Return the interval of a mean over users; see `bootstrap_interval`."""
        if metric not in self.per_user:
            raise RecsysError(
                f"{metric!r} is not a mean over users in this report, so it has no interval over "
                f"users; these have: {', '.join(map(str, self.per_user)) or 'none'}"
            )
        return bootstrap_interval(self.per_user[metric].to_numpy(), level=level, n=n, seed=seed)

    @property
    def summary(self) -> str:
        """What was measured on, in a line."""
        text = (
            f"{self.n_ratings:,} test ratings; {self.n_users:,} users with one of "
            f"{self.relevant:g} or more, {self.n_left_out:,} without left out"
        )
        if self.n_cold:
            text += f"; {self.n_cold:,} of them unknown to the model"
        if self.candidates == "test":
            text += "; only the user's own test items were ranked"
        return text

    def __repr__(self) -> str:
        width = max(map(len, self.values), default=0)
        lines = [f"  {name:<{width}}  {value:.4f}" for name, value in self.values.items()]
        return "\n".join([f"Report({self.summary})", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{value:.4f}</td></tr>"
            for name, value in self.values.items()
        )
        return f"<table><caption>{escape(self.summary)}</caption>{rows}</table>"


def compare(
    reports: Mapping[str, Report],
    interval: float | None = None,
    *,
    n: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return a table of several models, measured on the same users and ratings.

    Parameters
    ----------
    reports : mapping of name to Report
        A row each, in this order.
    interval : float, optional
        A level such as 0.95: beside each mean over users, its bootstrap interval, in the columns
        ``"ndcg@10 low"`` and ``"ndcg@10 high"``. The same users are drawn for every model.
    n, seed : int
        Number of draws and seed of the intervals.

    Returns
    -------
    DataFrame
        Index ``model``, a column a metric; NaN where a model has no such number.

    Raises
    ------
    RecsysError
        The reports are of different test parts or protocols, so their numbers do not compare.
    """
    if not reports:
        raise RecsysError("there is no report to compare")
    first, *others = reports
    for name in others:
        _check_same(first, reports[first], name, reports[name])
    table: dict[str, list[float]] = {}
    for metric in dict.fromkeys(metric for report in reports.values() for metric in report.values):
        table[metric] = [report.values.get(metric, float("nan")) for report in reports.values()]
        if interval is None or not any(metric in report.per_user for report in reports.values()):
            continue
        ends = [
            report.interval(metric, level=interval, n=n, seed=seed)
            if metric in report.per_user
            else (float("nan"), float("nan"))
            for report in reports.values()
        ]
        table[f"{metric} low"] = [low for low, _ in ends]
        table[f"{metric} high"] = [high for _, high in ends]
    return pd.DataFrame(table, index=pd.Index(list(reports), name="model"))


def _check_same(first: str, a: Report, name: str, b: Report) -> None:
    same = (a.n_users, a.n_left_out, a.n_ratings, a.relevant, a.candidates) == (
        b.n_users, b.n_left_out, b.n_ratings, b.relevant, b.candidates,
    )  # fmt: skip
    if not same or not a.per_user.index.equals(b.per_user.index):
        raise RecsysError(
            f"{first!r} and {name!r} were not measured on the same ground ({a.summary} / "
            f"{b.summary}), so their numbers do not compare; evaluate both on one test part"
        )


def bootstrap_interval(
    values: np.ndarray,
    *,
    level: float = 0.95,
    n: int = 1000,
    seed: int | np.random.Generator = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean over users (Efron 1979).

    Draws as many users as there are, with replacement, `n` times, and returns the quantiles of the
    `n` means. It says how far the number could be off had other users of the same kind been tested,
    and nothing of another split, or of another seed in training.

    Parameters
    ----------
    values : (n_users,) float64
        One metric, a value a user; NaN (no value) is passed over.
    seed : int or Generator
        Decides the draws.
    level : float
        Share of the draws' means within the interval, between 0 and 1.
    n : int
        Number of draws.

    Returns
    -------
    low, high : float

    Raises
    ------
    RecsysError
        There is no value, or `level` or `n` is out of range.
    """
    if not (0 < level < 1 and n >= 1):
        raise RecsysError(f"level={level} must lie between 0 and 1, and n={n} must be 1 or more")
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        raise RecsysError("there is no user to draw from: not one has a value")
    rng = np.random.default_rng(seed)
    means = np.empty(n)
    for draw in range(n):
        means[draw] = values[rng.integers(0, len(values), len(values))].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
