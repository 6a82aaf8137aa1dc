"""The simulator: that it looks like MovieLens, and that it tells the truth about itself.

"Real" figures are of ml-latest-small (610 users, 9,742 films, 100,836 ratings), measured once.
"""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from recsys_lib import splits
from recsys_lib.datasets import synthetic, titles
from recsys_lib.errors import DataError, UnknownIdError

GENRES = list(titles.GENRES)

# Real shares of films with a genre, and of films of the first genre that have the second.
SHARE = [0.188, 0.130, 0.063, 0.068, 0.385, 0.123, 0.045, 0.448, 0.080, 0.009]
SHARE += [0.100, 0.016, 0.034, 0.059, 0.164, 0.101, 0.194, 0.039, 0.017]
COMPANY = {
    ("Children", "Animation"): 0.45,
    ("Children", "Thriller"): 0.01,
    ("Animation", "Adventure"): 0.40,
    ("Adventure", "Action"): 0.48,
    ("Comedy", "Romance"): 0.24,
    ("Comedy", "Horror"): 0.05,
    ("Crime", "Thriller"): 0.47,
    ("Documentary", "Drama"): 0.05,
    ("Film-Noir", "Crime"): 0.60,
    ("Horror", "Thriller"): 0.47,
    ("IMAX", "Sci-Fi"): 0.39,
    ("Musical", "Children"): 0.25,
    ("Mystery", "Thriller"): 0.62,
    ("War", "Drama"): 0.78,
    ("Western", "Thriller"): 0.11,
}


@pytest.fixture(scope="module")
def data():
    """The default size, which most tests look at."""
    return synthetic.generate(seed=4)


@pytest.fixture(scope="module")
def small():
    """The size of ml-latest-small."""
    return synthetic.generate(610, 9_742, 100_836, seed=5)


def gini(counts):
    counts = np.sort(counts)
    n = len(counts)
    return (2 * np.arange(1, n + 1) - n - 1) @ counts / (n * counts.sum())


# --- what is observed


@pytest.mark.parametrize(
    "size",
    [
        (20, 300, 1_000),
        (50, 60, 1_000),  # exactly the minimum each
        (30, 25, 750),  # every pair
        (100, 40, 3_500),  # nearly every pair
        (1, 20, 20),
        (610, 1_682, 60_000),
    ],
)
def test_has_the_sizes_asked_for_and_no_pair_twice(size):
    n_users, n_items, _ = size
    data = synthetic.generate(*size, seed=1)
    ratings = data.ratings
    assert (ratings.n_users, ratings.n_items, len(ratings)) == size
    assert (ratings.user_ids.shape, ratings.item_ids.shape) == ((n_users,), (n_items,))
    assert ratings.by_user.counts.min() >= 20
    assert ratings.by_user.indices.min() >= 0
    assert ratings.by_user.indices.max() < n_items
    pair = ratings.user_of_rating().astype(np.int64) * n_items + ratings.by_user.indices
    assert (np.diff(pair) > 0).all()  # so by_user is sorted as well
    assert set(ratings.by_user.values) <= set(np.arange(1, 11) / 2)
    assert [a.dtype.name for a in ratings.by_user] == ["int64", "int32", "float32"]
    assert ratings.timestamps.dtype == np.int64


def test_table_of_films_covers_the_catalogue(data):
    items = data.items
    assert list(items.columns) == ["item_id", "title", "year", "genres"]
    assert (items.item_id == data.ratings.item_ids).all()
    assert items.item_id.iloc[-1] > len(items)  # ids have gaps
    assert items.year.between(1902, 2017).all()
    assert str(items.year.dtype) == "Int64"
    assert items.genres.str.split("|").explode().isin(GENRES).all()
    assert data.info["source"] == "synthetic"
    assert data.info["options"]["seed"] == 4


def test_users_activity_has_the_real_tail(small):
    counts = small.ratings.by_user.counts
    # real quantiles: 35, 70.5, 168, 400, 2698; Gini .604
    low = np.array([30, 60, 130, 280, 2000])
    high = np.array([50, 95, 200, 520, 4871])
    seen = np.quantile(counts, [0.25, 0.5, 0.75, 0.9, 1])
    assert ((low <= seen) & (seen <= high)).all(), seen
    assert gini(counts) == pytest.approx(0.604, abs=0.06)


def test_items_popularity_has_the_real_tail(small):
    counts = small.ratings.by_item.counts
    seen = np.quantile(counts, [0.5, 0.75, 0.9, 0.99])  # real: 3, 9, 27, 114
    assert ((np.array([2, 8, 20, 90]) <= seen) & (seen <= [4, 12, 32, 140])).all(), seen
    assert gini(counts) == pytest.approx(0.717, abs=0.03)
    assert np.mean(counts < 5) == pytest.approx(0.625, abs=0.07)
    assert counts.max() / small.ratings.n_users == pytest.approx(0.54, abs=0.1)
    # Real: only 18 films, since the release lists those that its users rated. Here more are cold.
    assert 0.05 < np.mean(counts == 0) < 0.2
    assert (small.truth.cold_items == small.ratings.item_ids[counts == 0]).all()


def test_stars_are_given_as_on_movielens(data, small):
    real = [0.014, 0.028, 0.018, 0.075, 0.055, 0.199, 0.130, 0.266, 0.085, 0.131]
    for some in (data, small):
        values = some.ratings.by_user.values
        share = np.bincount((2 * values).astype(int), minlength=11)[1:] / len(values)
        assert np.abs(share - real).sum() / 2 < 0.10
        assert (share[1:-1:2] > share[2::2]).all()  # 1, 2, 3, 4 stars against 1½, 2½, 3½, 4½
        assert values.mean() == pytest.approx(3.50, abs=0.08)
        assert values.std() == pytest.approx(1.04, abs=0.04)


def test_whole_star_users_give_no_half_stars(data):
    ratings = data.ratings
    half = np.bincount(ratings.user_of_rating(), ratings.by_user.values % 1 > 0)
    assert (half[data.truth.user_halves == 0] == 0).all()
    assert (half[data.truth.user_halves > 0] > 0).mean() > 0.99
    assert 0.3 < np.mean(half == 0) < 0.6  # real: 0.40 give none at all


def test_popular_films_are_better(small):
    ratings = small.ratings.by_item
    counts = ratings.counts
    total = np.add.reduceat(np.append(ratings.values, 0), ratings.indptr[:-1])
    edges = [1, 5, 20, 100, 10**6]  # real means: 3.20, 3.28, 3.52, 3.86
    means = [
        total[(counts >= a) & (counts < b)].sum() / counts[(counts >= a) & (counts < b)].sum()
        for a, b in pairwise(edges)
    ]
    assert (np.diff(means) > 0).all(), means
    assert 0.35 < means[-1] - means[0] < 0.9, means


def test_nobody_rates_a_film_before_its_year(data, small):
    for some in (data, small, synthetic.generate(40, 50, 1_900)):
        times = pd.to_datetime(some.ratings.timestamps, unit="s").year
        made = some.items.year.to_numpy(np.int64)[some.ratings.by_user.indices]
        assert (times >= made).all()
        assert times.min() >= 1996
        assert times.max() <= 2017
    years = pd.to_datetime(small.ratings.timestamps, unit="s").year
    assert np.bincount(years - 1996, minlength=22).min() > 100  # some in every year


def test_users_come_in_visits(data):
    ratings = data.ratings
    order = np.lexsort((ratings.timestamps, ratings.user_of_rating()))
    same = np.diff(ratings.user_of_rating()[order]) == 0
    gaps = np.diff(ratings.timestamps[order])[same]
    assert np.median(gaps) < 30  # seconds; real: 11
    assert 0.01 < np.mean(gaps > 86_400) < 0.1  # real: 0.05
    assert gaps.max() > 365 * 86_400


def test_new_films_draw_more_ratings_than_old_ones(small):
    year = pd.to_datetime(small.ratings.timestamps, unit="s").year
    age = year - small.items.year.to_numpy(np.int64)[small.ratings.by_user.indices]
    assert np.median(age) == pytest.approx(9, abs=2.5)  # real: 9
    assert np.quantile(age, 0.9) == pytest.approx(31, abs=6)  # real: 31


# --- films


def test_genres_keep_real_company():
    pairs = pd.DataFrame(titles.genre_pairs(), GENRES, GENRES)
    assert np.diag(pairs) == pytest.approx(SHARE, abs=0.003)
    for (given, other), real in COMPANY.items():
        assert pairs.loc[given, other] / pairs.loc[given, given] == pytest.approx(real, abs=0.03)


def test_drawn_genres_follow_the_exact_distribution():
    n = 40_000
    genres = titles.draw_genres(n, np.random.default_rng(0))
    p = titles.genre_pairs()
    seen = genres.T.astype(float) @ genres / n
    # 19 x 19 dependent comparisons at 4.5 standard errors (plus one film, for the rarest pairs)
    assert (np.abs(seen - p) < 4.5 * np.sqrt(p * (1 - p) / n) + 1 / n).all()
    real = [0.293, 0.330, 0.240, 0.101, 0.028, 0.006]
    assert np.bincount(genres.sum(1), minlength=7)[1:] / n == pytest.approx(real, abs=0.01)


def test_genres_have_their_years():
    rng = np.random.default_rng(0)
    genres = titles.draw_genres(40_000, rng)
    years = titles.draw_years(genres, rng)
    assert np.quantile(years, [0.1, 0.5, 0.9]) == pytest.approx([1967, 1999, 2013], abs=3)
    noir, imax = (np.median(years[genres[:, GENRES.index(g)]]) for g in ("Film-Noir", "IMAX"))
    assert noir == pytest.approx(1954, abs=5)
    assert imax == pytest.approx(2011, abs=3)


def test_titles_are_all_different_and_reproducible():
    rng = np.random.default_rng(0)
    genres = titles.draw_genres(60_000, rng)
    years = titles.draw_years(genres, rng)
    names = titles.invent_titles(genres, years, np.random.default_rng(1))
    assert len(set(names)) == len(names)
    few = genres[:2_000], years[:2_000]
    again = [titles.invent_titles(*few, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
    assert all(name == name.strip() and 4 < len(name) < 60 and "{" not in name for name in names)
    # A sequel is younger than its first part.
    when = dict(zip(names, years, strict=True))
    sequels = [name for name in names if name.endswith(", Part 2")]
    assert sequels
    assert all(when[name.removesuffix(", Part 2")] <= when[name] for name in sequels)


def test_film_factors_are_those_of_its_genres_and_its_own(small):
    truth = small.truth
    flags = small.items.genres.str.get_dummies("|")[GENRES].to_numpy()
    blend = (flags / np.sqrt(flags.sum(1, keepdims=True))) @ truth.genre_vectors
    own = truth.item_factors - blend
    assert blend.var() == pytest.approx(0.4, abs=0.06)
    assert own.var() == pytest.approx(0.6, abs=0.03)
    assert abs(np.mean(blend * own)) < 0.01


def test_genres_shift_the_rating(small):
    flags = small.items.genres.str.get_dummies("|")[GENRES].to_numpy(bool)
    biases = small.truth.item_biases
    mean = dict(zip(GENRES, [biases[flags[:, g]].mean() for g in range(19)], strict=True))
    assert mean["Film-Noir"] > mean["Drama"] > mean["Comedy"] > mean["Horror"]


# --- the truth


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
def test_expected_and_std_match_simulated_ratings(data, way):
    truth, ratings = data.truth, data.ratings
    users, items = some_pairs(data)
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
    data = synthetic.generate(2_000, 1_500, 400_000, seed=6)
    truth, ratings = data.truth, data.ratings
    pairs = ratings.to_frame()
    expected = truth.expected(pairs.user_id, pairs.item_id, pairs.timestamp)
    error = (pairs.rating - expected).to_numpy(np.float64)
    assert truth.rmse() == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-6)
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


def test_no_oracle_beats_the_expected_rating(data):
    truth, pairs = data.truth, data.ratings.to_frame()
    ids = pairs.user_id, pairs.item_id, pairs.timestamp
    expected = truth.expected(*ids)
    enjoyment = truth.enjoyment(*ids)
    rivals = {
        "enjoyment": enjoyment,
        "enjoyment, clipped": enjoyment.clip(0.5, 5),
        "rounded": np.round(2 * expected) / 2,
        "without taste": expected
        - (
            truth.user_factors[pairs.user_id - 1]
            * truth.item_factors[data.ratings.item_index(pairs.item_id)]
        ).sum(1),
        "bolder": 3.5 + 1.1 * (expected - 3.5),
        "shyer": 3.5 + 0.9 * (expected - 3.5),
    }
    error = (pairs.rating - expected) ** 2
    for name, rival in rivals.items():
        loss = (pairs.rating - rival) ** 2 - error
        assert loss.mean() > 2 * loss.std() / np.sqrt(len(loss)), name


def test_signal_is_as_strong_as_on_movielens(data):
    truth, pairs = data.truth, data.ratings.to_frame()
    floor = truth.noise_floor()
    assert 0.73 < floor < 0.80
    # What biases can't see: μ + b_u + b_i at their best leave the taste.
    taste = truth.enjoyment(pairs.user_id, pairs.item_id) - (
        truth.mu
        + truth.user_biases[data.ratings.user_of_rating()]
        + truth.item_biases[data.ratings.by_user.indices]
    )
    assert np.hypot(floor, taste.std()) == pytest.approx(0.87, abs=0.03)
    assert 0 < taste.mean() < taste.std()  # users see what they like more often, mildly


def test_floor_of_a_part_is_that_of_its_pairs(data):
    train, _, test = splits.random(data.ratings, valid=0.1, test=0.2, seed=0)
    frame = test.to_frame()
    std = data.truth.std(frame.user_id, frame.item_id, frame.timestamp)
    assert data.truth.noise_floor(test) == pytest.approx(np.sqrt(np.mean(std**2)), abs=1e-5)
    assert data.truth.noise_floor(train) == pytest.approx(data.truth.noise_floor(test), abs=0.02)
    nothing = data.ratings.select(np.zeros(len(data.ratings), bool))
    assert np.isnan(data.truth.noise_floor(nothing))


def test_every_pair_has_an_expected_rating(data):
    truth, ratings = data.truth, data.ratings
    assert len(truth.cold_items) > 0
    for item in truth.cold_items[:3]:
        expected = truth.expected(ratings.user_ids, item)
        assert expected.shape == (ratings.n_users,)
        lowest = np.where(truth.user_halves > 0, 0.5, 1.0)
        assert ((expected > lowest) & (expected < 5)).all()
    assert truth.expected(1, ratings.item_ids).shape == (ratings.n_items,)


def test_mean_drifts_with_time(data):
    truth, ids = data.truth, (data.ratings.user_ids[:5], data.ratings.item_ids[:5])
    first, last = (np.int64(pd.Timestamp(f"{year}-01-01").timestamp()) for year in (1996, 2018))
    rise = truth.enjoyment(*ids, last) - truth.enjoyment(*ids, first)
    assert rise == pytest.approx(truth.drift, abs=1e-4)
    middle = truth.enjoyment(*ids, (first + last) // 2)
    assert middle == pytest.approx(truth.enjoyment(*ids), abs=1e-4)
    assert (truth.expected(*ids, last) > truth.expected(*ids)).all()


def test_truth_refuses_what_it_does_not_know(data):
    truth, item = data.truth, data.ratings.item_ids[0]
    with pytest.raises(UnknownIdError, match="no user 0"):
        truth.expected(0, item)
    with pytest.raises(UnknownIdError, match="no item -1"):
        truth.std(1, -1)
    with pytest.raises(DataError, match="2, 3 long"):
        truth.expected([1, 2], [item] * 3)
    with pytest.raises(DataError, match="2, 1, 3 long"):
        truth.expected([1, 2], item, [0, 1, 2])
    with pytest.raises(DataError, match="not of this simulated data"):
        truth.noise_floor(synthetic.generate(20, 300, 1_000).ratings)


# --- chance


def digest(data):
    """Return a hash of every bit that was drawn."""
    truth = data.truth
    hashed = hashlib.sha256("\n".join(data.items.title + data.items.genres).encode())
    for array in (
        *data.ratings.by_user,
        data.ratings.timestamps,
        truth.user_factors,
        truth.item_factors,
        truth.user_noise,
        truth.item_biases,
    ):
        hashed.update(np.ascontiguousarray(array))
    return hashed.hexdigest()


def test_same_seed_same_bits_other_seed_others(data):
    assert digest(synthetic.generate(seed=4)) == digest(data)
    other = synthetic.generate(seed=3)
    assert digest(other) != digest(data)
    assert not np.array_equal(other.ratings.by_user.indices, data.ratings.by_user.indices)
    assert other.ratings.by_user.values.mean() == pytest.approx(data.ratings.mean, abs=0.08)


def test_same_bits_at_any_number_of_threads(data, root):
    code = "import test_synthetic as t; print(t.digest(t.synthetic.generate(seed=4)))"
    found = []
    for threads in ("1", "3"):
        names = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        path = os.pathsep.join([str(root), str(root / "tests")])
        env = {**os.environ, **dict.fromkeys(names, threads), "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
        )
        found.append(done.stdout.strip())
    assert found == [digest(data)] * 2


def test_options_change_what_they_say():
    size = {"n_users": 300, "n_items": 400, "n_ratings": 12_000, "seed": 0}
    plain = synthetic.generate(**size)
    dull = synthetic.generate(**size, taste=0.0)
    loud = synthetic.generate(**size, noise=1.2)
    wide = synthetic.generate(**size, n_factors=3)
    rare = synthetic.generate(300, 400, 3_000, min_ratings=5)
    assert not dull.truth.user_factors.any()
    assert loud.truth.noise_floor() > plain.truth.noise_floor() + 0.2
    assert wide.truth.item_factors.shape == (400, 3)
    assert rare.ratings.by_user.counts.min() >= 5
    assert rare.ratings.by_user.counts.min() < 20
    silent = synthetic.generate(**size, noise=0.0)
    assert silent.truth.noise_floor() == pytest.approx(0.0, abs=1e-3)
    assert silent.truth.rmse() < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_users": 10, "n_items": 10, "n_ratings": 101}, "more than the 100 pairs"),
        ({"n_users": 1_000, "n_ratings": 5_000}, "at least 20000 ratings"),
        ({"n_users": 100, "n_items": 10, "n_ratings": 900}, "at least 2000 ratings"),
        ({"n_users": 0}, "n_users=0"),
        ({"n_items": -5}, "n_items=-5"),
        ({"n_ratings": 1e5}, "n_ratings=100000.0: it must be a whole number"),
        ({"n_factors": 0}, "n_factors=0"),
        ({"min_ratings": 0}, "min_ratings=0"),
        ({"seed": -1}, "seed=-1"),
        ({"taste": -0.1}, "taste=-0.1"),
        ({"noise": float("nan")}, "noise=nan"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        synthetic.generate(**options)
