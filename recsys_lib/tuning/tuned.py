"""The chosen values: `record` writes them to ``recsys_lib/tuned.toml``, `load_params` reads."""

from __future__ import annotations

import inspect
import json
import math
import os
import tomllib
from collections.abc import Callable, Mapping
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
MODELS = {name.lower(): name for name in models.__all__}


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

    Examples
    --------
    >>> models.ALS(**tuning.load_params("ALS", data.name))  # doctest: +SKIP
    """
    entry = provenance(model_name, dataset_name, path)
    return {} if entry is None else dict(entry["params"])


def provenance(
    model_name: str, dataset_name: str, path: str | os.PathLike[str] = TUNED
) -> dict[str, Any] | None:
    """Return how the values of `load_params` were found, or None if they are the defaults.

    Returns
    -------
    dict
        What was given to `record`, with ``dataset``: the data set that they were found on.
    """
    entries = _read(path).get(class_name(model_name), {})
    names = sorted(entries, key=lambda name: (_distance(name, dataset_name), name))
    if not names or math.isinf(_distance(names[0], dataset_name)):
        return None
    return {"dataset": names[0], **entries[names[0]]}


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
    name = class_name(model_name)
    entry = {**{key: value for key, value in how.items() if value is not None}, "params": {}}
    entry["params"] = {key: value for key, value in params.items() if value is not None}
    tables = _read(path)
    tables.setdefault(name, {})[dataset_name] = entry
    _check(tables, path)
    lines = [HEADER]
    for model in sorted(tables):
        for dataset in sorted(tables[model]):
            values = dict(tables[model][dataset])
            lines += _table(f"{model}.{json.dumps(dataset)}", values.pop("params"), values)
    try:
        with io.replacing(path) as temporary:
            temporary.write_text("\n".join(lines), encoding="utf-8")
            temporary.chmod(0o644)  # a temporary file is private, this one is for all
    except OSError as error:
        found = ", ".join(f"{key}={value!r}" for key, value in entry["params"].items())
        raise RecsysError(
            f"{os.fspath(path)!r} cannot be written ({error.strerror}), so {name}({found}) is not "
            "recorded; run this in a checkout of the project that you may write to"
        ) from error


def class_name(model_name: str) -> str:
    """Return a model's class name, given in any case."""
    if model_name.lower() not in MODELS:
        raise RecsysError(
            f"there is no model {model_name!r}; there are {', '.join(MODELS.values())}"
        )
    return MODELS[model_name.lower()]


def _distance(name: str, wanted: str) -> float:
    """Return the logarithm of the ratio of two data sets' sizes; infinite if of different kinds."""
    if name == wanted:
        return -1.0
    for sizes in registry.sizes():
        if name in sizes and wanted in sizes:
            return abs(math.log(sizes[name] / sizes[wanted]))
    return math.inf


def _read(path: str | os.PathLike[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the tables of the file, checked; none if there is no file."""
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{os.fspath(path)!r} is not TOML ({error}); mend it, or delete it and tune again"
        ) from error
    except OSError as error:
        raise DataError(f"{os.fspath(path)!r} cannot be read ({error.strerror})") from error
    _check(tables, path)
    return tables


def _check(tables: Any, path: str | os.PathLike[str]) -> None:
    """Refuse what no model could be given."""
    for model, entries in tables.items():
        if model not in MODELS.values():
            raise DataError(f"{os.fspath(path)!r} names a model {model!r}, and there is none")
        known = getattr(models, model).parameter_names()
        for dataset, entry in entries.items() if isinstance(entries, dict) else [("", None)]:
            params = entry.get("params") if isinstance(entry, dict) else None
            if not isinstance(params, dict):
                raise DataError(
                    f"{os.fspath(path)!r} has no table [{model}.{dataset}.params]; tune again"
                )
            for name in params:
                if name not in known:
                    raise DataError(
                        f"{os.fspath(path)!r} gives {model} on {dataset} a parameter {name!r}, "
                        f"and it has only {', '.join(known)}"
                    )


def _table(name: str, params: Mapping[str, Any], how: Mapping[str, Any]) -> list[str]:
    lines = [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in how.items())]
    lines += [f"[{name}.params]", *(f"{key} = {json.dumps(params[key])}" for key in sorted(params))]
    return [*lines, ""]
