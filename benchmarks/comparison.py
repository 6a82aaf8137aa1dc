"""Many models on the same splits: tuned, fitted, measured once, and what each of that cost.

>>> results = benchmark({"ALS": models.ALS()}, data, "5-fold", trials=20)   # doctest: +SKIP
"""

from __future__ import annotations

import logging
import platform
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution

from benchmarks import choosing, protocols
from benchmarks.protocols import Split
from recsys_lib.datasets import Dataset
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import possible
from recsys_lib.models import Recommender
from recsys_lib.ratings import Ratings

logger = logging.getLogger("recsys_lib")

WARM_UP = 2000  # ratings that do to have everything compiled that a model's fit needs
FINALISTS, DEALS = 1, 3  # of the search within a split: see `choosing.choose`
PACKAGES = ("numpy", "scipy", "numba", "torch", "optuna")  # whose versions may change a result
COSTS = ["tune_seconds", "fit_seconds", "memory_mb", "n_parameters"]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute the results."""
    own = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **own}


def benchmark(
    models: Mapping[str, Recommender],
    data: Dataset,
    protocol: str,
    *,
    seeds: Sequence[int] = (0,),
    trials: int = 0,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Fit and test models on every split of a protocol; each test part is read once by each.

    A model is tuned, where that is asked for, within the split's `Development`, then fitted as
    `Split.fit` does it, then measured. The search is over the model's `search_space` and, where it
    has a `threshold`, over whether each rating is a like or only a relevant one. A model that stops
    by patience is refitted with as many epochs as were best on the validation part. Each result
    goes to the log ("recsys_lib") as it comes.

    Parameters
    ----------
    models : mapping of name to model
        Copies are fitted. Only those that predict ratings are asked for rating metrics.
    data : Dataset
        What to learn from and to test on.
    protocol : str
        See `protocols.folds`.
    seeds : sequence of int
        The whole is done once for each: it is added to the models' own seed, and the folds are
        drawn with it.
    trials : int
        Of the search for parameters on each split, the same for every model; 0: none. A model
        without a search space keeps its parameters.
    metrics : sequence of str, optional
        See `evaluation.evaluate`. The search is for the first that a model can have.

    Returns
    -------
    DataFrame
        One row per run: model, seed, split; the metrics of the test part (NaN where a model has
        none); searched, the metric that parameters were chosen by; valid, its mean over divisions
        of the development ratings, the same for all models (NaN for 0 trials); tune_seconds,
        fit_seconds, without compilation; memory_mb, the most that `fit` had allocated at once, in
        10⁶ bytes, the model included and the ratings not (Python's and NumPy's memory, not what
        compiled code keeps for itself); n_parameters; params, a dict; n_ratings, tested on; report,
        the `Report` of the test part.
    """
    if not models or not len(seeds) or len({*seeds}) < len(seeds) or trials < 0:
        raise RecsysError(
            f"there are {len(models)} models, the seeds {list(seeds)} and {trials} trials to run: "
            "name at least one model and one seed, no seed twice, and 0 trials or more"
        )
    wanted = {name: possible(model, metrics) for name, model in models.items()}
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        for split in protocols.folds(data, protocol, seed):
            if not rows:
                _warm_up(models, split)
            for name, model in models.items():
                params = {k: v + seed for k, v in model.get_params().items() if k == "seed"}
                mine = model.unfitted(**params)
                costs = _fit(mine, split, trials, seed, wanted[name][0])
                costs["n_parameters"] = mine.n_parameters_
                report = split.test(f"{name}, seed {seed}", mine, wanted[name])
                rows.append(
                    {"model": name, "seed": seed, "split": split.name, **report.values, **costs}
                    | {"searched": wanted[name][0], "params": mine.get_params()}
                    | {"n_ratings": report.n_ratings, "report": report}
                )
                numbers = ", ".join(f"{key} {value:.4f}" for key, value in report.values.items())
                logger.info("%s, seed %d, %s: %s", name, seed, split.name, numbers)
    return pd.DataFrame(rows)


def _fit(model: Recommender, split: Split, trials: int, seed: int, metric: str) -> dict[str, float]:
    """Tune and fit a model; return what that cost, and by which value it was chosen."""
    began, valid = time.perf_counter(), np.nan
    if trials:
        valid = _choose(model, split, trials, seed, metric)
    if split.refit and model.patience is not None:  # no part is left to say when to stop
        column, direction = model.monitor
        log = split.development.fit(model.unfitted(), progress=False).training_log_
        values = log[column].to_numpy() * (1 if direction == "max" else -1)
        model.set_params(n_epochs=int(np.nanargmax(values)) + 1, patience=None)
    tuned = time.perf_counter() - began
    split.learning.by_item  # noqa: B018 - built at first use, and no model's own cost
    tracemalloc.start()
    try:
        before, began = tracemalloc.get_traced_memory()[0], time.perf_counter()
        split.fit(model)
        seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    memory = (peak - before) / 1e6
    return {"valid": valid, "tune_seconds": tuned, "fit_seconds": seconds, "memory_mb": memory}


def _choose(model: Recommender, split: Split, trials: int, seed: int, metric: str) -> float:
    """Set the parameters that a search chooses; return their mean metric on other divisions."""
    space: dict[str, BaseDistribution] = dict(model.search_space)
    if "threshold" in model.get_params():
        space["threshold"] = CategoricalDistribution((None, split.relevant))
    if not space:
        own = choosing.confirm(model, split.development, [{}], metric, DEALS, seed)
        return float(own.to_numpy().mean())
    found = choosing.choose(
        model, split.development, trials, seed, metric=metric, space=space,
        finalists=FINALISTS, deals=DEALS,
    )  # fmt: skip
    model.set_params(**found.params)
    return found.value


def _warm_up(models: Mapping[str, Recommender], split: Split) -> None:
    """Fit copies to a few of the ratings: whatever is compiled at first use is compiled then."""
    few = np.arange(len(split.learning)) < WARM_UP
    small = Ratings.from_frame(split.learning.select(few).to_frame(), scale=split.learning.scale)
    part = replace(split.development, train=small, valid=small, valid_input=None)
    for model in models.values():
        with suppress(RecsysError):  # too few for this model: the real fit will do, or say why
            part.fit(model.unfitted(), progress=False)
