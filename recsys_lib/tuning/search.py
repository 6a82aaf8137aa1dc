"""Choosing parameters on the validation part: a thin layer over Optuna (Akiba et al. 2019).

A search is handed a `Development` and so has no way to a test part. Where to look is the model's
`search_space`: Optuna's own distributions. How a trial is drawn depends on the search's seed and
the trial's number alone, so that a search that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.evaluation import SMALLER_IS_BETTER, Development
from recsys_lib.models import Recommender
from recsys_lib.models.training import fingerprint
from recsys_lib.progress import bar

Space = Mapping[str, BaseDistribution]
DIGITS = 3  # of a sampled number: more would be noise, and these can be read and typed
GIVE_UP = 3  # trials that fail, one after the other from the first: the next would fail as well
WARM_UP = 3  # epochs before a trial may be stopped: the first say little of the last
SAMPLERS = {"tpe": TPESampler, "random": RandomSampler, "grid": RandomSampler}
PRUNERS = {
    "median": MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP),
    "halving": SuccessiveHalvingPruner(min_resource=WARM_UP, reduction_factor=2),
    None: NopPruner(),
}


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    trials : DataFrame
        A row a trial, in the order tried: number, a column for each parameter, value (of the metric
        on the validation part; of a trial that was stopped, the last seen), state ("complete",
        "pruned" or "fail"), epochs (that were run) and seconds.
    points : list of dict
        The parameters of each trial, by its number. (In the table a None among numbers is NaN.)
    metric : str
    """

    trials: pd.DataFrame
    points: list[dict[str, Any]]
    metric: str

    def best(self, n: int = 5) -> pd.DataFrame:
        """Return the best `n` trials, best first, of those that were run to the end."""
        done = self.trials[self.trials["state"] == "complete"]
        ascending = self.metric in SMALLER_IS_BETTER
        return done.sort_values("value", ascending=ascending, kind="stable").head(n)

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial."""
        return dict(self.points[int(self.best(1)["number"].iloc[0])])

    @property
    def best_value(self) -> float:
        """The metric of the best trial: the best of many, and so a little too good."""
        return float(self.best(1)["value"].iloc[0])


def tune(
    model: Recommender,
    development: Development,
    n_trials: int = 30,
    sampler: str = "tpe",
    seed: int = 0,
    metric: str | None = None,
    storage: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    *,
    space: Space | None = None,
    pruner: str | None = "median",
    start: bool = True,
) -> Search:
    """Search a model's parameters: fit on the training part, compare on the validation part.

    Parameters
    ----------
    model : Recommender
        Its own parameters hold for all that is not searched; it is not fitted itself.
    development : Development
        What may be looked at: no test part.
    n_trials : int
        Trials in all, those of earlier calls with the same `storage` included. A grid has as many
        points as fit in this number.
    sampler : {"tpe", "random", "grid"}
        "tpe" looks more often where trials went well [1]_; "random" draws afresh each time [2]_;
        "grid" takes evenly spaced values, in random order.
    seed : int
        The same seed gives the same trials.
    metric : str, optional
        A name that `evaluation.evaluate` knows; see `metric_of`.
    storage : path, optional
        A file that keeps the trials as they are made; the same search with the same file goes on.
    progress : bool, optional
        Whether to draw a bar; by default where somebody watches.
    space : mapping of parameter name to distribution, optional
        Where to look, in Optuna's `FloatDistribution` and `CategoricalDistribution`.
    pruner : {"median", "halving"}, optional
        When to stop a trial early, judged by its metric after each epoch: "median", if it is worse
        than half of the earlier ones were at that epoch; "halving", if it is not among the best of
        those that came as far [3]_. None: never.
    start : bool
        Whether the first trial is of the model's own parameters, if they lie in the space; a grid
        has no place for them.

    Raises
    ------
    RecsysError
        An argument is out of range, the file holds another search, or no trial could be finished.

    References
    ----------
    .. [1] Bergstra, Bardenet, Bengio & Kégl 2011, Algorithms for hyper-parameter optimization.
    .. [2] Bergstra & Bengio 2012, Random search for hyper-parameter optimization.
    .. [3] Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar 2018, Hyperband.
    """
    check_development(development)
    if n_trials < 1 or seed < 0:
        raise RecsysError(
            f"n_trials={n_trials} must be 1 or more, and seed={seed} a whole number from 0"
        )
    for what, name, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            raise RecsysError(
                f"there is no {what} {name!r}; there are {', '.join(map(str, known))}"
            )
    space = model.search_space if space is None else space
    if not space:
        raise RecsysError(f"{type(model).__name__} has no search_space; pass space=")
    metric = metric_of(model) if metric is None else metric
    own = {name: model.get_params().get(name) for name in space}
    planned = [own] if start and all(_holds(space[name], own[name]) for name in space) else []
    if sampler == "grid":
        planned = _grid(space, n_trials)
        np.random.default_rng(seed).shuffle(planned)
        n_trials = len(planned)
    parts = (development.train, development.valid, development.valid_input)
    facts = {
        "model": type(model).__name__,
        "parameters": {name: x for name, x in model.get_params().items() if name not in space},
        "space": {name: repr(part) for name, part in space.items()},
        "metric": metric, "sampler": sampler, "seed": seed, "pruner": pruner, "planned": planned,
        "data": [*map(fingerprint, parts), development.relevant, development.candidates],
    }  # fmt: skip
    study = _open(facts, storage)
    with bar(progress, total=n_trials, desc=f"tune {type(model).__name__}") as steps:
        steps.update(min(len(_done(study)), n_trials))
        while (number := len(_done(study))) < n_trials:
            state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
            study.sampler = SAMPLERS[sampler](seed=state)
            if number < len(planned) and not study.get_trials(states=(TrialState.WAITING,)):
                study.enqueue_trial(planned[number])
            study.optimize(
                lambda trial: _try(trial, space, model, development, metric),
                n_trials=1,
                catch=RecsysError,
            )
            steps.update()
            if number + 1 >= GIVE_UP and all(t.state == TrialState.FAIL for t in _done(study)):
                break
    search = _summarise(study, metric)
    if search.best(1).empty:
        failure = _done(study)[-1].user_attrs.get("failure", "the last was stopped early")
        raise RecsysError(f"none of {len(search.trials)} trials could be finished, for: {failure}")
    return search


def metric_of(model: Recommender) -> str:
    """Return what a model is tuned for: the error of its ratings if it predicts any, or lists."""
    return "rmse" if model.predicts_ratings else "ndcg@10"


def _try(
    trial: Trial, space: Space, model: Recommender, development: Development, metric: str
) -> float:
    """Return the metric of a model with a trial's parameters."""

    def report(row: dict[str, Any]) -> None:
        value = row.get(f"{metric}_valid")
        value = development.measure(fresh, [metric])[metric] if value is None else value
        trial.report(float(value), int(row["epoch"]))
        if row["epoch"] != fresh.n_epochs and trial.should_prune():
            raise optuna.TrialPruned

    params = {name: _suggest(trial, name, part) for name, part in space.items()}
    trial.set_user_attr("params", params)
    try:
        fresh = model.unfitted(**params)
        development.fit(fresh, progress=False, callback=report)
        value = measure(fresh, development, metric)
        if not np.isfinite(value):
            raise RecsysError(f"{fresh!r} has {metric} {value}")
    except RecsysError as error:
        trial.set_user_attr("failure", str(error))
        raise
    return value


def measure(model: Recommender, development: Development, metric: str) -> float:
    """Return a fitted model's metric on the validation part; the log has some of the last epoch."""
    log = model.training_log_
    if f"{metric}_valid" in log and model.patience is None:
        return float(log[f"{metric}_valid"].iloc[-1])
    return development.measure(model, [metric])[metric]


# ---- the study


def _open(facts: dict[str, Any], storage: str | os.PathLike[str] | None) -> optuna.Study:
    """Return a new study, or the one in the file `storage` if it is this very search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    facts, told = json.loads(json.dumps(facts, default=repr)), repr(os.fspath(storage or ""))
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(os.fspath(storage))) if storage else None,
            study_name="search",
            load_if_exists=True,
            direction="minimize" if facts["metric"] in SMALLER_IS_BETTER else "maximize",
            pruner=PRUNERS[facts["pruner"]],
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{told} cannot be opened as the file of a search ({error}); name another file"
        ) from error
    kept = study.user_attrs.get("facts", facts)
    differ = sorted(name for name in kept | facts if kept.get(name) != facts.get(name))
    if differ:
        raise RecsysError(
            f"{told} holds another search (its {', '.join(differ)} differ); name another file, "
            "or search as before"
        )
    study.set_user_attr("facts", facts)
    return study


def _done(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: one that was interrupted, not failed, is made again."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state in ended or "failure" in trial.user_attrs]


def _summarise(study: optuna.Study, metric: str) -> Search:
    rows = []
    for number, trial in enumerate(_done(study)):
        seconds = trial.duration.total_seconds() if trial.duration else float("nan")
        found = {"value": trial.value, "state": trial.state.name.lower()}
        spent = {"epochs": trial.last_step or 0, "seconds": seconds}
        rows.append({"number": number, **trial.user_attrs["params"], **found, **spent})
    points = [trial.user_attrs["params"] for trial in _done(study)]
    return Search(pd.DataFrame(rows).astype({"value": float}), points, metric)


def check_development(development: Development) -> None:
    """Refuse anything that might lead to a test part."""
    if not isinstance(development, Development):
        raise RecsysError(
            f"a search takes a Development, and this is a {type(development).__name__}; take "
            "evaluation.folds(...)[0].development, which has no test part"
        )


# ---- points of a space


def _suggest(trial: Trial, name: str, part: Any) -> Any:
    """Return a trial's value of a parameter, drawn from its distribution."""
    if isinstance(part, CategoricalDistribution):
        return trial.suggest_categorical(name, part.choices)
    return _rounded(trial.suggest_float(name, part.low, part.high, log=part.log), part)


def _rounded(value: float, part: Any) -> float:
    return float(min(max(float(f"{value:.{DIGITS}g}"), part.low), part.high))


def _holds(part: Any, value: Any) -> bool:
    if isinstance(part, CategoricalDistribution):
        return value in part.choices
    return isinstance(value, int | float) and part.low <= value <= part.high


def _grid(space: Space, n: int) -> list[dict[str, Any]]:
    """Return the finest grid of at most `n` points: as many values of each parameter, or all."""
    for size in range(n, 0, -1):
        values = [_spread(part, size) for part in space.values()]
        if math.prod(map(len, values)) <= n:
            break
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*values)]


def _spread(part: Any, n: int) -> list[Any]:
    """Return `n` values from end to end, or all there are; a single one is the middle."""
    if isinstance(part, CategoricalDistribution):
        n = min(n, len(part.choices))
        last = len(part.choices) - 1
        places = np.linspace(0, last, n).round() if n > 1 else [(last + 1) // 2]
        return [part.choices[int(place)] for place in places]
    spaced: Any = np.geomspace if part.log else np.linspace
    values = spaced(part.low, part.high, n) if n > 1 else spaced(part.low, part.high, 3)[1:2]
    return [_rounded(value, part) for value in values]
