"""The boundary: what comes from a file is held to the table of its class, and then trusted.

Kernels trust every index and every shape, so nothing that was read may reach one unchecked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_lib.errors import DataError, RecsysError
from recsys_lib.ratings import CSR, check_array

if TYPE_CHECKING:
    from recsys_lib.models.fitted import Fitted

Arrays = dict[str, np.ndarray]
_DTYPES: dict[str, Any] = {"indptr_": np.int64, "indices_": np.int32}  # all else is float32
LARGEST = float(np.finfo(np.float32).max)
# What Python says of an entry that is missing or of another kind.
_FOREIGN = (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is taken up into `DataError`; `what` says where."""
    try:
        yield
    except (RecsysError, UnpicklingError, EOFError, OverflowError, *_FOREIGN) as error:
        raise DataError(f"{what} cannot be used: {error}; take another copy of it") from error


def check_state(model: Fitted, arrays: Arrays | None = None) -> None:
    """Refuse state that is not the class's own: see `Fitted.shapes`.

    Parameters
    ----------
    model : Fitted
        With ids, and all state but the arrays.
    arrays : dict, optional
        Of `Fitted.state`; by default the model's own.

    Raises
    ------
    DataError
        Names the entry and what it must be.
    """
    mine, rest = model.state()
    arrays = mine if arrays is None else arrays
    for name in ("user_ids_", "item_ids_"):
        _check_ids(name, getattr(model, name))
    declared = {one.name: str(one.type) for one in fields(model) if not one.init}
    plain = {name: kind for name, kind in declared.items() if kind != "np.ndarray"}
    _same_names(rest.keys(), plain.keys())
    for name, kind in plain.items():
        if not _IS[kind](rest[name]):
            raise DataError(f"{name} is {rest[name]!r}; it must be {kind}, and finite")
    sizes = model.sizes()
    _same_names(arrays.keys(), model.shapes.keys())
    for name, symbols in model.shapes.items():
        dtype = _DTYPES.get(name.partition("_")[2], np.float32)
        wanted = tuple(sizes.get(one, one) for one in symbols)
        _check_numbers(name, arrays[name], dtype, wanted)
    for name in model.shapes:
        if name.endswith("_indptr_"):
            stem = name.removesuffix("indptr_")
            rows = CSR(*(arrays[f"{stem}{part}_"] for part in CSR._fields))
            columns = sizes["n_features" if stem == "feature_" else "n_items"]
            rows.check(stem.rstrip("_"), len(rows.indptr) - 1, columns)


def check_own(own: Arrays, fresh: Arrays) -> None:
    """Refuse a run's own arrays unless they are, but for the numbers, those of one that begins."""
    _same_names(own.keys(), fresh.keys())
    for name, array in fresh.items():
        packed = array.dtype == np.uint8  # a file in a file, of any length
        _check_numbers(name, own[name], array.dtype, ("any",) if packed else array.shape)


def _check_numbers(name: str, array: Any, dtype: Any, wanted: tuple[int | str, ...]) -> None:
    """Refuse an array of another type or shape, or with a number that is not finite."""
    check_array(name, array, dtype, wanted)
    if array.size and not np.isfinite([array.min(), array.max()]).all():
        raise DataError(f"{name} holds what is no finite number")


def _same_names(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise DataError(f"it holds {sorted(found)}, and must hold {sorted(wanted)}")


def _check_ids(name: str, ids: Any) -> None:
    if not isinstance(ids, np.ndarray) or ids.ndim != 1 or ids.dtype.kind not in "iuO":
        raise DataError(f"{name} must be integers or text, (n,)")
    if len(set(ids.tolist())) < len(ids):
        raise DataError(f"{name} holds an id twice")


def _is_number(value: Any) -> bool:
    """Return whether it is a number, and one in float32 as well."""
    return isinstance(value, int | float) and type(value) is not bool and abs(value) < LARGEST


_IS = {
    "float": _is_number,
    "int": lambda value: _is_number(value) and isinstance(value, int),
    "list[str]": lambda value: isinstance(value, list) and all(type(one) is str for one in value),
    "tuple[float, float]": lambda value: all(map(_is_number, value)) and value[0] <= value[1],
    "pd.DataFrame": lambda value: hasattr(value, "columns"),
}
