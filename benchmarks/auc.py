"""The AUC and the NDCG of a model's factors, whoever made them, by the library's own functions."""

from __future__ import annotations

import numpy as np

from recsys_lib import metrics
from recsys_lib.kernels.auc import user_auc
from recsys_lib.kernels.ranking import find_hits, top_n
from recsys_lib.models.base import some_of
from recsys_lib.ratings import CSR

SAMPLE = 2000  # users: the mean's standard error is then about 0.001
LISTS = 20_000  # users: about 0.002, and less for the difference of two contenders


def auc(users: np.ndarray, items: np.ndarray, train: CSR, test: CSR) -> float:
    """Return the mean AUC of ``users @ items.T``, less what was rated, over some tested users."""
    some = some_of(np.flatnonzero(test.counts), SAMPLE)
    seen, wanted = train.take(some), test.take(some)
    found = user_auc(users[some], items, seen.indptr, seen.indices, wanted.indptr, wanted.indices)
    return float(np.nanmean(found))


def ndcg(users: np.ndarray, items: np.ndarray, train: CSR, test: CSR) -> float:
    """Return the mean NDCG@10 over some tested users; every test rating is relevant."""
    some = some_of(np.flatnonzero(test.counts), LISTS)
    seen, wanted = train.take(some), test.take(some)
    lists, _ = top_n(users[some], items, seen.indptr, seen.indices, 10)
    hits = find_hits(lists, wanted.indptr, wanted.indices)
    return float(metrics.ndcg_at_k(hits, wanted.counts).mean())
