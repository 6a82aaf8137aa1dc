"""One side's rows (factors, then the bias) in blocks, and the half step that makes them anew.

A half step gives each block of one side the other side's rows that it meets, by one of two roads.
Up to a limit the whole other side is broadcast: a copy for each executor. Above it, each of its
blocks sends every block here the rows that it wants, and no process holds a whole side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numba
import numpy as np
import pyarrow as pa
from pyspark import Broadcast, TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_lib.kernels import als as kernels
from recsys_lib.kernels import features as feature_kernels
from recsys_lib.models import ALS
from recsys_lib.models.als import first_factors
from recsys_lib.ratings import CSR
from recsys_lib.spark import records
from recsys_lib.spark.blocks import LEVEL, Side, block_size
from recsys_lib.spark.records import Batches, Work, mapped, no_word_of_pandas, settle

ROWS = "key block rows sse squares gram target"
SUMS = "sse squares gram target"
MESSAGE = "key block source rows"
Solve = Callable[[dict[str, Any], np.ndarray], pa.RecordBatch]


@dataclass(eq=False)
class Rows:
    """The rows of a side.

    Attributes
    ----------
    frame : DataFrame
        A record a block, see `ROWS`.
    n, size : int
        Number of rows in all, and the length K + 1 of each.
    held : list of Broadcast
        What `frame` is computed from.
    sums : dict
        Once computed: the sums over all blocks of what a half step adds up, by name.
    """

    frame: DataFrame
    n: int
    size: int
    held: list[Broadcast[Any]] = field(default_factory=list)
    sums: dict[str, np.ndarray] = field(default_factory=dict)
    _whole: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all rows together."""
        return 4 * self.n * self.size

    def compute(self, broadcast_limit: int) -> None:
        """Have the rows computed, and add up their sums, a block after the other.

        Rows that are few enough to be broadcast come along, and nothing is kept on the cluster;
        who asks for `frame` has them computed again, from what is there. Others stay, persisted.
        """
        few = self.nbytes <= broadcast_limit
        if not few:
            self.hold()
        found = self._read(SUMS + " rows" * few)
        self.sums = {name: np.sum([one[name] for one in found], axis=0) for name in SUMS.split()}
        if few:
            self._whole = self._assembled(found)

    def hold(self) -> None:
        """Have the cluster keep the rows, from when they are computed next."""
        if not self.frame.is_cached:
            self.frame.persist(LEVEL)

    def collect(self) -> np.ndarray:
        """Return all rows (n, K + 1) float32, in the order of the numbers of their ids."""
        return self._assembled(self._read("rows")) if self._whole is None else self._whole

    def _read(self, names: str) -> list[dict[str, Any]]:
        """Return fields of all blocks, in the order of the blocks."""
        found = self.frame.select("block", *names.split()).toArrow().to_batches()
        return sorted(records.read(found), key=lambda one: one["block"])

    def _assembled(self, blocks: list[dict[str, Any]]) -> np.ndarray:
        whole = np.empty((self.n, self.size), np.float32)
        for one in blocks:
            whole[one["block"] :: len(blocks)] = one["rows"].reshape(-1, self.size)
        return whole

    def take(self, blocks: list[int], n_blocks: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of some blocks, in the order of their numbers: the numbers, the rows."""
        wanted = self.frame.where(F.col("block").isin(blocks)).select("block", "rows")
        found = list(records.read(wanted.toArrow().to_batches()))
        numbers = np.concatenate([np.arange(one["block"], self.n, n_blocks) for one in found])
        rows = np.concatenate([one["rows"].reshape(-1, self.size) for one in found])
        order = np.argsort(numbers)
        return numbers[order], rows[order]

    def release(self) -> None:
        """Give the memory back; whatever must be computed from these anew, still can be."""
        if self.frame.is_cached:
            self.frame.unpersist()
        for one in self.held:
            one.unpersist()


class Prior(NamedTuple):
    """What the items' prior means are built on: their features, and the features' rows.

    Attributes
    ----------
    features : Broadcast of (indptr, indices, values, counts)
        The features of all items, and how often each item is rated.
    rows : (n_features, K + 1) float32
    """

    features: Broadcast[Any]
    rows: np.ndarray


def first_rows(session: SparkSession, side: Side, model: ALS) -> Rows:
    """Return the rows that a fit begins with: those of `ALS.fit`, each block making its own."""
    keys, n, seed, n_factors = side.keys, side.n, model.seed, model.n_factors

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        (block,) = records.numbers(batches, "id")
        rows = np.zeros((block_size(n, len(keys), block[0]), n_factors + 1), np.float32)
        for part, factors in first_factors(seed, n, n_factors):
            mine = np.arange(part.start, part.stop) % len(keys) == block[0]
            numbers = np.arange(part.start, part.stop)[mine]
            rows[numbers // len(keys), :-1] = factors[mine]
        yield records.write(ROWS, (keys[block[0]], block[0], rows, 0.0, [], [], []))

    blocks = session.range(0, len(keys), 1, len(keys))
    return Rows(mapped(blocks, work, ROWS), n, n_factors + 1)


def half_step(
    model: ALS, side: Side, other: Rows, prior: Prior | None, broadcast_limit: int
) -> Rows:
    """Solve all rows of a side, given the other's: the same numbers as the half step of `ALS`.

    Parameters
    ----------
    model : ALS
        Its parameters, and ``mu_``.
    side : Side
        Whose rows to solve.
    other : Rows
        Of the other side.
    prior : Prior or None
        The prior means; None: zero.
    broadcast_limit : int
        The most bytes of `other` that are broadcast.
    """
    solve, size, keys = _solver(model, side, prior), other.size, side.keys
    held: list[Broadcast[Any]] = []
    if other.nbytes <= broadcast_limit:
        whole = side.packed.sparkSession.sparkContext.broadcast(other.collect())
        held.append(whole)
        frame = mapped(side.packed, _from_whole(solve, whole), ROWS)
    else:
        theirs = other.frame.select("key", "rows").repartition(len(keys), "key").hint("merge")
        sent = mapped(side.links.join(theirs, "key"), _send(keys, size), MESSAGE)
        mail = sent.repartition(len(keys), "key").groupby("key")
        with no_word_of_pandas():
            opened = side.packed.groupby("key").cogroup(mail)
            frame = opened.applyInArrow(_from_mail(solve, size), records.schema(ROWS))
    rows = Rows(frame, side.n, size, held)
    rows.compute(broadcast_limit)
    return rows


def fill_unrated(rows: Rows, prior: Prior, keys: list[int]) -> Rows:
    """Return the items' rows with those that nobody rated at their prior mean."""
    n, size = rows.n, rows.size

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for one in records.read(batches):
            means, _, counts = _prior_of(prior, n, len(keys), one["block"])
            mine = one["rows"].reshape(-1, size)
            mine[counts == 0] = means[counts == 0]
            head = one["key"], one["block"], mine
            yield records.write(ROWS, (*head, *(one[name] for name in ROWS.split()[3:])))

    return Rows(mapped(rows.frame, work, ROWS), n, size, [*rows.held, prior.features])


# --- what runs in the workers ---------------------------------------------------------------------


def _solver(model: ALS, side: Side, prior: Prior | None) -> Solve:
    """Return the function that solves a block, given the rows that it meets."""
    model = copy.copy(model)
    n, n_blocks, nu = side.n, side.n_blocks, float(model.nu)

    def solve(block: dict[str, Any], others: np.ndarray) -> pa.RecordBatch:
        use_cores()
        ratings = CSR(block["indptr"], block["indices"], block["values"])
        counts, nothing = ratings.counts, model._no_prior
        rows = np.empty((len(counts), model.n_factors + 1), np.float32)
        order = np.argsort(-counts, kind="stable")
        if prior is None:
            sse = model._solve(ratings, order, others, nothing, rows)
            sums: tuple[Any, Any] = [], []
        else:
            means, features, _ = _prior_of(prior, n, n_blocks, block["block"])
            sse = model._solve(ratings, order, others, means, rows)
            sums = feature_kernels.feature_sums(counts, nu, *features, rows, len(prior.rows))
        rated = np.where(counts[:, None] > 0, rows, np.float32(0))
        squares = kernels.penalties(rated, ratings.indptr, nu, nothing)
        return records.write(ROWS, (block["key"], block["block"], rows, sse, squares, *sums))

    return solve


def _from_whole(solve: Solve, whole: Broadcast[Any]) -> Work:
    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for block in records.read(batches):
            yield solve(block, whole.value[block["others"]])

    return work


def _send(keys: list[int], size: int) -> Work:
    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for one in records.read(batches):
            rows, indptr = one["rows"].reshape(-1, size), one["indptr"]
            for block, key in enumerate(keys):  # one message at a time: a copy of few rows
                wanted = one["wanted"][indptr[block] : indptr[block + 1]]
                yield records.write(MESSAGE, (key, block, one["block"], rows[wanted]))

    return work


def _from_mail(solve: Solve, size: int) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def work(packed: pa.Table, mail: pa.Table) -> pa.Table:
        settle()
        (block,) = records.read(packed.to_batches())
        n_sources, met = mail.num_rows, block["others"]
        others = np.empty((len(met), size), np.float32)
        for message in records.read(mail.to_batches()):
            others[met % n_sources == message["source"]] = message["rows"].reshape(-1, size)
        return pa.Table.from_batches([solve(block, others)])

    return work


def _prior_of(
    prior: Prior, n: int, n_blocks: int, block: int
) -> tuple[np.ndarray, CSR, np.ndarray]:
    """Return a block's prior means, its items' features, and their numbers of ratings."""
    *features, counts = prior.features.value
    mine = CSR(*features).take(np.arange(block, n, n_blocks))
    means = np.empty((len(mine.indptr) - 1, prior.rows.shape[1]), np.float32)
    feature_kernels.prior_means(*mine, prior.rows, means)
    return means, mine, counts[block::n_blocks]


def use_cores() -> None:
    """Let the kernels use as many threads as Spark has set aside for the task (spark.task.cpus)."""
    context: Any = TaskContext.get()
    numba.set_num_threads(min(context.cpus(), numba.config.NUMBA_NUM_THREADS))
