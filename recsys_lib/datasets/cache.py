"""The parsed copy of a release: arrays that are memory-mapped, so that loading takes a second.

A copy is one file in the user's cache. It is written atomically and its checksum is verified at
each load. A damaged copy, or one of another source, is made again.
"""

import io
import logging
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.datasets import fetch
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.errors import FOREIGN, DataError
from recsys_lib.io import map_arrays, save_arrays
from recsys_lib.ratings import CSR, Ratings

logger = logging.getLogger("recsys_lib")

LAYOUT = 6  # raise it whenever what is read from a release changes, its titles for instance


def read(name: str, source: dict[str, Any]) -> Dataset | None:
    """Return the copy of release `name` made from `source`, or None if there is none.

    The arrays are mapped copy-on-write and so are writable: Numba compiles its kernels once more
    for read-only arrays.
    """
    path = _path(name)
    if not path.is_file():
        return None
    try:
        arrays, about = map_arrays(path)
        if about["layout"] != LAYOUT or about["source"] != source:
            return None
        parts: dict[str, Any] = {}
        # Copies: the parts of a split share them, and would keep the whole file mapped.
        ids = np.array(arrays["user_ids"]), np.array(arrays["item_ids"])
        for key, facts in about["matrices"].items():
            by_user = CSR(*(arrays[f"{key}_by_user_{field}"] for field in CSR._fields))
            parts[key] = Ratings(*ids, by_user, arrays.get(f"{key}_timestamps"), **facts)
        for key in about["tables"]:
            parts[key] = pd.read_parquet(io.BytesIO(arrays[key].tobytes()))
        ascend = all((some[1:] > some[:-1]).all() for some in ids)
        if not ascend or not np.array_equal(parts["items"]["item_id"], ids[1]):
            raise ValueError("its ids are not those of a release")
        mapping: Any = arrays["user_ids"]
        while isinstance(mapping, np.ndarray):
            mapping = mapping.base
        if hasattr(mmap, "MADV_DONTNEED"):  # what the checks have read is no longer in use
            mapping.madvise(mmap.MADV_DONTNEED)
        return Dataset(name, **parts)
    except (*FOREIGN, OSError) as error:
        logger.info("the parsed copy cannot be read (%s): it is made again", error)
        return None


def write(source: dict[str, Any], data: Dataset) -> None:
    """Store the parsed copy; if that fails, log the reason and continue."""
    arrays = {"user_ids": data.ratings.user_ids, "item_ids": data.ratings.item_ids}
    matrices, tables = {}, []
    for key in ("ratings", "items", "users", "full"):
        if isinstance(part := getattr(data, key), Ratings):
            matrices[key] = {"scale": part.scale, "n_duplicates": part.n_duplicates}
            columns = part.by_user._asdict()
            arrays |= {f"{key}_by_user_{field}": array for field, array in columns.items()}
            if part.timestamps is not None:
                arrays[f"{key}_timestamps"] = part.timestamps
        elif part is not None:
            tables.append(key)
            arrays[key] = np.frombuffer(part.to_parquet(index=False), np.uint8)
    about = {"layout": LAYOUT, "source": source, "matrices": matrices, "tables": tables}
    try:
        save_arrays(_path(data.name), arrays, about)
    except (OSError, DataError) as error:
        logger.warning(
            "the parsed copy of %s could not be written to %s (%s), so each load parses it again; "
            "set RECSYS_CACHE to a folder that can be written",
            data.name, _path(data.name), error,
        )  # fmt: skip


def _path(name: str) -> Path:
    return fetch.cache_home() / "parsed" / f"{name}.safetensors"
