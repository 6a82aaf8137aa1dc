"""Choosing parameters on the validation part: a thin layer over Optuna (Akiba et al. 2019).

A search is given a `Development`, training and validation ratings, so it cannot look at a test
part. Where to look is a model's `search_space`, Optuna's own distributions. Each trial's sampler is
seeded by the search's seed and the trial's number: so the same seed gives the same trials, and a
search that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.evaluation import SMALLER_IS_BETTER, Development
from recsys_lib.models import Recommender
from recsys_lib.progress import bar
from recsys_lib.tuning.spaces import Space, grid, holds, tidy

WARM_UP = 3  # epochs before a trial may be stopped: the first say little of the last
GIVE_UP = 3  # trials that fail, one after the other from the first: the next would fail as well
SAMPLERS = ("tpe", "random", "grid")
PRUNERS: dict[str | None, optuna.pruners.BasePruner] = {
    None: optuna.pruners.NopPruner(),
    "median": optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP),
    "halving": optuna.pruners.SuccessiveHalvingPruner(min_resource=WARM_UP, reduction_factor=2),
}


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
        What may be looked at: no test part.
    n_trials : int
        Trials in all, those of earlier calls with the same `storage` included. A grid has as many
        points as fit in this number.
    sampler : {"tpe", "random", "grid"}
        "tpe" looks more often where trials went well (Bergstra et al. 2011); "random" draws afresh
        each time (Bergstra & Bengio 2012); "grid" takes evenly spaced values, in random order.
    seed : int
        The same seed gives the same trials.
    metric : str, optional
        A name that `evaluation.evaluate` knows. By default see `metric_of`.
    storage : path, optional
        A file that keeps the trials as they are made; the same search with the same file goes on.
    progress : bool, optional
        Whether to draw a bar; by default where somebody watches.
    space : mapping of parameter name to Optuna distribution, optional
        Where to look; by default the model's `search_space`.
    pruner : {"median", "halving"}, optional
        When to stop a trial early, judged by its metric after each epoch: "median", if it is worse
        than half of the earlier ones were at that epoch; "halving", if it is not among the best of
        those that came as far (Li et al. 2018). None: never.
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
    if sampler not in SAMPLERS:
        raise RecsysError(f"there is no sampler {sampler!r}; there are {', '.join(SAMPLERS)}")
    if pruner not in PRUNERS:
        names = ", ".join(str(name) for name in PRUNERS)
        raise RecsysError(f"there is no pruner {pruner!r}; there are {names}")
    space = model.search_space if space is None else space
    if not space:
        raise RecsysError(f"{type(model).__name__} has no search_space; pass space=")
    metric = metric_of(model) if metric is None else metric
    planned: list[dict[str, Any]] = []
    own = {name: model.get_params().get(name) for name in space}
    if sampler == "grid":
        planned = grid(space, n_trials)
        np.random.default_rng(seed).shuffle(planned)
        n_trials = len(planned)
    elif start and all(holds(part, own[name]) for name, part in space.items()):
        planned = [own]
    facts = {
        "model": type(model).__name__,
        "parameters": {k: v for k, v in model.get_params().items() if k not in space},
        "space": {name: repr(part) for name, part in space.items()},
        "metric": metric, "sampler": sampler, "seed": seed, "pruner": pruner, "planned": planned,
        "data": _digest(development),
    }  # fmt: skip
    study = _open(json.loads(json.dumps(facts, default=repr)), PRUNERS[pruner], storage)
    failure: RecsysError | None = None
    with bar(progress, total=n_trials, desc=f"tune {type(model).__name__}") as steps:
        steps.update(min(len(_done(study)), n_trials))
        while (number := len(_done(study))) < n_trials:
            state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
            kinds = optuna.samplers.TPESampler, optuna.samplers.RandomSampler
            study.sampler = kinds[sampler != "tpe"](seed=state)
            if number < len(planned) and not study.get_trials(states=(TrialState.WAITING,)):
                study.enqueue_trial(planned[number])
            failure = _try(study, space, model, development, metric) or failure
            steps.update()
            if number + 1 >= GIVE_UP and all(t.state == TrialState.FAIL for t in _done(study)):
                break
    search = _summarise(study, space, metric)
    if search.best(1).empty:
        raise RecsysError(f"none of {len(search.trials)} trials could be finished, for: {failure}")
    return search


def metric_of(model: Recommender) -> str:
    """Return the metric that a model is tuned for: that of stars, or that of lists."""
    return "rmse" if model.predicts_ratings else "ndcg@10"


def _try(
    study: optuna.Study,
    space: Space,
    model: Recommender,
    development: Development,
    metric: str,
) -> RecsysError | None:
    """Carry out a trial and tell the study; return the error of one that cannot be carried out."""
    trial, began, epochs = study.ask(dict(space)), time.perf_counter(), 0
    fresh = model.unfitted(**tidy(space, trial.params))

    def callback(row: dict[str, Any]) -> None:
        nonlocal epochs
        epochs = int(row["epoch"])
        value = row.get(f"{metric}_valid")
        value = development.measure(fresh, [metric])[metric] if value is None else value
        trial.report(float(value), epochs)
        if epochs != fresh.n_epochs and trial.should_prune():
            raise optuna.TrialPruned

    value, state, failure = None, TrialState.FAIL, None
    try:
        development.fit(fresh, progress=False, callback=callback)
        value = measured(fresh, development, metric)
        state = TrialState.COMPLETE if np.isfinite(value) else TrialState.FAIL
        if state == TrialState.FAIL:
            failure = RecsysError(f"{fresh!r} has {metric} {value}")
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except RecsysError as error:
        failure = error
    except BaseException:  # Ctrl-C, or a bug: this trial is made again when the search goes on
        study.tell(trial, state=TrialState.FAIL)
        raise
    trial.set_user_attr("epochs", epochs)
    trial.set_user_attr("seconds", time.perf_counter() - began)
    study.tell(trial, value if state == TrialState.COMPLETE else None, state=state)
    return failure


def measured(model: Recommender, development: Development, metric: str) -> float:
    """Return a fitted model's metric on the validation part; the log has some of the last epoch."""
    log = model.training_log_
    if f"{metric}_valid" in log and model.patience is None:
        return float(log[f"{metric}_valid"].iloc[-1])
    return development.measure(model, [metric])[metric]


# ---- the study


def _open(
    facts: dict[str, Any],
    pruner: optuna.pruners.BasePruner,
    storage: str | os.PathLike[str] | None,
) -> optuna.Study:
    """Return a new study, or the one in the file `storage` if it is this very search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    told = "" if storage is None else repr(os.fspath(storage))
    goals = optuna.study.StudyDirection
    direction = goals.MINIMIZE if facts["metric"] in SMALLER_IS_BETTER else goals.MAXIMIZE
    try:
        kept = JournalStorage(JournalFileBackend(os.fspath(storage))) if storage else None
        study = optuna.create_study(
            storage=kept, study_name="search", load_if_exists=True, direction=direction,
            pruner=pruner,
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{told} cannot be opened as the file of a search ({error}); name another file"
        ) from error
    there = study.user_attrs.get("facts", facts)
    differ = sorted(name for name in there | facts if there.get(name) != facts.get(name))
    if differ:
        raise RecsysError(
            f"{told} holds another search (its {', '.join(differ)} differ); name another file, "
            "or search as before"
        )
    study.set_user_attr("facts", facts)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # it was killed
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _done(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that are done; one that was interrupted has no epochs noted, nor counts."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state.is_finished() and "epochs" in trial.user_attrs]


def _summarise(study: optuna.Study, space: Space, metric: str) -> Search:
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    rows, points = [], []
    for number, trial in enumerate(_done(study)):
        points.append(tidy(space, trial.params))
        seen = trial.intermediate_values
        last = seen[max(seen)] if trial.state == TrialState.PRUNED else float("nan")
        told = {name: trial.user_attrs[name] for name in ("epochs", "seconds")}
        value = last if trial.value is None else trial.value
        found = {"value": value, "state": names[trial.state.name], **told}
        rows.append({"number": number, **points[-1], **found})
    return Search(pd.DataFrame(rows), points, metric)


def _digest(development: Development) -> str:
    """Return a checksum of the ratings that a search looks at, and of how it measures them."""
    digest = hashlib.sha256(repr(sorted(development.options.items())).encode())
    for part in (development.train, development.valid):
        for array in part.by_user:
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def check_development(development: Development) -> None:
    """Refuse anything that might lead to a test part."""
    if not isinstance(development, Development):
        raise RecsysError(
            f"a search takes a Development, and this is a {type(development).__name__}; take "
            "evaluation.folds(...)[0].development, which has no test part"
        )
