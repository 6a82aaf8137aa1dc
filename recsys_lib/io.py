"""Save and load without pickle: arrays in safetensors, the rest as JSON in its header.

Loading cannot run code. A checksum detects a file with a changed bit. Files are written atomically:
an interrupted write leaves the old file.
"""

import contextlib
import itertools
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from recsys_lib.errors import DataError, taking

FORMAT = 2  # raised whenever another version of this module could misread a file
HEADER = "recsys_lib"
_UNFINISHED = ".recsys_lib."  # what folders are called in which files are written
# As safetensors names them.
_DTYPES = {"BOOL": "?", "F32": "<f4", "F64": "<f8"}
_DTYPES |= {f"{kind.upper()}{8 * n}": f"<{kind}{n}" for kind in "iu" for n in (1, 2, 4, 8)}


def as_path(path: Any) -> Path:
    """Return a path; raise `DataError` for what is none, such as a number or an empty text."""
    with contextlib.suppress(TypeError, ValueError, OSError):
        if path and b"\0" not in os.fsencode(path):
            Path(path).exists()  # an OSError where it is too long or may not be looked for
            return Path(path)
    raise DataError(f"{path!r:.80} is no text or Path by which a file or a folder can be found")


def resolved(path: Any) -> Path:
    """Return the absolute path; ``~`` is the user's home."""
    return Path(os.path.realpath(os.path.expanduser(as_path(path))))  # noqa: PTH111 # never raises


def as_folder(path: Any) -> Path:
    """Return a folder, made where there is none; raise `DataError` where none can be written in."""
    folder = as_path(path)
    told = f"{folder} is no folder to write in, and none can be made there (name another): it"
    with taking(told, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    return folder


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and move it there when the block ends without error.

    The file and its new name are on the disk before this returns, so that a power failure leaves
    the old file or the new one. Of a symbolic link, the file that it leads to is replaced. What
    cannot be written is a `DataError`, and the old file is left. Whatever a killed process was
    writing in that folder is removed a day later: until then it may be a process at work.
    """
    target = Path(os.path.realpath(as_path(path)))  # never raises
    if target.exists() and not target.is_file():  # a folder or a device, such as /dev/null
        raise DataError(f"{target} is no ordinary file, and cannot be replaced; name another")
    remove_unfinished(as_folder(target.parent), time.time() - 86_400)
    folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=target.parent))
    temporary = folder / target.name
    try:
        temporary.touch()
        rights = temporary.stat().st_mode  # those that the umask leaves; safetensors gives fewer
        yield temporary
        temporary.chmod(rights)
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    except (OSError, SafetensorError) as error:
        told = f"{target} cannot be written ({error}); free space or name another place"
        raise DataError(f"{told}: what was there is as it was") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(folder: Path, before: float = float("inf")) -> None:
    """Remove what a killed process was writing in a folder, if begun `before` (seconds, 1970)."""
    for one in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):  # another process is faster
            if one.stat().st_mtime < before:
                shutil.rmtree(one)


def _sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder, and writes names at once
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_arrays(
    path: str | os.PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any]
) -> None:
    """Write arrays and `meta` (anything JSON can hold) into one safetensors file, atomically.

    Arrays of text are stored as UTF-8 bytes with offsets, since safetensors knows numbers only.
    """
    numeric: dict[str, np.ndarray] = {}
    text: list[str] = []
    for name, array in arrays.items():
        if array.dtype == object:
            text.append(name)
            encoded = [value.encode() for value in array]
            ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
            array, numeric[f"{name}.offsets"] = np.frombuffer(b"".join(encoded), np.uint8), ends
        numeric[name] = np.ascontiguousarray(array)
    header = json.dumps({"format": FORMAT, "text": text, **meta}, default=np.generic.item)
    with replacing(path) as temporary:
        # One entry: safetensors writes several in any order, and the same must be the same bytes.
        save_file(numeric, temporary, {HEADER: f"{_crc(numeric, header)} {header}"})


def load_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_arrays` wrote: the arrays and `meta`.

    Raise `DataError` if there is no such file, it was not written by `save_arrays`, it was changed
    or cut, or another version wrote it.
    """
    mapped, meta = map_arrays(path)
    arrays = {name: np.array(array) for name, array in mapped.items()}
    for name in meta.pop("text"):
        offsets, data = arrays.pop(f"{name}.offsets"), arrays[name].tobytes()
        parts = [data[a:b].decode() for a, b in itertools.pairwise(offsets.tolist())]
        arrays[name] = np.array(parts, dtype=object)
    return arrays, meta


def map_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Memory-map what `save_arrays` wrote, copy-on-write: the arrays of numbers and `meta`.

    "text" in `meta` lists the arrays that hold text, as bytes. Raises what `load_arrays` does.
    """
    where = str(path := as_path(path))
    if not path.is_file():
        raise DataError(f"there is no file {where!r} to load")
    told = f"{where!r} was not saved by this library, or is cut: it"
    with taking(told, SafetensorError, OSError):
        with safe_open(path, framework="numpy"):  # holds the layout to the file's length
            data = np.memmap(path, np.uint8, "c")
        start = 8 + int.from_bytes(data[:8].tobytes(), "little")
        layout = json.loads(data[8:start].tobytes())
        crc, header = layout.pop("__metadata__")[HEADER].split(" ", 1)
        meta = json.loads(header)
        if meta["format"] != FORMAT:
            found = f"{where!r} has format {meta['format']}, and this version reads {FORMAT}"
            how = "update recsys_lib if the file is newer, write it again if it is older"
            raise DataError(f"{found}: {how}")
        arrays = {}
        for name, place in layout.items():
            first, last = (start + end for end in place["data_offsets"])
            arrays[name] = data[first:last].view(_DTYPES[place["dtype"]]).reshape(place["shape"])
        whole = crc == str(_crc(arrays, header))
    if not whole:
        raise DataError(f"{where!r} is damaged: its checksum differs; take another copy of it")
    del meta["format"]
    return arrays, meta


def _crc(arrays: dict[str, np.ndarray], header: str) -> int:
    """Return a checksum of a file's header and of its arrays: names, types, shapes and values."""
    crc = zlib.crc32(header.encode())
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1), crc)
    return crc
