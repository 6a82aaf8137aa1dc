"""ALS on a cluster: the loop over epochs, which holds no ratings and no more rows than it must."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from recsys_lib.errors import RecsysError
from recsys_lib.kernels import features as feature_kernels
from recsys_lib.models import ALS, BiasALS, GenreALS
from recsys_lib.progress import bar
from recsys_lib.spark import records
from recsys_lib.spark.blocks import Blocks
from recsys_lib.spark.checkpoints import Checkpoints, State
from recsys_lib.spark.fitted import Fitted
from recsys_lib.spark.rows import Prior, Rows, fill_unrated, first_rows, half_step

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
        Whose parameters to use; it stays as it is.
    ratings : pyspark DataFrame or Blocks
        What to learn from: a table with user_id, item_id and rating, or `Blocks.from_frame` of a
        table with other names.
    items : DataFrame, optional
        The catalogue (``item_id``, ``genres``), as for `GenreALS.fit`: small enough for the driver.
        With a table of ratings, its items belong to the model even if nobody has rated them.
    broadcast_limit : int
        Bytes. Rows of a side that take more are shipped in blocks, see `recsys_lib.spark.rows`.
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
        Called after each epoch with its row of the history; what it raises ends the fit.

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
    model._check_parameters()
    if every < 1:
        raise RecsysError(f"every is {every}; a checkpoint is written after at least one epoch")
    run = _Run(model, _blocks(ratings, items), items, broadcast_limit)
    kept = Checkpoints(run.blocks.session, checkpoint, run.facts())
    state = kept.begin(resume) or run.first()
    steps = bar(progress, total=model.n_epochs, initial=state.epoch, desc=type(model).__name__)
    with steps:
        while state.epoch < model.n_epochs:
            state = run.epoch(state)
            if state.epoch % every == 0 or state.epoch == model.n_epochs:
                state = kept.keep(state)
            steps.update()
            steps.set_postfix_str(f"train {state.history[-1]['rmse_train']:.4f}")
            if callback is not None:
                callback(state.history[-1])
    return run.finish(state)


def _blocks(ratings: DataFrame | Blocks, items: pd.DataFrame | None) -> Blocks:
    if isinstance(ratings, Blocks):
        return ratings
    if items is None or "item_id" not in items.columns:
        return Blocks.from_frame(ratings)
    return Blocks.from_frame(ratings, item_ids=items["item_id"])


class _Run:
    """What an epoch needs and does not change."""

    def __init__(
        self, model: ALS, blocks: Blocks, items: pd.DataFrame | None, broadcast_limit: int
    ) -> None:
        self.model, self.blocks, self.limit = copy.copy(model), blocks, broadcast_limit
        self.model.mu_ = blocks.mean
        self.features = None
        self.model._betas = np.empty(0)
        if model.popularity is not None or isinstance(model, GenreALS):
            item_ids, counts = self._catalogue()
            self.model._start_features(item_ids, counts, items)
            arrays = *self.model._feature_matrix, counts
            self.features = blocks.session.sparkContext.broadcast(arrays)

    def _catalogue(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the items' ids and how often each is rated."""
        side = self.blocks.items
        ids = side.ids.sort("number").toArrow().column("id").to_numpy()
        counts = np.zeros(side.n, np.int64)
        for one in records.read(side.packed.select("block", "indptr").toArrow().to_batches()):
            counts[one["block"] :: side.n_blocks] = np.diff(one["indptr"])
        return ids, counts

    def facts(self) -> dict[str, Any]:
        """Return what another run must have in common with this one to go on with it."""
        blocks = self.blocks
        return {
            "class": type(self.model).__name__,
            **self.model.get_params(),
            "n_epochs": None,  # may be raised
            "n_factors": self.model.n_factors,  # which `BiasALS` does not call a parameter
            "n_blocks": blocks.users.n_blocks,
            "n_users": blocks.users.n,
            "n_items": blocks.items.n,
            "n_ratings": blocks.n_ratings,
            "mean": blocks.mean,
        }

    def first(self) -> State:
        """Return the state before the first epoch."""
        rows = first_rows(self.blocks.session, self.blocks.items, self.model)
        n_features = len(self.model._betas)
        return State(0, None, rows, np.zeros((n_features, rows.size), np.float32), [])

    def epoch(self, state: State) -> State:
        """Solve the users, the items, and the features' rows."""
        began = time.perf_counter()
        model, blocks = self.model, self.blocks
        users = half_step(model, blocks.users, state.items, None, self.limit)
        items = half_step(model, blocks.items, users, self._prior(state.feature_rows), self.limit)
        feature_rows, penalty = self._features(items.sums)
        seconds = time.perf_counter() - began
        state.release()
        sse = float(items.sums["sse"])
        weighed = model._penalty.astype(np.float64) @ (users.sums["squares"] + penalty)
        features = model._betas @ np.square(feature_rows, dtype=np.float64).sum(axis=1)
        row = {
            "epoch": state.epoch + 1,
            "loss": 0.5 * float(model.lam * sse + weighed + features),
            "rmse_train": float(np.sqrt(sse / blocks.n_ratings)),
            "rmse_valid": float("nan"),
            "seconds": seconds,
        }
        return State(state.epoch + 1, users, items, feature_rows, [*state.history, row])

    def _prior(self, feature_rows: np.ndarray) -> Prior | None:
        return None if self.features is None else Prior(self.features, feature_rows)

    def _features(self, sums: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the features' rows, and the items' Σ n^ν (x - m)² about the new prior means m.

        With m = Fᵀf, it is Σ n^ν x² - 2 fᵀ(Σ n^ν F x) + fᵀ(Σ n^ν F Fᵀ)f: of sums that are at hand.
        """
        n_features, squares = len(self.model._betas), sums["squares"]
        if not n_features:
            return np.zeros((0, len(squares)), np.float32), squares
        gram = sums["gram"].reshape(n_features, n_features)
        target = sums["target"].reshape(-1, n_features)
        found = feature_kernels.solve_sums(gram, target, self.model._penalty, self.model._betas)
        rows = found.astype(np.float32)
        f = rows.astype(np.float64)
        meet = np.einsum("kg,gk->k", target, f)
        return rows, squares - 2 * meet + np.einsum("gk,gh,hk->k", f, gram, f)

    def finish(self, state: State) -> Fitted:
        """Return what `fit` returns."""
        items: Rows = state.items
        prior = self._prior(state.feature_rows)
        if prior is not None:
            items = fill_unrated(state.items, prior, self.blocks.items.keys)
        assert state.users is not None
        state.users.hold()
        items.hold()
        self.model.feature_rows_ = state.feature_rows
        history = pd.DataFrame(state.history)
        return Fitted(self.model, self.blocks, state.users, items, history)
