"""Parameters of models: dataclass fields whose limits stand beside their defaults.

A model declares ``tau: float = above(0, 1.35)``; `Parameters.check_parameters` refuses what is
outside before anything is learnt. The rest follows scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from recsys_lib.errors import RecsysError

HUGE = 2**63  # from here on, numbers fit neither generators of random numbers nor kernels


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
        """Change parameters; takes effect at the next `fit`."""
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

        Raises
        ------
        RecsysError
            Names the parameter, its value and what it must be.
        """
        for one in (one for one in fields(self) if one.init):
            name = getattr(one.type, "__name__", one.type)  # a class where annotations are not text
            kind, _, optional = str(name).partition(" | ")
            value = _plain(getattr(self, one.name))
            setattr(self, one.name, value)
            if value is None and optional:
                continue
            wanted = one.metadata.get("wanted", "")
            what, types = _KINDS.get(kind, ("", object))
            if not isinstance(value, types) or (
                isinstance(value, bool) and kind in ("int", "float")
            ):
                wanted = f"{what}, {wanted}" if what and wanted else what or wanted
            elif "fits" not in one.metadata or one.metadata["fits"](value):
                if not isinstance(value, int | float) or abs(value) < HUGE:
                    continue
                wanted = f"below {HUGE}"
            also = ", or None" if optional else ""
            raise RecsysError(f"{one.name} is {value!r}; it must be {wanted}{also}")


def _plain(value: Any) -> Any:
    """Return Python's own numbers for NumPy's: files and PyTorch know no others."""
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


# What a parameter of a type must be, in words, where its limits do not say it; and the classes.
_KINDS: dict[str, tuple[str, Any]] = {
    "int": ("a whole number", int),
    "float": ("a number", int | float),
    "str": ("", str),
    "tuple[int, ...]": ("", tuple),
}
