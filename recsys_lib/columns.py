"""Read the columns of a table of ratings, checked: ids, ratings, times; find ids."""

import re
from collections.abc import Iterable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.errors import InvalidIndexError
from scipy.sparse import coo_array, issparse

from recsys_lib.errors import DataError, UnknownIdError, is_of, taking

_HALF = re.compile("[\ud800-\udfff]")  # half a letter, which no file can hold


def need(frame: Any, *names: str) -> None:
    """Raise `DataError` unless `frame` has rows, and each of these columns once."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"ratings are read from a DataFrame, not from {type(frame).__name__}")
    there = frame.columns
    if missing := [one for one in names if not pd.api.types.is_scalar(one) or one not in there]:
        absent, told = (", ".join(map(repr, some)) for some in (missing, there))
        how = "name them with user=, item= and so on (rating=None: there is none)"
        raise DataError(f"the table has no column {absent}: its columns are {told}; {how}")
    if not there.is_unique:
        twice = there[there.duplicated()][0]
        raise DataError(f"the table has two columns {twice!r}; drop or rename one")
    if len(frame) == 0:
        raise DataError("the table has no row: ratings are built from at least one")


def ratings(
    frame: pd.DataFrame, user: str, item: str, rating: str | None, scale: tuple[float, float] | None
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the ratings (n,) float32, and the scale: by default the lowest and the highest."""
    told = pd.Series(1.0, frame.index) if rating is None else frame[rating]
    with np.errstate(over="ignore"):  # what 32 bits cannot hold becomes infinite, and is refused
        values = _numbers(told).to_numpy(np.float32, na_value=np.nan)
        finite = np.isfinite(values)
        if scale is None:
            known = values[finite]
            scale = (known.min(), known.max()) if len(known) else (-np.inf, np.inf)
        low, high = map(np.float32, limits(scale))  # as the ratings are stored
    bad = ~(finite & (values >= low) & (values <= high))
    if bad.any():
        row = int(bad.argmax())
        who, what = frame[[user, item]].astype(object).iloc[row]
        wrong = f"the rating is {told.astype(object).iloc[row]!r}, not a number from {low:g} to"
        rows = f"{high:g} ({int(bad.sum())} such rows); drop or mend these rows first"
        raise DataError(f"row {row} (user {who}, item {what}): {wrong} {rows}")
    return values, scale


def limits(scale: Any) -> tuple[float, float]:
    """Return the lowest and the highest rating possible as numbers; they may be without end."""
    try:
        low, high = scale
        numbers = all(map(is_of, scale))
        fits = numbers and low <= high and not any(3.4e38 < abs(one) < np.inf for one in scale)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise DataError(f"the scale is {scale!r}; it must be the lowest and the highest rating")
    return float(low), float(high)


def of_matrix(
    matrix: Any, user_ids: Any, item_ids: Any, scale: Any
) -> tuple[pd.DataFrame, list[pd.Index]]:
    """Return a SciPy matrix's stored values, one row each, and ids; see `Ratings.from_scipy`."""
    if not issparse(matrix) or matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        kind = f"{type(matrix).__name__} of {getattr(matrix, 'dtype', 'no dtype')}"
        raise DataError(f"a SciPy sparse matrix of real numbers is wanted, not a {kind}")
    with taking("the matrix is damaged: it"):
        getattr(matrix, "check_format", bool)()  # of CSR and the like; no other can mislead SciPy
        stored = matrix.tocoo()
        stored = coo_array((stored.data, stored.coords), matrix.shape)  # which checks them
    table: dict[str, Any] = {}
    ids = []
    for what, n, given, places in (
        ("user", matrix.shape[0], user_ids, stored.row),
        ("item", matrix.shape[1], item_ids, stored.col),
    ):
        ids.append(pd.RangeIndex(n) if given is None else pd.Index(_ids(given, what)))
        if len(ids[-1]) != n or not ids[-1].is_unique:
            told = f"{what}_ids holds {len(ids[-1].unique())} different ids"
            raise DataError(f"{told}, and the matrix has {n} {what}s; give one id for each")
        table[f"{what}_id"] = ids[-1][places]
    told = stored.data.astype(np.int8) if stored.data.dtype == bool else stored.data
    frame = pd.DataFrame({**table, "rating": told})
    if frame.duplicated(["user_id", "item_id"]).any():
        raise DataError("the matrix stores a pair twice; matrix.sum_duplicates() adds them up")
    if scale is None and not stored.data.all():
        told = "drop them with matrix.eliminate_zeros(), or give a scale from 0 if they are ratings"
        raise DataError(f"the matrix stores zeros: {told}")
    return frame, ids


def ordered(
    users: np.ndarray, items: np.ndarray, shape: tuple[int, int], times: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the order of ratings by user and then by item, less those of a pair rated again.

    Of a pair's ratings the latest by `times` (n,) int64 is kept, and among equals the last. Returns
    where each user begins (n_users + 1,) int64, the items (m,) int32 and the positions (m,) int.
    """
    # The order itself is the largest temporary: four bytes per rating suffice for two billion.
    place = np.arange(len(users), dtype=np.int32 if len(users) < 2**31 else np.int64)
    pairs = coo_array((place, (items, users)), shape[::-1])
    pairs.has_canonical_format = True  # else the positions of a pair that is rated twice are added
    by_user = pairs.tocsr().tocsc()  # two counting sorts, which leave equals where they are
    indptr, order = by_user.indptr.astype(np.int64), by_user.data
    indices, rows = by_user.indices.astype(np.int32, copy=False), users[order]
    again = (indices[1:] == indices[:-1]) & (rows[1:] == rows[:-1])
    if not again.any():
        return indptr, indices, order
    last, first = ~np.append(again, False), ~np.append(False, again)
    if times is not None:
        many = np.flatnonzero(~(last & first))  # of pairs that are rated again
        order[many] = order[many[np.lexsort((times[order[many]], np.cumsum(first)[many]))]]
    kept = np.concatenate([[0], np.cumsum(last)])
    return kept[indptr], indices[last], order[last]


def number(column: pd.Series, more: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's index (n,) int32 and the ids, ascending, including those of `more`."""
    ids, name = _ids(column, column.name), column.name
    if more is not None:
        more = _ids(more, name)
        if more.dtype != ids.dtype and len(more):
            kinds = ["text" if some.dtype == object else "integers" for some in (ids, more)]
            raise DataError(f"column {name!r} holds {kinds[0]}, the further ids are {kinds[1]}")
        ids = np.concatenate([ids, more.astype(ids.dtype)])
    codes, unique = pd.factorize(ids, sort=True)
    return codes[: len(column)].astype(np.int32), np.asarray(unique)


def _ids(ids: Any, name: Any) -> np.ndarray:
    """Return ids as int64, or as Python strings where they are text."""
    with taking(f"the ids of {name!r} are a {type(ids).__name__}, not a sequence of ids: they"):
        column = pd.Series(ids, name=name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if column.dtype == object and pd.api.types.infer_dtype(column) == "integer":
        column = _numbers(column)
    if pd.api.types.is_integer_dtype(column.dtype) or pd.api.types.is_float_dtype(column.dtype):
        return _whole(column, "ids are integers or text (floats are exact to 2**53)")
    text = column.to_numpy(object)
    fits = [isinstance(one, str) and (one.isascii() or not _HALF.search(one)) for one in text]
    _refuse(column, ~np.array(fits, bool), "ids are all integers or all text")
    return text


class IdIndex:
    """Where the data's own `ids` (n,) stand, integers or text without repeats: call it with ids.

    `what`, "user" or "item", and `hint` are for messages.
    """

    def __init__(self, ids: np.ndarray, what: str, hint: str = "") -> None:
        self._index, self.what, self._hint = pd.Index(ids), what, hint

    def __len__(self) -> int:
        return len(self._index)

    def __call__(self, ids: Any) -> np.ndarray:
        """Return where `ids` (one or several) stand, (n,) int32.

        Raise `UnknownIdError` for an unknown id, and `DataError` for anything that is neither an id
        nor a sequence of ids.
        """
        try:
            wanted = np.atleast_1d(np.asarray(None if np.ma.is_masked(ids) else ids))
            if wanted.dtype.kind == "U":  # NumPy's own text ends before a NUL, and 1 becomes "1"
                wanted = np.atleast_1d(np.asarray(ids, object))
            found = self._index.get_indexer(pd.Index(wanted))
        except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: of float16
            told = f"{self.what} ids are one id or a sequence of ids, not a {type(ids).__name__}"
            raise DataError(told) from error
        if (found < 0).any():
            told = f"there is no {self.what} {wanted[found < 0].tolist()[0]!r} in this data"
            example = f"; ids look like {self._index[:1].tolist()[0]!r}" if len(self) else ""
            raise UnknownIdError(f"{told}{example}{self._hint}")
        return found.astype(np.int32)

    def position(self, one: Any) -> int:
        """Return where an id stands; several are a `DataError`."""
        found = self(one)
        if len(found) != 1:
            raise DataError(f"one {self.what} id is asked for; {len(found)} were given")
        return int(found[0])

    def of_keys(self, ids: Iterable[Any]) -> np.ndarray:
        """Return where a few ids stand: many times as fast for one, and slower for thousands."""
        found = [self.find(one) for one in ids]
        if -1 in found:
            found = self(list(ids)).tolist()
        if len({*found}) < len(found):  # a Series can name one twice
            raise DataError(f"the ratings name one {self.what} twice; give one rating for each")
        return np.array(found, np.int32)

    def find(self, one: Any) -> int:
        """Return where an id stands; -1 for one that is not there."""
        try:
            return self._index.get_loc(one)
        except (KeyError, TypeError, InvalidIndexError):
            return -1

    def find_or_next(self, one: Any) -> int:
        """Return where an id stands, or will stand once it is added.

        One that is new and of another kind than those that are here is a `DataError`.
        """
        place = self.find(one)
        if place >= 0:
            return place
        kind, fits = "text", isinstance(one, str) and not _HALF.search(one)
        if self._index.dtype.kind in "iu":
            kind, fits = "integers of 64 bits", is_of(one, Integral) and -(2**63) <= one < 2**63
        if not fits:
            told = f"{one!r} cannot be a new {self.what}"
            raise DataError(f"{told}: the {self.what}s' ids are {kind}")
        return len(self)

    def add(self, one: Any) -> None:
        """Put a new id at the end."""
        self._index = self._index.append(pd.Index([one], dtype=self._index.dtype))


def seconds(column: pd.Series) -> tuple[np.ndarray, np.ndarray | None]:
    """Return times as whole seconds since 1970, (n,) int64, and the rows' order where they differ.

    The order (n,) int sorts the times as given; it is None if they are whole seconds.
    """
    says = "that is not a time; use seconds since 1970 or datetimes"
    kind = pd.api.types.infer_dtype(column) if column.dtype == object else ""
    dates = kind.startswith("date") or pd.api.types.is_datetime64_any_dtype(column.dtype)
    if not dates:
        number = _numbers(column)
        if pd.api.types.is_integer_dtype(number.dtype):
            return _whole(number, says), None
        exact = number.to_numpy(np.float64, na_value=np.nan)
        _refuse(column, ~(np.abs(exact) <= 2**53), says)
        cut = np.trunc(exact)
    else:
        with taking(f"the times of column {column.name!r}", NotImplementedError):
            column = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        _refuse(column, column.isna().to_numpy(), says)
        exact = column.to_numpy()
        cut = exact.astype("datetime64[s]")
    return cut.astype(np.int64), np.argsort(exact, kind="stable") if (exact != cut).any() else None


def _numbers(column: pd.Series) -> pd.Series:
    """Return a column's numbers; NaN for what is none: text, truth, dates, spans of time."""
    told = column
    if column.dtype.kind not in "iuf":
        told = column.astype(object)
        told = told.where(told.map(lambda one: is_of(one, Real | Decimal)))
    try:
        return pd.to_numeric(told, errors="coerce")
    except OverflowError:  # an integer of hundreds of digits
        return pd.to_numeric(told.astype(str), errors="coerce")


def _whole(column: pd.Series, says: str) -> np.ndarray:
    """Return numbers as int64; refuse the first that is not whole or does not fit, and say why."""
    if pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any():
        unsigned = pd.api.types.is_unsigned_integer_dtype(column.dtype)
        values = column.to_numpy(np.uint64 if unsigned else np.int64)
        wrong = values > np.iinfo(np.int64).max
    else:
        values = column.to_numpy(np.float64, na_value=np.nan)
        wrong = ~((values == np.floor(values)) & (np.abs(values) <= 2**53))
    _refuse(column, wrong, says)
    return values.astype(np.int64)


def _refuse(column: pd.Series, wrong: np.ndarray, says: str) -> None:
    """Raise `DataError` for the first row that is `wrong`, if any, with what stands there."""
    if wrong.any():
        row = int(wrong.argmax())
        one = column.astype(object).iloc[row]
        told = repr(one) if isinstance(one, str) else one
        raise DataError(f"row {row}: column {column.name!r} holds {told}; {says}")
