"""Read a folder of one's own ratings.

``ratings.csv`` or ``ratings.parquet`` has one row per rating, the optional ``items.csv`` or
``items.parquet`` one row per item. Columns are recognised by their usual names. The optional
``dataset.toml`` says what cannot be guessed: see `SAYS`.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from recsys_lib import io
from recsys_lib.datasets import registry
from recsys_lib.datasets.archive import Table, one_line, refuse
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.errors import DataError, taking
from recsys_lib.ratings import Ratings

SAYS = (
    'name, licence, citation, url = "..."; separator = ";"; scale = [lowest, highest rating]; and '
    'in [columns] user, item, rating, timestamp, title, genres, year = "its name", or "" for none'
)
_ITEM = "(item|movie|film|book|beer|wine|product|track|song|artist|game|recipe)(id)?|isbn|asin"
_OF_RATINGS = {  # what columns are called, in small letters and digits alone
    "user": "(user|reviewer|reader|customer|member)(id)?",
    "item": _ITEM,
    "rating": "(book|user|review)?ratings?|score|stars?|overall",
    "timestamp": "(unix|review|unixreview|rating)?(time|timestamp|date)|datetime",
}
_OF_ITEMS = {
    "item": f"{_ITEM}|id",
    "title": "(item|movie|film|book|product|beer)?(title|name)",
    "genres": "genres?|category|categories",
    "year": "(release|publication)?year|yearofpublication",
}
_VALID: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("name", "licence", "citation", "url"), lambda value: isinstance(value, str)),
    "separator": lambda value: isinstance(value, str) and len(value) == 1,
    "scale": lambda pair: re.fullmatch(r"\[[-.\d]+, [-.\d]+\]", repr(pair)) and pair[0] < pair[1],
    "columns": lambda table: (
        isinstance(table, dict)
        and {*table} <= {*_OF_RATINGS, *_OF_ITEMS}
        and all(isinstance(name, str) for name in table.values())
    ),
}
_WHOLE = re.compile("0|-?[1-9][0-9]{0,17}|-?[1-8][0-9]{18}")  # fits 64 bits
_LATEST = 1e11  # seconds since 1970: the year 5138


def path_of(name: str | os.PathLike[str]) -> Path | None:
    """Return the absolute path of the folder, or None if `name` is the name of a data set."""
    is_word = isinstance(name, str) and not {"/", os.sep} & {*name}
    if is_word and (name in registry.NAMES or not name or not io.as_path(name).exists()):
        return None
    return io.resolved(name)


def read(path: Path) -> Dataset:
    """Read a folder; a `DataError` names the file, and the number and column of a bad row.

    If all ids of a column are whole numbers they become integers, else text. Without a column of
    ratings each row is a 1. Times are seconds since 1970 (or milli-, micro- or nanoseconds, as
    their size tells), ISO dates or datetimes. Rated items that the table of items lacks are added
    to it; the title of an item without one is its id.
    """
    if not path.is_dir():
        what = "is a file: name its folder" if path.exists() else "is not there"
        raise DataError(f"{path} {what}")
    about = _about(path)
    name, given = about["name"], about["columns"]
    for one in (path.name, name):
        if one in registry.NAMES or one.startswith("synthetic"):
            raise DataError(
                f"{path}: {one!r} is what a published or simulated data set is called; rename the "
                "folder, or load that data set by its name alone"
            )
    table, described = (_open(path, stem, about.get("separator")) for stem in ("ratings", "items"))
    if table is None:
        here = ", ".join(sorted(one.name for one in path.iterdir())) or "nothing"
        raise DataError(f"{path} holds no ratings.csv and no ratings.parquet; it holds {here}")
    names = _columns(table, _OF_RATINGS, given)
    frame = pd.DataFrame({"user_id": _typed(_ids(table, names["user"]))[0]})
    rating, scale = ("rating", about.get("scale")) if "rating" in names else (None, None)
    if rating:
        frame[rating] = _numbers(table, names[rating], scale)
    if "timestamp" in names:
        frame["timestamp"] = _times(table, names["timestamp"])
    ids = [_ids(table, names["item"])]
    if described:
        if given.get("item") not in described.cells:  # this column, too, may have another name
            given = {role: column for role, column in given.items() if role != "item"}
        names = _columns(described, _OF_ITEMS, given)
        ids.append(_ids(described, names["item"]))
        described.check(ids[1].duplicated(), names["item"], "as in an earlier row")
        if not ids[1].isin(ids[0]).any():
            like = f"they have ids like {ids[1].iloc[0]!r}, the ratings {ids[0].iloc[0]!r}"
            refuse(described.where, None, f"no item is rated: {like}")
    frame["item_id"], *known = _typed(*ids)
    catalogue = known[0] if known else None
    ratings = Ratings.from_frame(frame, rating=rating, scale=scale, item_ids=catalogue)
    texts = described.cells.set_axis(known[0]) if described else pd.DataFrame()
    info = {key: about[key] for key in ("licence", "citation", "url")}
    info["path"] = str(path)
    shown = re.sub(r"[^\w ().,-]", "_", name)  # in texts, other signs mean something
    return Dataset(shown, ratings, _items(texts, names, ratings.item_ids), info=info)


def _about(path: Path) -> dict[str, Any]:
    """Return what ``dataset.toml`` says; what is always there has a value that says little."""
    about: dict[str, Any] = {"name": path.name, "columns": {}}
    about |= {"licence": "not told in dataset.toml", "citation": "", "url": ""}
    file = path / "dataset.toml"
    with taking(f"{file}: it"):
        about |= tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    for key, value in about.items():
        if not _VALID.get(key, lambda _: False)(value):
            refuse(str(file), None, f"{key} = {value!r} has no meaning; it may say {SAYS}")
    return about


def _columns(table: Table, roles: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the column of each role, as `given` or by its usual name; some have none."""
    found: dict[str, str] = {}
    there = [*table.cells.columns]
    for role, usual in roles.items():
        able = [n for n in there if re.fullmatch(usual, re.sub("[^a-z0-9]", "", n.lower()))]
        if role in given:
            able = [given[role]] if given[role] else []
        if (not able and role in ("user", "item")) or len(able) > 1 or not {*able} <= {*there}:
            guess = " or ".join(map(repr, able)) or "none of the usual names"
            all_of_them = ", ".join(map(repr, there))
            told = f"which column is the {role}? ({guess}) There are {all_of_them}"
            refuse(table.where, None, f"{told}; dataset.toml can say {SAYS}")
        if able:
            found[role] = able[0]
    return found


def _ids(table: Table, name: str) -> pd.Series:
    """Return a column of ids, as they are written."""
    ids = table.cells[name]
    table.check(ids == "", name, "and every row needs one")
    rounded = ids.str.fullmatch(r"-?\d(\.\d+)?[eE]\+?\d+")
    table.check(rounded, name, "whose last digits are lost: write ids as whole numbers")
    return ids


def _numbers(table: Table, name: str, scale: Any) -> pd.Series:
    """Return a column of numbers, all of them on the scale, if there is one."""
    values = pd.to_numeric(table.cells[name], errors="coerce")
    low, high = map(np.float32, scale or (-np.inf, np.inf))  # as ratings are stored
    with np.errstate(over="ignore"):
        stored = values.to_numpy(np.float32)
    wrong = ~(np.isfinite(stored) & (stored >= low) & (stored <= high))
    table.check(wrong, name, f"no number from {low:g} to {high:g}" if scale else "no number")
    return values


def _times(table: Table, name: str) -> pd.Series:
    """Return a column of times as seconds since 1970, or as datetimes."""
    values = pd.to_numeric(table.cells[name], errors="coerce")
    if values.isna().any():
        values = pd.to_datetime(table.cells[name], format="ISO8601", errors="coerce", utc=True)
        wrong = values.isna()
    else:
        for _ in range(3):
            values = values / (1000 if values.abs().median() > _LATEST else 1)
        wrong = values.abs() > _LATEST
    table.check(wrong, name, "no time: write seconds since 1970, or dates such as 2009-03-01")
    return values


def _open(path: Path, stem: str, separator: str | None) -> Table | None:
    """Read ``stem.csv`` or ``stem.parquet``; None where there is neither."""
    files = [file for kind in ("csv", "parquet") if (file := path / f"{stem}.{kind}").is_file()]
    if len(files) != 1:
        if files:
            raise DataError(f"{path} holds {' and '.join(file.name for file in files)}: keep one")
        return None
    (file,) = files
    with taking(f"{file}: it", OSError, pa.ArrowException):
        texts = _csv(file, separator) if file.suffix == ".csv" else _parquet(file)
    return Table(texts.set_axis(texts.index + 1), str(file))


def _csv(file: Path, separator: str | None, encoding: str = "utf-8-sig") -> pd.DataFrame:
    try:
        with file.open(encoding=encoding, newline="") as stream:
            separator = separator or max(",;\t|", key=stream.readline().count)
            stream.seek(0)
            # The header as a row, so that no row may have more cells, and names stay as they are.
            rows = pd.read_csv(stream, sep=separator, header=None, dtype=str, keep_default_na=False)
    except UnicodeDecodeError:  # as older data sets are
        return _csv(file, separator, "latin-1")
    return rows[1:].fillna("").set_axis(list(rows.iloc[0]), axis=1)


def _parquet(file: Path) -> pd.DataFrame:
    table = pa.parquet.read_table(file)
    for k, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if pa.types.is_list(column.type):
            column = pa.compute.binary_join(column.cast(pa.list_(pa.string())), "|")
        table = table.set_column(k, name, column.cast(pa.string()).fill_null(""))
    return table.to_pandas(ignore_metadata=True)


def _typed(*columns: pd.Series) -> list[pd.Series]:
    """Return columns of ids, as integers where all that stands in them are whole numbers."""
    if all(map(_WHOLE.fullmatch, pd.concat(columns).unique())):
        return [column.astype(np.int64) for column in columns]
    return [*columns]


def _items(texts: pd.DataFrame, names: Mapping[str, str], item_ids: Any) -> pd.DataFrame:
    """Return the table of items from what is told of them, by id; numbers are read as such."""
    ids = pd.Index(item_ids, name="item_id")
    texts = texts.reindex(ids, fill_value="")
    items = pd.DataFrame(index=ids)
    for role in ("title", "year", "genres"):
        told = texts[names[role]].map(one_line) if role in names else pd.Series("", ids)
        items[role] = told.astype("str")
    items["title"] = items["title"].where(items["title"] != "", ids.astype("str").map(one_line))
    items["year"] = pd.to_numeric(items["year"].str.extract("^([0-9]{4})")[0]).astype("Int64")
    for name in texts.columns.difference([*names.values(), *items.columns, "item_id"], sort=False):
        there = texts[name] != ""
        values = pd.to_numeric(texts[name].where(there), errors="coerce")
        items[name] = values if values.count() == there.sum() else texts[name]
    return items.reset_index()
