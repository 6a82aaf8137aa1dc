"""Read KuaiRec 2.0, archive or folder: who watched which video for how long (Gao et al. 2022).

Two matrices of watch ratios over the same users and videos: a big, sparse one that an app's
recommender brought about, and a small one of some users and some videos, nearly all of whose pairs
were shown on purpose. No pair is in both. Beside them: captions, categories and daily counts of
videos, and a table of users.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_lib.datasets.archive import (
    check_ids,
    index_columns,
    one_line,
    open_member,
    read_columns,
    refuse,
    refuse_first,
)
from recsys_lib.datasets.dataset import Parts
from recsys_lib.datasets.registry import Release
from recsys_lib.ratings import Ratings

_COLUMNS = {
    "user_id": pa.int32(),
    "video_id": pa.int32(),
    "watch_ratio": pa.float32(),
    "timestamp": pa.float64(),
}
UNKNOWN = "UNKNOWN"  # what stands in the files where nothing is known
LEVELS = tuple(f"{level}_level_category_name" for level in ("first", "second", "third"))
TITLE = 48  # characters: captions may have two thousand
# What is true of a video every day; all other columns of the daily table but these are counts and
# durations, except for the ratio play_progress.
STATIC = (
    "author_id", "video_type", "upload_dt", "upload_type", "visible_status", "video_duration",
    "video_width", "video_height", "music_id", "video_tag_id", "video_tag_name",
)  # fmt: skip
_CAPTIONS = ("video_id", "manual_cover_text", "caption", "topic_tag", *LEVELS)
_DAILY = ("video_id", "date", "play_cnt", "play_progress", *STATIC)
USER_TEXT = (
    "user_active_degree", "follow_user_num_range", "fans_user_num_range", "friend_user_num_range",
    "register_days_range",
)  # fmt: skip
USER_NUMBERS = (
    "is_lowactive_period", "is_live_streamer", "is_video_author", "follow_user_num",
    "fans_user_num", "friend_user_num", "register_days",
)  # fmt: skip
USER_CODES = tuple(f"onehot_feat{k}" for k in range(18))

_LIST = re.compile(r"\[\s*(\d+(?:\s*,\s*\d+)*)?\s*\]")


def read(release: Release, path: Path) -> Parts:
    """Read both matrices and the tables of videos and users, as `movielens.read` does.

    Returns
    -------
    ratings, full : Ratings
        The big matrix and the small one; values are watch ratios. Of several watches of a video by
        one user the last counts; `Ratings.n_duplicates` says how many were dropped. A matrix has
        times (whole seconds) if every row of its file has one, which many rows of the small one
        have not; without them, the row furthest down is the last.
    items : DataFrame
        Every video that any of the three tables knows: ``item_id`` int64 ascending; ``title``: the
        caption's beginning, else the text on the cover, else the topics, else the id; ``year`` of
        upload; ``genres``: the names of the categories at three levels; ``caption``; ``topics`` and
        ``feat``: the topics and the category numbers; lists are joined by ``|``. Then, of the daily
        table, the columns of `STATIC` (of each the first value known), ``n_days``, the sum over
        days of every count and duration, and ``play_progress``, its mean over plays.
    users : DataFrame
        31 columns as published; where a code is empty, a missing.

    Notes
    -----
    The daily counts are those of all users of the app, on the very days whose watches are to be
    predicted: to use them as features is to look ahead.
    """
    layout = release.layout
    items, users = _read_items(release, path), _read_users(release, path)
    ids = items["item_id"].to_numpy(), users["user_id"].to_numpy()
    matrices: list[Ratings] = []
    for file in (layout.ratings, layout.more[0]):
        with open_member(release, path, file) as (stream, where):
            columns = read_columns(stream, layout, where, _COLUMNS, may_be_empty=True)
        matrices.append(index_columns(columns, release, where, *ids, kind="video"))
    # No ratio is too large, but models want an end to the scale: the largest that occurs.
    high = max(float(matrix.by_user.values.max()) for matrix in matrices)
    for matrix in matrices:
        matrix.scale = (release.scale[0], high)
    return Parts(matrices[0], items, users, matrices[1])


def _read_items(release: Release, path: Path) -> pd.DataFrame:
    layout = release.layout
    captions = _read(release, path, layout.items, _CAPTIONS)
    lists = _read(release, path, layout.more[1], ("video_id", "feat"))
    daily = _read(release, path, layout.more[2], _DAILY)
    items = captions.merge(lists, on="video_id", how="outer").fillna("")
    items = items.merge(_over_days(daily), on="video_id", how="outer")
    text = ["manual_cover_text", "caption", "topic_tag", "feat", *LEVELS]
    items[text] = items[text].fillna("")
    names = items[list(LEVELS)].replace(UNKNOWN, "").to_numpy(object)
    topics = [_joined(tag.strip("[]").split(",")) for tag in items["topic_tag"]]
    caption = [_tidy(one) for one in items["caption"]]
    cover = [_tidy(one) for one in items["manual_cover_text"]]
    table = pd.DataFrame(
        {
            "item_id": items["video_id"],
            "title": text_column(map(_title, caption, cover, topics, items["video_id"])),
            "year": pd.to_numeric(items["upload_dt"].str[:4], errors="coerce").astype("Int64"),
            "genres": text_column(_joined(row) for row in names),
            "caption": text_column(caption),
            "topics": text_column(topics),
            "feat": text_column(_numbers(items["feat"], layout.more[1])),
        }
    )
    rest = items.drop(columns=["video_id", *captions.columns, *lists.columns], errors="ignore")
    return pd.concat([table, rest], axis=1)


def _read_users(release: Release, path: Path) -> pd.DataFrame:
    assert release.layout.users
    columns = ("user_id", *USER_TEXT, *USER_NUMBERS, *USER_CODES)
    users = _read(release, path, release.layout.users, columns)
    for name in (*USER_NUMBERS, *USER_CODES):
        numbers = pd.to_numeric(users[name], errors="coerce")
        whole = (numbers == np.floor(numbers)) & (numbers.abs() < 2**53)
        bad = ~whole & ((users[name] != "") | (name in USER_NUMBERS))
        if bad.any():
            row = int(bad.argmax())
            what = f"user {users['user_id'].iloc[row]}: {users[name].iloc[row]!r} is no {name}"
            refuse(str(path / release.layout.users), None, what)
        users[name] = numbers.astype("Int64" if name in USER_CODES else np.int64)
    return users


def _read(release: Release, path: Path, file: str, needed: Sequence[str]) -> pd.DataFrame:
    """Return a table as text, ``video_id`` or ``user_id`` (the first needed column) as int64."""
    key = needed[0]
    with open_member(release, path, file) as (stream, where):
        raw = stream.read()
    try:
        # Four captions hold a bare CR, which csv readers take for the end of a row.
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", " ")
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_filter=False)
    except ValueError as error:  # of the decoder, or of the parser
        refuse(where, None, " ".join(str(error).split()))
    lacking = [name for name in needed if name not in table.columns]
    if lacking:
        refuse(where, 1, f"the header lacks {', '.join(lacking)}")
    if table.empty:
        refuse(where, None, "it holds no row")
    texts = table[key].to_numpy()
    number = pd.to_numeric(table[key], errors="coerce").to_numpy(np.float64)
    wrong = ~((number == np.floor(number)) & (np.abs(number) < 2**53))
    refuse_first(wrong, where, 2, "{!r} is not an id", texts)
    table[key] = number.astype(np.int64)
    check_ids(table[key].to_numpy(), key.removesuffix("_id"), where, 2)
    if "date" not in needed:
        twice = table[key].duplicated().to_numpy()
        refuse_first(twice, where, 2, f"{key} {{}} stands in the file twice", texts)
    return table.sort_values(key, kind="stable", ignore_index=True)


def _over_days(daily: pd.DataFrame) -> pd.DataFrame:
    """Return one row a video of the table with one row a video and day."""
    daily = daily.sort_values(["video_id", "date"], kind="stable").drop(columns="date")
    numbers = [name for name in daily.columns if name not in ("video_id", *STATIC)]
    numbers += ["video_duration", "video_width", "video_height"]
    daily[numbers] = daily[numbers].apply(pd.to_numeric, errors="coerce")
    texts = [name for name in STATIC if name not in numbers]
    daily[texts] = daily[texts].replace({"": None, UNKNOWN: None})
    daily["played"] = daily["play_progress"] * daily["play_cnt"]
    groups = daily.groupby("video_id", sort=True)
    table = groups[list(STATIC)].first()
    counts = [name for name in numbers if name not in (*STATIC, "play_progress")]
    sums = groups[[*counts, "played"]].sum()
    sums["play_progress"] = sums.pop("played") / sums["play_cnt"].where(sums["play_cnt"] > 0)
    return pd.concat([table, groups.size().rename("n_days"), sums], axis=1).reset_index()


def _tidy(text: str) -> str:
    """Return a caption in one line."""
    text = one_line(text)
    return "" if text == UNKNOWN else text


def _title(caption: str, cover: str, topics: str, item: int) -> str:
    text = caption or cover or topics.replace("|", " ") or f"video {item}"
    return text if len(text) <= TITLE else f"{text[: TITLE - 1].rstrip()}…"


def _numbers(lists: pd.Series, file: str) -> list[str]:
    """Return "27|9" for "[27, 9]"."""
    found = [_LIST.fullmatch(text.strip()) for text in lists]
    for text, match in zip(lists, found, strict=True):
        if text and match is None:
            refuse(file, None, f"{text!r} is not a list of numbers in brackets")
    return [re.sub(r"\s*,\s*", "|", match[1] or "") if match else "" for match in found]


def _joined(names: Iterable[Any]) -> str:
    """Return the names that are not empty, each once, joined by ``|``."""
    tidy = (_tidy(str(name)).replace("|", "/") for name in names)
    return "|".join(dict.fromkeys(name for name in tidy if name))


def text_column(values: Iterable[str]) -> pd.Series:
    """Return texts as a column of dtype str."""
    return pd.Series(list(values), dtype="str")
