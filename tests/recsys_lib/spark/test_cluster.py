"""A cluster whose executors are processes of their own, one of which dies in mid-training."""

import shutil
import time
from pathlib import Path

import psutil
import pyspark
import pytest

from recsys_lib import models, spark


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Two workers of one core and 512 MB each, in Spark's mode for tests of clusters."""
    found = spark.session(
        "local-cluster[2,1,512]",
        memory="512m",
        spark__executor__memory="512m",
        spark__local__dir=str(tmp_path_factory.mktemp("disk")),
        spark__scheduler__minRegisteredResourcesRatio="1.0",
        spark__scheduler__maxRegisteredResourcesWaitingTime="120s",
        spark__sql__shuffle__partitions="2",
        spark__shuffle__io__maxRetries="1",  # who was killed does not come back
        spark__shuffle__io__retryWait="1s",
    )
    yield found
    found.stop()
    shutil.rmtree(Path(pyspark.__file__).parent / "work")  # its workers' logs


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


def test_an_executor_that_dies_in_mid_training_changes_nothing(
    assert_same, limit, session, to_blocks, parts, data, tmp_path
):
    blocks, seen, end = to_blocks(parts[0], 3), [], time.monotonic() + 600
    while len(holders(session)) < 3 and time.monotonic() < end:
        time.sleep(0.1)  # the place of one that has died is taken

    def look(row):
        if row["epoch"] == 2:
            seen.append(holders(session))
            kill_an_executor()

    model = models.GenreALS(n_factors=5, n_epochs=3)
    checkpoint = None if limit else str(tmp_path / "run")
    options = {"broadcast_limit": limit, "checkpoint": checkpoint, "every": 1, "callback": look}
    fitted = spark.fit(model, blocks, data.items, **options)
    assert len(seen[0]) == 3 and len(seen[0] - holders(session)) == 1
    assert_same(fitted.model(), model.fit(parts[0], items=data.items))
