"""`Ratings`: a sparse matrix of ratings, by user and by item."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from recsys_lib import columns
from recsys_lib.errors import DataError, check_array, check_ids
from recsys_lib.kernels import sparse


class CSR(NamedTuple):
    """A sparse matrix by rows: row r holds ``indices[indptr[r]:indptr[r + 1]]``, ascending.

    ``indptr`` (n_rows + 1,) int64, ``indices`` (nnz,) int32, ``values`` (nnz,) float32.
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray

    def row(self, r: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the column indices and the values of row `r`, as views."""
        part = slice(self.indptr[r], self.indptr[r + 1])
        return self.indices[part], self.values[part]

    @property
    def n_rows(self) -> int:
        """Number of rows; `DataError` if `indptr` is no such array."""
        check_array("indptr", self.indptr, np.int64, ("n_rows + 1",))
        return len(self.indptr) - 1

    @property
    def counts(self) -> np.ndarray:
        """Number of stored values in each row, (n_rows,) int64."""
        return np.diff(self.indptr)

    def take(self, rows: np.ndarray) -> CSR:
        """Return the matrix of the given rows, in their order."""
        counts = self.indptr[1:][rows] - self.indptr[rows]  # in 8 bits, rows + 1 has an end
        indptr = np.concatenate([[0], np.cumsum(counts)])
        shift = np.repeat(self.indptr[rows] - indptr[:-1], counts)
        where = np.arange(indptr[-1]) + shift
        return CSR(indptr, self.indices[where], self.values[where])

    @classmethod
    def from_scipy(cls, matrix: Any) -> Self:
        """Convert a SciPy matrix; the columns of each row ascend, as kernels need."""
        return cls(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)

    def to_scipy(self, n_columns: int) -> csr_matrix:
        """Return a SciPy matrix (n_rows, n_columns) that shares the arrays."""
        arrays = self.values, self.indices, self.indptr
        return csr_matrix(arrays, shape=(self.n_rows, n_columns))

    def select(self, mask: np.ndarray) -> CSR:
        """Return the matrix of the stored values where `mask` (nnz,) bool is true."""
        ends = np.append(0, np.cumsum(sparse.count(self.indptr, mask)))
        return CSR(ends, self.indices[mask], self.values[mask])


class Ratings:
    """A users x items matrix of ratings, in which only the observed pairs are stored.

    Build it with `from_frame` or `from_scipy`, or with `from_arrays` if users and items have
    indices already. A user's *index* is the position of its id in `user_ids`, an item's that of its
    id in `item_ids`. Users and items may have no rating: the parts of a split keep the indices of
    the whole. Shapes or dtypes that do not agree, an index out of range, indices of a row that do
    not ascend, and a rating that is not finite are a `DataError`: kernels rely on these checks.

    Parameters
    ----------
    user_ids, item_ids : (n_users,) and (n_items,) arrays
        The data's own ids (integers or text), ascending.
    by_user : CSR
        One row per user, columns are item indices.
    timestamps : (nnz,) int64, optional
        Seconds since 1970, aligned with `by_user`.
    scale : (float, float)
        The lowest and the highest rating possible.
    n_duplicates : int
        Number of ratings that were dropped because the same user rated the same item again.

    Examples
    --------
    >>> table = {"user_id": ["ann", "ann", "bob"], "item_id": [7, 9, 9]}
    >>> table["rating"] = [4.0, 2.5, 5.0]
    >>> ratings = Ratings.from_frame(pd.DataFrame(table), scale=(0.5, 5.0))
    >>> ratings
    Ratings(2 users x 2 items, 3 ratings from 0.5 to 5, 75.00% of all pairs)
    >>> ratings.of_user("ann")
       item_id  rating
    0        7     4.0
    1        9     2.5
    """

    def __init__(
        self,
        user_ids: np.ndarray,
        item_ids: np.ndarray,
        by_user: CSR,
        timestamps: np.ndarray | None = None,
        scale: tuple[float, float] = (0.5, 5.0),
        n_duplicates: int = 0,
    ) -> None:
        self.user_ids = user_ids
        self.item_ids = item_ids
        self.by_user = by_user
        check_ids(user_ids=user_ids, item_ids=item_ids)
        check_csr("by_user", by_user, len(user_ids), len(item_ids))
        if timestamps is not None:
            check_array("timestamps", timestamps, np.int64, (len(by_user.values),))
        self.timestamps = timestamps
        self.scale = columns.limits(scale)
        self.n_duplicates = n_duplicates

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        user: str = "user_id",
        item: str = "item_id",
        rating: str | None = "rating",
        timestamp: str = "timestamp",
        scale: tuple[float, float] | None = None,
        user_ids: Any = None,
        item_ids: Any = None,
    ) -> Self:
        """Build from a table with one row per rating.

        If a user rated an item several times, the latest rating counts (with equal or no
        timestamps, the one furthest down). `n_duplicates` says how many were dropped. A missing
        column or an invalid row is a `DataError`; the message names the row (from 0).

        Parameters
        ----------
        frame : DataFrame
            Ids are integers or text, ratings numbers, times seconds since 1970 or datetimes.
        user, item, rating, timestamp : str
            Names of its columns; the column of timestamps may be missing. ``rating=None``: every
            row is a 1, for models of likes.
        scale : (low, high), optional
            Lowest and highest possible rating; others raise `DataError`. By default the lowest and
            highest rating present, and only NaN and infinities raise.
        user_ids, item_ids : array-like, optional
            Ids that belong to the data even if they have no rating.
        """
        more = [] if rating is None else [rating]
        columns.need(frame, user, item, *more, *[timestamp] * (str(timestamp) != "timestamp"))
        users, all_users = columns.number(frame[user], user_ids)
        items, all_items = columns.number(frame[item], item_ids)
        values, scale = columns.ratings(frame, user, item, rating, scale)
        times = None
        if timestamp in frame.columns:
            times, order = columns.seconds(frame[timestamp])
            if order is not None:  # of several ratings in one second, too, the last counts
                users, items, values, times = (a[order] for a in (users, items, values, times))
        return cls.from_arrays(users, items, values, times, all_users, all_items, scale)

    @classmethod
    def from_scipy(
        cls, matrix: Any, user_ids: Any = None, item_ids: Any = None, scale: Any = None
    ) -> Self:
        """Build from a SciPy sparse matrix (n_users, n_items) whose stored values are ratings.

        `matrix` has any format, with booleans or real numbers. `user_ids` and `item_ids` name its
        rows and columns, in any order; by default 0, 1, 2 and so on. `scale` is as for
        `from_frame`. Raises `DataError` as that does, and also if a pair is stored twice, which
        SciPy would add up, or a zero is stored without a `scale` from 0, since it may mean no
        rating.
        """
        frame, ids = columns.of_matrix(matrix, user_ids, item_ids, scale)
        return cls.from_frame(frame, scale=scale, user_ids=ids[0], item_ids=ids[1])

    @classmethod
    def from_arrays(
        cls,
        user_index: np.ndarray,
        item_index: np.ndarray,
        values: np.ndarray,
        timestamps: np.ndarray | None,
        user_ids: np.ndarray,
        item_ids: np.ndarray,
        scale: tuple[float, float],
    ) -> Self:
        """Build from indices of users and items; duplicates are treated as in `from_frame`.

        `user_index` and `item_index` (n,) int32 are positions in `user_ids` and `item_ids`, which
        ascend without repeats; `values` (n,) float32, `timestamps` (n,) int64. Raises `DataError`
        as the class does; whether values are within `scale` is not checked.
        """
        check_ids(user_ids=user_ids, item_ids=item_ids)
        check_array("values", values, np.float32, ("n",))
        n = len(values)
        for name, index, ids in (("user", user_index, user_ids), ("item", item_index, item_ids)):
            check_index(f"{name}_index", index, n, len(ids))
        if timestamps is not None:
            check_array("timestamps", timestamps, np.int64, (n,))
        sizes = len(user_ids), len(item_ids)
        indptr, indices, order = columns.ordered(user_index, item_index, sizes, timestamps)
        times = None if timestamps is None else timestamps[order]
        by_user = CSR(indptr, indices, values[order])
        return cls(user_ids, item_ids, by_user, times, scale, n - len(order))

    @cached_property
    def by_item(self) -> CSR:
        """The transpose, built at first use: a row per item, whose columns are user indices."""
        return CSR.from_scipy(self.by_user.to_scipy(self.n_items).T.tocsr())

    @property
    def n_users(self) -> int:
        """Number of users, including those without a rating."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items, including those without a rating."""
        return len(self.item_ids)

    def __len__(self) -> int:
        return len(self.by_user.values)

    @property
    def density(self) -> float:
        """Share of all pairs that are observed."""
        return len(self) / (self.n_users * self.n_items)

    @cached_property
    def mean(self) -> float:
        """Mean rating, summed in float64."""
        return float(np.mean(self.by_user.values, dtype=np.float64)) if len(self) else float("nan")

    @cached_property
    def user_index(self) -> columns.IdIndex:
        """The users' positions; ``user_index(ids)`` are the indices (n,) int32 of user ids."""
        return columns.IdIndex(self.user_ids, "user")

    @cached_property
    def item_index(self) -> columns.IdIndex:
        """The items' positions; ``item_index(ids)`` are the indices (n,) int32 of item ids."""
        return columns.IdIndex(self.item_ids, "item")

    def user_of_rating(self) -> np.ndarray:
        """Return the user index (nnz,) int32 of each rating, aligned with `by_user`."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), self.by_user.counts)

    def of_user(self, user_id: Hashable) -> pd.DataFrame:
        """Return one user's ratings: item_id, rating[, timestamp], one row per rating."""
        u = self.user_index.position(user_id)
        return self._table(slice(self.by_user.indptr[u], self.by_user.indptr[u + 1]))

    def to_frame(self) -> pd.DataFrame:
        """Return all ratings: user_id, item_id, rating[, timestamp], ordered by user and item."""
        table = self._table(slice(None))
        table.insert(0, "user_id", self.user_ids[self.user_of_rating()])
        return table

    def _table(self, part: slice) -> pd.DataFrame:
        items, values = self.by_user.indices[part], self.by_user.values[part]
        table = pd.DataFrame({"item_id": self.item_ids[items], "rating": np.asarray(values)})
        if self.timestamps is not None:
            table["timestamp"] = np.asarray(self.timestamps[part])
        return table

    def select(self, mask: np.ndarray) -> Ratings:
        """Return the ratings where `mask` (nnz,) bool is true; indices do not change."""
        check_array("the mask of booleans", mask, bool, (len(self),))
        by_user = self.by_user.select(mask)
        times = None if self.timestamps is None else self.timestamps[mask]
        return Ratings(self.user_ids, self.item_ids, by_user, times, self.scale)

    def same_universe(self, other: Ratings) -> bool:
        """Return whether `other` has the same users and items in the same order."""
        pairs = (self.user_ids, other.user_ids), (self.item_ids, other.item_ids)
        return all(a is b or np.array_equal(a, b) for a, b in pairs)

    def __repr__(self) -> str:
        low, high = self.scale
        size = f"{self.n_users:,} users x {self.n_items:,} items, {len(self):,} ratings"
        return f"Ratings({size} from {low:g} to {high:g}, {self.density:.2%} of all pairs)"


def check_parts(**parts: Any) -> None:
    """Raise `DataError` unless all parts have the same users and items; all but one may be None."""
    (first, whole), *_ = parts.items()
    for name, part in parts.items():
        if not isinstance(part, Ratings) and (part is not None or name == first):
            told = f"{name} is {type(part).__name__}, not Ratings"
            raise DataError(f"{told}; build one with Ratings.from_frame")
        if part is not None and not whole.same_universe(part):
            told = f"{first} and {name} number other users or items"
            raise DataError(f"{told}; take both from one split")


def check_csr(name: str, matrix: Any, n_rows: int | str, n_columns: int) -> None:
    """Raise `DataError` unless this is a valid matrix of this shape; a word means any number."""
    if not isinstance(matrix, CSR):
        kind = type(matrix).__name__
        raise DataError(f"{name} must be a CSR, a sparse matrix by rows; it is a {kind}")
    n = n_rows if isinstance(n_rows, str) else n_rows + 1
    check_array(f"{name}.indptr", matrix.indptr, np.int64, (n,))
    check_array(f"{name}.indices", matrix.indices, np.int32, ("n",))
    n = len(matrix.indices)
    check_array(f"{name}.values", matrix.values, np.float32, (n,))
    if found := sparse.flaw(*matrix, n_columns):
        raise DataError(f"{name}.{sparse.FLAWS[found].format(n=n, n_columns=n_columns)}")


def check_index(name: str, index: Any, n: int | str, size: int) -> None:
    """Raise `DataError` unless an array (n,) int32 holds positions, from 0 to below `size`."""
    check_array(name, index, np.int32, (n,))
    if len(index) and sparse.largest(index) >= size:
        raise DataError(f"{name} must be from 0 to below {size}")
