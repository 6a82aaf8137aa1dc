"""Read the columns of a table of ratings: ids, ratings and times, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError


def need(frame: Any, *names: str) -> None:
    """Raise `DataError` unless `frame` is a table with these columns, each once, and with rows."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"ratings are read from a DataFrame, not from {type(frame).__name__}")
    if missing := [name for name in names if name not in frame.columns]:
        raise DataError(
            f"the table has no column {', '.join(map(repr, missing))}: its columns are "
            f"{', '.join(map(repr, frame.columns))}; name them with user=, item= and so on"
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"the table has two columns {twice!r}; drop or rename one")
    if len(frame) == 0:
        raise DataError("the table has no row: ratings are built from at least one")


def ratings(
    frame: pd.DataFrame, user: str, item: str, rating: str, scale: tuple[float, float] | None
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the ratings (n,) float32, and the scale: by default the lowest and the highest."""
    values = pd.to_numeric(frame[rating], errors="coerce").to_numpy(np.float32, na_value=np.nan)
    finite = np.isfinite(values)
    if scale is None:
        known = values[finite]
        scale = (known.min(), known.max()) if len(known) else (-np.inf, np.inf)
    low, high = np.float32(scale[0]), np.float32(scale[1])  # as the ratings are stored
    bad = ~(finite & (values >= low) & (values <= high))
    if bad.any():
        row = int(bad.argmax())
        who, what, value = frame[[user, item, rating]].astype(object).iloc[row]
        raise DataError(
            f"row {row} (user {who}, item {what}): the rating is {value!r}, not a number from "
            f"{low:g} to {high:g} ({int(bad.sum())} such rows); drop or mend these rows first"
        )
    return values, scale


def number(column: pd.Series, more: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's index (n,) int32 and the ids, ascending, those of `more` among them."""
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise DataError(
            f"row {row}: column {column.name!r} is empty; every rating needs a user and an item"
        )
    codes, unique = pd.factorize(_ids(column), sort=True)
    ids = np.asarray(unique)
    if more is None:
        return codes.astype(np.int32), ids
    more = _ids(pd.Series(more, name=column.name))
    if more.dtype != ids.dtype and len(more):
        kinds = ["text" if some.dtype == object else "integers" for some in (ids, more)]
        raise DataError(f"column {column.name!r} holds {kinds[0]}, the further ids are {kinds[1]}")
    everyone = np.unique(np.concatenate([ids, more.astype(ids.dtype)]))
    return np.searchsorted(everyone, ids).astype(np.int32)[codes], everyone


def _ids(column: pd.Series) -> np.ndarray:
    """Return ids as int64, or as Python strings where they are text."""
    if pd.api.types.is_integer_dtype(column.dtype) or pd.api.types.is_float_dtype(column.dtype):
        return _whole(column, "ids are integers or text (floats are exact to 2**53)")
    text = column.to_numpy(object)
    odd = next((k for k, value in enumerate(text) if not isinstance(value, str)), None)
    if odd is not None:
        raise DataError(
            f"row {odd}: column {column.name!r} holds {text[odd]!r}; "
            "ids are all integers or all text"
        )
    return text


def seconds(column: pd.Series) -> np.ndarray:
    """Return times as whole seconds since 1970, (n,) int64."""
    says = "that is not a time; use seconds since 1970 or datetimes"
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        number = pd.to_numeric(column, errors="coerce")
        whole = pd.api.types.is_integer_dtype(number.dtype)
        return _whole(number if whole else pd.Series(np.trunc(number.astype("Float64"))), says)
    if column.dt.tz is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise DataError(f"row {row}: column {column.name!r} is empty; {says}")
    return column.to_numpy("datetime64[s]").astype(np.int64)


def _whole(column: pd.Series, says: str) -> np.ndarray:
    """Return numbers as int64; refuse the first that is not whole or does not fit, and say why."""
    if pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any():
        unsigned = pd.api.types.is_unsigned_integer_dtype(column.dtype)
        values = column.to_numpy(np.uint64 if unsigned else np.int64)
        wrong = values > np.iinfo(np.int64).max
    else:
        values = column.to_numpy(np.float64, na_value=np.nan)
        wrong = ~((values == np.floor(values)) & (np.abs(values) <= 2**53))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"row {row}: column {column.name!r} holds {values[row]}; {says}")
    return values.astype(np.int64)
