"""Read the files of a data set, packed or unpacked; errors name the file and the row."""

import lzma
import re
import struct
import zipfile
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

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
    """A table of text, "" where a cell is empty; its index numbers the rows of the file `where`.

    `DataError` is raised if it has no row or repeats a column name.
    """

    texts: pd.DataFrame
    where: str

    def __post_init__(self) -> None:
        if self.texts.empty or not self.texts.columns.is_unique:
            what = "it holds no row" if self.texts.empty else "two columns have one name"
            refuse(self.where, None, what)

    def check(self, wrong: Any, name: str, says: str) -> None:
        """Raise `DataError` for the first row that is `wrong`, if any, with its value of `name`."""
        if (wrong := np.asarray(wrong, bool)).any():
            row = int(wrong.argmax())
            told = f"{name} is {self.texts[name].iloc[row]!r}, {says} ({wrong.sum()} such rows)"
            refuse(self.where, self.texts.index[row], told)

    def whole(self, name: str, most: int = 2**31 - 1) -> np.ndarray:
        """Return a column of whole numbers from 0 to `most`, (n,) int64."""
        texts = self.texts[name]
        written = texts.str.fullmatch("[0-9]{1,18}").to_numpy(bool)
        numbers = texts.where(written, "0").astype(np.int64).to_numpy()
        self.check(~written | (numbers > most), name, f"no whole number from 0 to {most}")
        return numbers

    def keys(self, name: str) -> np.ndarray:
        """Return a column of ids, (n,) int64; raise `DataError` if an id occurs twice."""
        ids = self.whole(name)
        self.check(pd.Series(ids).duplicated(), name, "as in an earlier row")
        return ids


def read_csv(stream: IO[str], separator: str) -> pd.DataFrame:
    """Read CSV as the texts of a `Table`; the parser raises ValueError if the file is not CSV."""
    # The header as a row, so that no row may have more cells, and names stay as they are.
    rows = pd.read_csv(stream, sep=separator, header=None, dtype=str, keep_default_na=False)
    texts = rows[1:].fillna("").set_axis(list(rows.iloc[0]), axis=1)
    return texts.set_axis(texts.index + 1)


@contextmanager
def open_member(release: Release, path: Path, member: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open one file of the release; yield it and its name for error messages."""
    file = path / member
    if file.is_file():
        with file.open("rb") as stream:
            yield stream, str(file)
    elif path.is_dir():
        raise DataError(f"{path} holds no file {member}: unpack {release.url} again")
    else:
        name, again = f"{release.folder}/{member}", f"fetch {release.url} again"
        try:
            with zipfile.ZipFile(path) as archive:
                if name not in archive.namelist():
                    raise DataError(f"{path} holds no file {name}: {again}")
                if archive.getinfo(name).file_size > _MOST * path.stat().st_size:
                    raise DataError(f"{path}: {name} unpacks to far more than it can hold: {again}")
                with archive.open(name) as stream:
                    yield stream, f"{path}:{name}"
        except _DAMAGE as error:
            raise DataError(f"{path} cannot be unpacked ({error}): {again}") from error


def _blocks(
    stream: IO[bytes], where: str, header: bool, strange: bytes
) -> Iterator[tuple[int, bytes]]:
    """Yield a file in blocks of whole lines, each below the header, and the row before each.

    A file that holds one of the `strange` characters is refused.
    """
    head = rest = b""
    row, read = 0, b"more"
    while read:
        read = stream.read(_BLOCK)
        cut = read.rfind(b"\n") + 1
        if read and not cut:
            if len(rest) >= _BLOCK:
                refuse(where, row + 1, f"the line has more than {_BLOCK:,} bytes")
            rest += read
            continue
        text = b"".join((head, rest, memoryview(read)[:cut]))
        rest, row = read[cut:], row - bool(head)
        if odd := [k for one in strange if (k := text.find(one)) >= 0]:
            row += text[: min(odd)].count(b"\n") + 1
            refuse(where, row, f"it holds {chr(text[min(odd)])!r}, and numbers are in decimals")
        if row > 0 and not head and text.startswith(BOM_UTF8):  # Arrow leaves it out anywhere
            refuse(where, row + 1, "it holds the mark of a file's beginning")
        if len(text) > len(head):
            yield row, text
        row += text.count(b"\n")
        if header and not head:
            head = text[: text.find(b"\n") + 1]


def _read_columns(
    stream: IO[bytes], release: Release, where: str, columns: Mapping[str, pa.DataType]
) -> list[np.ndarray]:
    """Return columns of numbers of a file of ratings, in file order.

    An empty cell is an error, but in a column of float64 a NaN.
    """
    strange, names = b"xX", [*columns]  # Arrow reads 0x13 as 19
    colons = release.separator == "::"  # Arrow's separators have one byte: a tab stands for it
    options = (
        # With more threads Arrow is no faster here, and its errors do not name the row.
        pa.csv.ReadOptions(
            use_threads=False, block_size=2**31 - 1,
            column_names=None if release.header else names,
        ),
        pa.csv.ParseOptions(delimiter="\t" if colons else release.separator, quote_char=False),
        pa.csv.ConvertOptions(column_types=columns, include_columns=names, null_values=[""]),
    )  # fmt: skip
    tables = []
    # Arrow gets memory, not the stream: its own thread that reads ahead outlives an error, and
    # aborts a process that ends before it. A thread of ours reads ahead, and is waited for.
    with ThreadPoolExecutor(1) as ahead:
        blocks = _blocks(stream, where, release.header, strange + b"\t" * colons)
        block = ahead.submit(next, blocks, None)
        while read := block.result():
            block = ahead.submit(next, blocks, None)
            row, text = read
            text = text.replace(b"::", b"\t") if colons else text
            try:
                table = pa.csv.read_csv(pa.BufferReader(text), *options)
            except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
                before, row_of, told = " ".join(str(error.args[0]).split()).partition("Row #")
                number, _, after = told.partition(": ")
                refuse(where, row + int(number) if row_of else None, before + after)
            tables.append(table)
    if not sum(map(len, tables)):
        refuse(where, None, "it holds no rating")
    table, tables = pa.concat_tables(tables), []
    arrays = []
    while table.num_columns:  # one after the other, so that no two copies of all of it exist
        column = table.column(0)
        if column.null_count and column.type != pa.float64():
            empty = int(column.is_null().to_numpy().argmax())
            refuse(where, empty + 1 + release.header, f"{table.column_names[0]} is empty")
        arrays.append(column.to_numpy())
        table = table.remove_column(0)
    return arrays


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
    columns: Mapping[str, pa.DataType],
    item_ids: np.ndarray,
    user_ids: np.ndarray | None = None,
) -> Ratings:
    """Read a file of ratings, with indices in place of ids.

    `columns` are those of users, items, ratings and times, in this order; times in float64 may be
    missing. The ids in the release's tables are ascending int64; without `user_ids`, the users are
    those who rate. A row that is not as published raises `DataError`, which names it and the file.
    """
    low, high = release.scale
    with open_member(release, path, file) as (stream, where):
        read = _read_columns(stream, release, where, columns)
    values, times = read[2:]

    def check(wrong: np.ndarray, values: np.ndarray, says: str) -> None:
        if wrong.any():
            place = int(wrong.argmax())
            refuse(where, place + 1 + release.header, f"{values[place]} {says}")

    on_scale = (values >= low) & (values <= high) & np.isfinite(values)  # false for NaN too
    says = f"is not a rating from {low:g} to {high:g}" if high < np.inf else "is not a watch ratio"
    check(~on_scale, values, says)
    if user_ids is None:
        user_ids = np.sort(pd.unique(read[0])).astype(np.int64)
    places = []
    sides = zip(columns, (user_ids, item_ids), (release.users, release.items), strict=False)
    for name, universe, table in sides:
        ids, kind = read.pop(0), name.removesuffix("Id").removesuffix("_id")
        check(ids < 0, ids, f"is not the id of a {kind}")
        found = pd.Index(universe.astype(ids.dtype)).get_indexer(ids).astype(np.int32)
        check(found < 0, ids, f"is not a {kind} of {table}")
        places.append(found)
    if times.dtype == np.float64:
        check(np.abs(times) > 2**53, times, "is not a time in seconds")
    known = times.dtype == np.int64 or not np.isnan(times).any()
    when = times.astype(np.int64, copy=False) if known else None
    users, items = places
    return Ratings.from_arrays(users, items, values, when, user_ids, item_ids, release.scale)
