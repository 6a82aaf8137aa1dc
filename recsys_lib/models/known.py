"""What a fitted model knows of its users: their ratings, old and new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.columns import IdIndex
from recsys_lib.errors import DataError, is_of
from recsys_lib.ratings import CSR, Ratings

USERS_AT_A_TIME = 8192  # whatever goes over all users streams: nothing grows with users x items
Row = tuple[np.ndarray, np.ndarray]  # columns, ascending, int32; and the ratings, float32


def as_row(ratings: Mapping[Any, float], index: IdIndex, scale: tuple[float, float]) -> Row:
    """Return ratings by index, ascending; refuse what is not on the scale."""
    if not isinstance(ratings, Mapping | pd.Series):
        kind = type(ratings).__name__
        raise DataError(f"ratings are {kind}; they must be a mapping of {index.what} id to rating")
    low, high = map(np.float32, scale)  # as ratings are stored
    for one, rating in ratings.items():
        fits = is_of(rating) and abs(rating) < 3e38
        if not (fits and low <= np.float32(rating) <= high):
            told = f"{index.what} {one!r} has the rating {rating!r}"
            raise DataError(f"{told}; the scale is {low:g} to {high:g}")
    places = index.of_keys(ratings.keys())
    order = np.argsort(places)
    return places[order], np.array([one for _, one in ratings.items()], np.float32)[order]


class KnownRatings:
    """Ratings that can be added to, one at a time, and read by user and by item.

    The training ratings are left as they are (they may be on disk, and shared with other models).
    A later rating stands aside, under its user. Of a pair rated again, the later rating counts.
    """

    def __init__(self, train: Ratings) -> None:
        self._train = train
        self._later: dict[int, dict[int, float]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> KnownRatings:
        twin = KnownRatings(self._train)  # the training ratings are shared
        twin._later = {user: dict(late) for user, late in self._later.items()}
        return twin

    def add(self, users: Any, items: Any, values: Any) -> None:
        """Add ratings, of one user or of one item, or put them in the place of earlier ones."""
        for user, item, value in np.broadcast(users, items, values):
            self._later.setdefault(int(user), {})[int(item)] = float(value)

    def of_user(self, user: int) -> Row:
        """Return a user's items and ratings; nothing for a user without any."""
        return _read(self._train.by_user, user, self._later.get(user, {}))

    def of_item(self, item: int) -> Row:
        """Return an item's users and ratings; nothing for an item without any."""
        late = {user: rated[item] for user, rated in self._later.items() if item in rated}
        return _read(self._train.by_item, item, late)

    def take(self, users: np.ndarray) -> CSR:
        """Return the matrix of some users' rows, in the order given."""
        trained = self._train.by_user
        if not (users >= self._train.n_users).any() and not np.isin(users, list(self._later)).any():
            return trained.take(users)
        items, values = zip(*map(self.of_user, users.tolist()), strict=True)
        indptr = np.concatenate([[0], np.cumsum(list(map(len, items)))])
        return CSR(indptr, np.concatenate(items), np.concatenate(values))

    def everything(self, n_users: int) -> CSR:
        """Return the rows of all users: the training matrix itself where nothing has changed."""
        if not self._later and n_users == self._train.n_users:
            return self._train.by_user
        return self.take(np.arange(n_users))


def merged(old: Row, new: Row) -> Row:
    """Return a row with ratings added; those of columns that it holds already replace them."""
    columns = np.concatenate([old[0], new[0]])
    order = np.argsort(columns, kind="stable")  # of equal columns, the new one comes last
    order = order[np.append(np.diff(columns[order]) > 0, True)[: len(order)]]
    return columns[order], np.concatenate([old[1], new[1]])[order]


def among(ratings: CSR, columns: np.ndarray) -> CSR:
    """Return the ratings in some of the columns (ascending), which are numbered anew."""
    kept = ratings.select(np.isin(ratings.indices, columns))
    return kept._replace(indices=np.searchsorted(columns, kept.indices).astype(np.int32))


def one_row(row: Row) -> CSR:
    """Return a matrix of one row."""
    return CSR(np.array([0, len(row[0])]), *row)


def by_length(ratings: CSR) -> np.ndarray:
    """Return the rows' order (n_rows,) int, longest first: dealt out, pieces take equally long."""
    return np.argsort(-ratings.counts, kind="stable")


def _read(trained: CSR, r: int, late: dict[int, float]) -> Row:
    nothing = np.empty(0, np.int32), np.empty(0, np.float32)
    old = trained.row(r) if r < trained.n_rows else nothing
    if not late:
        return old
    columns = np.fromiter(late, np.int32, len(late))
    return merged(old, (columns, np.fromiter(late.values(), np.float32, len(late))))
