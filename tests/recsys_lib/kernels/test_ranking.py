"""The ranking kernels against slow twins, and what they promise: ties, bits, memory."""

import sys

import numba
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from recsys_lib.kernels import auc, ranking


def vectors(rng, n, d, whole=False):
    """Whole numbers make exact scores, and a great many ties."""
    return (rng.integers(-2, 3, (n, d)) if whole else rng.normal(size=(n, d))).astype(np.float32)


def pattern(mask):
    """Return a mask as the offsets of its rows and the columns where it is true."""
    indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return indptr, np.nonzero(mask)[1].astype(np.int32)


def rows(rng, n_rows, n_columns, share):
    return pattern(rng.random((n_rows, n_columns)) < share)


def unseen(m):
    """Return the pattern of `m` users who have seen nothing."""
    return np.zeros(m + 1, np.int64), np.empty(0, np.int32)


def row(pattern, r):
    indptr, indices = pattern
    return indices[indptr[r] : indptr[r + 1]]


def twin_top_n(user_vectors, item_vectors, seen, n):
    """The slow way: a float64 score for every pair, sorted by score and then by index."""
    items = np.full((len(user_vectors), n), -1)
    scores = np.full((len(user_vectors), n), -np.inf)
    for u, p_u in enumerate(user_vectors.astype(np.float64)):
        s = item_vectors.astype(np.float64) @ p_u
        candidates = np.setdiff1d(np.arange(len(s)), row(seen, u))
        best = sorted(candidates, key=lambda i, s=s: (-s[i], i))[:n]
        items[u, : len(best)] = best
        scores[u, : len(best)] = s[best]
    return items, scores


def twin_auc(user_vectors, item_vectors, seen, relevant):
    out = []
    for u, p_u in enumerate(user_vectors.astype(np.float64)):
        s = item_vectors.astype(np.float64) @ p_u
        label = np.zeros(len(s), bool)
        label[row(relevant, u)] = True
        keep = np.ones(len(s), bool)
        keep[row(seen, u)] = False
        mixed = label[keep].any() and not label[keep].all()
        out.append(roc_auc_score(label[keep], s[keep]) if mixed else np.nan)
    return np.array(out)


# Sizes on both sides of every edge: a tile of items, a block of users, a step of factors.
SIZES = [
    (1, 1, 1),
    (3, ranking.ITEMS - 1, 3),
    (ranking.USERS, ranking.ITEMS, 4),
    (ranking.USERS + 1, ranking.ITEMS + 1, 5),
    (2 * ranking.USERS - 1, 3 * ranking.ITEMS + 70, 33),
]


@pytest.mark.parametrize(
    ("m", "n_items", "d", "n", "whole"),
    [(*size, n, True) for size in SIZES for n in (1, 10, 300)] + [(50, 2000, 20, 10, False)],
)
def test_top_n_is_the_twins_list_ties_and_all(m, n_items, d, n, whole):
    rng = np.random.default_rng(m + n)
    u, v = vectors(rng, m, d, whole), vectors(rng, n_items, d, whole)
    mask = rng.random((m, n_items)) < 0.2
    mask[1:2], mask[2:3, 5:] = True, True  # who has seen everything, and all but five items
    seen = pattern(mask)
    items, scores = ranking.top_n(u, v, *seen, n)
    expected_items, expected_scores = twin_top_n(u, v, seen, n)
    assert (items.dtype, scores.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(items, expected_items)
    np.testing.assert_allclose(scores, expected_scores, rtol=0 if whole else 1e-5)


def test_equal_items_tie_wherever_they_stand():
    rng = np.random.default_rng(3)
    # Inner tiles, the padded last one, and all the same bits.
    v = np.repeat(vectors(rng, 1, 37), 1000, axis=0)
    items, scores = ranking.top_n(vectors(rng, 9, 37), v, *unseen(9), 1000)
    assert (scores == scores[:, :1]).all()
    np.testing.assert_array_equal(items, np.tile(np.arange(1000), (9, 1)))


def test_a_user_gets_the_same_bits_alone_and_in_company():
    rng = np.random.default_rng(4)
    u, v, seen = vectors(rng, 77, 11), vectors(rng, 600, 11), rows(rng, 77, 600, 0.1)
    together = ranking.top_n(u, v, *seen, 10)
    for first in (0, 5, 76):
        # A slice of indptr serves as it is: its offsets need not begin at 0.
        alone = ranking.top_n(u[first : first + 1], v, seen[0][first : first + 2], seen[1], 10)
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a[0], b[first])


def test_what_is_no_number_is_no_candidate():
    v = np.array([[1.0], [np.nan], [-np.inf], [2.0]], np.float32)
    items, _ = ranking.top_n(np.ones((1, 1), np.float32), v, *unseen(1), 4)
    assert items.tolist() == [[3, 0, -1, -1]]


def test_views_and_float64_are_taken_as_they_come():
    rng = np.random.default_rng(6)
    u, v, relevant = vectors(rng, 40, 8), vectors(rng, 300, 8), rows(rng, 40, 300, 0.1)
    pairs = np.arange(40, dtype=np.int32), np.arange(40, dtype=np.int32)
    for function in (
        lambda u, v: ranking.top_n(u, v, *unseen(40), 5)[1],
        lambda u, v: auc.user_auc(u, v, *unseen(40), *relevant),
        lambda u, v: ranking.score_pairs(u, v, *pairs),
    ):
        plain = function(u[:, :6].copy(), v[:, :6].copy())
        np.testing.assert_array_equal(plain, function(u[:, :6], v[:, :6]))
        np.testing.assert_array_equal(
            plain, function(u[:, :6].astype(float), np.asfortranarray(v[:, :6]))
        )


def test_nobody_and_nothing():
    v = np.ones((5, 2), np.float32)
    assert ranking.top_n(np.empty((0, 2), np.float32), v, *unseen(0), 3)[0].shape == (0, 3)
    items, _ = ranking.top_n(v, np.empty((0, 2), np.float32), *unseen(5), 3)
    assert (items == -1).all()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("m", "n_items", "d"), SIZES)
def test_user_auc_is_scikit_learns(m, n_items, d, whole):
    rng = np.random.default_rng(m)
    u, v = vectors(rng, m, d, whole), vectors(rng, n_items, d, whole)
    mask = rng.random((m, n_items))
    mask[0], mask[1:2] = 1, 0.25  # a user without a relevant item, and one with no other
    seen, relevant = pattern(mask < 0.2), pattern((mask >= 0.2) & (mask < 0.3))
    for pair in ((u, v), (u @ v.T, None)):  # vectors, and scores
        found = auc.user_auc(*pair, *seen, *relevant)
        np.testing.assert_allclose(found, twin_auc(u, v, seen, relevant), rtol=1e-12)
        assert np.isnan(found[:2]).all()


def test_score_pairs_has_the_bits_of_the_lists():
    rng = np.random.default_rng(8)
    u, v = vectors(rng, 45, 13), vectors(rng, 700, 13)
    items, scores = ranking.top_n(u, v, *unseen(45), 700)
    users = np.repeat(np.arange(45, dtype=np.int32), 700)
    pairs = ranking.score_pairs(u, v, users, items.ravel())
    np.testing.assert_array_equal(pairs, scores.ravel())
    expected = np.einsum("kd,kd->k", u[users].astype(np.float64), v[items.ravel()])
    np.testing.assert_allclose(pairs, expected, rtol=1e-5, atol=1e-5)


def test_the_same_bits_at_any_thread_count():
    rng = np.random.default_rng(9)
    u, v, seen = vectors(rng, 333, 21), vectors(rng, 1500, 21), rows(rng, 333, 1500, 0.05)
    relevant = rows(rng, 333, 1500, 0.01)
    pairs = [rng.integers(0, n, 5000).astype(np.int32) for n in (333, 1500)]
    for function in (
        lambda: ranking.top_n(u, v, *seen, 20)[0],
        lambda: ranking.top_n(u, v, *seen, 20)[1],
        lambda: auc.user_auc(u, v, *unseen(333), *relevant),
        lambda: ranking.score_pairs(u, v, *pairs),
        lambda: ranking.find_hits(ranking.top_n(u, v, *seen, 20)[0], *relevant),
    ):
        found = []
        for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(n)
            found.append(function())
        np.testing.assert_array_equal(*found)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)


GROWTH = """
import resource
import numpy as np
from recsys_lib.kernels import auc, ranking

rng = np.random.default_rng(11)
u, v = (rng.normal(size=(n, 4)).astype(np.float32) for n in (3000, 100_000))
none, one = (np.arange(3001), np.zeros(3000, np.int32)), (np.arange(3001), np.ones(3000, np.int32))

def work(m):
    ranking.top_n(u[:m], v, none[0][:m + 1], none[1], 10)
    auc.user_auc(u[:m], v, none[0][:m + 1], none[1], one[0][:m + 1], one[1])

work(1)  # compiled and warmed up
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
work(3000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_ranking_holds_no_table_of_users_by_items(python):
    pytest.importorskip("resource")
    # A process of its own: the peak of this one may have been set by another test.
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    dense = 3000 * 100_000 * 4
    assert int(python("-c", GROWTH).stdout) * unit < dense / 10
