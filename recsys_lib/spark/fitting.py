"""ALS on a cluster: the loop over epochs, the half step that solves one side's rows, the result.

A row is K factors and the bias. A half step gives each block of one side the other side's rows that
it meets, by one of two ways. Rows that are few are held by the driver and broadcast: a copy for
each executor. Others lie in blocks on the cluster and are shuffled: each block sends every block of
the other side the rows that it meets, and no process holds a whole side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_lib.errors import RecsysError, check_value, check_whole
from recsys_lib.kernels import als as kernels
from recsys_lib.models import ALS, BiasALS, GenreALS
from recsys_lib.models.als import first_factors
from recsys_lib.models.training import Callback
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR
from recsys_lib.spark.blocks import Batches, Blocks, Side, collect, mapped, read, write
from recsys_lib.spark.tables import LEVEL

BROADCAST_LIMIT = 512 << 20
ROWS = "block int, rows binary"
SOLVED = "block int, rows binary, sse double, squares binary"
MESSAGE = "block int, source int, rows binary"
FACTORS = "number int, factors array<float>, bias float"


def fit(
    model: ALS,
    ratings: DataFrame | Blocks,
    items: pd.DataFrame | None = None,
    *,
    broadcast_limit: int = BROADCAST_LIMIT,
    checkpoint: str | None = None,
    every: int = 5,
    progress: bool | None = None,
    callback: Callback | None = None,
) -> Fitted:
    """Fit a model of the ALS family on a cluster; ``.model()`` returns an ordinary model.

    What cannot be read as ratings or as items is a `DataError`; a parameter out of its limits, and
    a model of another class, are a `RecsysError`.

    Parameters
    ----------
    model : ALS, BiasALS or GenreALS
        The parameters to use, except `patience`, since there is no validation part. It is not
        changed.
    ratings : pyspark DataFrame or Blocks
        The training ratings: a table as for `Blocks.from_frame`, or what that makes of it.
    items : DataFrame, optional
        The catalogue (``item_id``, ``genres``), as for `GenreALS.fit`: small enough for the driver.
        With a table of ratings, its items belong to the model even if nobody has rated them.
    broadcast_limit : int
        In bytes. Rows of a side that take more are shuffled instead of broadcast. The items' rows
        of a model with genres or popularity are always broadcast.
    checkpoint : str, optional
        A folder on a file system that Spark writes to and all executors read, for Spark's own
        checkpoints: after every `every` epochs the rows on the cluster are written there and read
        back, so that a lost executor costs the work of at most `every` epochs. Spark deletes none
        of them unless ``spark.cleaner.referenceTracking.cleanCheckpoints`` says so.
    progress, callback :
        As for `ALS.fit`.
    """
    if type(model) not in (ALS, BiasALS, GenreALS):
        raise RecsysError(f"Spark fits ALS, BiasALS and GenreALS, not {type(model).__name__}")
    model.check_parameters()
    check_whole("every", every, 1, "a whole number of epochs")
    check_value("callback", callback, "a function or None", kind=Callable | None)
    check_value("checkpoint", checkpoint, "a folder's path as text, or None", kind=str | None)
    if not isinstance(ratings, Blocks):
        known = None if items is None or "item_id" not in items.columns else items["item_id"]
        ratings = Blocks.from_frame(ratings, item_ids=known)
    fitted = Fitted(model, ratings, items, broadcast_limit)
    if checkpoint is not None:
        ratings.users.session.sparkContext.setCheckpointDir(checkpoint)
    with bar(progress, total=model.n_epochs, desc=type(model).__name__) as steps:
        for epoch in range(1, model.n_epochs + 1):
            row = fitted.epoch()
            if checkpoint is not None and epoch % every == 0:
                fitted.keep()
            steps.update()
            steps.set_postfix_str(f"train {row['rmse_train']:.4f}")
            if callback is not None:
                callback(row)
    return fitted


class Fitted:
    """A model whose rows are on the cluster, or in the driver where they are few.

    Attributes
    ----------
    params : ALS
        Its parameters, mean and features.
    blocks : Blocks
        The ratings that it is fitted on.
    limit : int
        The most bytes of rows that the driver holds and broadcasts.
    rows : dict of str to array or DataFrame
        Of the "users" and the "items": in the driver (n, K + 1) float32, in the order of the ids,
        or on the cluster, a record a block (see `ROWS`), persisted.
    """

    def __init__(
        self, model: ALS, blocks: Blocks, items: pd.DataFrame | None, broadcast_limit: int
    ) -> None:
        self.params, self.blocks, self.limit = model.unfitted(), blocks, broadcast_limit
        self.params.mu_, self.counts = blocks.mean, blocks.items.collect_counts()
        self.params.init_features(blocks.items.collect_ids(), self.counts, items)
        self.log: list[dict[str, Any]] = []
        self.rows: dict[str, np.ndarray | DataFrame] = {}
        self._hold("items", first_rows(self.params, blocks.items))

    @property
    def training_log_(self) -> pd.DataFrame:
        """One row per epoch, of epoch, loss, rmse_train, rmse_valid (NaN) and seconds."""
        return pd.DataFrame(self.log)

    def epoch(self) -> dict[str, Any]:
        """Solve the users, the items, and the features' rows; return the row of the log."""
        began = time.perf_counter()
        model, old = self.params, [*self.rows.values()]
        zero = np.zeros((1, model.n_factors + 1), np.float32)
        _, penalties = self._half_step("users", "items", zero)
        sse, squares = self._half_step("items", "users", model.item_priors_)
        if model.feature_names_:
            squares = self._solve_features()
        _release(*old)
        row = {
            "epoch": len(self.log) + 1,
            "loss": model.loss(sse, penalties + squares),
            "rmse_train": float(np.sqrt(sse / self.blocks.n_ratings)),
            "rmse_valid": float("nan"),
            "seconds": time.perf_counter() - began,
        }
        self.log.append(row)
        return row

    def _half_step(self, name: str, other: str, prior: np.ndarray) -> tuple[float, np.ndarray]:
        """Solve all rows of a side, given the other's: the same numbers as `ALS.half_step`.

        `prior`, (n or 1, K + 1) float32, is what the rows are drawn to; a single row serves all.
        Returned are the sum of squared residuals, and Σ n^ν x² over the rows, (K + 1,) float64.
        """
        model, side, given = bare(self.params), getattr(self.blocks, name), self.rows[other]
        n_blocks, size = side.n_blocks, prior.shape[1]
        whole = given if isinstance(given, np.ndarray) else None
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
                rows = np.empty((len(ratings.counts), size), np.float32)
                sse = model.half_step(ratings, others, mean, rows)
                zero = np.zeros_like(prior[:1])
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
            sent = mapped(self.with_ratings(other), send, MESSAGE)
            sent = sent.repartitionById(n_blocks, "block")
        told = self._hold(name, mapped(side.packed, solve, SOLVED, sent), "sse", "squares")
        for one in sent_out:  # executors fetch it again, if a block is computed anew
            one.unpersist()
        return sum(one["sse"] for one in told), np.sum([one["squares"] for one in told], axis=0)

    def _hold(self, name: str, dealt: DataFrame, *told: str) -> list[dict[str, Any]]:
        """Take new rows of a side, and hold them here or there; return what else is `told`."""
        side, size = getattr(self.blocks, name), self.params.n_factors + 1
        drawn = name == "items" and bool(self.params.feature_names_)  # the driver solves for them
        here = drawn or 4 * side.n * size <= self.limit
        if not here:
            self.rows[name] = kept = dealt.persist(LEVEL)
            return collect(kept, *told)
        found = collect(dealt, "rows", *told)
        self.rows[name] = side.interleaved([one["rows"] for one in found], size)
        return found

    def _solve_features(self) -> np.ndarray:
        """Solve the features' rows as `ALS` does; return Σ n^ν (x - m)² over the items' rows."""
        model, rows = self.params, self.collect("items")
        model.feature_rows_ = model.solve_features(self.counts, rows)
        model.item_priors_ = model.prior_means(model.feature_rows_)
        rows[self.counts == 0] = model.item_priors_[self.counts == 0]
        indptr = np.concatenate([[0], np.cumsum(self.counts)])
        return kernels.penalties(rows, indptr, float(model.nu), model.item_priors_)

    def keep(self) -> None:
        """Let Spark write the rows on the cluster and read them back: their history ends there."""
        for name, old in self.rows.items():
            if isinstance(old, DataFrame):
                self.rows[name] = old.checkpoint().persist(LEVEL)
                _release(old)

    def collect(self, name: str) -> np.ndarray:
        """Return all rows of a side (n, K + 1) float32, in the order of the ids."""
        rows = self.rows[name]
        if isinstance(rows, np.ndarray):
            return rows
        found = [one["rows"] for one in collect(rows, "rows")]
        return getattr(self.blocks, name).interleaved(found, self.params.n_factors + 1)

    def dealt(self, name: str) -> DataFrame:
        """Return a side's rows on the cluster, one record per block, where its ratings are."""
        side, rows = getattr(self.blocks, name), self.rows[name]
        if isinstance(rows, np.ndarray):
            n = side.n_blocks
            table = pa.Table.from_batches(write(ROWS, b, rows[b::n]) for b in range(n))
            rows = side.session.createDataFrame(table)
        return rows.select("block", "rows").repartitionById(side.n_blocks, "block")

    def with_ratings(self, name: str) -> DataFrame:
        """Return the blocks of a side, each with its ratings and its rows in one record."""
        packed: DataFrame = getattr(self.blocks, name).packed
        return packed.join(self.dealt(name).hint("merge"), "block")

    def write(self, path: str) -> None:
        """Write ``users`` and ``items`` as Parquet into a folder of any file system of Spark's.

        They have one row each: user_id or item_id, factors (array of float, K), bias (float).
        """
        size, n_blocks = self.params.n_factors + 1, self.blocks.users.n_blocks

        def work(batches: Batches) -> Iterator[pa.RecordBatch]:
            for one in read(batches):
                rows = one["rows"].reshape(-1, size)
                numbers = np.arange(len(rows), dtype=np.int32) * n_blocks + one["block"]
                ends = np.arange(len(rows) + 1, dtype=np.int32) * (size - 1)
                factors = pa.ListArray.from_arrays(ends, rows[:, :-1].ravel())
                told = {"number": numbers, "factors": factors, "bias": rows[:, -1].copy()}
                yield pa.RecordBatch.from_pydict(told)

        for one, side in (("user", self.blocks.users), ("item", self.blocks.items)):
            named = side.ids.withColumnRenamed("id", f"{one}_id")
            table = named.join(mapped(self.dealt(f"{one}s"), work, FACTORS), "number")
            table.drop("number").write.parquet(f"{path}/{one}s")

    def model(self) -> ALS:
        """Collect the rows and the ratings into an ordinary model of the class that was fitted.

        Its predictions are those of the same model fitted in memory. The driver must have room for
        all of it; otherwise use `write`.
        """
        users, items = self.blocks.users, self.blocks.items
        ids = users.collect_ids(), items.collect_ids()
        rows = self.collect("users"), self.collect("items")
        scale = self.blocks.scale
        return assembled(self.params, ids, rows, users.collect_ratings(), scale, self.log)

    def release(self) -> None:
        """Free the memory of the cluster."""
        _release(*self.rows.values())
        self.blocks.release()


def _release(*held: np.ndarray | DataFrame) -> None:
    """Give the cluster's memory back; what must be computed from these anew, still can be."""
    for rows in held:
        if isinstance(rows, DataFrame):
            rows.unpersist()


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
