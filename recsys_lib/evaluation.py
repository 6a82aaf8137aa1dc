"""Measure every model in the same way: same candidates, same relevance, same averages.

Rating metrics compare predictions with the ratings of the test part. Ranking metrics rank the whole
catalogue for each user, without the items that the user rated in training. No sample of items is
ranked: sampled metrics can put models in the wrong order (Krichene & Rendle 2020, doi
10.1145/3394486.3403226). Users without a relevant item are left out and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from recsys_lib import metrics as m
from recsys_lib.errors import DataError, RecsysError, check_value
from recsys_lib.kernels import auc as auc_kernels
from recsys_lib.kernels import ranking
from recsys_lib.models.base import ItemToItem, Recommender, Who, as_scipy
from recsys_lib.models.training import fingerprint
from recsys_lib.ratings import CSR, Ratings, check_parts
from recsys_lib.report import Report, compare, paired

__all__ = ["DEFAULT_METRICS", "Report", "compare", "evaluate", "paired", "possible"]

#: The metrics of `evaluate` by default.
DEFAULT_METRICS = ("rmse", "mae", "precision@10", "recall@10", "ndcg@10", "map@10")
BATCH = 8192  # users measured at a time: it bounds the memory and changes no number


def evaluate(
    model: Recommender | pd.DataFrame,
    train: Ratings,
    test: Ratings,
    metrics: Sequence[str] | None = None,
    *,
    test_input: Ratings | None = None,
    relevant: float = 4.0,
    candidates: str = "all",
) -> Report:
    """Measure a fitted model on ratings that it has not seen.

    `RecsysError`: a metric is unknown or not possible for the model; the parts are not of one
    split, or leak (a pair is in both, a list has an item that its user has rated); no test rating
    is relevant; lists repeat an item, or have ranks or ids other than they should.

    Parameters
    ----------
    model : Recommender or DataFrame
        A model fitted on `train`, or lists from elsewhere: user_id, item_id and rank (1, 2, 3 ...
        for each user), as `recommend` returns them. In lists, an empty place is a miss and a user
        without a list has no hit; they have no rating metrics and no auc.
    train, test : Ratings
        Parts of one split. Lists leave out what a user has rated in `train`; for a model fitted on
        the training and validation parts, pass ``splits.merge(train, valid)``.
    metrics : sequence of str, optional
        rmse, mae, r2, auc; and for a list of length k (as in ``"ndcg@10"``) precision@k, recall@k,
        capped_recall@k, ndcg@k, map@k, mrr@k, hit_rate@k, novelty@k, coverage@k, gini@k, and where
        a high rating gains more than a low one, ndcg_linear@k and ndcg_exponential@k: see
        `recsys_lib.metrics`. By default those of `DEFAULT_METRICS` that are `possible`.
    test_input : Ratings, optional
        For strong generalisation: known ratings of the users of the test part, who have none in
        `train`. Each user is folded in from these ratings, and the lists leave them out.
    relevant : float
        The lowest test rating that makes an item relevant.
    candidates : {"all", "test", "new"}
        "all" ranks the catalogue without what the user has rated, "new" the items without a rating
        in `train`, "test" only the items of the user's test ratings. Where users chose what they
        rated, "test" is a common mistake: it ranks only items that they were going to rate anyway.
        Where every pair of the test part is observed (KuaiRec's small matrix) it is right.

    Examples
    --------
    >>> from recsys_lib import datasets, models, splits
    >>> data = datasets.load("synthetic", n_users=50, n_items=80, n_ratings=1500, seed=0)
    >>> train, valid, test = splits.random(data.ratings, seed=0)
    >>> model = models.Popularity().fit(train)
    >>> report = evaluate(model, train, test, ["ndcg@10", "recall@10"])
    >>> list(report.values), bool(0 <= report["ndcg@10"] <= 1)
    (['ndcg@10', 'recall@10'], True)
    """
    if isinstance(model, pd.DataFrame):
        model = GivenLists(model, train)
    _check_parts(model, train, test, test_input)
    kinds = m.parse(possible(model) if metrics is None else metrics)
    check_protocol(relevant, candidates)
    liked = test.select(test.by_user.values >= np.float32(relevant)).by_user
    users = np.flatnonzero(liked.counts > 0).astype(np.int32)
    seen = (train if test_input is None else test_input).by_user
    asked = _Asked(model, seen, strangers=test_input is not None)
    predicted = lists = hits = np.empty((len(users), 0))
    errors = pd.DataFrame()
    if any(kind in m.OF_RATINGS for kind, _ in kinds.values()):
        predicted = asked.predict(test)
        errors = _errors_by_user(test, predicted)
    if any(kind not in m.OF_RATINGS for kind, _ in kinds.values()):
        _check_rankable(seen, test, users, relevant)
        own = test.by_user if candidates == "test" else None
        shelf = {}
        if candidates == "new":
            shelf["candidates"] = np.flatnonzero(train.by_item.counts == 0).astype(np.int32)
        longest = max(k for _, k in kinds.values())
        longest = min(longest, test.n_items)  # all places behind are empty
        lists = asked.rank(users, longest, own, shelf)
        hits = ranking.find_hits(lists, *liked.take(users)[:2])

    values: dict[str, float] = {}
    columns: dict[str, np.ndarray] = {}
    for name, (kind, k) in kinds.items():
        top = lists[:, :k]
        if kind in m.OF_RATINGS:
            found: Any = m.OF_RATINGS[kind](test.by_user.values, predicted)
        elif kind in m.OF_LISTS:
            found = m.OF_LISTS[kind](top, test.n_items)
        elif kind == "novelty":
            counts = np.bincount(train.by_user.indices, minlength=train.n_items)
            found = m.novelty(top, counts, int((train.by_user.counts > 0).sum()))
        elif kind == "auc":
            found = asked.auc(users, liked, candidates)
        elif kind in m.GAINS:
            rated = test.by_user.take(users)
            gains = rated._replace(values=m.GAINS[kind](rated.values.astype(np.float64)))
            found = m.graded_ndcg_at_k(top, gains.to_scipy(test.n_items))
        else:
            found = m.OF_HITS[kind](hits[:, :k], liked.counts[users])
            if kind == "precision":  # over k, empty places included
                found *= min(k, longest) / k
        if isinstance(found, np.ndarray):
            columns[name], there = found, found[~np.isnan(found)]  # a user may have no value
            found = float(there.mean()) if len(there) else float("nan")
        values[name] = found
    return Report(
        values,
        pd.DataFrame(columns, index=pd.Index(test.user_ids[users], name="user_id")),
        n_users=len(users),
        n_left_out=int((test.by_user.counts > 0).sum()) - len(users),
        n_cold=int((seen.counts[users] == 0).sum()),
        n_ratings=len(test),
        relevant=relevant,
        candidates=candidates,
        errors=errors,
        test_part=fingerprint(test),
    )


def check_protocol(relevant: Any, candidates: Any) -> None:
    """Raise `RecsysError` unless these are what `evaluate` takes."""
    check_value("relevant", relevant, "a rating, or -inf for all", lambda one: one < np.inf)
    known = ("all", "test", "new")
    check_value("candidates", candidates, "'all', 'test' or 'new'", known.__contains__, str)


def check_model(model: Any) -> None:
    """Raise `RecsysError` unless this is a model."""
    check_value("model", model, "a model of recsys_lib.models", kind=Recommender)


def possible(model: Recommender, metrics: Sequence[str] | None = None) -> list[str]:
    """Return the `metrics` that the model can have: rating metrics need predicted ratings.

    Raise `RecsysError` if a metric is unknown, or none is left.
    """
    check_model(model)
    kinds = m.parse(DEFAULT_METRICS if metrics is None else metrics)
    kept = [n for n in kinds if model.predicts_ratings or kinds[n][0] not in m.OF_RATINGS]
    if not kept:
        raise RecsysError(f"{type(model).__name__} can have none of the metrics {', '.join(kinds)}")
    return kept


@dataclass(frozen=True, eq=False)
class _Asked:
    """A model that is asked in batches about users of `train`, by index, or about strangers.

    `seen` is what is known of all users: lists leave it out.
    """

    model: Recommender
    seen: CSR
    strangers: bool

    def who(self, users: np.ndarray) -> Who:
        """Return users as the model is asked about them: strangers by what is known of them."""
        return self.seen.take(users) if self.strangers else users

    def predict(self, test: Ratings) -> np.ndarray:
        """Return the predictions (n,) float32 for the pairs of `test`, in its order."""
        model: Any = self.model  # only rating models have `predict_pairs`
        told, rows = type(model).__name__, test.by_user
        if not model.predicts_ratings:
            raise RecsysError(f"{told} predicts no ratings; leave out {', '.join(m.OF_RATINGS)}")
        out = np.empty(len(test), np.float32)
        for _, some in _batches(np.flatnonzero(rows.counts).astype(np.int32)):
            part = slice(rows.indptr[some[0]], rows.indptr[some[-1] + 1])
            pairs = np.repeat(np.arange(len(some), dtype=np.int32), rows.counts[some])
            out[part] = model.predict_pairs(self.who(some), pairs, rows.indices[part])
        if n_bad := int((~np.isfinite(out)).sum()):
            raise RecsysError(f"{told} predicts {n_bad} ratings that are not numbers")
        return out

    def rank(self, users: np.ndarray, n: int, own: CSR | None, shelf: dict[str, Any]) -> np.ndarray:
        """Return the users' lists (m, n) int32."""
        lists = np.empty((len(users), n), np.int32)
        for part, some in _batches(users) if n else ():
            seen = self.seen.take(some)
            if own is None:
                lists[part] = self.model.rank(self.who(some), n, exclude=seen, **shelf)[0]
            else:
                lists[part] = self._rank_own(some, own.take(some), n)
            if n_leaks := int(ranking.find_hits(lists[part], *seen[:2]).sum()):
                told = "items that their user has rated already; rank must leave out what is seen"
                raise RecsysError(f"{type(self.model).__name__} lists {n_leaks} {told}")
        return lists

    def _rank_own(self, users: np.ndarray, own: CSR, n: int) -> np.ndarray:
        """Return lists (m, n) int32 of nothing but each user's `own` items; ties by index."""
        rows = np.repeat(np.arange(len(users), dtype=np.int32), own.counts)
        scores = ranking.score_pairs(*self._vectors(users), rows, own.indices)
        order = np.lexsort((own.indices, -scores, rows))
        return ranking.padded(own._replace(indices=own.indices[order]), n)

    def auc(self, users: np.ndarray, liked: CSR, candidates: str) -> np.ndarray:
        """Return each user's AUC over the whole catalogue (m,) float64."""
        if candidates != "all":
            raise RecsysError("auc is over the whole catalogue; ask for it with candidates='all'")
        auc = np.empty(len(users))
        for part, some in _batches(users):
            rows = *self.seen.take(some)[:2], *liked.take(some)[:2]
            vectors, items = self._vectors(some)
            if isinstance(self.model, ItemToItem):  # few terms of each sum: the same bits
                vectors, items = csr_matrix(vectors) @ items.T, None
            auc[part] = auc_kernels.user_auc(vectors, items, *rows)
        return auc

    def _vectors(self, users: np.ndarray) -> tuple[Any, Any]:
        """Return the users' and the items' vectors, (m, D) and (n_items, D): products rank."""
        items = self.model.item_vectors()  # who only gives lists has none, and says so
        return self.model.multipliers(self.model.vectors(self.who(users))), items


class GivenLists(Recommender):
    """A checked table of lists: user_id, item_id, rank. A user who is not in it has an empty list.

    No list may hold an item that its user rated in `train`.
    """

    def __init__(self, table: pd.DataFrame, train: Ratings) -> None:
        if not {"user_id", "item_id", "rank"} <= {*table.columns} or table.empty:
            there = ", ".join(map(str, table.columns))
            told = f"this one has {len(table)} rows of {there}"
            raise DataError(f"lists are a table of user_id, item_id and rank; {told}")
        self._remember(train)
        users, items = train.user_index(table["user_id"]), train.item_index(table["item_id"])
        rank = pd.to_numeric(table["rank"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        order = np.lexsort((rank, users))  # what is no number comes last
        users, items, rank = users[order], items[order], rank[order]
        place = np.arange(len(users)) - np.searchsorted(users, users)
        self._listed = CSR(np.searchsorted(users, np.arange(train.n_users + 1)), items, rank)
        rated = as_scipy(train.by_user, train.n_items)[users, items]
        for wrong, says in (
            (rank != place + 1, "ranks go 1, 2, 3 ... from the first; not so at"),
            (pd.DataFrame([users, items]).T.duplicated(), "an item stands in a list once; not so"),
            (np.asarray(rated).ravel() > 0, "in train stands"),
        ):
            if np.any(wrong):
                user, item = users[np.argmax(wrong)], items[np.argmax(wrong)]
                told = f"{says} item {train.item_ids[item]} ({np.sum(wrong)} such rows)"
                raise DataError(f"the list of user {train.user_ids[user]}: {told}")

    def rank(
        self, who: Any, n: int, exclude: Any = None, candidates: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first `n` items (m, n) int32 of users' lists, by index; scores are all 0."""
        if isinstance(who, CSR):
            raise RecsysError("lists are of users by id: pass what is known of them as train")
        listed = self._listed.take(who)
        if candidates is not None and not np.isin(listed.indices, candidates).all():
            raise RecsysError("the lists hold items that are no candidates; leave these out")
        lists = ranking.padded(listed, n)
        return lists, np.zeros(lists.shape, np.float32)


def _batches(users: np.ndarray) -> list[tuple[slice, np.ndarray]]:
    """Return some of the users at a time, and where they stand among all."""
    parts = [slice(start, start + BATCH) for start in range(0, len(users), BATCH)]
    return [(part, users[part]) for part in parts]


def _errors_by_user(test: Ratings, predicted: np.ndarray) -> pd.DataFrame:
    """Return one row per user of the test part: n, and sums of squared and absolute errors."""
    users, n = test.user_of_rating(), test.by_user.counts
    error = np.abs(test.by_user.values.astype(np.float64) - predicted)
    sums = {"squared": error * error, "absolute": error}
    columns = {"n": n} | {name: np.bincount(users, e, len(n)) for name, e in sums.items()}
    return pd.DataFrame(columns, index=pd.Index(test.user_ids, name="user_id"))[n > 0]


def _check_parts(model: Any, train: Ratings, test: Ratings, test_input: Ratings | None) -> None:
    check_value("model", model, "a model, or a table of lists", kind=Recommender)
    model.check_fitted()
    check_parts(test=test)
    check_parts(train=train, test=test, test_input=test_input)
    # Users that `partial_fit_users` added stand behind those of the training part.
    if not (
        np.array_equal(train.user_ids, model.user_ids_[: train.n_users])
        and np.array_equal(train.item_ids, model.item_ids_)
    ):
        raise RecsysError("the model was fitted on other users or items than those of train")
    if len(test) == 0:
        raise RecsysError("the test part is empty; take a larger share for it")
    both = (train.by_user.counts > 0) & (test.by_user.counts > 0)
    if test_input is not None and both.any():
        told = f"stands in train and in test, so is no stranger ({both.sum()} such users)"
        user = train.user_ids[both][0]
        raise RecsysError(f"user {user} {told}: split by strong_generalisation, or no test_input=")


def _check_rankable(seen: CSR, test: Ratings, users: np.ndarray, relevant: float) -> None:
    if len(users) == 0:
        low, high = test.scale
        told = f"no test rating is {relevant:g} or more, so no item is relevant to anyone"
        raise RecsysError(f"{told}; the scale is {low:g} to {high:g}: lower relevant=")
    known, tested = (as_scipy(rows, test.n_items) for rows in (seen, test.by_user))
    if (shared := known.multiply(tested).getnnz(axis=1)).any():
        n, who = int(shared.sum()), test.user_ids[shared.argmax()]
        told = f"{n} test ratings are of pairs that the model was shown (first user {who}'s)"
        raise RecsysError(f"{told}, and a list leaves those out; test on others")
