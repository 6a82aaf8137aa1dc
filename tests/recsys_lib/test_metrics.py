"""Metrics against scikit-learn, against plain Python, and at the edges that libraries differ in."""

import math

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from recsys_lib import metrics
from recsys_lib.errors import RecsysError

PER_USER = [
    metrics.precision_at_k, metrics.recall_at_k, metrics.capped_recall_at_k, metrics.ndcg_at_k,
    metrics.map_at_k, metrics.mrr_at_k, metrics.hit_rate_at_k,
]  # fmt: skip


# ---- ratings


def test_rating_metrics_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.integers(1, 11, 500) / 2
    predicted = (truth + rng.normal(size=500)).astype(np.float32)
    for metric, theirs in (
        (metrics.rmse, sk.root_mean_squared_error),
        (metrics.mae, sk.mean_absolute_error),
        (metrics.r2, sk.r2_score),
    ):
        assert metric(truth, predicted) == pytest.approx(theirs(truth, predicted), rel=1e-12)


def test_many_float32_errors_are_summed_in_float64():
    n = 3_000_000
    assert metrics.rmse(np.full(n, 4.1, np.float32), np.full(n, 4.0, np.float32)) == pytest.approx(
        float(np.float32(4.1)) - 4.0, rel=1e-10
    )


def test_r2_of_the_mean_is_zero_and_of_constant_ratings_undefined():
    truth = np.array([1.0, 2.0, 4.5])
    assert metrics.r2(truth, np.full(3, truth.mean())) == pytest.approx(0)
    assert math.isnan(metrics.r2([3.0, 3.0], [3.0, 3.0]))


def test_damped_mean_is_a_mean_with_more_ratings():
    values = {0: [5.0, 5.0], 1: [4.5] * 1000, 2: []}
    got = metrics.damped_mean(
        [sum(v) for v in values.values()], [len(v) for v in values.values()], 3.5, damping=10
    )
    expected = [np.mean(v + [3.5] * 10) for v in values.values()]
    np.testing.assert_allclose(got, expected)
    assert got[1] > got[0]
    got = metrics.damped_mean([9.0, 0.0], [2, 0], 3.5, damping=0)
    assert got.tolist() == [4.5, 3.5]  # an item without a rating has no mean of its own


# ---- rankings


def ranked(rng, n_items=40, share=0.15):
    """Return labels and scores of a random ranking without ties, and the labels best first."""
    labels = rng.random(n_items) < share
    labels[rng.integers(n_items)] = True
    scores = rng.permutation(n_items).astype(float)
    return labels, scores, labels[np.argsort(-scores)]


@pytest.mark.parametrize("k", [1, 3, 10, 40])
def test_ranking_metrics_are_scikit_learns(k):
    rng = np.random.default_rng(k)
    for _ in range(30):
        labels, scores, best_first = ranked(rng)
        listed = np.isin(np.arange(40), np.argsort(-scores)[:k])
        expected = {
            metrics.precision_at_k: sk.precision_score(labels, listed),
            metrics.recall_at_k: sk.recall_score(labels, listed),
            metrics.ndcg_at_k: sk.ndcg_score(labels[None].astype(float), scores[None], k=k),
        }
        if k == len(labels):
            expected[metrics.map_at_k] = sk.average_precision_score(labels, scores)
        for metric, value in expected.items():
            (got,) = metric(best_first[None, :k], np.array([labels.sum()]))
            assert got == pytest.approx(value, rel=1e-12)


def test_graded_ndcg_is_ndcg_where_gains_are_ones_and_undefined_without_any():
    items = np.array([[2, 0, -1], [1, 3, 0], [0, 1, 2]])
    gains = np.array([[1.0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
    hits = np.array([[False, True, False], [True, False, False], [False] * 3])
    found = metrics.graded_ndcg_at_k(items, csr_matrix(gains))
    np.testing.assert_allclose(found, metrics.ndcg_at_k(hits, gains.sum(axis=1).astype(int)))
    assert np.isnan(found).tolist() == [False, False, True]


def plain(hits, n_relevant, k):
    """All of them for one user, as one would explain them at a blackboard."""
    precision_at = [sum(hits[: j + 1]) / (j + 1) for j in range(k)]
    gain = sum(hit / math.log2(j + 2) for j, hit in enumerate(hits))
    ideal = sum(1 / math.log2(j + 2) for j in range(min(k, n_relevant)))
    first = next((j + 1 for j, hit in enumerate(hits) if hit), None)
    return [
        sum(hits) / k,
        sum(hits) / n_relevant,
        sum(hits) / min(k, n_relevant),
        gain / ideal,
        sum(p for p, hit in zip(precision_at, hits, strict=True) if hit) / min(k, n_relevant),
        1 / first if first else 0,
        float(any(hits)),
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 8).flatmap(
        lambda k: st.lists(
            st.tuples(st.lists(st.booleans(), min_size=k, max_size=k), st.integers(0, 20)),
            min_size=1,
            max_size=6,
        )
    )
)
def test_ranking_metrics_are_what_the_blackboard_says(users):
    hits = np.array([row for row, _ in users])
    n_relevant = hits.sum(axis=1) + [more for _, more in users]
    got = np.column_stack([metric(hits, n_relevant) for metric in PER_USER])
    assert got.dtype == np.float64
    for row, n, values in zip(hits.tolist(), n_relevant.tolist(), got, strict=True):
        if n == 0:
            assert np.isnan(values).all()
        else:
            np.testing.assert_allclose(values, plain(row, n, hits.shape[1]), rtol=1e-12)
            assert ((values >= 0) & (values <= 1 + 1e-12)).all()


# ---- auc


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=40))
def test_auc_is_scikit_learns_ties_and_all(pairs):
    scores, labels = (np.array(column) for column in zip(*pairs, strict=True))
    got = metrics.auc(scores, labels)
    if labels.all() or not labels.any():
        assert math.isnan(got)
    else:
        assert got == pytest.approx(sk.roc_auc_score(labels, scores), rel=1e-12)


# ---- what the lists are made of

LISTS = np.array([[0, 1, 2], [0, 2, -1], [0, -1, -1]])


def test_coverage_counts_items_once_and_passes_over_empty_places():
    assert metrics.coverage(LISTS, 6) == 0.5
    assert metrics.coverage(np.full((2, 3), -1), 6) == 0


def test_novelty_is_the_mean_surprise_in_bits():
    counts = np.array([15, 7, 0, 0])  # of 15 users, with one more of each: 16/16, 8/16, 1/16 of all
    got = metrics.novelty(LISTS, counts, 15)
    np.testing.assert_allclose(got, [(0 + 1 + 4) / 3, (0 + 4) / 2, 0])
    assert np.isnan(metrics.novelty(np.array([[-1]]), counts, 15)[0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_gini_is_half_the_relative_mean_difference(listed):
    counts = np.bincount(listed, minlength=7)
    expected = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())
    assert metrics.gini(np.array([listed]), 7) == pytest.approx(expected, abs=1e-12)


def test_gini_at_its_ends():
    assert metrics.gini(np.arange(10)[None], 10) == pytest.approx(0)
    assert metrics.gini(np.zeros((5, 1), int), 100) == pytest.approx(0.99)
    assert math.isnan(metrics.gini(np.array([[-1]]), 10))


# ---- bad input

ONE = np.zeros((1, 1), np.int32)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.mrr_at_k(ONE + 1 > 0, [0]), "user 0 has 1 hits, but 0 relevant items"),
        (lambda: metrics.map_at_k(np.ones((2, 0), bool), [3, 3]), "hits must have k columns"),
        (lambda: metrics.mae([], []), "the part is empty"),
        (lambda: metrics.gini(ONE + 2, 2), "items must be from 0 to below 2, or -1"),
        (lambda: metrics.graded_ndcg_at_k(ONE, csr_matrix([[-1.0]])), "gains are 0 or more"),
        (lambda: metrics.graded_ndcg_at_k(ONE, csr_matrix([[np.inf]])), "gains are 0 or more"),
        (lambda: metrics.auc([1.0, math.nan], [True, False]), "score 1 is NaN"),
    ],
)
def test_bad_arguments_get_one_clear_line(call, words):
    with pytest.raises(RecsysError, match=words):
        call()
