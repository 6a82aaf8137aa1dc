"""Ratings in blocks: dealt out by user, dealt out again by item, and packed once.

With n blocks, row r is row r // n of block r % n: neighbours, which are often alike in how much
they are rated, go to different blocks. A block is one record, its arrays as bytes, so that Spark
sees a handful of large records and not a billion small ones: its ratings as a small CSR matrix
whose columns are positions in ``others``, the rows of the other side that it meets. So a task needs
those rows only, and an epoch moves factors, never ratings.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numba
import numpy as np
import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy import sparse

from recsys_lib.errors import check_whole
from recsys_lib.ratings import CSR, Ratings
from recsys_lib.spark import tables
from recsys_lib.spark.tables import LEVEL

PACKED = (
    "block int, n bigint, n_duplicates bigint, total double, others binary, indptr binary, "
    "indices binary, values binary"
)
RATINGS_A_BLOCK = 1 << 22  # at most, where nobody says otherwise: 32 MB
ARRAYS: dict[str, type[np.generic]] = {  # what the bytes of a field are, by its name
    "others": np.int32,  # numbers of the other side's rows that a block meets, ascending
    "indptr": np.int64,
    "indices": np.int32,  # positions in `others`
    "values": np.float32,
    "rows": np.float32,  # (n, K + 1): factors, then the bias
    "squares": np.float64,  # (K + 1,): Σ n^ν x² over the rows
}
ARROW = {"int": pa.int32(), "bigint": pa.int64(), "double": pa.float64(), "binary": pa.binary()}
Batches = Iterable[pa.RecordBatch]


@dataclass(eq=False)
class Side:
    """The users or the items, and the ratings by them.

    Attributes
    ----------
    ids : DataFrame
        id, number (int): from 0, ascending with the ids; persisted.
    n, n_blocks : int
        Number of rows, and of blocks.
    packed : DataFrame
        One record per block, see `PACKED`, in the partition of its number; persisted.
    """

    ids: DataFrame
    n: int
    n_blocks: int
    packed: DataFrame

    @property
    def session(self) -> SparkSession:
        """The Spark that holds them."""
        return self.packed.sparkSession

    def interleaved(self, parts: list[np.ndarray], *shape: int) -> np.ndarray:
        """Return what the blocks, in order, have of their rows, in the order of the ids.

        `shape` is that of what there is of one row.
        """
        whole = np.empty((self.n, *shape), parts[0].dtype)
        for block, part in enumerate(parts):
            whole[block :: self.n_blocks] = part.reshape(-1, *shape)
        return whole

    def collect_ids(self) -> np.ndarray:
        """Return the ids (n,), ascending."""
        ids: np.ndarray = self.ids.sort("number").toArrow().column("id").to_numpy()
        return ids

    def collect_counts(self) -> np.ndarray:
        """Return how many ratings each has, (n,) int64."""
        return self.interleaved([np.diff(one["indptr"]) for one in collect(self.packed, "indptr")])

    def collect_ratings(self) -> CSR:
        """Return all ratings, one row each, in the order of the ids."""
        found = [matrix(one) for one in collect(self.packed, "others", *CSR._fields)]
        n_others = 1 + max(int(ratings.indices.max(initial=0)) for ratings in found)
        dealt = sparse.vstack([ratings.to_scipy(n_others) for ratings in found], "csr")
        numbers = [np.arange(block, self.n, self.n_blocks) for block in range(self.n_blocks)]
        return CSR.from_scipy(dealt[np.argsort(np.concatenate(numbers))])


@dataclass(eq=False)
class Blocks:
    """Ratings on a cluster, as `Ratings` are in memory: by user and by item.

    Attributes
    ----------
    users, items : Side
    n_ratings, n_duplicates : int
        Numbers of ratings kept, and dropped because the same user rated the same item again.
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
        scale: tuple[float, float] | None = None,
        user_ids: Any = None,
        item_ids: Any = None,
        n_blocks: int | None = None,
    ) -> Self:
        """Build from a table with one row per rating.

        If a user rated an item several times, the latest rating counts; with equal times the
        highest, since rows of a Spark DataFrame have no order. A missing column, one of another
        type, no row, and a row that is invalid are a `DataError`, which names it.

        Parameters
        ----------
        frame : pyspark DataFrame
            Columns user_id and item_id, integers or text; rating; and timestamp, if it is known.
        scale : (low, high), optional
            Lowest and highest possible rating; others raise `DataError`. By default only NaN and
            infinities raise.
        user_ids, item_ids : array-like, optional
            Ids that belong to the data even if they have no rating.
        n_blocks : int, optional
            Number of blocks of each side. By default two per core, and more if a block would hold
            over four million ratings.
        """
        ratings, scale, n = tables.read(frame, scale)
        if n_blocks is None:
            cores = frame.sparkSession.sparkContext.defaultParallelism
            n_blocks = max(2 * cores, -(-n // RATINGS_A_BLOCK))
        check_whole("n_blocks", n_blocks, 1)
        users, n_users = tables.numbered(ratings, "user_id", user_ids)
        items, n_items = tables.numbered(ratings, "item_id", item_ids)
        rated = tables.by_number(ratings, users, items).persist(LEVEL)
        sides = (
            Side(users, n_users, n_blocks, pack(rated, "user", "item", n_users, n_blocks)),
            Side(items, n_items, n_blocks, pack(rated, "item", "user", n_items, n_blocks)),
        )
        for side in sides:  # held from here on, so that the single ratings can go
            found = collect(side.packed, "n", "n_duplicates", "total")
        rated.unpersist()
        n, n_duplicates, total = (
            sum(one[name] for one in found) for name in ("n", "n_duplicates", "total")
        )
        return cls(*sides, n, n_duplicates, total / n, scale)

    def release(self) -> None:
        """Free the memory; models fitted on these blocks cannot be used afterwards."""
        for side in (self.users, self.items):
            side.packed.unpersist()
            side.ids.unpersist()

    def __repr__(self) -> str:
        return (
            f"Blocks({self.users.n:,} users x {self.items.n:,} items, {self.n_ratings:,} ratings, "
            f"{self.users.n_blocks} blocks a side)"
        )


def pack(rated: DataFrame, row: str, other: str, n_rows: int, n_blocks: int) -> DataFrame:
    """Return the blocks of a side, persisted: `rated` dealt out by the column `row`."""
    names = ["row", "other", "rating", *(name for name in rated.columns if name == "time")]

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        context: Any = TaskContext.get()
        block, found = context.partitionId(), list(batches)
        rows, others, values, *time = (
            np.concatenate([batch.column(name).to_numpy() for batch in found])
            if found
            else np.empty(0, np.int32)
            for name in names
        )
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
        head = block, len(ratings), ratings.n_duplicates, total, met
        yield write(PACKED, *head, *ratings.by_user)

    columns = F.col(row).alias("row"), F.col(other).alias("other"), *names[2:]
    dealt = mapped(rated.select(*columns).repartitionById(n_blocks, "row"), work, PACKED)
    # Spark does not know that what a function returns stays in place; dealt once more, it does.
    return dealt.repartitionById(n_blocks, "block").persist(LEVEL)


# --- records, and what makes them -----------------------------------------------------------------


def write(schema: str, *values: Any) -> pa.RecordBatch:
    """Return one record: a value for each field of a Spark schema, in its order."""
    names, kinds = zip(*(field.split() for field in schema.split(", ")), strict=True)
    columns = []
    for name, kind, value in zip(names, kinds, values, strict=True):
        raw = np.ascontiguousarray(value, ARRAYS[name]).tobytes() if kind == "binary" else value
        columns.append(pa.array([raw], ARROW[kind]))
    return pa.record_batch(columns, names)


def read(batches: Batches) -> Iterator[dict[str, Any]]:
    """Yield the records of batches, arrays as flat NumPy arrays of their own memory."""
    for batch in batches:
        for row in range(batch.num_rows):
            yield {name: _value(name, batch.column(name)[row]) for name in batch.schema.names}


def _value(name: str, scalar: Any) -> Any:
    kind = ARRAYS.get(name.removeprefix("test_"))  # where two matrices meet in one record
    # A kernel is compiled for arrays that are aligned and may be written to.
    return np.frombuffer(scalar.as_buffer(), kind).copy() if kind else scalar.as_py()


def collect(frame: DataFrame, *names: str) -> list[dict[str, Any]]:
    """Return fields of all records, in the order of their blocks."""
    found = frame.select("block", *names).toArrow().to_batches()
    return sorted(read(found), key=lambda one: one["block"])


def matrix(block: dict[str, Any], which: str = "") -> CSR:
    """Return the ratings of a block, the numbers of the other side as columns."""
    indptr, indices, values, others = (block[f"{which}{name}"] for name in (*CSR._fields, "others"))
    return CSR(indptr, others[indices], values)


def mapped(
    frame: DataFrame,
    work: Callable[..., Iterator[pa.RecordBatch]],
    schema: str,
    other: DataFrame | None = None,
) -> DataFrame:
    """Return what `work` makes of each partition; with `other`, of both tables' records a block."""

    def alone(batches: Batches) -> Iterator[pa.RecordBatch]:
        _settle()
        yield from work(batches)

    def together(mine: pa.Table, theirs: pa.Table) -> pa.Table:
        _settle()
        return pa.Table.from_batches(work(mine.to_batches(), theirs.to_batches()))

    with warnings.catch_warnings():  # of a pandas that is new to PySpark: there is none on this way
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        if other is None:
            return frame.mapInArrow(alone, schema)
        both = frame.groupby("block").cogroup(other.groupby("block"))
        return both.applyInArrow(together, schema)


def _settle() -> None:
    """Let a worker's kernels use the cores of its task, and put aside what it has imported.

    PySpark's processes look for garbage after each task. Of what was imported none is, and to look
    through all of it takes a tenth of a second each time.
    """
    context: Any = TaskContext.get()
    numba.set_num_threads(min(context.cpus(), numba.config.NUMBA_NUM_THREADS))  # spark.task.cpus
    if gc.get_freeze_count() == 0:
        gc.freeze()
