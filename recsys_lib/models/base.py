"""The interface of all models: fit, vectors, rank, recommend, save.

A model scores a user and an item by the product of two vectors. It implements `_init`, `_epoch`,
`_fold_in` and `item_vectors`, and inherits the rest.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from pickle import UnpicklingError
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution
from scipy.sparse import csr_matrix, issparse

from recsys_lib import metrics
from recsys_lib.errors import DataError, RecsysError, check_array, check_flags, check_value, taking
from recsys_lib.kernels import ranking
from recsys_lib.models.lists import Lists, Ranked, Who
from recsys_lib.models.parameters import Arrays, check_arrays, check_state
from recsys_lib.models.training import Callback, Run
from recsys_lib.progress import bar
from recsys_lib.ratings import CSR, Ratings, check_parts

MAX_ITEMS = 15_000  # whose dense square is held: 0.9 GB in float32, 1.8 in float64
# What NumPy and PyTorch say where it is no MemoryError.
TOO_LARGE = re.compile("^array is too big|can't allocate|out of memory|^Storage size calculation")
VALID_N = 10  # length of the lists that are measured after each epoch
VALID_USERS = 10_000  # of more, as many are drawn: the mean's standard error is then at most 0.005


class Recommender(Lists):
    """Base class of the models.

    The parameters of a model are the fields of its dataclass. What `fit` learns are the attributes
    that end in an underscore, which `save` writes. What many models share is described here.

    Parameters
    ----------
    n_factors : int
        K, the length of the users' and the items' vectors.
    n_epochs : int
        Largest number of passes over the training part.
    patience : int, optional
        Stop after so many epochs without a better value of `monitor` on the validation part, and
        keep the best epoch. None: run all epochs and keep the last.
    seed : int
        Seed of the random numbers. The same seed gives the same bits at any number of threads.
    threshold : float, optional
        For models of likes: ratings of at least this are likes; None: every rating is.

    Attributes
    ----------
    training_log_ : DataFrame
        One row per epoch: epoch, training loss and metrics, seconds. On the validation part, models
        of ratings log rmse_valid, models of likes ndcg_valid (``ndcg@10``).
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {}  # where `tuning` looks
    monitor: ClassVar[tuple[str, ...]] = ()  # what early stopping watches: a column, "min" or "max"
    # No annotations here: a model that has these as parameters declares them in its own order.
    n_epochs, seed = 1, 0
    patience = None  # type: int | None

    # ---- what a model writes

    def _init(self, train: Ratings, items: pd.DataFrame | None, users: pd.DataFrame | None) -> None:
        """Set what fitting starts from, if anything.

        `_rng` and `_valid` are there. Attributes that begin with an underscore last as long as the
        fit. What draws from further generators of its own puts them into `_rngs`.
        """

    def _epoch(self, train: Ratings) -> dict[str, float]:
        """Run one epoch; return what the log shows of it."""
        raise NotImplementedError

    def _validate(self) -> dict[str, float]:
        """Return what the log shows of the validation part, `_valid`; not called without one."""
        return {}

    def _checkpoint(self) -> Arrays:
        """Return the arrays that a run needs to go on, beside what was learnt."""
        return {}

    def _resume(self, arrays: Arrays) -> None:
        """Take up what `_checkpoint` returned, after `_init`; the log is there already."""
        fresh = self._checkpoint()
        check_arrays(arrays, {name: (a.dtype, a.shape) for name, a in fresh.items()})
        for name, array in fresh.items():
            array[...] = arrays[name]

    # ---- fitting

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        *,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,
        valid_input: Ratings | None = None,
        callback: Callback | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: bool | None = None,
    ) -> Self:
        """Learn from `train`.

        A parameter out of its limits, and other parameters than those of the run in `run_dir`, are
        a `RecsysError`; an empty part, and one with other users or items, are a `DataError`. A fit
        that ends before its first epoch does leaves the model as it was.

        Parameters
        ----------
        train, valid : Ratings
            Parts of one split, with the same users and items. The model is evaluated on `valid`
            after each epoch; with `patience`, that decides when to stop and which epoch is kept.
        items, users : DataFrame, optional
            Tables of items (``item_id``, ``genres``, ...) and of users (``user_id``, ...), for
            models that read them.
        valid_input : Ratings, optional
            Known ratings of the users of `valid`, if they are not in `train`, to fold them in. Then
            a model without `patience` is not evaluated on `valid`.
        callback : callable, optional
            Called after each epoch with its row of `training_log_`; an exception ends the fit.
        run_dir : path, optional
            Folder for ``log.jsonl`` and a checkpoint after each epoch.
        resume : bool
            Continue from the checkpoint in `run_dir`, with the same result as a run without an
            interruption. `n_epochs` may be larger than before.
        progress : bool, optional
            Whether to draw a progress bar; by default in terminals and live notebooks.
        """
        self.check_parameters()
        check_value("callback", callback, "a function or None", kind=Callable | None)
        check_flags(resume=resume, progress=progress is not None and progress)
        check_parts(train=train, valid=valid, valid_input=valid_input)
        if len(train) == 0:
            raise DataError("the training part holds no rating; take a larger share for training")
        data = {"train": train, "valid": valid, "valid_input": valid_input}
        run = Run(run_dir, {"class": type(self).__name__, **self.get_params()}, data, self.monitor)
        found, before = run.read() if resume else None, vars(self).copy()
        try:
            self._rng = np.random.default_rng(self.seed)
            self._rngs = [self._rng]
            self._strangers = None if valid_input is None else valid_input.by_user
            measured = valid and (valid_input is None or self.patience)
            self._valid: Any = valid if measured else None
            self._remember(train)
            self._init(train, items, users)
            if found is not None:
                self._take_up(run, *found)
            self._train(train, run, callback, progress)
        except BaseException as error:
            if run.begun in (None, len(run.log)):  # no epoch was finished: as if nothing had been
                vars(self).clear()
                vars(self).update(before)
            if isinstance(error, MemoryError) or TOO_LARGE.search(str(error)):
                told = f"{self!r} takes more memory than there is ({error})"
                raise RecsysError(f"{told}; lower what sets its size") from error
            raise
        finally:
            for name in [name for name in vars(self) if name[0] == "_" and name != "_known"]:
                delattr(self, name)  # what only training needs
        return self

    def _take_up(self, run: Run, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Continue from the checkpoint of a run: see `Run.read`."""
        where = f"the checkpoint in {str(run.folder)!r}"
        with taking(where, RecsysError, UnpicklingError, EOFError):
            state, own = run.resume(arrays, meta["log"])
            self.training_log_ = pd.DataFrame(run.log)
            self._resume(own)
            for rng, known in zip(self._rngs, meta["rngs"], strict=True):
                rng.bit_generator.state = known
            for learnt in (state, run.best_arrays or state):
                check_state(self, learnt)
        vars(self).update(state)

    def _train(
        self, train: Ratings, run: Run, callback: Callback | None, progress: bool | None
    ) -> None:
        """Run the epochs that are left: the training loop of every model."""
        self.training_log_ = pd.DataFrame(run.log)
        run.begun, name = len(run.log), type(self).__name__
        with bar(progress, total=int(self.n_epochs), initial=run.begun, desc=name) as steps:
            while (epoch := len(run.log) + 1) <= self.n_epochs:
                if self.patience is not None and epoch > run.best_epoch + self.patience:
                    break
                began = time.perf_counter()
                learnt = self._epoch(train)
                seconds = time.perf_counter() - began
                nothing = dict.fromkeys(self.monitor[:1], float("nan"))
                found = nothing if self._valid is None else self._validate()
                row = {"epoch": epoch, **learnt, **found, "seconds": seconds}
                run.log.append(row)
                self.training_log_ = pd.DataFrame(run.log)
                arrays = self.state()[0]
                if self.patience is not None and run.best_epoch == epoch:
                    run.best_arrays = {name: array.copy() for name, array in arrays.items()}
                if run.folder is not None:
                    rngs = [rng.bit_generator.state for rng in self._rngs]
                    run.write(arrays, self._checkpoint(), rngs)
                steps.update()
                told = (f"{k} {v:.4f}" for k, v in row.items() if k not in ("epoch", "seconds"))
                steps.set_postfix_str(" ".join(told))
                if callback is not None:
                    callback(row)
        vars(self).update(run.best_arrays)


class RatingModel(Recommender):
    """Base class of the models that predict ratings: r̂_ui = μ + the score of the vectors."""

    predicts_ratings: ClassVar[bool] = True
    monitor: ClassVar[tuple[str, ...]] = ("rmse_valid", "min")

    def predict(self, user_ids: Any, item_ids: Any) -> np.ndarray:
        """Return the predicted ratings (n,) float32 of pairs, clipped to the scale.

        `user_ids` and `item_ids` are the data's own, an id or array-like (n,); a single id is
        paired with all ids of the other. One that is not in the training data is an
        `UnknownIdError`: for a user without ratings, call ``predict_for({}, item_ids)``.
        """
        users, items = self.pairs(user_ids, item_ids)
        if len(users) > len(self.user_ids_):
            return self.predict_pairs(np.arange(len(self.user_ids_)), users, items)
        who, rows = np.unique(users, return_inverse=True)
        return self.predict_pairs(who, rows.astype(np.int32), items)

    def predict_for(self, ratings: Mapping[Any, float], item_ids: Any) -> np.ndarray:
        """Return a new user's predicted ratings (n,) float32 of items, clipped to the scale.

        `ratings`, a mapping of item id to rating, are the known ratings of the user, as for
        `recommend_for`; `item_ids` (an id or array-like) may hold some of these items.
        """
        self.check_fitted()
        items = self.item_index(item_ids)
        return self.predict_pairs(self.as_ratings(ratings), np.zeros(len(items), np.int32), items)

    def predict_pairs(self, who: Who, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return the predicted ratings (n,) float32 of pairs by index, clipped to the scale.

        `who` is as for `rank`. Pair k is of the user in row ``rows[k]`` of it and of item
        ``items[k]``, both (n,) int32; what does not fit raises `DataError`.
        """
        check_array("rows", rows, np.int32, ("n",))
        check_array("items", items, np.int32, (len(rows),))
        vectors = self.vectors(who)  # which checks `who`, as `score_pairs` does the pairs
        out = ranking.score_pairs(self.multipliers(vectors), self.item_vectors(), rows, items)
        out += self.levels(vectors)[rows]
        return out.clip(*self.scale_, out=out)

    def pairs(self, user_ids: Any, item_ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the user and item indices of pairs, (n,) int32 each."""
        self.check_fitted()
        users, items = self.user_index(user_ids), self.item_index(item_ids)
        if len(users) != len(items) and 1 not in (len(users), len(items)):
            raise RecsysError(f"{len(users)} users and {len(items)} items do not make pairs")
        users, items = map(np.ascontiguousarray, np.broadcast_arrays(users, items))
        return users, items

    def _validate(self) -> dict[str, float]:
        valid = self._valid
        who = np.arange(valid.n_users) if self._strangers is None else self._strangers
        error = self.predict_pairs(who, valid.user_of_rating(), valid.by_user.indices)
        error -= valid.by_user.values
        return {"rmse_valid": float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))}


class ImplicitFeedbackModel(Recommender, kw_only=True):
    """Base class of the models of implicit feedback, which learn from likes: see `threshold`."""

    monitor: ClassVar[tuple[str, ...]] = ("ndcg_valid", "max")

    threshold: float | None = None

    def liked(self, ratings: CSR) -> CSR:
        """Return the likes among `ratings`, in the same rows."""
        if self.threshold is None:
            return ratings
        return ratings.select(ratings.values >= np.float32(self.threshold))

    def likes_of(self, part: Ratings, name: str = "training") -> CSR:
        """Return the likes of a part of the data; raise `DataError` if it has none."""
        liked = self.liked(part.by_user)
        if len(liked.values) == 0:
            raise DataError(f"no rating in the {name} part is a like; lower the threshold")
        return liked

    def _validate(self) -> dict[str, float]:
        """Return NDCG@10 on the validation part, over the users with a like in it."""
        liked = self.likes_of(self._valid, "validation")
        users = some_of(np.flatnonzero(liked.counts), VALID_USERS).astype(np.int32)
        who = users if self._strangers is None else self._strangers.take(users)
        wanted = liked.take(users)
        hits = ranking.find_hits(self.rank(who, VALID_N)[0], wanted.indptr, wanted.indices)
        return {"ndcg_valid": float(metrics.ndcg_at_k(hits, wanted.counts).mean())}


class ItemToItem(ImplicitFeedbackModel):
    """Base class of models whose scores are a user's likes times an items x items matrix."""

    _users_at_a_time: ClassVar[int] = 256  # of whom all scores are held

    def _fold_in(self, ratings: CSR, liked: CSR) -> np.ndarray:
        """Return the likes, (m, n_items) float32."""
        return as_scipy(liked, len(self.item_ids_)).toarray()

    def _top(self, vectors: np.ndarray, catalogue: Any, n: int, skip: CSR) -> Ranked:
        """As for other linear models, but with a product that uses how few likes a row has."""
        scores = csr_matrix(vectors) @ catalogue.T
        dense = scores.toarray() if issparse(scores) else scores
        return ranking.top_of_scores(dense, skip.indptr, skip.indices, n)


def some_of(users: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` of the users (n,), ascending: drawn, but always the same ones."""
    return np.sort(np.random.default_rng(0).permutation(users)[:most])


def with_zero(rows: np.ndarray) -> np.ndarray:
    """Return users' rows with a bias of 0, of models that have none: it would change no order."""
    return np.pad(rows, [(0, 0), (0, 1)])


def as_scipy(likes: CSR, n_items: int) -> csr_matrix:
    """Return the matrix R (n_rows, n_items) float32 with a 1 for each like."""
    return likes._replace(values=np.ones(len(likes.values), np.float32)).to_scipy(n_items)
