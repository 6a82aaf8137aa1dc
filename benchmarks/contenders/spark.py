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
    session = session_of(job)
    tell(rule=f"regParam={REG} times n (ν = 1)", metric="rmse")
    (train, mu), test = centred(job, session), table(job, session, "test")
    rmse_of(fit(job, 1, test)[1], test, mu)
    prepared = job.spent()
    first, model = fit(job, 1, train)
    first_rmse = rmse_of(model, test, mu)
    affordable = 1 + int((job.budget_s - job.spent()) / first)
    n = max(3, min(job.epochs, affordable))
    last, model = fit(job, n, train)
    last_rmse = rmse_of(model, test, mu)
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


def table(job: Job, session: Any, part: str) -> Any:
    """Return the "train" or the "test" part: user, item, rating."""
    return session.read.parquet(str(job.data / f"{part}.parquet"))


def centred(job: Job, session: Any) -> tuple[Any, float]:
    """Return the training part, its ratings less their mean, and that."""
    from pyspark.sql import functions

    train = table(job, session, "train")
    mu = train.agg(functions.avg("rating")).first()[0]
    return train.withColumn("rating", (train.rating - mu).cast("float")), mu


def fit(job: Job, epochs: int, train: Any) -> tuple[float, Any]:
    """Fit Spark's ALS; return the seconds, and the model."""
    from pyspark.ml.recommendation import ALS

    columns = {"userCol": "user", "itemCol": "item", "ratingCol": "rating"}
    model = ALS(rank=job.k, maxIter=epochs, regParam=REG, seed=0, **columns)
    began = time.perf_counter()
    fitted = model.fit(train)
    return time.perf_counter() - began, fitted


def rmse_of(fitted: Any, test: Any, mu: float) -> float:
    """Return the RMSE of a model of centred ratings."""
    from pyspark.sql import functions

    scored = fitted.transform(test)
    guess = functions.nanvl(scored.prediction, functions.lit(0.0)) + mu  # NaN: unknown to it
    error = functions.sqrt(functions.avg(functions.pow(guess - scored.rating, 2)))
    return float(scored.agg(error).first()[0])


def cluster(job: Job) -> None:
    """Measure Spark's ALS beside ours, on Spark and off it."""
    from benchmarks.contenders.cluster import sparks_own

    sparks_own(job)


if __name__ == "__main__":
    serve(als=als, cluster=cluster)
