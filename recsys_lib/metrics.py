r"""Every metric of the course, defined once, on plain arrays.

Ratings: predicted and true ratings, (n,). Rankings: a boolean matrix ``hits`` (n_users, k), true
where the item at that rank is relevant to the user, best rank first, and ``n_relevant`` (n_users,),
how many relevant items there were to find. A list shorter than k is filled up with False. Each
ranking metric returns one float64 a user, so that intervals and paired comparisons can follow;
a user without a relevant item gets NaN, since there was nothing to find.

Below, rel_j is 1 where the item at rank j is relevant and R is a user's number of relevant items.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import rankdata

from recsys_lib.errors import RecsysError

# --- ratings --------------------------------------------------------------------------------------


def rmse(truth: Any, predicted: Any) -> float:
    """Return the root of the mean squared error, in units of the rating.

    √( Σ (r - r̂)² / n ). Large errors weigh most. The trap: another split moves the third
    digit, and for a badly regularised model so does clipping; a lower RMSE need not mean a better
    list (Cremonesi, Koren & Turrin 2010). Both are array-likes (n,), r and r̂, summed in float64;
    other lengths, and nothing to average, are refused.
    """
    error = _errors(truth, predicted)
    return float(np.sqrt(np.mean(error * error)))


def mae(truth: Any, predicted: Any) -> float:
    """Return the mean absolute error, Σ |r - r̂| / n, in units of the rating; see `rmse`.

    The trap: its best constant is the median, where RMSE's is the mean, so a model fitted by least
    squares does not minimise it.
    """
    return float(np.mean(np.abs(_errors(truth, predicted))))


def r2(truth: Any, predicted: Any) -> float:
    """Return the share of the variance explained, 1 - Σ (r - r̂)² / Σ (r - mean r)²; see `rmse`.

    0 is the constant that is best in hindsight; it may be negative. The trap: it depends on the
    spread of the ratings at hand, so values on two data sets do not compare. NaN where all ratings
    are the same.
    """
    error = _errors(truth, predicted)
    r = np.asarray(truth, np.float64)
    spread = np.sum((r - r.mean()) ** 2)
    return float(1 - np.sum(error * error) / spread) if spread > 0 else float("nan")


def damped_mean(sums: Any, counts: Any, mean: float, damping: float = 10.0) -> np.ndarray:
    """Return means drawn towards the overall mean, (sum + damping · mean) / (count + damping).

    As if each item had `damping` more ratings, all of them average: an item with two ratings of 5
    no longer beats one with a thousand of 4.5. It is the posterior mean of a normal model in which
    `damping` is the noise's variance over that of the items. `sums` and `counts` (n_items,) are of
    each item's ratings, `mean` is that of all, μ; an item without a rating gets it, too.
    """
    if not damping >= 0:
        raise RecsysError(f"damping is {damping!r}; it is a number of ratings to add, 0 or more")
    weight = np.asarray(counts, np.float64) + damping
    total = np.asarray(sums, np.float64) + damping * mean
    return np.divide(total, weight, out=np.full(weight.shape, float(mean)), where=weight > 0)


# --- rankings, a value a user ---------------------------------------------------------------------

OfHits = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _of_hits(formula: OfHits) -> OfHits:
    """Check what the formula is given; a user with nothing to find gets NaN."""

    @wraps(formula)
    def metric(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
        hits, n_relevant = np.asarray(hits), np.asarray(n_relevant)
        if hits.dtype != bool or hits.ndim != 2 or hits.shape[1] < 1:
            raise RecsysError(
                "hits must be booleans, (n_users, k) with k from 1; they are "
                f"{hits.dtype} {hits.shape}"
            )
        if n_relevant.shape != hits.shape[:1]:
            raise RecsysError(
                f"n_relevant must hold a number for each of the {len(hits)} users; it is "
                f"{n_relevant.shape}"
            )
        found = hits.sum(axis=1)
        if (found > n_relevant).any():
            u = int((found > n_relevant).argmax())
            raise RecsysError(
                f"user {u} has more hits ({found[u]}) than relevant items ({n_relevant[u]})"
            )
        return np.where(n_relevant > 0, formula(hits, np.maximum(n_relevant, 1)), np.nan)

    return metric


@_of_hits
def precision_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the share of the list that is relevant, Σ_{j≤k} rel_j / k.

    Always over k. The trap: `implicit` divides by min(k, R), which is 1 for a user whose one
    relevant item is found, where this is 1/k; its numbers are therefore much higher.
    """
    return np.asarray(hits.mean(axis=1))


@_of_hits
def recall_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the share of the relevant items that the list holds, Σ_{j≤k} rel_j / R.

    The trap: with R > k it cannot reach 1; papers often mean `capped_recall_at_k` by the name.
    """
    return np.asarray(hits.sum(axis=1) / n_relevant)


@_of_hits
def capped_recall_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the share of what a list of k items can hold that it holds, Σ_{j≤k} rel_j / min(k, R).

    Called Recall@k by Liang et al. 2018 (arXiv 1802.05814). The trap: for R > k it is precision, so
    it is never below recall, and the two do not compare.
    """
    return np.asarray(hits.sum(axis=1) / np.minimum(n_relevant, hits.shape[1]))


@_of_hits
def ndcg_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the discounted gain over that of the best list possible (Järvelin & Kekäläinen 2002).

    Σ_{j≤k} rel_j / log₂(j + 1), over Σ_{j≤min(k, R)} 1 / log₂(j + 1). The trap: with an ideal list
    of k places a user with R < k could never reach 1; and some libraries take the ratings as gains.
    """
    k = hits.shape[1]
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(n_relevant, k) - 1]
    return np.asarray(hits @ discount / ideal)


def graded_ndcg_at_k(items: np.ndarray, gains: csr_matrix) -> np.ndarray:
    """Return NDCG of gains that differ from item to item; of gains of 1 it is `ndcg_at_k`.

    Σ_{j≤k} g_j / log₂(j + 1), over the same sum of the user's k largest gains. g is the rating
    (Järvelin & Kekäläinen 2002) or 2^rating - 1 (Burges et al. 2005), which is nearly all in the
    best. The trap: a test item that disappointed still gains, where one that is unknown does not.

    `items` (m, k) are those of `coverage`, `gains` (m, n_items) each user's, 0 or more. A user
    without any has NaN.
    """
    if not np.isfinite(gains.data).all() or (gains.data < 0).any():
        raise RecsysError(
            "gains are 0 or more, and finite: no rating may be negative or in the 100s"
        )
    k, rows = items.shape[1], np.repeat(np.arange(len(items)), np.diff(gains.indptr))
    place = np.arange(len(rows)) - gains.indptr[rows]
    first = place < k
    ideal = np.zeros(items.shape)
    ideal[rows[first], place[first]] = gains.data[np.lexsort((-gains.data, rows))[first]]
    found = np.where(items >= 0, gains[np.arange(len(items))[:, None], items].toarray(), 0)
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = ideal @ discount
    return np.divide(found @ discount, best, out=np.full(len(items), np.nan), where=best > 0)


@_of_hits
def map_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the average precision, cut at k; its mean over users is MAP@k.

    Σ_{j≤k} rel_j · precision@j / min(k, R). The trap: others divide by R, by k or by the number of
    hits; the last rewards a list for finding less.
    """
    k = hits.shape[1]
    precision = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
    return np.asarray((hits * precision).sum(axis=1) / np.minimum(n_relevant, k))


@_of_hits
def mrr_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return 1 over the rank of the first relevant item, 0 if the list has none (Voorhees 1999).

    The trap: all but the first hit is ignored; and without a cut even rank 5,000 would count.
    """
    return np.asarray(hits.any(axis=1) / (hits.argmax(axis=1) + 1))


@_of_hits
def hit_rate_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return 1 if the list holds a relevant item, else 0.

    The trap: with one relevant item a user it equals recall; with many, long test histories make it
    easy, and it says more of the users than of the model.
    """
    return np.asarray(hits.any(axis=1), np.float64)


def auc(scores: Any, relevant: Any) -> float:
    """Return the area under the ROC curve of one ranking: how often a relevant item is above.

    #{(i, j): i relevant, j not, s_i > s_j} plus half of the ties, over all such pairs; computed
    from ranks (Mann & Whitney 1947). The trap: nearly all pairs lie far down a long catalogue, so
    0.95 goes together with a useless top 10; and `implicit` looks at the first k places only and
    takes the rest to be in random order, which gives nearly ½ for any model.

    `scores` (n,) are those of all candidates, none NaN; `relevant` (n,) says which are relevant. If
    none is, or all are: NaN. `kernels.auc.user_auc` does the same for many users.
    """
    s, is_relevant = np.asarray(scores), np.asarray(relevant, bool)
    if s.shape != is_relevant.shape or s.ndim != 1:
        raise RecsysError(
            f"auc takes a score and a label for each item; these are {s.shape} and "
            f"{is_relevant.shape}"
        )
    if np.isnan(s).any():
        raise RecsysError(f"score {int(np.isnan(s).argmax())} is NaN, which has no rank")
    n_relevant = int(is_relevant.sum())
    n_others = len(s) - n_relevant
    if n_relevant == 0 or n_others == 0:
        return float("nan")
    above = rankdata(s)[is_relevant].sum() - n_relevant * (n_relevant + 1) / 2
    return float(above / (n_relevant * n_others))


# --- what the lists are made of -------------------------------------------------------------------


def coverage(items: np.ndarray, n_items: int) -> float:
    """Return the share of the catalogue that stands in at least one list.

    `items` (n_users, k) are the lists' item indices, -1 for an empty place, of a catalogue
    of `n_items`. The trap: it grows with users and with k, so compare at the same of both.
    """
    return len(np.unique(items[items >= 0])) / n_items


def novelty(items: np.ndarray, item_counts: np.ndarray, n_users: int) -> np.ndarray:
    """Return the mean surprise of each list, in bits (n_users,): -log₂ of the items' popularity.

    The popularity of an item is the share of users who rated it, (count + 1) / (n_users + 1): the
    1 keeps an item that nobody rated finite. After Zhou et al. 2010 (PNAS 107, 4511) and Castells,
    Vargas & Wang 2011. The trap: a list of noise is the most novel of all. Read it beside a metric
    of accuracy.

    `items` (m, k) are item indices, -1 for an empty place; `item_counts` (n_items,) how many
    of the `n_users` in training rated each item. An empty list has NaN.
    """
    surprise = -np.log2((np.asarray(item_counts, np.float64) + 1) / (n_users + 1))
    there = items >= 0
    total = np.where(there, surprise[items], 0.0).sum(axis=1)
    length = there.sum(axis=1)
    return np.divide(total, length, out=np.full(len(items), np.nan), where=length > 0)


def gini(items: np.ndarray, n_items: int) -> float:
    """Return how unequally the lists treat the catalogue: 0 all items alike, near 1 one for all.

    With c_(1) ≤ ... ≤ c_(n) the numbers of lists that hold each item,
    Σ_j (2j - n - 1) c_(j) / (n Σ c). Arguments as for `coverage`, items never listed included;
    NaN if the lists are empty.
    """
    counts = np.sort(np.bincount(items[items >= 0], minlength=n_items)).astype(np.float64)
    if counts.sum() == 0:
        return float("nan")
    weight = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float(weight @ counts / (n_items * counts.sum()))


def _errors(truth: Any, predicted: Any) -> np.ndarray:
    """Return r - r̂ in float64."""
    r, r_hat = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if r.shape != r_hat.shape or r.ndim != 1:
        raise RecsysError(
            f"there must be one prediction for each rating; there are {r.shape} ratings and "
            f"{r_hat.shape} predictions"
        )
    if len(r) == 0:
        raise RecsysError("there is no rating to compare with: the part is empty")
    return r - r_hat
