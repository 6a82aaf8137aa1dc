"""Who takes part in the leaderboard, on what; and its table as a page shows it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import tuned
from benchmarks.protocols import Split
from recsys_lib import models, splits
from recsys_lib.datasets import Dataset
from recsys_lib.errors import RecsysError
from recsys_lib.models import Popularity, Recommender
from recsys_lib.ratings import Ratings
from recsys_lib.report import SMALLER_IS_BETTER

ACCURACY = ("rmse", "mae", "precision@10", "recall@10", "ndcg@10", "map@10")
REACH = ("coverage@10", "novelty@10")
COSTS = ("fit_seconds", "memory_mb")
METRICS = (*ACCURACY, *REACH)
NEITHER_IS_BETTER = ("coverage", "novelty")  # a list drawn by lot has the most of both
DAMPING = 10.0  # imagined ratings, liked as often as all are, in the rate of likes
_CONTESTANTS = ("Popularity", "BiasALS", "ALS", "GenreALS", "BayesianALS", "BPR")
_WORDS = {
    "rmse": "RMSE", "mae": "MAE", "ndcg": "NDCG", "map": "MAP", "fit_seconds": "fit<br>(s)",
    "memory_mb": "memory<br>(MB)",
}  # fmt: skip


def contestants(
    dataset_name: str, without: Sequence[str] = (), **changes: Mapping[str, Any]
) -> dict[str, Recommender]:
    """Return every model, unfitted, with the parameters that were chosen for a data set.

    `dataset_name` is ``data.name`` (see `tuned.load_params`); `changes` are parameters to set
    otherwise, by model: ``BayesianALS={"n_samples": 20}``.
    """
    return {
        name: getattr(models, name)(
            **{**tuned.load_params(name, dataset_name), **changes.get(name, {})}
        )
        for name in _CONTESTANTS
        if name not in without
    }


def baselines(split: Split, seed: int = 0) -> dict[str, Recommender]:
    """Return three lists that are the same for everyone, fitted.

    ``random``: one random order. ``popularity``: by the number of likes. ``like rate``: by the
    damped share of likes among those who tried (or rated), which does not reward being shown.
    """
    train, likes = split.train, split.likes
    order = Popularity().fit(likes)
    order.item_scores_ = np.random.default_rng(seed).random(train.n_items, np.float32)
    liked = (train.by_user.values >= np.float32(split.relevant)).astype(np.float32)
    yes_or_no = Ratings(
        train.user_ids, train.item_ids, train.by_user._replace(values=liked), scale=(0.0, 1.0)
    )
    return {
        "random": order,
        "popularity": Popularity().fit(likes),
        "like rate": Popularity(by="mean", damping=DAMPING).fit(yes_or_no),
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
    drawn = splits.draw_users(counts, most, seed)
    if not drawn.any():
        raise RecsysError(f"no user has {most} ratings or fewer; allow for more")
    kept, rows = np.flatnonzero(drawn), ratings.by_user.take(np.flatnonzero(drawn))
    times = None if ratings.timestamps is None else ratings.timestamps[np.repeat(drawn, counts)]
    part = Ratings(ratings.user_ids[kept], ratings.item_ids, rows, None, times, ratings.scale)
    return replace(data, name=f"{data.name}, {len(kept):,} of its users", ratings=part)


def best(table: pd.DataFrame, metric: str) -> str:
    """Return the model that is best in a metric.

    `RecsysError` is raised for a metric that is not there, or of which neither end is better.
    """
    if metric not in table:
        raise RecsysError(f"the table has no {metric!r}, only {', '.join(map(str, table))}")
    if metric.partition("@")[0] in NEITHER_IS_BETTER:
        raise RecsysError(f"no value of {metric!r} is best: a list drawn by lot has the most of it")
    column = table[metric]
    return str(column.idxmin() if metric in SMALLER_IS_BETTER else column.idxmax())


def page(
    table: pd.DataFrame, columns: Sequence[str] = ACCURACY, apart: Sequence[str] = ("Oracle",)
) -> str:
    """Write a leaderboard as a Markdown table: best in bold, half an interval's width below.

    `table` is what `benchmark.summary` returns; `columns` are in order, and those that the table
    lacks are left out. The rows `apart` do not compete: they are in italics, and never the best.
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
