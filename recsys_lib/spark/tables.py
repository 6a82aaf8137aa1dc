"""Tables of ratings as users bring them: what is asked of them, and ids turned into numbers."""

from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_lib.errors import DataError

LEVEL = StorageLevel.MEMORY_AND_DISK  # of what the cluster is to keep
TEXT = (T.StringType, T.VarcharType, T.CharType)
IDS = ["user_id", "item_id"]


def read(
    frame: DataFrame, scale: tuple[float, float] | None
) -> tuple[DataFrame, tuple[float, float], int]:
    """Return the table of ratings, the scale and the number of rows, having looked at every row.

    The table has user_id, item_id (bigint or text), rating (float) and, if known, time (bigint).
    Where the rows cannot be read as ratings, `DataError` names the column, or one of the rows.
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
    columns = {name: F.col(name).cast(_kind_of_ids(frame, name)) for name in IDS}
    columns["rating"] = F.col("rating").cast("float")
    if "timestamp" in frame.columns:  # whole seconds since 1970
        columns["time"] = F.col("timestamp").cast("timestamp").cast("bigint")
    value = columns["rating"].cast("double")
    finite = value.isNotNull() & ~F.isnan(value) & (F.abs(value) < float("inf"))
    most = np.finfo(np.float32).max
    low, high = np.array(scale or (-most, most), np.float32).tolist()
    good = finite & (value >= low) & (value <= high)
    for column in columns.values():
        good &= column.isNotNull()
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
    table = frame.select(*(column.alias(name) for name, column in columns.items()))
    return table, scale or (least, most), n


def by_number(table: DataFrame, users: DataFrame, items: DataFrame) -> DataFrame:
    """Return a table of `read` with user and item (int, their numbers) in place of the ids.

    Rows of ids that have no number are left out.
    """
    for name, side, ids in (("user_id", "user", users), ("item_id", "item", items)):
        table = table.withColumn(name, F.col(name).cast(ids.schema["id"].dataType))
        table = table.join(ids.withColumnsRenamed({"id": name, "number": side}), name)
    return table.drop(*IDS)


def _kind_of_ids(frame: DataFrame, name: str) -> str:
    kind = frame.schema[name].dataType
    if isinstance(kind, T.IntegralType):
        return "bigint"
    if isinstance(kind, TEXT):
        return "string"
    raise DataError(f"column {name!r} is {kind.simpleString()}; ids are integers or text")


def numbered(ratings: DataFrame, name: str, more: Any) -> tuple[DataFrame, int]:
    """Return id, number (int) of the distinct ids of a column and of `more`, and their count.

    The table is persisted. The number is the place of the id among all, as in `Ratings.user_ids`;
    text is in the order of its code points there as here. No machine sees all ids: Spark sorts them
    in ranges.
    """
    found, kind = ratings.select(F.col(name).alias("id")), _kind_of_ids(ratings, name)
    array = np.asarray([] if more is None else more)
    if len(array):
        array = array.astype(np.int64) if array.dtype.kind in "iu" else array
        others = ratings.sparkSession.createDataFrame(pa.table({name: array})).dropna()
        if (other := _kind_of_ids(others, name)) != kind:
            raise DataError(f"column {name!r} is {kind}, and the further ids for it are {other}")
        found = found.union(others.select(F.col(name).alias("id")))
    placed = found.distinct().sort("id").zipWithIndex("number")
    table = placed.withColumn("number", F.col("number").cast("int")).persist(LEVEL)
    return table, table.count()
