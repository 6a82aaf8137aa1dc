"""A cluster whose executors are processes of their own, one of which dies in mid-training."""

import shutil
from pathlib import Path

import psutil
import pyspark
import pytest

from recsys_lib import models, spark


@pytest.fixture
def session(tmp_path):
    """Two workers of one core and 512 MB each, in Spark's mode for tests of clusters."""
    found = spark.session(
        "local-cluster[2,1,512]",
        memory="512m",
        spark__executor__memory="512m",
        spark__local__dir=str(tmp_path / "disk"),
        spark__scheduler__minRegisteredResourcesRatio="1.0",
        spark__scheduler__maxRegisteredResourcesWaitingTime="120s",
        spark__sql__shuffle__partitions="2",
        spark__shuffle__io__maxRetries="1",  # who was killed does not come back
        spark__shuffle__io__retryWait="1s",
    )
    yield found
    found.stop()
    shutil.rmtree(Path(pyspark.__file__).parent / "work")  # its workers' logs


# The fixtures of `conftest` that stand on a session, here on one for each test.
@pytest.fixture
def blocks(session, parts):
    train = parts[0]
    frame = session.createDataFrame(train.to_frame().to_dict("records"))
    return spark.Blocks.from_frame(
        frame, user_ids=train.user_ids, item_ids=train.item_ids, n_blocks=3
    )


def holders(session):
    """The addresses of the processes that hold data, the driver's among them."""
    status = session.sparkContext._jsc.sc().getExecutorMemoryStatus()
    return {*status.keySet().mkString(" ").split()}


def kill_an_executor():
    """End one with all that it has started, as a machine ends that loses its power."""
    ours = psutil.Process().children(recursive=True)
    first = next(one for one in ours if "CoarseGrainedExecutorBackend" in " ".join(one.cmdline()))
    for process in (first, *first.children(recursive=True)):
        process.kill()


@pytest.mark.parametrize(
    ("way", "checkpointed"), [("broadcast", False), ("shuffle", True)], ids=["broadcast", "shuffle"]
)
def test_an_executor_that_dies_in_mid_training_changes_nothing(
    assert_same, way, checkpointed, session, blocks, parts, data, tmp_path
):
    seen = []

    def look(row):
        if row["epoch"] == 2:
            seen.append(holders(session))
            kill_an_executor()

    model = models.GenreALS(n_factors=5, n_epochs=3)
    fitted = spark.fit(
        model,
        blocks,
        data.items,
        broadcast_limit=1 << 30 if way == "broadcast" else 0,
        checkpoint=str(tmp_path / "run") if checkpointed else None,
        every=1,
        callback=look,
    )
    assert len(seen[0]) == 3 and len(seen[0] - holders(session)) == 1
    assert_same(fitted.model(), model.fit(parts[0], items=data.items))
