"""The truth about simulated data: the distribution of what is observed, and nothing better."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib import datasets, splits
from recsys_lib.errors import DataError, UnknownIdError


def given_by_hand(truth, users, items, n, rng):
    """Draw n ratings of each pair from the documented definition, without the library's code."""
    enjoyment = (
        truth.mu
        + truth.user_biases[users]
        + truth.item_biases[items]
        + (truth.user_factors[users] * truth.item_factors[items]).sum(1)
    )
    x = enjoyment + truth.user_noise[users] * rng.standard_normal((n, len(users)))
    ratings = np.empty_like(x)
    for k, h in enumerate(truth.user_halves[users].astype(float)):
        if h == 0:
            ratings[:, k] = np.digitize(x[:, k], [1.5, 2.5, 3.5, 4.5]) + 1
        else:  # the bin of star s is 1 - h wide, the bin of s + ½ is h wide, each with its centre
            edges = [s + side * h / 2 for s in (0.5, 1.5, 2.5, 3.5, 4.5) for side in (-1, 1)][1:]
            ratings[:, k] = np.digitize(x[:, k], edges) / 2 + 0.5
    return ratings


def some_pairs(data):
    """Pairs of indices: whole-star and half-star users, popular and cold films."""
    truth = data.truth
    whole, half = np.flatnonzero(truth.user_halves == 0), np.flatnonzero(truth.user_halves > 0)
    users = np.concatenate([whole[:6], half[:6]])
    cold = data.ratings.item_index(truth.cold_items[:2])
    best = np.argsort(data.ratings.by_item.counts)[-2:]
    ends = [truth.item_biases.argmin(), truth.item_biases.argmax()]
    return users, np.tile(np.concatenate([cold, best, ends]), 2)


@pytest.mark.parametrize("way", ["by hand", "simulate"])
def test_expected_and_std_match_simulated_ratings(rated, way):
    truth, ratings = rated.truth, rated.ratings
    users, items = some_pairs(rated)
    ids = ratings.user_ids[users], ratings.item_ids[items]
    n, rng = 100_000, np.random.default_rng(8)
    if way == "by hand":
        drawn = given_by_hand(truth, users, items, n, rng)
    else:
        many = truth.simulate(np.tile(ids[0], n), np.tile(ids[1], n), rng)
        drawn = many.reshape(n, len(users)).astype(np.float64)
    expected, std = truth.expected(*ids), truth.std(*ids)
    assert expected.dtype == std.dtype == np.float32
    assert (np.abs(drawn.mean(0) - expected) < 4.5 * drawn.std(0) / np.sqrt(n) + 1e-6).all()
    squares = (drawn - drawn.mean(0)) ** 2
    assert (np.abs(squares.mean(0) - std**2) < 4.5 * squares.std(0) / np.sqrt(n) + 1e-6).all()


def test_noise_floor_is_the_rmse_of_the_expected_rating():
    data = datasets.simulate_ratings(2_000, 1_500, 400_000, seed=6)
    truth, ratings = data.truth, data.ratings
    pairs = ratings.to_frame()
    expected = truth.expected(pairs.user_id, pairs.item_id, pairs.timestamp)
    error = (pairs.rating - expected).to_numpy(np.float64)
    std = truth.std(pairs.user_id, pairs.item_id, pairs.timestamp).astype(np.float64)
    assert truth.noise_floor() == pytest.approx(np.sqrt(np.mean(std**2)), abs=1e-6)
    # error² − std² has mean zero if and only if the kernel draws what Truth says.
    excess = error**2 - std**2
    assert abs(excess.mean()) < 4 * excess.std() / np.sqrt(len(excess))
    # And so has the error itself, whatever was selected: in each tenth of expected, popularity
    # and taste. What people watch says nothing about the noise.
    fame = ratings.by_item.counts[ratings.by_user.indices]
    u, i = ratings.user_of_rating(), ratings.by_user.indices
    taste = (truth.user_factors[u] * truth.item_factors[i]).sum(1)
    for quantity in (expected, fame, taste, pairs.timestamp.to_numpy()):
        tenth = np.digitize(quantity, np.quantile(quantity, np.arange(1, 10) / 10))
        n = np.bincount(tenth)
        z = np.bincount(tenth, error) / np.sqrt(np.bincount(tenth, std**2))
        assert (n > 10_000).all()
        assert (np.abs(z) < 4).all(), z


def test_signal_is_as_strong_as_on_movielens(rated):
    truth, pairs = rated.truth, rated.ratings.to_frame()
    floor = truth.noise_floor()
    assert 0.73 < floor < 0.80
    # What biases can't see: μ + b_u + b_i at their best leave the taste.
    taste = truth.enjoyment(pairs.user_id, pairs.item_id) - (
        truth.mu
        + truth.user_biases[rated.ratings.user_of_rating()]
        + truth.item_biases[rated.ratings.by_user.indices]
    )
    assert np.hypot(floor, taste.std()) == pytest.approx(0.87, abs=0.03)
    assert 0 < taste.mean() < taste.std()  # users see what they like more often, mildly


def test_floor_of_a_part_is_that_of_its_pairs(rated):
    train, _, test = splits.random(rated.ratings, valid=0.1, test=0.2, seed=0)
    frame = test.to_frame()
    std = rated.truth.std(frame.user_id, frame.item_id, frame.timestamp)
    assert rated.truth.noise_floor(test) == pytest.approx(np.sqrt(np.mean(std**2)), abs=1e-5)
    assert rated.truth.noise_floor(train) == pytest.approx(rated.truth.noise_floor(test), abs=0.02)
    nothing = rated.ratings.select(np.zeros(len(rated.ratings), bool))
    assert np.isnan(rated.truth.noise_floor(nothing))


def test_mean_drifts_with_time(rated):
    truth, ids = rated.truth, (rated.ratings.user_ids[:5], rated.ratings.item_ids[:5])
    first, last = (np.int64(pd.Timestamp(f"{year}-01-01").timestamp()) for year in (1996, 2018))
    rise = truth.enjoyment(*ids, last) - truth.enjoyment(*ids, first)
    assert rise == pytest.approx(truth.drift, abs=1e-4)
    middle = truth.enjoyment(*ids, (first + last) // 2)
    assert middle == pytest.approx(truth.enjoyment(*ids), abs=1e-4)
    assert (truth.expected(*ids, last) > truth.expected(*ids)).all()


def test_truth_refuses_what_it_does_not_know(rated):
    truth, item = rated.truth, rated.ratings.item_ids[0]
    with pytest.raises(UnknownIdError, match="no user 0"):
        truth.expected(0, item)
    with pytest.raises(UnknownIdError, match="no item -1"):
        truth.std(1, -1)
    with pytest.raises(DataError, match="2, 3 long"):
        truth.expected([1, 2], [item] * 3)
    with pytest.raises(DataError, match="2, 1, 3 long"):
        truth.expected([1, 2], item, [0, 1, 2])
    with pytest.raises(DataError, match="simulated and ratings number other users or items"):
        truth.noise_floor(datasets.simulate_ratings(20, 300, 1_000).ratings)
