"""Cold start measured apart: how good a model is where it knows little of the item, or the user.

A mean over all test ratings is a mean over well-known films, since those have the ratings. Here the
test part is taken apart by the number of *training* ratings of each film, or user, and each stratum
is measured by `evaluation.evaluate` as if it were a test part of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from course.streams import take_in
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import OF_RATINGS, Report, evaluate, possible
from recsys_lib.kernels import ranking
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import CSR, Ratings

EDGES = (0, 5, 20)
METRICS = ("rmse", "ndcg@10")


def strata(counts: np.ndarray, edges: Sequence[int] = EDGES) -> tuple[np.ndarray, list[str]]:
    """Return the stratum of each count, (n,) int, and the strata's names.

    Edges 0, 5, 20 make the strata "0", "1–5", "6–20" and "> 20".

    Raises
    ------
    RecsysError
        The edges are not whole numbers that rise from 0.
    """
    edges = list(edges)
    if not edges or edges[0] != 0 or any(b <= a for a, b in itertools.pairwise(edges)):
        raise RecsysError(f"edges are {edges}; they must rise from 0, as in (0, 5, 20)")
    names = ["0"]
    for low, high in itertools.pairwise(edges):
        names.append(f"{low + 1}–{high}" if high > low + 1 else f"{high}")
    return np.searchsorted(edges, counts), [*names, f"> {edges[-1]}"]


def reports_by_count(
    model: Recommender,
    train: Ratings,
    test: Ratings,
    side: str = "items",
    edges: Sequence[int] = EDGES,
    metrics: Sequence[str] = METRICS,
    *,
    candidates: str = "all",
    relevant: float = 4.0,
) -> dict[str, Report]:
    """Measure a fitted model on each stratum of the test part.

    Parameters
    ----------
    model : Recommender
        Fitted on `train`.
    train, test : Ratings
        Parts of one split.
    side : {"items", "users"}
        Whose training ratings are counted.
    edges : sequence of int
        Upper ends of the strata; see `strata`.
    metrics : sequence of str
        As for `evaluation.evaluate`; those that the model cannot have are left out.
    candidates : {"all", "stratum"}
        What is ranked. "all" ranks the whole catalogue, as ever: does a film of the stratum reach
        the list of those who like it, against all others? Relevant films of other strata count as
        misses, so that the numbers of a stratum compare between models, not with the overall
        number. "stratum" (with side="items" only) ranks the films of the stratum among themselves:
        on a shelf of such films, do those that please a user stand in front? The shelves differ in
        length, so compare models on one shelf, not shelves.
    relevant : float
        The lowest test rating that makes an item relevant.

    Returns
    -------
    dict of name to Report
        Strata without a test rating are left out; where none is relevant, the report has only the
        metrics of ratings.

    Raises
    ------
    RecsysError
        An argument is unknown, or `evaluate` refuses the parts.
    """
    if side not in ("items", "users"):
        raise RecsysError(f"side is {side!r}; it must be 'items' or 'users'")
    if candidates not in ("all", "stratum") or (candidates, side) == ("stratum", "users"):
        raise RecsysError(
            f"candidates is {candidates!r}; it must be 'all', or 'stratum' with side='items'"
        )
    codes, names = strata((train.by_item if side == "items" else train.by_user).counts, edges)
    whose = test.by_user.indices if side == "items" else test.user_of_rating()
    wanted = possible(model, metrics)
    reports = {}
    for code, name in enumerate(names):
        part = test.select(codes[whose] == code)
        liked = bool((part.by_user.values >= np.float32(relevant)).any())
        asked = [metric for metric in wanted if liked or metric in OF_RATINGS]
        if len(part) == 0 or not asked:
            continue
        lists: Any = model if candidates == "all" else _Shelf(model, np.flatnonzero(codes == code))
        reports[name] = evaluate(lists, train, part, asked, relevant=relevant)
    return reports


def by_count(
    model: Recommender,
    train: Ratings,
    test: Ratings,
    side: str = "items",
    edges: Sequence[int] = EDGES,
    metrics: Sequence[str] = METRICS,
    *,
    interval: float | None = None,
    n: int = 1000,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Return a table of `reports_by_count`, a row a stratum.

    Parameters
    ----------
    model, train, test, side, edges, metrics, options :
        As for `reports_by_count`.
    interval : float, optional
        A level such as 0.95: beside each metric that has one, its bootstrap interval over users, in
        the columns ``"rmse low"`` and ``"rmse high"``; `n` draws from `seed`.

    Returns
    -------
    DataFrame
        By ``stratum``: n_items, n_users and n_ratings of its test part; n_ranked, the users with a
        relevant item in it, over whom the ranking metrics are averaged; then a column a metric. NaN
        where there is nothing to measure on.
    """
    reports = reports_by_count(model, train, test, side, edges, metrics, **options)
    codes, names = strata((train.by_item if side == "items" else train.by_user).counts, edges)
    users, items = test.user_of_rating(), test.by_user.indices
    stratum = codes[items if side == "items" else users]
    rows = []
    for code, name in enumerate(names):
        mine = stratum == code
        row: dict[str, float] = {
            "n_items": len(np.unique(items[mine])),
            "n_users": len(np.unique(users[mine])),
            "n_ratings": int(mine.sum()),
            "n_ranked": reports[name].n_users if name in reports else 0,
        }
        for metric in possible(model, metrics):
            there = name in reports and metric in reports[name].values
            row[metric] = reports[name][metric] if there else float("nan")
            if interval is not None:
                ends = (float("nan"), float("nan"))
                if there and reports[name].has_interval(metric):
                    ends = reports[name].interval(metric, level=interval, n=n, seed=seed)
                row[f"{metric} low"], row[f"{metric} high"] = ends
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(names, name="stratum"))


class _Shelf:
    """A model that lists nothing but the items of one shelf; in all else it is that model."""

    def __init__(self, model: Recommender, shelf: np.ndarray) -> None:
        if type(model)._item_vectors is Recommender._item_vectors:
            raise RecsysError(
                f"candidates='stratum' needs a score for every item, and {type(model).__name__} "
                "only gives lists"
            )
        self._model, self._shelf = model, shelf.astype(np.int32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def _rank(self, users: np.ndarray, n: int, seen: CSR) -> tuple[np.ndarray, np.ndarray]:
        place = np.full(len(self._model.item_ids_), -1, np.int32)
        place[self._shelf] = np.arange(len(self._shelf))
        skip = seen.take(users)
        there = place[skip.indices] >= 0
        indptr = np.concatenate([[0], np.cumsum(there)])[skip.indptr]
        found, scores = ranking.top_n(
            self._model._user_vectors(users), self._model._item_vectors()[self._shelf],
            indptr, place[skip.indices[there]], n,
        )  # fmt: skip
        return np.where(found >= 0, self._shelf[found], np.int32(-1)), scores


class Newcomers(NamedTuple):
    """Films (or users) of which a model is shown ever more: see `newcomers`.

    Attributes
    ----------
    side : str
        "items" or "users".
    ids : array
        The newcomers.
    parts : dict of int to Ratings
        Number n of ratings shown of each newcomer to the training part: everybody else's ratings,
        and these.
    test : Ratings
        Ratings of the newcomers that are in none of the parts.
    """

    side: str
    ids: np.ndarray
    parts: dict[int, Ratings]
    test: Ratings


def newcomers(
    ratings: Ratings,
    shown: Sequence[int] = (0, 1, 3, 5, 10, 20),
    share: float = 0.1,
    side: str = "items",
    to_find: int = 5,
    seed: int | np.random.Generator = 0,
) -> Newcomers:
    """Make newcomers of some films: the same films, with 0, 1, 3, ... of their ratings known.

    In an ordinary split the films without ratings are other films than those with twenty, and
    usually worse ones. Here they are the same, and so is the test part: only what is known changes.

    Parameters
    ----------
    ratings : Ratings
        The whole.
    shown : sequence of int
        Numbers of ratings to show, rising from 0. A larger set holds the smaller ones.
    share : float
        Which share of the films to take, at random, of those with enough ratings.
    side : {"items", "users"}
        Of which side the newcomers are.
    to_find : int
        How many ratings a newcomer must have beyond the most that are shown; all of those are
        tested on.
    seed : int or Generator
        Decides who is taken, and in which order their ratings are shown.

    Raises
    ------
    RecsysError
        An argument is out of range, or nobody has enough ratings.
    """
    if side not in ("items", "users"):
        raise RecsysError(f"side is {side!r}; it must be 'items' or 'users'")
    strata(np.zeros(0), shown)  # refuses numbers that do not rise from 0
    if not (0 < share < 1 and to_find >= 1):
        raise RecsysError(f"share={share} must lie between 0 and 1, and to_find={to_find} from 1")
    counts = (ratings.by_item if side == "items" else ratings.by_user).counts
    able = np.flatnonzero(counts >= shown[-1] + to_find)
    if len(able) == 0:
        raise RecsysError(f"none of the {side} has {shown[-1] + to_find} ratings; show fewer")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(able)[: max(1, round(share * len(able)))])
    new = np.zeros(len(counts), bool)
    new[chosen] = True
    whose = ratings.by_user.indices if side == "items" else ratings.user_of_rating()
    where = np.flatnonzero(new[whose])
    order = np.lexsort((rng.random(len(where)), whose[where]))
    starts = np.cumsum(counts[chosen]) - counts[chosen]
    turn = np.full(len(ratings), -1, np.int64)  # of a newcomer's ratings: when it is shown
    turn[where[order]] = np.arange(len(where)) - np.repeat(starts, counts[chosen])
    ids = ratings.item_ids if side == "items" else ratings.user_ids
    return Newcomers(
        side,
        ids[chosen],
        {n: ratings.select(turn < n) for n in shown},
        ratings.select(turn >= shown[-1]),
    )


def learning_curve(
    model: Recommender,
    new: Newcomers,
    metrics: Sequence[str] = ("rmse",),
    *,
    candidates: str = "all",
    relevant: float = 4.0,
) -> pd.DataFrame:
    """Show a fitted model the newcomers' ratings, step by step, and measure it at each.

    Newcomers are taken in by `partial_fit_items`, or `update`: everything else stays as it was.

    Parameters
    ----------
    model : RatingModel
        Fitted on ``new.parts[0]``; it is left as it is.
    new : Newcomers
    metrics, relevant :
        As for `evaluation.evaluate`.
    candidates : {"all", "newcomers"}
        "newcomers" ranks the newcomers (items, that is) among themselves, as on a shelf of them.

    Returns
    -------
    DataFrame
        By ``shown``, the number of ratings known of each newcomer: a column a metric.
    """
    if candidates not in ("all", "newcomers") or (candidates, new.side) == ("newcomers", "users"):
        raise RecsysError(
            f"candidates is {candidates!r}; it must be 'all', or 'newcomers' where they are items"
        )
    rows = {}
    for n, part in new.parts.items():
        latest: Any = model.copy()
        take_in(latest, _of_newcomers(part, new), new.side)
        if candidates == "newcomers":
            latest = _Shelf(latest, part.item_index(new.ids))
        rows[n] = evaluate(latest, part, new.test, metrics, relevant=relevant).values
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("shown")


def _of_newcomers(part: Ratings, new: Newcomers) -> Ratings:
    """Return the ratings of the newcomers alone."""
    ids = part.item_ids if new.side == "items" else part.user_ids
    whose = part.by_user.indices if new.side == "items" else part.user_of_rating()
    return part.select(np.isin(ids, new.ids)[whose])
