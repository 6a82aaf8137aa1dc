"""A fit on Spark is the fit in memory: the same numbers, by either way, however dealt out."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib import models, spark
from recsys_lib.errors import RecsysError
from recsys_lib.ratings import Ratings

FAMILY = {
    "ALS": lambda: models.ALS(n_factors=6, n_epochs=2),
    "ALS-WR with popularity": lambda: models.ALS(n_factors=6, nu=1.0, n_epochs=2, popularity=5.0),
    "BiasALS": lambda: models.BiasALS(n_epochs=2),
    "GenreALS": lambda: models.GenreALS(n_factors=6, n_epochs=2, nu=0.0, popularity=8.0),
}


@pytest.fixture(scope="module")
def blocks(to_blocks, parts):
    return to_blocks(parts[0], 3)


@pytest.mark.parametrize("name", FAMILY)
def test_the_model_is_that_of_the_fit_in_memory(assert_same, name, limit, blocks, parts, data):
    model = FAMILY[name]()
    fitted = spark.fit(model, blocks, data.items, broadcast_limit=limit)
    twin = FAMILY[name]().fit(parts[0], items=data.items)
    got = fitted.model()
    assert type(got) is type(twin)
    assert_same(got, twin)
    names = ["loss", "rmse_train"]
    np.testing.assert_allclose(got.training_log_[names], twin.training_log_[names], rtol=1e-6)
    if not got.feature_names_:  # no sum of it is added up in another order
        np.testing.assert_array_equal(got.user_rows_, twin.user_rows_)
        np.testing.assert_array_equal(got.item_rows_, twin.item_rows_)
    assert got.feature_names_ == twin.feature_names_
    np.testing.assert_allclose(got.feature_rows_, twin.feature_rows_, atol=1e-5)
    np.testing.assert_allclose(got.item_priors_, twin.item_priors_, atol=1e-5)


def test_blocks_may_be_empty(assert_same, limit, to_spark):
    """Five blocks for three items: two blocks have no row, and further ones no rating."""
    table = pd.DataFrame({"user_id": [1, 1, 2, 9], "item_id": [7, 8, 8, 7]})
    table["rating"] = [1.0, 5.0, 2.0, 4.0]
    ratings = Ratings.from_frame(table, item_ids=[3])
    model = models.ALS(n_factors=2, n_epochs=2)
    blocks = spark.Blocks.from_frame(to_spark(table), item_ids=[3], n_blocks=5)
    fitted = spark.fit(model, blocks, broadcast_limit=limit)
    assert_same(fitted.model(), model.fit(ratings), tolerance=0)


def test_one_side_may_be_broadcast_and_the_other_sent(assert_same, blocks, parts):
    train, model = parts[0], models.ALS(n_factors=3, n_epochs=2)
    limit = 4 * 4 * (train.n_users - 1)  # the users are a row too many
    assert train.n_items < train.n_users
    assert_same(spark.fit(model, blocks, broadcast_limit=limit).model(), model.fit(train), 0)


def test_factors_are_tables_that_any_engine_can_read(blocks, parts, tmp_path):
    model = models.ALS(n_factors=4, n_epochs=1)
    fitted = spark.fit(model, blocks)
    fitted.write(str(tmp_path / "factors"))
    twin = model.fit(parts[0])
    for side in ("user", "item"):
        table = pd.read_parquet(tmp_path / "factors" / f"{side}s").sort_values(f"{side}_id")
        np.testing.assert_array_equal(table[f"{side}_id"], getattr(twin, f"{side}_ids_"))
        factors = np.stack(table["factors"].to_list())
        np.testing.assert_array_equal(factors, getattr(twin, f"{side}_factors_"))
        np.testing.assert_array_equal(table["bias"], getattr(twin, f"{side}_biases_"))


def test_an_epoch_shuffles_no_ratings(blocks):
    """By shuffle, rows are dealt out anew; the packed blocks are read where they lie."""
    fitted = spark.fit(models.ALS(n_factors=3, n_epochs=1), blocks, broadcast_limit=0)
    plan = fitted.rows["items"]._jdf.queryExecution().executedPlan().toString().splitlines()
    step = next(n for n, line in enumerate(plan) if "FlatMapCoGroupsInArrow" in line)
    packed = next(n for n, line in enumerate(plan[step:], step) if "InMemoryTableScan" in line)
    mail = next(n for n, line in enumerate(plan[packed:], packed) if "Exchange" in line)
    assert "indptr" in plan[packed]
    assert not any("Exchange" in line for line in plan[step:packed]), plan[step:packed]
    assert "ShuffleQueryStage" in plan[mail - 1]  # what is dealt out is the other child: the mail


def test_what_cannot_be_fitted_is_told(blocks, parts):
    with pytest.raises(RecsysError, match="and GenreALS, not BPR"):
        spark.fit(models.BPR(), blocks)
    with pytest.raises(RecsysError, match="lam is -1"):
        spark.fit(models.ALS(lam=-1), blocks)
    with pytest.raises(RecsysError, match=r"pass items=data\.items"):
        spark.fit(models.GenreALS(), blocks)
    with pytest.raises(RecsysError, match="every is 0"):
        spark.fit(models.ALS(), blocks, every=0)
