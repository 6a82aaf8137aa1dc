"""Read KuaiRec 2.0, archive or folder: who watched which video for how long (Gao et al. 2022).

Two matrices of watch ratios have the same users and videos: a big, sparse one from the use of an
app and its recommender, and a small one of some users and some videos, in which nearly all pairs
were shown on purpose. No pair is in both. Further tables describe videos and users.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_lib.datasets import archive
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.registry import Release

UNKNOWN = "UNKNOWN"  # what stands in the files where nothing is known
LEVELS = tuple(f"{level}_level_category_name" for level in ("first", "second", "third"))
TITLE = 48  # characters: captions may have two thousand
# Of the table with a row a video and day: what is true of a video every day. Its counts are of all
# users of the app, on the days whose watches are to be predicted: features would look ahead.
STATIC = ("author_id", "video_type", "upload_dt", "upload_type", "video_duration")
_CAPTIONS = ("video_id", "manual_cover_text", "caption", "topic_tag", *LEVELS)
USER_TEXT = (
    "user_active_degree", "follow_user_num_range", "fans_user_num_range", "friend_user_num_range",
    "register_days_range",
)  # fmt: skip
USER_NUMBERS = (
    "is_lowactive_period", "is_live_streamer", "is_video_author", "follow_user_num",
    "fans_user_num", "friend_user_num", "register_days",
)  # fmt: skip
USER_CODES = tuple(f"onehot_feat{k}" for k in range(18))


def read(release: Release, path: Path) -> Dataset:
    """Read both matrices and the tables of videos and users, as `movielens.read` does.

    If a user watched a video several times, the last watch counts. A matrix has times (whole
    seconds) if every row of its file has one. Many rows of the small matrix have none; there, the
    row furthest down is the last.

    The items are all videos of the captions. Their ``title`` is the caption's beginning, else the
    text on the cover, else the topics, else the id; ``year`` is of the upload; ``genres`` are the
    names of the categories at three levels. There is ``caption``, too, and the columns of `STATIC`,
    the first known value of each. The users have 31 columns as published; an empty code is missing.
    """
    items, users = _read_items(release, path), _read_users(release, path)
    ids = items["item_id"].to_numpy(), users["user_id"].to_numpy()
    both = release.ratings, release.more[0]
    matrices = [archive.read_ratings(release, path, file, *ids) for file in both]
    # No ratio is too large, but models want an end to the scale: the largest that occurs.
    high = max(float(matrix.by_user.values.max()) for matrix in matrices)
    for matrix in matrices:
        matrix.scale = (release.scale[0], high)
    return Dataset(release.name, matrices[0], items, users, full=matrices[1])


def _read_items(release: Release, path: Path) -> pd.DataFrame:
    _, file = release.more
    captions = archive.read_table(release, path, release.items, _CAPTIONS)
    daily = archive.read_table(release, path, file, ("video_id", *STATIC))
    known = daily.cells[list(STATIC)].replace({"": None, UNKNOWN: None})
    known["video_duration"] = pd.to_numeric(known["video_duration"], errors="coerce")
    known = known.groupby(daily.whole("video_id")).first()
    texts = captions.cells[[*_CAPTIONS]].map(archive.one_line).replace(UNKNOWN, "")
    texts = texts.set_axis(captions.keys("video_id")).sort_index()
    known = known.reindex(texts.index)
    topics = [_joined(tag.strip("[]").split(",")) for tag in texts["topic_tag"]]
    table = {
        "item_id": texts.index,
        "title": [*map(_title, texts["caption"], texts["manual_cover_text"], topics, texts.index)],
        "year": pd.to_numeric(known["upload_dt"].str[:4], errors="coerce").astype("Int64"),
        "genres": [*map(_joined, texts[list(LEVELS)].to_numpy(object))],
        "caption": texts["caption"],
    }
    return pd.DataFrame(table, texts.index).join(known).reset_index(drop=True)


def _read_users(release: Release, path: Path) -> pd.DataFrame:
    columns = ("user_id", *USER_TEXT, *USER_NUMBERS, *USER_CODES)
    table = archive.read_table(release, path, str(release.users), columns)
    users = table.cells.assign(user_id=table.keys("user_id"))
    for name in (*USER_NUMBERS, *USER_CODES):
        numbers = pd.to_numeric(users[name], errors="coerce")
        whole = (numbers == np.floor(numbers)) & (numbers.abs() < 2**53)
        empty = (users[name] == "") & (name in USER_CODES)
        table.check(~whole & ~empty, name, "no whole number")
        users[name] = numbers.astype("Int64" if name in USER_CODES else np.int64)
    return users.sort_values("user_id", ignore_index=True)


def _title(caption: str, cover: str, topics: str, item: int) -> str:
    text = caption or cover or topics.replace("|", " ") or f"video {item}"
    return text if len(text) <= TITLE else f"{text[: TITLE - 1].rstrip()}…"


def _joined(names: Iterable[str]) -> str:
    """Return the names that are not empty, each once, joined by ``|``."""
    tidy = (name.strip().replace("|", "/") for name in names)
    return "|".join(dict.fromkeys(filter(None, tidy)))
