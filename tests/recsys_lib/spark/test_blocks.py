"""Ratings on Spark: numbered, dealt out and packed as `Ratings` would have them; bad rows named."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib import spark
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.ratings import Ratings


def assert_same_ratings(blocks, ratings):
    np.testing.assert_array_equal(blocks.users.collect_ids(), ratings.user_ids)
    np.testing.assert_array_equal(blocks.items.collect_ids(), ratings.item_ids)
    for side, csr in ((blocks.users, ratings.by_user), (blocks.items, ratings.by_item)):
        for got, expected in zip(side.collect_ratings(), csr, strict=True):
            np.testing.assert_array_equal(got, expected)
    assert blocks.n_ratings == len(ratings)
    assert blocks.n_duplicates == ratings.n_duplicates
    assert blocks.mean == ratings.mean
    assert blocks.scale == ratings.scale


def test_parquet_becomes_the_ratings_that_memory_would_hold(session, data, tmp_path):
    data.ratings.to_frame().to_parquet(tmp_path / "ratings.parquet")
    frame = session.read.parquet(str(tmp_path / "ratings.parquet"))
    blocks = spark.Blocks.from_frame(frame, scale=data.ratings.scale, n_blocks=3)
    assert_same_ratings(blocks, Ratings.from_frame(data.ratings.to_frame(), scale=(0.5, 5.0)))


def test_ids_may_be_any_text(to_spark):
    hostile = ["", " ", "a", "A", "é", "e\u0301", "0", "00", "-1", "x" * 500, "\U0001f3ac"]
    hostile += ["\uffee", "DROP TABLE", "a\tb\n", "null", "\x00"]
    table = pd.DataFrame(
        [(u, i, float(len(u + i) % 5)) for n, u in enumerate(hostile) for i in hostile[n % 3 :: 3]],
        columns=["user_id", "item_id", "rating"],
    )
    assert_same_ratings(
        spark.Blocks.from_frame(to_spark(table), n_blocks=3), Ratings.from_frame(table)
    )


def test_of_a_pair_rated_again_the_latest_counts_and_then_the_highest(to_spark):
    table = pd.DataFrame(
        {
            "user_id": [1, 1, 1, 2, 2, 2, 3],
            "item_id": [7, 7, 7, 7, 7, 8, 9],
            "rating": [5.0, 2.0, 1.0, 2.0, 3.0, 4.0, 1.0],
            "timestamp": pd.to_datetime([10, 30, 20, 40, 40, 50, 60], unit="s"),
        }
    )
    timed = spark.Blocks.from_frame(to_spark(table), n_blocks=2)
    np.testing.assert_array_equal(timed.users.collect_ratings().values, [2.0, 3.0, 4.0, 1.0])
    np.testing.assert_array_equal(timed.items.collect_ratings().values, [2.0, 3.0, 4.0, 1.0])
    untimed = spark.Blocks.from_frame(to_spark(table.drop(columns="timestamp")), n_blocks=2)
    np.testing.assert_array_equal(untimed.users.collect_ratings().values, [5.0, 3.0, 4.0, 1.0])
    assert (timed.n_ratings, timed.n_duplicates) == (4, 3)


TABLE = pd.DataFrame({"user_id": [1, 2, 3], "item_id": [4, 5, 4], "rating": [3.0, 4.0, 5.0]})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="item_id"), "no column 'item_id'"),
        (lambda t: t.head(0), "no row"),
        (lambda t: t.assign(rating=[3.0, np.nan, 5.0]), "user_id 2, item_id 5, rating"),
        (lambda t: t.assign(rating=[3.0, np.inf, 5.0]), "a finite number"),
        (lambda t: t.assign(user_id=pd.array([1, None, 3], "Int64")), "user_id None"),
        (lambda t: t.assign(rating=["3", "4", "5"]), "'rating' is string; ratings are numbers"),
        (lambda t: t.assign(item_id=[4.0, 5.5, 4.0]), "'item_id' is double; ids are integers"),
        (lambda t: t.assign(timestamp=pd.array([1, None, 3], "Int64")), "timestamp None"),
    ],
)
def test_a_table_that_is_none_of_ratings_is_refused(to_spark, session, change, says):
    table = change(TABLE)
    if len(table) == 0:
        frame = session.createDataFrame([], "user_id long, item_id long, rating float")
    else:
        frame = to_spark(table)
    with pytest.raises(DataError, match=says):
        spark.Blocks.from_frame(frame, n_blocks=2)


def test_ratings_off_the_scale_and_ids_of_another_kind_are_refused(to_spark):
    frame = to_spark(TABLE)
    with pytest.raises(DataError, match=r"rating 5\.0; .* a number from 1 to 4 \(1 such rows\)"):
        spark.Blocks.from_frame(frame, scale=(1, 4), n_blocks=2)
    with pytest.raises(
        DataError, match="'item_id' is bigint, and the further ids for it are string"
    ):
        spark.Blocks.from_frame(frame, item_ids=["seven"], n_blocks=2)
    with pytest.raises(RecsysError, match="n_blocks is 0"):
        spark.Blocks.from_frame(frame, n_blocks=0)
