"""Gibbs sampling against written-out distributions, and what it promises: calibrated intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from recsys_lib import datasets, models, splits
from recsys_lib.errors import RecsysError
from recsys_lib.kernels import gibbs
from recsys_lib.models import bayesian_als, sampler
from tests.recsys_lib.models.check_model import Interrupted, assert_same, interrupt_after
from tests.recsys_lib.small import as_ratings

MU = 0.3


WIDE = (-20.0, 20.0)


def small():
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(17 * 11, 90, replace=False), 11)
    return as_ratings(users, items, rng.normal(MU, 1, 90), 17, 11, WIDE)


def twin(csr, other, own, others, Lambda, prior, noise):
    """The rows' draws, written out: slow, obvious, float64."""
    drawn = []
    for r in range(len(csr.indptr) - 1):
        items, values = csr.row(r)
        a, rhs = Lambda.copy(), Lambda @ prior[r]
        for i, value in zip(items, values.astype(float), strict=True):
            z = np.append(other[i, :-1], 1)
            alpha = own[r] * others[i]
            a += alpha * np.outer(z, z)
            rhs += alpha * z * (value - MU - other[i, -1])
        root = np.linalg.cholesky(a)
        drawn.append(np.linalg.solve(a, rhs) + np.linalg.solve(root.T, noise[r]))
    return np.array(drawn)


def spd(size, seed):
    half = np.random.default_rng(seed).normal(size=(size, size + 2))
    return half @ half.T


@pytest.mark.parametrize("size", [1, 4, 21])
def test_rows_are_drawn_as_the_equation_says(size):
    ratings, rng = small(), np.random.default_rng(1)
    other, prior, noise = (rng.normal(size=(n, size)) for n in (11, 17, 17))
    own, others, Lambda = rng.gamma(2, size=17), rng.gamma(2, size=11), spd(size, 2)
    rows, means = np.empty((2, 17, size))
    order = np.argsort(-ratings.by_user.counts)
    gibbs.draw_rows(
        *ratings.by_user, order, other, MU, own, others, Lambda, prior, noise, rows, means
    )  # fmt: skip
    for drawn, given in ((rows, noise), (means, 0 * noise)):
        expected = twin(ratings.by_user, other, own, others, Lambda, prior, given)
        np.testing.assert_allclose(drawn, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_compiled_or_loaded_the_residuals_have_the_same_bits(tmp_path, python):
    script = """
import numpy as np
from recsys_lib.kernels import gibbs
rng = np.random.default_rng(0)
items, values = rng.integers(0, 50, 4000).astype(np.int32), rng.random(4000, np.float32)
rows, other = (rng.standard_normal((n, 17)).astype(np.float32) for n in (100, 50))
out = np.zeros(100)
gibbs.squared_residuals(np.arange(101) * 40, items, values, rows, other, np.float32(0.5), out)
print(out.tobytes().hex())
"""
    runs = [python("-c", script, NUMBA_CACHE_DIR=str(tmp_path)).stdout for _ in range(2)]
    assert list(tmp_path.rglob("*.nbc"))  # the second one did load
    assert runs[0] == runs[1]


# ---- the model


@pytest.fixture(scope="module")
def world():
    """Ratings drawn from the model itself: 600 users of different noise, 300 items."""
    rng = np.random.default_rng(7)
    n_users, n_items, n = 600, 300, 40_000
    users, items = np.divmod(rng.choice(n_users * n_items, n, replace=False), n_items)
    p, q = rng.normal(0, 0.6, (n_users, 3)), rng.normal(0, 0.6, (n_items, 3))
    b_u, b_i = rng.normal(0, 0.4, n_users), rng.normal(0, 0.5, n_items)
    expected = 3 + b_u[users] + b_i[items] + (p[users] * q[items]).sum(1)
    noise = 1 / np.sqrt(rng.gamma(2, 0.5, n_users) / 0.5)
    values = expected + noise[users] * rng.standard_normal(n)
    ratings = as_ratings(users, items, values, n_users, n_items, WIDE)
    train, _, test = splits.random(ratings, valid=0, test=0.25, seed=0)
    model = models.BayesianALS(n_factors=4, n_samples=80, n_burn=30).fit(train)
    table = test.to_frame()
    truth = pd.Series(expected, index=pd.MultiIndex.from_arrays([users, items]))
    table["expected"] = truth[pd.MultiIndex.from_frame(table[["user_id", "item_id"]])].to_numpy()
    return train, model, table, noise


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_hold_as_many_ratings_as_they_say(world, level):
    _, model, test, _ = world
    low, high = model.interval(test["user_id"], test["item_id"], level)
    share = ((low <= test["rating"]) & (test["rating"] <= high)).mean()
    assert abs(share - level) < 0.02


@pytest.mark.parametrize("level", [0.01, 0.8, 0.999])
@pytest.mark.parametrize("scale", [(0.5, 5.0), (0.0, np.inf), (-np.inf, np.inf)])
def test_the_ends_of_an_interval_are_quantiles_of_all_draws(world, level, scale):
    model, pairs = world[1].copy(), world[2][["user_id", "item_id"]][:500]
    model.scale_ = scale
    users, items = pairs.to_numpy().T
    centres = model.draws(users, items).transpose(2, 1, 0).reshape(len(users), -1)
    spreads = np.sqrt(model.user_variances_[users])
    low, high = model.interval(users, items, level)
    for ends, share in ((low, 0.5 - level / 2), (high, 0.5 + level / 2)):
        below = norm.cdf(ends[:, None], centres, spreads).mean(axis=1)
        inside = (ends > scale[0]) & (ends < scale[1])
        assert inside.sum() > 50
        np.testing.assert_allclose(below[inside], share, atol=1e-6)
        assert (below[ends == scale[0]] >= share).all()
        assert (below[ends == scale[1]] <= share).all()
    model.user_variances_[:] = 0  # as a file may say
    assert np.isfinite(model.interval(users, items, level)).all()


def test_the_spread_without_noise_is_that_of_the_mean(world):
    """Of the users' mean ratings, which the simulation knows, the draws are as far off as said."""
    _, model, test, _ = world
    pairs = test["user_id"], test["item_id"]
    z = (model.predict(*pairs) - test["expected"]) / model.predict_std(*pairs, noise=False)
    assert 0.9 < np.sqrt((z**2).mean()) < 1.1
    assert abs((z.abs() < 1.2816).mean() - 0.8) < 0.04


@pytest.fixture(scope="module")
def newcomers(world):
    """The model once it has taken in every user anew, with three ratings each."""
    train, model, _, _ = world
    model = model.copy()
    for user in range(train.n_users):
        items, values = train.by_user.row(user)
        model.partial_fit_users(user, dict(zip(items[:3].tolist(), values[:3], strict=True)))
    return model


@pytest.mark.parametrize("level", [0.68, 0.8])
def test_intervals_of_newcomers_hold_as_many_ratings_as_they_say(newcomers, world, level):
    """Each has noise of their own."""
    test = world[2]
    low, high = newcomers.interval(test["user_id"], test["item_id"], level)
    held = (low <= test["rating"]) & (test["rating"] <= high)
    assert abs(held.groupby(test["user_id"]).mean().mean() - level) < 0.03


def test_what_is_drawn_is_told_chain_by_chain(world):
    _, model, test, _ = world
    users, items = test["user_id"][:9], test["item_id"][:9]
    drawn = model.draws(users, items)
    assert drawn.shape == (2, 40, 9)
    p, q = model.user_draws_[users, 5], model.item_draws_[items, 5]  # the third of chain 2
    score = model.mu_ + (p[:, :-1] * q[:, :-1]).sum(1) + p[:, -1] + q[:, -1]
    np.testing.assert_allclose(drawn[1, 2], score, atol=1e-4)
    np.testing.assert_allclose(
        drawn.std(axis=(0, 1)), model.predict_std(users, items, noise=False), atol=1e-3
    )
    last = model.training_log_.iloc[-1]
    noise = np.sqrt(model.noise_variances_).reshape(40, 2).T
    assert last["rhat_noise"] == pytest.approx(sampler.r_hat(noise), rel=1e-3)
    np.testing.assert_allclose(last[["noise_1", "noise_2"]], noise[:, -1], rtol=1e-5)
    assert not np.array_equal(*noise)
    assert last["rhat"] < 1.2 < 40 < last["ess"]


def test_without_a_worth_all_users_have_the_same_noise():
    model = models.BayesianALS(2, n_samples=6, n_burn=4, noise_worth=None).fit(small())
    np.testing.assert_allclose(model.user_variances_, np.tile(model.noise_variances_, (17, 1)))
    model.partial_fit_users(99, {3: 1.0, 4: -2.0})
    np.testing.assert_allclose(model.user_variances_[-1], model.noise_variances_, rtol=1e-6)


@pytest.fixture(scope="module")
def kinds():
    """Two kinds of users rate two kinds of items, and the ratings follow the kind of the user."""
    rng = np.random.default_rng(8)
    users, items = np.divmod(np.flatnonzero(rng.random(120 * 60) < 0.5), 60)
    chosen = rng.random(len(users)) < np.where(users % 2 == items % 2, 0.9, 0.1)
    users, items = users[chosen], items[chosen]
    values = 2.0 * (users % 2) + 0.7 * rng.standard_normal(len(users))
    return as_ratings(users, items, values, 120, 60, WIDE)


def test_who_rated_what_is_read_whatever_the_ratings_are(kinds):
    apart = []
    for spread in (0.0, 0.5):
        model = models.BayesianALS(0, n_samples=30, n_burn=20, rated_spread=spread).fit(kinds)
        average = {kind: dict.fromkeys(range(kind, 30, 2), model.mu_) for kind in (0, 1)}
        one, other = (model.predict_for(average[kind], range(60)).mean() for kind in (1, 0))
        apart.append(one - other)
    assert abs(apart[0]) < 0.15
    assert apart[1] > 0.3


@pytest.mark.parametrize("most", [200, 9])
def test_a_warm_up_ends_by_its_rule_and_resumes(tmp_path, monkeypatch, most):
    monkeypatch.setattr(bayesian_als, "MOST_BURN", most)
    train, how = small(), {"n_factors": 2, "n_samples": 6, "n_burn": None}
    model = models.BayesianALS(**how).fit(train)
    log = model.training_log_.drop(columns="seconds")
    noise, error = log[["noise_1", "noise_2"]].to_numpy().T, log[["rmse_train"]].to_numpy().T
    ended = [n == most or sampler.settled(noise[:, :n], error[:, :n]) for n in range(len(log))]
    assert log["kept"].tolist() == [0] * ended.index(True) + [1, 2, 3]

    for resume, epoch in ((False, 5), (True, len(log) - 1)):
        run = {"run_dir": tmp_path, "callback": interrupt_after(epoch), "resume": resume}
        with pytest.raises(Interrupted):
            models.BayesianALS(**how).fit(train, **run)
    again = models.BayesianALS(**how).fit(train, run_dir=tmp_path, resume=True)
    assert again.training_log_.drop(columns="seconds").equals(log)
    assert_same(again, model, train)


def test_each_users_noise_is_found(world):
    train, model, _, noise = world
    often = train.by_user.counts >= 40
    found = np.sqrt(model.user_variances_[often].mean(axis=1))
    assert np.corrcoef(np.log(found), np.log(noise[often]))[0, 1] > 0.95
    assert abs(np.log(found / noise[often]).mean()) < 0.05


def test_the_average_of_draws_errs_less_than_the_best_point(world):
    train, model, test, _ = world

    def rmse(model):
        error = model.predict(test["user_id"], test["item_id"]) - test["rating"]
        return np.sqrt((error**2).mean())

    points = [models.ALS(n_factors=4, tau=tau).fit(train) for tau in (1.0, 2.0, 4.0, 8.0)]
    assert rmse(model) < min(map(rmse, points))


def test_predictions_and_scores_are_means_over_the_draws(world):
    _, model, test, _ = world
    user, item = test["user_id"][0], test["item_id"].to_numpy()[:9]
    p, q = model.user_draws_[user], np.stack([model.item_means_[item], model.item_draws_[item]])
    means, draws = model.mu_ + (p[:, :-1] * q[..., :-1]).sum(3) + p[:, -1] + q[..., -1]
    np.testing.assert_allclose(model.predict(user, item), means.mean(1), atol=1e-4)
    spread = model.predict_std(user, item, noise=False)
    np.testing.assert_allclose(spread, draws.std(1), atol=1e-3)
    noisy = model.predict_std(user, item) ** 2 - spread**2
    np.testing.assert_allclose(noisy, model.user_variances_[user].mean(), rtol=1e-3)


@pytest.mark.parametrize("level", [0, 1, 80])
def test_a_level_without_sense_is_refused(world, level):
    with pytest.raises(RecsysError, match="level is"):
        world[1].interval(0, 0, level)


@pytest.mark.parametrize("seed", [0, 1])
def test_having_no_rating_yet_does_not_speak_against_an_item(seed):
    """Who rated what helps, or is no harm, where all ratings of some items were taken away."""
    data = datasets.load("synthetic", n_users=300, n_items=300, n_ratings=12_000, seed=seed)
    items = data.ratings.by_user.indices
    away = np.isin(items, np.random.default_rng(0).choice(300, 60, replace=False))
    train, test = data.ratings.select(~away), data.ratings.select(away).to_frame()
    errors = []
    for spread in (0.07, 0.0):
        model = models.BayesianALS(8, 60, 20, rated_spread=spread).fit(train)
        errors.append(model.predict(test["user_id"], test["item_id"]) - test["rating"])
    assert (errors[0] ** 2).mean() < (errors[1] ** 2).mean()
