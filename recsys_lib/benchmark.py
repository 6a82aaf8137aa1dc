"""All models on all folds of a protocol: tuned, fitted, measured, and what each of that cost."""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib import evaluation
from recsys_lib.datasets import Dataset
from recsys_lib.errors import RecsysError
from recsys_lib.models.base import Recommender
from recsys_lib.protocols.parts import Development, folds
from recsys_lib.ratings import Ratings
from recsys_lib.report import Report

logger = logging.getLogger("recsys_lib")

WARM_UP = 2000  # ratings that do to have everything compiled that a model's fit needs
_COSTS = ("tune_seconds", "fit_seconds", "memory_mb")


@dataclass(frozen=True, eq=False)
class Results:
    """What `run` found.

    Attributes
    ----------
    table : DataFrame
        A row a (model, seed, fold): model, seed, fold; the metrics; tune_seconds and fit_seconds,
        compilation apart; memory_mb, the most that `fit` had allocated at once, in 10⁶ bytes, the
        model included and the ratings not (Python's and NumPy's memory: what compiled code keeps
        for itself is not seen); n_ratings, of the test part.
    reports : dict
        (model, seed, fold) to `Report`.
    params : dict
        (model, seed, fold) to the parameters that the model was fitted with.
    """

    table: pd.DataFrame
    reports: dict[tuple[str, int, str], Report]
    params: dict[tuple[str, int, str], dict[str, Any]]

    @property
    def metrics(self) -> list[str]:
        """The metrics, in the order asked for."""
        return list(
            dict.fromkeys(name for report in self.reports.values() for name in report.values)
        )

    def summary(self) -> pd.DataFrame:
        """Return the means over folds and seeds, a row a model.

        Returns
        -------
        DataFrame
            Index ``model``; for each metric its mean and, as ``"rmse sd"``, its standard deviation
            over folds and seeds (NaN for a single one); tune_seconds, fit_seconds and memory_mb,
            means; runs, how many.
        """
        groups = self.table.groupby("model", sort=False)
        columns: dict[str, pd.Series] = {}
        for name in self.metrics:
            columns[name], columns[f"{name} sd"] = groups[name].mean(), groups[name].std()
        for name in _COSTS:
            columns[name] = groups[name].mean()
        return pd.DataFrame({**columns, "runs": groups.size()})


Tune = Callable[[Recommender, Development], Mapping[str, Any]]


def run(
    data: Dataset,
    models: Mapping[str, Recommender],
    protocol: str,
    *,
    seeds: Sequence[int] = (0,),
    metrics: Sequence[str] | None = None,
    tune: Tune | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Results:
    """Fit and test models on every fold of a protocol; each test part is read once by each.

    A model is tuned, where that is asked for, within the fold's `Development`, then fitted on
    `Fold.learning`, then measured.

    Parameters
    ----------
    data : Dataset
        What to learn from.
    models : mapping of name to model
        Unfitted; copies are fitted. Only those that predict ratings are asked for rating metrics.
    protocol : str
        See `folds`.
    seeds : sequence of int
        The whole is done once for each: the folds are drawn with it, and it is added to the
        models' own seed.
    metrics : sequence of str, optional
        See `evaluation.evaluate`.
    tune : callable, optional
        From a model and a Development to parameters to set, as
        ``lambda model, parts: tuning.tune(model, parts).best_params`` is.
    progress : bool, optional
        Whether the models draw bars. Each result goes to the log ("recsys_lib") as it comes.
    **options
        Handed to `evaluation.evaluate`.

    Returns
    -------
    Results
    """
    if not models or not len(seeds) or len({*seeds}) < len(seeds):
        raise RecsysError(
            f"there are {len(models)} models and the seeds {list(seeds)} to run: name at least one "
            "of each, and no seed twice"
        )
    wanted = {name: evaluation.possible(model, metrics) for name, model in models.items()}
    rows: list[dict[str, Any]] = []
    reports: dict[tuple[str, int, str], Report] = {}
    params: dict[tuple[str, int, str], dict[str, Any]] = {}
    for seed in seeds:
        parts = folds(data, protocol, seed)
        while parts:
            fold = parts.pop(0)  # not kept: of large data, the copies of all folds are too many
            if not rows:
                _warm_up(models.values(), fold.learning, data.items)
            for name, model in models.items():
                key = (name, seed, fold.name)
                mine = _copy(model, seed)
                began = time.perf_counter()
                if tune is not None:
                    mine.set_params(**tune(_copy(mine), fold.development))
                tuning = time.perf_counter() - began
                seconds, memory = _fit(mine, fold.learning, data.items, progress)
                report = fold.exam.sit(name, mine, fold.learning, wanted[name], **options)
                reports[key], params[key] = report, mine.get_params()
                rows.append(
                    dict(zip(("model", "seed", "fold"), key, strict=True))
                    | report.values
                    | {"tune_seconds": tuning, "fit_seconds": seconds, "memory_mb": memory}
                    | {"n_ratings": report.n_ratings}
                )
                logger.info(
                    "%s, seed %d, %s: %s (%.1f s of tuning, %.1f s of fitting)",
                    *key,
                    ", ".join(f"{metric} {value:.4f}" for metric, value in report.values.items()),
                    tuning,
                    seconds,
                )
    found = Results(pd.DataFrame(rows), reports, params)
    order = ["model", "seed", "fold", *found.metrics, *_COSTS, "n_ratings"]
    return replace(found, table=found.table[order])


def _copy(model: Recommender, seed: int = 0) -> Recommender:
    """Return an unfitted model with the same parameters, `seed` added to its own."""
    params = model.get_params()
    if "seed" in params:
        params["seed"] += seed
    return type(model)(**params)


def _fit(
    model: Recommender, ratings: Ratings, items: pd.DataFrame, progress: bool | None
) -> tuple[float, float]:
    """Fit; return the seconds and the memory it took, in 10⁶ bytes."""
    ratings.by_item  # noqa: B018 - built at first use, and no model's own cost
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, began = tracemalloc.get_traced_memory()[0], time.perf_counter()
    try:
        model.fit(ratings, items=items, progress=progress)
        seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    finally:
        if not traced:
            tracemalloc.stop()
    return seconds, (peak - before) / 1e6


def _warm_up(models: Iterable[Recommender], ratings: Ratings, items: pd.DataFrame) -> None:
    """Fit copies to a few of the ratings: whatever is compiled at first use is compiled then."""
    few = np.zeros(len(ratings), bool)
    few[:WARM_UP] = True
    small = Ratings.from_frame(ratings.select(few).to_frame(), scale=ratings.scale)
    for model in models:
        with suppress(RecsysError):  # too few for this model: the real fit will do, or say why
            _copy(model).fit(small, items=items, progress=False)
