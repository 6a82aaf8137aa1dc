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
    one_line,
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
    title = one_line(title)
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
    # u.item has five fields of its own and a flag for each genre, separated as its users are.
    separator, n = layout.separator, 3
    if layout.genres:
        separator, n = layout.users_separator, 5 + len(layout.genres)
    for row, fields in _rows(raw, where, separator, n, layout.header):
        item, title, genres = _number(fields[0], where, row), fields[1], fields[2]
        if layout.genres:
            if not {*fields[5:]} <= {"0", "1"}:
                refuse(where, row, "the flags of genres must be 0 or 1")
            flags = zip(layout.genres, fields[5:], strict=True)
            genres = "|".join(name for name, flag in flags if name and flag == "1")
        if item in films:
            refuse(where, row, f"movie {item} stands in the file twice")
        listed = "" if genres == "(no genres listed)" else one_line(genres)
        films[item] = (*tidy_title(title), listed)
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


def _read_users(raw: bytes, layout: Layout, where: str) -> pd.DataFrame:
    """Return the table of users from ``users.dat`` (ml-1m) or ``u.user`` (ml-100k)."""
    people: dict[int, tuple[str, int, str, str]] = {}
    for row, fields in _rows(raw, where, layout.users_separator, 5):
        user, (gender, age, occupation, zip_code) = _number(fields[0], where, row), fields[1:]
        if user in people:
            refuse(where, row, f"user {user} stands in the file twice")
        if layout.occupations:
            code = _number(occupation, where, row)
            if code >= len(layout.occupations):
                refuse(where, row, f"{code} is not the number of an occupation")
            occupation = layout.occupations[code]
        else:
            gender, age = age, gender  # the two releases differ
        people[user] = gender, _number(age, where, row), occupation, zip_code
    frame = pd.DataFrame(
        [(user, *rest) for user, rest in people.items()],
        columns=["user_id", "gender", "age", "occupation", "zip_code"],
    )
    return frame.sort_values("user_id", ignore_index=True)


def _rows(
    raw: bytes, where: str, separator: str, n: int, header: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield (row of the file, its n fields) of a table.

    The newer releases are UTF-8, the older latin-1, which is hardly ever valid UTF-8.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if separator == ",":
        reader = csv.reader(io.StringIO(text, newline=""))
        rows = ((reader.line_num, fields) for fields in reader)
    else:
        lines = enumerate(text.replace("\r\n", "\n").split("\n"), 1)
        rows = ((row, line.split(separator)) for row, line in lines if line.strip())
    try:
        if header and next(rows, (1, []))[1] != ["movieId", "title", "genres"]:
            refuse(where, 1, "the header must be movieId,title,genres")
        for row, fields in rows:
            if separator == "::" and n == 3:  # a title may hold colons: "Foo::Bar" stays whole
                fields[1:-1] = ["::".join(fields[1:-1])] if len(fields) > 2 else []
            if len(fields) != n:
                refuse(where, row, f"{n} fields expected, {len(fields)} found")
            yield row, fields
    except csv.Error as error:  # a quote that never ends, for instance
        refuse(where, reader.line_num, str(error))


def _number(text: str, where: str, row: int) -> int:
    if re.fullmatch(r"-?[0-9]{1,18}", text) is None:  # int() also takes "1_9" and " 19"
        refuse(where, row, f"{text!r} is not a whole number")
    if not 0 <= int(text) <= MAX_ID:
        refuse(where, row, f"{text} is not an id")
    return int(text)
