"""Many models on one ground, each with several seeds: what they reach, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from recsys_lib import evaluation
from recsys_lib.errors import RecsysError
from recsys_lib.models import Popularity
from recsys_lib.models.base import Recommender
from recsys_lib.protocols.likes import METRICS, Ground
from recsys_lib.ratings import Ratings
from recsys_lib.report import Report

DAMPING = 10.0  # imagined ratings, liked as often as all are, in the rate of likes


@dataclass(frozen=True, eq=False)
class Entry:
    """What one model did.

    Attributes
    ----------
    models : list of Recommender
        As fitted, one a seed.
    reports : list of Report
        On the test part, one a seed.
    seconds : list of float
        What learning took by the model's own history, one a seed: not what compiling did before
        it, or importing PyTorch, or watching the validation part. NaN where no history says.
    """

    models: list[Recommender]
    reports: list[Report]
    seconds: list[float]

    @property
    def n_parameters(self) -> int:
        """How many numbers were learnt."""
        return self.models[0].n_parameters_


class Contest:
    """Models that were measured on the same ground; see `contest`.

    Attributes
    ----------
    entries : dict
        Model's name to `Entry`.
    """

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries

    def __getitem__(self, name: str) -> Entry:
        if name not in self.entries:
            raise RecsysError(f"{name!r} was not measured; there are {', '.join(self.entries)}")
        return self.entries[name]

    def per_user(self, metric: str) -> pd.DataFrame:
        """Return a metric's mean over seeds, a row a user and a column a model."""
        return pd.DataFrame(
            {
                name: pd.concat([report.per_user[metric] for report in entry.reports], axis=1)
                .mean(axis=1)
                for name, entry in self.entries.items()
            }
        )  # fmt: skip

    def table(self, level: float = 0.95, interval: str = "ndcg@10") -> pd.DataFrame:
        """Return a row a model.

        Parameters
        ----------
        level : float
            Of the intervals.
        interval : str
            The metric whose interval over users is given.

        Returns
        -------
        DataFrame
            Index ``model``; each metric's mean over seeds and, as ``"ndcg@10 ±"``, half the width
            of its interval over seeds (Student's; NaN with a single run); ``low`` and ``high``, the
            ends of `interval`'s bootstrap interval over users; ``seconds``, the mean;
            ``parameters``; ``runs``.
        """
        rows = {}
        for name, entry in self.entries.items():
            n = len(entry.reports)
            row: dict[str, float] = {}
            for metric in entry.reports[0].values:
                values = np.array([report[metric] for report in entry.reports])
                row[metric] = values.mean()
                width = (
                    student.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / n**0.5
                    if n > 1
                    else np.nan
                )
                row[f"{metric} ±"] = width
            users = self.per_user(interval)[name].to_numpy()
            row["low"], row["high"] = evaluation.bootstrap_interval(users, level=level)
            row |= {"seconds": float(np.mean(entry.seconds)), "parameters": entry.n_parameters}
            rows[name] = row | {"runs": n}
        return pd.DataFrame(rows).T.rename_axis("model").astype({"parameters": int, "runs": int})

    def lead(self, one: str, other: str, metric: str = "ndcg@10") -> tuple[float, float, float]:
        """Return by how much one model is ahead of another, and the ends of the 95 % interval.

        User by user, each the mean over seeds, so that what makes a user hard cancels.
        """
        table = self.per_user(metric)
        gap = (table[one] - table[other]).to_numpy()
        return float(np.nanmean(gap)), *evaluation.bootstrap_interval(gap)


def baselines(ground: Ground, seed: int = 0) -> dict[str, Recommender]:
    """Return three lists that are the same for everyone, fitted.

    ``random``: one random order. ``popularity``: by the number of likes. ``like rate``: by the
    damped share of likes among those who watched (or rated), which does not reward being shown.
    """
    likes, train = ground.likes, ground.train
    order = Popularity().fit(likes)
    order.item_scores_ = np.random.default_rng(seed).random(train.n_items, np.float32)
    liked = (train.by_user.values >= np.float32(ground.liked)).astype(np.float32)
    yes_or_no = Ratings(
        train.user_ids, train.item_ids, train.by_user._replace(values=liked), scale=(0.0, 1.0)
    )
    return {
        "random": order,
        "popularity": Popularity().fit(likes),
        "like rate": Popularity(by="mean", damping=DAMPING).fit(yes_or_no),
    }


def contest(
    ground: Ground,
    models: Mapping[str, Recommender],
    *,
    seeds: Sequence[int] = (0,),
    fitted: Mapping[str, Recommender] | None = None,
    metrics: Sequence[str] = METRICS,
    progress: bool | None = None,
) -> Contest:
    """Fit every model with every seed on the training part, and measure it on the test part.

    Parameters
    ----------
    ground : Ground
        The same for all; the validation part is handed to `fit` for early stopping, and the tables
        to whoever reads them.
    models : mapping of name to model
        Unfitted; copies are fitted, each seed added to the model's own. A model without a seed is
        fitted once.
    seeds : sequence of int
        At least one.
    fitted : mapping of name to model, optional
        To be measured as they are, such as `baselines`; they come first.
    metrics : sequence of str
        See `evaluation.evaluate`.
    progress : bool, optional
        Whether the models draw bars.

    Returns
    -------
    Contest
    """
    if not len(seeds):
        raise RecsysError("there is no seed: name at least one")
    entries = {
        name: Entry([model], [ground.measure(model, metrics)], [_seconds(model)])
        for name, model in (fitted or {}).items()
    }
    for name, model in models.items():
        entry = entries[name] = Entry([], [], [])
        for seed in seeds:
            params: dict[str, Any] = model.get_params()
            if "seed" in params:
                params["seed"] += seed
            elif entry.models:
                break
            mine = type(model)(**params)
            ground.development.fit(mine, progress=progress)
            entry.seconds.append(_seconds(mine))
            entry.models.append(mine)
            entry.reports.append(ground.measure(mine, metrics))
    return Contest(entries)


def _seconds(fitted: Recommender) -> float:
    """Return what the epochs took."""
    return (
        float(fitted.training_log_["seconds"].sum())
        if "seconds" in fitted.training_log_
        else float("nan")
    )
