"""Lists and measurements on Spark are those of the model in memory."""

import pandas as pd
import pytest

from recsys_lib import evaluation, models, spark
from recsys_lib.errors import DataError, RecsysError

METRICS = ["rmse", "mae", "precision@5", "recall@10", "ndcg@10", "map@10", "mrr@5", "hit_rate@3"]


@pytest.fixture(scope="module")
def twin(limit, parts, data):
    kind = models.GenreALS if limit else models.ALS
    return kind(n_factors=5, n_epochs=2).fit(parts[0], items=data.items)


@pytest.fixture(scope="module")
def fitted(limit, twin, to_blocks, parts, data):
    return spark.fit(twin, to_blocks(parts[0], 3), data.items, broadcast_limit=limit)


def test_the_lists_of_all_users_are_the_models(assert_same, fitted, twin):
    lists = spark.recommend(fitted, 7).toArrow().to_pandas()
    lists = lists.sort_values(["user_id", "rank"]).reset_index(drop=True)
    expected = fitted.model().recommend(twin.user_ids_, 7)
    pd.testing.assert_frame_equal(lists, expected, check_dtype=False, check_exact=True)
    assert_same(fitted.model(), twin)


def test_a_list_may_be_longer_than_what_is_left(fitted, parts):
    n = parts[0].n_items
    lists = spark.recommend(fitted, n)
    assert lists.count() == parts[0].n_users * n - len(parts[0])


def test_what_a_test_part_says_is_the_same(fitted, twin, parts, to_spark):
    train, test = parts
    expected = evaluation.evaluate(twin, train, test, METRICS, relevant=3.5)
    got = spark.evaluate(fitted, to_spark(test), METRICS, relevant=3.5)
    assert got.values == pytest.approx(expected.values, abs=1e-6)
    assert list(got.values) == METRICS
    assert got.summary == expected.summary
    with pytest.raises(RecsysError, match="no interval over users"):
        got.interval("rmse")


def test_users_without_a_relevant_item_still_count_for_the_error(fitted, twin, parts, to_spark):
    train, test = parts
    some = test.select((test.user_of_rating() % 3 > 0) | (test.by_user.values < 4))
    got = spark.evaluate(fitted, to_spark(some))
    expected = evaluation.evaluate(twin, train, some)
    assert got.values == pytest.approx(expected.values, abs=1e-6)
    assert got.summary == expected.summary


def test_what_cannot_be_measured_is_told(fitted, parts, to_spark):
    test = to_spark(parts[1])
    with pytest.raises(RecsysError, match="'auc' is not of them"):
        spark.evaluate(fitted, test, ["auc"])
    with pytest.raises(RecsysError, match="no test rating is 9 or more"):
        spark.evaluate(fitted, test, ["ndcg@10"], relevant=9)
    strangers = parts[1].to_frame().assign(user_id=lambda t: t["user_id"] + 1_000_000)
    with pytest.raises(DataError, match=r"give all of them to Blocks\.from_frame"):
        spark.evaluate(fitted, to_spark(strangers))
    with pytest.raises(RecsysError, match="n is 0"):
        spark.recommend(fitted, 0)
