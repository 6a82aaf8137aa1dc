"""The AUC of a peer's factors by the very function that measures ours."""

from __future__ import annotations

import numpy as np

from recsys_lib.kernels.ranking import user_auc
from recsys_lib.ratings import CSR

SAMPLE = 2000  # users: the mean's standard error is then about 0.001


def sample(test_indptr: np.ndarray) -> np.ndarray:
    """Return the users on whom the AUC is measured, ascending: some of those with a test rating."""
    tested = np.flatnonzero(np.diff(test_indptr))
    chosen = np.random.default_rng(0).permutation(len(tested))[:SAMPLE]
    return tested[np.sort(chosen)]


def auc(users: np.ndarray, items: np.ndarray, train: CSR, test: CSR) -> float:
    """Return the sample's mean AUC of ``users @ items.T``, less what was rated before."""
    some = sample(test.indptr)
    seen, wanted = train.take(some), test.take(some)
    found = user_auc(users[some], items, seen.indptr, seen.indices, wanted.indptr, wanted.indices)
    return float(np.nanmean(found))
