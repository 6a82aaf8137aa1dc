"""Read KuaiRec 2.0, archive or folder: who watched which video for how long (Gao et al. 2022).

Two matrices of watch ratios have the same users and videos: a big, sparse one from the use of an
app and its recommender, and a small one of some users and some videos, in which nearly all pairs
were shown on purpose. No pair is in both. Further tables hold captions, categories and daily counts
of videos, and features of users.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_lib.datasets import archive
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.registry import Release

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
_NEEDED = (  # of the captions, the categories and the daily table
    ("video_id", "manual_cover_text", "caption", "topic_tag", *LEVELS),
    ("video_id", "feat"),
    ("video_id", "date", "play_cnt", "play_progress", *STATIC),
)
USER_TEXT = (
    "user_active_degree", "follow_user_num_range", "fans_user_num_range", "friend_user_num_range",
    "register_days_range",
)  # fmt: skip
USER_NUMBERS = (
    "is_lowactive_period", "is_live_streamer", "is_video_author", "follow_user_num",
    "fans_user_num", "friend_user_num", "register_days",
)  # fmt: skip
USER_CODES = tuple(f"onehot_feat{k}" for k in range(18))

_LIST = r"\s*(\[\s*(\d+(\s*,\s*\d+)*)?\s*\]\s*)?"  # "[27, 9]", or nothing


def read(release: Release, path: Path) -> Dataset:
    """Read both matrices and the tables of videos and users, as `movielens.read` does.

    Returns
    -------
    ratings, full : Ratings
        The big matrix and the small one; values are watch ratios. If a user watched a video several
        times, the last watch counts; `Ratings.n_duplicates` says how many were dropped. A matrix
        has times (whole seconds) if every row of its file has one. Many rows of the small matrix
        have none; there, the row furthest down is the last.
    items : DataFrame
        Every video of the three tables: ``item_id`` int64 ascending; ``title``: the caption's
        beginning, else the text on the cover, else the topics, else the id; ``year`` of upload;
        ``genres``: the names of the categories at three levels; ``caption``; ``topics`` and
        ``feat``: the topics and the category numbers; lists are joined by ``|``. Then, from the
        daily table, the columns of `STATIC` (the first known value of each), ``n_days``, the sum
        over days of every count and duration, and ``play_progress``, its mean over plays.
    users : DataFrame
        31 columns as published; an empty code is a missing value.

    Notes
    -----
    The daily counts are of all users of the app, on the days whose watches are to be predicted:
    using them as features would be look-ahead.
    """
    layout = release.layout
    items, users = _read_items(release, path), _read_users(release, path)
    ids = items["item_id"].to_numpy(), users["user_id"].to_numpy()
    matrices = [
        archive.read_ratings(release, path, file, _COLUMNS, *ids)
        for file in (layout.ratings, layout.more[0])
    ]
    # No ratio is too large, but models want an end to the scale: the largest that occurs.
    high = max(float(matrix.by_user.values.max()) for matrix in matrices)
    for matrix in matrices:
        matrix.scale = (release.scale[0], high)
    return Dataset(release.name, matrices[0], items, users, full=matrices[1])


def _read_items(release: Release, path: Path) -> pd.DataFrame:
    layout = release.layout
    tables = [
        _read(release, path, file, needed)
        for file, needed in zip((layout.items, *layout.more[1:]), _NEEDED, strict=True)
    ]
    tables[1].check(~tables[1].texts["feat"].str.fullmatch(_LIST), "feat", "no list of numbers")
    captions, lists = (one.texts.assign(video_id=one.keys("video_id")) for one in tables[:2])
    daily = tables[2].texts.assign(video_id=tables[2].whole("video_id"))
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
            "title": [*map(_title, caption, cover, topics, items["video_id"])],
            "year": pd.to_numeric(items["upload_dt"].str[:4], errors="coerce").astype("Int64"),
            "genres": [_joined(row) for row in names],
            "caption": caption,
            "topics": topics,
            "feat": items["feat"].str.findall(r"\d+").str.join("|").astype("str"),
        }
    )
    rest = items.drop(columns=["video_id", *captions.columns, *lists.columns], errors="ignore")
    return pd.concat([table, rest], axis=1)


def _read_users(release: Release, path: Path) -> pd.DataFrame:
    columns = ("user_id", *USER_TEXT, *USER_NUMBERS, *USER_CODES)
    table = _read(release, path, str(release.layout.users), columns)
    users = table.texts.assign(user_id=table.keys("user_id"))
    for name in (*USER_NUMBERS, *USER_CODES):
        numbers = pd.to_numeric(users[name], errors="coerce")
        whole = (numbers == np.floor(numbers)) & (numbers.abs() < 2**53)
        empty = (users[name] == "") & (name in USER_CODES)
        table.check(~whole & ~empty, name, "no whole number")
        users[name] = numbers.astype("Int64" if name in USER_CODES else np.int64)
    return users.sort_values("user_id", ignore_index=True)


def _read(release: Release, path: Path, file: str, needed: Sequence[str]) -> archive.Table:
    """Return a table that has the columns `needed`."""
    with archive.open_member(release, path, file) as (stream, where):
        raw = stream.read()
    try:
        # Four captions hold a bare CR, which csv readers take for the end of a row.
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", " ")
        texts = archive.read_csv(io.StringIO(text), ",")
    except ValueError as error:  # of the decoder, or of the parser
        archive.refuse(where, None, " ".join(str(error).split()))
    if lacking := [name for name in needed if name not in texts]:
        archive.refuse(where, 1, f"the header lacks {', '.join(lacking)}")
    return archive.tabled(texts, where)


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
    text = archive.one_line(text)
    return "" if text == UNKNOWN else text


def _title(caption: str, cover: str, topics: str, item: int) -> str:
    text = caption or cover or topics.replace("|", " ") or f"video {item}"
    return text if len(text) <= TITLE else f"{text[: TITLE - 1].rstrip()}…"


def _joined(names: Iterable[Any]) -> str:
    """Return the names that are not empty, each once, joined by ``|``."""
    tidy = (_tidy(str(name)).replace("|", "/") for name in names)
    return "|".join(dict.fromkeys(name for name in tidy if name))
