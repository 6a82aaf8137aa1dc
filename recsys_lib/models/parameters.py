"""Parameters of models: dataclass fields whose limits stand beside their defaults.

A model declares ``tau: float = above(0, 1.35)``; `Parameters.check_parameters` refuses what is
outside before anything is learnt. The rest follows scikit-learn.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from recsys_lib.errors import RecsysError


def above(low: float, default: Any) -> Any:
    """Declare a number that must be above `low`."""
    return field(default=default, metadata={"above": low})


def at_least(low: float, default: Any) -> Any:
    """Declare a number that must be `low` or more."""
    return field(default=default, metadata={"at_least": low})


def number(default: Any) -> Any:
    """Declare any finite number."""
    return field(default=default, metadata={"above": float("-inf"), "below": float("inf")})


def share(default: float) -> Any:
    """Declare a number from 0 to below 1."""
    return field(default=default, metadata={"at_least": 0, "below": 1})


def one_of(options: tuple[str, ...], default: str) -> Any:
    """Declare one of a few words."""
    return field(default=default, metadata={"one_of": options})


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
        """Refuse parameters outside the limits declared with them.

        Raises
        ------
        RecsysError
            Names the parameter, its value and what it must be.
        """
        for one in (one for one in fields(self) if one.init):
            value = getattr(self, one.name)
            if isinstance(value, np.generic):  # files and PyTorch know Python's numbers alone
                value = value.item()
                setattr(self, one.name, value)
            optional = "None" in str(one.type)
            if value is None and optional:
                continue
            wanted = _refusal(value, str(one.type), one.metadata)
            if wanted:
                also = ", or None" if optional else ""
                raise RecsysError(f"{one.name} is {value!r}; it must be {wanted}{also}")


def _refusal(value: Any, kind: str, limits: Any) -> str:
    """Return what a value must be, if it is not; else nothing."""
    if "one_of" in limits:
        words = " or ".join(map(repr, limits["one_of"]))
        return "" if value in limits["one_of"] else words
    low = limits.get("above", limits.get("at_least"))
    if low is None:
        return ""
    if low == float("-inf"):
        wanted = "finite"
    elif "below" in limits:
        wanted = f"from {low:g} to below {limits['below']:g}"
    else:
        wanted = f"above {low:g}" if "above" in limits else f"{low:g} or more"
    whole = kind.startswith("int")
    if not isinstance(value, numbers.Integral if whole else numbers.Real) or isinstance(
        value, bool | np.bool_
    ):
        return f"a {'whole ' if whole else ''}number, {wanted}"
    fits = value > low if "above" in limits else value >= low  # neither is true of NaN
    return "" if fits and value < limits.get("below", float("inf")) else wanted
