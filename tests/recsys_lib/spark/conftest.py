"""A real Spark on this machine, and ratings that are awkward in every way that ratings can be."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recsys_lib import datasets, spark, splits


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    found = spark.session(
        "local[2]",
        memory="1g",
        spark__sql__shuffle__partitions="3",
        spark__sql__warehouse__dir=str(tmp_path_factory.mktemp("warehouse")),
    )
    yield found
    found.stop()


@pytest.fixture(scope="module", params=[1 << 30, 0], ids=["broadcast", "shuffle"])
def limit(request):
    """The `broadcast_limit` of each of the two ways that rows may go."""
    return request.param


@pytest.fixture(scope="session")
def data():
    return datasets.load("synthetic", n_users=157, n_items=90, n_ratings=4_000, seed=0)


@pytest.fixture(scope="session")
def parts(data):
    """Training and test part: they share users and items, some of whom have no rating in one."""
    train, _, test = splits.random(data.ratings, valid=0, test=0.2, seed=0)
    assert (train.by_item.counts == 0).any()
    return train, test


@pytest.fixture(scope="module")
def to_spark(session):
    """A function that hands a table to Spark, in partitions that know nothing of users or items."""

    def hand(table):
        table = table if isinstance(table, pd.DataFrame) else table.to_frame()
        shuffled = table.sample(frac=1, random_state=0)
        return session.createDataFrame(pa.Table.from_pandas(shuffled, preserve_index=False))

    return hand


@pytest.fixture(scope="module")
def to_blocks(to_spark):
    """A function that deals out a part of a split, with all users and items of the split."""

    def deal(part, n_blocks):
        return spark.Blocks.from_frame(
            to_spark(part),
            scale=part.scale,
            user_ids=part.user_ids,
            item_ids=part.item_ids,
            n_blocks=n_blocks,
        )

    return deal


@pytest.fixture(scope="session")
def assert_same():
    """A function that holds two models to the same predictions, of everyone and everything."""

    def check(model, twin, tolerance=1e-4):
        np.testing.assert_array_equal(model.user_ids_, twin.user_ids_)
        np.testing.assert_array_equal(model.item_ids_, twin.item_ids_)
        users = np.repeat(twin.user_ids_, len(twin.item_ids_))
        items = np.tile(twin.item_ids_, len(twin.user_ids_))
        np.testing.assert_allclose(
            model.predict(users, items), twin.predict(users, items), rtol=0, atol=tolerance
        )

    return check
