"""Many models on the same splits: tuned, fitted, measured once, and what each of that cost.

>>> results = benchmark({"ALS": models.ALS()}, data, "5-fold", trials=20)   # doctest: +SKIP
>>> results.summary()                                                       # doctest: +SKIP
>>> results.against("ALS", "ndcg@10")                                       # doctest: +SKIP
"""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib import evaluation, tuning
from recsys_lib.datasets import Dataset
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import Paired, Report, Split
from recsys_lib.models import Recommender
from recsys_lib.ratings import Ratings

logger = logging.getLogger("recsys_lib")

WARM_UP = 2000  # ratings that do to have everything compiled that a model's fit needs
COSTS = ("tune_seconds", "fit_seconds", "memory_mb", "n_parameters")


@dataclass(frozen=True, eq=False)
class Run:
    """One model, fitted and measured on one split.

    Attributes
    ----------
    model, split : str
        Their names.
    seed : int
    report : Report
        On the test part.
    fitted : Recommender
        The model as fitted where it was to be kept; else unfitted, with the same parameters.
    tune_seconds, fit_seconds : float
        Compilation apart.
    memory_mb : float
        The most that `fit` had allocated at once, in 10⁶ bytes, the model included and the ratings
        not (Python's and NumPy's memory: what compiled code keeps for itself is not seen).
    n_parameters : int
        How many numbers were learnt.
    """

    model: str
    seed: int
    split: str
    report: Report
    fitted: Recommender
    tune_seconds: float
    fit_seconds: float
    memory_mb: float
    n_parameters: int


@dataclass(frozen=True, eq=False)
class Results:
    """What `benchmark` found; ``a + b`` puts two together, and ``results["ALS"]`` are its runs."""

    runs: list[Run]

    def __add__(self, other: Results) -> Results:
        return Results([*self.runs, *other.runs])

    def __getitem__(self, model: str) -> list[Run]:
        if model not in self.models:
            raise RecsysError(f"{model!r} was not measured; there are {', '.join(self.models)}")
        return [run for run in self.runs if run.model == model]

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order measured."""
        return list(dict.fromkeys(run.model for run in self.runs))

    @property
    def metrics(self) -> list[str]:
        """The metrics, in the order asked for."""
        return list(dict.fromkeys(name for run in self.runs for name in run.report.values))

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a run: model, seed, split; the metrics; the costs; n_ratings, of the test part."""
        rows = [
            {"model": run.model, "seed": run.seed, "split": run.split}
            | {name: run.report.values.get(name, np.nan) for name in self.metrics}
            | {name: getattr(run, name) for name in COSTS}
            | {"n_ratings": run.report.n_ratings}
            for run in self.runs
        ]
        return pd.DataFrame(rows)

    @cached_property
    def pooled(self) -> dict[str, Report]:
        """One report a model: those of all its splits and seeds as one.

        A user's value is the mean over the runs in which the user has one, so that users who are
        tested several times are no more users for it; RMSE and MAE are of all test ratings
        together. Metrics that have no value by user are averaged over the runs.
        """
        return {name: _pool([run.report for run in self[name]]) for name in self.models}

    def summary(self, level: float = 0.95, n: int = 1000) -> pd.DataFrame:
        """Return a row a model: means, intervals over users, and costs.

        For each metric its value (see `pooled`) and, where it has an interval, ``"rmse low"`` and
        ``"rmse high"``, by `n` draws at this `level`; ``"rmse sd"``, the standard deviation over
        splits and seeds (NaN for a single run); the means of the costs; runs, how many.
        """
        groups = self.table.groupby("model", sort=False)
        spread = groups[self.metrics].std().add_suffix(" sd")
        table = evaluation.compare(self.pooled, interval=level, n=n).join(spread)
        return table.join(groups[list(COSTS)].mean()).assign(runs=groups.size())

    def lead(self, one: str, other: str, metric: str = "ndcg@10", **options: Any) -> Paired:
        """Compare two models user by user; see `evaluation.paired` for the result and `options`."""
        return evaluation.paired(self.pooled[one], self.pooled[other], metric, **options)

    def against(self, reference: str, metric: str, **options: Any) -> pd.DataFrame:
        """Compare every model that has a metric with one of them, user by user.

        Returns
        -------
        DataFrame
            Index ``model``, the reference left out, the nearest to it first: ``value`` (the
            difference to the reference), ``low``, ``high`` (its interval), ``worse`` and ``better``
            (shares of users for whom the model does worse, or better, than the reference).
        """
        others = [name for name in self.models if metric in self.pooled[name].values]
        pairs = [self.lead(name, reference, metric, **options) for name in others]
        table = pd.DataFrame(pairs, index=pd.Index(others, name="model")).drop(index=reference)
        table = table.rename(columns={"difference": "value"}).sort_values(
            "value", key=abs, kind="stable"
        )
        return table[["value", "low", "high", "worse", "better"]]


def _pool(reports: list[Report]) -> Report:
    first = reports[0]
    parts = {report.test_part: report for report in reports}  # some may share a test part
    users = pd.concat([report.per_user for report in reports]).groupby(level=0).mean()
    errors = pd.concat([report.errors.assign(part=report.test_part) for report in reports])
    if len(first.errors):  # means over the runs of one part, sums over parts
        errors = errors.groupby(["user_id", "part"]).mean().groupby(level="user_id").sum()
    values = {name: float(np.mean([r.values[name] for r in reports])) for name in first.values}
    values |= {str(name): float(users[name].mean()) for name in users}
    if len(errors):
        n, squared, absolute = (float(errors[name].sum()) for name in ("n", "squared", "absolute"))
        sums = {"rmse": float(np.sqrt(squared / n)), "mae": absolute / n}
        values |= {name: value for name, value in sums.items() if name in values}
    return replace(
        first,
        values=values,
        per_user=users,
        n_users=len(users),
        n_left_out=sum(report.n_left_out for report in parts.values()),
        n_cold=sum(report.n_cold for report in parts.values()),
        n_ratings=sum(report.n_ratings for report in parts.values()),
        errors=errors if len(errors) else pd.DataFrame(),
        test_part="+".join(parts),
    )


def benchmark(
    models: Mapping[str, Recommender],
    data: Dataset | Split | Sequence[Split],
    protocol: str | None = None,
    *,
    seeds: Sequence[int] = (0,),
    trials: int = 0,
    metrics: Sequence[str] | None = None,
    fitted: Mapping[str, Recommender] | None = None,
    keep: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Results:
    """Fit and test models on every split of a protocol; each test part is read once by each.

    A model is tuned, where that is asked for, within the split's `Development`, then fitted as
    `Split.fit` does it, then measured.

    Parameters
    ----------
    models : mapping of name to model
        Unfitted; copies are fitted. Only those that predict ratings are asked for rating metrics.
    data : Dataset, Split or sequence of Split
        What to learn from and to test on; a data set together with a protocol.
    protocol : str, optional
        See `evaluation.folds`.
    seeds : sequence of int
        The whole is done once for each: it is added to the models' own seed, and the folds of a
        protocol are drawn with it. On given splits a model without a seed is fitted once.
    trials : int
        Of the search for parameters on each split; 0: none. A model without a search space keeps
        its parameters.
    metrics : sequence of str, optional
        See `evaluation.evaluate`.
    fitted : mapping of name to model, optional
        To be measured as they are on a single split; they come first.
    keep : bool
        Whether the results hold the fitted models.
    progress : bool, optional
        Whether the models draw bars. Each result goes to the log ("recsys_lib") as it comes.
    **options
        Handed to `Split.test`.
    """
    if not (models or fitted) or not len(seeds) or len({*seeds}) < len(seeds) or trials < 0:
        raise RecsysError(
            f"there are {len(models)} models, the seeds {list(seeds)} and {trials} trials to run: "
            "name at least one model and one seed, no seed twice, and 0 trials or more"
        )
    ready = fitted or {}
    everyone = {**ready, **models}
    wanted = {name: evaluation.possible(model, metrics) for name, model in everyone.items()}
    runs: list[Run] = []
    for number, (seed, split) in enumerate(_splits(data, protocol, seeds)):
        if number == 0:
            _warm_up(models, split)
        anew = isinstance(data, Dataset) or seed == seeds[0]  # on what no seed was measured yet
        for name, model in everyone.items():
            if name in ready and seed != seeds[0]:
                continue
            if name not in ready and not (anew or "seed" in model.get_params()):
                continue
            mine, costs = model, (np.nan, np.nan, np.nan)
            if name not in ready:
                mine = _seeded(model, seed)
                costs = _fit(mine, split, trials, seed, progress)
            report = split.test(f"{name}, seed {seed}", mine, wanted[name], **options)
            kept = mine if keep or name in ready else mine.unfitted()
            runs.append(Run(name, seed, split.name, report, kept, *costs, mine.n_parameters_))
            numbers = ", ".join(f"{metric} {value:.4f}" for metric, value in report.values.items())
            told = name, seed, split.name, numbers, *costs[:2]
            logger.info("%s, seed %d, %s: %s (%.1f s of tuning, %.1f s of fitting)", *told)
    return Results(runs)


def _splits(
    data: Dataset | Split | Sequence[Split], protocol: str | None, seeds: Sequence[int]
) -> Iterator[tuple[int, Split]]:
    if isinstance(data, Dataset) != (protocol is not None):
        raise RecsysError("a data set goes with a protocol, such as '5-fold', and a split without")
    for seed in seeds:
        if isinstance(data, Dataset):
            assert protocol is not None
            some: Any = evaluation.iterate_folds(data, protocol, seed)
        else:
            some = [data] if isinstance(data, Split) else data
        yield from ((seed, split) for split in some)


def _seeded(model: Recommender, seed: int) -> Recommender:
    """Return an unfitted model with the same parameters, `seed` added to its own."""
    params = model.get_params()
    return model.unfitted(seed=params["seed"] + seed) if "seed" in params else model.unfitted()


def _fit(
    model: Recommender, split: Split, trials: int, seed: int, progress: bool | None
) -> tuple[float, float, float]:
    """Tune and fit; return the seconds of both, and the memory that fitting took, in 10⁶ bytes."""
    began = time.perf_counter()
    if trials and model.search_space:
        model.set_params(**tuning.choose_within(model, split.development, trials, seed))
    tuned = time.perf_counter() - began
    split.learning.by_item  # noqa: B018 - built at first use, and no model's own cost
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, began = tracemalloc.get_traced_memory()[0], time.perf_counter()
    try:
        split.fit(model, progress=progress)
        seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    finally:
        if not traced:
            tracemalloc.stop()
    return tuned, seconds, (peak - before) / 1e6


def _warm_up(models: Mapping[str, Recommender], split: Split) -> None:
    """Fit copies to a few of the ratings: whatever is compiled at first use is compiled then."""
    few = np.arange(len(split.learning)) < WARM_UP
    small = Ratings.from_frame(split.learning.select(few).to_frame(), scale=split.learning.scale)
    part = replace(split.development, train=small, valid=small)
    for model in models.values():
        with suppress(RecsysError):  # too few for this model: the real fit will do, or say why
            part.fit(model.unfitted(), progress=False)
