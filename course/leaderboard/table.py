"""Every model on one protocol: the numbers, how sure they are, and who differs from the best."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib import models, tuning
from recsys_lib.datasets import Dataset
from recsys_lib.errors import RecsysError
from recsys_lib.models import Recommender
from recsys_lib.protocols import Results
from recsys_lib.ratings import Ratings
from recsys_lib.report import Report, compare, paired
from recsys_lib.tuning.sample import draw_users
from recsys_lib.tuning.study import SMALLER_IS_BETTER

ACCURACY = ("rmse", "mae", "precision@10", "recall@10", "ndcg@10", "map@10")
REACH = ("coverage@10", "novelty@10")
COSTS = ("fit_seconds", "memory_mb")
METRICS = (*ACCURACY, *REACH)
NEITHER_IS_BETTER = ("coverage", "novelty")  # a list drawn by lot has the most of both
_CONTESTANTS = ("Popularity", "BiasALS", "ALS", "GenreALS", "BayesianALS", "BPR")
_WORDS = {
    "rmse": "RMSE", "mae": "MAE", "ndcg": "NDCG", "map": "MAP", "fit_seconds": "fit<br>(s)",
    "memory_mb": "memory<br>(MB)",
}  # fmt: skip


def contestants(
    dataset_name: str, without: Sequence[str] = (), **changes: Mapping[str, Any]
) -> dict[str, Recommender]:
    """Return every model, unfitted, with the parameters that were chosen for a data set.

    Parameters
    ----------
    dataset_name : str
        A concrete name: ``data.name``; see `tuning.load_params`.
    without : sequence of str
        Names to leave out.
    **changes
        Parameters to set otherwise, by model: ``BayesianALS={"n_samples": 20}``.
    """
    return {
        name: getattr(models, name)(
            **{**tuning.load_params(name, dataset_name), **changes.get(name, {})}
        )
        for name in _CONTESTANTS
        if name not in without
    }


def some_users(data: Dataset, most: int, seed: int = 0) -> Dataset:
    """Return the data of some users, drawn at random, with `most` ratings together or fewer.

    All items are kept, and of small data all users. Numbers measured on some users do not compare
    with those of the whole, so the name says it.
    """
    ratings = data.ratings
    counts = ratings.by_user.counts
    if len(ratings) <= most:
        return data
    chosen = draw_users(counts, most, seed)
    kept = np.flatnonzero(chosen)
    if len(kept) == 0:
        raise RecsysError(f"no user has {most} ratings or fewer; allow for more")
    rows = ratings.by_user.take(kept)
    times = None
    if ratings.timestamps is not None:
        times = ratings.timestamps[np.repeat(chosen, counts)]
    part = Ratings(
        ratings.user_ids[kept], ratings.item_ids, rows, timestamps=times, scale=ratings.scale
    )
    return replace(data, name=f"{data.name}, {len(kept):,} of its users", ratings=part)


def pooled(results: Results) -> dict[str, Report]:
    """Return one report a model: the reports of all its folds and seeds as one.

    A user's value is the mean over the test parts in which the user has one, so that users who are
    tested several times are no more users for it; RMSE and MAE are of all test ratings together.
    Metrics that have no value by user are averaged over the reports.
    """
    by_model: dict[str, list[Report]] = {}
    for (name, *_), report in results.reports.items():
        by_model.setdefault(name, []).append(report)
    return {name: _pool(reports) for name, reports in by_model.items()}


def _pool(reports: list[Report]) -> Report:
    first = reports[0]
    users = pd.concat([report.per_user for report in reports]).groupby(level=0).mean()
    errors = pd.concat([report.errors for report in reports])
    errors = errors.groupby(level=0).sum() if len(errors) else errors
    values = {
        name: float(np.mean([report.values[name] for report in reports])) for name in first.values
    }
    values |= {str(name): float(users[name].mean()) for name in users}
    if len(errors):
        n, squared, absolute = (float(errors[name].sum()) for name in ("n", "squared", "absolute"))
        sums = {"rmse": np.sqrt(squared / n), "mae": absolute / n}
        values |= {name: float(value) for name, value in sums.items() if name in values}
    return Report(
        values,
        users,
        n_users=len(users),
        n_left_out=sum(report.n_left_out for report in reports),
        n_cold=sum(report.n_cold for report in reports),
        n_ratings=sum(report.n_ratings for report in reports),
        relevant=first.relevant,
        candidates=first.candidates,
        errors=errors,
        test_part="+".join(report.test_part for report in reports),
    )


def board(results: Results, *, level: float = 0.95, n: int = 1000) -> pd.DataFrame:
    """Return the leaderboard: a row a model, means and intervals over users, and costs.

    Parameters
    ----------
    results : Results
        What `protocols.run` found.
    level : float
        Of the bootstrap intervals.
    n : int
        Their number of draws.

    Returns
    -------
    DataFrame
        Index ``model``. For each metric its value and, where it has an interval, ``"rmse low"`` and
        ``"rmse high"``; ``"rmse sd"``, the standard deviation over folds and seeds; fit_seconds and
        memory_mb, means over them; runs.
    """
    table = compare(pooled(results), interval=level, n=n)
    summary = results.summary()
    rest = [*(f"{name} sd" for name in results.metrics), *COSTS, "runs"]
    return table.join(summary[rest])


def best(table: pd.DataFrame, metric: str) -> str:
    """Return the model that is best in a metric.

    Raises
    ------
    RecsysError
        The table has no such metric, or it is one of which more is not better, nor less.
    """
    if metric not in table:
        raise RecsysError(f"the table has no {metric!r}, only {', '.join(map(str, table))}")
    if metric.partition("@")[0] in NEITHER_IS_BETTER:
        raise RecsysError(f"no value of {metric!r} is best: a list drawn by lot has the most of it")
    column = table[metric]
    return str(column.idxmin() if metric in SMALLER_IS_BETTER else column.idxmax())


def against_best(
    results: Results, metric: str, *, level: float = 0.95, n: int = 1000
) -> pd.DataFrame:
    """Compare every model that has a metric with the one that is best in it, user by user.

    Returns
    -------
    DataFrame
        Index ``model``, the best left out, the nearest to it first: ``value`` (the difference to
        the best), ``low``, ``high`` (its interval), ``worse`` and ``better`` (shares of users for
        whom the model does worse, or better, than the best).
    """
    reports = {name: report for name, report in pooled(results).items() if metric in report.values}
    first = best(compare(reports), metric)
    pairs = {
        name: paired(report, reports[first], metric, level=level, n=n)
        for name, report in reports.items()
        if name != first
    }
    table = pd.DataFrame(
        [
            [pair.difference, pair.low, pair.high, pair.worse, pair.better]
            for pair in pairs.values()
        ],
        columns=["value", "low", "high", "worse", "better"],
        index=pd.Index(list(pairs), name="model"),
    )
    return table.loc[table["value"].abs().sort_values(kind="stable").index]


def page(
    table: pd.DataFrame, columns: Sequence[str] = ACCURACY, apart: Sequence[str] = ("Oracle",)
) -> str:
    """Write a leaderboard as a Markdown table: best in bold, half an interval's width below.

    Parameters
    ----------
    table : DataFrame
        As `board` returns it.
    columns : sequence of str
        In order; those that the table lacks are left out. More than half a dozen are too wide for a
        page of text.
    apart : sequence of str
        Rows that do not compete: in italics, and never the best.
    """
    competing = table.drop(index=[name for name in apart if name in table.index])
    shown = [name for name in columns if name in table]
    first = {
        name: best(competing, name)
        for name in shown
        if name not in (*REACH, *COSTS) and competing[name].notna().any()
    }
    lines = [
        "| model | " + " | ".join(_heading(name) for name in shown) + " |",
        "|:--|" + "--:|" * len(shown),
    ]
    for model, row in table.iterrows():
        cells = [f"*{model}*" if model in apart else str(model)]
        cells += [_cell(row.to_dict(), name, bold=first.get(name) == model) for name in shown]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _heading(name: str) -> str:
    kind, _, k = name.partition("@")
    words = _WORDS.get(kind, kind)
    return f"{words}<br>@ {k}" if k else words


def _cell(row: Mapping[Hashable, float], name: str, bold: bool) -> str:
    value = row[name]
    if np.isnan(value):
        return "–"
    if name in COSTS:
        return f"{value:.1f}" if value >= 0.05 else "&lt; 0.1"
    digits = 2 if name.startswith("novelty") else 3
    text = f"**{value:.{digits}f}**" if bold else f"{value:.{digits}f}"
    low, high = row.get(f"{name} low", np.nan), row.get(f"{name} high", np.nan)
    return text if np.isnan(low) else f"{text}<br><small>±{(high - low) / 2:.{digits}f}</small>"
