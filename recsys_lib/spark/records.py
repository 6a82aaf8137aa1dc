"""Arrays in Arrow: what is known of a block travels as one record, its arrays as bytes.

Spark sees a handful of large records where it could see a billion small ones: nothing is converted
number by number on the way between its engine and the kernels.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from pyspark import StorageLevel, TaskContext
from pyspark.sql import DataFrame

LEVEL = StorageLevel.MEMORY_AND_DISK  # of what the cluster is to keep
Batches = Iterable[pa.RecordBatch]
Work = Callable[[Batches], Iterator[pa.RecordBatch]]

# Every field of every record, by name: a kind of number of Spark, or the numbers of an array.
FIELDS: dict[str, str | type[np.generic]] = {
    "key": "int",  # what Spark's hash sends to the partition of the block: see `blocks`
    "block": "int",
    "source": "int",  # the block that a message comes from
    "n": "bigint",
    "n_duplicates": "bigint",
    "total": "double",
    "sse": "double",
    "others": np.int32,  # numbers of the other side's rows that a block meets, ascending
    "indptr": np.int64,
    "indices": np.int32,  # positions in `others`
    "values": np.float32,
    "rows": np.float32,  # (n, K + 1): factors, then the bias
    "squares": np.float64,  # (K + 1,): Σ n^ν x² over the rows
}
_ARROW = {"int": pa.int32(), "bigint": pa.int64(), "double": pa.float64()}


def mapped(frame: DataFrame, work: Work, fields: str) -> DataFrame:
    """Return what `work` makes of each partition; `fields` are names of `FIELDS`, or a schema."""

    def settled(batches: Batches) -> Iterator[pa.RecordBatch]:
        _settle()
        yield from work(batches)

    with _no_word_of_pandas():
        return frame.mapInArrow(settled, fields if "," in fields else _schema(fields))


def mapped_with(
    frame: DataFrame,
    other: DataFrame,
    work: Callable[[Batches, Batches], pa.RecordBatch],
    fields: str,
) -> DataFrame:
    """Return what `work` makes of the records of two tables that have the same ``key``."""

    def settled(mine: pa.Table, theirs: pa.Table) -> pa.Table:
        _settle()
        return pa.Table.from_batches([work(mine.to_batches(), theirs.to_batches())])

    with _no_word_of_pandas():
        both = frame.groupby("key").cogroup(other.groupby("key"))
        return both.applyInArrow(settled, _schema(fields))


def write(names: str, *records: Sequence[Any]) -> pa.RecordBatch:
    """Return records, the values of the fields in order, as a batch."""
    columns = []
    for name, column in zip(names.split(), zip(*records, strict=True), strict=True):
        kind = FIELDS[name]
        if isinstance(kind, str):
            columns.append(pa.array(column, _ARROW[kind]))
        else:
            raw = [np.ascontiguousarray(array, kind).tobytes() for array in column]
            columns.append(pa.array(raw, pa.binary()))
    return pa.record_batch(columns, names.split())


def read(batches: Batches) -> Iterator[dict[str, Any]]:
    """Yield the records of batches, arrays as flat NumPy arrays of their own memory."""
    for batch in batches:
        for row in range(batch.num_rows):
            yield {name: _value(name, batch.column(name)[row]) for name in batch.schema.names}


def collect(frame: DataFrame, names: str) -> list[dict[str, Any]]:
    """Return fields of all records, in the order of their blocks."""
    found = frame.select("block", *names.split()).toArrow().to_batches()
    return sorted(read(found), key=lambda one: one["block"])


def _value(name: str, scalar: Any) -> Any:
    kind = FIELDS[name.removeprefix("test_")]  # where two matrices meet in one record
    if isinstance(kind, str):
        return scalar.as_py()
    # A kernel is compiled for arrays that are aligned and may be written to.
    return np.frombuffer(scalar.as_buffer(), kind).copy()


def _schema(names: str) -> str:
    """Return the fields of these names as Spark's schemas are written."""
    kinds = ((name, FIELDS[name]) for name in names.split())
    return ", ".join(f"{name} {k if isinstance(k, str) else 'binary'}" for name, k in kinds)


def _settle() -> None:
    """Let a worker's kernels use the cores of its task, and put aside what it has imported.

    PySpark's processes look for garbage after each task. Of what was imported none is, and to look
    through all of it takes a tenth of a second each time.
    """
    context: Any = TaskContext.get()
    numba.set_num_threads(min(context.cpus(), numba.config.NUMBA_NUM_THREADS))  # spark.task.cpus
    if gc.get_freeze_count() == 0:
        gc.freeze()


@contextmanager
def _no_word_of_pandas() -> Iterator[None]:
    """Keep PySpark from warning of a pandas that is new to it: no pandas is on this way."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        yield
