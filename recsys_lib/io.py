"""Saving and loading without pickle: arrays in safetensors, the rest as JSON in its header.

Nothing that is loaded can run code, and a file that is being written never replaces a whole one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from recsys_lib.errors import DataError

FORMAT = 1  # raised whenever an older reader could misread a newer file
HEADER = "recsys_lib"
_DTYPES = {
    "U8": "u1",
    "I32": "<i4",
    "I64": "<i8",
    "F32": "<f4",
    "F64": "<f8",
}  # as safetensors names them


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and move it there when the block ends without error."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def save_arrays(
    path: str | os.PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any]
) -> None:
    """Write arrays and `meta` (anything JSON can hold) into one safetensors file, atomically.

    Arrays of text are stored as UTF-8 bytes with offsets, since safetensors knows numbers only.
    """
    numeric: dict[str, np.ndarray] = {}
    text = []
    for name, array in arrays.items():
        if array.dtype == object:
            encoded = [value.encode() for value in array]
            text.append(name)
            numeric[name] = np.frombuffer(b"".join(encoded), np.uint8)
            lengths = [len(value) for value in encoded]
            numeric[f"{name}.offsets"] = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        else:
            numeric[name] = np.ascontiguousarray(array)
    header = {"format": FORMAT, "text": text, **meta}
    with replacing(path) as temporary:
        save_file(numeric, temporary, {HEADER: json.dumps(header, default=number)})


def load_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_arrays` wrote: the arrays and `meta`.

    Raises
    ------
    DataError
        There is no such file, it is not one of ours, or a newer version wrote it.
    """
    if not Path(path).is_file():
        raise DataError(f"there is no file {os.fspath(path)!r} to load")
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{os.fspath(path)!r} was not saved by this library: {error}") from error
    if header["format"] > FORMAT:
        raise DataError(
            f"{os.fspath(path)!r} has format {header['format']}; this version reads up to "
            f"{FORMAT}: update recsys_lib"
        )
    for name in header.pop("text"):
        offsets, data = arrays.pop(f"{name}.offsets"), arrays[name].tobytes()
        parts = [data[a:b].decode() for a, b in itertools.pairwise(offsets)]
        arrays[name] = np.array(parts, dtype=object)
    return arrays, header


def map_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Map what `save_arrays` wrote into memory, copy-on-write: the arrays of numbers and `meta`.

    Raises
    ------
    DataError
        It is not one of our files, or not a whole one.
    """
    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            layout = json.loads(file.read(length))
        data = np.memmap(path, np.uint8, "c", offset=8 + length)
        meta = json.loads(layout.pop("__metadata__")[HEADER])
        arrays = {}
        for name, place in layout.items():
            first, last = place["data_offsets"]
            dtype = np.dtype(_DTYPES[place["dtype"]])
            arrays[name] = data[first:last].view(dtype).reshape(place["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{os.fspath(path)!r} is no whole file of this library: {error}") from error
    del meta["format"], meta["text"]
    return arrays, meta


def number(value: Any) -> Any:
    """Return a NumPy scalar as Python's own number: JSON knows no other."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a file's header cannot hold {value!r}")
