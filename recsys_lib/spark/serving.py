"""Lists of all users and their evaluation, on the cluster.

Each block of users becomes a small model with all items, whose lists and metrics come from the same
code as in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys_lib import evaluation
from recsys_lib.errors import DataError, RecsysError, check_whole
from recsys_lib.evaluation import Report
from recsys_lib.metrics import parse
from recsys_lib.models import ALS
from recsys_lib.ratings import CSR, Ratings
from recsys_lib.spark import tables
from recsys_lib.spark.blocks import Batches, mapped, matrix, pack, read
from recsys_lib.spark.fitting import Fitted, assembled, bare

LISTS = "user int, rank int, item int, score float"
SUMS = "name string, n bigint, total double"
COUNTED = "users", "left_out", "cold", "ratings"  # of what a report says the number
MEASURED = ("rmse", "mae", "precision", "recall", "ndcg", "map", "mrr", "hit_rate")


def recommend(fitted: Fitted, n: int = 10) -> DataFrame:
    """Return the best `n` items that each user of the model has not rated.

    They are a pyspark DataFrame with user_id, rank (from 1), item_id and score: the rows of
    ``model.recommend``, in no order.
    """
    check_whole("n", n, 1)
    users, items = fitted.blocks.users, fitted.blocks.items
    n_blocks = users.n_blocks

    def best(block: dict[str, Any], model: ALS) -> pa.RecordBatch:
        items, scores = model.rank(np.arange(len(model.user_ids_)), n)
        user, place = np.nonzero(items >= 0)
        lists = {
            "user": (user * n_blocks + block["block"]).astype(np.int32),
            "rank": (place + 1).astype(np.int32),
            "item": items[user, place],
            "score": scores[user, place],
        }
        return pa.RecordBatch.from_pydict(lists)

    lists = _of_each_block(fitted, fitted.with_ratings("users"), best, LISTS)
    for name, side in (("user", users), ("item", items)):
        named = side.ids.withColumnsRenamed({"id": f"{name}_id", "number": name})
        lists = lists.join(named, name)
    return lists.select("user_id", "rank", "item_id", "score")


def evaluate(
    fitted: Fitted,
    test: DataFrame,
    metrics: Sequence[str] = evaluation.DEFAULT_METRICS,
    *,
    relevant: float = 4.0,
) -> Report:
    """Evaluate a fitted model on a test part, on the cluster, by lists of the whole catalogue.

    `test` is a pyspark DataFrame as for `Blocks.from_frame`; the model must know all of its users
    and items (``user_ids`` and ``item_ids`` there). `metrics`, of those of `MEASURED`, and
    `relevant` are as for `evaluation.evaluate`, and so is the `Report`, but without tables of
    single users. Raises `DataError` if the test part cannot be read as ratings or has unknown users
    or items, and `RecsysError` for another metric, or if no test rating is relevant.
    """
    for name, (kind, _) in parse(metrics).items():
        if kind not in MEASURED:
            raise RecsysError(f"on Spark there are {', '.join(MEASURED)}; {name!r} is not of them")
    blocks, users = fitted.blocks, fitted.blocks.users
    ratings, _, n = tables.read(test, blocks.scale)
    known = tables.by_number(ratings, users.ids, blocks.items.ids)
    tested = pack(known, "user", "item", users.n, users.n_blocks)
    there = tested.agg(F.sum("n") + F.sum("n_duplicates")).collect()[0][0]
    if there != n:
        tested.unpersist()
        raise DataError(
            f"{n - there} of {n} test ratings are of users or items that the model was not told "
            "of; give all of them to Blocks.from_frame as user_ids= and item_ids="
        )
    asked = tested.where("n > 0").selectExpr(
        "block", *(f"{name} as test_{name}" for name in (*CSR._fields, "others"))
    )
    both = fitted.with_ratings("users").join(asked.hint("merge"), "block")
    scale, ranked = blocks.scale, [name for name in metrics if "@" in name]

    def measure(block: dict[str, Any], model: ALS) -> pa.RecordBatch:
        train, test = (
            Ratings(model.user_ids_, model.item_ids_, some, scale=scale)
            for some in (model.known_ratings(), matrix(block, "test_"))
        )
        there = (test.by_user.values >= np.float32(relevant)).any()
        asked = ["rmse", *(ranked if there else [])]
        return _sums(evaluation.evaluate(model, train, test, asked, relevant=relevant))

    found = _of_each_block(fitted, both, measure, SUMS).toArrow().to_pandas().groupby("name").sum()
    tested.unpersist()
    n, means = found["n"], found["total"] / found["n"].where(found["n"] > 0)
    if ranked and n["users"] == 0:
        raise RecsysError(
            f"no test rating is {relevant:g} or more, so no item is relevant to anyone; lower "
            "relevant="
        )
    values = {name: float(means.get(name, np.nan)) for name in metrics}
    if "rmse" in values:
        values["rmse"] **= 0.5
    counts: Any = {f"n_{name}": int(n[name]) for name in COUNTED}
    return Report(values, pd.DataFrame(), **counts, relevant=relevant)


def _of_each_block(
    fitted: Fitted,
    frame: DataFrame,
    work: Callable[[dict[str, Any], ALS], pa.RecordBatch],
    schema: str,
) -> DataFrame:
    """Return what `work` makes, in the workers, of each block of users in `frame`.

    It is given the block and its model, of these users and of all items, both numbered from 0. All
    items' rows are broadcast.
    """
    params, scale = bare(fitted.params), fitted.blocks.scale
    sent = fitted.blocks.users.session.sparkContext.broadcast(fitted.collect("items"))

    def every(batches: Batches) -> Iterator[pa.RecordBatch]:
        rows = sent.value
        for block in read(batches):
            known, mine = matrix(block), block["rows"].reshape(-1, rows.shape[1])
            ids = np.arange(len(known.counts)), np.arange(len(rows))
            yield work(block, assembled(params, ids, (mine, rows), known, scale, []))

    return mapped(frame, every, schema)


def _sums(report: Report) -> pa.RecordBatch:
    """Return of how many things a report is, and the sum of their values."""
    found = {name: (getattr(report, f"n_{name}"), 0.0) for name in COUNTED}
    found["rmse"] = report.n_ratings, report.errors["squared"].sum()
    found["mae"] = report.n_ratings, report.errors["absolute"].sum()
    found |= {str(name): (column.count(), column.sum()) for name, column in report.per_user.items()}
    counts, totals = zip(*found.values(), strict=True)
    return pa.RecordBatch.from_pydict({"name": list(found), "n": counts, "total": totals})
