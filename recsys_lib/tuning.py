"""Choose parameters on the validation part, with Optuna (Akiba et al. 2019).

A search gets a `Development`, which has no test part. The model's `search_space` holds Optuna's
distributions, and the result is an Optuna study.

>>> from recsys_lib import datasets, models, splits, tuning
>>> data = datasets.load("synthetic", n_users=50, n_items=80, n_ratings=1500, seed=0)
>>> train, valid, test = splits.random(data.ratings)
>>> development = tuning.Development(train, valid)
>>> study = tuning.tune(models.BiasALS(), development, n_trials=2)
>>> model = models.BiasALS(**study.best_params)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GridSampler, TPESampler
from optuna.study import Study
from optuna.trial import Trial, TrialState

from recsys_lib import splits
from recsys_lib.errors import RecsysError, check_flags, check_value, check_whole, taking
from recsys_lib.evaluation import Report, check_model, check_protocol, evaluate, possible
from recsys_lib.models import Recommender
from recsys_lib.models.base import VALID_N, VALID_USERS
from recsys_lib.progress import is_watched
from recsys_lib.ratings import Ratings, check_parts
from recsys_lib.report import SMALLER_IS_BETTER

WARM_UP = 3  # epochs before a trial may be stopped: the first say little of the last
M = TypeVar("M", bound=Recommender)
D = TypeVar("D", bound="Development")


@dataclass(frozen=True, eq=False)
class Development:
    """The data for choosing a model: copies, without any reference to the test ratings.

    A model learns from `train` and is chosen by `valid`, with the tables `items` and `users`.
    `relevant` and `candidates` are as for `evaluation.evaluate`. If the users of `valid` are not in
    `train`, `valid_input` holds their known ratings. What does not fit is a `RecsysError`.
    """

    train: Ratings
    valid: Ratings
    items: pd.DataFrame | None = None
    users: pd.DataFrame | None = None
    relevant: float = 4.0
    candidates: str = "all"
    valid_input: Ratings | None = None

    def __post_init__(self) -> None:
        check_parts(train=self.train)
        check_parts(valid=self.valid, train=self.train, valid_input=self.valid_input)
        check_protocol(self.relevant, self.candidates)

    @property
    def options(self) -> dict[str, Any]:
        """Options of `evaluation.evaluate` for the validation part."""
        return {"relevant": self.relevant, "candidates": self.candidates}

    def fit(self, model: M, **options: Any) -> M:
        """Fit a model on these data; `options` go to its `fit`."""
        check_model(model)
        known = {name: getattr(self, name) for name in ("valid", "items", "users", "valid_input")}
        return model.fit(self.train, **{**known, **options})

    def measure(self, model: Recommender, metrics: Any = None) -> Report:
        """Evaluate a model fitted on `train` on the validation part."""
        known = self.valid_input
        return evaluate(model, self.train, self.valid, metrics, test_input=known, **self.options)

    def value(self, model: Recommender, metric: str, last: bool = False) -> float:
        """Return a metric of a model fitted here, or of its `last` epoch, from its log if there."""
        check_model(model)
        model.check_fitted()
        log, lists = model.training_log_, (f"ndcg@{VALID_N}", "all", self.relevant)
        same = lists == (metric, self.candidates, getattr(model, "threshold", None))
        column = "ndcg_valid" if same and self.valid.n_users <= VALID_USERS else f"{metric}_valid"
        if column in log and self.valid_input is None and (last or model.patience is None):
            return float(log[column].iloc[-1])
        return self.measure(model, [metric])[metric]


def tune(
    model: Recommender,
    development: Development,
    n_trials: int = 30,
    seed: int = 0,
    *,
    metric: str | None = None,
    space: Mapping[str, BaseDistribution] | None = None,
    sampler: BaseSampler | None = None,
    prune: bool = True,
    start: bool = True,
) -> Study:
    """Search a model's parameters: fit on the training part, compare on the validation part.

    An argument out of range, or that no trial could be finished, is a `RecsysError`; after a trial
    that fails with this error, the search continues.

    Parameters
    ----------
    model : Recommender
        Its parameters are used for all that is not searched; it is not changed.
    development, n_trials, seed :
        The data, and the number of trials; the same seed gives the same trials.
    metric : str, optional
        A metric of `evaluation.evaluate`; by default `metric_of` the model.
    space : mapping of parameter name to distribution, optional
        The parameters to search; by default the model's `search_space`.
    sampler : BaseSampler, optional
        A sampler of Optuna, with a seed of its own; by default `TPESampler`, which samples more
        often near good trials (Bergstra, Bardenet, Bengio & Kégl 2011).
    prune : bool
        Whether to stop a trial whose metric after an epoch is worse than the median of the earlier
        trials at that epoch.
    start : bool
        Whether the first trial has the model's own parameters, if they lie in the space and the
        sampler is no `GridSampler`, which tries the points of its grid.
    """
    _check_development(development)
    n_trials, seed = check_whole("n_trials", n_trials, 1), check_whole("seed", seed, 0)
    (metric,) = possible(model, [metric_of(model) if metric is None else metric])
    check_flags(prune=prune, start=start)
    check_value("sampler", sampler, "a sampler of Optuna, or None", kind=BaseSampler | None)
    space = model.search_space if space is None else space
    where = space.values() if isinstance(space, Mapping) else [space]
    if not where or not all(isinstance(one, BaseDistribution) for one in where):
        told = "has no search_space; pass space=, of distributions"
        raise RecsysError(f"{type(model).__name__} {told}")
    model.unfitted(**{str(name): None for name in space})  # refuses what is no parameter
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="minimize" if metric in SMALLER_IS_BETTER else "maximize",
        sampler=TPESampler(seed=seed % 2**32) if sampler is None else sampler,
        pruner=MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP) if prune else NopPruner(),
    )
    own = {name: model.get_params().get(name) for name in space}
    start = start and not isinstance(sampler, GridSampler)  # to which it is no point
    if start and all(_holds(space[name], own[name]) for name in space):
        study.enqueue_trial(own)

    def measured(trial: Trial) -> float:
        def report(row: dict[str, Any]) -> None:
            trial.report(development.value(fresh, metric, last=True), row["epoch"])
            if row["epoch"] != fresh.n_epochs and trial.should_prune():
                raise optuna.TrialPruned

        try:
            fresh = model.unfitted(**{name: _suggest(trial, name, space[name]) for name in space})
            if prune or fresh.patience is not None or metric == "rmse":
                development.fit(fresh, progress=False, callback=report)
                value = development.value(fresh, metric)
            else:  # lists are ranked once, at the end
                development.fit(fresh, progress=False, valid=None)
                value = development.measure(fresh, [metric])[metric]
                trial.report(value, len(fresh.training_log_))
            if not np.isfinite(value):
                raise RecsysError(f"{fresh!r} has {metric} {value}")
        except RecsysError as error:
            trial.set_user_attr("failure", str(error))
            raise
        return value

    study.optimize(measured, n_trials, catch=RecsysError, show_progress_bar=is_watched())
    if not study.get_trials(states=[TrialState.COMPLETE]):
        failure = study.trials[-1].user_attrs.get("failure", "the last was stopped early")
        raise RecsysError(f"none of {len(study.trials)} trials could be finished, for: {failure}")
    return study


def table(study: Study) -> pd.DataFrame:
    """Return one row per trial, in the order tried, of a study that `tune` made.

    Columns are number; one for each parameter; value (the metric on the validation part; the last
    one of a trial that was stopped); state ("complete", "pruned" or "fail"); epochs (number run).
    """
    check_value("study", study, "a study of Optuna with a trial", lambda one: one.trials, Study)
    found = study.trials_dataframe(("number", "params", "value", "state"))
    found = found.astype({"value": float}).rename(columns=lambda name: name.removeprefix("params_"))
    epochs = [trial.last_step or 0 for trial in study.trials]
    return found.assign(state=found["state"].str.lower(), epochs=epochs)


def metric_of(model: Recommender) -> str:
    """Return the metric for tuning a model: of its ratings if it predicts them, else of lists."""
    return possible(model, ["rmse", "ndcg@10"])[0]


def some_users(development: D, limit: int, seed: int = 0) -> D:
    """Return the ratings of users drawn at random, at most `limit` ratings in total.

    Users and items keep their index. If the training and validation parts have at most `limit`
    ratings together, `development` is returned.
    """
    _check_development(development)
    limit = check_whole("limit", limit, 1)
    counts = development.train.by_user.counts + development.valid.by_user.counts
    if counts.sum() <= limit:
        return development
    drawn = splits.draw_users(counts, limit, seed)
    parts = {name: getattr(development, name) for name in ("train", "valid", "valid_input")}
    kept = {name: p.select(drawn[p.user_of_rating()]) for name, p in parts.items() if p is not None}
    return replace(development, **kept)


def _check_development(development: Any) -> None:
    wanted = "a Development, made of the training and the validation part"
    check_value("development", development, wanted, kind=Development)


def _suggest(trial: Trial, name: str, where: Any) -> Any:
    with taking(f"{type(trial.study.sampler).__name__} draws no {name}: it"):
        if isinstance(where, CategoricalDistribution):
            return trial.suggest_categorical(name, where.choices)
        suggest = trial.suggest_int if isinstance(where, IntDistribution) else trial.suggest_float
        return suggest(name, where.low, where.high, step=where.step, log=where.log)


def _holds(where: Any, value: Any) -> bool:
    if isinstance(where, CategoricalDistribution):
        return value in where.choices
    return isinstance(value, int | float) and where.low <= value <= where.high
