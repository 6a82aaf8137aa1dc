"""Item neighbours against the dense definition."""

import numpy as np
import pytest

from recsys_lib import evaluation, models
from recsys_lib.errors import RecsysError
from recsys_lib.kernels import ranking
from recsys_lib.models import item_knn

LIKED = 3.5


@pytest.mark.parametrize(("k", "shrinkage"), [(1, 0.0), (7, 10.0), (10_000, 3.0)])
def test_the_nearest_are_those_of_the_whole_square(parts, likes, monkeypatch, k, shrinkage):
    monkeypatch.setattr(item_knn, "AT_A_TIME", 37)  # several blocks, the last one shorter
    model = models.ItemKNN(k, shrinkage, threshold=LIKED).fit(parts[0])
    dense = likes(parts[0], LIKED)
    both = dense.T @ dense
    length = np.sqrt(np.diag(both))
    bottom = np.outer(length, length) + shrinkage
    alike = np.divide(both, bottom, out=np.zeros_like(both), where=bottom > 0)
    np.fill_diagonal(alike, 0)
    expected = np.zeros_like(alike)
    for i, row in enumerate(alike.astype(np.float32)):
        best = np.argsort(-row, kind="stable")[:k]
        expected[i, best] = row[best]
    np.testing.assert_allclose(model.item_vectors(), expected, rtol=1e-6)
    scores = dense @ expected.T
    scores[parts[0].user_of_rating(), parts[0].by_user.indices] = -np.inf
    users = np.arange(20)
    found = np.take_along_axis(scores[users], model.rank(users, 5)[0], axis=1)
    np.testing.assert_allclose(found, -np.sort(-scores[users], axis=1)[:, :5], rtol=1e-5)


def test_lists_need_no_dense_square_and_auc_says_that_it_does(parts, monkeypatch):
    train, _, test = parts
    model = models.ItemKNN(threshold=LIKED).fit(train)
    expected = evaluation.evaluate(model, train, test, metrics=["ndcg@10", "auc"])
    users = np.flatnonzero(test.by_user.counts)
    vectors = model.user_vectors(train.by_user.take(users))
    plain, _ = ranking.top_n(vectors, model.item_vectors(), *train.by_user.take(users)[:2], 10)
    np.testing.assert_array_equal(plain[:, :3], model.rank(users, 10)[0][:, :3])
    monkeypatch.setattr(item_knn, "MAX_ITEMS", train.n_items - 1)
    found = evaluation.evaluate(model, train, test, metrics=["ndcg@10"])
    assert found["ndcg@10"] == expected["ndcg@10"]
    with pytest.raises(RecsysError, match="leave out auc"):
        evaluation.evaluate(model, train, test, metrics=["auc"])


def test_similar_items_are_those_that_have_it_among_their_nearest(parts):
    model = models.ItemKNN(20, threshold=LIKED).fit(parts[0])
    square = model.item_vectors()
    for item in (0, 5, 17):
        alike = model.similar_items(model.item_ids_[item], n=10_000)
        found = dict(zip(model.item_index(alike["item_id"]), alike["score"], strict=True))
        assert found == {i: s for i, s in enumerate(square[:, item]) if s > 0}
        assert alike["score"].is_monotonic_decreasing
