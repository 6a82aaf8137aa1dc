"""What ``make tune`` does: search, confirm the best few, write down what was chosen."""

from __future__ import annotations

import os
from typing import Any

from recsys_lib import datasets, evaluation, models
from recsys_lib.datasets import Dataset
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import Development
from recsys_lib.models import Recommender
from recsys_lib.models.implicit_feedback import ImplicitFeedbackModel
from recsys_lib.tuning import tuned
from recsys_lib.tuning.finals import choose, some_users
from recsys_lib.tuning.search import metric_of

PROTOCOL = "80-20"
DEALS = 5


def command(
    model_name: str,
    dataset_name: str = "auto",
    n_trials: int = 30,
    sampler: str = "tpe",
    seed: int = 0,
    storage: str | os.PathLike[str] | None = None,
    path: str | os.PathLike[str] = tuned.TUNED,
) -> None:
    """Choose a model's parameters for a data set, record them and print what was found.

    The protocol is "80-20", but for models of likes one of theirs: `evaluation.fully_observed`
    where the data have such a matrix, else, for all but BPR, `evaluation.user_holdout`. Its test
    part is never looked at; of a large data set, some users are enough (`some_users`).

    Parameters
    ----------
    model_name : str
        A name in `models.__all__`, in any case.
    dataset_name : str
        What `datasets.load` takes.
    n_trials, sampler, seed, storage :
        See `tune`.
    path : path, optional
        Where to record.

    Raises
    ------
    RecsysError
        There is no such model, or it has nothing to search; or as `tune` and `record`.
    """
    name = tuned.class_name(model_name)
    model = getattr(models, name)()
    if not model.search_space:
        able = [one for one in models.__all__ if getattr(models, one).search_space]
        raise RecsysError(f"{name} has nothing to search; these have: {', '.join(able)}")
    data = datasets.load(dataset_name)
    protocol, development = _development(model, data, seed)
    development = some_users(development, seed=seed)
    ratings = len(development.train) + len(development.valid)
    metric = metric_of(model)
    print(
        f"{name} on {data.name}: {n_trials} trials ({sampler}), {metric} on the validation part of "
        f"{protocol}, seed {seed}",
        flush=True,
    )
    decision = choose(model, development, n_trials, sampler, seed, metric, storage, deals=DEALS)
    trials = decision.search.trials
    formats: dict[str, Any] = dict.fromkeys(("search", "confirmed"), "{:.4f}".format)
    print(decision.finals.to_string(index=False, formatters=formats, na_rep="-"))
    pruned, epochs = int((trials["state"] == "pruned").sum()), int(trials["epochs"].sum())
    print(f"{len(trials)} trials, {pruned} of them stopped early; {epochs} epochs in all")
    print(f"search: on that validation part; confirmed: mean over {DEALS} others")
    tuned.record(
        name, data.name, decision.params, path, protocol=protocol, seed=seed, sampler=sampler,
        n_trials=len(trials), ratings=ratings, deals=DEALS, metric=metric,
        value=round(decision.value, 4),
    )  # fmt: skip
    said = ", ".join(f"{key}={value!r}" for key, value in decision.params.items())
    print(f"chosen: {name}({said})\nwritten to {os.fspath(path)}")


def _development(model: Recommender, data: Dataset, seed: int) -> tuple[str, Development]:
    """Return a protocol's name and its parts; a model of likes is told what a like is there."""
    if isinstance(model, ImplicitFeedbackModel) and data.full is not None:
        name, split = "watch", evaluation.fully_observed(data, seed=seed)
    # On films BPR stands beside models of stars, where all that was rated counts.
    elif isinstance(model, ImplicitFeedbackModel) and not isinstance(model, models.BPR):
        name, split = "strangers", evaluation.user_holdout(data, seed=seed)
    else:
        return PROTOCOL, evaluation.folds(data, PROTOCOL, seed)[0].development
    model.set_params(threshold=split.relevant)
    return name, split.development
