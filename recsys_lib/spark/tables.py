"""Tables of ratings as users bring them: what is asked of them, and ids turned into numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_lib.errors import DataError

TEXT = (T.StringType, T.VarcharType, T.CharType)


class Names(NamedTuple):
    """The names of a table's columns."""

    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    timestamp: str = "timestamp"


def check(
    frame: DataFrame, names: Names, scale: tuple[float, float] | None
) -> tuple[float, float, int]:
    """Return the scale and the number of rows, having looked at every row.

    Raises
    ------
    DataError
        The table cannot be read as ratings; the message names the column, or one of the rows.
    """
    missing = [name for name in names[:3] if name not in frame.columns]
    if missing:
        raise DataError(
            f"the table has no column {', '.join(map(repr, missing))}: its columns are "
            f"{', '.join(map(repr, frame.columns))}; name them with user=, item=, rating="
        )
    for name in names[:2]:
        id_kind(frame, name)
    if not isinstance(frame.schema[names.rating].dataType, T.NumericType):
        kind = frame.schema[names.rating].dataType.simpleString()
        raise DataError(f"column {names.rating!r} is {kind}; ratings are numbers")
    value = F.col(names.rating).cast("float").cast("double")  # as it will be kept
    finite = value.isNotNull() & ~F.isnan(value) & (F.abs(value) < float("inf"))
    low, high = scale or (-np.finfo(np.float64).max, np.finfo(np.float64).max)
    whole = F.col(names.user).isNotNull() & F.col(names.item).isNotNull()
    if names.timestamp in frame.columns:
        whole = whole & _time(names).isNotNull()
    good = whole & finite & (value >= low) & (value <= high)
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
        row = frame.where(~good).select(*dict.fromkeys(_present(frame, names))).first()
        shown = ", ".join(f"{name} {found!r}" for name, found in row.asDict().items())
        raise DataError(
            f"a row holds {shown}; every rating needs a user, an item and {wanted} "
            f"({n_bad} such rows); drop or mend these rows first"
        )
    return (*(scale or (least, most)), n)


def id_kind(frame: DataFrame, name: str) -> str:
    """Return the type that a column's ids are held in: bigint or string.

    Raises
    ------
    DataError
        They are neither whole numbers nor text.
    """
    kind = frame.schema[name].dataType
    if isinstance(kind, T.IntegralType):
        return "bigint"
    if isinstance(kind, TEXT):
        return "string"
    raise DataError(f"column {name!r} is {kind.simpleString()}; ids are integers or text")


def ids(frame: DataFrame, name: str, more: Any = None) -> DataFrame:
    """Return the ids of a column, and `more` of them, in one column ``id``; repeats stay."""
    kind = id_kind(frame, name)
    found = frame.select(F.col(name).cast(kind).alias("id"))
    if more is None:
        return found
    if not isinstance(more, DataFrame):
        more = frame.sparkSession.createDataFrame(pa.table({name: _as_ids(more, name, kind)}))
    elif id_kind(more, name) != kind:
        raise DataError(f"the further ids of column {name!r} are not {kind}, as in the ratings")
    return found.union(more.select(F.col(name).cast(kind).alias("id")).dropna())


def _as_ids(more: Any, name: str, kind: str) -> pa.Array:
    values = np.asarray(more)
    if kind == "bigint" and np.issubdtype(values.dtype, np.integer):
        return pa.array(values, pa.int64())
    odd = next(
        (one for one in values.tolist() if kind != "string" or not isinstance(one, str)), None
    )
    if odd is not None:
        raise DataError(f"id {odd!r} is none of column {name!r}, which holds {kind}")
    return pa.array(values.tolist(), pa.string() if kind == "string" else pa.int64())


def by_number(frame: DataFrame, names: Names, users: DataFrame, items: DataFrame) -> DataFrame:
    """Return user, item (int, their numbers), rating (float) and, if there, time (bigint).

    Rows of ids that have no number are left out.
    """
    columns = [
        F.col(names.user).alias("user_id"),
        F.col(names.item).alias("item_id"),
        F.col(names.rating).cast("float").alias("rating"),
    ]
    if names.timestamp in frame.columns:
        columns.append(_time(names).alias("time"))
    rated = frame.select(*columns)
    for side, table in (("user", users), ("item", items)):
        kind = table.schema["id"].dataType
        numbers = table.withColumnsRenamed({"id": f"{side}_id", "number": side})
        rated = rated.withColumn(f"{side}_id", F.col(f"{side}_id").cast(kind))
        rated = rated.join(numbers, f"{side}_id")
    return rated.drop("user_id", "item_id")


def _time(names: Names) -> Column:
    """Return the times as whole seconds since 1970."""
    return F.col(names.timestamp).cast("timestamp").cast("bigint")


def _present(frame: DataFrame, names: Names) -> list[str]:
    return [name for name in names if name in frame.columns]
