"""Read a MovieLens release, archive or folder, in any layout that GroupLens has used."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_lib.datasets.archive import one_line, read_ratings, read_table
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.registry import Release

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


def read(release: Release, path: Path) -> Dataset:
    """Read the ratings, the films and, if the release describes them, the users.

    The users have ``user_id`` int64, ``gender`` str, ``age`` int64 (ml-1m: the lower end of a
    band), ``occupation`` str, ``zip_code`` str. `DataError` names the file that is missing, or the
    row that is not as published.
    """
    items = _read_items(release, path)
    users = _read_users(release, path) if release.users else None
    ids = items["item_id"].to_numpy()
    ratings = read_ratings(release, path, release.ratings, ids)
    return Dataset(release.name, ratings, items, users)


def tidy_title(title: str) -> tuple[str, int | None]:
    """Split a title as MovieLens writes it into the title proper and the year (or None).

    ``City of Lost Children, The (Cité ..., La) (1995)`` is *The City of Lost Children*, of 1995: an
    article at the end is moved to the front, titles in other languages in parentheses are dropped,
    and of a range of years the first is used.
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


def _read_items(release: Release, path: Path) -> pd.DataFrame:
    """Return the table of films from ``movies.csv``, ``movies.dat`` or ``u.item``."""
    known = release.genres
    flags = [f"flag {name}" for name in known]  # of u.item, in the place of the genres' names
    names = ["movieId", "title", *(("date", "video", "address", *flags) if known else ("genres",))]
    table = read_table(release, path, release.items, names)
    for flag in flags:
        table.check(~table.cells[flag].isin(["0", "1"]), flag, "the flags of genres must be 0 or 1")
    if known:
        rows = table.cells[flags].to_numpy() == "1"
        genres = ["|".join(filter(None, np.array(known)[row])) for row in rows]
    else:
        genres = table.cells["genres"].replace("(no genres listed)", "").map(one_line).to_list()
    titles, years = zip(*map(tidy_title, table.cells["title"]), strict=True)
    frame = pd.DataFrame(
        {
            "item_id": table.keys("movieId"),
            "title": pd.Series(titles, dtype="str"),
            "year": pd.array(years, dtype="Int64"),
            "genres": pd.Series(genres, dtype="str"),
        }
    )
    return frame.sort_values("item_id", ignore_index=True)


def _read_users(release: Release, path: Path) -> pd.DataFrame:
    """Return the table of users from ``users.dat`` (ml-1m) or ``u.user`` (ml-100k)."""
    names = ["user_id", "gender", "age", "occupation", "zip_code"]
    codes = release.occupations
    written = names if codes else ["user_id", "age", "gender", *names[3:]]  # the releases differ
    table = read_table(release, path, str(release.users), written)
    users = table.cells.assign(user_id=table.keys("user_id"), age=table.whole("age"))
    if codes:
        users["occupation"] = np.array(codes)[table.whole("occupation", len(codes) - 1)]
    return users[names].sort_values("user_id", ignore_index=True)
