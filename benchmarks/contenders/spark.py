"""Spark's ALS in local mode: p_u·q_i without biases, on ratings less their mean.

All of a fit's epochs are one lazy chain, so none of them can be timed inside. Fits of 1 and of n
epochs are: their difference is what the n - 1 cost. Before them a fit on the test part, because the
Java machine compiles what has run for a while.
"""

import os
import shutil
import sys
import time
from typing import Any

from benchmarks.worker import Job, NotMeasured, epoch_between, serve, tell

# Between 0.05 and 0.08, the best of three tried on the 1m data at K = 32 (0.12 was the third).
REG = 0.07
MEMORY = "11g"  # of the Java machine: 32 million ratings need 9


def als(job: Job) -> None:
    """Seconds per epoch and RMSE."""
    from pyspark.sql import functions

    session = session_of(job)
    tell(rule=f"regParam={REG} times n (ν = 1)", metric="rmse")
    train, test = (
        session.read.parquet(str(job.data / f"{part}.parquet")) for part in ("train", "test")
    )
    mu = train.agg(functions.avg("rating")).first()[0]
    centred = train.withColumn("rating", (train.rating - mu).cast("float"))
    fit(job, 1, test, test, mu)
    prepared = job.spent()
    first, first_rmse = fit(job, 1, centred, test, mu)
    affordable = 1 + int((job.budget_s - job.spent()) / first)
    n = max(3, min(job.epochs, affordable))
    last, last_rmse = fit(job, n, centred, test, mu)
    session.stop()
    each = epoch_between(first, last, n)
    tell(setup_s=prepared + first - each)
    for epoch, error in enumerate([first_rmse, *[None] * (n - 2), last_rmse], 1):
        tell(epoch=epoch, seconds=each, rmse=error)


def session_of(job: Job) -> Any:
    """Start Spark on this machine."""
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        raise NotMeasured("Spark needs Java (17 or newer), and there is none on this machine")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master(f"local[{job.threads}]")
        .config("spark.driver.memory", MEMORY)
        .config("spark.driver.maxResultSize", "0")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", str(job.scratch))
        .config("spark.sql.warehouse.dir", str(job.scratch / "warehouse"))
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    tell(java=session.sparkContext._jvm.System.getProperty("java.version"))
    return session


def als_model(job: Job, epochs: int) -> Any:
    """Return Spark's ALS."""
    from pyspark.ml.recommendation import ALS

    columns = {"userCol": "user", "itemCol": "item", "ratingCol": "rating"}
    return ALS(rank=job.k, maxIter=epochs, regParam=REG, seed=0, **columns)


def fit(job: Job, epochs: int, train: Any, test: Any, mu: float) -> tuple[float, float]:
    """Return the seconds of a fit and its RMSE."""
    from pyspark.sql import functions

    began = time.perf_counter()
    fitted = als_model(job, epochs).fit(train)
    seconds = time.perf_counter() - began
    scored = fitted.transform(test)
    guess = functions.nanvl(scored.prediction, functions.lit(0.0)) + mu  # NaN: unknown to it
    error = functions.sqrt(functions.avg(functions.pow(guess - scored.rating, 2)))
    return seconds, float(scored.agg(error).first()[0])


def cluster(job: Job) -> None:
    """Measure Spark's ALS beside ours, on Spark and off it."""
    from benchmarks.contenders.cluster import sparks_own

    sparks_own(job)


if __name__ == "__main__":
    serve(als=als, cluster=cluster)
