"""ALS on a cluster: the loop over epochs, its checkpoints, and what it leaves.

A checkpoint is a folder, ``epoch-00005``: ``users`` and ``items``, the rows in blocks as Parquet,
and ``run``, a line of JSON: the log so far, and what the run was. That line is written last:
without it there is no checkpoint. Only the last checkpoint is kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from recsys_lib.errors import RecsysError
from recsys_lib.kernels import als as kernels
from recsys_lib.models import ALS, BiasALS, GenreALS
from recsys_lib.progress import bar
from recsys_lib.spark.blocks import Blocks, Side
from recsys_lib.spark.rows import Rows, assembled, first_rows, half_step

BROADCAST_LIMIT = 512 << 20


def fit(
    model: ALS,
    ratings: DataFrame | Blocks,
    items: pd.DataFrame | None = None,
    *,
    broadcast_limit: int = BROADCAST_LIMIT,
    checkpoint: str | None = None,
    every: int = 5,
    resume: bool = False,
    progress: bool | None = None,
    callback: Callable[[dict[str, Any]], None] | None = None,
) -> Fitted:
    """Fit a model of the ALS family on a cluster.

    Parameters
    ----------
    model : ALS, BiasALS or GenreALS
        Whose parameters to use, less `patience`: no validation part is measured. It stays as it is.
    ratings : pyspark DataFrame or Blocks
        What to learn from: a table with user_id, item_id and rating, or `Blocks.from_frame` of a
        table with other names.
    items : DataFrame, optional
        The catalogue (``item_id``, ``genres``), as for `GenreALS.fit`: small enough for the driver.
        With a table of ratings, its items belong to the model even if nobody has rated them.
    broadcast_limit : int
        Bytes. Rows of a side that take more are shuffled, see `recsys_lib.spark.rows`. The items'
        rows of a model with genres or popularity are in the driver in any case.
    checkpoint : str, optional
        A folder on any file system that Spark writes to and all executors read. After each `every`
        epochs the rows are written there, and read back: what an executor takes with it when it
        dies is never more than `every` epochs' work.
    every : int
        See there.
    resume : bool
        Go on from the last checkpoint, with the result of a run that was never interrupted;
        ``n_epochs`` may have been raised meanwhile.
    progress : bool, optional
        Whether to draw a bar; by default where somebody watches.
    callback : function, optional
        Called after each epoch with its row of the log; what it raises ends the fit.

    Returns
    -------
    Fitted
        The rows, still on the cluster; ``.model()`` brings the ordinary model home.

    Raises
    ------
    DataError
        The ratings or the items cannot be read as such.
    RecsysError
        A parameter is out of bounds; the model is of another kind; a checkpoint is of another run.
    """
    if type(model) not in (ALS, BiasALS, GenreALS):
        raise RecsysError(
            f"Spark fits ALS, BiasALS and GenreALS; {type(model).__name__} is fitted in memory"
        )
    model.check_parameters()
    if every < 1:
        raise RecsysError(f"every is {every}; a checkpoint is written after at least one epoch")
    if not isinstance(ratings, Blocks):
        known = None if items is None or "item_id" not in items.columns else items["item_id"]
        ratings = Blocks.from_frame(ratings, item_ids=known)
    fitted = Fitted(model, ratings, items, broadcast_limit)
    if checkpoint is not None:
        fitted.begin(checkpoint, resume)
    elif resume:
        raise RecsysError("resume=True needs checkpoint, the folder of the run")
    done = len(fitted.log)
    steps = bar(progress, total=model.n_epochs, initial=done, desc=type(model).__name__)
    with steps:
        for epoch in range(done + 1, model.n_epochs + 1):
            row = fitted.epoch()
            if checkpoint is not None and (epoch % every == 0 or epoch == model.n_epochs):
                fitted.keep(checkpoint)
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
    user_rows, item_rows : Rows
    log : list of dict
        A row an epoch, as in the ``training_log_`` of `ALS`.
    """

    def __init__(
        self, model: ALS, blocks: Blocks, items: pd.DataFrame | None, broadcast_limit: int
    ) -> None:
        self.params = model.unfitted()
        self.blocks, self.limit = blocks, broadcast_limit
        self.params.mu_ = blocks.mean
        self.featured = isinstance(model, GenreALS) or model.popularity is not None
        ids, self.counts = np.empty(0), np.empty(0, np.int64)
        if self.featured:
            ids, self.counts = blocks.items.collect_ids(), blocks.items.collect_counts()
        self.params.init_features(ids, self.counts, items)
        self.item_rows = first_rows(self.params, blocks.items, self._here(blocks.items))
        self.user_rows: Rows | None = None
        self.log: list[dict[str, Any]] = []

    def _here(self, side: Side) -> bool:
        few = 4 * side.n * (self.params.n_factors + 1) <= self.limit
        return few or (self.featured and side is self.blocks.items)

    @property
    def training_log_(self) -> pd.DataFrame:
        """A row an epoch: epoch, loss, rmse_train, rmse_valid (NaN), seconds."""
        return pd.DataFrame(self.log)

    def epoch(self) -> dict[str, Any]:
        """Solve the users, the items, and the features' rows; return the row of the log."""
        began = time.perf_counter()
        model, old = self.params, (self.user_rows, self.item_rows)
        zero = np.zeros((1, model.n_factors + 1), np.float32)
        users, items = self.blocks.users, self.blocks.items
        self.user_rows, _, penalties = half_step(
            model, users, self.item_rows, zero, self.limit, self._here(users)
        )
        self.item_rows, sse, squares = half_step(
            model, items, self.user_rows, model.item_priors_, self.limit, self._here(items)
        )
        if self.featured:
            squares = self._solve_features()
        for rows in old:
            if rows is not None:
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

    def _solve_features(self) -> np.ndarray:
        """Solve the features' rows as `ALS` does; return Σ n^ν (x - m)² over the items' rows."""
        model, rows = self.params, self.item_rows.collect()
        model.feature_rows_ = model.solve_features(self.counts, rows)
        model.item_priors_ = model.prior_means(model.feature_rows_)
        rows[self.counts == 0] = model.item_priors_[self.counts == 0]
        indptr = np.concatenate([[0], np.cumsum(self.counts)])
        return kernels.penalties(rows, indptr, float(model.nu), model.item_priors_)

    # ---- checkpoints

    def begin(self, folder: str, resume: bool) -> None:
        """Take up the last checkpoint in `folder`; if there is to be none, see that there is none.

        Raises
        ------
        RecsysError
            There is no checkpoint to resume from, or it is of another run; or there is one, and
            the run was not to be resumed.
        """
        files, pattern = self._files(f"{folder}/epoch-*/run/part-*")
        found = sorted(status.getPath().toString() for status in files.globStatus(pattern) or [])
        if found and not resume:
            raise RecsysError(
                f"{folder!r} holds the checkpoints of a run already; go on with it by "
                "resume=True, or name another folder"
            )
        if not resume:
            return
        if not found:
            raise RecsysError(f"there is no checkpoint in {folder!r} to resume from")
        run = json.loads(self.blocks.users.session.read.text(found[-1]).collect()[0].value)
        mine, its = self._facts(), run["facts"]
        differ = [name for name in mine | its if mine.get(name) != its.get(name)]
        if differ:
            pairs = (f"{name} {its.get(name)!r}, here {mine.get(name)!r}" for name in differ)
            raise RecsysError(
                f"the run in {folder!r} had other parameters or data ({'; '.join(pairs)})"
            )
        self.log = run["log"]
        self._read(folder)
        if self.featured:
            self._solve_features()

    def keep(self, folder: str) -> None:
        """Write a checkpoint and read the rows back: with it, their history of computation ends."""
        assert self.user_rows is not None
        path = self._path(folder)
        for name, rows in (("users", self.user_rows), ("items", self.item_rows)):
            rows.dealt().write.mode("overwrite").parquet(f"{path}/{name}")
        text = json.dumps({"facts": self._facts(), "log": self.log})
        line = self.blocks.users.session.createDataFrame([(text,)], "value string").coalesce(1)
        line.write.mode("overwrite").text(f"{path}/run")
        self.user_rows.release()
        self.item_rows.release()
        self._read(folder)
        files, pattern = self._files(f"{folder}/epoch-*")
        for status in files.globStatus(pattern):  # nothing is computed from these any more
            if status.getPath().getName() != path.rsplit("/", 1)[1]:
                files.delete(status.getPath(), True)

    def _read(self, folder: str) -> None:
        sides = {"users": self.blocks.users, "items": self.blocks.items}
        rows = {}
        for name, side in sides.items():
            frame = self.blocks.users.session.read.parquet(f"{self._path(folder)}/{name}")
            dealt = frame.repartition(side.n_blocks, "key")
            rows[name] = Rows.held(side, self.params.n_factors + 1, dealt, self._here(side))
        self.user_rows, self.item_rows = rows["users"], rows["items"]

    def _path(self, folder: str) -> str:
        return f"{folder}/epoch-{len(self.log):05}"

    def _facts(self) -> dict[str, Any]:
        """Return what another run must have in common with this one to go on with it."""
        params, blocks = self.params, self.blocks
        return {
            "class": type(params).__name__,
            **params.get_params(),
            "n_epochs": None,  # may be raised
            "n_blocks": blocks.users.n_blocks,
            "n_users": blocks.users.n,
            "n_items": blocks.items.n,
            "n_ratings": blocks.n_ratings,
            "mean": blocks.mean,
        }

    def _files(self, path: str) -> tuple[Any, Any]:
        """Return Hadoop's file system of a path, and the path as it knows it."""
        context: Any = self.blocks.users.session.sparkContext
        place = context._jvm.org.apache.hadoop.fs.Path(path)
        return place.getFileSystem(context._jsc.hadoopConfiguration()), place

    # ---- what is left

    @property
    def users(self) -> DataFrame:
        """user_id, factors (array of float, K), bias (float): a row a user."""
        assert self.user_rows is not None
        return self.user_rows.table("user_id")

    @property
    def items(self) -> DataFrame:
        """item_id, factors (array of float, K), bias (float): a row an item."""
        return self.item_rows.table("item_id")

    def write(self, path: str) -> None:
        """Write ``users`` and ``items`` as Parquet into a folder of any file system of Spark's."""
        self.users.write.parquet(f"{path}/users")
        self.items.write.parquet(f"{path}/items")

    def model(self) -> ALS:
        """Collect the rows and the ratings into an ordinary model of the class that was fitted.

        What it predicts is what the same model predicts that was fitted in memory. The driver must
        have room for all of it; if it has not, `users`, `items` and `write` serve.
        """
        assert self.user_rows is not None
        blocks, params = self.blocks, self.params
        ids = blocks.users.collect_ids(), blocks.items.collect_ids()
        if not self.featured:
            params.init_features(ids[1], blocks.items.collect_counts(), None)
        return assembled(
            params, *ids, blocks.users.collect_ratings(), blocks.scale,
            self.user_rows.collect(), self.item_rows.collect(), self.training_log_,
        )  # fmt: skip

    def release(self) -> None:
        """Give the cluster's memory back."""
        for one in (self.user_rows, self.item_rows, self.blocks):
            if one is not None:
                one.release()

    def __repr__(self) -> str:
        return f"Fitted({self.params!r}, {self.blocks!r})"
