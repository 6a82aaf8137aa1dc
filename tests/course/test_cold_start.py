"""Strata, newcomers and streams, against slow references."""

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


@pytest.fixture(scope="module")
def parts(data):
    """Training and test part; of every fifth user nothing is known, of others three ratings."""
    train, _, test = splits.random(data.ratings, valid=0, test=0.3, seed=1)
    users = train.user_of_rating()
    turn = np.arange(len(train)) - train.by_user.indptr[users]
    known = np.where(users % 5 == 0, 0, np.where(users % 3 == 0, 3, 100))
    return train.select(turn < known), test


@pytest.fixture(scope="module")
def model(data, parts):
    return models.GenreALS(n_factors=5, n_epochs=4).fit(parts[0], items=data.items)


# ---- strata


def test_strata_by_hand():
    codes, names = cold_start.strata(np.array([0, 1, 5, 6, 20, 21, 900]), (0, 5, 20))
    assert names == ["0", "1–5", "6–20", "> 20"]
    assert [names[code] for code in codes] == ["0", "1–5", "1–5", "6–20", "6–20", "> 20", "> 20"]
    assert cold_start.strata(np.array([1, 2, 3]), (0, 1, 2))[1] == ["0", "1", "2", "> 2"]


@pytest.mark.parametrize("edges", [(), (1, 5), (0, 5, 5), (0, 20, 5)])
def test_edges_that_do_not_rise_from_zero(edges):
    with pytest.raises(RecsysError, match="must rise from 0"):
        cold_start.strata(np.zeros(3), edges)


def slow_table(model, train, test, side, k=5):
    """Every number of `by_count`, from loops over single ratings and full sorts."""
    frame = test.to_frame()
    frame["predicted"] = model.predict(frame["user_id"], frame["item_id"])
    seen = train.to_frame()
    column = f"{side[:-1]}_id"
    counts = seen[column].value_counts()
    ids = train.item_ids if side == "items" else train.user_ids

    def stratum_of(one):
        n = counts.get(one, 0)
        return "0" if n == 0 else "1–5" if n <= 5 else "6–20" if n <= 20 else "> 20"

    of = {one: stratum_of(one) for one in ids}
    rows = {}
    for name in ("0", "1–5", "6–20", "> 20"):
        part = frame[frame[column].map(of) == name]
        row = {
            "n_ratings": len(part),
            "rmse": np.sqrt(((part["rating"] - part["predicted"]) ** 2).mean()),
        }
        gains = []
        for user, mine in part[part["rating"] >= 4].groupby("user_id"):
            scores = model.recommend_for(given(seen, user), n=train.n_items)  # all not seen
            listed = scores["item_id"].tolist()
            wanted = set(mine["item_id"])
            dcg = sum(1 / np.log2(r + 2) for r, item in enumerate(listed[:k]) if item in wanted)
            gains.append(dcg / sum(1 / np.log2(r + 2) for r in range(min(k, len(wanted)))))
        row |= {"n_ranked": len(gains), "ndcg@5": np.mean(gains) if gains else np.nan}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def given(frame, user):
    mine = frame[frame["user_id"] == user]
    return dict(zip(mine["item_id"], mine["rating"], strict=True))


@pytest.mark.parametrize("side", ["items", "users"])
def test_by_count_against_loops(side, model, parts):
    model = model.copy()
    for user in parts[0].user_ids:  # so that trained rows and fold-ins are the same bits
        model.partial_fit_users(user, {})
    got = cold_start.by_count(model, *parts, side, metrics=["rmse", "ndcg@5"])
    expected = slow_table(model, *parts, side)
    assert got.index.tolist() == expected.index.tolist()
    assert (got["n_ratings"] > 0).sum() >= 3
    pd.testing.assert_frame_equal(
        got, expected[got.columns], check_names=False, check_dtype=False, rtol=1e-5
    )


def test_strata_without_a_rating_or_without_a_relevant_one(data, parts, model):
    train, test = parts
    bad = test.select(test.by_user.values < 4)
    table = cold_start.by_count(
        model, train, bad, edges=(0, 5, 20, 10**6), metrics=["rmse", "ndcg@5"]
    )
    assert table["ndcg@5"].isna().all() and (table["n_ranked"] == 0).all()
    assert table.loc["> 1000000", "n_ratings"] == 0
    assert np.isnan(table.loc["> 1000000", "rmse"]) and table.loc["6–20", "rmse"] > 0
    reports = cold_start.reports_by_count(model, train, bad, edges=(0, 5, 20, 10**6))
    assert "> 1000000" not in reports


def test_strata_add_up_to_the_whole(model, parts):
    for side in ("items", "users"):
        table = cold_start.by_count(model, *parts, side, metrics=["rmse"])
        pooled = np.sqrt(np.average(table["rmse"].fillna(0) ** 2, weights=table["n_ratings"]))
        assert pooled == pytest.approx(evaluate(model, *parts, ["rmse"])["rmse"])


def test_intervals_are_those_of_the_reports(model, parts):
    table = cold_start.by_count(model, *parts, metrics=["rmse", "ndcg@5"], interval=0.9)
    reports = cold_start.reports_by_count(model, *parts, metrics=["rmse", "ndcg@5"])
    for name, report in reports.items():
        for metric in ("rmse", "ndcg@5"):
            low, high = report.interval(metric, level=0.9)
            assert (low, high) == tuple(table.loc[name, [f"{metric} low", f"{metric} high"]])
            assert low <= table.loc[name, metric] <= high


def test_models_without_predictions_have_no_rmse(parts):
    bpr = models.BPR(n_factors=4, n_epochs=2).fit(parts[0])
    table = cold_start.by_count(bpr, *parts)
    assert "rmse" not in table and table["ndcg@10"].notna().any()


def test_what_strata_refuse(model, parts):
    with pytest.raises(RecsysError, match="side is 'films'"):
        cold_start.by_count(model, *parts, "films")


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
        frame = part.to_frame()
        twin = model.copy()
        for one in new.ids:
            mine = frame[frame[f"{side[:-1]}_id"] == one]
            if side == "items":
                twin.partial_fit_items(one, dict(zip(mine["user_id"], mine["rating"], strict=True)))
            else:
                twin.partial_fit_users(one, dict(zip(mine["item_id"], mine["rating"], strict=True)))
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
        scores = model.predict(user, new.ids)  # at 0 nobody has seen any of them
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


def test_taking_in_is_the_updates_one_by_one(data, parts):
    train, test = parts
    frame = test.to_frame()
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
