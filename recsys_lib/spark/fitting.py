"""ALS on a cluster: the loop over epochs, and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from recsys_lib.errors import RecsysError, check_value, check_whole
from recsys_lib.kernels import als as kernels
from recsys_lib.models import ALS, BiasALS, GenreALS
from recsys_lib.models.training import Callback
from recsys_lib.progress import bar
from recsys_lib.spark.blocks import Blocks, Side
from recsys_lib.spark.rows import Rows, assembled, first_rows, half_step, hold
from recsys_lib.spark.tables import LEVEL

BROADCAST_LIMIT = 512 << 20


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
    """Fit a model of the ALS family on a cluster.

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

    Returns
    -------
    Fitted
        The rows, on the cluster; ``.model()`` returns an ordinary model.

    Raises
    ------
    DataError
        The ratings or the items cannot be read as such.
    RecsysError
        A parameter is out of its limits, or the model has another class.
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
    rows : dict of str to Rows
        Of the "users" and the "items".
    """

    def __init__(
        self, model: ALS, blocks: Blocks, items: pd.DataFrame | None, broadcast_limit: int
    ) -> None:
        self.params, self.blocks, self.limit = model.unfitted(), blocks, broadcast_limit
        self.params.mu_, self.counts = blocks.mean, blocks.items.collect_counts()
        self.params.init_features(blocks.items.collect_ids(), self.counts, items)
        side, size = blocks.items, self.params.n_factors + 1
        first = hold(side, size, first_rows(self.params, side), self._here(side))[0]
        self.rows: dict[str, Rows] = {"items": first}
        self.log: list[dict[str, Any]] = []

    def _here(self, side: Side) -> bool:
        few = 4 * side.n * (self.params.n_factors + 1) <= self.limit
        return few or (len(self.params.feature_names_) > 0 and side is self.blocks.items)

    @property
    def training_log_(self) -> pd.DataFrame:
        """One row per epoch, of epoch, loss, rmse_train, rmse_valid (NaN) and seconds."""
        return pd.DataFrame(self.log)

    def epoch(self) -> dict[str, Any]:
        """Solve the users, the items, and the features' rows; return the row of the log."""
        began = time.perf_counter()
        model, old = self.params, [*self.rows.values()]
        zero = np.zeros((1, model.n_factors + 1), np.float32)
        self.rows["users"], _, penalties = self._half_step("users", "items", zero)
        self.rows["items"], sse, squares = self._half_step("items", "users", model.item_priors_)
        if model.feature_names_:
            squares = self._solve_features()
        for rows in old:
            rows.release()
        row = {
            "epoch": len(self.log) + 1,
            "loss": model.loss(sse, penalties + squares),
            "rmse_train": float(np.sqrt(sse / self.blocks.n_ratings)),
            "rmse_valid": float("nan"),
            "seconds": time.perf_counter() - began,
        }
        self.log.append(row)
        return row

    def _half_step(
        self, name: str, other: str, prior: np.ndarray
    ) -> tuple[Rows, float, np.ndarray]:
        side = getattr(self.blocks, name)
        return half_step(self.params, side, self.rows[other], prior, self._here(side))

    def _solve_features(self) -> np.ndarray:
        """Solve the features' rows as `ALS` does; return Σ n^ν (x - m)² over the items' rows."""
        model, rows = self.params, self.rows["items"].collect()
        model.feature_rows_ = model.solve_features(self.counts, rows)
        model.item_priors_ = model.prior_means(model.feature_rows_)
        rows[self.counts == 0] = model.item_priors_[self.counts == 0]
        indptr = np.concatenate([[0], np.cumsum(self.counts)])
        return kernels.penalties(rows, indptr, float(model.nu), model.item_priors_)

    def keep(self) -> None:
        """Let Spark write the rows on the cluster and read them back: their history ends there."""
        for name, old in self.rows.items():
            if isinstance(old.held, DataFrame):
                self.rows[name] = Rows(old.side, old.size, old.held.checkpoint().persist(LEVEL))
                old.release()

    def write(self, path: str) -> None:
        """Write ``users`` and ``items`` as Parquet into a folder of any file system of Spark's.

        They have one row each: user_id or item_id, factors (array of float, K), bias (float).
        """
        for side in ("user", "item"):
            self.rows[f"{side}s"].table(f"{side}_id").write.parquet(f"{path}/{side}s")

    def model(self) -> ALS:
        """Collect the rows and the ratings into an ordinary model of the class that was fitted.

        Its predictions are those of the same model fitted in memory. The driver must have room for
        all of it; otherwise use `write`.
        """
        users, items = self.blocks.users, self.blocks.items
        ids = users.collect_ids(), items.collect_ids()
        rows = self.rows["users"].collect(), self.rows["items"].collect()
        scale = self.blocks.scale
        return assembled(self.params, ids, rows, users.collect_ratings(), scale, self.log)

    def release(self) -> None:
        """Free the memory of the cluster."""
        for rows in self.rows.values():
            rows.release()
        self.blocks.release()
