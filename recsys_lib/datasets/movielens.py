"""Read a MovieLens release, archive or folder, in each of the layouts GroupLens has used."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from recsys_lib.datasets.registry import Release
from recsys_lib.datasets.tidy import tidy_title
from recsys_lib.errors import DataError
from recsys_lib.ratings import Ratings

_COLUMNS = {"userId": pa.int32(), "movieId": pa.int32(), "rating": pa.float32()}
_COLUMNS["timestamp"] = pa.int64()
_BLOCK = 1 << 24  # bytes of text parsed at a time
_PART = 1 << 20  # ratings renumbered at a time
# Ids are looked up in tables as long as the largest. Those of MovieLens end below 300,000.
_MAX_ID = 50_000_000

_GENRES_100K = (  # the first flag says "unknown"
    "", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War",
    "Western",
)  # fmt: skip
_OCCUPATIONS_1M = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student",
    "customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker",
    "K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist",
    "self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The names of a release's files and how their fields are separated."""

    ratings: str
    items: str
    users: str | None
    separator: str
    users_separator: str = ""
    header: bool = False

    @property
    def files(self) -> list[str]:
        """The files that are read."""
        return [name for name in (self.ratings, self.items, self.users) if name]


LAYOUTS = {
    "csv": Layout("ratings.csv", "movies.csv", None, ",", header=True),
    "::": Layout("ratings.dat", "movies.dat", "users.dat", "::", "::"),
    "u.data": Layout("u.data", "u.item", "u.user", "\t", "|"),
}


def read(release: Release, path: Path) -> tuple[Ratings, pd.DataFrame, pd.DataFrame | None]:
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
    layout = LAYOUTS[release.layout]
    with _open(release, path, layout.items) as (stream, where):
        items = _read_items(stream.read(), layout, where)
    users = None
    # ml-10m is written like ml-1m, but says nothing about its users.
    if layout.users and _holds(release, path, layout.users):
        with _open(release, path, layout.users) as (stream, where):
            users = _read_users(stream.read(), layout, where)
    with _open(release, path, layout.ratings) as (stream, where):
        columns = _read_ratings(stream, layout, where)
        return _index(columns, items["item_id"].to_numpy(), release, layout, where), items, users


def _holds(release: Release, path: Path, member: str) -> bool:
    if path.is_dir():
        return (path / member).is_file()
    with zipfile.ZipFile(path) as archive:
        return f"{release.folder}/{member}" in archive.namelist()


@contextmanager
def _open(release: Release, path: Path, member: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open one file of the release; yield it and the name by which errors call it."""
    if not _holds(release, path, member):
        raise DataError(
            f"{path} holds no file {member}; {release.name} has one: unpack {release.url} again, "
            "or put the archive itself there"
        )
    if path.is_dir():
        with (path / member).open("rb") as stream:
            yield stream, str(path / member)
    else:
        name = f"{release.folder}/{member}"
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
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


def _read_ratings(stream: IO[bytes], layout: Layout, where: str) -> list[np.ndarray]:
    """Return user ids int32, item ids int32, ratings float32 and times int64, in file order."""
    double = layout.separator == "::"
    try:
        reader = pa.csv.open_csv(
            _OneByteSeparators(stream) if double else stream,
            # One thread: with more, Arrow is no faster here and its errors do not name the row.
            pa.csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK,
                column_names=None if layout.header else list(_COLUMNS),
            ),
            pa.csv.ParseOptions(delimiter="\t" if double else layout.separator),
            pa.csv.ConvertOptions(
                column_types=_COLUMNS, include_columns=list(_COLUMNS), null_values=[]
            ),
        )
        table = pa.Table.from_batches(reader, reader.schema)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        text = " ".join(str(error.args[0]).split())
        row = re.search(r"Row #(\d+): ", text)
        _refuse(where, int(row[1]) if row else None, text.replace(row[0], "") if row else text)
    if not table.num_rows:
        _refuse(where, None, "it holds no rating")
    columns = []
    while table.num_columns:  # one after the other, so that no two copies of all of it exist
        columns.append(table.column(0).to_numpy())
        table = table.remove_column(0)
    return columns


def _index(
    columns: list[np.ndarray], item_ids: np.ndarray, release: Release, layout: Layout, where: str
) -> Ratings:
    """Check the ratings and put indices in the place of ids."""
    users, items, values, times = columns
    columns.clear()
    first = 2 if layout.header else 1  # the file's rows are counted from 1
    low, high = release.scale
    if not (values.min() >= low and values.max() <= high):  # false for NaN too
        row = int((~((values >= low) & (values <= high))).argmax())
        _refuse(where, row + first, f"{values[row]:g} is not a rating from {low:g} to {high:g}")
    for ids, kind in ((users, "user"), (items, "movie")):
        if ids.min() < 0 or ids.max() > _MAX_ID:
            row = int(((ids < 0) | (ids > _MAX_ID)).argmax())
            _refuse(where, row + first, f"{ids[row]} is not the id of a {kind}")
    seen = np.zeros(int(users.max()) + 1, bool)
    for part in _parts(users):
        seen[part] = True
    user_ids = np.flatnonzero(seen)
    users, _ = _positions(users, user_ids)
    items, stranger = _positions(items, item_ids)
    if stranger is not None:
        _refuse(where, stranger + first, f"its movie does not stand in {layout.items}")
    return Ratings.from_arrays(users, items, values, times, user_ids, item_ids, release.scale)


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views: NumPy makes int64 copies of int32 arrays that it indexes with."""
    for start in range(0, len(array), _PART):
        yield array[start : start + _PART]


def _positions(ids: np.ndarray, universe: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Return where each id stands in `universe`, int32, and the first row whose id does not."""
    table = np.full(max(int(universe[-1]), int(ids.max())) + 1, -1, np.int32)
    table[universe] = np.arange(len(universe), dtype=np.int32)
    found = np.empty(len(ids), np.int32)
    for source, target in zip(_parts(ids), _parts(found), strict=True):
        target[:] = table[source]
    missing = found.min() < 0
    return found, int((found < 0).argmax()) if missing else None


def _read_items(raw: bytes, layout: Layout, where: str) -> pd.DataFrame:
    """Return the table of films from ``movies.csv``, ``movies.dat`` or ``u.item``."""
    ids, titles, years, genres = [], [], [], []
    seen: set[int] = set()
    for row, fields in _item_rows(raw, layout, where):
        item, (title, year) = _number(fields[0], where, row), tidy_title(fields[1])
        if item in seen:
            _refuse(where, row, f"movie {item} stands in the file twice")
        seen.add(item)
        ids.append(item)
        titles.append(title)
        years.append(year)
        genres.append("" if fields[2] == "(no genres listed)" else fields[2])
    if not ids:
        _refuse(where, None, "it holds no movie")
    frame = pd.DataFrame(
        {
            "item_id": np.array(ids, np.int64),
            "title": pd.Series(titles, dtype="str"),
            "year": pd.array(years, dtype="Int64"),
            "genres": pd.Series(genres, dtype="str"),
        }
    )
    return frame.sort_values("item_id", ignore_index=True)


def _item_rows(raw: bytes, layout: Layout, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (row of the file, [id, title, genres]) of each film."""
    if layout.header:
        reader = csv.reader(io.StringIO(_text(raw), newline=""))
        if next(reader, None) != ["movieId", "title", "genres"]:
            _refuse(where, 1, "the header must be movieId,title,genres")
        for fields in reader:
            if len(fields) != 3:
                _refuse(where, reader.line_num, f"3 fields expected, {len(fields)} found")
            yield reader.line_num, fields
    elif layout.separator == "::":
        for row, line in _lines(raw):
            # From both ends, for a title may hold colons: "Foo::Bar" stays whole.
            head, _, rest = line.partition("::")
            title, found, genres = rest.rpartition("::")
            if not found:
                _refuse(where, row, "3 fields separated by :: expected")
            yield row, [head, title, genres]
    else:
        for row, line in _lines(raw):
            fields = line.split("|")
            flags = fields[5:]
            if len(flags) != len(_GENRES_100K) or not {*flags} <= {"0", "1"}:
                _refuse(where, row, "5 fields and 19 flags separated by | expected")
            names = [name for name, flag in zip(_GENRES_100K, flags, strict=True) if flag == "1"]
            yield row, [fields[0], fields[1], "|".join(filter(None, names))]


def _read_users(raw: bytes, layout: Layout, where: str) -> pd.DataFrame:
    """Return the table of users from ``users.dat`` (ml-1m) or ``u.user`` (ml-100k)."""
    rows = []
    for row, line in _lines(raw):
        fields = line.split(layout.users_separator)
        if len(fields) != 5:
            _refuse(where, row, f"5 fields expected, {len(fields)} found")
        user, a, b, occupation, zip_code = fields
        gender, age = (a, b) if layout.separator == "::" else (b, a)  # the two releases differ
        if layout.separator == "::":
            code = _number(occupation, where, row)
            if not 0 <= code < len(_OCCUPATIONS_1M):
                _refuse(where, row, f"{code} is not the number of an occupation")
            occupation = _OCCUPATIONS_1M[code]
        rows.append(
            (_number(user, where, row), gender, _number(age, where, row), occupation, zip_code)
        )
    names = ["user_id", "gender", "age", "occupation", "zip_code"]
    return pd.DataFrame(rows, columns=names).sort_values("user_id", ignore_index=True)


def _lines(raw: bytes) -> Iterator[tuple[int, str]]:
    for row, line in enumerate(_text(raw).split("\n"), 1):
        if line.strip():
            yield row, line.rstrip("\r")


def _text(raw: bytes) -> str:
    """Decode: the newer releases are UTF-8, the older latin-1, which is hardly ever valid UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _number(text: str, where: str, row: int) -> int:
    try:
        number = int(text)
    except ValueError:
        _refuse(where, row, f"{text!r} is not a whole number")
    if not 0 <= number <= _MAX_ID:
        _refuse(where, row, f"{number} is not an id")
    return number


def _refuse(where: str, row: int | None, what: str) -> NoReturn:
    raise DataError(f"{where}{'' if row is None else f', row {row}'}: {what}")
