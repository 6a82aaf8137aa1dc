"""Read a MovieLens release, archive or folder, in each of the layouts GroupLens has used."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from recsys_lib.datasets.dataset import Parts
from recsys_lib.datasets.registry import Layout, Release
from recsys_lib.datasets.tables import MAX_ID, read_items, read_users, refuse
from recsys_lib.errors import DataError
from recsys_lib.ratings import Ratings

_COLUMNS = {
    "userId": pa.int32(),
    "movieId": pa.int32(),
    "rating": pa.float32(),
    "timestamp": pa.int64(),
}
_BLOCK = 1 << 24  # bytes of text parsed at a time
_PART = 1 << 20  # ratings renumbered at a time


def read(release: Release, path: Path) -> Parts:
    """Read the ratings, the films and, where the release describes them, the users.

    Parameters
    ----------
    release : Release
        Says how the files are written and which ratings are possible.
    path : Path
        The archive, or the folder that holds its files.

    Returns
    -------
    ratings : Ratings
        Its items are all those of `items`.
    items : DataFrame
        ``item_id`` int64 ascending, ``title`` str, ``year`` Int64, ``genres`` str.
    users : DataFrame or None
        ``user_id`` int64, ``gender`` str, ``age`` int64 (ml-1m: the lower end of a band),
        ``occupation`` str, ``zip_code`` str.

    Raises
    ------
    DataError
        A file is missing, or a row of one is not as published; the message names both.
    """
    layout = release.layout
    with open_member(release, path, layout.items) as (stream, where):
        items = read_items(stream.read(), layout, where)
    users = None
    if layout.users:
        with open_member(release, path, layout.users) as (stream, where):
            users = read_users(stream.read(), layout, where)
    with open_member(release, path, layout.ratings) as (stream, where):
        columns = read_columns(stream, layout, where)
        ratings = index_columns(columns, items["item_id"].to_numpy(), release, layout, where)
    return Parts(ratings, items, users)


@contextmanager
def open_member(release: Release, path: Path, member: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open one file of the release; yield it and the name by which errors call it."""
    file = path / member
    if file.is_file():
        with file.open("rb") as stream:
            yield stream, str(file)
    elif path.is_dir():
        raise DataError(
            f"{path} holds no file {member}, but {release.name} has one: unpack {release.url} again"
        )
    else:
        name = f"{release.folder}/{member}"
        with zipfile.ZipFile(path) as archive:
            if name not in archive.namelist():
                raise DataError(f"{path} holds no file {name}: fetch {release.url} again")
            with archive.open(name) as stream:
                yield stream, f"{path}:{name}"


class _OneByteSeparators(io.RawIOBase):
    """A stream of which each ``::`` is read as a tab: Arrow's separators have one byte."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            new = self.stream.read(max(1, size - len(self.rest)) if size > 0 else size)
            chunk = (self.rest + new).replace(b"::", b"\t")
            # A colon at the end may be the first half of a separator: keep it for the next read.
            self.rest = b":" if new and chunk.endswith(b":") else b""
            chunk = chunk.removesuffix(self.rest)
            if chunk or not new:  # nothing at all would mean the end
                return chunk


def read_columns(
    stream: IO[bytes],
    layout: Layout,
    where: str,
    columns: Mapping[str, pa.DataType] = _COLUMNS,
    may_be_empty: bool = False,
) -> list[np.ndarray]:
    """Return columns of a file of ratings, in file order.

    By default those of MovieLens: user ids int32, item ids int32, ratings float32, times int64. An
    empty cell is an error, or where that is allowed a NaN (in a column of float64).
    """
    double = layout.separator == "::"
    try:
        reader = pa.csv.open_csv(
            _OneByteSeparators(stream) if double else stream,
            # One thread: with more, Arrow is no faster here and its errors do not name the row.
            pa.csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK,
                column_names=None if layout.header else list(columns),
            ),
            pa.csv.ParseOptions(delimiter="\t" if double else layout.separator),
            pa.csv.ConvertOptions(
                column_types=columns,
                include_columns=list(columns),
                null_values=[""] if may_be_empty else [],
            ),
        )
        table = pa.Table.from_batches(reader, reader.schema)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        text = " ".join(str(error.args[0]).split())
        row = re.search(r"Row #(\d+): ", text)
        refuse(where, int(row[1]) if row else None, text.replace(row[0], "") if row else text)
    if not table.num_rows:
        refuse(where, None, "it holds no rating")
    arrays = []
    while table.num_columns:  # one after the other, so that no two copies of all of it exist
        column = table.column(0)
        if column.null_count and column.type != pa.float64():
            empty = int(column.is_null().to_numpy().argmax())
            refuse(where, empty + 1 + layout.header, f"{table.column_names[0]} is empty")
        arrays.append(column.to_numpy())
        table = table.remove_column(0)
    return arrays


def index_columns(
    columns: list[np.ndarray], item_ids: np.ndarray, release: Release, layout: Layout, where: str
) -> Ratings:
    """Check the ratings and put indices in the place of ids."""
    users, items, values, times = columns
    columns.clear()
    first = 2 if layout.header else 1  # the file's rows are counted from 1
    low, high = release.scale
    if not (values.min() >= low and values.max() <= high):  # false for NaN too
        row = int((~((values >= low) & (values <= high))).argmax())
        refuse(where, row + first, f"{values[row]:g} is not a rating from {low:g} to {high:g}")
    check_ids(users, "user", where, first)
    check_ids(items, "movie", where, first)
    user_ids = _distinct(users)
    users, _ = positions(users, user_ids)
    items, stranger = positions(items, item_ids)
    if stranger is not None:
        refuse(where, stranger + first, f"its movie does not stand in {layout.items}")
    return Ratings.from_arrays(users, items, values, times, user_ids, item_ids, release.scale)


def check_ids(ids: np.ndarray, kind: str, where: str, first: int) -> None:
    """Refuse what cannot be the id of a `kind`; `first` is the file's row of the first id."""
    if ids.min() < 0 or ids.max() > MAX_ID:
        row = int(((ids < 0) | (ids > MAX_ID)).argmax())
        refuse(where, row + first, f"{ids[row]} is not the id of a {kind}")


def _distinct(ids: np.ndarray) -> np.ndarray:
    """Return the ids that occur, int64 ascending, without sorting."""
    seen = np.zeros(int(ids.max()) + 1, bool)
    for part in _parts(ids):
        seen[part] = True
    return np.flatnonzero(seen)


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views: NumPy makes int64 copies of int32 arrays that it indexes with."""
    for start in range(0, len(array), _PART):
        yield array[start : start + _PART]


def positions(ids: np.ndarray, universe: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Return where each id stands in `universe`, int32, and the first row whose id does not."""
    table = np.full(max(int(universe[-1]), int(ids.max())) + 1, -1, np.int32)
    table[universe] = np.arange(len(universe), dtype=np.int32)
    found = np.empty(len(ids), np.int32)
    for source, target in zip(_parts(ids), _parts(found), strict=True):
        target[:] = table[source]
    missing = found.min() < 0
    return found, int((found < 0).argmax()) if missing else None
