"""The final round of a search: the best few trials, measured again on other divisions."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import TrialState

from benchmarks.held_out import Dealt
from recsys_lib import tuning
from recsys_lib.errors import RecsysError
from recsys_lib.models import Recommender
from recsys_lib.progress import bar
from recsys_lib.report import SMALLER_IS_BETTER

logger = logging.getLogger("recsys_lib")

ENOUGH = 2_000_000  # ratings that tell good parameters from bad ones


class Decision(NamedTuple):
    """What `choose` decided.

    `params` were chosen, and `value` is their metric on the new deals. `finals` has a row a
    finalist, the model's own parameters last: trial (a number or "defaults"), a column for each
    parameter, search (the value that the search found), confirmed (the mean over the new deals).
    `study` is where the finalists came from.
    """

    params: dict[str, Any]
    value: float
    finals: pd.DataFrame
    study: Study


def choose(
    model: Recommender,
    development: Dealt,
    n_trials: int = 30,
    seed: int = 0,
    *,
    metric: str | None = None,
    space: Mapping[str, BaseDistribution] | None = None,
    finalists: int = 5,
    deals: int = 5,
) -> Decision:
    """Search, then let the best few and the model's own parameters compete on other divisions.

    The best of many trials owes a part of its lead to the one validation part that it was the best
    on. So `finalists` trials of `tuning.tune`, rounded to three digits, are measured again on as
    many `deals`, by `confirm`. The model's own parameters are kept unless the best finalist is
    ahead by more than a standard error over the deals. Where there are more than `ENOUGH` ratings,
    all this is done on those of `tuning.some_users`.
    """
    metric = tuning.metric_of(model) if metric is None else metric
    development = tuning.some_users(development, ENOUGH, seed)
    study = tuning.tune(model, development, n_trials, seed, metric=metric, space=space)
    sign = 1 if metric in SMALLER_IS_BETTER else -1
    done = study.get_trials(states=[TrialState.COMPLETE])
    entered: list[tuple[str, dict[str, Any], float]] = []
    for trial in sorted(done, key=lambda trial: sign * (trial.value or 0.0)):
        params = {name: _rounded(value) for name, value in trial.params.items()}
        if len(entered) < finalists and params not in [other for _, other, _ in entered]:
            entered.append((str(trial.number), params, trial.value or 0.0))
    entered.append(("defaults", {name: getattr(model, name) for name in entered[0][1]}, np.nan))
    trials, candidates, values = zip(*entered, strict=True)
    again = confirm(model, development, candidates, metric, deals, seed)
    means = again.mean(axis=1).to_numpy()
    finals = pd.DataFrame(candidates).assign(search=values, confirmed=means)
    finals.insert(0, "trial", trials)
    winner = int((sign * means).argmin())
    lead = sign * (again.iloc[-1] - again.iloc[winner])
    if lead.mean() <= lead.std() / deals**0.5:
        winner = len(candidates) - 1
    logger.info("%s: %s", type(model).__name__, candidates[winner])
    return Decision(dict(candidates[winner]), float(means[winner]), finals, study)


def confirm(
    model: Recommender,
    development: Dealt,
    candidates: Sequence[Mapping[str, Any]],
    metric: str,
    deals: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure candidates, each some of the model's parameters, on other divisions of the ratings.

    The training and validation parts are put together and `Dealt.redealt`, `deals` times.
    Returns one row per candidate, in the order given, and one column per deal.
    """
    if deals < 2:
        raise RecsysError(f"deals is {deals}; without two of them there is no standard error")
    found = np.empty((len(candidates), deals))
    with bar(total=found.size, desc=f"confirm {type(model).__name__}") as steps:
        for deal in range(deals):
            part = development.redealt(np.random.default_rng([seed, deal]))
            for row, params in enumerate(candidates):
                fresh = part.fit(model.unfitted(**params), progress=False)
                found[row, deal] = part.value(fresh, metric)
                steps.update()
    return pd.DataFrame(found, columns=pd.RangeIndex(1, deals + 1, name="deal"))


def _rounded(value: Any) -> Any:
    """Return a number to three digits: more would be noise, and these can be read and typed."""
    return float(f"{value:.3g}") if isinstance(value, float) else value
