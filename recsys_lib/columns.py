"""Read the columns of a table of ratings: ids and times, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.errors import DataError


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
