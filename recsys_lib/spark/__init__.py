"""ALS on a Spark cluster: blocks of ratings, each solved by the library's kernels.

It needs ``recsys-lib[spark]`` and Java 17 or newer, on the executors as well. `fit` gives the same
model as `ALS.fit` in memory; `recommend` and `evaluate` make and measure the lists of all users on
the cluster.
"""

import os
import sys

from recsys_lib.errors import RecsysError

try:
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession
except ModuleNotFoundError as error:
    raise RecsysError(
        "recsys_lib.spark needs PySpark, which is not installed: pip install 'recsys-lib[spark]'"
    ) from error

from recsys_lib.spark.blocks import Blocks
from recsys_lib.spark.fitting import Fitted, fit
from recsys_lib.spark.serving import evaluate, recommend

__all__ = ["Blocks", "Fitted", "evaluate", "fit", "recommend", "session"]


def session(master: str = "local[*]", memory: str = "4g", **settings: str) -> SparkSession:
    """Return a Spark session whose workers use this Python; any other session can be used, too.

    `master` is ``"local[4]"`` for four cores of this machine, or a cluster's address; `memory` is
    that of the driver's Java process (with a local master there is no other). Further `settings` of
    Spark have ``__`` for each dot: ``spark__task__cpus="2"``. Raises `RecsysError` if there is no
    Java, or it is too old.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # a setting would come too late
    defaults = {
        "spark.driver.memory": memory,
        "spark.driver.maxResultSize": "0",  # what is collected was asked for
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    if master.startswith("local"):
        defaults |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    given = {name.replace("__", "."): value for name, value in settings.items()}
    builder = SparkSession.builder.master(master).appName("recsys_lib")
    try:
        return builder.config(map=defaults | given).getOrCreate()
    except PySparkRuntimeError as error:  # the Java machine did not start, and has said why
        need = "it needs Java 17 or newer; install one, or let JAVA_HOME name it"
        raise RecsysError(f"Spark did not start: {need} (`java -version`)") from error
