"""Ratings in blocks: dealt out by user, dealt out again by item, and packed once.

With n blocks, row r is row r // n of block r % n: neighbours, which are often alike in how much
they are rated, go to different blocks. A block is one record: its ratings as a small CSR matrix
whose columns are positions in ``others``, the rows of the other side that it meets. So a task needs
those rows only, and an epoch moves factors, never ratings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel, TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_lib.errors import RecsysError
from recsys_lib.ratings import Ratings
from recsys_lib.spark import records, tables
from recsys_lib.spark.ids import numbered
from recsys_lib.spark.records import Batches, Work, mapped

PACKED = "key block n n_duplicates total indptr others indices values"
ASKED = "key block source wanted"
LINKS = "key block indptr wanted"
RATINGS_A_BLOCK = 1 << 22  # at most, where nobody says otherwise: 32 MB
LEVEL = StorageLevel.MEMORY_AND_DISK


@dataclass(eq=False)
class Side:
    """The users or the items, and the ratings by them.

    Attributes
    ----------
    ids : DataFrame
        id, number (int): from 0, ascending with the ids.
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

    @cached_property
    def links(self) -> DataFrame:
        """Which of the other side's rows this side's blocks want: a record a block over there.

        ``wanted[indptr[b]:indptr[b + 1]]`` are the rows, as positions in that block, for block b
        here. Both sides have as many blocks, and the same keys.
        """
        met = self.packed.select("block", "others")
        asked = mapped(met, _ask(self.keys), ASKED).repartition(self.n_blocks, "key")
        gathered = mapped(asked, _gather, LINKS)
        return gathered.repartition(self.n_blocks, "key").persist(LEVEL)

    def release(self) -> None:
        """Give the memory back."""
        self.packed.unpersist()
        self.ids.unpersist()
        if "links" in self.__dict__:
            self.links.unpersist()


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
    """

    users: Side
    items: Side
    n_ratings: int
    n_duplicates: int
    mean: float
    scale: tuple[float, float]

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
        names = tables.Names(user, item, rating, timestamp)
        low, high, n = tables.check(frame, names, scale)
        if n_blocks is None:
            cores = session.sparkContext.defaultParallelism
            n_blocks = max(2 * cores, -(-n // RATINGS_A_BLOCK))
        if n_blocks < 1:
            raise RecsysError(f"n_blocks is {n_blocks}; ratings are dealt into at least one block")
        users, n_users = numbered(tables.ids(frame, user, user_ids), n_blocks)
        items, n_items = numbered(tables.ids(frame, item, item_ids), n_blocks)
        rated = tables.by_number(frame, names, users, items).persist(LEVEL)
        keys = partition_keys(session, n_blocks)
        sides = {
            "user": Side(users, n_users, keys, pack(rated, "user", "item", n_users, keys)),
            "item": Side(items, n_items, keys, pack(rated, "item", "user", n_items, keys)),
        }
        for side in sides.values():  # held from here on, so that the single ratings can go
            found = sorted(side.packed.select("block", "n", "n_duplicates", "total").collect())
            _, n_ratings, n_duplicates, total = (sum(column) for column in zip(*found, strict=True))
        rated.unpersist()
        mean = total / n_ratings
        return cls(sides["user"], sides["item"], n_ratings, n_duplicates, mean, (low, high))

    @property
    def session(self) -> SparkSession:
        """The Spark that holds them."""
        return self.users.packed.sparkSession

    def release(self) -> None:
        """Give the memory back; nothing that was built on these can be used afterwards."""
        self.users.release()
        self.items.release()

    def __repr__(self) -> str:
        return (
            f"Blocks({self.users.n:,} users x {self.items.n:,} items, {self.n_ratings:,} ratings, "
            f"{self.users.n_blocks} blocks a side)"
        )


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
    more = [name for name in ("time",) if name in rated.columns]
    columns = [F.col(row).alias("row"), F.col(other).alias("other"), "rating", *more]
    dealt = rated.select(key, *columns).repartition(n_blocks, "key")
    packed = mapped(dealt, _pack(n_rows, keys, bool(more)), PACKED)
    # Spark does not know that what a function returns stays in place; dealt once more, it does.
    return packed.repartition(n_blocks, "key").persist(LEVEL)


# --- what runs in the workers ---------------------------------------------------------------------


def block_size(n_rows: int, n_blocks: int, block: int) -> int:
    """Return how many of `n_rows` rows a block has."""
    return len(range(block, n_rows, n_blocks))


def _pack(n_rows: int, keys: list[int], timed: bool) -> Work:
    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        context: Any = TaskContext.get()
        block = context.partitionId()
        names = ["row", "other", "rating", *["time"] * timed]
        rows, others, values, *time = records.numbers(batches, *names)
        assert (rows % len(keys) == block).all(), "Spark dealt the ratings to other partitions"
        order = np.argsort(values, kind="stable")  # of equals, the highest is to be the last
        met, columns = np.unique(others[order], return_inverse=True)
        ratings = Ratings.from_arrays(
            (rows[order] // len(keys)).astype(np.int32),
            columns.astype(np.int32),
            values[order].astype(np.float32),
            time[0][order].astype(np.int64) if time else None,
            np.arange(block_size(n_rows, len(keys), block)),
            met,
            (0.0, 0.0),
        )
        total = float(np.sum(ratings.by_user.values, dtype=np.float64))
        head = keys[block], block, len(ratings), ratings.n_duplicates, total
        indptr, indices, values = ratings.by_user
        yield records.write(PACKED, (*head, indptr, met, indices, values))

    return work


def _ask(keys: list[int]) -> Work:
    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for one in records.read(batches):
            source, wanted = one["others"] % len(keys), one["others"] // len(keys)
            yield records.write(
                ASKED,
                *((key, one["block"], b, wanted[source == b]) for b, key in enumerate(keys)),
            )

    return work


def _gather(batches: Batches) -> Iterator[pa.RecordBatch]:
    asked = sorted(records.read(batches), key=lambda one: one["block"])
    wanted = [one["wanted"] for one in asked]
    indptr = np.concatenate([[0], np.cumsum([len(part) for part in wanted])])
    first = asked[0]
    yield records.write(LINKS, (first["key"], first["source"], indptr, np.concatenate(wanted)))
