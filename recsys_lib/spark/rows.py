"""One side's rows (factors, then the bias), and the half step that solves them.

A half step gives each block of one side the other side's rows that it meets, by one of two ways.
Up to a limit the whole other side is broadcast: a copy for each executor. Above it, rows are
shuffled: each of its blocks sends every block here the rows that it meets, and no process holds a
whole side.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from pyspark import Broadcast, TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_lib.kernels import als as kernels
from recsys_lib.models import ALS
from recsys_lib.models.als import first_factors
from recsys_lib.ratings import CSR
from recsys_lib.spark import records
from recsys_lib.spark.blocks import Side
from recsys_lib.spark.records import LEVEL, Batches, Work, mapped

ROWS = "key block rows"
SOLVED = "key block rows sse squares"
MESSAGE = "key block source rows"


@dataclass(eq=False)
class Rows:
    """The rows of a side: whole in the driver, or in blocks on the cluster.

    Attributes
    ----------
    side : Side
    size : int
        K + 1, the length of a row.
    whole : (n, K + 1) float32, or None
        All of them, in the order of the ids' numbers.
    frame : DataFrame, or None
        A record a block, see `ROWS`; persisted.
    """

    side: Side
    size: int
    whole: np.ndarray | None = None
    frame: DataFrame | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all rows together."""
        return 4 * self.side.n * self.size

    def dealt(self) -> DataFrame:
        """Return the rows as a record a block."""
        if self.whole is None:
            return self.frame
        keys = self.side.keys
        blocks = [
            records.write(ROWS, (key, block, self.whole[block :: len(keys)]))
            for block, key in enumerate(keys)
        ]
        table = pa.Table.from_batches(blocks)
        return self.side.session.createDataFrame(table).repartition(len(keys), "key")

    def take(self, blocks: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers, ascending, and the rows of some blocks."""
        n, n_blocks = self.side.n, self.side.n_blocks
        parts = [np.arange(block, n, n_blocks) for block in blocks]
        numbers = np.sort(np.concatenate(parts))
        if self.whole is not None:
            return numbers, self.whole[numbers]
        rows = np.empty((len(numbers), self.size), np.float32)
        wanted = self.frame.where(F.col("block").isin(list(blocks)))
        for part, one in zip(sorted(parts, key=...), records.collect(wanted, "rows"), strict=True):
            rows[np.searchsorted(numbers, part)] = one["rows"].reshape(-1, self.size)
        return numbers, rows

    def collect(self) -> np.ndarray:
        """Return all rows (n, K + 1) float32, in the order of the ids' numbers."""
        return self.take(range(self.side.n_blocks))[1] if self.whole is None else self.whole

    def release(self) -> None:
        """Give the memory back; whatever must be computed from these anew, still can be."""
        if self.frame is not None:
            self.frame.unpersist()
