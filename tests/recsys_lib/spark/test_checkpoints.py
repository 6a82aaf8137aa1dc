"""A run that was interrupted and resumed is a run that never was; another run is refused."""

import numpy as np
import pandas as pd
import pytest

from recsys_lib import models, spark
from recsys_lib.errors import RecsysError
from tests.recsys_lib.models.check_model import Interrupted, interrupt_after


def test_a_resumed_run_is_as_if_never_interrupted(to_blocks, parts, data, tmp_path):
    train, folder = parts[0], str(tmp_path / "run")
    model = models.GenreALS(n_factors=5, n_epochs=3, popularity=4.0)
    with pytest.raises(Interrupted):
        spark.fit(
            model, to_blocks(train, 3), data.items, checkpoint=folder, every=2,
            callback=interrupt_after(2), broadcast_limit=0,
        )  # fmt: skip
    again = spark.fit(
        model, to_blocks(train, 3), data.items, checkpoint=folder, every=2, resume=True
    )
    whole = spark.fit(model, to_blocks(train, 3), data.items)
    got, expected = again.model(), whole.model()
    for name in ("user_rows_", "item_rows_", "item_priors_", "feature_rows_"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    timeless = ["epoch", "loss", "rmse_train"]
    pd.testing.assert_frame_equal(got.training_log_[timeless], expected.training_log_[timeless])
    assert [path.name for path in (tmp_path / "run").glob("epoch-*")] == ["epoch-00003"]


def test_a_checkpoint_of_another_run_is_refused(to_blocks, parts, tmp_path):
    folder = str(tmp_path / "run")
    blocks = to_blocks(parts[0], 2)
    spark.fit(models.ALS(n_factors=2, n_epochs=1), blocks, checkpoint=folder)
    with pytest.raises(RecsysError, match="holds the checkpoints of a run already"):
        spark.fit(models.ALS(n_factors=2, n_epochs=1), blocks, checkpoint=folder)
    with pytest.raises(RecsysError, match=r"other parameters or data \(n_factors 2, here 3\)"):
        spark.fit(models.ALS(n_factors=3, n_epochs=2), blocks, checkpoint=folder, resume=True)
    with pytest.raises(RecsysError, match="there is no checkpoint"):
        spark.fit(models.ALS(), blocks, checkpoint=str(tmp_path / "none"), resume=True)
    with pytest.raises(RecsysError, match="needs checkpoint"):
        spark.fit(models.ALS(), blocks, resume=True)


def test_files_lie_wherever_spark_reads_and_writes(assert_same, session, to_spark, parts, tmp_path):
    """A mount table of Hadoop's stands in for a store: its addresses are no paths here."""
    settings = session.sparkContext._jsc.hadoopConfiguration()
    settings.set("fs.viewfs.mounttable.store.link./bucket", tmp_path.as_uri())
    store, train = "viewfs://store/bucket", parts[0]
    to_spark(train).write.parquet(f"{store}/ratings")
    ratings = session.read.parquet(f"{store}/ratings")
    where = {"checkpoint": f"{store}/run", "every": 1}
    spark.fit(models.ALS(n_factors=3, n_epochs=1), ratings, **where)
    model = models.ALS(n_factors=3, n_epochs=2)
    fitted = spark.fit(model, ratings, **where, resume=True)
    fitted.write(f"{store}/factors")
    model.fit(type(train).from_frame(train.to_frame()))
    assert_same(fitted.model(), model)
    users = pd.read_parquet(tmp_path / "factors" / "users").set_index("user_id")
    assert sorted(users.index) == list(model.user_ids_)
    assert [path.name for path in (tmp_path / "run").glob("epoch-*")] == ["epoch-00002"]
