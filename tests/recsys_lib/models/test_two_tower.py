"""Two towers: the loss, the gradients, what a history leaves out, and what content can say."""

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_lib import models, splits
from recsys_lib.models import network
from recsys_lib.models.two_tower import history_without
from recsys_lib.ratings import CSR
from tests.recsys_lib.small import as_ratings


def make(**params):
    defaults = {"n_factors": 8, "width": 8, "hidden": (12,), "threshold": 4.0, "n_epochs": 3}
    return models.TwoTower(**{**defaults, "batch_size": 128, **params})


def tastes():
    """Return ratings in which group and genre decide, and tables of users and of items that tell.

    The last 20 items have no rating.
    """
    rng = np.random.default_rng(0)
    group, genre = rng.integers(0, 4, 200), np.arange(120) % 4
    chance = np.where(group[:, None] == genre, 0.4, 0.03)
    chance[:, 100:] = 0
    users, items = np.nonzero(rng.random(chance.shape) < chance)
    ratings = as_ratings(users, items, 1, 200, 120, (0, 1))
    about_items = pd.DataFrame({"item_id": range(120), "genres": np.array([*"ABCD"])[genre]})
    about_users = pd.DataFrame({"user_id": range(200), "group": np.array([*"wxyz"])[group]})
    return ratings, about_items, about_users, group, genre


# ---- the loss


def test_the_contest_in_a_batch_as_it_is_written():
    rng = np.random.default_rng(0)
    scores, items = rng.normal(size=(6, 6)), np.array([3, 5, 3, 0, 2, 5])
    share = np.array([0.5, 0.1, 0.5, 0.2, 0.05, 0.1])
    expected = []
    for k in range(6):
        rivals = [j for j in range(6) if items[j] != items[k]]
        against = np.exp(scores[k, rivals]) / (5 * share[rivals])
        own = np.exp(scores[k, k])
        expected.append(-np.log(own / (own + against.sum())))
    tensors = map(torch.from_numpy, (scores, items, np.log(share)))
    assert network.in_batch_softmax(*tensors).item() == pytest.approx(np.mean(expected), rel=1e-12)


# ---- histories


def rated():
    """Three users: of five items, of one, and of two."""
    indices = np.array([0, 2, 3, 5, 6, 4, 1, 6], np.int32)
    return CSR(np.array([0, 5, 6, 8]), indices, (10 + indices).astype(np.float32))


def histories(pairs, most):
    users, pairs = np.array([0, 0, 0, 0, 0, 1, 2, 2]), np.array(pairs)
    return history_without(rated(), users[pairs], pairs, most, np.random.default_rng(0))


def test_a_history_leaves_out_its_own_item():
    found = histories([2, 5, 7, 0], most=10)
    rows = [found.row(k) for k in range(4)]
    assert [items.tolist() for items, _ in rows] == [[0, 2, 5, 6], [], [1], [2, 3, 5, 6]]
    assert [values.tolist() for _, values in rows] == [[1 / 4] * 4, [], [1], [1 / 4] * 4]


def test_a_long_history_is_drawn_without_the_own_item():
    found = histories([2] * 200, most=3)
    assert (found.counts == 3).all()
    np.testing.assert_allclose(found.values, 1 / 3, rtol=1e-6)
    counts = np.bincount(found.indices, minlength=7)
    assert counts[[1, 3, 4]].tolist() == [0, 0, 0]
    assert counts[[0, 2, 5, 6]].min() > 100


def test_the_target_does_not_leak():
    """Of likes at random nothing can be learnt; with the target shown, the loss would fall.

    Each user likes 12 of 60 items without any pattern. A network that looks its target up among 12
    would bring the loss from ln 60 towards ln 12.
    """
    rng = np.random.default_rng(3)
    items = np.concatenate([np.sort(rng.choice(60, 12, replace=False)) for _ in range(300)])
    ratings = as_ratings(np.repeat(np.arange(300), 12), items, 1, 300, 60, (0, 1))
    train, valid, _ = splits.random(ratings, valid=0.15, test=0, seed=0)
    model = make(threshold=None, n_epochs=8, learning_rate=1e-2, patience=None).fit(train, valid)
    scores = model.user_vectors(train.by_user) @ model.item_vectors_.T
    own = np.zeros((300, 60), bool)
    own[train.user_of_rating(), train.by_user.indices] = True
    share = np.where(own, 0, np.exp(scores.astype(float)))
    share /= share.sum(axis=1, keepdims=True)
    held_out = share[valid.user_of_rating(), valid.by_user.indices]
    assert -np.log(held_out).mean() > np.log(60 - 12) - 0.1
    assert abs(scores[own].mean() - scores[~own].mean()) < scores.std()


# ---- the model


def test_what_serves_is_what_was_trained():
    """Vectors without PyTorch are the network's: for users with features as for strangers."""
    ratings, items, users, *_ = tastes()
    model = models.TwoTower(6, 5, (7, 4), n_epochs=2, batch_size=64, patience=None)
    seen, who = [], np.arange(30)
    known = ratings.by_user.take(who)
    values = (1 / np.repeat(known.counts, known.counts)).astype(np.float32)

    def look(row):
        seen.append(sum(weights.numel() for weights in model._net.parameters()))
        features = torch.from_numpy(model.user_features_[who])
        for some in (features, torch.zeros_like(features)):
            with torch.no_grad():
                rows = model._user_tower(known._replace(values=values), some)
            seen.append(rows.numpy() / model.temperature)

    model.fit(ratings, items=items, users=users, callback=look)
    n_weights, expected, alone = seen[-3:]
    np.testing.assert_allclose(model.vectors(who), expected, atol=1e-4)
    np.testing.assert_allclose(model.user_vectors(known), alone, atol=1e-4)
    assert not np.allclose(expected, alone, atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(model.item_vectors_, axis=1), 1, rtol=1e-5)
    assert model.n_parameters_ == n_weights
    assert model.feature_names_ == [f"group: {name}" for name in "wxyz"]


def test_cold_items_are_found_by_their_content():
    """Items that nobody rated: their genre tells whom they are for, an id alone does not."""
    ratings, items, _, group, genre = tastes()
    auc = {}
    for name, table in (("content", items), ("ids", None)):
        model = make(threshold=None, n_epochs=10, learning_rate=1e-2, dropout=0.3)
        model.fit(ratings, items=table)
        scores = model.vectors(np.arange(200)) @ model.item_vectors()[100:].T
        wanted = group[:, None] == genre[100:]
        above = scores[wanted][:, None] > scores[~wanted][None]
        level = scores[wanted][:, None] == scores[~wanted][None]
        auc[name] = (above + 0.5 * level).mean()
    assert auc["content"] > 0.8
    assert auc["ids"] == pytest.approx(0.5, abs=0.01)  # all alike


def test_features_speak_for_a_user_without_history():
    ratings, items, users, group, genre = tastes()
    hidden = np.isin(ratings.user_of_rating(), np.arange(20))
    train = ratings.select(~hidden)
    model = make(threshold=None, n_epochs=10, learning_rate=1e-2, dropout=0.3)
    model.fit(train, items=items, users=users)
    lists = model.rank(np.arange(20, dtype=np.int32), 5)[0]
    assert (genre[lists] == group[:20, None]).mean() > 0.8
    model.partial_fit_users(999, {0: 1.0, 4: 1.0})  # a new user has no features
    assert model.user_features_[-1].tolist() == [0, 0, 0, 0]
