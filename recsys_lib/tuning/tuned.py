"""The chosen values: `record` writes them to ``recsys_lib/tuned.toml``, `load_params` reads."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_lib import io, models
from recsys_lib.datasets import registry
from recsys_lib.errors import DataError, RecsysError

TUNED = Path(__file__).parent.parent / "tuned.toml"
HEADER = """\
# What `make tune` chose, for each model and data set, and how. The chapters read it by
# `tuning.load_params`; parameters that are not named here keep the model's defaults.
"""
# Data sets of one kind, by name: their numbers of ratings, or of watches.
KINDS = registry.sizes()


def load_params(
    model_name: str, dataset_name: str, path: str | os.PathLike[str] = TUNED
) -> dict[str, Any]:
    """Return the parameters chosen for a model on a data set; none ({}) are the defaults.

    Parameters
    ----------
    model_name : str
        A model's class name, in any case: ``"ALS"``.
    dataset_name : str
        A concrete name: ``data.name``. Where nothing was chosen for it, what was chosen for the
        data set of its kind (MovieLens, simulated ratings, watches) that is nearest in size counts.

    Raises
    ------
    RecsysError
        There is no such model.
    DataError
        The file is not in the form that `record` writes.
    """
    entry = provenance(model_name, dataset_name, path)
    return {} if entry is None else dict(entry["params"])


def provenance(
    model_name: str, dataset_name: str, path: str | os.PathLike[str] = TUNED
) -> dict[str, Any] | None:
    """Return how the values of `load_params` were found, or None if they are the defaults.

    That is what was given to `record`, with ``dataset``: the data set that they were found on.
    """

    def distance(name: str) -> float:
        """Return the logarithm of the ratio of two sizes; infinite if of different kinds."""
        if name == dataset_name:
            return -1.0
        pairs = [(sizes.get(name), sizes.get(dataset_name)) for sizes in KINDS]
        return min((abs(math.log(a / b)) for a, b in pairs if a and b), default=math.inf)

    entries = _read(path).get(class_name(model_name), {})
    nearest = min(sorted(entries), key=distance, default=None)
    if nearest is None or math.isinf(distance(nearest)):
        return None
    return {"dataset": nearest, **entries[nearest]}


def record(
    model_name: str,
    dataset_name: str,
    params: Mapping[str, Any],
    path: str | os.PathLike[str] = TUNED,
    **how: Any,
) -> None:
    """Write the parameters chosen for a model on a data set, in place of earlier ones.

    Parameters
    ----------
    params : mapping
        Parameters of the model. One that is None is left out, TOML knowing no such thing.
    **how
        How they were chosen: numbers and words, such as protocol, seed, sampler, n_trials, metric.

    Raises
    ------
    RecsysError
        There is no such model, it has no such parameter, or the file cannot be written.
    """
    name, tables = class_name(model_name), _read(path)
    chosen = {key: value for key, value in sorted(params.items()) if value is not None}
    tables.setdefault(name, {})[dataset_name] = {**how, "params": chosen}
    _check(tables, path)
    lines = [HEADER]
    for model, entries in sorted(tables.items()):
        for dataset, entry in sorted(entries.items()):
            told = {key: value for key, value in entry.items() if key != "params"}
            for suffix, values in (("", told), (".params", entry["params"])):
                lines.append(f"[{model}.{json.dumps(dataset)}{suffix}]")
                lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
            lines.append("")
    try:
        with io.replacing(path) as temporary:
            temporary.write_text("\n".join(lines), encoding="utf-8")
            temporary.chmod(0o644)  # a temporary file is private, this one is for all
    except OSError as error:
        found = ", ".join(f"{key}={value!r}" for key, value in chosen.items())
        raise RecsysError(
            f"{os.fspath(path)!r} cannot be written ({error.strerror}), so {name}({found}) is not "
            "recorded; run this in a checkout of the project that you may write to"
        ) from error


def class_name(model_name: str) -> str:
    """Return a model's class name, given in any case."""
    known = {name.lower(): name for name in models.__all__}
    if model_name.lower() not in known:
        raise RecsysError(
            f"there is no model {model_name!r}; there are {', '.join(known.values())}"
        )
    return known[model_name.lower()]


def _read(path: str | os.PathLike[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the tables of the file, checked; none if there is no file."""
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(
            f"{os.fspath(path)!r} cannot be read as TOML ({error}); mend it, or delete it and tune "
            "again"
        ) from error
    _check(tables, path)
    return tables


def _check(tables: Any, path: str | os.PathLike[str]) -> None:
    """Refuse what no model could be given."""
    told = repr(os.fspath(path))
    for model, entries in tables.items():
        if model not in models.__all__:
            raise DataError(f"{told} names a model {model!r}, and there is none")
        known = getattr(models, model).parameter_names()
        for dataset, entry in entries.items() if isinstance(entries, dict) else [("", None)]:
            params = entry.get("params") if isinstance(entry, dict) else None
            if not isinstance(params, dict):
                raise DataError(f"{told} has no table [{model}.{dataset}.params]; tune again")
            for name in params:
                if name not in known:
                    raise DataError(
                        f"{told} gives {model} on {dataset} a parameter {name!r}, and it has only "
                        f"{', '.join(known)}"
                    )
