"""The small tables of a MovieLens release, its films and its users, in each published layout."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import NoReturn

import numpy as np
import pandas as pd

from recsys_lib.datasets.registry import Layout
from recsys_lib.datasets.tidy import tidy_title
from recsys_lib.errors import DataError

# Ids are looked up in arrays as long as the largest id. Those of MovieLens end below 300,000.
MAX_ID = 50_000_000

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


def read_items(raw: bytes, layout: Layout, where: str) -> pd.DataFrame:
    """Return the table of films from ``movies.csv``, ``movies.dat`` or ``u.item``."""
    ids, titles, years, genres = [], [], [], []
    seen: set[int] = set()
    for row, fields in _item_rows(raw, layout, where):
        item, (title, year) = _number(fields[0], where, row), tidy_title(fields[1])
        if item in seen:
            refuse(where, row, f"movie {item} stands in the file twice")
        seen.add(item)
        ids.append(item)
        titles.append(title)
        years.append(year)
        genres.append("" if fields[2] == "(no genres listed)" else fields[2])
    if not ids:
        refuse(where, None, "it holds no movie")
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
            refuse(where, 1, "the header must be movieId,title,genres")
        try:
            for fields in reader:
                if len(fields) != 3:
                    refuse(where, reader.line_num, f"3 fields expected, {len(fields)} found")
                yield reader.line_num, fields
        except csv.Error as error:  # a quote that never ends, for instance
            refuse(where, reader.line_num, str(error))
    elif layout.separator == "::":
        for row, line in _lines(raw):
            # From both ends, for a title may hold colons: "Foo::Bar" stays whole.
            head, _, rest = line.partition("::")
            title, found, genres = rest.rpartition("::")
            if not found:
                refuse(where, row, "3 fields separated by :: expected")
            yield row, [head, title, genres]
    else:
        for row, line in _lines(raw):
            fields = line.split("|")
            flags = fields[5:]
            if len(flags) != len(_GENRES_100K) or not {*flags} <= {"0", "1"}:
                refuse(where, row, "5 fields and 19 flags separated by | expected")
            names = [name for name, flag in zip(_GENRES_100K, flags, strict=True) if flag == "1"]
            yield row, [fields[0], fields[1], "|".join(filter(None, names))]


def read_users(raw: bytes, layout: Layout, where: str) -> pd.DataFrame:
    """Return the table of users from ``users.dat`` (ml-1m) or ``u.user`` (ml-100k)."""
    rows = []
    for row, line in _lines(raw):
        fields = line.split(layout.users_separator)
        if len(fields) != 5:
            refuse(where, row, f"5 fields expected, {len(fields)} found")
        user, a, b, occupation, zip_code = fields
        gender, age = (a, b) if layout.separator == "::" else (b, a)  # the two releases differ
        if layout.separator == "::":
            code = _number(occupation, where, row)
            if code >= len(_OCCUPATIONS_1M):
                refuse(where, row, f"{code} is not the number of an occupation")
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
        refuse(where, row, f"{text!r} is not a whole number")
    if not 0 <= number <= MAX_ID:
        refuse(where, row, f"{number} is not an id")
    return number


def refuse(where: str, row: int | None, what: str) -> NoReturn:
    """Raise the `DataError` that names a file, its row counted from 1, and what is wrong there."""
    raise DataError(f"{where}{'' if row is None else f', row {row}'}: {what}")
