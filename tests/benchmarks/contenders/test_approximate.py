import sys

import numpy as np
import pytest

from benchmarks.contenders.approximate import Index
from recsys_lib.errors import RecsysError
from recsys_lib.kernels.ranking import top_n

N = 10


def world(n_users=60, n_items=3000, n_factors=12, seed=0):
    """Vectors of groups of items, some longer than others, and what each user has seen."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, n_factors))
    users, items = (
        (centres[rng.integers(40, size=n)] + rng.standard_normal((n, n_factors))).astype("f4")
        for n in (n_users, n_items)
    )
    items *= rng.lognormal(0, 0.5, (n_items, 1)).astype("f4")
    counts = rng.integers(0, 200, n_users)
    nothing = np.zeros(n_users + 1, np.int64), np.empty(0, np.int32)
    exact, _ = top_n(users, items, *nothing, 400)  # the seen are of the best: the list changes
    seen = [
        np.sort(rng.choice(row, n, replace=False)) for row, n in zip(exact, counts, strict=True)
    ]
    return users, items, np.r_[0, counts.cumsum()], np.concatenate(seen).astype(np.int32)


def recall(found, exact):
    return np.mean([len(set(a) & set(b)) / N for a, b in zip(found, exact, strict=True)])


def test_lists_are_nearly_the_exact_ones_and_scores_the_same_bits():
    users, items, indptr, indices = world()
    exact = dict(zip(("items", "scores"), top_n(users, items, indptr, indices, N), strict=True))
    found, scores = Index(items, width=100).top_n(users, indptr, indices, N)
    assert recall(found, exact["items"]) > 0.98
    same = found == exact["items"]
    np.testing.assert_array_equal(scores[same], exact["scores"][same])
    for u, row in enumerate(found):
        assert not np.isin(row, indices[indptr[u] : indptr[u + 1]]).any()
    narrow = Index(items, width=8, links=3).top_n(users, indptr, indices, N)[0]
    assert recall(narrow, exact["items"]) < recall(found, exact["items"])


def test_one_thread_builds_the_same_index_again_and_a_slice_of_users_gets_the_same_lists():
    users, items, indptr, indices = world()
    index = Index(items)
    whole = index.top_n(users, indptr, indices, N)
    np.testing.assert_array_equal(Index(items).top_n(users, indptr, indices, N), whole)
    part = index.top_n(users[20:], indptr[20:], indices, N)
    np.testing.assert_array_equal(part, [each[20:] for each in whole])


def test_who_has_seen_nearly_everything_gets_the_exact_list():
    users, items, _, _ = world(n_users=3, n_items=50)
    seen = np.arange(46, dtype=np.int32)
    task = np.array([0, 46, 46, 46]), seen
    np.testing.assert_array_equal(
        Index(items).top_n(users, *task, N), top_n(users, items, *task, N)
    )


def test_what_it_needs_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(RecsysError, match=r"recsys-lib\[ann\]"):
        Index(np.ones((3, 2), np.float32))
