"""Where to look: for each model, which parameters are searched and between which ends."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_lib.errors import RecsysError

DIGITS = 3  # of a sampled number: more would be noise, and these can be read and typed


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`; `log`: as many between 1 and 10 as between 10 and 100."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (self.low < self.high and (self.low > 0 or not self.log)):
            raise RecsysError(
                f"{self} is no range: low must be below high, and above 0 on a logarithmic scale"
            )

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def spread(self, n: int) -> list[Any]:
        """Return `n` values, evenly spaced from end to end; a single one is the middle."""
        places = np.linspace(0, 1, n) if n > 1 else np.array([0.5])
        if self.log:
            return [self.tidy(self.low * (self.high / self.low) ** place) for place in places]
        return [self.tidy(self.low + (self.high - self.low) * place) for place in places]

    def tidy(self, value: Any) -> float:
        """Return a sampled value as it is used: of few digits, and within the range."""
        return float(min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high))

    def distribution(self) -> Any:
        """Return it as Optuna knows it."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True, init=False)
class Choice:
    """One of a few values, in their order: ``Choice(10, 20, 40)``."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        if not values:
            raise RecsysError("a Choice needs at least one value")
        object.__setattr__(self, "values", values)

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def spread(self, n: int) -> list[Any]:
        """Return `n` of the values, or all there are; a single one is the middle."""
        n = min(n, len(self.values))
        if n == 1:
            return [self.values[len(self.values) // 2]]
        return [
            self.values[place]
            for place in np.linspace(0, len(self.values) - 1, n).round().astype(int)
        ]

    def tidy(self, value: Any) -> Any:
        """Return the value itself."""
        return value

    def distribution(self) -> Any:
        """Return it as Optuna knows it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


Space = Mapping[str, Range | Choice]

# λ is nowhere: only the ratios of the weights to it matter. Neither is ν of the models with
# factors: ½ was best wherever it was tried, and with it the other weights keep their meaning on
# data of another size.
_ALS: dict[str, Range | Choice] = {
    "n_factors": Choice(20, 40),
    "tau": Range(0.7, 3.0, log=True),
    "gamma": Range(0.1, 10.0, log=True),
    "popularity": Choice(None, 10.0, 30.0, 100.0, 300.0),
}
SPACES: dict[str, Space] = {
    "BiasALS": {"gamma": Range(0.1, 10.0, log=True), "nu": Range(0.0, 0.6)},
    "ALS": _ALS,
    "GenreALS": _ALS | {"beta": Range(3.0, 300.0, log=True)},
    "BPR": {
        "n_factors": Choice(16, 32, 64),
        "learning_rate": Range(0.01, 0.2, log=True),
        "reg": Range(0.001, 0.1, log=True),
        "n_epochs": Choice(10, 20, 40, 80),
    },
    "ImplicitALS": {
        "n_factors": Choice(8, 16, 32, 64),
        "alpha": Range(1.0, 40.0, log=True),
        "tau": Range(1.0, 100.0, log=True),
    },
    "PureSVD": {"n_factors": Choice(8, 12, 16, 24, 32, 48, 64)},
    "EASE": {"lam": Range(20.0, 5000.0, log=True)},
    "AutoEncoder": {
        "learning_rate": Range(3e-4, 5e-3, log=True),
        "dropout": Range(0.1, 0.7),
        "weight_decay": Range(0.01, 1.0, log=True),
        "batch_size": Choice(32, 64, 128),
    },
    "TwoTower": {
        "learning_rate": Range(5e-4, 1e-2, log=True),
        "temperature": Range(0.05, 0.3, log=True),
        "weight_decay": Range(0.03, 1.0, log=True),
        "dropout": Range(0.0, 0.5),
    },
}


def grid(space: Space, n: int) -> list[dict[str, Any]]:
    """Return the largest grid of at most `n` points: as many values of each parameter as it allows.

    The parameters named first get one value more than the rest where `n` does not suffice for all.
    """
    levels = dict.fromkeys(space, 1)
    growing = list(space)
    while growing:
        for name in list(growing):
            more = {**levels, name: levels[name] + 1}
            full = len(space[name].spread(more[name])) < more[name]
            if full or np.prod(list(more.values()), dtype=float) > n:
                growing.remove(name)
            else:
                levels = more
    values = [space[name].spread(levels[name]) for name in space]
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*values)]
