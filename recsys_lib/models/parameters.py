"""What models declare, parameters and state, and the checks that hold values and files to it.

A model declares ``tau: float = above(0, 1.35)`` and ``item_rows_: np.ndarray = learnt("n_items",
"K + 1")``. `Parameters.check_parameters` refuses what is outside before anything is learnt, as
`check_state` does what comes from a file: kernels trust every index and every shape, so nothing
that was read may reach one unchecked. The rest follows scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from recsys_lib.columns import limits
from recsys_lib.errors import DataError, RecsysError, check_array, check_ids
from recsys_lib.ratings import CSR, check_csr

if TYPE_CHECKING:
    from recsys_lib.models.fitted import Fitted

HUGE = 2**63  # from here on, numbers fit neither generators of random numbers nor kernels
Arrays = dict[str, np.ndarray]
_DTYPES: dict[str, Any] = {"indptr_": np.int64, "indices_": np.int32}  # all else is float32
LARGEST = float(np.finfo(np.float32).max)
# What Python says of an entry that is missing or of another kind.
_FOREIGN = (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError)


def above(low: float, default: Any) -> Any:
    """Declare a number that must be above `low`."""
    return _limited(default, f"above {low:g}", lambda value: low < value < float("inf"))


def at_least(low: float, default: Any) -> Any:
    """Declare a number that must be `low` or more."""
    return _limited(default, f"{low:g} or more", lambda value: low <= value < float("inf"))


def number(default: Any) -> Any:
    """Declare any finite number."""
    return _limited(default, "finite", lambda value: abs(value) < float("inf"))


def share(default: float) -> Any:
    """Declare a number from 0 to below 1."""
    return _limited(default, "from 0 to below 1", lambda value: 0 <= value < 1)


def widths(default: tuple[int, ...], least: int) -> Any:
    """Declare a sequence of whole numbers above 0, of `least` or more of them."""
    wanted = f"a sequence of {least} or more whole numbers above 0"

    def fits(value: Any) -> bool:
        return len(value) >= least and all(type(one) is int and one > 0 for one in value)

    return _limited(default, wanted, fits)


def names() -> Any:
    """Declare a sequence of different names; by default there are none."""
    return _limited((), "a sequence of different names", lambda v: len({*map(repr, v)}) == len(v))


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


@dataclass(eq=False, repr=False)
class Parameters:
    """The arguments of a constructor, kept as attributes of the same names."""

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the names of the parameters, in the order of the constructor."""
        return [one.name for one in fields(cls) if one.init]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; `deep` is there for scikit-learn's sake."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters: sizes from the next `fit` on, the weights of a fold-in at once."""
        known = self.parameter_names()
        for name, value in params.items():
            if name not in known:
                raise RecsysError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def unfitted(self, **changes: Any) -> Self:
        """Return a new model with the same parameters, but for `changes`."""
        return type(self)(**self.get_params()).set_params(**changes)

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"

    def check_parameters(self) -> None:
        """Refuse parameters of another type, or outside the limits declared with them.

        The `RecsysError` names the parameter, its value and what it must be.
        """
        for one in (one for one in fields(self) if one.init):
            name = getattr(one.type, "__name__", one.type)  # a class where annotations are not text
            kind, _, optional = str(name).partition(" | ")
            value = _plain(getattr(self, one.name))
            setattr(self, one.name, value)
            what, types = _KINDS.get(kind, ("", ()))
            wanted = ", ".join(filter(None, (what, one.metadata.get("wanted"))))
            fits = not types or type(value) in types
            fits = fits and one.metadata.get("fits", lambda _: True)(value)
            if fits and isinstance(value, int | float) and abs(value) >= HUGE:
                fits, wanted = False, f"below {HUGE}"
            if not fits and not (optional and value is None):
                also = ", or None" if optional else ""
                raise RecsysError(f"{one.name} is {value!r}; it must be {wanted}{also}")


def _plain(value: Any) -> Any:
    """Return Python's own numbers for NumPy's: files and PyTorch know no others."""
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


# What a parameter of a type must be, in words, where its limits do not say it; and the classes.
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "str": ("", (str,)),
    "tuple[int, ...]": ("", (tuple,)),
    "tuple[str, ...]": ("", (tuple,)),
}


# ---- what comes from a file


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is taken up into `DataError`; `what` says where."""
    try:
        yield
    except (RecsysError, UnpicklingError, EOFError, OverflowError, *_FOREIGN) as error:
        raise DataError(f"{what} cannot be used: {error}; take another copy of it") from error


def check_state(model: Fitted, arrays: Arrays | None = None) -> None:
    """Refuse state that is not the class's own: see `Fitted.shapes`.

    The model has ids, and all state but the `arrays`, those of `Fitted.state`; by default they are
    its own. The `DataError` names the entry and what it must be.
    """
    mine, rest = model.state()
    arrays = mine if arrays is None else arrays
    for name in ("user_ids_", "item_ids_"):
        check_ids(**{name: (ids := getattr(model, name))})
        if len(set(ids.tolist())) < len(ids):
            raise DataError(f"{name} holds an id twice")
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
            check_csr(stem.rstrip("_"), rows, "n_rows + 1", columns)


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


def _is_number(value: Any) -> bool:
    """Return whether it is a number, and one in float32 as well."""
    return isinstance(value, int | float) and type(value) is not bool and abs(value) < LARGEST


_IS = {
    "float": _is_number,
    "int": lambda value: _is_number(value) and isinstance(value, int),
    "list[str]": lambda value: isinstance(value, list) and all(type(one) is str for one in value),
    "tuple[float, float]": lambda value: limits(value) == value,  # one may be without end
    "pd.DataFrame": lambda value: hasattr(value, "columns"),
}
