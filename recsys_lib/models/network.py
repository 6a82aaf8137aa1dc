"""What the networks share: the loop over epochs, when to stop, and how to go on.

PyTorch trains and nothing else: what a fitted network needs to serve is NumPy arrays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from recsys_lib import io
from recsys_lib.errors import RecsysError

from recsys_lib.models.implicit_feedback import ImplicitFeedbackModel, some_of
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR, Ratings


class Job(Protocol):
    """What PyTorch does for a model: the part of a fit that a file of its own holds."""

    state: Any  # torch_training.State
    multiplications: float  # in a batch's largest product

    @property
    def n_batches(self) -> int:
        """Batches in an epoch."""

    def epoch(self) -> Iterator[tuple[float, int]]:
        """Learn from each batch; yield its mean loss and how much it holds."""

    def loss_valid(self) -> float:
        """Return the mean loss on the validation part; NaN where there is none."""


class NetworkModel(ImplicitFeedbackModel):
    """Base class of the networks.

    A network fills in `_job`, which makes the PyTorch side, and `_export`, which turns its weights
    into the arrays of `_learnt`; and the methods that every model fills in.
    """

    learning_rate: float
    weight_decay: float
    dropout: float
    batch_size: int
    n_epochs: int
    patience: int | None
    stop_on: str
    seed: int
    device: str

    def _job(self, train: Ratings, likes: CSR, held: Held) -> Job:
        raise NotImplementedError

    def _export(self, state: Any) -> None:
        raise NotImplementedError

    def _prepare(
        self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None
    ) -> None:
        """Read what the model wants of the tables, before anything is learnt."""

    def _watch(self, valid: Ratings | None, history: Ratings | None) -> Any:
        return Watch(self, valid, history)

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        history: Ratings | None = None,
        users: pd.DataFrame | None = None,
    ) -> Self:
        """Learn from `train`; see `Recommender.fit`.

        With `valid`, the weights of the best epoch are kept. `history` is what is shown of its
        users, where those are strangers to `train`. `resume` goes on from the checkpoint in
        `run_dir`, on a processor with the same result as if the run had never been interrupted;
        `n_epochs` may have been raised meanwhile. `users` is what is known of the users: a column
        ``user_id`` and others; used by models that read it.

        Raises
        ------
        RecsysError
            PyTorch is not installed, or a parameter has no sense.
        """
        training = self._torch()
        self._check_parameters()
        self._remember(train)
        self._prepare(train, items, users)
        watch = self._watch(valid, history)
        job = self._job(train, self._likes(train), Held(self, train, valid, history))
        state = job.state
        if resume:
            state.from_arrays(*checkpoints.load(run_dir, self))
        log = io.RunLog(run_dir, keep=state.epoch)
        total, done = self.n_epochs * job.n_batches, state.epoch * job.n_batches
        name = type(self).__name__
        steps = bar(progress, total=total, initial=done, desc=name)
        with training.repeatable(job.multiplications), steps:
            while state.epoch < self.n_epochs and not self._has_enough(state):
                began, sums = time.perf_counter(), np.zeros(2)
                for loss, size in job.epoch():
                    sums += loss * size, size
                    steps.update()
                seconds = time.perf_counter() - began
                self._export(state)
                row = {
                    "epoch": state.epoch + 1,
                    "loss": float(sums[0] / sums[1]),
                    "loss_valid": job.loss_valid(),
                    "ndcg_valid": watch.ndcg(),
                    "seconds": seconds,
                }
                if not np.isfinite(row["loss"]):
                    raise RecsysError(
                        f"the steps grow without bound: learning_rate {self.learning_rate!r} is "
                        "too large"
                    )
                state.end_epoch(row["ndcg_valid"] if self.stop_on == "ndcg" else -row["loss_valid"])
                log.write(**row)
                arrays, more = state.to_arrays() if run_dir is not None else ({}, {})
                checkpoints.save(run_dir, self, state.epoch, arrays, **more)
                steps.set_postfix_str(f"loss {row['loss']:.4f} ndcg_valid {row['ndcg_valid']:.4f}")
        state.restore_best()
        self._export(state)
        self.training_log_ = log.table()
        return self

    def _has_enough(self, state: Any) -> bool:
        return self.patience is not None and state.epoch - state.best_epoch >= self.patience

    def _torch(self) -> Any:
        """Return the module that needs PyTorch, or say that PyTorch is missing."""
        try:
            from recsys_lib.models import torch_training
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise RecsysError(
                f"{type(self).__name__} is trained by PyTorch, which is not installed here: "
                "pip install torch"
            ) from error
        return torch_training

    def _check_parameters(self) -> None:
        for name in ("learning_rate", "batch_size", "n_epochs"):
            if not getattr(self, name) > 0:
                raise RecsysError(f"{name} is {getattr(self, name)!r}; it must be above 0")
        if not self.weight_decay >= 0:
            raise RecsysError(f"weight_decay is {self.weight_decay!r}; it must be 0 or more")
        if not 0 <= self.dropout < 1:
            raise RecsysError(f"dropout is {self.dropout!r}; it must be from 0 to below 1")
        if self.patience is not None and not self.patience >= 1:
            raise RecsysError(f"patience is {self.patience!r}; it must be 1 or more, or None")
        if self.stop_on not in ("ndcg", "loss"):
            raise RecsysError(f"stop_on is {self.stop_on!r}; it must be 'ndcg' or 'loss'")


class Held:
    """The validation part as a network meets it.

    Attributes
    ----------
    users : (m,) int
        Those with a like in it, or `some_of` them; none where there is no such part.
    strangers : bool
        Whether they are strangers to the training part.
    shown, asked : CSR (m, n_items), or None
        Likes of each that go in, and those that should come out.
    """

    shown: CSR | None = None
    asked: CSR | None = None

    def __init__(
        self,
        model: ImplicitFeedbackModel,
        train: Ratings,
        valid: Ratings | None,
        history: Ratings | None,
    ) -> None:
        self.users, self.strangers = np.empty(0, np.int64), history is not None
        if valid is None:
            return
        asked = model._liked(valid.by_user)
        shown = model._liked((train if history is None else history).by_user)
        self.users = some_of(np.flatnonzero(asked.counts > 0))
        self.shown, self.asked = shown.take(self.users), asked.take(self.users)
