"""The parsed copy of a release: arrays that are mapped into memory, so that loading takes a second.

A copy is one folder in the user's cache: a file an array, the tables, and ``copy.json`` that says
from which source it was made. It is written beside its place and renamed into it, so it is whole or
absent; one that is old or damaged is never read, but made again.
"""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.datasets import fetch
from recsys_lib.datasets.dataset import Parts
from recsys_lib.ratings import CSR, Ratings

logger = logging.getLogger("recsys_lib")

FORMAT = 2  # raise it whenever what is read from a release changes, its titles for instance
_MATRICES = ("ratings", "full")
_TABLES = ("items", "users")


def read(name: str, source: dict[str, Any]) -> Parts | None:
    """Return the copy of release `name` that was made from `source`, None if there is none.

    The arrays are mapped copy-on-write: only what is used is read from the disk, and they look like
    any other array to Numba, which compiles its kernels once more for read-only ones.
    """
    folder = _folder(name)
    try:
        about = json.loads((folder / "copy.json").read_text(encoding="utf-8"))
        if about["format"] != FORMAT or about["source"] != source:
            return None
        arrays = {}
        for key, (dtype, shape) in about["arrays"].items():
            array = np.load(folder / f"{key}.npy", mmap_mode="c", allow_pickle=False)
            if [array.dtype.str, list(array.shape)] != [dtype, shape]:
                return None
            arrays[key] = array
        parts: dict[str, Any] = {
            matrix: _matrix(matrix, arrays, **facts) for matrix, facts in about["matrices"].items()
        }
        for table in about["tables"]:
            parts[table] = pd.read_parquet(folder / f"{table}.parquet")
        return Parts(**parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        logger.debug("no parsed copy of %s: %s", name, error)
        return None


def write(name: str, source: dict[str, Any], parts: Parts) -> None:
    """Store the parsed copy; where that is impossible, say so on the log and go on."""
    there = {key: part for key, part in parts._asdict().items() if part is not None}
    matrices = {key: there[key] for key in _MATRICES if key in there}
    tables = {key: there[key] for key in _TABLES if key in there}
    arrays = {"user_ids": parts.ratings.user_ids, "item_ids": parts.ratings.item_ids}
    for key, ratings in matrices.items():
        for side in ("by_user", "by_item"):
            columns = getattr(ratings, side)._asdict().items()
            arrays |= {f"{key}_{side}_{field}": array for field, array in columns}
        if ratings.timestamps is not None:
            arrays[f"{key}_timestamps"] = ratings.timestamps
    about = {
        "format": FORMAT,
        "source": source,
        "matrices": {
            key: {"scale": ratings.scale, "n_duplicates": ratings.n_duplicates}
            for key, ratings in matrices.items()
        },
        "arrays": {key: [array.dtype.str, array.shape] for key, array in arrays.items()},
        "tables": list(tables),
    }
    folder = _folder(name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{name}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            for key, array in arrays.items():
                np.save(new / f"{key}.npy", array, allow_pickle=False)
            for key, table in tables.items():
                table.to_parquet(new / f"{key}.parquet", index=False)
            (new / "copy.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
            if folder.exists():
                folder.replace(Path(scratch) / "old")
            new.replace(folder)
    except OSError as error:
        logger.warning(
            "the parsed copy of %s could not be written to %s (%s), so each load parses it again; "
            "set RECSYS_CACHE to a folder that can be written",
            name, folder, error.strerror or error,
        )  # fmt: skip


def _matrix(
    name: str, arrays: dict[str, np.ndarray], scale: list[float], n_duplicates: int
) -> Ratings:
    by_user, by_item = (
        CSR(*(arrays[f"{name}_{side}_{field}"] for field in CSR._fields))
        for side in ("by_user", "by_item")
    )
    times = arrays.get(f"{name}_timestamps")
    low, high = scale
    ids = arrays["user_ids"], arrays["item_ids"]
    return Ratings(*ids, by_user, by_item, times, (low, high), n_duplicates)


def _folder(name: str) -> Path:
    return fetch.cache_home() / "parsed" / name
