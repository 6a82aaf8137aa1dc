"""PureSVD and EASE against dense linear algebra, and against the problems they claim to solve."""

import numpy as np
import pytest

from recsys_lib import datasets, models, splits
from recsys_lib.errors import RecsysError
from recsys_lib.models import ease

THRESHOLD = 3.5


@pytest.fixture(scope="module")
def parts():
    data = datasets.load("synthetic", n_users=200, n_items=150, n_ratings=8_000, seed=4)
    return splits.strong_generalisation(data.ratings, seed=0)


@pytest.fixture(scope="module")
def dense(parts, likes):
    return likes(parts[0], THRESHOLD)


@pytest.mark.parametrize("n_factors", [5, 149, 150, 170])
def test_the_svd_is_the_truncated_one(parts, dense, n_factors):
    """Of a few factors, of as many as the table has directions, and of more."""
    train = parts[0]
    model, again = (models.PureSVD(n_factors, threshold=THRESHOLD).fit(train) for _ in range(2))
    _, values, q = np.linalg.svd(dense, full_matrices=False)
    values, q = values[:n_factors], q[:n_factors]
    np.testing.assert_allclose(model.singular_values_[:150], values, rtol=1e-5, atol=1e-5)
    assert not model.singular_values_[150:].any()
    factors = model.item_factors_[:, :5]
    np.testing.assert_allclose(np.abs(factors), np.abs(q[:5].T), atol=1e-5)
    assert (factors[np.abs(factors).argmax(axis=0), np.arange(5)] > 0).all()
    scores = model.user_vectors(train.by_user) @ model.item_vectors().T
    np.testing.assert_allclose(scores, dense @ q.T @ q, atol=1e-4)
    if n_factors == 5:  # directions in which nothing lies are ARPACK's own to draw
        np.testing.assert_array_equal(again.item_factors_, factors)


@pytest.mark.parametrize("n_users", [200, 90])
def test_ease_is_the_minimum_with_a_zero_diagonal(parts, dense, n_users):
    """Each column is the ridge regression of an item on all the others; few users, or many."""
    some = parts[0].select(parts[0].user_of_rating() < n_users)
    weights = models.EASE(lam=30.0, threshold=THRESHOLD).fit(some).item_weights_
    assert (np.diag(weights) == 0).all()
    dense = dense[:n_users]
    for j in (0, 7, 149):
        others = np.delete(np.arange(150), j)
        x = dense[:, others]
        ridge = np.linalg.solve(x.T @ x + 30 * np.eye(149), x.T @ dense[:, j])
        np.testing.assert_allclose(weights[others, j], ridge, atol=1e-5)


def test_ease_in_pieces_is_ease_in_one(parts, monkeypatch):
    one = models.EASE(threshold=THRESHOLD).fit(parts[0]).item_weights_
    monkeypatch.setattr(ease, "AT_A_TIME", 7)
    many = models.EASE(threshold=THRESHOLD).fit(parts[0]).item_weights_
    np.testing.assert_allclose(many, one, rtol=1e-6, atol=1e-9)


def test_ease_ranks_by_its_product(parts, dense):
    """The quick way to the list and the linear one, which evaluation takes for AUC, agree."""
    model = models.EASE(threshold=THRESHOLD).fit(parts[0])
    users = np.flatnonzero(parts[0].by_user.counts > 0).astype(np.int32)
    items, scores = model.rank(users, 5)
    expected = dense[users] @ model.item_weights_.astype(float)
    for row, user in enumerate(users):
        expected[row, parts[0].by_user.row(user)[0]] = -np.inf
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :5], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected, items, 1), scores, atol=1e-5)
    vectors = model.vectors(users) @ model.item_vectors().T
    np.testing.assert_allclose(np.take_along_axis(vectors, items, 1), scores, atol=1e-5)


def test_too_many_items_for_ease(parts, monkeypatch):
    monkeypatch.setattr(ease, "MAX_ITEMS", 149)
    with pytest.raises(RecsysError, match=r"150 items would take 0\.0 GB; it takes up to 149"):
        models.EASE().fit(parts[0])
