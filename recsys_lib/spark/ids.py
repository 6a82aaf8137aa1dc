"""Numbers for ids: ascending ids get 0, 1, 2, ..., and no machine sees all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel, TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_lib.spark.records import Batches, Work, mapped


def numbered(ids: DataFrame, n_parts: int) -> tuple[DataFrame, int]:
    """Return the distinct ids with their numbers, persisted, and how many there are.

    Parameters
    ----------
    ids : DataFrame
        One column, ``id``: whole numbers or text, repeats welcome.
    n_parts : int
        Into how many ranges to deal the ids.

    Returns
    -------
    DataFrame
        id, number (int): the place of the id among all, as in `Ratings.user_ids`. Text is in the
        order of its code points there as here.
    n : int
    """
    ranges = ids.distinct().repartitionByRange(n_parts, "id").sortWithinPartitions("id")
    ascending = ranges.persist(StorageLevel.MEMORY_AND_DISK)
    counted = mapped(ascending, _count, "part int, n bigint").collect()
    counts = np.zeros(1 + max(row.part for row in counted), np.int64)
    for row in counted:
        counts[row.part] = row.n
    starts = np.concatenate([[0], np.cumsum(counts)])
    kind = ascending.schema["id"].dataType.simpleString()
    table = mapped(ascending, _number(starts), f"id {kind}, number int")
    table = table.persist(StorageLevel.MEMORY_AND_DISK)
    table.agg(F.count("*")).collect()  # held from here on, so that the ids alone can go
    ascending.unpersist()
    return table, int(starts[-1])


def _count(batches: Batches) -> Iterator[pa.RecordBatch]:
    n = sum(batch.num_rows for batch in batches)
    part = pa.array([_partition()], pa.int32())
    yield pa.record_batch([part, pa.array([n], pa.int64())], ["part", "n"])


def _number(starts: np.ndarray) -> Work:
    def number(batches: Batches) -> Iterator[pa.RecordBatch]:
        at = int(starts[_partition()])
        for batch in batches:
            numbers = pa.array(np.arange(at, at + batch.num_rows, dtype=np.int32))
            at += batch.num_rows
            yield pa.record_batch([batch.column("id"), numbers], ["id", "number"])

    return number


def _partition() -> int:
    context: Any = TaskContext.get()
    return int(context.partitionId())
