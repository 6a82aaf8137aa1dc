"""The contract of every model: fitting, vectors, ranking, recommending, saving.

A model of the linear kind scores a user and an item by the product of two vectors. It writes
`_init`, `_epoch`, `user_vectors` and `item_vectors`, and has the rest.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution

from recsys_lib.errors import DataError
from recsys_lib.kernels import ranking
from recsys_lib.models.known import USERS_AT_A_TIME
from recsys_lib.models.lists import Lists
from recsys_lib.models.training import Callback, Run
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR, Ratings


@dataclass(eq=False, repr=False)
class Recommender(Lists):
    """Base class of the models: see the module's text.

    Parameters of a model are the fields of its dataclass. What `fit` learns are the attributes that
    end in an underscore; they are what `save` writes.
    """

    predicts_ratings: ClassVar[bool] = False
    search_space: ClassVar[dict[str, BaseDistribution]] = {}  # where `tuning` looks
    monitor: ClassVar[tuple[str, str]]  # what early stopping watches: a column, "min" or "max"
    # No annotations here: a model that has these as parameters declares them in its own order.
    n_epochs = 1
    patience = None  # type: int | None # epochs without a better one before training stops
    _users_at_a_time: ClassVar[int] = USERS_AT_A_TIME  # whose vectors are made together to rank

    # ---- what a model writes

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        """Set what fitting starts from. `_rng`, if there is a seed, and `_valid` are there."""
        raise NotImplementedError

    def _epoch(self, train: Ratings) -> dict[str, float]:
        """Run one epoch; return what the log shows of it."""
        raise NotImplementedError

    def _validate(self) -> dict[str, float]:
        """Return what the log shows of the validation part; NaN where there is none."""
        return {}

    def _finish(self) -> None:
        """Do what is left after the last epoch."""

    def _checkpoint(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what a run needs to go on, beside what was learnt: arrays, and what JSON knows."""
        rng = getattr(self, "_rng", None)
        return {}, {"rng": None if rng is None else rng.bit_generator.state}

    def _resume(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Take up what `_checkpoint` returned; what was learnt is there already."""
        if meta["rng"] is not None:
            self._rng.bit_generator.state = meta["rng"]

    def user_vectors(self, ratings: CSR) -> np.ndarray:
        """Return users' vectors (m, D) float32 from their ratings alone: fold strangers in.

        Parameters
        ----------
        ratings : CSR (m, n_items)
            A row a user; columns are positions in `item_ids_`.
        """
        raise NotImplementedError

    def item_vectors(self) -> np.ndarray:
        """Return the items' vectors (n_items, D) float32.

        A score is the product with a user's vector; where the model's `ends_in_bias`, the last
        columns of both are added instead of multiplied. Rating models add the mean rating `mu_`.
        """
        raise NotImplementedError

    # ---- fitting

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        *,
        valid_input: Ratings | None = None,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,
        callback: Callback | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: bool | None = None,
    ) -> Self:
        """Learn from `train`.

        Parameters
        ----------
        train, valid : Ratings
            Parts of one split: they share users and items. `valid` is measured after each epoch;
            where the model has `patience`, it decides when to stop and which epoch is kept.
        valid_input : Ratings, optional
            What is known of the users of `valid`, where those are strangers to `train`.
        items, users : DataFrame, optional
            What is known of items (``item_id``, ``genres``, ...) and of users (``user_id``, ...),
            for models that read it.
        callback : callable, optional
            Called after each epoch with its row of `training_log_`; what it raises ends the fit.
        run_dir : path, optional
            Folder for ``log.jsonl`` and a checkpoint after each epoch.
        resume : bool
            Go on from the checkpoint in `run_dir`, with the same result as if the run had never
            been interrupted. `n_epochs` may have been raised meanwhile.
        progress : bool, optional
            Whether to draw a bar; by default where somebody watches.

        Raises
        ------
        RecsysError
            A parameter is out of its limits, or the run in `run_dir` had others.
        DataError
            A part is empty or numbers other users or items than `train`.
        """
        self.check_parameters()
        parts = {"train": train, "valid": valid, "valid_input": valid_input}
        for name, part in parts.items():
            if not isinstance(part, Ratings) and (part is not None or name == "train"):
                raise DataError(
                    f"{name} is {type(part).__name__}, not Ratings; build one with "
                    "Ratings.from_frame"
                )
        if len(train) == 0:
            raise DataError("the training part holds no rating; take a larger share for training")
        for name, part in parts.items():
            if part is not None and not train.same_universe(part):
                raise DataError(
                    f"train and {name} number other users or items; take both from one split"
                )
        if hasattr(self, "seed"):
            self._rng = np.random.default_rng(self.seed)
        self._valid, self._valid_input = valid, valid_input
        self._remember(train)
        self._init(train, items, users)
        run = Run(run_dir, type(self).__name__, self.get_params(), parts)
        if resume:
            state, own, meta = run.resume()
            vars(self).update(state)
            self._resume(own, meta)
        else:
            run.start_anew()
        self._train(train, run, callback, progress)
        self._finish()
        del self._valid, self._valid_input
        return self

    def _train(
        self, train: Ratings, run: Run, callback: Callback | None, progress: bool | None
    ) -> None:
        """Run the epochs that are left: the training loop of every model."""
        done, total = len(run.log), int(self.n_epochs)
        self.training_log_ = pd.DataFrame(run.log)
        with bar(progress, total=total, initial=done, desc=type(self).__name__) as steps:
            for epoch in range(done + 1, total + 1):
                if run.has_waited(self.patience):
                    break
                began = time.perf_counter()
                learnt = self._epoch(train)
                seconds = time.perf_counter() - began
                row = {"epoch": epoch, **learnt, **self._validate(), "seconds": seconds}
                run.log.append(row)
                self.training_log_ = pd.DataFrame(run.log)
                if self.patience is not None:
                    run.keep_best(self.monitor, self.state()[0])
                if run.folder is not None:
                    run.write(self.state()[0], *self._checkpoint())
                steps.update()
                told = (f"{k} {v:.4f}" for k, v in row.items() if k not in ("epoch", "seconds"))
                steps.set_postfix_str(" ".join(told))
                if callback is not None:
                    callback(row)
        vars(self).update(run.best_arrays)

    # ---- by index: positions in `user_ids_` and `item_ids_`

    def vectors(self, who: np.ndarray | CSR) -> np.ndarray:
        """Return the vectors (m, D) float32 of known users, by index, or of strangers' ratings."""
        if isinstance(who, CSR):
            return self.user_vectors(who)
        if self._stored is None:
            return self.user_vectors(self._known.take(who))
        return getattr(self, self._stored)[who]

    def multipliers(self, vectors: np.ndarray) -> np.ndarray:
        """Return what multiplies the items' vectors so that plain products put items in order.

        A user's own bias is the same for every item: a 1 takes its place, to meet the item's.
        """
        if not self.ends_in_bias:
            return vectors
        vectors = vectors.copy()
        vectors[:, -1] = 1
        return vectors

    def rank(
        self, who: np.ndarray | CSR, n: int, exclude: CSR | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return each user's best `n` items and their scores, (m, n) int32 and float32.

        Parameters
        ----------
        who : (m,) int array, or CSR (m, n_items)
            Known users, or strangers' ratings.
        n : int
            Length of the lists.
        exclude : CSR (m, n_items), optional
            Items to leave out. None: what is known of the users.

        Notes
        -----
        Ties go to the lower index; rows are padded by -1 and -inf.
        """
        m = len(who.indptr) - 1 if isinstance(who, CSR) else len(who)
        n_users, n_items = len(self.user_ids_), len(self.item_ids_)
        # Behind this place kernels trust every index.
        if isinstance(who, CSR):
            who.check("who", m, n_items)
        elif m and not (who.min() >= 0 and who.max() < n_users):
            raise DataError(f"who must hold users' indices, from 0 to below {n_users}")
        if exclude is not None:
            exclude.check("exclude", m, n_items)
        items, scores = np.empty((m, n), np.int32), np.empty((m, n), np.float32)
        catalogue = self.item_vectors()
        for start in range(0, m, self._users_at_a_time):
            part = np.arange(start, min(start + self._users_at_a_time, m))
            some = who.take(part) if isinstance(who, CSR) else who[part]
            if exclude is not None:
                skip = exclude.take(part)
            else:
                skip = some if isinstance(some, CSR) else self._known.take(some)
            items[part], scores[part] = self._top(self.vectors(some), catalogue, n, skip)
        return items, scores

    def _top(
        self, vectors: np.ndarray, catalogue: np.ndarray, n: int, skip: CSR
    ) -> tuple[np.ndarray, np.ndarray]:
        level = np.full(len(vectors), self.mu_ if self.predicts_ratings else 0, np.float32)
        if self.ends_in_bias:
            level += vectors[:, -1]
        across = self.multipliers(vectors)
        items, scores = ranking.top_n(across, catalogue, skip.indptr, skip.indices, n)
        return items, scores + level[:, None]
