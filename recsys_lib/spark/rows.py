"""One side's rows (factors, then the bias), and the half step that solves them.

A half step gives each block of one side the other side's rows that it meets, by one of two ways.
Up to a limit the whole other side is broadcast: a copy for each executor. Above it, rows are
shuffled: each of its blocks sends every block here the rows that it meets, and no process holds a
whole side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_lib.kernels import als as kernels
from recsys_lib.models import ALS
from recsys_lib.models.als import by_length, first_factors
from recsys_lib.ratings import CSR
from recsys_lib.spark import records
from recsys_lib.spark.blocks import Side
from recsys_lib.spark.records import LEVEL, Batches, Work, mapped, mapped_with

ROWS = "key block rows"
SOLVED = "key block rows sse squares"
FACTORS = "number int, factors array<float>, bias float"
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

    @classmethod
    def held(cls, side: Side, size: int, frame: DataFrame, here: bool) -> Rows:
        """Return the rows of `frame`, which are held from now on: `here`, or on the cluster."""
        if here:
            found = cls(side, size, frame=frame)
            return cls(side, size, whole=found.take(range(side.n_blocks))[1])
        return cls(side, size, frame=frame.persist(LEVEL))

    @property
    def nbytes(self) -> int:
        """Bytes of all rows together."""
        return 4 * self.side.n * self.size

    def dealt(self) -> DataFrame:
        """Return the rows on the cluster, a record a block."""
        if self.frame is not None:
            return self.frame.select(*ROWS.split())
        assert self.whole is not None
        keys = self.side.keys
        blocks = ((key, block, self.whole[block :: len(keys)]) for block, key in enumerate(keys))
        table = pa.Table.from_batches([records.write(ROWS, block) for block in blocks])
        return self.side.session.createDataFrame(table).repartition(len(keys), "key")

    def take(self, blocks: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of some blocks' rows, ascending, and the rows."""
        n, n_blocks = self.side.n, self.side.n_blocks
        numbers = np.sort(np.concatenate([np.arange(block, n, n_blocks) for block in blocks]))
        if self.whole is not None:
            return numbers, self.whole[numbers]
        assert self.frame is not None
        rows = np.empty((len(numbers), self.size), np.float32)
        for one in records.collect(self.frame.where(F.col("block").isin(*blocks)), "rows"):
            mine = np.searchsorted(numbers, np.arange(one["block"], n, n_blocks))
            rows[mine] = one["rows"].reshape(-1, self.size)
        return numbers, rows

    def collect(self) -> np.ndarray:
        """Return all rows (n, K + 1) float32, in the order of the ids' numbers."""
        return self.take(range(self.side.n_blocks))[1] if self.whole is None else self.whole

    def table(self, name: str) -> DataFrame:
        """Return the rows as a table: the ids in the column `name`, factors (array), bias."""
        size, n_blocks = self.size, self.side.n_blocks

        def work(batches: Batches) -> Iterator[pa.RecordBatch]:
            for one in records.read(batches):
                rows = one["rows"].reshape(-1, size)
                numbers = np.arange(len(rows), dtype=np.int32) * n_blocks + one["block"]
                ends = np.arange(len(rows) + 1, dtype=np.int32) * (size - 1)
                factors = pa.ListArray.from_arrays(ends, np.ascontiguousarray(rows[:, :-1]).ravel())
                columns = [pa.array(numbers, pa.int32()), factors, pa.array(rows[:, -1].copy())]
                yield pa.record_batch(columns, ["number", "factors", "bias"])

        named = self.side.ids.withColumnRenamed("id", name)
        plain = mapped(self.dealt(), work, FACTORS)
        return named.join(plain, "number").select(name, "factors", "bias")

    def release(self) -> None:
        """Give the cluster's memory back; what must be computed from these anew, still can be."""
        if self.frame is not None:
            self.frame.unpersist()


def first_rows(model: ALS, side: Side, here: bool) -> Rows:
    """Return the rows that a fit begins with: those of `ALS.fit`, each block making its own."""
    keys, n, seed, n_factors = side.keys, side.n, model.seed, model.n_factors

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for block in np.concatenate([batch.column("id").to_numpy() for batch in batches]).tolist():
            rows = np.zeros((len(range(block, n, len(keys))), n_factors + 1), np.float32)
            for part, factors in first_factors(seed, n, n_factors):
                numbers = np.arange(part.start, part.stop)
                mine = numbers % len(keys) == block
                rows[numbers[mine] // len(keys), :-1] = factors[mine]
            yield records.write(ROWS, (keys[block], block, rows))

    blocks = side.session.range(0, len(keys), 1, len(keys))
    return Rows.held(side, n_factors + 1, mapped(blocks, work, ROWS), here)


def half_step(
    model: ALS, side: Side, other: Rows, prior: np.ndarray, broadcast_limit: int, here: bool
) -> tuple[Rows, float, np.ndarray]:
    """Solve all rows of a side, given the other's: the same numbers as `ALS.half_step`.

    Parameters
    ----------
    model : ALS
        Its parameters, and ``mu_``.
    side : Side
        Whose rows to solve.
    other : Rows
        Of the other side.
    prior : (side.n or 1, K + 1) float32
        What the rows are drawn to; a single row serves all.
    broadcast_limit : int
        The most bytes of `other` that are broadcast.
    here : bool
        Whether the driver is to hold the rows, and not the cluster.

    Returns
    -------
    rows : Rows
    sse : float
        The sum of squared residuals.
    squares : (K + 1,) float64
        Σ n^ν x² over the rows.
    """
    context = side.session.sparkContext
    means = context.broadcast(prior)
    solve = _solver(model, means, side.n_blocks)
    if other.nbytes <= broadcast_limit:
        whole = context.broadcast(other.collect())
        frame = mapped(side.packed, _solve_from_whole(solve, whole), SOLVED)
    else:
        whole = None
        pairs = other.side.packed.select("key", "block", "indptr", "others", "indices")
        sources = pairs.join(other.dealt().select("key", "rows").hint("merge"), "key")
        sent = mapped(sources, _send(side.keys, other.size), MESSAGE)
        sent = sent.repartition(side.n_blocks, "key")
        frame = mapped_with(side.packed, sent, _solve_from_messages(solve, other.size), SOLVED)
    if not here:
        frame = frame.persist(LEVEL)
    found = records.collect(frame, "sse squares" + " rows" * here)
    rows = Rows(side, other.size, frame=None if here else frame)
    if here:
        rows.whole = np.empty((side.n, other.size), np.float32)
        for one in found:
            rows.whole[one["block"] :: side.n_blocks] = one["rows"].reshape(-1, other.size)
    for sent_out in (means, whole):  # executors fetch it again, if a block is computed anew
        if sent_out is not None:
            sent_out.unpersist()
    sse = sum(one["sse"] for one in found)
    return rows, sse, np.sum([one["squares"] for one in found], axis=0)


def assembled(
    params: ALS,
    user_ids: np.ndarray,
    item_ids: np.ndarray,
    ratings: CSR,
    scale: tuple[float, float],
    user_rows: np.ndarray,
    item_rows: np.ndarray,
    log: pd.DataFrame | None = None,
) -> ALS:
    """Return the ordinary model of these rows and ratings; the rest is that of `params`."""
    arrays, rest = params.state()
    arrays |= {"user_ids_": user_ids, "item_ids_": item_ids}
    arrays |= {"user_rows_": user_rows, "item_rows_": item_rows}
    arrays |= {f"known.{name}": array for name, array in ratings._asdict().items()}
    rest |= {"scale_": scale, "training_log_": {} if log is None else log.to_dict("list")}
    return type(params).from_saved(arrays, {"params": params.get_params(), "state": rest})


# --- what runs in the workers ---------------------------------------------------------------------

Solve = Callable[[dict[str, Any], np.ndarray], pa.RecordBatch]


def _solver(model: ALS, prior: Broadcast[Any], n_blocks: int) -> Solve:
    """Return the function that solves a block, given the rows that it meets."""
    model = bare(model)

    def solve(block: dict[str, Any], others: np.ndarray) -> pa.RecordBatch:
        ratings = CSR(block["indptr"], block["indices"], block["values"])
        rows = np.empty((len(ratings.counts), model.n_factors + 1), np.float32)
        means = prior.value
        if len(means) > 1:
            means = np.ascontiguousarray(means[block["block"] :: n_blocks])
        sse = model.half_step(ratings, others, means, rows, by_length(ratings))
        zero = np.zeros((1, rows.shape[1]), np.float32)
        squares = kernels.penalties(rows, ratings.indptr, float(model.nu), zero)
        return records.write(SOLVED, (block["key"], block["block"], rows, sse, squares))

    return solve


def _solve_from_whole(solve: Solve, whole: Broadcast[Any]) -> Work:
    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for block in records.read(batches):
            yield solve(block, whole.value[block["others"]])

    return work


def _send(keys: list[int], size: int) -> Work:
    """Return what sends each block the rows that it meets: a row is met by whom it has rated."""

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for one in records.read(batches):
            rows = one["rows"].reshape(-1, size)
            meets = np.zeros((len(keys), len(rows)), bool)
            rated = np.repeat(np.arange(len(rows)), np.diff(one["indptr"]))
            meets[(one["others"] % len(keys))[one["indices"]], rated] = True
            for block, key in enumerate(keys):  # one message at a time: a copy of few rows
                yield records.write(MESSAGE, (key, block, one["block"], rows[meets[block]]))

    return work


def _solve_from_messages(solve: Solve, size: int) -> Callable[[Batches, Batches], pa.RecordBatch]:
    def work(packed: Batches, sent: Batches) -> pa.RecordBatch:
        (block,) = records.read(packed)
        messages, met = list(records.read(sent)), block["others"]
        others = np.empty((len(met), size), np.float32)
        for message in messages:
            others[met % len(messages) == message["source"]] = message["rows"].reshape(-1, size)
        return solve(block, others)

    return work


def bare(model: ALS) -> ALS:
    """Return a model of the same parameters and mean, without anything else: for a worker."""
    twin = model.unfitted()
    twin.mu_ = model.mu_
    return twin
