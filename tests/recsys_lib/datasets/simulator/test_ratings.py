"""The simulator of ratings: that it looks like MovieLens, and that chance is reproducible.

"Real" figures are of ml-latest-small (610 users, 9,742 films, 100,836 ratings), measured once.
"""

import hashlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from recsys_lib import datasets
from recsys_lib.datasets.simulator import catalogue
from recsys_lib.errors import RecsysError

GENRES = list(catalogue.GENRES)


@pytest.fixture(scope="module")
def small():
    """The size of ml-latest-small."""
    return datasets.simulate_ratings(610, 9_742, 100_836, seed=5)


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
    data = datasets.simulate_ratings(*size, seed=1)
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


def test_table_of_films_covers_the_catalogue(rated):
    items = rated.items
    assert list(items.columns) == ["item_id", "title", "year", "genres"]
    assert (items.item_id == rated.ratings.item_ids).all()
    assert items.item_id.iloc[-1] > len(items)  # ids have gaps
    assert items.year.between(1902, 2017).all()
    assert str(items.year.dtype) == "Int64"
    assert items.genres.str.split("|").explode().isin(GENRES).all()
    assert rated.info["path"] is None


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


def test_stars_are_given_as_on_movielens(rated, small):
    real = [0.014, 0.028, 0.018, 0.075, 0.055, 0.199, 0.130, 0.266, 0.085, 0.131]
    for some in (rated, small):
        values = some.ratings.by_user.values
        share = np.bincount((2 * values).astype(int), minlength=11)[1:] / len(values)
        assert np.abs(share - real).sum() / 2 < 0.10
        assert (share[1:-1:2] > share[2::2]).all()  # 1, 2, 3, 4 stars against 1½, 2½, 3½, 4½
        assert values.mean() == pytest.approx(3.50, abs=0.08)
        assert values.std() == pytest.approx(1.04, abs=0.04)


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


def test_nobody_rates_a_film_before_its_year(rated, small):
    for some in (rated, small, datasets.simulate_ratings(40, 50, 1_900)):
        times = pd.to_datetime(some.ratings.timestamps, unit="s").year
        made = some.items.year.to_numpy(np.int64)[some.ratings.by_user.indices]
        assert (times >= made).all()
        assert times.min() >= 1996
        assert times.max() <= 2017
    years = pd.to_datetime(small.ratings.timestamps, unit="s").year
    assert np.bincount(years - 1996, minlength=22).min() > 100  # some in every year


def test_users_come_in_visits(rated):
    ratings = rated.ratings
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


def test_same_seed_same_bits_other_seed_others(rated):
    assert digest(datasets.simulate_ratings(seed=4)) == digest(rated)
    other = datasets.simulate_ratings(seed=3)
    assert digest(other) != digest(rated)
    assert not np.array_equal(other.ratings.by_user.indices, rated.ratings.by_user.indices)
    assert other.ratings.by_user.values.mean() == pytest.approx(rated.ratings.mean, abs=0.08)


@pytest.mark.slow
def test_same_bits_at_any_number_of_threads(rated, python):
    code = """
from recsys_lib import datasets
from tests.recsys_lib.datasets.simulator.test_ratings import digest
print(digest(datasets.simulate_ratings(seed=4)))"""
    names = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    found = [python("-c", code, **dict.fromkeys(names, some)).stdout for some in ("1", "3")]
    assert found == [f"{digest(rated)}\n"] * 2


def test_users_may_have_fewer_ratings():
    rare = datasets.simulate_ratings(300, 400, 3_000, min_ratings=5)
    assert 5 <= rare.ratings.by_user.counts.min() < 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_users": 10, "n_items": 10, "n_ratings": 101}, "more than the 100 pairs"),
        ({"n_users": 1_000, "n_ratings": 5_000}, "at least 20000 ratings"),
        ({"n_users": 100, "n_items": 10, "n_ratings": 900}, "at least 2000 ratings"),
        ({"n_users": 0}, "n_users is 0; it must be a whole number, 1 or more"),
        ({"n_items": -5}, "n_items is -5"),
        ({"n_items": 10**13}, "these sizes cannot be used: .* TiB"),
        ({"n_ratings": 1e5}, "n_ratings is 100000.0; it must be a whole number"),
        ({"min_ratings": 0}, "min_ratings is 0"),
        ({"seed": -1}, "seed is -1; it must be a whole number, 0 or more"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(RecsysError, match=message):
        datasets.simulate_ratings(**options)
