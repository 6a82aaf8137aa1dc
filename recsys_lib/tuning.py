"""Choosing parameters on the validation part: Optuna's studies (Akiba et al. 2019) of our models.

A search is handed a `Development` and so has no way to a test part. Where to look is the model's
`search_space`: Optuna's own distributions. What comes back is Optuna's own study.

>>> development = tuning.Development(train, valid)                     # doctest: +SKIP
>>> study = tuning.tune(models.ALS(), development, n_trials=30)        # doctest: +SKIP
>>> model = models.ALS(**study.best_params)                            # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import Trial, TrialState

from recsys_lib import splits
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import Report, evaluate, possible
from recsys_lib.models import Recommender
from recsys_lib.progress import is_watched
from recsys_lib.ratings import Ratings
from recsys_lib.report import SMALLER_IS_BETTER

WARM_UP = 3  # epochs before a trial may be stopped: the first say little of the last
M = TypeVar("M", bound=Recommender)


@dataclass(frozen=True, eq=False)
class Development:
    """All that choosing a model gets to see: copies, without any reference to the test ratings.

    A model learns from `train` and is chosen by `valid`, with all that is known of `items` and
    `users`. Lists are measured by `relevant` and `candidates`: see `evaluation.evaluate`. Where the
    users of `valid` are strangers to `train`, `valid_input` is what is known of them.
    """

    train: Ratings
    valid: Ratings
    items: pd.DataFrame | None = None
    users: pd.DataFrame | None = None
    relevant: float = 4.0
    candidates: str = "all"
    valid_input: Ratings | None = None

    @property
    def options(self) -> dict[str, Any]:
        """How lists are measured on `valid`: options of `evaluation.evaluate`."""
        return {"relevant": self.relevant, "candidates": self.candidates}

    def fit(self, model: M, **options: Any) -> M:
        """Fit a model on `train`, with all that is here; `options` go to its `fit` as well."""
        known = {"items": self.items, "users": self.users, "valid_input": self.valid_input}
        return model.fit(self.train, self.valid, **{**known, **options})

    def measure(self, model: Recommender, metrics: Any = None) -> Report:
        """Measure a model fitted on `train` by the validation part."""
        known = self.valid_input
        return evaluate(model, self.train, self.valid, metrics, test_input=known, **self.options)

    def redealt(self, rng: np.random.Generator) -> Development:
        """Return the same ratings in other parts, drawn at random, each as large as before."""
        whole = splits.merge(self.train, self.valid)
        share = len(self.valid) / len(whole)
        train, valid, _ = splits.random(whole, valid=share, test=0.0, seed=rng)
        return replace(self, train=train, valid=valid)

    def value(self, model: Recommender, metric: str) -> float:
        """Return one metric of a model fitted here; where its log has it, of the last epoch."""
        log = model.training_log_
        logged = f"{metric}_valid" in log and self.valid_input is None
        if logged and model.patience is None:
            return float(log[f"{metric}_valid"].iloc[-1])
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

    Parameters
    ----------
    model : Recommender
        Its own parameters hold for all that is not searched; it is not fitted itself.
    development, n_trials, seed :
        What may be looked at, and how many trials; the same seed gives the same trials.
    metric : str, optional
        One of `evaluation.evaluate`; by default `metric_of` the model.
    space : mapping of parameter name to distribution, optional
        Where to look; by default the model's `search_space`.
    sampler : BaseSampler, optional
        One of Optuna's; by default `TPESampler`, which looks more often where trials went well
        (Bergstra, Bardenet, Bengio & Kégl 2011). It brings a seed of its own.
    prune, start : bool
        Whether to stop a trial after an epoch in which its metric is worse than half of the earlier
        trials' was at that epoch; whether the first trial is of the model's own parameters, if they
        lie in the space.

    Raises
    ------
    RecsysError
        An argument is out of range, or no trial could be finished. One that fails with this error
        is noted, and the search goes on.
    """
    if not isinstance(development, Development):
        raise RecsysError(
            f"a search takes a Development, and this is a {type(development).__name__}; make one "
            "of the training and the validation part, without the test part"
        )
    if n_trials < 1 or seed < 0:
        raise RecsysError(
            f"n_trials={n_trials} must be 1 or more, and seed={seed} a whole number from 0"
        )
    space = model.search_space if space is None else space
    if not space:
        raise RecsysError(f"{type(model).__name__} has no search_space; pass space=")
    (metric,) = possible(model, [metric_of(model) if metric is None else metric])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="minimize" if metric in SMALLER_IS_BETTER else "maximize",
        sampler=TPESampler(seed=seed) if sampler is None else sampler,
        pruner=MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP) if prune else NopPruner(),
    )
    own = {name: model.get_params().get(name) for name in space}
    if start and all(_holds(space[name], own[name]) for name in space):
        study.enqueue_trial(own)

    def measured(trial: Trial) -> float:
        def report(row: dict[str, Any]) -> None:
            value = row.get(f"{metric}_valid") if development.valid_input is None else None
            value = development.measure(fresh, [metric])[metric] if value is None else value
            trial.report(float(value), int(row["epoch"]))
            if row["epoch"] != fresh.n_epochs and trial.should_prune():
                raise optuna.TrialPruned

        params = {name: _suggest(trial, name, where) for name, where in space.items()}
        try:
            fresh = model.unfitted(**params)
            development.fit(fresh, progress=False, callback=report)
            value = development.value(fresh, metric)
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
    """Return a row a trial, in the order tried, of a study that `tune` made.

    Columns are number; one for each parameter; value (of the metric on the validation part; of a
    trial that was stopped, the last seen); state ("complete", "pruned" or "fail"); epochs (that
    were run).
    """
    rows = [
        {"number": trial.number, **trial.params, "value": trial.value}
        | {"state": trial.state.name.lower(), "epochs": trial.last_step or 0}
        for trial in study.trials
    ]
    return pd.DataFrame(rows).astype({"value": float})


def metric_of(model: Recommender) -> str:
    """Return what a model is tuned for: the error of its ratings if it predicts any, or lists."""
    return "rmse" if model.predicts_ratings else "ndcg@10"


def some_users(development: Development, limit: int, seed: int = 0) -> Development:
    """Return the ratings of as many users, drawn at random, as have at most `limit` together.

    Users and items keep their index. What has no more than `limit` ratings, training and validation
    together, is returned as it is.
    """
    counts = development.train.by_user.counts + development.valid.by_user.counts
    if counts.sum() <= limit:
        return development
    drawn = splits.draw_users(counts, limit, seed)
    parts = {name: getattr(development, name) for name in ("train", "valid", "valid_input")}
    kept = {name: p.select(drawn[p.user_of_rating()]) for name, p in parts.items() if p is not None}
    return replace(development, **kept)


def _suggest(trial: Trial, name: str, where: Any) -> Any:
    if isinstance(where, CategoricalDistribution):
        return trial.suggest_categorical(name, where.choices)
    return trial.suggest_float(name, where.low, where.high, step=where.step, log=where.log)


def _holds(where: Any, value: Any) -> bool:
    if isinstance(where, CategoricalDistribution):
        return value in where.choices
    return isinstance(value, int | float) and where.low <= value <= where.high
