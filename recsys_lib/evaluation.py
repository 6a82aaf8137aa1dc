"""One protocol for every model: the same candidates, the same relevance, the same averages.

Rating metrics compare predictions with the ratings of the test part. Ranking metrics rank the whole
catalogue for each user, less what the user has rated in training, and never a sample of it: sampled
ranks can put models in the wrong order (Krichene & Rendle 2020, doi 10.1145/3394486.3403226). An
item is relevant to a user whose test rating of it is `relevant` or more. Users without a relevant
item are left out, and counted.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib import metrics as m
from recsys_lib.errors import RecsysError
from recsys_lib.kernels import auc as auc_kernels
from recsys_lib.kernels import ranking
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import CSR, Ratings
from recsys_lib.report import Paired, Report, bootstrap_interval, compare, paired

__all__ = [
    "DEFAULT_METRICS",
    "Paired",
    "Report",
    "bootstrap_interval",
    "compare",
    "evaluate",
    "paired",
    "possible",
]

DEFAULT_METRICS = ("rmse", "mae", "precision@10", "recall@10", "ndcg@10", "map@10")
PAIRS_AT_A_TIME = 1_000_000

OF_RATINGS: dict[str, Callable[..., float]] = {"rmse": m.rmse, "mae": m.mae, "r2": m.r2}
OF_HITS: dict[str, Callable[..., np.ndarray]] = {
    "precision": m.precision_at_k,
    "recall": m.recall_at_k,
    "ndcg": m.ndcg_at_k,
    "map": m.map_at_k,
    "mrr": m.mrr_at_k,
    "hit_rate": m.hit_rate_at_k,
}
OF_LISTS: dict[str, Callable[..., float]] = {"coverage": m.coverage, "gini": m.gini}


def evaluate(
    model: Recommender,
    train: Ratings,
    test: Ratings,
    metrics: Sequence[str] | None = None,
    *,
    relevant: float = 4.0,
    candidates: str = "all",
    history: Ratings | None = None,
    batch: int = 8192,
) -> Report:
    """Measure a fitted model on ratings that it has not seen.

    Parameters
    ----------
    model : Recommender
        Fitted on `train`.
    train, test : Ratings
        Parts of one split. Lists leave out what a user has rated in `train`; a model fitted on the
        training and validation parts goes with ``splits.merge(train, valid)``.
    metrics : sequence of str, optional
        rmse, mae, r2, auc; and for a list of length k (as in ``"ndcg@10"``) precision@k, recall@k,
        ndcg@k, map@k, mrr@k, hit_rate@k, novelty@k, coverage@k, gini@k. `recsys_lib.metrics`
        defines each. By default `DEFAULT_METRICS`, less rmse and mae where the model does not
        predict ratings.
    relevant : float
        The lowest test rating that makes an item relevant.
    candidates : {"all", "test"}
        "all" ranks the catalogue less what the user has rated. "test" ranks only the items of the
        user's own test ratings. Where people chose what they rated, that is a common mistake: it
        asks which of the films that the user was going to rate anyway will please, and is here to
        show how much that flatters. Where every pair of the test part is known (KuaiRec's small
        matrix) it is the right question: all candidates are judged, and nobody chose them.
    history : Ratings, optional
        For strong generalisation: what is shown of the test part's users, who are strangers to
        `train`. Each is folded in from these ratings, and the lists leave these out.
    batch : int
        Users ranked at a time: it bounds the memory and changes no number.

    Returns
    -------
    Report

    Raises
    ------
    RecsysError
        A metric is unknown, or the model cannot have it; the parts do not belong together, or leak
        (a pair in both, a list with an item that its user has rated); no test rating is relevant.
    """
    _check_parts(model, train, test, history)
    who = _Trained(model, train) if history is None else _Strangers(model, history)
    names = list(dict.fromkeys(_default_metrics(who) if metrics is None else metrics))
    kinds = [_parse(name) for name in names]
    if candidates not in ("all", "test"):
        raise RecsysError(f"candidates is {candidates!r}; it must be 'all' or 'test'")
    if batch < 1:
        raise RecsysError(f"batch is {batch}; at least one user is ranked at a time")

    liked = test.select(test.by_user.values >= np.float32(relevant)).by_user
    users = np.flatnonzero(liked.counts > 0).astype(np.int32)
    predicted = lists = hits = np.empty((len(users), 0))
    errors = pd.DataFrame()
    if any(kind in OF_RATINGS for kind, _ in kinds):
        _check_predicts(who)
        predicted = _finite(who.predict(test), model)
        errors = _errors_by_user(test, predicted)
    if any(kind not in OF_RATINGS for kind, _ in kinds):
        _check_rankable(who.seen, test, users, relevant)
        own = test.by_user if candidates == "test" else None
        lists, hits = _rank_all(who, users, liked, max(k for _, k in kinds), own, batch)

    values: dict[str, float] = {}
    columns: dict[str, np.ndarray] = {}
    for name, (kind, k) in zip(names, kinds, strict=True):
        if kind in OF_RATINGS:
            values[name] = OF_RATINGS[kind](test.by_user.values, predicted)
        elif kind in OF_LISTS:
            values[name] = OF_LISTS[kind](lists[:, :k], test.n_items)
        else:
            if kind == "novelty":
                counts = np.bincount(train.by_user.indices, minlength=train.n_items)
                n_raters = int((train.by_user.counts > 0).sum())
                column = m.novelty(lists[:, :k], counts, n_raters)
            elif kind == "auc":
                column = _auc(who, users, liked, candidates, batch)
            else:
                column = OF_HITS[kind](hits[:, :k], liked.counts[users])
            columns[name] = column
            values[name] = _mean(column)
    return Report(
        values,
        pd.DataFrame(columns, index=pd.Index(test.user_ids[users], name="user_id")),
        n_users=len(users),
        n_left_out=int((test.by_user.counts > 0).sum()) - len(users),
        n_cold=int((who.seen.counts[users] == 0).sum()),
        n_ratings=len(test),
        relevant=relevant,
        candidates=candidates,
        errors=errors,
        test_part=_fingerprint(test),
    )


def possible(model: Recommender, metrics: Sequence[str] | None = None) -> list[str]:
    """Return `metrics` less those that the model cannot have: of ratings, if it predicts none.

    Raises
    ------
    RecsysError
        One is unknown, or none is left.
    """
    names = list(DEFAULT_METRICS if metrics is None else metrics)
    kinds = [_parse(name)[0] for name in names]
    can_predict = hasattr(model, "predict")
    kept = [
        name
        for name, kind in zip(names, kinds, strict=True)
        if can_predict or kind not in OF_RATINGS
    ]
    if not kept:
        raise RecsysError(f"{type(model).__name__} can have none of the metrics {', '.join(names)}")
    return kept


# --- the two kinds of users: what a protocol changes is here, and nowhere else --------------------


class _Trained:
    """Users on whose other ratings the model was trained."""

    def __init__(self, model: Recommender, train: Ratings) -> None:
        self.model, self.seen = model, train.by_user

    @property
    def can_predict(self) -> bool:
        return hasattr(self.model, "predict")

    def predict(self, test: Ratings) -> np.ndarray:
        """Return the predictions (n,) float32 for the pairs of `test`, in its order."""
        model: Any = self.model  # only rating models have `predict`
        users, items = test.user_of_rating(), test.by_user.indices
        out = np.empty(len(test), np.float32)
        for start in range(0, len(test), PAIRS_AT_A_TIME):
            part = slice(start, start + PAIRS_AT_A_TIME)
            out[part] = model.predict(test.user_ids[users[part]], test.item_ids[items[part]])
        return out

    def rank(self, users: np.ndarray, n: int) -> np.ndarray:
        """Return the lists (m, n) int32."""
        return self.model._rank(users, n, self.seen)[0]

    def vectors(self, users: np.ndarray) -> np.ndarray:
        """Return the vectors (m, D) float32 whose products with the items' rank."""
        return self.model._user_vectors(users)


class _Strangers(_Trained):
    """Users held out of training, each folded in from the ratings that are shown."""

    def __init__(self, model: Recommender, history: Ratings) -> None:
        super().__init__(model, history)

    @property
    def can_predict(self) -> bool:
        return hasattr(self.model, "_predict_history")

    def predict(self, test: Ratings) -> np.ndarray:
        counts = test.by_user.counts
        users = np.flatnonzero(counts)
        rows = np.repeat(np.arange(len(users), dtype=np.int32), counts[users])
        shown = self.seen.take(users)
        model: Any = self.model
        return model._predict_history(shown, rows, test.by_user.indices)

    def rank(self, users: np.ndarray, n: int) -> np.ndarray:
        return self.model._rank_history(self.seen.take(users), n)[0]

    def vectors(self, users: np.ndarray) -> np.ndarray:
        return self.model._vectors(self.model._fold_in(self.seen.take(users)))


# --- ranking, a batch of users at a time ----------------------------------------------------------


def _rank_all(
    who: _Trained, users: np.ndarray, liked: CSR, n: int, own: CSR | None, batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the users' lists (m, n) int32 and which of their items are relevant (m, n) bool."""
    lists = np.empty((len(users), n), np.int32)
    hits = np.empty((len(users), n), bool)
    for start in range(0, len(users) if n else 0, batch):
        part = slice(start, start + batch)
        some = users[part]
        if own is None:
            lists[part] = who.rank(some, n)
        else:
            lists[part] = _rank_own(who, some, own.take(some), n)
        seen, wanted = who.seen.take(some), liked.take(some)
        leaks = ranking.find_hits(lists[part], seen.indptr, seen.indices)
        if leaks.any():
            raise RecsysError(
                f"{type(who.model).__name__} lists {int(leaks.sum())} items that their user has "
                "rated already; its _rank must leave out what `seen` holds"
            )
        hits[part] = ranking.find_hits(lists[part], wanted.indptr, wanted.indices)
    return lists, hits


def _rank_own(who: _Trained, users: np.ndarray, own: CSR, n: int) -> np.ndarray:
    """Return lists (m, n) int32 of nothing but each user's `own` items; ties by item index."""
    _check_linear(who.model, "candidates='test'")
    rows = np.repeat(np.arange(len(users), dtype=np.int32), own.counts)
    items = who.model._item_vectors()
    scores = ranking.score_pairs(who.vectors(users), items, rows, own.indices)
    order = np.lexsort((own.indices, -scores, rows))
    place = np.arange(len(rows)) - own.indptr[rows]
    lists = np.full((len(users), n), -1, np.int32)
    listed = place < n
    lists[rows[listed], place[listed]] = own.indices[order[listed]]
    return lists


def _auc(who: _Trained, users: np.ndarray, liked: CSR, candidates: str, batch: int) -> np.ndarray:
    """Return each user's AUC over the whole catalogue (m,) float64."""
    _check_linear(who.model, "auc")
    if candidates != "all":
        raise RecsysError("auc is over the whole catalogue; ask for it with candidates='all'")
    auc = np.empty(len(users))
    for start in range(0, len(users), batch):
        some = users[start : start + batch]
        seen, wanted = who.seen.take(some), liked.take(some)
        auc[start : start + batch] = auc_kernels.user_auc(
            who.vectors(some), who.model._item_vectors(),
            seen.indptr, seen.indices, wanted.indptr, wanted.indices,
        )  # fmt: skip
    return auc


def _errors_by_user(test: Ratings, predicted: np.ndarray) -> pd.DataFrame:
    """Return a row a user of the test part: n, and sums of squared and absolute errors."""
    users = test.user_of_rating()
    error = np.abs(test.by_user.values.astype(np.float64) - predicted)
    tested = np.flatnonzero(test.by_user.counts)
    columns = {
        "n": test.by_user.counts[tested],
        "squared": np.bincount(users, error * error, test.n_users)[tested],
        "absolute": np.bincount(users, error, test.n_users)[tested],
    }
    return pd.DataFrame(columns, index=pd.Index(test.user_ids[tested], name="user_id"))


def _fingerprint(test: Ratings) -> str:
    crc = 0
    for array in test.by_user:
        crc = zlib.crc32(np.ascontiguousarray(array), crc)
    return f"{crc:08x}"


def _mean(column: np.ndarray) -> float:
    """Return the mean of the users' values, those without one (NaN) passed over."""
    there = column[~np.isnan(column)]
    return float(there.mean()) if len(there) else float("nan")


# --- checks ---------------------------------------------------------------------------------------


def _default_metrics(who: _Trained) -> list[str]:
    return [name for name in DEFAULT_METRICS if who.can_predict or name not in OF_RATINGS]


def _parse(name: str) -> tuple[str, int]:
    """Return a metric's kind and k; k is 0 for those without a list."""
    kind, _, k = name.partition("@")
    if kind in (*OF_RATINGS, "auc") and "@" not in name:
        return kind, 0
    if kind in (*OF_HITS, "novelty", *OF_LISTS) and k.isdecimal() and int(k) >= 1:
        return kind, int(k)
    with_k = ", ".join(f"{kind}@k" for kind in (*OF_HITS, "novelty", *OF_LISTS))
    raise RecsysError(
        f"there is no metric {name!r}; there are {', '.join(OF_RATINGS)}, auc, and with a list "
        f"length such as ndcg@10: {with_k}"
    )


def _check_parts(
    model: Recommender, train: Ratings, test: Ratings, history: Ratings | None
) -> None:
    model._check_fitted()
    parts = {"test": test} if history is None else {"test": test, "history": history}
    for name, part in parts.items():
        if not _same_universe(train.user_ids, train.item_ids, part.user_ids, part.item_ids):
            raise RecsysError(
                f"train and {name} number other users or items; take both from one split"
            )
    # Users that `update` added stand behind those of the training part.
    trained_on = model.user_ids_[: train.n_users], model.item_ids_
    if not _same_universe(train.user_ids, train.item_ids, *trained_on):
        raise RecsysError("the model was fitted on other users or items than those of train")
    if len(test) == 0:
        raise RecsysError("the test part is empty; take a larger share for it")
    if history is not None:
        both = (train.by_user.counts > 0) & (test.by_user.counts > 0)
        if both.any():
            raise RecsysError(
                f"user {train.user_ids[both][0]} stands in train and in test, so is no stranger "
                f"({int(both.sum())} such users); take the parts from splits.strong_generalisation,"
                " or leave history= out"
            )


def _check_rankable(seen: CSR, test: Ratings, users: np.ndarray, relevant: float) -> None:
    if len(users) == 0:
        raise RecsysError(
            f"no test rating is {relevant:g} or more, so no item is relevant to anyone; the "
            f"scale is {test.scale[0]:g} to {test.scale[1]:g}: lower relevant="
        )
    shared = ranking.count_shared(seen.indptr, seen.indices, *test.by_user[:2])
    if shared.any():
        raise RecsysError(
            f"{int(shared.sum())} test ratings are of pairs that the model was shown (the first "
            f"are user {test.user_ids[shared.argmax()]}'s), and a list leaves those out; test on "
            "another part"
        )


def _check_linear(model: Recommender, what: str) -> None:
    if type(model)._item_vectors is Recommender._item_vectors:
        raise RecsysError(
            f"{what} needs a score for every item, and {type(model).__name__} only gives lists"
        )


def _check_predicts(who: _Trained) -> None:
    if not who.can_predict:
        of_whom = "" if type(who) is _Trained else " of strangers"
        raise RecsysError(
            f"{type(who.model).__name__} predicts no ratings{of_whom}; leave out "
            f"{', '.join(OF_RATINGS)}"
        )


def _finite(predicted: np.ndarray, model: Recommender) -> np.ndarray:
    if not np.isfinite(predicted).all():
        raise RecsysError(
            f"{type(model).__name__} predicts {int((~np.isfinite(predicted)).sum())} ratings that "
            "are not numbers"
        )
    return predicted


def _same_universe(
    users: np.ndarray, items: np.ndarray, other_users: np.ndarray, other_items: np.ndarray
) -> bool:
    return np.array_equal(users, other_users) and np.array_equal(items, other_items)
