"""Newcomers and streams, against slow references."""

import itertools

import numpy as np
import pandas as pd
import pytest

from course import cold_start
from recsys_lib import datasets, models, splits
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.evaluation import evaluate
from recsys_lib.ratings import Ratings


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=150, n_items=200, n_ratings=3000, seed=5)


# ---- newcomers


@pytest.mark.parametrize("side", ["items", "users"])
def test_newcomers_keep_what_they_promise(side, data):
    ratings = data.ratings
    new = cold_start.newcomers(ratings, (0, 2, 5), share=0.3, side=side, to_find=3, seed=4)
    column = f"{side[:-1]}_id"
    whole = ratings.to_frame()
    able = whole[column].value_counts()
    able = able[able >= 8].index
    assert len(new.ids) == round(0.3 * len(able)) and set(new.ids) <= set(able)
    others = whole[~whole[column].isin(new.ids)]
    pairs = ["user_id", "item_id", "rating"]
    before = None
    for n, part in new.parts.items():
        assert part.user_ids is ratings.user_ids and part.item_ids is ratings.item_ids
        frame = part.to_frame()
        mine = frame[frame[column].isin(new.ids)]
        counts = mine[column].value_counts().reindex(new.ids, fill_value=0)
        assert (counts == n).all()
        rest = frame[~frame[column].isin(new.ids)]
        pd.testing.assert_frame_equal(
            rest[pairs].reset_index(drop=True), others[pairs].reset_index(drop=True)
        )
        shown = set(map(tuple, mine[pairs].to_numpy()))
        assert before is None or before < shown
        before = shown
    test = new.test.to_frame()
    tested = set(map(tuple, test[pairs].to_numpy()))
    assert not tested & before
    assert len(tested) + len(before) == whole[column].isin(new.ids).sum()
    assert (test[column].value_counts().reindex(new.ids) >= 3).all()
    again = cold_start.newcomers(ratings, (0, 2, 5), share=0.3, side=side, to_find=3, seed=4)
    np.testing.assert_array_equal(again.test.by_user.indices, new.test.by_user.indices)
    other = cold_start.newcomers(ratings, (0, 2, 5), share=0.3, side=side, to_find=3, seed=5)
    assert set(other.ids) != set(new.ids)


def test_what_newcomers_refuse(data):
    for arguments, message in (
        ({"side": "both"}, "side is 'both'"),
        ({"shown": (1, 2)}, "rise from 0"),
        ({"share": 1.0}, "share=1.0"),
        ({"to_find": 0}, "to_find=0"),
        ({"shown": (0, 10**6)}, "none of the items has 1000005 ratings"),
    ):
        with pytest.raises(RecsysError, match=message):
            cold_start.newcomers(data.ratings, **arguments)


@pytest.mark.parametrize("side", ["items", "users"])
def test_a_learning_curve_is_one_update_a_newcomer(side, data):
    new = cold_start.newcomers(data.ratings, (0, 2, 5), share=0.3, side=side, to_find=3)
    model = models.ALS(n_factors=4, n_epochs=3).fit(new.parts[0])
    rows = model.item_rows_.copy(), model.user_rows_.copy()
    curve = cold_start.learning_curve(model, new)
    assert curve.index.tolist() == [0, 2, 5]
    np.testing.assert_array_equal(model.item_rows_, rows[0])
    np.testing.assert_array_equal(model.user_rows_, rows[1])
    for n, part in new.parts.items():
        twin, where = model.copy(), getattr(part, f"{side[:-1]}_ids")
        whose = part.by_user.indices if side == "items" else part.user_of_rating()
        cold_start.take_in(twin, part.select(np.isin(where, new.ids)[whose]), side)
        test = new.test.to_frame()
        error = twin.predict(test["user_id"], test["item_id"]) - test["rating"]
        assert curve.loc[n, "rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)


def test_newcomers_ranked_among_themselves(data):
    new = cold_start.newcomers(data.ratings, (0, 3), share=0.3, to_find=2)
    model = models.GenreALS(n_factors=4, n_epochs=3).fit(new.parts[0], items=data.items)
    curve = cold_start.learning_curve(model, new, ["ndcg@5"], candidates="newcomers")
    gains = []
    test = new.test.to_frame()
    for user, mine in test[test["rating"] >= 4].groupby("user_id"):
        scores = model.item_rows_[data.ratings.item_index(new.ids)].astype(np.float64) @ np.append(
            model.user_factors_[data.ratings.user_index(user)[0]], 1.0
        )
        listed = new.ids[np.argsort(-scores, kind="stable")][:5]
        hits = np.isin(listed, mine["item_id"])
        ideal = sum(1 / np.log2(r + 2) for r in range(min(5, len(mine))))
        gains.append((hits / np.log2(np.arange(2, 7))).sum() / ideal)
    assert curve.loc[0, "ndcg@5"] == pytest.approx(np.mean(gains), rel=1e-6)
    with pytest.raises(RecsysError, match="must be 'all', or 'newcomers'"):
        cold_start.learning_curve(model, new, candidates="stratum")


# ---- streams


def test_a_stream_in_time(data):
    ratings = data.ratings
    past, stream, test = cold_start.in_time(ratings, start=0.5, test=0.25, points=4, seed=1)
    assert len(past) == round(0.5 * len(ratings))
    sizes = [len(piece) for piece in stream]
    assert len(stream) == 4 and max(sizes) - min(sizes) <= 1
    assert len(test) == round(0.25 * (len(ratings) - len(past)))
    assert len(past) + sum(sizes) + len(test) == len(ratings)
    ends = [(piece.timestamps.min(), piece.timestamps.max()) for piece in (past, *stream)]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ends))
    assert past.timestamps.max() <= test.timestamps.min()
    merged = past
    for piece in (*stream, test):
        merged = splits.merge(merged, piece)
    for got, expected in zip(merged.by_user, ratings.by_user, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_what_streams_refuse(data):
    for arguments, message in (
        ({"start": 0.0}, "start=0.0"),
        ({"test": 1.0}, "test=1.0"),
        ({"points": 0}, "points=0"),
        ({"points": 10**6}, "too few for points=1000000"),
    ):
        with pytest.raises(RecsysError, match=message):
            cold_start.in_time(data.ratings, **arguments)
    timeless = Ratings(data.ratings.user_ids, data.ratings.item_ids, data.ratings.by_user)
    with pytest.raises(DataError, match="no timestamps"):
        cold_start.in_time(timeless)
    with pytest.raises(RecsysError, match="side is 'all'"):
        cold_start.take_in(models.ALS(), data.ratings, "all")


def test_taking_in_is_the_updates_one_by_one(data):
    """Of every fifth user nothing is known before, of others three ratings."""
    train, _, test = splits.random(data.ratings, valid=0, test=0.3, seed=1)
    users, frame = train.user_of_rating(), test.to_frame()
    turn = np.arange(len(train)) - train.by_user.indptr[users]
    train = train.select(turn < np.where(users % 5 == 0, 0, np.where(users % 3 == 0, 3, 100)))
    for side in ("users", "items", "both"):
        one = models.ALS(n_factors=4, n_epochs=3).fit(train)
        two = one.copy()
        cold_start.take_in(one, test, side)
        if side != "items":
            for user, mine in frame.groupby("user_id"):
                two.partial_fit_users(user, dict(zip(mine["item_id"], mine["rating"], strict=True)))
        if side != "users":
            for item, mine in frame.groupby("item_id"):
                two.partial_fit_items(item, dict(zip(mine["user_id"], mine["rating"], strict=True)))
        np.testing.assert_array_equal(one.user_rows_, two.user_rows_)
        np.testing.assert_array_equal(one.item_rows_, two.item_rows_)


def test_replay_against_fits_and_updates_by_hand(data):
    past, stream, test = cold_start.in_time(data.ratings, start=0.6, points=2)
    table = cold_start.replay(models.ALS(n_factors=4, n_epochs=3), past, stream, test)
    sizes = np.cumsum([0, *(len(piece) for piece in stream)])
    assert table.index.tolist() == sizes.tolist()
    assert len(set(table.iloc[0])) == 1
    known = splits.merge(past, stream[0])
    again = models.ALS(n_factors=4, n_epochs=3).fit(past)
    at_first = evaluate(again, past, test, ["rmse"])["rmse"]
    assert table["never updated"].tolist() == [at_first] * 3
    cold_start.take_in(again, stream[0], "users")
    assert table["users updated"].iloc[1] == evaluate(again, known, test, ["rmse"])["rmse"]
    for item in np.flatnonzero(stream[0].by_item.counts):
        again.partial_fit_items(data.ratings.item_ids[item], {})
    found = evaluate(again, known, test, ["rmse"])["rmse"]
    assert table["users and items updated"].iloc[1] == found
    known = splits.merge(known, stream[1])
    fresh = models.ALS(n_factors=4, n_epochs=3).fit(known)
    assert table["retrained"].iloc[2] == evaluate(fresh, known, test, ["rmse"])["rmse"]
