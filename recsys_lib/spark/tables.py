"""Tables of ratings as users bring them: what is asked of them, and ids turned into numbers."""

from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_lib.errors import DataError

LEVEL = StorageLevel.MEMORY_AND_DISK  # of what the cluster is to keep
TEXT = (T.StringType, T.VarcharType, T.CharType)
IDS = ["user_id", "item_id"]


def check(frame: DataFrame, scale: tuple[float, float] | None) -> tuple[float, float, int]:
    """Return the scale and the number of rows, having looked at every row.

    Where they cannot be read as ratings, `DataError` names the column, or one of the rows.
    """
    missing = [name for name in (*IDS, "rating") if name not in frame.columns]
    if missing:
        raise DataError(
            f"the table has no column {', '.join(map(repr, missing))}: its columns are "
            f"{', '.join(map(repr, frame.columns))}; rename them by withColumnsRenamed"
        )
    kind = frame.schema["rating"].dataType
    if not isinstance(kind, T.NumericType):
        raise DataError(f"column 'rating' is {kind.simpleString()}; ratings are numbers")
    value = F.col("rating").cast("float").cast("double")  # as it will be kept
    finite = value.isNotNull() & ~F.isnan(value) & (F.abs(value) < float("inf"))
    most = np.finfo(np.float32).max
    low, high = np.array(scale or (-most, most), np.float32).tolist()
    good = finite & (value >= low) & (value <= high)
    for name in IDS:
        _kind_of_ids(frame, name)
        good &= F.col(name).isNotNull()
    if "timestamp" in frame.columns:
        good &= _time().isNotNull()
    n, n_bad, least, most = frame.agg(
        F.count("*"),
        F.count(F.when(~good, 1)),
        F.min(F.when(finite, value)),
        F.max(F.when(finite, value)),
    ).collect()[0]
    if n == 0:
        raise DataError("the table has no row: ratings are built from at least one")
    if n_bad:
        wanted = f"a number from {low:g} to {high:g}" if scale else "a finite number"
        present = [name for name in (*IDS, "rating", "timestamp") if name in frame.columns]
        row = frame.where(~good).select(*present).first()
        shown = ", ".join(f"{name} {found!r}" for name, found in row.asDict().items())
        raise DataError(
            f"a row holds {shown}; every rating needs a user, an item and {wanted} "
            f"({n_bad} such rows); drop or mend these rows first"
        )
    return (*(scale or (least, most)), n)


def by_number(frame: DataFrame, users: DataFrame, items: DataFrame) -> DataFrame:
    """Return user, item (int, their numbers), rating (float) and, if there, time (bigint).

    Rows of ids that have no number are left out.
    """
    times = [_time().alias("time")] if "timestamp" in frame.columns else []
    rated = frame.select(*IDS, F.col("rating").cast("float").alias("rating"), *times)
    for name, side, table in zip(IDS, ("user", "item"), (users, items), strict=True):
        rated = rated.withColumn(name, F.col(name).cast(table.schema["id"].dataType))
        rated = rated.join(table.withColumnsRenamed({"id": name, "number": side}), name)
    return rated.drop(*IDS)


def _time() -> Column:
    """Return the times as whole seconds since 1970."""
    return F.col("timestamp").cast("timestamp").cast("bigint")


def _kind_of_ids(frame: DataFrame, name: str) -> str:
    kind = frame.schema[name].dataType
    if isinstance(kind, T.IntegralType):
        return "bigint"
    if isinstance(kind, TEXT):
        return "string"
    raise DataError(f"column {name!r} is {kind.simpleString()}; ids are integers or text")


def numbered(frame: DataFrame, name: str, more: Any) -> tuple[DataFrame, int]:
    """Return id, number (int) of the distinct ids of a column and of `more`, and their count.

    The table is persisted. The number is the place of the id among all, as in `Ratings.user_ids`;
    text is in the order of its code points there as here. No machine sees all ids: Spark sorts them
    in ranges.
    """
    kind = _kind_of_ids(frame, name)
    found = frame.select(F.col(name).cast(kind).alias("id"))
    array = np.asarray([] if more is None else more)
    if len(array):
        array = array.astype(np.int64) if array.dtype.kind in "iu" else array
        others = frame.sparkSession.createDataFrame(pa.table({name: array})).dropna()
        if (other := _kind_of_ids(others, name)) != kind:
            raise DataError(f"column {name!r} is {kind}, and the further ids for it are {other}")
        found = found.union(others.select(F.col(name).alias("id")))
    placed = found.distinct().sort("id").zipWithIndex("number")
    table = placed.withColumn("number", F.col("number").cast("int")).persist(LEVEL)
    return table, table.count()
