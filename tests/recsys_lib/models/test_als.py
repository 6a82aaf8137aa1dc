"""ALS and its family: the equation, the objective, the reference."""

import numpy as np
import pytest

from recsys_lib import datasets, models, splits
from recsys_lib.errors import RecsysError
from recsys_lib.models import als
from recsys_lib.ratings import Ratings


@pytest.mark.parametrize("name", ["BiasALS", "ALS", "GenreALS"])
def test_predictions_and_the_log_follow_the_equation(fitted, name, data, parts):
    model, train = fitted(name), parts[0]
    u, i = np.divmod(np.arange(300 * 400), 400)
    guess = (
        model.mu_ + model.user_biases_[:, None] + model.item_biases_
        + model.user_factors_ @ model.item_factors_.T
    ).ravel()  # fmt: skip
    got = model.predict(data.ratings.user_ids[u], data.ratings.item_ids[i])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, guess.clip(0.5, 5), atol=1e-5)
    one = model.predict(data.ratings.user_ids[3], data.ratings.item_ids)
    np.testing.assert_array_equal(one, got[3 * 400 : 4 * 400])
    pairs = train.user_of_rating(), train.by_user.indices
    error = guess.reshape(300, 400)[pairs] - train.by_user.values
    log = model.training_log_
    assert log["rmse_train"].iloc[-1] == pytest.approx(np.sqrt((error**2).mean()), abs=1e-5)
    assert log["loss"].is_monotonic_decreasing
    n_u, n_i = train.by_user.counts**model.nu, train.by_item.counts**model.nu
    own = model.item_rows_.astype(float) - model.item_priors_
    weights = np.array([model.tau] * (own.shape[1] - 1) + [model.gamma])
    loss = model.lam * (error**2).sum() + n_i @ own**2 @ weights
    loss += n_u @ model.user_rows_.astype(float) ** 2 @ weights
    loss += model.beta * (model.feature_rows_**2).sum() if name == "GenreALS" else 0
    assert log["loss"].iloc[-1] == pytest.approx(loss / 2, rel=1e-5)


def test_between_the_noise_floor_and_the_baseline_above():
    """Each model, its τ chosen on validation, closes part of the gap that the one before left."""
    data = datasets.load("synthetic", seed=3)
    train, valid, test = splits.random(data.ratings, seed=0)
    frame = test.to_frame()
    floor = data.truth.noise_floor(test)
    scores = {"mean": float(np.sqrt(np.mean((train.mean - frame["rating"]) ** 2)))}
    for candidates in (
        [models.BiasALS(gamma=gamma) for gamma in (2.5, 5.0)],
        [models.ALS(n_factors=12, tau=tau) for tau in (1.35, 1.6, 2.0)],
        [models.GenreALS(n_factors=12, tau=tau) for tau in (1.35, 1.6, 2.0)],
    ):
        fits = [model.fit(train, valid, items=data.items) for model in candidates]
        best = min(fits, key=lambda model: model.training_log_["rmse_valid"].iloc[-1])
        error = best.predict(frame["user_id"], frame["item_id"]) - frame["rating"]
        scores[type(best).__name__] = float(np.sqrt((error**2).mean()))
    gaps = {name: score - floor for name, score in scores.items()}
    # The bands are shares of the gap above the best that any model could do.
    assert 0 < gaps["BiasALS"] < 0.45 * gaps["mean"]
    assert 0 < gaps["ALS"] < 0.85 * gaps["BiasALS"]
    assert 0 < gaps["GenreALS"] < gaps["ALS"]


def test_popularity_levels_are_part_of_one_objective(data, parts):
    """The loss still never rises, and items of one level, rated or not, share a prior mean."""
    train, valid, _ = parts
    model = models.ALS(n_factors=4, n_epochs=12, popularity=10.0).fit(train, valid)
    assert (
        model.training_log_["loss"].diff().dropna() <= 1e-6 * model.training_log_["loss"].iloc[0]
    ).all()
    counts = train.by_item.counts
    rare = np.flatnonzero(counts <= 2)
    assert {0, 1} <= set(counts[rare])
    assert (model.item_priors_[rare] == model.item_priors_[rare[0]]).all()
    assert np.abs(model.item_priors_[rare[0]]).max() > 0
    unrated = np.flatnonzero(counts == 0)
    np.testing.assert_array_equal(model.item_rows_[unrated], model.item_priors_[unrated])
    often = np.argmax(counts)
    assert not np.allclose(model.item_priors_[often], model.item_priors_[rare[0]])


@pytest.mark.parametrize("nu", [0.0, 0.5, 1.0])
def test_the_fast_kernel_does_what_the_reference_says(parts, nu):
    train = parts[0]
    model = models.ALS(n_factors=5, n_epochs=3, nu=nu, tau=1.1, gamma=0.7, lam=1.3)
    model.fit(train)
    users, items = np.zeros((train.n_users, 6)), np.zeros((train.n_items, 6))
    for part, rows in als.first_factors(model.seed, train.n_items, 5):
        items[part, :-1] = rows
    weights = model.mu_, model.lam, model.tau, model.gamma, model.nu
    for _ in range(model.n_epochs):
        users = als.reference_half_step(train.by_user, items, *weights)
        items = als.reference_half_step(train.by_item, users, *weights)
    np.testing.assert_allclose(model.user_rows_, users, atol=2e-4)
    np.testing.assert_allclose(model.item_rows_, items, atol=2e-4)


def test_what_overflows_is_no_result(data):
    ratings = data.ratings.by_user._replace(values=data.ratings.by_user.values * np.float32(1e30))
    huge = Ratings(data.ratings.user_ids, data.ratings.item_ids, ratings)
    with pytest.raises(RecsysError, match="scale the ratings down"):
        models.ALS(n_factors=3, n_epochs=2).fit(huge)
