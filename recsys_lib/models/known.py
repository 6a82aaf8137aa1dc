"""What a fitted model knows of its users: their ratings, old and new."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from recsys_lib.columns import IdIndex
from recsys_lib.errors import DataError, is_of
from recsys_lib.ratings import CSR, Ratings

USERS_AT_A_TIME = 8192  # whatever goes over all users streams: nothing grows with users x items


def as_row(ratings: Mapping[Any, float], index: IdIndex, scale: tuple[float, float]) -> CSR:
    """Return ratings by index, a matrix of one row; refuse what is not on the scale."""
    if not isinstance(ratings, (dict, Mapping, pd.Series)):
        kind = type(ratings).__name__
        raise DataError(f"ratings are {kind}; they must be a mapping of {index.what} id to rating")
    given, (low, high) = [rating for _, rating in ratings.items()], scale
    # Part of each request for a list: whether all is as usual, and finite, is asked at once.
    usual = {float, int}.issuperset(map(type, given)) and low > -3e38 and high < 3e38
    if not usual or not all(low <= rating <= high for rating in given):
        low, high = (float(np.float32(one)) for one in scale)  # as ratings are stored
        for one, rating in ratings.items():
            if not (is_of(rating) and abs(rating) < 3e38 and low <= np.float32(rating) <= high):
                told = f"{index.what} {one!r} has the rating {rating!r}"
                raise DataError(f"{told}; the scale is {low:g} to {high:g}")
    places = index.of_keys(ratings.keys())
    order, values = np.argsort(places), np.array(given, np.float32)
    return CSR(np.array([0, len(order)]), places[order], values[order])


class KnownRatings:
    """Ratings that can be added to, one at a time, and read by user and by item.

    The training ratings are left as they are (they may be on disk, and shared with other models).
    A later rating stands aside, under its user. Of a pair rated again, the later rating counts.
    """

    def __init__(self, train: Ratings) -> None:
        self._train = train
        self._later: dict[int, dict[int, float]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self)(self._train)  # the training ratings are shared
        twin._later = {user: dict(late) for user, late in self._later.items()}
        return twin

    def add(self, users: Any, items: Any, values: Any) -> None:
        """Add ratings, of one user or of one item, or put them in the place of earlier ones."""
        for user, item, value in np.broadcast(users, items, values):
            self._later.setdefault(int(user), {})[int(item)] = float(value)

    def of_user(self, user: int) -> CSR:
        """Return a user's ratings, a matrix of one row."""
        return _read(self._train.by_user, user, self._later.get(user, {}))

    def of_item(self, item: int) -> CSR:
        """Return an item's ratings by users, a matrix of one row."""
        late = {user: rated[item] for user, rated in self._later.items() if item in rated}
        return _read(self._train.by_item, item, late)

    def take(self, users: np.ndarray) -> CSR:
        """Return the matrix of some users' rows, in the order given."""
        trained = self._train.by_user
        if not (users >= self._train.n_users).any() and not np.isin(users, list(self._later)).any():
            return trained.take(users)
        _, items, values = zip(*map(self.of_user, users.tolist()), strict=True)
        indptr = np.concatenate([[0], np.cumsum(list(map(len, items)))])
        return CSR(indptr, np.concatenate(items), np.concatenate(values))

    def everything(self, n_users: int) -> CSR:
        """Return the rows of all users: the training matrix itself where nothing has changed."""
        if not self._later and n_users == self._train.n_users:
            return self._train.by_user
        return self.take(np.arange(n_users))


def merged(row: CSR, columns: Any, values: Any) -> CSR:
    """Return one row with ratings added; those of columns that it holds already replace them."""
    columns = np.concatenate([row.indices, np.asarray(columns, np.int32)])
    order = np.argsort(columns, kind="stable")  # of equal columns, the new one comes last
    order = order[np.append(np.diff(columns[order]) > 0, True)[: len(order)]]
    values = np.concatenate([row.values, np.asarray(values, np.float32)])[order]
    return CSR(np.array([0, len(order)]), columns[order], values)


def among(ratings: CSR, columns: np.ndarray) -> CSR:
    """Return the ratings in some of the columns (ascending), which are numbered anew."""
    kept = ratings.select(np.isin(ratings.indices, columns))
    return kept._replace(indices=np.searchsorted(columns, kept.indices).astype(np.int32))


def nothing(n_rows: int) -> CSR:
    """Return a matrix without a rating."""
    return CSR(np.zeros(n_rows + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))


def by_length(ratings: CSR) -> np.ndarray:
    """Return the rows' order (n_rows,) int, longest first: dealt out, pieces take equally long."""
    return np.argsort(-ratings.counts, kind="stable")


def _read(trained: CSR, r: int, late: dict[int, float]) -> CSR:
    row = trained.take(np.array([r])) if r < trained.n_rows else nothing(1)
    return merged(row, [*late], [*late.values()]) if late else row
