"""A standalone cluster of processes on this machine, one of which dies in mid-training."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pyspark
import pytest

from recsys_lib import models, spark

HOME = Path(pyspark.__file__).parent
DAEMON = "org.apache.spark.deploy"
LIMIT_S = 120


class Cluster:
    """A master and its workers; each worker is a process group with all that it has started."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"spark://127.0.0.1:{self.port}"
        self.processes = []
        self.start("master", f"{DAEMON}.master.Master", "--port", str(self.port))
        self.wait(lambda: "I have been elected leader" in self.said("master"))

    def start(self, name, program, *args):
        command = [HOME / "bin" / "spark-class", program, "--host", "127.0.0.1", *args]
        env = {
            **os.environ,
            "SPARK_HOME": str(HOME),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_LOCAL_DIRS": str(self.folder / f"{name}-disk"),
        }
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [*command, "--webui-port", "0"], env=env, stdout=log, stderr=log,
                    start_new_session=True,
                )
            )  # fmt: skip
        return self.processes[-1]

    def worker(self, name):
        """Start a worker of one core, and wait until the master knows it."""
        args = ["--cores", "1", "--memory", "1g", "--work-dir", str(self.folder / name)]
        process = self.start(name, f"{DAEMON}.worker.Worker", *args, self.address)
        self.wait(lambda: "Successfully registered" in self.said(name))
        return process

    def said(self, name):
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def wait(self, until):
        end = time.monotonic() + LIMIT_S
        while not until():
            assert time.monotonic() < end, "the cluster did not come up; see its logs"
            time.sleep(0.1)

    def stop(self):
        for process in self.processes:
            kill(process)


def kill(process):
    """End a process and all that it has started, as a machine ends that loses its power."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


@pytest.fixture
def cluster(tmp_path):
    found = Cluster(tmp_path)
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def workers(cluster):
    return [cluster.worker("first"), cluster.worker("second")]


@pytest.fixture
def session(cluster, workers):
    found = spark.session(
        cluster.address,
        memory="512m",
        spark__driver__host="127.0.0.1",
        spark__driver__bindAddress="127.0.0.1",
        spark__executor__memory="512m",
        spark__scheduler__minRegisteredResourcesRatio="1.0",
        spark__scheduler__maxRegisteredResourcesWaitingTime=f"{LIMIT_S}s",
        spark__sql__shuffle__partitions="2",
        spark__shuffle__io__maxRetries="1",  # who was killed does not come back
        spark__shuffle__io__retryWait="1s",
    )
    yield found
    found.stop()


# The fixtures of `conftest` that stand on a session, here on one for each test.
@pytest.fixture
def blocks(session, parts):
    train = parts[0]
    frame = session.createDataFrame(train.to_frame().to_dict("records"))
    return spark.Blocks.from_frame(
        frame, user_ids=train.user_ids, item_ids=train.item_ids, n_blocks=3
    )


def executors(session):
    """How many processes compute, and how many blocks of data each holds."""
    held = session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1  # less the driver
    return int(held)


@pytest.mark.parametrize(
    ("way", "checkpointed"), [("broadcast", False), ("shuffle", True)], ids=["broadcast", "shuffle"]
)
def test_a_worker_that_dies_in_mid_training_changes_nothing(
    assert_same, way, checkpointed, session, workers, blocks, parts, data, tmp_path
):
    seen = []

    def look(row):
        if row["epoch"] == 2:
            seen.append(executors(session))
            kill(workers[0])

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
    seen.append(executors(session))
    assert seen == [2, 1]
    assert_same(fitted.model(), model.fit(parts[0], items=data.items))
