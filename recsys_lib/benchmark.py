"""Many models on the same splits: tuned, fitted, measured once, and what each of that cost.

>>> results = benchmark({"ALS": models.ALS()}, data, "5-fold", trials=20)   # doctest: +SKIP
>>> results.summary()                                                       # doctest: +SKIP
>>> results.against("ALS", "ndcg@10")                                       # doctest: +SKIP
"""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from recsys_lib import protocols, tuning
from recsys_lib.datasets import Dataset
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import possible
from recsys_lib.models import Recommender
from recsys_lib.protocols import Split
from recsys_lib.ratings import Ratings
from recsys_lib.report import SMALLER_IS_BETTER, Report, compare, paired

logger = logging.getLogger("recsys_lib")

WARM_UP = 2000  # ratings that do to have everything compiled that a model's fit needs
FINALISTS, DEALS = 2, 3  # of the search within a split: see `tuning.choose`
COSTS = ("tune_seconds", "fit_seconds", "memory_mb", "n_parameters")


@dataclass(frozen=True, eq=False)
class Run:
    """One model, fitted and measured on one split.

    `report` is of the test part, `valid` the value by which the search chose the parameters (NaN
    without one). `fitted` is the model where it was to be kept; else unfitted, with the same
    parameters. The seconds are those without compilation. `memory_mb` is the most that `fit` had
    allocated at once, in 10⁶ bytes, the model included and the ratings not (Python's and NumPy's
    memory: what compiled code keeps for itself is not seen).
    """

    model: str
    seed: int
    split: str
    report: Report
    fitted: Recommender
    n_parameters: int
    valid: float = np.nan
    tune_seconds: float = np.nan
    fit_seconds: float = np.nan
    memory_mb: float = np.nan


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

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a run: model, seed, split; the metrics; valid; the costs; n_ratings, tested on."""
        rows = [
            {"model": run.model, "seed": run.seed, "split": run.split, **run.report.values}
            | {name: getattr(run, name) for name in ("valid", *COSTS)}
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

    def winner(self, metric: str) -> str:
        """Return the model that is best by what was chosen by: the validation parts, no test part.

        Only models that were searched by `metric` take part: the first that they were asked for.
        """
        by = [next(iter(run.report.values)) == metric for run in self.runs]
        means = self.table[by].groupby("model", sort=False)["valid"].mean().dropna()
        if means.empty:
            raise RecsysError(f"no model was searched by {metric}, so none has won; ask for trials")
        return str(means.idxmin() if metric in SMALLER_IS_BETTER else means.idxmax())

    def summary(self, level: float = 0.95, n: int = 1000) -> pd.DataFrame:
        """Return a row a model: means, intervals over users, and costs.

        For each metric its value (see `pooled`) and, where it has an interval, ``"rmse low"`` and
        ``"rmse high"``, by `n` draws at this `level`; ``"rmse sd"``, the standard deviation over
        splits and seeds (NaN for a single run); the means of the costs; runs, how many.
        """
        metrics = list(dict.fromkeys(name for run in self.runs for name in run.report.values))
        groups = self.table.groupby("model", sort=False)
        spread = groups[metrics].std().add_suffix(" sd")
        table = compare(self.pooled, interval=level, n=n).join(spread)
        return table.join(groups[list(COSTS)].mean()).assign(runs=groups.size())

    def against(
        self, reference: str, metric: str, level: float = 0.95, n: int = 1000
    ) -> pd.DataFrame:
        """Compare every model that has a metric with one of them, user by user; see `paired`.

        Returns
        -------
        DataFrame
            Index ``model``, the reference left out, the nearest to it first: ``value`` (the
            difference to the reference), ``low``, ``high`` (its interval), ``worse`` and ``better``
            (shares of users for whom the model does worse, or better, than the reference).
        """
        pairs = {
            name: paired(report, self.pooled[reference], metric, level=level, n=n)
            for name, report in self.pooled.items()
            if metric in report.values and name != reference
        }
        table = pd.DataFrame(pairs.values(), index=pd.Index(list(pairs), name="model"))
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
    counts = {
        name: sum(getattr(report, name) for report in parts.values())
        for name in ("n_left_out", "n_cold", "n_ratings")
    }
    errors, part = (errors if len(errors) else pd.DataFrame()), "+".join(parts)
    return replace(
        first, values=values, per_user=users, n_users=len(users), errors=errors, test_part=part,
        **counts,
    )  # fmt: skip


def benchmark(
    models: Mapping[str, Recommender],
    data: Dataset | Split,
    protocol: str | None = None,
    *,
    seeds: Sequence[int] = (0,),
    trials: int = 0,
    metrics: Sequence[str] | None = None,
    keep: bool = False,
) -> Results:
    """Fit and test models on every split of a protocol; each test part is read once by each.

    A model is tuned, where that is asked for, within the split's `Development`, then fitted as
    `Split.fit` does it, then measured. Each result goes to the log ("recsys_lib") as it comes.

    Parameters
    ----------
    models : mapping of name to model
        Unfitted: copies are fitted. On a single split those that are fitted already are measured as
        they are. Only those that predict ratings are asked for rating metrics.
    data : Dataset or Split
        What to learn from and to test on; a data set together with a protocol.
    protocol : str, optional
        See `protocols.folds`.
    seeds : sequence of int
        The whole is done once for each: it is added to the models' own seed, and the folds of a
        protocol are drawn with it. On a given split a model without a seed is fitted once.
    trials : int
        Of the search for parameters on each split; 0: none. A model without a search space keeps
        its parameters.
    metrics : sequence of str, optional
        See `evaluation.evaluate`. The search is for the first that a model can have.
    keep : bool
        Whether the results hold the fitted models.
    """
    if not models or not len(seeds) or len({*seeds}) < len(seeds) or trials < 0:
        raise RecsysError(
            f"there are {len(models)} models, the seeds {list(seeds)} and {trials} trials to run: "
            "name at least one model and one seed, no seed twice, and 0 trials or more"
        )
    if isinstance(data, Dataset) != (protocol is not None):
        raise RecsysError("a data set goes with a protocol, such as '5-fold', and a split without")
    wanted = {name: possible(model, metrics) for name, model in models.items()}
    runs: list[Run] = []
    for seed in seeds:
        parts: Iterable[Split] = (
            [data] if isinstance(data, Split) else protocols.folds(data, str(protocol), seed)
        )
        for split in parts:
            if not runs:
                _warm_up(models, split)
            for name, model in models.items():
                ready = isinstance(data, Split) and hasattr(model, "user_ids_")
                params = model.get_params()
                if seed != seeds[0] and isinstance(data, Split) and (ready or "seed" not in params):
                    continue  # it would be the same again
                mine, costs = model, {}
                if not ready:
                    mine = model.unfitted(**{k: params[k] + seed for k in params if k == "seed"})
                    costs = _fit(mine, split, trials, seed, wanted[name][0])
                report = split.test(f"{name}, seed {seed}", mine, wanted[name])
                kept = mine if keep or ready else mine.unfitted()
                runs.append(Run(name, seed, split.name, report, kept, mine.n_parameters_, **costs))
                numbers = ", ".join(f"{key} {value:.4f}" for key, value in report.values.items())
                logger.info("%s, seed %d, %s: %s", name, seed, split.name, numbers)
    return Results(runs)


def _fit(model: Recommender, split: Split, trials: int, seed: int, metric: str) -> dict[str, float]:
    """Tune and fit a model; return what that cost, and by which value it was chosen."""
    began, valid = time.perf_counter(), np.nan
    if trials and model.search_space:
        found = tuning.choose(
            model, split.development, trials, seed, metric=metric, finalists=FINALISTS, deals=DEALS
        )
        model.set_params(**found.params)
        valid = found.value
    tuned = time.perf_counter() - began
    split.learning.by_item  # noqa: B018 - built at first use, and no model's own cost
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, began = tracemalloc.get_traced_memory()[0], time.perf_counter()
    try:
        split.fit(model)
        seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    finally:
        if not traced:
            tracemalloc.stop()
    memory = (peak - before) / 1e6
    return {"valid": valid, "tune_seconds": tuned, "fit_seconds": seconds, "memory_mb": memory}


def _warm_up(models: Mapping[str, Recommender], split: Split) -> None:
    """Fit copies to a few of the ratings: whatever is compiled at first use is compiled then."""
    few = np.arange(len(split.learning)) < WARM_UP
    small = Ratings.from_frame(split.learning.select(few).to_frame(), scale=split.learning.scale)
    part = replace(split.development, train=small, valid=small)
    for model in models.values():
        with suppress(RecsysError):  # too few for this model: the real fit will do, or say why
            part.fit(model.unfitted(), progress=False)
