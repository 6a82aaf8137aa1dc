"""The chosen values: `record` writes them to ``benchmarks/tuned.toml``, `load_params` reads."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_lib import io, models
from recsys_lib.datasets import registry
from recsys_lib.errors import RecsysError

TUNED = Path(__file__).with_name("tuned.toml")
HEADER = """\
# What `make tune` chose, for each model and data set, and how. The chapters read it by
# `tuned.load_params`; parameters that are not named here keep the model's defaults.
"""


def load_params(model_name: str, dataset_name: str, path: Path = TUNED) -> dict[str, Any]:
    """Return the parameters chosen for a model on a data set; none ({}) are the defaults.

    `dataset_name` is a concrete one: ``data.name``. Where nothing was chosen for it, the values
    of the data set of its kind (MovieLens, simulated ratings, watches) that is nearest in size
    count.
    """
    entry = provenance(model_name, dataset_name, path)
    return {} if entry is None else dict(entry["params"])


def provenance(model_name: str, dataset_name: str, path: Path = TUNED) -> dict[str, Any] | None:
    """Return how the values of `load_params` were found, or None if they are the defaults.

    That is what was given to `record`, with ``dataset``: the data set that they were found on.
    """

    def distance(name: str) -> float:
        """Return the logarithm of the ratio of two sizes; infinite if of different kinds."""
        if name == dataset_name:
            return -1.0
        pairs = [(sizes.get(name), sizes.get(dataset_name)) for sizes in _sizes()]
        return min((abs(math.log(a / b)) for a, b in pairs if a and b), default=math.inf)

    entries = _read(path).get(class_name(model_name), {})
    nearest = min(sorted(entries), key=distance, default=None)
    if nearest is None or math.isinf(distance(nearest)):
        return None
    return {"dataset": nearest, **entries[nearest]}


def record(
    model_name: str, dataset_name: str, params: Mapping[str, Any], path: Path = TUNED, **how: Any
) -> None:
    """Write the parameters chosen for a model on a data set, in place of earlier ones.

    One that is None is left out, TOML knowing no such thing. `how` they were chosen are numbers and
    words, such as protocol, seed, n_trials, metric.
    """
    name, tables = class_name(model_name), _read(path)
    getattr(models, name)().set_params(**params)  # refuses what the model has not
    chosen = {key: value for key, value in sorted(params.items()) if value is not None}
    tables.setdefault(name, {})[dataset_name] = {**how, "params": chosen}
    lines = [HEADER]
    for model, entries in sorted(tables.items()):
        for dataset, entry in sorted(entries.items()):
            told = {key: value for key, value in entry.items() if key != "params"}
            for suffix, values in (("", told), (".params", entry["params"])):
                lines.append(f"[{model}.{json.dumps(dataset)}{suffix}]")
                lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
            lines.append("")
    with io.replacing(path) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
        temporary.chmod(0o644)  # a temporary file is private, this one is for all


def class_name(model_name: str, known: list[str] = models.__all__) -> str:
    """Return a model's class name, given in any case."""
    found = [name for name in known if name.lower() == model_name.strip().lower()]
    if not found:
        raise RecsysError(f"there is no such model {model_name!r}; there are {', '.join(known)}")
    return found[0]


def _sizes() -> list[dict[str, int]]:
    """Return how many ratings each data set has, by name; each dict holds data of one kind."""
    watches = {name: asked["n_watches"] for name, asked in registry.WATCHES.items()}
    return [
        {name: registry.RELEASES[name].n_ratings for name in registry.available()["name"]},
        {name: asked["n_ratings"] for name, asked in registry.RATINGS.items()},
        {"kuairec": registry.RELEASES["kuairec"].n_ratings, **watches},
    ]


def _read(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
