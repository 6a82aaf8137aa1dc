"""Checkpoints are Spark's own: they end the history of the rows, and change nothing else."""

import numpy as np
import pandas as pd

from recsys_lib import models, spark


def test_rows_are_read_from_the_checkpoint_and_are_the_same(to_blocks, parts, data, tmp_path):
    model, blocks = models.ALS(n_factors=5, n_epochs=2, popularity=4.0), to_blocks(parts[0], 3)
    fitted = spark.fit(
        model, blocks, data.items, checkpoint=str(tmp_path / "run"), every=2, broadcast_limit=0
    )
    assert list((tmp_path / "run").glob("*/rdd-*/part-*"))
    plan = fitted.rows["users"]._jdf.queryExecution().logical().toString()
    assert "FlatMapCoGroupsInArrow" not in plan, plan
    got, expected = fitted.model(), spark.fit(model, blocks, data.items).model()
    for name in ("user_rows_", "item_rows_", "item_priors_", "feature_rows_"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))


def test_files_lie_wherever_spark_reads_and_writes(assert_same, session, to_spark, parts, tmp_path):
    """A mount table of Hadoop's stands in for a store: its addresses are no paths here."""
    settings = session.sparkContext._jsc.hadoopConfiguration()
    settings.set("fs.viewfs.mounttable.store.link./bucket", tmp_path.as_uri())
    store, train = "viewfs://store/bucket", parts[0]
    to_spark(train).write.parquet(f"{store}/ratings")
    ratings = session.read.parquet(f"{store}/ratings")
    model = models.ALS(n_factors=3, n_epochs=2)
    fitted = spark.fit(model, ratings, checkpoint=f"{store}/run", every=1, broadcast_limit=0)
    fitted.write(f"{store}/factors")
    model.fit(type(train).from_frame(train.to_frame()))
    assert_same(fitted.model(), model)
    users = pd.read_parquet(tmp_path / "factors" / "users").set_index("user_id")
    assert sorted(users.index) == list(model.user_ids_)
    assert list((tmp_path / "run").glob("*/rdd-*/part-*"))
