"""Lists for all users, and what a test part says of them: where the users' rows are.

Each block of users becomes a small model of its own, with all items: what it lists and how it is
measured is the library's own work, as if there were no other users.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from recsys_lib import evaluation
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.evaluation import Report
from recsys_lib.models import ALS
from recsys_lib.models.history import USERS_AT_A_TIME
from recsys_lib.ratings import CSR, Ratings
from recsys_lib.spark import records, tables
from recsys_lib.spark.blocks import Blocks, pack
from recsys_lib.spark.fitted import Fitted
from recsys_lib.spark.fitting import BROADCAST_LIMIT
from recsys_lib.spark.records import Batches, Work, mapped
from recsys_lib.spark.rows import Rows, use_cores

LISTS = "user int, item int, score float"
MEASURED = ("rmse", "mae", *evaluation.OF_HITS)
SUMS = "name string, n bigint, total double"


def recommend(fitted: Fitted, n: int = 10, *, broadcast_limit: int = BROADCAST_LIMIT) -> DataFrame:
    """Return the best `n` items that each user has not rated: all users of the model.

    Parameters
    ----------
    fitted : Fitted
    n : int
        How many.
    broadcast_limit : int
        Bytes. Items whose rows take more are ranked a part at a time, and the parts' lists merged.

    Returns
    -------
    pyspark DataFrame
        user_id, rank (from 1), item_id, score: the rows of ``model.recommend``, in no order.
    """
    if n < 1:
        raise RecsysError(f"n is {n}; ask for at least one item")
    users, items = fitted.blocks.users, fitted.blocks.items
    held = _with_rows(users.packed, fitted.user_rows)
    parts = []
    for blocks in _parts(fitted.item_rows, items.n_blocks, broadcast_limit):
        part = fitted.blocks.session.sparkContext.broadcast(
            fitted.item_rows.take(blocks, items.n_blocks)
        )
        parts.append(mapped(held, _list(fitted.params, part, users.n_blocks, n), LISTS))
    lists = functools.reduce(DataFrame.union, parts)
    best = Window.partitionBy("user").orderBy(F.desc("score"), "item")
    ranked = lists.withColumn("rank", F.row_number().over(best)).where(F.col("rank") <= n)
    named = ranked.join(users.ids.withColumnsRenamed({"id": "user_id", "number": "user"}), "user")
    named = named.join(items.ids.withColumnsRenamed({"id": "item_id", "number": "item"}), "item")
    return named.select("user_id", "rank", "item_id", "score")


def evaluate(
    fitted: Fitted,
    test: DataFrame,
    metrics: Sequence[str] = evaluation.DEFAULT_METRICS,
    *,
    relevant: float = 4.0,
    names: tables.Names | None = None,
) -> Report:
    """Measure a fitted model on ratings that it has not seen, each block of users where it is.

    All items' rows are broadcast: a list is of the whole catalogue.

    Parameters
    ----------
    fitted : Fitted
    test : pyspark DataFrame
        A row a rating. Its users and items must be known to the model, if not by a rating: see
        ``user_ids`` and ``item_ids`` of `Blocks.from_frame`.
    metrics : sequence of str
        rmse, mae; and for a list of length k, as in ``"ndcg@10"``, precision@k, recall@k, ndcg@k,
        map@k, mrr@k, hit_rate@k.
    relevant : float
        The lowest test rating that makes an item relevant.
    names : tables.Names, optional
        Names of the columns of `test`.

    Returns
    -------
    Report
        As of `evaluation.evaluate`, less what it has of each single user: no table of them comes
        to the driver.

    Raises
    ------
    DataError
        The test part cannot be read as ratings, or tells of users or items never heard of.
    RecsysError
        A metric is not one of these, or no test rating is relevant.
    """
    for name in metrics:
        if evaluation.parse_metric(name)[0] not in MEASURED:
            raise RecsysError(f"on Spark there are {', '.join(MEASURED)}; {name!r} is not of them")
    blocks, names = fitted.blocks, names or tables.Names()
    *_, n = tables.check(test, names, blocks.scale)
    known = tables.by_number(test, names, blocks.users.ids, blocks.items.ids)
    tested = pack(known, "user", "item", blocks.users.n, blocks.users.keys)
    there = tested.agg(F.sum("n") + F.sum("n_duplicates")).collect()[0][0]
    if there != n:
        tested.unpersist()
        raise DataError(
            f"{n - there} of {n} test ratings are of users or items that the model was not told "
            "of; give all of them to Blocks.from_frame as user_ids= and item_ids="
        )
    rows = blocks.session.sparkContext.broadcast(fitted.item_rows.collect())
    held = _with_rows(blocks.users.packed, fitted.user_rows)
    asked = tested.selectExpr(
        "key", *(f"{name} as test_{name}" for name in CSR._fields), "others as test_others"
    )
    both = held.join(asked.hint("merge"), "key")
    work = _measure(fitted.params, blocks, rows, tuple(metrics), relevant)
    found = mapped(both, work, SUMS).groupBy("name").agg(F.sum("n"), F.sum("total")).collect()
    tested.unpersist()
    rows.unpersist()
    return _report({name: (n, total) for name, n, total in found}, metrics, relevant)


def _report(sums: dict[str, tuple[int, float]], metrics: Sequence[str], relevant: float) -> Report:
    values = {}
    for name in metrics:
        count, total = sums.get(name, (0, 0.0))
        mean = total / count if count else float("nan")
        values[name] = mean**0.5 if name == "rmse" else mean
    n_users = sums["users"][0]
    if n_users == 0 and any("@" in name for name in metrics):
        raise RecsysError(
            f"no test rating is {relevant:g} or more, so no item is relevant to anyone; lower "
            "relevant="
        )
    counted = {name: sums[name][0] for name in ("left_out", "cold", "ratings")}
    return Report(
        values,
        pd.DataFrame(),
        n_users=n_users,
        n_left_out=counted["left_out"],
        n_cold=counted["cold"],
        n_ratings=counted["ratings"],
        relevant=relevant,
    )


def _with_rows(packed: DataFrame, rows: Rows) -> DataFrame:
    """Return the blocks of users with their rows in one record each."""
    return packed.join(rows.frame.select("key", "rows").hint("merge"), "key")


def _parts(rows: Rows, n_blocks: int, limit: int) -> list[list[int]]:
    """Return the blocks of items, as many at a time as `limit` bytes hold, at least one."""
    at_a_time = max(1, limit * n_blocks // max(rows.nbytes, 1))
    every = list(range(n_blocks))
    return [every[first : first + at_a_time] for first in range(0, n_blocks, at_a_time)]


# --- what runs in the workers ---------------------------------------------------------------------


def _list(model: ALS, part: Broadcast[Any], n_blocks: int, n: int) -> Work:
    """Return the function that lists the best of a part of the items for a block of users."""
    model = copy.copy(model)

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        use_cores()
        numbers, model.item_rows_ = part.value
        for block in records.read(batches):
            rows = block["rows"].reshape(-1, model.item_rows_.shape[1])
            seen = _only(_matrix(block), numbers)
            for start in range(0, len(rows), USERS_AT_A_TIME):
                some = np.arange(start, min(start + USERS_AT_A_TIME, len(rows)))
                items, scores = model._top(rows[some], n, seen.take(some))
                user, place = np.nonzero(items >= 0)
                columns = [
                    pa.array((some[user] * n_blocks + block["block"]).astype(np.int32)),
                    pa.array(numbers[items[user, place]].astype(np.int32)),
                    pa.array(scores[user, place]),
                ]
                yield pa.record_batch(columns, ["user", "item", "score"])

    return work


def _measure(
    model: ALS,
    blocks: Blocks,
    items: Broadcast[Any],
    metrics: Sequence[str],
    relevant: float,
) -> Work:
    """Return the function that measures a block of users: how many, and the sum of their values."""
    model, scale = copy.copy(model), blocks.scale
    ranked = [name for name in metrics if "@" in name]

    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        use_cores()
        for block in records.read(batches):
            if len(block["test_values"]) == 0:
                continue
            train, test = (
                _block_ratings(block, which, len(items.value), scale) for which in ("", "test_")
            )
            model.user_ids_, model.item_ids_, model.scale_ = train.user_ids, train.item_ids, scale
            model.item_rows_ = items.value
            model.user_rows_ = block["rows"].reshape(-1, model.item_rows_.shape[1])
            model._build_lookups()
            some = ranked if (test.by_user.values >= np.float32(relevant)).any() else []
            report = evaluation.evaluate(model, train, test, ["rmse", *some], relevant=relevant)
            yield _sums(report)

    return work


def _sums(report: Report) -> pa.RecordBatch:
    rows: list[tuple[str, int, float]] = [
        ("rmse", report.n_ratings, report.errors["squared"].sum()),
        ("mae", report.n_ratings, report.errors["absolute"].sum()),
        ("ratings", report.n_ratings, 0.0),
        ("users", report.n_users, 0.0),
        ("left_out", report.n_left_out, 0.0),
        ("cold", report.n_cold, 0.0),
    ]
    for name, column in report.per_user.items():
        rows.append((str(name), int(column.count()), column.sum()))
    names, counts, totals = zip(*rows, strict=True)
    columns = [pa.array(names), pa.array(counts, pa.int64()), pa.array(totals, pa.float64())]
    return pa.record_batch(columns, ["name", "n", "total"])


def _matrix(block: dict[str, Any], which: str = "") -> CSR:
    """Return the ratings of a block, the numbers of the other side as columns."""
    indptr, indices, values, others = (block[f"{which}{name}"] for name in (*CSR._fields, "others"))
    return CSR(indptr, others[indices], values)


def _only(matrix: CSR, numbers: np.ndarray) -> CSR:
    """Return the matrix with the columns `numbers` (ascending) alone, numbered anew."""
    place = np.minimum(np.searchsorted(numbers, matrix.indices), len(numbers) - 1)
    inside = numbers[place] == matrix.indices
    indptr = np.concatenate([[0], np.cumsum(inside)])[matrix.indptr]
    return CSR(indptr, place[inside].astype(np.int32), matrix.values[inside])


def _block_ratings(
    block: dict[str, Any], which: str, n_items: int, scale: tuple[float, float]
) -> Ratings:
    """Return the ratings of a block of users, who are numbered from 0, and of all items."""
    matrix = _matrix(block, which)
    users = np.arange(len(matrix.indptr) - 1)
    return Ratings(users, np.arange(n_items), matrix, scale=scale)
