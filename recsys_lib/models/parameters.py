"""What models declare, parameters and state, and the checks that hold files to it.

A model declares ``tau: float = above(0, 1.35)`` and ``item_rows_: np.ndarray = learnt("n_items",
"K + 1")``. Whatever does not fit is refused before anything is learnt, or taken from a file:
kernels trust every index and every shape.
"""

from collections.abc import Callable
from dataclasses import field, fields
from inspect import formatannotation
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import numpy as np
import pandas as pd

from recsys_lib.columns import limits
from recsys_lib.errors import DataError, check_array, check_ids, is_of
from recsys_lib.ratings import CSR, check_csr

if TYPE_CHECKING:
    from recsys_lib.models.fitted import Fitted

HUGE = 2**63  # from here on, numbers fit neither generators of random numbers nor kernels
Arrays = dict[str, np.ndarray]
_DTYPES: dict[str, Any] = {"indptr_": np.int64, "indices_": np.int32}  # all else is float32
LARGEST = float(np.finfo(np.float32).max)


def above(low: float, default: Any) -> Any:
    """Declare a number that must be above `low`."""
    return _limited(default, f"above {low:g}", lambda value: low < value < float("inf"))


def at_least(low: float, default: Any) -> Any:
    """Declare a number that must be `low` or more."""
    return _limited(default, f"{low:g} or more", lambda value: low <= value < float("inf"))


def within(low: float, high: float, default: Any) -> Any:
    """Declare a number from `low` to `high`."""
    return _limited(default, f"from {low:g} to {high:g}", lambda value: low <= value <= high)


def share(default: float) -> Any:
    """Declare a number from 0 to below 1."""
    return _limited(default, "from 0 to below 1", lambda value: 0 <= value < 1)


def widths(default: tuple[int, ...], least: int) -> Any:
    """Declare a sequence of whole numbers above 0, of `least` or more of them."""
    wanted = f"a sequence of {least} or more whole numbers above 0"

    def fits(value: Any) -> bool:
        return len(value) >= least and all(type(one) is int and one > 0 for one in value)

    return _limited(default, wanted, fits)


def one_of(options: tuple[str, ...], default: str) -> Any:
    """Declare one of a few words."""
    return _limited(default, " or ".join(map(repr, options)), lambda value: value in options)


def learnt(*shape: str, derived: bool = False) -> Any:
    """Declare an array of the state: its `Fitted.shapes`; `derived` if it follows from others."""
    return field(init=False, metadata={"shape": shape, "derived": derived})


def factors_and_biases(rows: str) -> tuple[Any, Any]:
    """Return properties: all columns but the last of the array of this name, and the last one."""
    return (
        property(lambda model: getattr(model, rows)[:, :-1]),
        property(lambda model: getattr(model, rows)[:, -1]),
    )


def _limited(default: Any, wanted: str, fits: Callable[[Any], bool]) -> Any:
    return field(default=default, metadata={"wanted": wanted, "fits": fits})


def plain(value: Any) -> Any:
    """Return Python's own numbers for NumPy's: files and PyTorch know no others."""
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value


# What a value of a type must be, in words where its limits do not say it, and whether it is that.
KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number", lambda value: is_of(value, int)),
    float: ("a number", lambda value: is_of(value, int | float)),
    str: ("", lambda value: isinstance(value, str)),
    tuple[int, ...]: ("", lambda value: isinstance(value, tuple)),
    tuple[float, float]: ("", lambda value: limits(value) == value),  # one may be without end
    list[str]: ("", lambda value: isinstance(value, list) and {*map(type, value)} <= {str}),
    pd.DataFrame: ("", lambda value: isinstance(value, pd.DataFrame)),
}


# ---- what comes from a file


def check_state(model: "Fitted", arrays: Arrays | None = None) -> None:
    """Refuse state that is not the class's own: see `Fitted.shapes`.

    The model has ids, and all state but the `arrays`, those of `Fitted.state`; by default they are
    its own. The `DataError` names the entry and what it must be.
    """
    mine, rest = model.state()
    arrays = mine if arrays is None else arrays
    check_ids(user_ids_=model.user_ids_, item_ids_=model.item_ids_)
    hints = get_type_hints(type(model))
    kinds = {one.name: hints[one.name] for one in fields(model) if not one.init}
    for name in rest.keys() | {name for name, kind in kinds.items() if kind is not np.ndarray}:
        kind, value = kinds.get(name), cast(Any, rest.get(name))
        finite = not is_of(value) or abs(value) < LARGEST
        if kind not in KINDS or not KINDS[kind][1](value) or not finite:
            must_be = f"{formatannotation(kind)}, and finite" if kind else "left out"
            raise DataError(f"{name} is {value!r}; it must be {must_be}")
    sizes = model.sizes()
    wanted = {
        name: (_DTYPES.get(name.partition("_")[2], np.float32), [sizes.get(n, n) for n in symbols])
        for name, symbols in model.shapes.items()
    }
    check_arrays(arrays, wanted)
    for stem in (name.removesuffix("indptr_") for name in wanted if name.endswith("_indptr_")):
        rows = CSR(*(arrays[f"{stem}{part}_"] for part in CSR._fields))
        columns = sizes["n_features" if stem == "feature_" else "n_items"]
        check_csr(stem.rstrip("_"), rows, "n_rows + 1", columns)


def check_arrays(found: Arrays, wanted: dict[str, tuple[Any, Any]]) -> None:
    """Refuse arrays of other names, dtypes or shapes than `wanted`, and numbers not finite."""
    if found.keys() != wanted.keys():
        raise DataError(f"it holds {sorted(found)}, and must hold {sorted(wanted)}")
    for name, (dtype, shape) in wanted.items():
        check_array(name, array := found[name], dtype, tuple(shape))
        if array.size and not np.isfinite([array.min(), array.max()]).all():
            raise DataError(f"{name} holds what is no finite number")
