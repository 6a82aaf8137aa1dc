"""One side's rows (factors, then the bias), and the half step that solves them.

A half step gives each block of one side the other side's rows that it meets, by one of two ways.
Rows that are few are held by the driver and broadcast: a copy for each executor. Others lie in
blocks on the cluster and are shuffled: each block sends every block of the other side the rows that
it meets, and no process holds a whole side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_lib.kernels import als as kernels
from recsys_lib.models import ALS
from recsys_lib.models.als import first_factors
from recsys_lib.ratings import CSR
from recsys_lib.spark.blocks import Batches, Side, collect, mapped, read, write
from recsys_lib.spark.tables import LEVEL

ROWS = "block int, rows binary"
SOLVED = "block int, rows binary, sse double, squares binary"
MESSAGE = "block int, source int, rows binary"
FACTORS = "number int, factors array<float>, bias float"


@dataclass(eq=False)
class Rows:
    """The rows of a side, K + 1 numbers each.

    `held` is an array (n, K + 1) float32 in the driver, in the order of the ids, or a DataFrame: a
    record a block (see `ROWS`), persisted.
    """

    side: Side
    size: int
    held: np.ndarray | DataFrame

    def collect(self) -> np.ndarray:
        """Return all rows (n, K + 1) float32, in the order of the ids."""
        if isinstance(self.held, np.ndarray):
            return self.held
        found = collect(self.held, "rows")
        return self.side.interleaved([one["rows"].reshape(-1, self.size) for one in found])

    def dealt(self) -> DataFrame:
        """Return the rows on the cluster, one record per block, where the block's ratings are."""
        n, rows = self.side.n_blocks, self.held
        if isinstance(rows, np.ndarray):
            table = pa.Table.from_batches(write(ROWS, b, rows[b::n]) for b in range(n))
            rows = self.side.session.createDataFrame(table)
        return rows.select("block", "rows").repartitionById(n, "block")

    def with_ratings(self) -> DataFrame:
        """Return the blocks of the side, each with its ratings and its rows in one record."""
        return self.side.packed.join(self.dealt().hint("merge"), "block")

    def table(self, name: str) -> DataFrame:
        """Return the rows as a table: the ids in the column `name`, factors (array), bias."""
        size, n_blocks = self.size, self.side.n_blocks

        def work(batches: Batches) -> Iterator[pa.RecordBatch]:
            for one in read(batches):
                rows = one["rows"].reshape(-1, size)
                numbers = np.arange(len(rows), dtype=np.int32) * n_blocks + one["block"]
                ends = np.arange(len(rows) + 1, dtype=np.int32) * (size - 1)
                factors = pa.ListArray.from_arrays(ends, rows[:, :-1].ravel())
                told = {"number": numbers, "factors": factors, "bias": rows[:, -1].copy()}
                yield pa.RecordBatch.from_pydict(told)

        named = self.side.ids.withColumnRenamed("id", name)
        plain = mapped(self.dealt(), work, FACTORS)
        return named.join(plain, "number").select(name, "factors", "bias")

    def release(self) -> None:
        """Give the cluster's memory back; what must be computed from these anew, still can be."""
        if isinstance(self.held, DataFrame):
            self.held.unpersist()


def hold(
    side: Side, size: int, dealt: DataFrame, here: bool, *told: str
) -> tuple[Rows, list[dict[str, Any]]]:
    """Return rows that are held from now on, `here` or on the cluster, and what else is `told`."""
    if here:
        found = collect(dealt, "rows", *told)
        whole = side.interleaved([one["rows"].reshape(-1, size) for one in found])
        return Rows(side, size, whole), found
    dealt = dealt.persist(LEVEL)
    return Rows(side, size, dealt), collect(dealt, *told)


def first_rows(model: ALS, side: Side) -> DataFrame:
    """Return the rows that a fit begins with: those of `ALS.fit`, each block making its own."""
    n, n_blocks, seed, n_factors = side.n, side.n_blocks, model.seed, model.n_factors

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for block in (int(block) for batch in batches for block in batch.column("id").to_numpy()):
            rows = np.zeros((len(range(block, n, n_blocks)), n_factors + 1), np.float32)
            for part, factors in first_factors(seed, n, n_factors):
                numbers = np.arange(part.start, part.stop)
                mine = numbers % n_blocks == block
                rows[numbers[mine] // n_blocks, :-1] = factors[mine]
            yield write(ROWS, block, rows)

    return mapped(side.session.range(0, n_blocks, 1, n_blocks), work, ROWS)


def half_step(
    model: ALS, side: Side, other: Rows, prior: np.ndarray, here: bool
) -> tuple[Rows, float, np.ndarray]:
    """Solve all rows of a side, given the other's: the same numbers as `ALS.half_step`.

    `prior`, (side.n or 1, K + 1) float32, is what the rows are drawn to; a single row serves all.
    `here` says whether the driver is to hold the rows, and not the cluster. Returned are the rows,
    the sum of squared residuals, and Σ n^ν x² over the rows, (K + 1,) float64.
    """
    model, n_blocks, size = bare(model), side.n_blocks, other.size
    whole = other.held if isinstance(other.held, np.ndarray) else None
    sent_out = [side.session.sparkContext.broadcast(one) for one in (prior, whole)]

    def solve(packed: Batches, sent: Batches = ()) -> Iterator[pa.RecordBatch]:
        prior, whole = (one.value for one in sent_out)
        for one in read(packed):
            met, ratings = one["others"], CSR(*(one[name] for name in CSR._fields))
            others = np.empty((len(met), size), np.float32) if whole is None else whole[met]
            for message in read(sent):
                mine = met % n_blocks == message["source"]
                others[mine] = message["rows"].reshape(-1, size)
            mean = prior if len(prior) == 1 else prior[one["block"] :: n_blocks].copy()
            rows, zero = np.empty((len(ratings.counts), size), np.float32), np.zeros_like(prior[:1])
            sse = model.half_step(ratings, others, mean, rows)
            squares = kernels.penalties(rows, ratings.indptr, float(model.nu), zero)
            yield write(SOLVED, one["block"], rows, sse, squares)

    def send(batches: Batches) -> Iterator[pa.RecordBatch]:
        for one in read(batches):
            rows = one["rows"].reshape(-1, size)
            meets = np.zeros((n_blocks, len(rows)), bool)  # a row is met by whom it has rated
            rated = np.repeat(np.arange(len(rows)), np.diff(one["indptr"]))
            meets[(one["others"] % n_blocks)[one["indices"]], rated] = True
            for block in range(n_blocks):  # one message at a time: a copy of few rows
                yield write(MESSAGE, block, one["block"], rows[meets[block]])

    sent = None
    if whole is None:
        sent = mapped(other.with_ratings(), send, MESSAGE).repartitionById(n_blocks, "block")
    solved = mapped(side.packed, solve, SOLVED, sent)
    rows, told = hold(side, size, solved, here, "sse", "squares")
    for one in sent_out:  # executors fetch it again, if a block is computed anew
        one.unpersist()
    return rows, sum(one["sse"] for one in told), np.sum([one["squares"] for one in told], axis=0)


def bare(model: ALS) -> ALS:
    """Return a model of the same parameters and mean, without anything else: for a worker."""
    twin = model.unfitted()
    twin.mu_ = model.mu_
    return twin


def assembled(
    params: ALS,
    ids: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    known: CSR,
    scale: tuple[float, float],
    log: list[dict[str, Any]],
) -> ALS:
    """Return the ordinary model of users and items, their ids and rows; the rest is `params`'."""
    arrays, rest = params.state()
    for name, (users, items) in (("ids", ids), ("rows", rows)):
        arrays |= {f"user_{name}_": users, f"item_{name}_": items}
    arrays |= {f"known.{name}": array for name, array in known._asdict().items()}
    rest |= {"scale_": scale, "training_log_": log}
    return type(params).from_saved(arrays, {"params": params.get_params(), "state": rest})
