"""What a fit on a cluster leaves there: both sides' rows as tables, and the way home."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame

from recsys_lib.kernels import features as feature_kernels
from recsys_lib.models import ALS
from recsys_lib.ratings import CSR
from recsys_lib.spark import records
from recsys_lib.spark.blocks import Blocks, Side
from recsys_lib.spark.records import Batches, Work, mapped
from recsys_lib.spark.rows import Rows

FACTORS = "number int, factors array<float>, bias float"


class Fitted:
    """A fitted model whose rows are on the cluster.

    Attributes
    ----------
    blocks : Blocks
        The ratings that it was fitted on.
    history : DataFrame
        As that of `ALS`.
    """

    def __init__(
        self, params: ALS, blocks: Blocks, users: Rows, items: Rows, history: pd.DataFrame
    ) -> None:
        self.params, self.blocks, self.training_log_ = params, blocks, history
        self.user_rows, self.item_rows = users, items

    @property
    def users(self) -> DataFrame:
        """user_id, factors (array of float, K), bias (float): a row a user."""
        return self._factors(self.user_rows, self.blocks.users, "user_id")

    @property
    def items(self) -> DataFrame:
        """item_id, factors (array of float, K), bias (float): a row an item."""
        return self._factors(self.item_rows, self.blocks.items, "item_id")

    def _factors(self, rows: Rows, side: Side, name: str) -> DataFrame:
        blocks = rows.frame.select("block", "rows")
        plain = mapped(blocks, _unpack(side.n_blocks, rows.size), FACTORS)
        named = side.ids.withColumnRenamed("id", name)
        return named.join(plain, "number").select(name, "factors", "bias")

    def write(self, path: str) -> None:
        """Write ``users`` and ``items`` as Parquet into a folder of any file system of Spark's."""
        self.users.write.parquet(f"{path}/users")
        self.items.write.parquet(f"{path}/items")

    def model(self) -> ALS:
        """Collect the rows and the ratings into an ordinary model of the class that was fitted.

        What it predicts is what the same model predicts that was fitted in memory. The driver must
        have room for all of it; if it has not, `users`, `items` and `write` serve.
        """
        params, blocks = self.params, self.blocks
        item_rows = self.item_rows.collect()
        featured = len(params._betas) > 0
        matrix = params._feature_matrix if featured else _no_features(len(item_rows))
        priors = params._no_prior
        if featured:
            priors = np.empty_like(item_rows)
            feature_kernels.prior_means(*matrix, params.feature_rows_, priors)
        names = ("_feature_indptr", "_feature_indices", "_feature_values")
        rated = _collect_ratings(blocks.users)
        arrays = {
            "user_ids_": _collect_ids(blocks.users),
            "item_ids_": _collect_ids(blocks.items),
            "user_rows_": self.user_rows.collect(),
            "item_rows_": item_rows,
            "item_priors_": priors,
            "feature_rows_": params.feature_rows_,
            **dict(zip(names, matrix, strict=True)),
            **{f"rated.{name}": array for name, array in rated._asdict().items()},
        }
        meta = {
            "params": params.get_params(),
            "mu": blocks.mean,
            "scale": blocks.scale,
            "history": self.training_log_.to_dict("list"),
            "feature_names": params.feature_names_ if featured else [],
        }
        return type(params)._from_saved(arrays, meta)

    def release(self) -> None:
        """Give the cluster's memory back."""
        self.user_rows.release()
        self.item_rows.release()
        self.blocks.release()

    def __repr__(self) -> str:
        return f"Fitted({self.params!r}, {self.blocks!r})"


def _unpack(n_blocks: int, size: int) -> Work:
    def work(batches: Batches) -> Iterator[pa.RecordBatch]:
        for one in records.read(batches):
            rows = one["rows"].reshape(-1, size)
            numbers = np.arange(len(rows), dtype=np.int32) * n_blocks + one["block"]
            ends = np.arange(len(rows) + 1, dtype=np.int32) * (size - 1)
            factors = pa.ListArray.from_arrays(ends, np.ascontiguousarray(rows[:, :-1]).ravel())
            columns = [pa.array(numbers, pa.int32()), factors, pa.array(rows[:, -1].copy())]
            yield pa.record_batch(columns, ["number", "factors", "bias"])

    return work


def _no_features(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(n + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)


def _collect_ids(side: Side) -> np.ndarray:
    ids: Any = side.ids.sort("number").toArrow().column("id").to_numpy()
    return ids


def _collect_ratings(users: Side) -> CSR:
    """Return all ratings by user, from the blocks of users."""
    names = "block", "indptr", "others", "indices", "values"
    found = list(records.read(users.packed.select(*names).toArrow().to_batches()))
    counts = np.empty(users.n, np.int64)
    for one in found:
        counts[one["block"] :: users.n_blocks] = np.diff(one["indptr"])
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    for one in found:
        shift = indptr[:-1][one["block"] :: users.n_blocks] - one["indptr"][:-1]
        where = np.repeat(shift, np.diff(one["indptr"])) + np.arange(one["indptr"][-1])
        indices[where] = one["others"][one["indices"]]
        values[where] = one["values"]
    return CSR(indptr, indices, values)
