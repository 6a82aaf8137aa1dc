"""Read the files of a data set, packed or unpacked; errors name the file and the row."""

import csv
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.registry import Release
from recsys_lib.errors import DataError
from recsys_lib.ratings import Ratings

_BLOCK = 1 << 24  # bytes of text parsed at a time
_MOST = 100  # bytes of a file for each of its archive: tables of numbers have four or five
# What reading an archive raises that is damaged, encrypted, or written in another way.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError,
    UnicodeDecodeError,
)  # fmt: skip
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Marks that turn the direction of text, and of the page around it.
_TURNS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def refuse(where: str, row: int | None, what: str) -> NoReturn:
    """Raise a `DataError` that names the file, the row (counted from 1) and what is wrong."""
    raise DataError(f"{where}{'' if row is None else f', row {row}'}: {what}")


def one_line(text: str) -> str:
    """Return a text in one line, without characters that change the direction of text."""
    return " ".join(_TURNS.sub("", _CONTROLS.sub(" ", text)).split())


@dataclass(frozen=True, eq=False)
class Table:
    """A table of numbers, or of texts, "" where a cell is empty, from the file `where`.

    Its index numbers the file's rows. `DataError` if it has none or repeats a column's name.
    """

    cells: pd.DataFrame
    where: str

    def __post_init__(self) -> None:
        if self.cells.empty or not self.cells.columns.is_unique:
            what = "it holds no row" if self.cells.empty else "two columns have one name"
            refuse(self.where, None, what)

    def check(self, wrong: Any, name: str, says: str) -> None:
        """Raise `DataError` for the first row that is `wrong`, if any, with its value of `name`."""
        if (wrong := np.asarray(wrong, bool)).any():
            row = int(wrong.argmax())
            (value,) = self.cells[name].iloc[[row]].tolist()
            told = f"{name} is {value!r}, {says} ({wrong.sum()} such rows)"
            refuse(self.where, self.cells.index[row], told)

    def whole(self, name: str, most: int = 2**31 - 1) -> np.ndarray:
        """Return a column of whole numbers from 0 to `most`, (n,) int64."""
        texts = self.cells[name]
        written = texts.str.fullmatch("[0-9]{1,18}").to_numpy(bool)
        numbers = texts.where(written, "0").astype(np.int64).to_numpy()
        self.check(~written | (numbers > most), name, f"no whole number from 0 to {most}")
        return numbers

    def keys(self, name: str) -> np.ndarray:
        """Return a column of ids, (n,) int64; raise `DataError` if an id occurs twice."""
        ids = self.whole(name)
        self.check(pd.Series(ids).duplicated(), name, "as in an earlier row")
        return ids


def _read_member(release: Release, path: Path, member: str) -> tuple[bytes, str]:
    """Return one file of the release, and its name for error messages."""
    file = path / member
    if file.is_file():
        return file.read_bytes(), str(file)
    if path.is_dir():
        raise DataError(f"{path} holds no file {member}: unpack {release.url} again")
    name, again = f"{release.folder}/{member}", f"fetch {release.url} again"
    try:
        with zipfile.ZipFile(path) as archive:
            if name not in archive.namelist():
                raise DataError(f"{path} holds no file {name}: {again}")
            if archive.getinfo(name).file_size > _MOST * path.stat().st_size:
                raise DataError(f"{path}: {name} unpacks to far more than it can hold: {again}")
            return archive.read(name), f"{path}:{name}"
    except _DAMAGE as error:
        raise DataError(f"{path} cannot be unpacked ({error}): {again}") from error


def read_table(release: Release, path: Path, file: str, names: Sequence[str]) -> Table:
    """Return a table of items or of users: the columns `names`, in the file's order.

    A file without a header has these columns in this order, and no others. The newer releases are
    UTF-8, the older latin-1, which is hardly ever valid UTF-8.
    """
    raw, where = _read_member(release, path, file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if release.header:
            refuse(where, None, str(error))
        text = raw.decode("latin-1")
    # Four of KuaiRec's captions hold a bare CR, which csv would take for the end of a row.
    text = text.replace("\r\n", "\n").replace("\r", " ")
    separator = release.users_separator or release.separator
    if separator == ",":
        reader = csv.reader(io.StringIO(text))
        lines = ((reader.line_num, fields) for fields in reader)
    else:
        split = enumerate(text.split("\n"), 1)
        lines = ((row, line.split(separator)) for row, line in split if line.strip())
    found = {}
    try:
        there = next(lines, (1, []))[1] if release.header else names
        if lacking := [name for name in names if name not in there]:
            refuse(where, 1, f"the header lacks {', '.join(lacking)}")
        places = [place for place, name in enumerate(there) if name in names]
        for row, fields in lines:
            if len(fields) != len(there):
                refuse(where, row, f"{len(there)} fields expected, {len(fields)} found")
            found[row] = [fields[place] for place in places]
    except csv.Error as error:  # a quote that never ends, for instance
        refuse(where, reader.line_num, str(error))
    wanted = [there[place] for place in places]
    return Table(pd.DataFrame.from_dict(found, "index", "str", columns=wanted), where)


def _read_numbers(release: Release, path: Path, file: str) -> Table:
    """Return the columns of a file of ratings; an empty cell of float64 is a NaN."""
    # Arrow, given a stream, reads ahead in a thread that outlives an error.
    raw, where = _read_member(release, path, file)
    for x in (b"x", b"X"):  # Arrow reads 0x13 as 19
        if (place := raw.find(x)) >= 0:
            row = raw.count(b"\n", 0, place) + 1
            refuse(where, row, f"it holds {x.decode()!r}, and numbers are in decimals")
    types: dict[str, pa.DataType] = {}
    for name, kind in release.columns.items():
        if types and release.separator == "::":  # Arrow's have one byte: two, and nothing between
            types[f"before {name}"] = pa.null()
        types[name] = pa.type_for_alias(kind)
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(raw),
            # With more threads Arrow is no faster here, and its errors do not name the row.
            pa.csv.ReadOptions(
                use_threads=False, block_size=_BLOCK,
                column_names=None if release.header else [*types],
            ),
            pa.csv.ParseOptions(delimiter=release.separator[0], quote_char=False),
            pa.csv.ConvertOptions(
                column_types=types, include_columns=[*types], null_values=[""]
            ),
        ).select([*release.columns])  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        if "straddling" in str(error):  # Arrow does not say where
            ends = np.flatnonzero(np.frombuffer(raw, np.uint8) == ord("\n"))
            longest = int(np.diff(ends, prepend=-1, append=len(raw)).argmax())
            refuse(where, longest + 1, f"the line has more than {_BLOCK:,} bytes")
        before, row_of, told = one_line(str(error.args[0])).partition("Row #")
        number, _, after = told.partition(": ")
        refuse(where, int(number) if row_of else None, before + after)
    del raw  # no two copies of all of it: one column after the other becomes pandas'
    frame = table.to_pandas(split_blocks=True, self_destruct=True)
    read = Table(frame.set_axis(frame.index + 1 + release.header), where)
    for name in frame:
        if types[name] != pa.float64():
            read.check(frame[name].isna(), name, "an empty cell")
    return read


def check_counts(release: Release, path: Path, data: Dataset) -> None:
    """Raise `DataError` if the numbers of ratings, items or users are not the published ones."""
    ratings, full = data.ratings, data.full
    found = [
        (release.ratings, "ratings", len(ratings) + ratings.n_duplicates, release.n_ratings),
        (release.items, "items", ratings.n_items, release.n_items),
        (release.users or release.ratings, "users", ratings.n_users, release.n_users),
    ]
    if full is not None:
        found.append((release.more[0], "ratings", len(full) + full.n_duplicates, release.n_full))
    for file, what, n, published in found:
        if n != published:
            how = "was cut off" if n < published else "is not as published"
            told = f"it holds {n:,} {what}, and the published one {published:,}: it {how}"
            refuse(f"{path}: {file}", None, f"{told}; unpack {release.url} again")


def read_ratings(
    release: Release,
    path: Path,
    file: str,
    item_ids: np.ndarray,
    user_ids: np.ndarray | None = None,
) -> Ratings:
    """Read a file of ratings, with indices in place of ids.

    Times in float64 may be missing. The ids in the release's tables are ascending int64; without
    `user_ids`, the users are those who rate. A row that is not as published raises `DataError`,
    which names it and the file.
    """
    low, high = release.scale
    read = _read_numbers(release, path, file)
    user, item, rating, time = release.columns
    values, times = read.cells[rating].to_numpy(), read.cells[time].to_numpy()
    on_scale = (values >= low) & (values <= high) & np.isfinite(values)  # false for NaN too
    says = f"no rating from {low:g} to {high:g}" if high < np.inf else "no watch ratio"
    read.check(~on_scale, rating, says)
    if user_ids is None:
        user_ids = np.sort(read.cells[user].unique()).astype(np.int64)
    places = []
    sides = zip((user, item), (user_ids, item_ids), (release.users, release.items), strict=True)
    for name, universe, table in sides:
        ids = read.cells[name].to_numpy()
        read.check(ids < 0, name, "no id")
        found = pd.Index(universe.astype(ids.dtype)).get_indexer(ids).astype(np.int32)
        read.check(found < 0, name, f"not in {table}")
        places.append(found)
    if times.dtype == np.float64:
        read.check(np.abs(times) > 2**53, time, "no time in seconds")
    known = times.dtype == np.int64 or not np.isnan(times).any()
    when = times.astype(np.int64, copy=False) if known else None
    users, items = places
    del read, ids  # so that there is room
    return Ratings.from_arrays(users, items, values, when, user_ids, item_ids, release.scale)
