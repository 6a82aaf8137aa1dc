"""The two protocols of likes: what is learnt from, what is ranked, and who is a stranger."""

import numpy as np
import pytest

from recsys_lib import datasets, protocols
from recsys_lib.errors import RecsysError
from recsys_lib.models import BPR, Popularity


@pytest.fixture(scope="module")
def watched():
    return datasets.simulate_watches(
        n_users=300, n_items=400, n_watches=20_000, n_small_users=80, n_small_items=150, seed=1
    )


@pytest.fixture(scope="module")
def starred():
    return datasets.load("synthetic", n_users=200, n_items=300, n_ratings=12_000, seed=1)


def pairs(ratings):
    return ratings.user_of_rating().astype(np.int64) * ratings.n_items + ratings.by_user.indices


def test_the_big_matrix_is_parted_and_the_small_one_is_the_test(watched):
    ground = protocols.watch(watched, valid=0.2)
    together = np.sort(np.concatenate([pairs(ground.train), pairs(ground.valid)]))
    np.testing.assert_array_equal(together, pairs(watched.ratings))
    assert len(ground.valid) == 4_000
    assert ground.test is watched.full
    other = protocols.watch(watched, valid=0.2, seed=1)
    assert not np.array_equal(pairs(other.valid), pairs(ground.valid))


def test_every_item_that_is_ranked_has_been_judged(watched):
    """By hand: only the small matrix's videos, those the user watched, by score then index."""
    ground = protocols.watch(watched)
    model = Popularity().fit(ground.likes)
    report = ground.measure(model, ["precision@10", "ndcg@10"])
    score, discount = model.item_scores_, 1 / np.log2(np.arange(2, 12))
    precision, ndcg = [], []
    for u in np.flatnonzero(watched.full.by_user.counts):
        items, ratios = watched.full.by_user.row(u)
        liked = ratios >= 2
        if not liked.any():
            continue
        hits = liked[np.argsort(-score[items], kind="stable")[:10]]
        precision.append(hits.mean())
        ndcg.append((hits @ discount) / discount[: liked.sum()].sum())
    assert report["precision@10"] == pytest.approx(np.mean(precision))
    assert report["ndcg@10"] == pytest.approx(np.mean(ndcg))
    assert report.n_users == len(ndcg)
    assert report.candidates == "test"


def test_of_a_matrix_where_all_is_liked_any_list_is_perfect(watched):
    ground = protocols.watch(watched, liked=0.0)
    report = ground.measure(Popularity().fit(ground.train), ["precision@10"])
    assert report["precision@10"] == 1


def test_some_videos_can_be_made_cold(watched):
    small, natural = watched.full, (watched.ratings.by_item.counts == 0).sum()
    tested = np.flatnonzero(small.by_item.counts)
    ground = protocols.watch(watched, cold=0.2)
    counts = ground.train.by_item.counts + ground.valid.by_item.counts
    assert (counts[tested] == 0).sum() == 0.2 * len(tested) > natural
    others = np.setdiff1d(np.arange(watched.ratings.n_items), tested)
    np.testing.assert_array_equal(counts[others], watched.ratings.by_item.counts[others])
    # Where there are enough already, nothing is left out.
    same = protocols.watch(watched, cold=0.01)
    assert len(same.train) + len(same.valid) == len(watched.ratings)
    with pytest.raises(RecsysError, match="cold is 1; it is a share"):
        protocols.watch(watched, cold=1)


def test_likes_are_what_the_threshold_says(watched, starred):
    for ground, least in (
        (protocols.watch(watched, liked=1.5), 1.5),
        (protocols.strangers(starred), 4),
    ):
        values = ground.train.by_user.values
        assert len(ground.likes) == (values >= least).sum() < len(values)
        assert ground.likes.by_user.values.min() >= least
        assert ground.options["relevant"] == ground.development.options["relevant"] == least


def test_strangers_are_strangers_and_validation_is_of_the_trained(starred):
    ground = protocols.strangers(starred, seed=2)
    history = ground.options["history"]
    held_out = ground.test.by_user.counts > 0
    assert held_out.sum() == 40
    np.testing.assert_array_equal(history.by_user.counts > 0, held_out)
    for part in (ground.train, ground.valid):
        assert not part.by_user.counts[held_out].any()
    together = np.concatenate(
        [pairs(p) for p in (ground.train, ground.valid, ground.test, history)]
    )
    np.testing.assert_array_equal(np.sort(together), pairs(starred.ratings))
    model = BPR(threshold=4.0, n_epochs=5).fit(ground.train, valid=ground.valid)
    assert ground.measure(model).n_users <= 40
    assert ground.development.measure(model).n_users > 100
    assert ground.measure(model)["ndcg@10"] > 0


def test_models_may_read_what_was_known_before_and_nothing_else(watched, starred):
    class Asks(Popularity):
        def fit(self, train, valid=None, items=None, *, users=None):
            self.given = train, valid, items, users
            return super().fit(train, valid, items)

    ground = protocols.watch(watched)
    train, valid, items, users = ground.development.fit(Asks()).given
    assert (train, valid) == (ground.train, ground.valid)
    assert users is watched.users
    # Whatever counts what happened in the days of the watches would be a look ahead.
    kept = {"item_id", "year", "genres", "author_id", "upload_type", "video_duration"}
    assert set(items) == kept < set(watched.items)
    np.testing.assert_array_equal(items["author_id"], watched.items["author_id"])
    _, _, items, users = protocols.strangers(starred).development.fit(Asks()).given
    assert set(items) == {"item_id", "year", "genres"}
    assert users is None


def test_choosing_and_measuring_look_at_their_own_part(watched):
    ground = protocols.watch(watched)
    model = Popularity().fit(ground.likes)
    assert ground.development.measure(model).n_ratings == len(ground.valid)
    assert ground.measure(model).n_ratings == len(ground.test)


@pytest.mark.parametrize("protocol", ["watch", "strangers"])
def test_shares_out_of_range_are_refused(watched, starred, protocol):
    with pytest.raises(RecsysError, match=r"valid is 1\.5"):
        getattr(protocols, protocol)({"watch": watched, "strangers": starred}[protocol], valid=1.5)
