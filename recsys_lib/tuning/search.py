"""Trying parameters on the validation part: by grid, at random, or guided by what was found (TPE).

A search is given the training and the validation part and nothing else, so it cannot look at a test
part. It is a thin layer over Optuna (Akiba et al. 2019). Every trial draws from a generator of its
own, seeded by the search's seed and the trial's number: so the same seed gives the same trials, and
a search that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import Development
from recsys_lib.models import Recommender
from recsys_lib.progress import bar
from recsys_lib.tuning.spaces import SPACES, Space, grid
from recsys_lib.tuning.study import (
    SMALLER_IS_BETTER,
    ask,
    best_text,
    counted,
    facts_of,
    open_study,
)

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "halving")
GIVE_UP = 3  # trials that fail, one after the other from the first: the next would fail as well
OF_LISTS = "ndcg@10"  # what models are tuned for that do not predict ratings


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    trials : DataFrame
        A row a trial, in the order tried: number, a column for each parameter, value (of the metric
        on the validation part; of a trial that was stopped, the last seen), state ("complete",
        "pruned" or "failed"), epochs (that were run) and seconds.
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
        What may be looked at: ``evaluation.folds(data, "80-20")[0].development``.
    n_trials : int
        Trials in all, those of earlier calls with the same `storage` included. A grid has as many
        points as fit in this number.
    sampler : {"tpe", "random", "grid"}
        "tpe" looks more often where trials went well (Bergstra et al. 2011); "random" draws afresh
        each time (Bergstra & Bengio 2012); "grid" takes evenly spaced values, in random order.
    seed : int
        The same seed gives the same trials.
    metric : str, optional
        A name that `evaluation.evaluate` knows. By default "rmse", "ndcg@10" for models that do
        not predict ratings.
    storage : path, optional
        A file that keeps the trials as they are made; the same search with the same file goes on.
    progress : bool, optional
        Whether to draw a bar; by default where somebody watches.
    space : mapping of parameter name to Range or Choice, optional
        Where to look; by default the model's entry in `SPACES`.
    pruner : {"median", "halving"}, optional
        When to stop a trial early, judged by its metric after each epoch: "median", if it is worse
        than half of the earlier ones were at that epoch; "halving", if it is not among the best of
        those that came as far (Li et al. 2018). None: never. Models whose `fit` has no `callback`
        are always fitted to the end.
    start : bool
        Whether the first trial is of the model's own parameters, if they lie in the space; a grid
        has no place for them.

    Returns
    -------
    Search

    Raises
    ------
    RecsysError
        An argument is out of range, the file holds another search, or no trial could be finished.

    References
    ----------
    Akiba, Sano, Yanase, Ohta & Koyama 2019, Optuna. Bergstra & Bengio 2012, Random search for
    hyper-parameter optimization. Bergstra, Bardenet, Bengio & Kégl 2011, Algorithms for
    hyper-parameter optimization. Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar 2018, Hyperband.
    """
    check_development(development)
    if n_trials < 1 or seed < 0:
        raise RecsysError(
            f"n_trials={n_trials} must be 1 or more, and seed={seed} a whole number from 0"
        )
    _check_name("sampler", sampler, SAMPLERS)
    if pruner is not None:
        _check_name("pruner", pruner, PRUNERS)
    space = _space_of(model) if space is None else dict(space)
    metric = metric_of(model) if metric is None else metric
    planned: list[dict[str, Any]] = []
    if sampler == "grid":
        planned = grid(space, n_trials)
        np.random.default_rng(seed).shuffle(planned)
        n_trials = len(planned)
    elif start:
        own = {name: model.get_params().get(name) for name in space}
        planned = [own] if all(own[name] in space[name] for name in space) else []

    facts = facts_of(model, development, space, metric, sampler, seed, pruner, planned)
    study = open_study(facts, storage)
    failure: RecsysError | None = None
    with bar(progress, total=n_trials, desc=f"tune {type(model).__name__}") as steps:
        steps.update(min(len(counted(study)), n_trials))
        while (number := len(counted(study))) < n_trials:
            trial = ask(study, space, sampler, seed, number, planned)
            failure = _run(study, trial, model, space, development, metric) or failure
            steps.update()
            steps.set_postfix_str(best_text(study, metric))
            if number + 1 >= GIVE_UP and all(t.state.name == "FAIL" for t in counted(study)):
                break
    search = _summarise(study, space, metric)
    if search.best(1).empty:
        raise RecsysError(f"none of {len(search.trials)} trials could be finished, for: {failure}")
    return search


def metric_of(model: Recommender) -> str:
    """Return the metric that a model is tuned for."""
    return "rmse" if hasattr(model, "predict") else OF_LISTS


def score(
    model: Recommender, params: Mapping[str, Any], development: Development, metric: str
) -> float:
    """Fit a model like `model`, with `params`; return its metric on the validation part."""
    fresh = _with(model, params)
    development.fit(fresh, progress=False)
    return _measure(fresh, development, metric, _last(fresh))


# ---- one trial


def _run(
    study: optuna.Study,
    trial: optuna.Trial,
    model: Recommender,
    space: Space,
    development: Development,
    metric: str,
) -> RecsysError | None:
    """Carry out a trial and tell the study; return the error of one that cannot be carried out."""
    import optuna

    states = optuna.trial.TrialState
    began = time.perf_counter()
    fresh = _with(model, {name: space[name].tidy(trial.params[name]) for name in space})
    last = getattr(fresh, "n_epochs", None)
    epochs = 0

    def watch(row: dict[str, Any]) -> None:
        nonlocal epochs
        epochs = int(row["epoch"])
        trial.report(_measure(fresh, development, metric, row), epochs)
        if epochs != last and trial.should_prune():
            raise optuna.TrialPruned

    watched = "callback" in inspect.signature(fresh.fit).parameters
    extra: dict[str, Any] = {"callback": watch} if watched else {}
    value, state, failure = None, states.FAIL, None
    try:
        development.fit(fresh, progress=False, **extra)
        value = _measure(fresh, development, metric, _last(fresh))
        state = states.COMPLETE if np.isfinite(value) else states.FAIL
        epochs = epochs or len(fresh.training_log_)
        if state == states.FAIL:
            failure = RecsysError(f"{fresh!r} has {metric} {value}")
    except optuna.TrialPruned:
        state = states.PRUNED
    except RecsysError as error:
        failure = error
    except BaseException:  # Ctrl-C, or a bug: this trial is made again when the search goes on
        study.tell(trial, state=states.FAIL)
        raise
    trial.set_user_attr("epochs", epochs)
    trial.set_user_attr("seconds", time.perf_counter() - began)
    study.tell(trial, value if state == states.COMPLETE else None, state=state)
    return failure


def _with(model: Recommender, params: Mapping[str, Any]) -> Recommender:
    """Return an unfitted model like `model` but for some parameters."""
    return type(model)(**model.get_params()).set_params(**params)


def _last(model: Recommender) -> Mapping[str, Any]:
    """Return the last row of a fitted model's history."""
    history = model.training_log_
    return {str(name): history[name].iloc[-1] for name in history} if len(history) else {}


def _measure(
    model: Recommender, development: Development, metric: str, row: Mapping[str, Any]
) -> float:
    """Return the metric on the validation part; what the fit has measured already is taken."""
    if f"{metric}_valid" in row:
        return float(row[f"{metric}_valid"])
    return development.measure(model, [metric])[metric]


def _summarise(study: optuna.Study, space: Space, metric: str) -> Search:
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    rows, points = [], []
    for number, trial in enumerate(counted(study)):
        params = {name: space[name].tidy(trial.params[name]) for name in space}
        points.append(params)
        value = trial.value if trial.value is not None else float("nan")
        if trial.state.name == "PRUNED":
            value = trial.intermediate_values[max(trial.intermediate_values)]
        told = {name: trial.user_attrs[name] for name in ("epochs", "seconds")}
        rows.append(
            {"number": number, **params, "value": value, "state": names[trial.state.name], **told}
        )
    return Search(pd.DataFrame(rows), points, metric)


# ---- checks


def check_development(development: Development) -> None:
    """Refuse anything that might lead to a test part."""
    if not isinstance(development, Development):
        raise RecsysError(
            f"a search takes a Development, and this is a {type(development).__name__}; take "
            "evaluation.folds(...)[0].development, which has no test part"
        )


def _check_name(what: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise RecsysError(f"there is no {what} {name!r}; there are {', '.join(names)}")


def _space_of(model: Recommender) -> Space:
    name = type(model).__name__
    if name not in SPACES:
        raise RecsysError(
            f"it is not known where to look for the parameters of {name}; pass space=, as in "
            "tuning.SPACES"
        )
    return SPACES[name]
