"""Optuna's side of a search: the study, the file that keeps it, and how the next point is drawn."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.evaluation import Development
from recsys_lib.models import Recommender
from recsys_lib.tuning.spaces import Space

if TYPE_CHECKING:
    import optuna

SMALLER_IS_BETTER = ("rmse", "mae")
WARM_UP = 3  # epochs before a trial may be stopped: the first say little of the last


def open_study(facts: dict[str, Any], storage: str | os.PathLike[str] | None) -> optuna.Study:
    """Return a new study, or the one in the file `storage` if it is this very search."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if facts["pruner"] == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP)
    elif facts["pruner"] == "halving":
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=WARM_UP, reduction_factor=2)
    where = "" if storage is None else os.fspath(storage)
    goals = optuna.study.StudyDirection
    direction = goals.MINIMIZE if facts["metric"] in SMALLER_IS_BETTER else goals.MAXIMIZE
    try:
        study = optuna.create_study(
            storage=_journal(storage), study_name="search", load_if_exists=True,
            direction=direction, pruner=pruner,
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{where!r} cannot be opened as the file of a search ({error}); name another file"
        ) from error
    kept = study.user_attrs.get("facts")
    if kept is None:
        study.set_user_attr("facts", facts)
    elif kept != facts:
        differ = sorted(name for name in kept | facts if kept.get(name) != facts.get(name))
        raise RecsysError(
            f"{where!r} holds another search (its {', '.join(differ)} differ); name another file, "
            "or search as before"
        )
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):  # it was killed
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _journal(storage: str | os.PathLike[str] | None) -> Any:
    if storage is None:
        return None
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(os.fspath(storage)))


def facts_of(
    model: Recommender,
    development: Development,
    space: Space,
    metric: str,
    sampler: str,
    seed: int,
    pruner: str | None,
    planned: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return what makes a search this one, as JSON would give it back."""
    digest = hashlib.sha256()
    for part in (development.train, development.valid):
        for array in part.by_user:
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    fixed = {name: value for name, value in model.get_params().items() if name not in space}
    facts = {
        "model": type(model).__name__,
        "parameters": fixed,
        "space": {name: repr(part) for name, part in space.items()},
        "metric": metric,
        "sampler": sampler,
        "seed": seed,
        "pruner": pruner,
        "planned": planned,
        "ratings": digest.hexdigest(),
        "asked": {name: repr(value) for name, value in development.options.items()},
    }
    return json.loads(json.dumps(facts))


def counted(study: optuna.Study) -> list[Any]:
    """Return the trials that are done; one that was interrupted has no epochs noted, nor counts."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state.is_finished() and "epochs" in trial.user_attrs]


def best_text(study: optuna.Study, metric: str) -> str:
    """Return the best value so far as a few words for a bar."""
    try:
        return f"best {metric} {study.best_value:.4f}"
    except ValueError:  # none is complete yet
        return ""


def ask(
    study: optuna.Study,
    space: Space,
    sampler: str,
    seed: int,
    number: int,
    planned: list[dict[str, Any]],
) -> optuna.Trial:
    """Return the next trial: one of those planned, while there are any, else one that is drawn."""
    import optuna

    state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if sampler == "tpe":
        study.sampler = optuna.samplers.TPESampler(seed=state)
    else:
        study.sampler = optuna.samplers.RandomSampler(seed=state)
    waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
    if number < len(planned) and not waiting:
        study.enqueue_trial(planned[number])
    return study.ask({name: part.distribution() for name, part in space.items()})
