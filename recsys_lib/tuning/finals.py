"""The final round: the best few of a search once more, on other divisions; and fewer users."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib import splits
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import SMALLER_IS_BETTER, Development
from recsys_lib.models import Recommender
from recsys_lib.progress import bar
from recsys_lib.tuning.search import Search, check_development, measure, metric_of, tune

logger = logging.getLogger("recsys_lib")

ENOUGH = 2_000_000  # ratings that tell good parameters from bad ones
QUICK_FINALISTS, QUICK_DEALS = 2, 3  # of `choose_within`: the best trials, and deals for them


@dataclass(frozen=True)
class Decision:
    """What `choose` decided.

    Attributes
    ----------
    params : dict
        The parameters chosen.
    value : float
        Their metric, mean over the new deals.
    finals : DataFrame
        A row a finalist, the model's own parameters last: trial (a number or "defaults"), a column
        for each parameter, search (the value that the search found), confirmed (mean over the new
        deals).
    search : Search
        Where the finalists came from.
    """

    params: dict[str, Any]
    value: float
    finals: pd.DataFrame
    search: Search


def choose(
    model: Recommender,
    development: Development,
    n_trials: int = 30,
    sampler: str = "tpe",
    seed: int = 0,
    metric: str | None = None,
    storage: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    *,
    finalists: int = 5,
    deals: int = 5,
    **options: Any,
) -> Decision:
    """Search, then let the best few and the model's own parameters compete on other divisions.

    The best of many trials owes a part of its lead to the one validation part that it was the best
    on. The model's own parameters are kept unless the best finalist is ahead by more than a
    standard error over the deals.

    Parameters
    ----------
    model, development, n_trials, sampler, seed, metric, storage, progress, **options :
        See `tune`.
    finalists, deals :
        How many trials `confirm` measures again, and on how many deals.
    """
    metric = metric_of(model) if metric is None else metric
    search = tune(model, development, n_trials, sampler, seed, metric, storage, progress, **options)
    best = search.best(len(search.trials))
    points = [search.points[number] for number in best["number"]]
    new = [point not in points[:place] for place, point in enumerate(points)]
    best = best[new].head(finalists)
    own = {name: getattr(model, name) for name in search.points[0]}
    candidates = [*(search.points[number] for number in best["number"]), own]
    again = confirm(
        model, development, candidates, deals=deals, seed=seed, metric=metric, progress=progress
    )
    means = again.mean(axis=1).to_numpy()
    finals = pd.DataFrame(candidates).assign(search=[*best["value"], np.nan], confirmed=means)
    finals.insert(0, "trial", [*map(str, best["number"]), "defaults"])
    sign = 1 if metric in SMALLER_IS_BETTER else -1
    winner = int((sign * means).argmin())
    lead = sign * (again.iloc[-1] - again.iloc[winner])
    if lead.mean() <= lead.std() / deals**0.5:
        winner = len(candidates) - 1
    return Decision(candidates[winner], float(means[winner]), finals, search)


def choose_within(
    model: Recommender, development: Development, n_trials: int, seed: int, limit: int = ENOUGH
) -> dict[str, Any]:
    """Return the parameters that a quick search within one split's development part decides for.

    Where that part has more than `limit` ratings, the search is on some of its users. What it chose
    is then measured on all of them, beside the model's own parameters, and beside twice as many
    factors: more ratings tell more factors apart.
    """
    some = some_users(development, limit, seed)
    params = choose(
        model, some, n_trials, seed=seed, finalists=QUICK_FINALISTS, deals=QUICK_DEALS
    ).params
    if some is not development:
        candidates = [params, {name: getattr(model, name) for name in params}]
        if "n_factors" in params:
            candidates.append({**params, "n_factors": 2 * params["n_factors"]})
        means = confirm(model, development, candidates, deals=1, seed=seed).mean(axis=1)
        sign = 1 if metric_of(model) in SMALLER_IS_BETTER else -1
        params = candidates[int((sign * means).argmin())]
    logger.info("%s: %s", type(model).__name__, params)
    return params


def confirm(
    model: Recommender,
    development: Development,
    candidates: Sequence[Mapping[str, Any]],
    *,
    deals: int = 5,
    seed: int = 0,
    metric: str | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Measure candidates, each some of the model's parameters, on other divisions of the ratings.

    The training and validation parts are put together and dealt anew at random, `deals` times, each
    part as large as before.

    Returns
    -------
    DataFrame
        A row a candidate, in the order given, and a column a deal: the metric.
    """
    check_development(development)
    if deals < 1 or development.valid_input is not None:
        raise RecsysError(
            f"deals is {deals}; the ratings are dealt at least once, and only where the validation "
            "part is of users in the training part"
        )
    metric = metric_of(model) if metric is None else metric
    whole = splits.merge(development.train, development.valid)
    share = len(development.valid) / len(whole)
    table = np.empty((len(candidates), deals))
    with bar(progress, total=table.size, desc=f"confirm {type(model).__name__}") as steps:
        for deal in range(deals):
            rng = np.random.default_rng([seed, deal])
            train, valid, _ = splits.random(whole, valid=share, test=0.0, seed=rng)
            part = replace(development, train=train, valid=valid)
            for row, params in enumerate(candidates):
                fresh = part.fit(model.unfitted(**params), progress=False)
                table[row, deal] = measure(fresh, part, metric)
                steps.update()
    return pd.DataFrame(table, columns=pd.RangeIndex(1, deals + 1, name="deal"))


def some_users(development: Development, limit: int = ENOUGH, seed: int = 0) -> Development:
    """Return the ratings of as many users, drawn at random, as have at most `limit` together.

    Users and items keep their index. What has no more than `limit` ratings, training and validation
    together, is returned as it is.
    """
    counts = development.train.by_user.counts + development.valid.by_user.counts
    if counts.sum() <= limit:
        return development
    drawn = splits.draw_users(counts, limit, seed)
    train, valid = (
        part.select(drawn[part.user_of_rating()]) for part in (development.train, development.valid)
    )
    return replace(development, train=train, valid=valid)
