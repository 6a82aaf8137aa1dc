"""The simulator of watches: that it has KuaiRec's shape, and tells the truth about itself."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib import datasets
from recsys_lib.datasets import registry
from recsys_lib.datasets.kuairec import STATIC, USER_CODES, USER_NUMBERS, USER_TEXT
from recsys_lib.datasets.simulator import watches
from recsys_lib.errors import RecsysError
from recsys_lib.features import genre_matrix
from tests.recsys_lib.datasets.published import assert_same

LIKED = 2.0  # KuaiRec's authors suggest "more than twice" as a like
SIZES = {"n_users": 400, "n_items": 500, "n_small_users": 120, "n_small_items": 200}


def make(seed=0, n_watches=30_000, **options):
    return datasets.simulate_watches(**{**SIZES, "n_watches": n_watches, "seed": seed, **options})


def pairs(ratings):
    return ratings.user_of_rating().astype(np.int64) * ratings.n_items + ratings.by_user.indices


# ---- what is observed


def test_two_matrices_without_a_common_pair(watched):
    big, small = watched.ratings, watched.full
    assert len(big) == 480_000
    assert not np.intersect1d(pairs(big), pairs(small)).size
    for matrix in (big, small):
        assert (np.diff(pairs(matrix)) > 0).all()  # sorted, no pair twice
        np.testing.assert_array_equal(matrix.item_ids, watched.items["item_id"])
        np.testing.assert_array_equal(matrix.user_ids, watched.users["user_id"])
        assert matrix.by_user.values.min() >= 0
        assert matrix.by_user.values.max() <= matrix.scale[1]
    assert big.timestamps.min() >= watches.START
    assert small.timestamps is None  # KuaiRec's lacks some


def test_the_small_matrix_is_fully_observed_but_for_blocked_authors(watched):
    counts = watched.full.by_user.counts
    assert (counts > 0).sum() == 300
    assert (watched.full.by_item.counts > 0).sum() == 600
    assert len(watched.full) / (300 * 600) == pytest.approx(0.996, abs=0.002)
    # Who misses a video there misses all of its author's, in both matrices.
    authors = watched.items["author_id"].to_numpy()
    small_items = np.flatnonzero(watched.full.by_item.counts)
    for u in np.flatnonzero((counts > 0) & (counts < 600))[:50]:
        missed = np.setdiff1d(small_items, watched.full.by_user.row(u)[0])
        rows = [matrix.by_user.row(u)[0] for matrix in (watched.full, watched.ratings)]
        assert not np.isin(authors[np.concatenate(rows)], authors[missed]).any()


def test_ratios_have_the_published_shape(watched):
    for matrix in (watched.ratings, watched.full):
        ratios = matrix.by_user.values
        counts, edges = np.histogram(ratios, np.arange(0, 4.05, 0.1))
        assert edges[1:][counts[1:].argmax() + 1] <= 1  # the mode, glances apart
        assert counts[0] > 0.5 * counts[1:].max()  # and many glances
        assert 0.01 < (ratios > LIKED).mean() < 0.1
        assert ratios.mean() > np.median(ratios)  # the tail is on the right
        assert ratios.max() > 4


def test_videos_of_the_small_matrix_that_nobody_watched_before(watched):
    counts = watched.ratings.by_item.counts
    cold = watched.ratings.item_index(watched.truth.cold_items)
    assert len(cold) == 0.05 * 600
    assert (counts[cold] == 0).all()
    assert (watched.full.by_item.counts[cold] > 250).all()


def test_what_is_shown_depends_on_fame_and_on_taste(watched):
    truth, big = watched.truth, watched.ratings
    counts = np.sort(big.by_item.counts)[::-1]
    assert counts[:200].sum() > 0.2 * counts.sum()  # a tenth of the videos, twice their share
    users, items = big.user_of_rating(), big.by_user.indices
    taste = np.einsum("nk,nk->n", truth.user_factors[users], truth.item_factors[items])
    anywhere = np.random.default_rng(0).permutation(items)
    random = np.einsum("nk,nk->n", truth.user_factors[users], truth.item_factors[anywhere])
    assert taste.mean() > random.mean() + 0.5 * random.std()


def test_tables_have_kuairecs_columns(watched):
    assert sorted(watched.users.columns) == sorted(
        ["user_id", *USER_TEXT, *USER_NUMBERS, *USER_CODES]
    )
    assert {"title", "genres", "caption", *STATIC} <= {*watched.items}
    assert genre_matrix(watched.items)[0].any(axis=1).all()
    few = watched.users[watched.users["follow_user_num"].between(11, 50)]
    assert (few["follow_user_num_range"] == "(10,50]").all()
    assert len(few) > 100


# ---- features carry signal


def explained(columns, y):
    """Return the share of y's variance that least squares on dummy columns explain, adjusted."""
    x = np.column_stack([np.ones(len(y)), columns])
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return 1 - residual.var() / y.var() * (len(y) - 1) / (len(y) - np.linalg.matrix_rank(x))


def test_features_tell_of_users_and_videos_but_not_all(watched):
    telling = pd.get_dummies(
        watched.users[["onehot_feat1", "onehot_feat2", "onehot_feat9"]].astype(str)
    )
    silent = pd.get_dummies(watched.users[["onehot_feat4", "onehot_feat7"]].astype(str))
    taste = watched.truth.user_factors[:, 0]
    assert 0.25 < explained(telling.to_numpy(float), taste) < 0.55
    assert abs(explained(silent.to_numpy(float), taste)) < 0.05
    genres = genre_matrix(watched.items)[0].astype(float)
    assert 0.2 < explained(genres, watched.truth.item_factors[:, 0]) < 0.6
    length = np.log(watched.items[["video_duration"]].to_numpy())
    assert explained(length, watched.truth.item_biases) > 0.05


# ---- the truth


def test_the_truth_of_a_pair_is_what_is_drawn(watched):
    truth, rng = watched.truth, np.random.default_rng(0)
    for user, item in ((0, 5), (700, 3), (11, truth.cold_items[0])):
        drawn = truth.simulate(np.full(200_000, user), item, rng).astype(np.float64)
        assert drawn.mean() == pytest.approx(truth.expected(user, item)[0], rel=0.01)
        assert drawn.std() == pytest.approx(truth.std(user, item)[0], rel=0.03)


# ---- options


def test_same_seed_same_bits_other_seed_others():
    one, other = make(1), make(2)
    assert_same(one, make(1))
    assert (one.ratings.by_user.values[:100] != other.ratings.by_user.values[:100]).any()


def test_by_name_and_at_kuairecs_size():
    data = datasets.load("synthetic-kuairec", **SIZES, n_watches=20_000, seed=2)
    assert data.name == "synthetic-kuairec"
    assert len(data.ratings) == 20_000
    sizes = registry.WATCHES["synthetic-kuairec"]
    assert sizes["n_watches"] == registry.RELEASES["kuairec"].n_ratings
    assert datasets.resolve("auto:synthetic-watch") == "synthetic-watch"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_small_items": 500}, "some videos must be left outside"),
        ({"n_small_users": 401}, "a part of the big one"),
        ({"n_watches": 100}, "1 to 210 watches, so ask for 400 to 84000"),
        ({"n_watches": 90_000}, "ask for 400 to 84000"),
        ({"n_items": 10**13}, "these sizes cannot be used: .* TiB"),
        ({"n_items": 0}, "n_items is 0; it must be a whole number, 1 or more"),
    ],
)
def test_impossible_sizes_are_refused(options, says):
    with pytest.raises(RecsysError, match=says):
        make(**options)
