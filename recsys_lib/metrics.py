r"""The metrics of ratings and of rankings, on plain arrays.

Rating metrics take predicted and true ratings, (n,). Ranking metrics take a boolean matrix ``hits``
(n_users, k), true where the item at that rank is relevant to the user, best rank first, and
``n_relevant`` (n_users,), the number of relevant items. A list shorter than k is filled with False.
Each ranking metric returns one float64 per user, for intervals and paired comparisons; the value of
a user without a relevant item is NaN.

Below, rel_j is 1 where the item at rank j is relevant and R is a user's number of relevant items.

>>> from recsys_lib import metrics
>>> hits = np.array([[True, False, True], [False, False, False]])  # a row per user
>>> metrics.recall_at_k(hits, np.array([4, 1]))
array([0.5, 0. ])
>>> metrics.ndcg_at_k(hits, np.array([2, 1])).round(3)
array([0.92, 0.  ])
>>> round(metrics.rmse([4.0, 2.0], [3.0, 2.0]), 3)
0.707
>>> metrics.auc([0.9, 0.5, 0.1], [True, False, True])
0.5
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import rankdata

from recsys_lib.errors import RecsysError, as_array, check_value, check_whole

# --- ratings --------------------------------------------------------------------------------------


def rmse(truth: Any, predicted: Any) -> float:
    """Return the root of the mean squared error, in units of the rating.

    √( Σ (r - r̂)² / n ). Large errors weigh most. The trap: another split changes the third digit,
    and for a badly regularised model so does clipping; a lower RMSE need not mean a better list
    (Cremonesi, Koren & Turrin 2010). `truth` r and `predicted` r̂ are array-likes (n,), summed in
    float64; different lengths or n = 0 raise `DataError`.
    """
    error = _errors(truth, predicted)
    return float(np.sqrt(np.mean(error * error)))


def mae(truth: Any, predicted: Any) -> float:
    """Return the mean absolute error, Σ ``|r - r̂|`` / n, in units of the rating; see `rmse`.

    The trap: the best constant is the median, not the mean as for RMSE, so a model fitted by least
    squares does not minimise it.
    """
    return float(np.mean(np.abs(_errors(truth, predicted))))


def r2(truth: Any, predicted: Any) -> float:
    """Return the share of the variance explained, 1 - Σ (r - r̂)² / Σ (r - mean r)²; see `rmse`.

    The best constant has 0; it may be negative. The trap: it depends on the variance of the test
    ratings, so values on two data sets cannot be compared. NaN if all ratings are the same.
    """
    error, r = _errors(truth, predicted), np.asarray(truth, np.float64)
    spread = np.sum((r - r.mean()) ** 2)
    return float(1 - np.sum(error * error) / spread) if spread > 0 else float("nan")


def damped_mean(sums: Any, counts: Any, mean: float, damping: float = 10.0) -> np.ndarray:
    """Return means shrunk towards the overall mean, (sum + damping · mean) / (count + damping).

    It is as if each item had `damping` more ratings, all average: an item with two ratings of 5 no
    longer beats one with a thousand ratings of 4.5. It is the posterior mean of a normal model in
    which `damping` is the variance of the noise over that of the items. `sums` and `counts`
    (n_items,) are of each item's ratings, `mean` is μ, which an item without a rating gets.
    """
    check_value("damping", damping, "a number, 0 or more", lambda d: 0 <= d < 1e300)
    check_value("mean", mean, "a number", lambda m: abs(m) < 1e300)
    weight = as_array("counts", counts, np.float64, "n_items") + damping
    total = as_array("sums", sums, np.float64, len(weight)) + damping * mean
    return np.divide(total, weight, out=np.full(weight.shape, float(mean)), where=weight > 0)


# --- rankings, one value per user -----------------------------------------------------------------

OfHits = Callable[[np.ndarray, np.ndarray], np.ndarray]
OF_HITS: dict[str, OfHits] = {}  # by name, "ndcg" for `ndcg_at_k`


def _of_hits(formula: OfHits) -> OfHits:
    """Name it, and check what it is given; a user with nothing to find gets NaN."""

    @wraps(formula)
    def metric(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
        hits = as_array("hits", hits, bool, "n_users", "k")
        n_relevant = as_array("n_relevant", n_relevant, np.int64, len(hits))
        if hits.shape[1] < 1:
            raise RecsysError("hits must have k columns, 1 or more; they have none")
        found = hits.sum(axis=1)
        if (found > n_relevant).any():
            u = int((found > n_relevant).argmax())
            raise RecsysError(f"user {u} has {found[u]} hits, but {n_relevant[u]} relevant items")
        return np.where(n_relevant > 0, formula(hits, np.maximum(n_relevant, 1)), np.nan)

    OF_HITS[metric.__name__.removesuffix("_at_k")] = metric
    return metric


@_of_hits
def precision_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the share of the list that is relevant, Σ_{j≤k} rel_j / k.

    The trap: the library `implicit` divides by min(k, R): 1 for a user whose only relevant item is
    found, instead of 1/k, so its numbers are much higher.
    """
    return np.asarray(hits.mean(axis=1))


@_of_hits
def recall_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the share of the relevant items that the list holds, Σ_{j≤k} rel_j / R.

    The trap: with R > k it cannot reach 1; papers often use the name for `capped_recall_at_k`.
    """
    return np.asarray(hits.sum(axis=1) / n_relevant)


@_of_hits
def capped_recall_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the hits over the largest possible number of hits, Σ_{j≤k} rel_j / min(k, R).

    Called Recall@k by Liang et al. 2018 (arXiv 1802.05814). The trap: for R > k it equals
    precision; it is never below recall, and the two cannot be compared.
    """
    return np.asarray(hits.sum(axis=1) / np.minimum(n_relevant, hits.shape[1]))


@_of_hits
def ndcg_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return the discounted gain over that of the best possible list (Järvelin & Kekäläinen 2002).

    Σ_{j≤k} rel_j / log₂(j + 1), over Σ_{j≤min(k, R)} 1 / log₂(j + 1). The trap: with an ideal list
    of k places a user with R < k could never reach 1; and some libraries take the ratings as gains.
    """
    k = hits.shape[1]
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(n_relevant, k) - 1]
    return np.asarray(hits @ discount / ideal)


def graded_ndcg_at_k(items: np.ndarray, gains: csr_matrix) -> np.ndarray:
    """Return NDCG with graded gains; with gains of 1 it is `ndcg_at_k`.

    Σ_{j≤k} g_j / log₂(j + 1), over the same sum of the user's k largest gains. g is the rating
    (Järvelin & Kekäläinen 2002) or 2^rating - 1 (Burges et al. 2005), where the highest ratings
    dominate. The trap: a test item with a low rating still gains, one without a rating does not.

    `items` (m, k) are as for `coverage`, `gains` (m, n_items) are 0 or more. A user without a gain
    gets NaN.
    """
    if getattr(gains, "format", "") != "csr" or gains.ndim != 2 or gains.dtype.kind not in "biuf":
        raise RecsysError(f"gains are numbers in a CSR matrix of SciPy, not a {type(gains)}")
    if not (np.isfinite(gains.data) & (gains.data >= 0)).all():
        raise RecsysError("gains are 0 or more, and finite: no rating is negative or in the 100s")
    items = _lists(items, gains.shape[1], gains.shape[0])
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
    hits; the last can reward a list for finding less.
    """
    k = hits.shape[1]
    precision = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
    return np.asarray((hits * precision).sum(axis=1) / np.minimum(n_relevant, k))


@_of_hits
def mrr_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return 1 over the rank of the first relevant item, 0 if the list has none (Voorhees 1999).

    The trap: all hits but the first are ignored; without a cut even rank 5,000 would count.
    """
    return np.asarray(hits.any(axis=1) / (hits.argmax(axis=1) + 1))


@_of_hits
def hit_rate_at_k(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Return 1 if the list holds a relevant item, else 0.

    The trap: with one relevant item per user it equals recall; with many, it is easy, and depends
    more on the length of the users' test histories than on the model.
    """
    return np.asarray(hits.any(axis=1), np.float64)


def auc(scores: Any, relevant: Any) -> float:
    """Return the area under the ROC curve of one ranking.

    It is the share of the pairs of a relevant item i and another item j with s_i > s_j; ties count
    half. It is computed from ranks (Mann & Whitney 1947). The trap: nearly all pairs lie far down a
    long catalogue, so a model with 0.95 can have a useless top 10. The library `implicit` reads the
    first k places only and takes the rest to be in random order, which gives nearly ½ for any
    model.

    `scores` (n,) are of all candidates, without NaN; `relevant` (n,) bool says which are relevant.
    NaN if none is, or all are. `kernels.auc.user_auc` does the same for many users.
    """
    s = as_array("scores", scores, np.float64, "n")
    is_relevant = as_array("relevant", relevant, np.int64, len(s)) != 0
    if np.isnan(s).any():
        raise RecsysError(f"score {int(np.isnan(s).argmax())} is NaN, which has no rank")
    n = int(is_relevant.sum())
    n_pairs = n * (len(s) - n)
    above = rankdata(s)[is_relevant].sum() - n * (n + 1) / 2
    return float(above / n_pairs) if n_pairs else float("nan")


# --- what the lists are made of -------------------------------------------------------------------


def coverage(items: np.ndarray, n_items: int) -> float:
    """Return the share of the catalogue that is in at least one list.

    `items` (n_users, k) are the lists' item indices, -1 for an empty place; `n_items` is the size
    of the catalogue. The trap: it grows with the number of users and with k, so compare models at
    the same of both.
    """
    items = _lists(items, n_items)
    return len(np.unique(items[items >= 0])) / n_items


def novelty(items: np.ndarray, item_counts: np.ndarray, n_users: int) -> np.ndarray:
    """Return the mean of -log₂ of the items' popularity in each list, (n_users,), in bits.

    The popularity of an item is the share of users who rated it, (count + 1) / (n_users + 1); the 1
    keeps the value of an unrated item finite. After Zhou et al. 2010 (PNAS 107, 4511) and Castells,
    Vargas & Wang 2011. The trap: random lists are the most novel. Read it with an accuracy metric.

    `items` (m, k) are item indices, -1 for an empty place; `item_counts` (n_items,) is the number
    of the `n_users` in training who rated each item. An empty list gets NaN.
    """
    counts = as_array("item_counts", item_counts, np.float64, "n_items")
    n_users = check_whole("n_users", n_users, 0)
    items, surprise = _lists(items, len(counts)), -np.log2((counts + 1) / (n_users + 1))
    there = items >= 0
    total, length = np.where(there, surprise[items], 0.0).sum(axis=1), there.sum(axis=1)
    return np.divide(total, length, out=np.full(len(items), np.nan), where=length > 0)


def gini(items: np.ndarray, n_items: int) -> float:
    """Return the Gini index of the numbers of lists that hold each item: 0 if they are equal.

    With c_(1) ≤ ... ≤ c_(n) these numbers, it is Σ_j (2j - n - 1) c_(j) / (n Σ c), near 1 if one
    item is in all lists. Arguments are as for `coverage`; items that are never listed count. NaN if
    all lists are empty.
    """
    items = _lists(items, n_items)
    counts = np.sort(np.bincount(items[items >= 0], minlength=n_items)).astype(np.float64)
    weight, total = 2 * np.arange(1, n_items + 1) - n_items - 1, n_items * counts.sum()
    return float(weight @ counts / total) if total else float("nan")


# --- by name --------------------------------------------------------------------------------------

OF_RATINGS: dict[str, Callable[..., float]] = {"rmse": rmse, "mae": mae, "r2": r2}
GAINS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ndcg_linear": lambda ratings: ratings,
    "ndcg_exponential": lambda ratings: np.exp2(ratings) - 1,
}
OF_LISTS: dict[str, Callable[..., float]] = {"coverage": coverage, "gini": gini}
WITH_K = (*OF_HITS, *GAINS, "novelty", *OF_LISTS)


def parse(metrics: Any) -> dict[str, tuple[str, int]]:
    """Return the kind and the list length k of metrics, by name: ``{"ndcg@10": ("ndcg", 10)}``.

    Without a list, k is 0. What is no sequence of names of metrics is a `RecsysError`.
    """
    is_list = isinstance(metrics, Sequence | Mapping) and not isinstance(metrics, str)
    if not is_list or not all(isinstance(name, str) for name in metrics):
        raise RecsysError(f"metrics is {metrics!r:.80}; it must be a list such as ['ndcg@10']")
    parsed = {}
    for name in metrics:
        kind, at, k = name.partition("@")
        long = at and kind in WITH_K and k.isdecimal() and len(k) < 10 and int(k) >= 1
        if not long and (at or kind not in (*OF_RATINGS, "auc")):
            there, of_lists = ", ".join(OF_RATINGS), ", ".join(f"{kind}@k" for kind in WITH_K)
            told = f"there are {there}, auc, and with a list length such as ndcg@10: {of_lists}"
            raise RecsysError(f"there is no metric {name!r}; {told}")
        parsed[name] = kind, int(k or 0)
    return parsed


def _errors(truth: Any, predicted: Any) -> np.ndarray:
    """Return r - r̂ in float64."""
    r = as_array("truth", truth, np.float64, "n")
    if len(r) == 0:
        raise RecsysError("there is no rating to compare with: the part is empty")
    return r - as_array("predicted", predicted, np.float64, len(r))


def _lists(items: Any, n_items: Any, n_users: int | str = "n_users") -> np.ndarray:
    """Return lists of items (n_users, k), checked."""
    items = as_array("items", items, np.int64, n_users, "k")
    check_whole("n_items", n_items, 1)
    if items.size and not (items.min() >= -1 and items.max() < n_items):
        raise RecsysError(f"items must be from 0 to below {n_items}, or -1 for an empty place")
    return items
