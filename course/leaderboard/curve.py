"""What more ratings are worth: RMSE against ratings a user, and the best that each model could do.

Only simulated data can show it, since there the truth is known: how much of an error is chance, how
much is beyond a model's form however much data it gets, and how much is what it has yet to learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_lib import evaluation, models, progress, splits
from recsys_lib.datasets import Dataset, RatingTruth
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.models import Recommender
from recsys_lib.ratings import CSR, Ratings

NEARLY_NO_PENALTY = 1e-3  # keeps the systems solvable, and moves no prediction that can be seen


def best_of_form(data: Dataset, test: Ratings, n_factors: int) -> Recommender:
    """Return what a model of `n_factors` factors (0: biases alone) would become, knowing the truth.

    Of all models of its form it is the one nearest, in least squares, to the *expected* ratings of
    every pair of simulated `data`, those of its part `test` among them. What it misses of the
    truth, no amount of data would teach a model of its form.
    """
    truth, ratings = _truth(data), data.ratings
    if test.n_users != ratings.n_users or test.n_items != ratings.n_items:
        raise DataError("the test part is of other data: pass a part of it, as splits return")
    expected = truth.expected(
        ratings.user_ids[ratings.user_of_rating()],
        ratings.item_ids[ratings.by_user.indices],
        ratings.timestamps,
    )
    rows = CSR(ratings.by_user.indptr, ratings.by_user.indices, expected)
    noiseless = Ratings(ratings.user_ids, ratings.item_ids, rows, scale=ratings.scale)
    return models.ALS(
        n_factors=n_factors, tau=NEARLY_NO_PENALTY, gamma=NEARLY_NO_PENALTY, nu=0.0, n_epochs=30
    ).fit(noiseless, progress=False)


@dataclass(frozen=True, eq=False)
class Curve:
    """What `learning_curve` found.

    `table` has a row a model and size: ``model``, ``n`` (ratings a user), ``rmse`` (on the test
    part of `n_test` ratings), ``chosen`` (the candidate, as text), ``above`` (by which share the
    RMSE exceeds the best of the model's form). `bands` holds for each model the RMSE of the best of
    its form, and `floor` is that of the truth itself: chance alone.
    """

    table: pd.DataFrame
    bands: pd.Series
    floor: float
    n_test: int

    def enough(self, within: float = 0.02) -> pd.Series:
        """Return for each model how many ratings a user bring it within a share of its best.

        It is the least size from which on the RMSE stays there; NaN where none does.
        """
        rows = self.table.groupby("model", sort=False)
        found = {name: _from_here_on(some.set_index("n")["above"] <= within) for name, some in rows}
        return pd.Series(found, name="enough", dtype=np.float64)

    def parts(self) -> pd.DataFrame:
        """Take each mean squared error apart: a row a model and size, three columns in stars².

        ``chance`` is the squared floor, ``form`` what the best of the model's form adds to it, and
        ``to learn`` the rest, which alone depends on the number of ratings.
        """
        best, chance = self.table["model"].map(self.bands) ** 2, self.floor**2
        rest = self.table["rmse"] ** 2 - best
        table = self.table[["model", "n"]].assign(chance=chance, form=best - chance)
        return table.assign(**{"to learn": rest})


def learning_curve(
    data: Dataset,
    candidates: Mapping[str, Sequence[Recommender]],
    sizes: Sequence[int],
    *,
    n_test: int = 50,
    seed: int = 0,
    show: bool | None = None,
) -> Curve:
    """Fit models on more and more ratings of each user, all tested on the same ratings.

    `data` are simulated, with ``max(sizes) + n_test`` ratings of every user or more. `candidates`
    maps a name to unfitted models with `n_factors`, of which every size chooses its own by the RMSE
    on a tenth of the ratings that it has, and refits it on all of them. `sizes` are ratings of each
    user to learn from, ascending, each holding the ones before; `n_test` those to test on. `seed`
    decides who is tested on what, and what is learnt first; `show` is that of `progress.bar`.
    """
    truth = _truth(data)
    sizes = list(sizes)
    if not sizes or sizes != sorted(set(sizes)) or sizes[0] < 2:
        raise RecsysError(f"sizes are {sizes}; give whole numbers from 2 on, ascending")
    if not candidates or not all(candidates.values()):
        raise RecsysError("every name needs at least one candidate model")
    place = _deal(data.ratings, sizes[-1] + n_test, seed)
    test = data.ratings.select(place < n_test)
    rows, total = [], len(sizes) * len(candidates)
    with progress.bar(show, total=total, desc="learning curve") as bar:
        for n in sizes:
            learning = data.ratings.select((place >= n_test) & (place < n_test + n))
            for name, models_ in candidates.items():
                model = _chosen(models_, learning, data.items, seed)
                model.fit(learning, items=data.items, progress=False)
                rmse = evaluation.evaluate(model, learning, test, ["rmse"])["rmse"]
                rows.append({"model": name, "n": n, "rmse": rmse, "chosen": repr(model)})
                bar.update()
    bands, table = _bands(data, test, candidates), pd.DataFrame(rows)
    table["above"] = table["rmse"] / table["model"].map(bands) - 1
    return Curve(table, bands, truth.rmse(test), len(test))


def _truth(data: Dataset) -> RatingTruth:
    if not isinstance(data.truth, RatingTruth):
        raise DataError(
            f"of {data.name} nobody knows the truth about stars, so nobody knows the best "
            "possible; take simulated data, such as datasets.load('synthetic')"
        )
    return data.truth


def _deal(ratings: Ratings, needed: int, seed: int) -> np.ndarray:
    """Return each rating's place, from 0, in a random order of its user's ratings."""
    counts = ratings.by_user.counts
    if counts.min() < needed:
        raise DataError(
            f"user {ratings.user_ids[counts.argmin()]} has {counts.min()} ratings, and {needed} "
            "are to be dealt of each; lower sizes or n_test, or simulate with more min_ratings"
        )
    rows = ratings.user_of_rating()
    order = np.lexsort((np.random.default_rng(seed).random(len(rows)), rows))
    place = np.empty(len(rows), np.int64)
    place[order] = np.arange(len(rows)) - ratings.by_user.indptr[rows]
    return place


def _chosen(
    candidates: Sequence[Recommender], learning: Ratings, items: pd.DataFrame, seed: int
) -> Recommender:
    """Return a new model, unfitted, like the candidate that does best on a tenth held back."""
    if len(candidates) == 1:
        return candidates[0].unfitted()
    train, valid, _ = splits.random(learning, valid=0.1, test=0.0, seed=seed)
    fits = [model.unfitted().fit(train, items=items, progress=False) for model in candidates]
    scores = [evaluation.evaluate(fit, train, valid, ["rmse"])["rmse"] for fit in fits]
    return candidates[int(np.argmin(scores))].unfitted()


def _bands(
    data: Dataset, test: Ratings, candidates: Mapping[str, Sequence[Recommender]]
) -> pd.Series:
    """Return each name's best RMSE: that of the best of its candidates' widest form."""
    nothing = data.ratings.select(np.zeros(len(data.ratings), bool))
    widest = {name: max(model.n_factors for model in some) for name, some in candidates.items()}  # type: ignore[attr-defined]
    forms = {k: best_of_form(data, test, k) for k in set(widest.values())}
    best = {
        k: evaluation.evaluate(form, nothing, test, ["rmse"])["rmse"] for k, form in forms.items()
    }
    return pd.Series({name: best[n_factors] for name, n_factors in widest.items()}, name="band")


def _from_here_on(inside: pd.Series) -> float:
    """Return the first label from which on all are true, NaN if the last is not."""
    outside = np.flatnonzero(~inside.to_numpy())
    first = outside[-1] + 1 if len(outside) else 0
    return float(inside.index[first]) if first < len(inside) else float("nan")
