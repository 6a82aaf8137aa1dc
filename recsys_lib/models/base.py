"""What every model shares: parameters, the data's own ids, recommending, saving.

A model of the linear kind scores a user and an item by the product of two vectors. It fills in
`fit`, `_fold_in` and `_item_vectors`, names in `_stored` the array of the users' rows, if it keeps
one, and has the rest. A model of another kind overrides `_rank` and `_rank_history`.
"""

from __future__ import annotations

import copy
import inspect
import numbers
import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from recsys_lib import io
from recsys_lib.errors import DataError, NotFittedError, RecsysError
from recsys_lib.kernels import ranking
from recsys_lib.metrics import damped_mean
from recsys_lib.models.growing import Growing, IdIndex
from recsys_lib.models.history import USERS_AT_A_TIME, History, Row, merged
from recsys_lib.ratings import CSR, Ratings


class Recommender:
    """Base class of the models: see the module's text.

    Parameters of a model are the arguments of its constructor, kept as attributes of the same
    names; what `fit` learns ends in an underscore.
    """

    _learnt: ClassVar[tuple[str, ...]] = ()  # names of the arrays that make up a fitted model
    _stored: ClassVar[str | None] = None  # that of the users' rows; None: they are folded in anew
    _users_at_a_time: ClassVar[int] = USERS_AT_A_TIME  # whose rows are made together to rank

    user_ids_: np.ndarray
    item_ids_: np.ndarray
    scale_: tuple[float, float]
    mu_: float
    history: pd.DataFrame  # a row an epoch of the last fit
    _rated: History
    _user_lookup: IdIndex
    _item_lookup: IdIndex
    _rooms: dict[str, Growing]  # arrays that have grown since `fit`

    # ---- parameters, in the manner of scikit-learn

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the model's parameters; `deep` is there for scikit-learn's sake."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; takes effect at the next `fit`."""
        known = self._parameter_names()
        for name, value in params.items():
            if name not in known:
                raise RecsysError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"

    @property
    def n_parameters_(self) -> int:
        """How many numbers `fit` has learnt."""
        self._check_fitted()
        names = (name for name in self._learnt if not name.startswith("_"))
        return sum(getattr(self, name).size for name in names)

    # ---- what a model fills in

    def fit(
        self,
        train: Ratings,
        valid: Ratings | None = None,
        items: pd.DataFrame | None = None,
        *,
        progress: bool | None = None,
        run_dir: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn from `train`.

        Parameters
        ----------
        train, valid : Ratings
            Parts of one split: they share users and items. `valid` is only watched, for `history`.
        items : DataFrame, optional
            What is known of the items (``item_id``, ``genres``); used by models that read it.
        progress : bool, optional
            Whether to draw a bar; by default where somebody watches.
        run_dir : path, optional
            Folder for ``log.jsonl`` and a checkpoint after each epoch.
        """
        raise NotImplementedError

    def _user_rows(self, users: np.ndarray) -> np.ndarray:
        """Return what is known of users, by index (m,) int32: an (m, ...) array."""
        if self._stored is None:
            return self._fold_in(self._rated.take(users))
        return getattr(self, self._stored)[users]

    def _set_user_row(self, user: int, row: np.ndarray) -> None:
        """Store a user's row; `user` is at most one past the last: a new user."""
        if self._stored is None:
            return
        if user == len(getattr(self, self._stored)):
            self._append(self._stored, row)
        getattr(self, self._stored)[user] = row

    def _add_item(self, features: Sequence[tuple[int, float]]) -> None:
        """Make room for an item; a model with `_solve_item` has this as well."""
        raise NotImplementedError

    def _solve_item(self, item: int) -> None:
        """Solve for an item, given all its ratings; models that cannot leave this out."""
        raise NotImplementedError

    def _fold_in(self, history: CSR) -> np.ndarray:
        """Return the rows (m, ...) of strangers, from their ratings alone."""
        raise NotImplementedError

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors (m, D) float32 that multiply the items' to make scores."""
        return rows

    def _item_vectors(self) -> np.ndarray:
        """Return the items' vectors (n_items, D) float32."""
        raise NotImplementedError

    def _offsets(self, rows: np.ndarray) -> np.ndarray:
        """Return what each user's scores have in common (m,): shown, but of no matter to ranks."""
        return np.zeros(len(rows), np.float32)

    # ---- ranking, by index

    def _user_vectors(self, users: np.ndarray) -> np.ndarray:
        return self._vectors(self._user_rows(users))

    def _rank(
        self, users: np.ndarray, n: int, seen: CSR | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return each user's best `n` items and their scores, (m, n) int32 and float32.

        `seen` holds the items to leave out, a row for each user of the model; None: leave out what
        the user has rated. Ties go to the lower index; rows are padded by -1 and -inf.
        """
        parts = []
        for start in range(0, len(users), self._users_at_a_time):
            some = users[start : start + self._users_at_a_time]
            skip = self._rated.take(some) if seen is None else seen.take(some)
            parts.append(self._top(self._user_rows(some), n, skip))
        return _stack(parts, n)

    def _rank_history(self, history: CSR, n: int) -> tuple[np.ndarray, np.ndarray]:
        """As `_rank`, for strangers of whom only `history` is known, a row each."""
        parts = []
        for start in range(0, len(history.indptr) - 1, self._users_at_a_time):
            stop = min(start + self._users_at_a_time, len(history.indptr) - 1)
            some = history.take(np.arange(start, stop))
            parts.append(self._top(self._fold_in(some), n, some))
        return _stack(parts, n)

    def _top(self, rows: np.ndarray, n: int, skip: CSR) -> tuple[np.ndarray, np.ndarray]:
        vectors, offsets = self._vectors(rows), self._offsets(rows)
        items, scores = ranking.top_n(vectors, self._item_vectors(), skip.indptr, skip.indices, n)
        return items, scores + offsets[:, None]

    # ---- recommending, by the data's own ids

    def recommend(self, user_ids: Any = None, n: int = 10) -> pd.DataFrame:
        """Return the best `n` items a user has not rated yet.

        Parameters
        ----------
        user_ids : id or array-like of ids, optional
            For whom. None: for nobody in particular, the best-loved items of all, by a damped mean
            (see `recsys_lib.metrics.damped_mean`).
        n : int
            How many.

        Returns
        -------
        DataFrame
            user_id, rank (from 1), item_id, score; without user_id where no user was given. A
            rating model's score is the predicted rating, not clipped to the scale, so that the
            first few can be told apart.

        Raises
        ------
        UnknownIdError
            A user is not in the training data; `recommend_for` serves strangers.
        """
        self._check_fitted()
        _check_n(n)
        if user_ids is None:
            return self._best_loved(n)
        users = self._user_lookup.positions(user_ids)
        items, scores = self._rank(users, n)
        table = _as_table(items, scores, self.item_ids_)
        found = (items >= 0).sum(axis=1)
        table.insert(0, "user_id", np.repeat(self.user_ids_[users], found))
        return table

    def recommend_for(self, ratings: Mapping[Any, float], n: int = 10) -> pd.DataFrame:
        """Return the best `n` items for a stranger, from a few ratings and without training.

        Parameters
        ----------
        ratings : mapping of item id to rating
            What the stranger thinks of some items; may be empty.
        n : int
            How many.

        Returns
        -------
        DataFrame
            rank (from 1), item_id, score.
        """
        self._check_fitted()
        _check_n(n)
        items, scores = self._rank_history(self._as_history(ratings), n)
        return _as_table(items, scores, self.item_ids_)

    def similar_items(self, item_id: Hashable, n: int = 10) -> pd.DataFrame:
        """Return the `n` items whose factors point most nearly the same way (cosine).

        Returns
        -------
        DataFrame
            rank (from 1), item_id, score (the cosine, from -1 to 1); the item itself is left out,
            and so are items of which nothing is known.
        """
        self._check_fitted()
        _check_n(n)
        factors = self._similarity_vectors()
        item = self._item_lookup.positions(item_id)[0]
        length = np.linalg.norm(factors, axis=1)
        if length[item] == 0:
            raise RecsysError(
                f"nothing is known of item {item_id!r}: it has no rating to learn from"
            )
        unit = factors / np.where(length > 0, length, 1)[:, None]
        skip = np.union1d(np.flatnonzero(length == 0), [item]).astype(np.int32)
        indptr = np.array([0, len(skip)])
        items, scores = ranking.top_n(unit[item][None], unit, indptr, skip, n)
        return _as_table(items, scores, self.item_ids_)

    def _similarity_vectors(self) -> np.ndarray:
        raise RecsysError(f"{type(self).__name__} has no factors: to it no items are alike")

    # ---- new ratings, without training anew

    def partial_fit_users(self, user_id: Hashable, ratings: Mapping[Any, float]) -> Self:
        """Take in new ratings of one user, known or not, without training anew.

        The user's whole history, old and new, is folded in, with the very result of folding in a
        stranger of that history; the items stay as they are. A rating of an item rated before
        replaces it. A new user stands behind all others in `user_ids_`.

        Parameters
        ----------
        user_id : id
            Of the kind that the data has: an integer, or text.
        ratings : mapping of item id to rating
            May be empty: a new user is then one of whom nothing is known.

        Raises
        ------
        UnknownIdError
            An item is not in the data; `partial_fit_items` takes in new ones.
        DataError
            A rating is off the scale, or the id of another kind. What is refused leaves no trace.
        """
        self._check_fitted()
        items, values = self._as_row(ratings, self._item_lookup)
        user = self._find_or_next(self._user_lookup, user_id)
        history = _one_row(merged(self._rated.of_user(user), (items, values)))
        row = self._fold_in(history)[0]
        if user == len(self.user_ids_):
            self._append("user_ids_", user_id)
            self._user_lookup.add(user_id)
        for item, value in zip(items.tolist(), values.tolist(), strict=True):
            self._rated.add(user, item, value)
        self._set_user_row(user, row)
        return self

    def partial_fit_items(self, item_id: Hashable, ratings: Mapping[Any, float]) -> Self:
        """Take in new ratings of one item, known or not, without training anew.

        The item is solved for with all its ratings, those that came by `partial_fit_users` among them; the
        users stay as they are. It is the half step of training, for one item. An empty mapping
        does that and no more.

        Parameters
        ----------
        item_id : id
            Of the kind that the data has. A new item stands behind all others in `item_ids_`.
        ratings : mapping of user id to rating
            May be empty.

        Raises
        ------
        UnknownIdError
            A user is not known yet; `partial_fit_users` takes in new ones.
        DataError
            A rating is off the scale, or the id of another kind. What is refused leaves no trace.
        RecsysError
            The model cannot solve for one item: all but `ALS`, `BiasALS` and `GenreALS`.
        """
        return self._update_item(item_id, ratings)

    def _update_item(
        self,
        item_id: Hashable,
        ratings: Mapping[Any, float],
        features: Sequence[tuple[int, float]] = (),
    ) -> Self:
        """`partial_fit_items`; `features` are those of a new item, column and value."""
        self._check_fitted()
        if type(self)._solve_item is Recommender._solve_item:
            raise RecsysError(
                f"{type(self).__name__} cannot take in the ratings of one item alone: fit it anew, "
                "or use ALS, BiasALS or GenreALS"
            )
        users, values = self._as_row(ratings, self._user_lookup)
        item = self._find_or_next(self._item_lookup, item_id)
        if item == len(self.item_ids_):
            self._append("item_ids_", item_id)
            self._item_lookup.add(item_id)
            self._add_item(features)
        for user, value in zip(users.tolist(), values.tolist(), strict=True):
            self._rated.add(user, item, value)
        self._solve_item(item)
        return self

    def copy(self) -> Self:
        """Return a model that can be updated apart from this one.

        What was learnt is copied; the training ratings, which no update changes, are shared.
        """
        self._check_fitted()
        twin = copy.copy(self)
        for name in self._learnt:
            setattr(twin, name, getattr(self, name).copy())
        twin._rated = self._rated.copy()
        twin._user_lookup, twin._item_lookup = self._user_lookup.copy(), self._item_lookup.copy()
        twin._rooms = {}
        return twin

    def _find_or_next(self, lookup: IdIndex, one: Hashable) -> int:
        """Return where an id stands, or will stand if it is new."""
        place = lookup.find(one)
        if place >= 0:
            return place
        lookup.check_new(one)
        return len(lookup)

    def _append(self, name: str, row: Any) -> None:
        """Add a row to the array of this name."""
        room = self._rooms.get(name)
        if room is None or room.array is not getattr(self, name):  # the first since `fit`
            room = self._rooms[name] = Growing(getattr(self, name))
        setattr(self, name, room.append(row))

    def _best_loved(self, n: int) -> pd.DataFrame:
        size = len(self.item_ids_)
        counts, sums = np.zeros(size, np.int64), np.zeros(size)
        for block in self._rated.blocks(len(self.user_ids_)):
            counts += np.bincount(block.indices, minlength=size)
            sums += np.bincount(block.indices, block.values, minlength=size)
        scores = damped_mean(sums, counts, self.mu_)
        order = np.argsort(-scores, kind="stable")[:n]
        return _as_table(order[None], scores[order][None], self.item_ids_)

    def _as_history(self, ratings: Mapping[Any, float]) -> CSR:
        """Return a stranger's ratings as a matrix of one row."""
        return _one_row(self._as_row(ratings, self._item_lookup))

    def _as_row(self, ratings: Mapping[Any, float], lookup: IdIndex) -> Row:
        """Return ratings by index, ascending; refuse what is not on the scale."""
        low, high = self.scale_
        for one, rating in ratings.items():
            if not (isinstance(rating, numbers.Real) and low <= rating <= high):
                raise DataError(
                    f"{lookup.what} {one!r} has the rating {rating!r}; the scale is {low:g} to "
                    f"{high:g}"
                )
        places = lookup.positions_of_keys(ratings)
        order = np.argsort(places)
        return places[order], np.array(list(ratings.values()), np.float32)[order]

    # ---- the data it was fitted on

    def _remember(self, train: Ratings) -> None:
        """Keep what `recommend` needs of the training data."""
        if len(train) == 0:
            raise DataError("the training part holds no rating; take a larger share for training")
        self.user_ids_, self.item_ids_ = train.user_ids, train.item_ids
        self.scale_, self.mu_ = train.scale, train.mean
        self._rated = History(train)
        self._build_lookups()

    def _build_lookups(self) -> None:
        self._user_lookup, self._item_lookup = (
            IdIndex(self.user_ids_, "user"),
            IdIndex(self.item_ids_, "item"),
        )
        self._rooms = {}

    def _check_fitted(self) -> None:
        if not hasattr(self, "user_ids_"):
            raise NotFittedError(
                f"this {type(self).__name__} has learnt nothing yet; call fit first"
            )

    # ---- saving

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file; `models.load` reads it back.

        The training ratings are in it: `recommend` leaves them out and `partial_fit_users` builds on them.
        """
        self._check_fitted()
        arrays = {name: getattr(self, name) for name in ("user_ids_", "item_ids_", *self._learnt)}
        rated = self._rated.everything(len(self.user_ids_))
        arrays |= {f"rated.{name}": array for name, array in rated._asdict().items()}
        meta = {
            "class": type(self).__name__,
            "params": self.get_params(),
            "mu": self.mu_,
            "scale": self.scale_,
            "history": self.training_log_.to_dict("list"),
            **self._extra(),
        }
        io.save_arrays(path, arrays, meta)

    def _extra(self) -> dict[str, Any]:
        """Return whatever else, of the kinds JSON knows, a model must keep in its file."""
        return {}

    @classmethod
    def _from_saved(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Self:
        model = cls(**meta["params"])
        for name in ("user_ids_", "item_ids_", *cls._learnt):
            setattr(model, name, arrays[name])
        low, high = meta["scale"]
        model.mu_, model.scale_ = meta["mu"], (low, high)
        rated = CSR(*(arrays[f"rated.{name}"] for name in CSR._fields))
        model._rated = History(Ratings(model.user_ids_, model.item_ids_, rated))
        model.training_log_ = pd.DataFrame(meta["history"])
        model._build_lookups()
        return model


def _check_n(n: int) -> None:
    if n < 1:
        raise RecsysError(f"n is {n}; ask for at least one item")


def _one_row(row: Row) -> CSR:
    return CSR(np.array([0, len(row[0])]), *row)


def _stack(parts: list[tuple[np.ndarray, np.ndarray]], n: int) -> tuple[np.ndarray, np.ndarray]:
    if not parts:
        return np.empty((0, n), np.int32), np.empty((0, n), np.float32)
    return np.concatenate([items for items, _ in parts]), np.concatenate([s for _, s in parts])


def _as_table(items: np.ndarray, scores: np.ndarray, item_ids: np.ndarray) -> pd.DataFrame:
    """Return ranked lists (m, n) as a table; the padding is left out."""
    row, column = np.nonzero(items >= 0)
    return pd.DataFrame(
        {
            "rank": column + 1,
            "item_id": item_ids[items[row, column]],
            "score": scores[row, column],
        }
    )
