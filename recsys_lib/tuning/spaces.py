"""Points of a search space: mappings of a parameter's name to one of Optuna's distributions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from recsys_lib.errors import RecsysError

Space = Mapping[str, BaseDistribution]
DIGITS = 3  # of a sampled number: more would be noise, and these can be read and typed


def tidy(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return sampled values as they are used: numbers of few digits, within their ranges."""
    return {name: _tidy(part, params[name]) for name, part in space.items()}


def _tidy(part: BaseDistribution, value: Any) -> Any:
    if not isinstance(part, FloatDistribution):
        return value
    return float(min(max(float(f"{value:.{DIGITS}g}"), part.low), part.high))


def holds(part: BaseDistribution, value: Any) -> bool:
    """Return whether a value lies in a distribution."""
    if isinstance(part, CategoricalDistribution):
        return value in part.choices
    return isinstance(value, int | float) and part.low <= value <= part.high  # type: ignore[attr-defined]


def spread(part: BaseDistribution, n: int) -> list[Any]:
    """Return `n` values, evenly spaced, or all there are; a single one is the middle."""
    if isinstance(part, CategoricalDistribution):
        n = min(n, len(part.choices))
        places = np.linspace(0, len(part.choices) - 1, n).round().astype(int)
        return [part.choices[k] for k in (places if n > 1 else [len(part.choices) // 2])]
    if not isinstance(part, FloatDistribution):
        raise RecsysError(f"a grid takes Float- and CategoricalDistributions, and this is {part!r}")
    shares = np.linspace(0, 1, n) if n > 1 else np.array([0.5])
    if part.log:
        values = part.low * (part.high / part.low) ** shares
    else:
        values = part.low + (part.high - part.low) * shares
    return [_tidy(part, value) for value in values]


def grid(space: Space, n: int) -> list[dict[str, Any]]:
    """Return the largest grid of at most `n` points: as many values of each parameter as it allows.

    The parameters named first get one value more than the rest where `n` does not suffice for all.
    """
    levels = dict.fromkeys(space, 1)
    growing = list(space)
    while growing:
        for name in list(growing):
            more = {**levels, name: levels[name] + 1}
            full = len(spread(space[name], more[name])) < more[name]
            if full or np.prod(list(more.values()), dtype=float) > n:
                growing.remove(name)
            else:
                levels = more
    values = [spread(space[name], levels[name]) for name in space]
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*values)]
