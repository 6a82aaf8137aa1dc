"""The oracle: it predicts, and lists by, what the simulator says is true."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.leaderboard import some_users
from course.leaderboard import Oracle
from recsys_lib import datasets, evaluation, models, splits


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=120, n_items=80, n_ratings=4800, seed=1)


def test_the_oracle_predicts_what_the_truth_expects(data):
    train, _, test = splits.random(data.ratings, 0.1, 0.2, seed=0)
    oracle = Oracle(data.truth).fit(train)
    users = data.ratings.user_ids[test.user_of_rating()]
    items = data.ratings.item_ids[test.by_user.indices]
    np.testing.assert_array_equal(oracle.predict(users, items), data.truth.expected(users, items))
    found = evaluation.evaluate(oracle, train, test, ["rmse"])["rmse"]
    knowing = data.truth.expected(users, items, test.timestamps)
    least = np.sqrt(np.mean((test.by_user.values - knowing) ** 2))
    assert found == pytest.approx(least, rel=0.005)  # it does not know when
    assert found < evaluation.evaluate(models.BiasALS().fit(train), train, test, ["rmse"])["rmse"]


def test_the_oracle_lists_what_is_enjoyed_most(data):
    some = some_users(data, 2000, seed=1)
    oracle = Oracle(data.truth).fit(some.ratings)
    user = some.ratings.user_ids[3]
    joy = pd.Series(data.truth.enjoyment(user, some.ratings.item_ids), some.ratings.item_ids)
    seen = some.ratings.item_ids[some.ratings.by_user.row(3)[0]]
    expected = joy.drop(seen).sort_values(ascending=False).index[:8].tolist()
    assert oracle.recommend(user, n=8)["item_id"].tolist() == expected
