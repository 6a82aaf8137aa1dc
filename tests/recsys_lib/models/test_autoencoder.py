"""The autoencoder: its losses against what is written out, and what it serves."""

import numpy as np
import pytest
import torch

from recsys_lib import models
from recsys_lib.models.autoencoder import LOSSES, popularity_scores


def fit(parts, kind=models.AutoEncoder, **params):
    usual = {"hidden": (16, 8), "threshold": 4.0, "n_epochs": 4, "batch_size": 32}
    return kind(**{**usual, **params}).fit(*parts[:2])


def written_out(kind, scores, target):
    """Each user's loss, over all items, with a dense target."""
    if kind == "multinomial":
        return -(target * np.log(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))).sum(1)
    p = 1 / (1 + np.exp(-scores))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(1)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_loss_is_the_written_one(kind, parts, likes):
    """With all users in one batch and nothing dropped, epoch 2 logs the loss that epoch 1 left."""
    train, *_ = parts
    told = {"loss": kind, "dropout": 0.0, "batch_size": 1000, "patience": None}
    model = fit(parts, n_epochs=1, **told)
    users = np.flatnonzero(likes(train, 4).any(axis=1))
    rows, vectors = model.user_vectors(train.by_user.take(users)), model.item_vectors()
    scores = (rows[:, :-1] @ vectors[:, :-1].T + vectors[:, -1]).astype(float)
    target = likes(train, 4)[users]
    found = fit(parts, n_epochs=2, **told).training_log_["loss"][1]
    assert found == pytest.approx(written_out(kind, scores, target).mean(), rel=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_the_first_biases_are_the_best_that_know_no_user(kind):
    """With the added half a like, the gradient of the loss by a score for all vanishes there."""
    counts, n_users = np.array([40, 7, 0, 21]), 50
    scores = popularity_scores(kind, counts, n_users).astype(float)
    assert np.argsort(-scores).tolist() == [0, 3, 1, 2]
    share = (counts + 0.5) / (n_users + 1)
    if kind == "bce":
        np.testing.assert_allclose(1 / (1 + np.exp(-scores)), share, rtol=1e-5)
    else:
        np.testing.assert_allclose(
            np.exp(scores) / np.exp(scores).sum(), share / share.sum(), rtol=1e-5
        )


def test_dropout_keeps_the_mean_and_leaves_out_its_share(parts):
    whole, given = [], []

    class Seen(models.AutoEncoder):
        def _scores(self, likes):
            whole.append(1 / np.sqrt(np.repeat(likes.counts, likes.counts)))
            given.append(likes.values)
            return super()._scores(likes)

    fit(parts, kind=Seen, dropout=0.3)
    ratio = np.concatenate(given) / np.concatenate(whole)
    np.testing.assert_allclose(np.unique(ratio.round(5)), [0, 1 / 0.7], rtol=1e-4)
    assert (ratio == 0).mean() == pytest.approx(0.3, abs=0.02)
    given.clear()
    whole.clear()
    fit(parts, kind=Seen, dropout=0.0)
    np.testing.assert_allclose(np.concatenate(given), np.concatenate(whole), rtol=1e-6)


@pytest.mark.parametrize("hidden", [(16,), (16, 8), (12, 8, 4)])
def test_what_serves_is_what_was_trained(hidden, parts):
    """The scores without PyTorch are those of the network with it, and of the sums by hand."""
    train, seen = parts[0], []
    users = np.flatnonzero(train.by_user.counts > 0)[:40].astype(np.int32)
    model = models.AutoEncoder(hidden, threshold=4.0, n_epochs=2, batch_size=32, patience=None)
    likes = model.liked(train.by_user.take(users))
    values = (1 / np.sqrt(np.repeat(likes.counts, likes.counts))).astype(np.float32)

    def look(row):
        with torch.no_grad():
            seen.append(model._scores(likes._replace(values=values)).numpy())

    model.fit(train, callback=look)
    own, vectors = model.vectors(users), model.item_vectors()
    found = own[:, :-1] @ vectors[:, :-1].T + vectors[:, -1]
    np.testing.assert_allclose(found, seen[-1], atol=2e-5)
    assert (model.input_rows_[np.bincount(likes.indices, minlength=400) == 0] != 0).any()
    unliked = np.bincount(model.liked(train.by_user).indices, minlength=400) == 0
    assert (model.input_rows_[unliked] == 0).all()
    if len(hidden) == 1:
        dense = likes._replace(values=values).to_scipy(400).toarray().astype(float)
        np.testing.assert_allclose(
            own[:, :-1], np.tanh(dense @ model.input_rows_ + model.inner_), atol=1e-5
        )
