"""Ratings in blocks: dealt out by user, dealt out again by item, and packed once.

With n blocks, row r is row r // n of block r % n: neighbours, which are often alike in how much
they are rated, go to different blocks. A block is one record: its ratings as a small CSR matrix
whose columns are positions in ``others``, the rows of the other side that it meets. So a task needs
those rows only, and an epoch moves factors, never ratings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_lib.errors import RecsysError
from recsys_lib.ratings import CSR, Ratings
from recsys_lib.spark import records, tables
from recsys_lib.spark.records import LEVEL, Batches, Work, mapped
from recsys_lib.spark.tables import Columns

PACKED = "key block n n_duplicates total indptr others indices values"
RATINGS_A_BLOCK = 1 << 22  # at most, where nobody says otherwise: 32 MB


@dataclass(eq=False)
class Side:
    """The users or the items, and the ratings by them.

    Attributes
    ----------
    ids : DataFrame
        id, number (int): from 0, ascending with the ids; persisted.
    n : int
        How many there are.
    keys : list of int
        Block b is known to Spark by ``keys[b]``, which its hash sends to partition b.
    packed : DataFrame
        A record a block, see `PACKED`; persisted.
    """

    ids: DataFrame
    n: int
    keys: list[int]
    packed: DataFrame

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.keys)

    @property
    def session(self) -> SparkSession:
        """The Spark that holds them."""
        return self.packed.sparkSession

    def collect_ids(self) -> np.ndarray:
        """Return the ids (n,), ascending."""
        ids: np.ndarray = self.ids.sort("number").toArrow().column("id").to_numpy()
        return ids

    def collect_counts(self) -> np.ndarray:
        """Return how many ratings each has, (n,) int64."""
        return self._counts(records.collect(self.packed, "indptr"))

    def collect_ratings(self) -> CSR:
        """Return all ratings, a row each in the order of the ids."""
        found = records.collect(self.packed, "indptr others indices values")
        indptr = np.concatenate([[0], np.cumsum(self._counts(found))])
        indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
        for one in found:
            shift = indptr[:-1][one["block"] :: self.n_blocks] - one["indptr"][:-1]
            where = np.repeat(shift, np.diff(one["indptr"])) + np.arange(one["indptr"][-1])
            indices[where] = one["others"][one["indices"]]
            values[where] = one["values"]
        return CSR(indptr, indices, values)

    def _counts(self, blocks: list[dict[str, Any]]) -> np.ndarray:
        counts = np.empty(self.n, np.int64)
        for one in blocks:
            counts[one["block"] :: self.n_blocks] = np.diff(one["indptr"])
        return counts

    def release(self) -> None:
        """Give the memory back."""
        self.packed.unpersist()
        self.ids.unpersist()


@dataclass(eq=False)
class Blocks:
    """Ratings on a cluster, as `Ratings` are in memory: by user and by item.

    Attributes
    ----------
    users, items : Side
    n_ratings, n_duplicates : int
        Ratings kept, and dropped because the same user rated the same item again.
    mean : float
    scale : (low, high)
    columns : Columns
        The names of the columns in the table that they were read from.
    """

    users: Side
    items: Side
    n_ratings: int
    n_duplicates: int
    mean: float
    scale: tuple[float, float]
    columns: Columns

    @classmethod
    def from_frame(
        cls,
        frame: DataFrame,
        user: str = "user_id",
        item: str = "item_id",
        rating: str = "rating",
        timestamp: str = "timestamp",
        scale: tuple[float, float] | None = None,
        user_ids: Any = None,
        item_ids: Any = None,
        n_blocks: int | None = None,
    ) -> Self:
        """Build from a table with a row a rating.

        Parameters
        ----------
        frame : pyspark DataFrame
            Ids are whole numbers or text; read it from wherever Spark reads.
        user, item, rating : str
            Names of its columns.
        timestamp : str
            Name of the column of times; used, if it is there, to tell the later of two ratings.
        scale : (low, high), optional
            Ratings outside are refused; without it, NaN and infinities are.
        user_ids, item_ids : pyspark DataFrame or array-like, optional
            Ids that belong to the data even if no rating mentions them; of a DataFrame, its column
            `user` or `item`.
        n_blocks : int, optional
            Into how many blocks to deal each side. By default two for each core, and more where a
            block would hold over four million ratings.

        Raises
        ------
        DataError
            A column is missing or of another kind, there is no row, or a row is bad; one is named.

        Notes
        -----
        Of several ratings of one item by one user, the latest counts; rows of a DataFrame have no
        order, so among equals the highest does.
        """
        session = frame.sparkSession
        columns = Columns(user, item, rating, timestamp)
        low, high, n = tables.check(frame, columns, scale)
        if n_blocks is None:
            cores = session.sparkContext.defaultParallelism
            n_blocks = max(2 * cores, -(-n // RATINGS_A_BLOCK))
        if n_blocks < 1:
            raise RecsysError(f"n_blocks is {n_blocks}; ratings are dealt into at least one block")
        users, n_users = tables.numbered(tables.ids(frame, user, user_ids), n_blocks)
        items, n_items = tables.numbered(tables.ids(frame, item, item_ids), n_blocks)
        rated = tables.by_number(frame, columns, users, items).persist(LEVEL)
        keys = partition_keys(session, n_blocks)
        sides = [
            Side(users, n_users, keys, pack(rated, "user", "item", n_users, keys)),
            Side(items, n_items, keys, pack(rated, "item", "user", n_items, keys)),
        ]
        for side in sides:  # held from here on, so that the single ratings can go
            found = records.collect(side.packed, "n n_duplicates total")
        rated.unpersist()
        n_ratings, n_duplicates, total = (
            sum(one[name] for one in found) for name in ("n", "n_duplicates", "total")
        )
        mean = total / n_ratings
        return cls(sides[0], sides[1], n_ratings, n_duplicates, mean, (low, high), columns)

    def release(self) -> None:
        """Give the memory back; nothing that was built on these can be used afterwards."""
        self.users.release()
        self.items.release()

    def __repr__(self) -> str:
        return (
            f"Blocks({self.users.n:,} users x {self.items.n:,} items, {self.n_ratings:,} ratings, "
            f"{self.users.n_blocks} blocks a side)"
        )


# --- dealing out and packing ----------------------------------------------------------------------


def partition_keys(session: SparkSession, n: int) -> list[int]:
    """Return for each of `n` partitions a key that Spark's hash sends there.

    Hashed as they are, n block numbers would leave a third of n partitions empty and fill others
    twice.
    """
    key = F.col("id").cast("int").alias("key")
    partition = F.pmod(F.hash(key), F.lit(n)).alias("partition")
    # Of 64 n candidates none goes to some partition with probability n exp(-64).
    tried = session.range(64 * n).select(key, partition)
    found = tried.groupBy("partition").agg(F.min("key").alias("key")).sort("partition").collect()
    return [row.key for row in found]


def pack(rated: DataFrame, row: str, other: str, n_rows: int, keys: list[int]) -> DataFrame:
    """Return the blocks of a side, persisted: `rated` dealt out by the column `row`."""
    n_blocks = len(keys)
    block = F.pmod(F.col(row), F.lit(n_blocks))
    key = F.element_at(F.array(*map(F.lit, keys)), block + 1).alias("key")
    time = [name for name in ("time",) if name in rated.columns]
    columns = [F.col(row).alias("row"), F.col(other).alias("other"), "rating", *time]
    dealt = rated.select(key, *columns).repartition(n_blocks, "key")
    packed = mapped(dealt, _pack(n_rows, keys, ["row", "other", "rating", *time]), PACKED)
    # Spark does not know that what a function returns stays in place; dealt once more, it does.
    return packed.repartition(n_blocks, "key").persist(LEVEL)


def _pack(n_rows: int, keys: list[int], names: list[str]) -> Work:
    """Return what packs, in a worker, the ratings of the block that is its partition."""

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        context: Any = TaskContext.get()
        block, n_blocks = context.partitionId(), len(keys)
        rows, others, values, *time = _numbers(batches, names)
        assert (rows % n_blocks == block).all(), "Spark dealt the ratings to other partitions"
        order = np.argsort(values, kind="stable")  # of equals, the highest is to be the last
        met, columns = np.unique(others[order], return_inverse=True)
        ratings = Ratings.from_arrays(
            (rows[order] // n_blocks).astype(np.int32),
            columns.astype(np.int32),
            values[order].astype(np.float32),
            time[0][order].astype(np.int64) if time else None,
            np.arange(block, n_rows, n_blocks),
            met,
            (0.0, 0.0),
        )
        total = float(np.sum(ratings.by_user.values, dtype=np.float64))
        head = keys[block], block, len(ratings), ratings.n_duplicates, total
        indptr, indices, values = ratings.by_user
        yield records.write(PACKED, (*head, indptr, met, indices, values))

    return work


def _numbers(batches: Batches, names: list[str]) -> list[np.ndarray]:
    """Return plain columns of all batches, an array each; of length 0 where there is no batch."""
    found = list(batches)
    if not found:
        return [np.empty(0, np.int32) for _ in names]
    return [
        np.concatenate([batch.column(name).to_numpy(zero_copy_only=False) for batch in found])
        for name in names
    ]
