"""Read a MovieLens release, archive or folder, in each of the layouts GroupLens has used."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_lib.datasets.archive import (
    MAX_ID,
    index_columns,
    open_member,
    read_columns,
    refuse,
)
from recsys_lib.datasets.dataset import Parts
from recsys_lib.datasets.registry import Layout, Release
from recsys_lib.ratings import Ratings

_COLUMNS = {
    "userId": pa.int32(),
    "movieId": pa.int32(),
    "rating": pa.float32(),
    "timestamp": pa.int64(),
}
# The year at the end of a title, perhaps a range of years, perhaps followed by what IMDb adds for
# video and television.
_YEAR = re.compile(r"(?<=\S)\s*\((\d{4})(?:[-–]\d{0,4})?\)\s*(?:\((?:V|TV|VG|mini)\)\s*)?$")
# A title in another language or an older one, at the end; "Birdman: Or (The Unexpected Virtue of
# Ignorance)" has parentheses of its own.
_OTHER_TITLE = re.compile(r"(?<!\bOr)\s+\((?:[^()]|\([^()]*\))*\)$")
_MOVED_ARTICLE = re.compile(
    r"^(.+), (The|A|An|Da|"  # English, Da Sweet Blood of Jesus included
    "Le|La|Les|L'|L’|Un|Une|"  # French
    "Il|Lo|I|Gli|Uno|Una|"  # Italian
    "El|Los|Las|Els|"  # Spanish, Catalan
    "O|Os|As|Um|Uma|"  # Portuguese
    "Der|Die|Das|Ein|Eine|"  # German
    "De|Het|Een|Den|Det|En|Et|Ett)$"  # Dutch and Scandinavian
)


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
        items = _read_items(stream.read(), layout, where)
    users = None
    if layout.users:
        with open_member(release, path, layout.users) as (stream, where):
            users = _read_users(stream.read(), layout, where)
    ratings = read_ratings(release, path, layout.ratings, items["item_id"].to_numpy())
    return Parts(ratings, items, users)


def read_ratings(release: Release, path: Path, file: str, item_ids: np.ndarray) -> Ratings:
    """Read one file of ratings, of the users who stand in it and of the items in `item_ids`."""
    with open_member(release, path, file) as (stream, where):
        columns = read_columns(stream, release.layout, where, _COLUMNS)
    return index_columns(columns, release, where, item_ids)


def tidy_title(title: str) -> tuple[str, int | None]:
    """Split a title as MovieLens writes it into the title proper and the year.

    ``Matrix, The (1999)`` is *The Matrix*, of 1999: an article that was moved to the end comes back
    to the front; titles in other languages, which stand in parentheses behind, are dropped.

    Parameters
    ----------
    title : str
        As it stands in the file: ``"City of Lost Children, The (Cité ..., La) (1995)"``.

    Returns
    -------
    title : str
        ``"The City of Lost Children"``.
    year : int or None
        1995; of a range the first; None where the title has no year.
    """
    title = " ".join(title.split())
    year = None
    if found := _YEAR.search(title):
        year = int(found[1])
        title = title[: found.start()]
    while found := _OTHER_TITLE.search(title):
        title = title[: found.start()]
    if found := _MOVED_ARTICLE.match(title):
        body, article = found.groups()
        title = f"{article}{body}" if article.endswith(("'", "’")) else f"{article} {body}"
    return title, year


def _read_items(raw: bytes, layout: Layout, where: str) -> pd.DataFrame:
    """Return the table of films from ``movies.csv``, ``movies.dat`` or ``u.item``."""
    films: dict[int, tuple[str, int | None, str]] = {}
    for row, (number, title, genres) in _item_rows(raw, layout, where):
        item = _number(number, where, row)
        if item in films:
            refuse(where, row, f"movie {item} stands in the file twice")
        films[item] = (*tidy_title(title), "" if genres == "(no genres listed)" else genres)
    if not films:
        refuse(where, None, "it holds no movie")
    titles, years, genre_texts = zip(*films.values(), strict=True)
    frame = pd.DataFrame(
        {
            "item_id": np.array([*films], np.int64),
            "title": pd.Series(titles, dtype="str"),
            "year": pd.array(years, dtype="Int64"),
            "genres": pd.Series(genre_texts, dtype="str"),
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
        return
    for row, line in _lines(raw):
        if layout.separator == "::":
            # From both ends, for a title may hold colons: "Foo::Bar" stays whole.
            head, _, rest = line.partition("::")
            title, found, genres = rest.rpartition("::")
            if not found:
                refuse(where, row, "3 fields separated by :: expected")
            yield row, [head, title, genres]
        else:
            fields = line.split("|")
            flags = fields[5:]
            if len(flags) != len(layout.genres) or not {*flags} <= {"0", "1"}:
                refuse(where, row, "5 fields and 19 flags separated by | expected")
            names = [name for name, flag in zip(layout.genres, flags, strict=True) if flag == "1"]
            yield row, [*fields[:2], "|".join(filter(None, names))]


def _read_users(raw: bytes, layout: Layout, where: str) -> pd.DataFrame:
    """Return the table of users from ``users.dat`` (ml-1m) or ``u.user`` (ml-100k)."""
    rows = []
    for row, line in _lines(raw):
        fields = line.split(layout.users_separator)
        if len(fields) != 5:
            refuse(where, row, f"5 fields expected, {len(fields)} found")
        user, gender, age, occupation, zip_code = fields
        if layout.occupations:
            code = _number(occupation, where, row)
            if code >= len(layout.occupations):
                refuse(where, row, f"{code} is not the number of an occupation")
            occupation = layout.occupations[code]
        else:
            gender, age = age, gender  # the two releases differ
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
    if re.fullmatch(r"-?[0-9]{1,18}", text) is None:  # int() also takes "1_9" and " 19"
        refuse(where, row, f"{text!r} is not a whole number")
    number = int(text)
    if not 0 <= number <= MAX_ID:
        refuse(where, row, f"{number} is not an id")
    return number
