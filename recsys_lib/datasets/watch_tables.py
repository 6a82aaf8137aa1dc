"""Invented videos and users, with the columns of KuaiRec's tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from recsys_lib.datasets import titles

VIDEOS_AN_AUTHOR = 6
# The codes that tell something of a user's taste, and how many values each has; the other
# `onehot_feat` columns tell nothing. Nobody outside the app knows what KuaiRec's own mean.
TELLING = {"onehot_feat1": 8, "onehot_feat2": 30, "onehot_feat9": 7}
_OTHERS = {
    0: 2, 3: 1076, 4: 13, 5: 10, 6: 3, 7: 47, 8: 340, 10: 5, 11: 3, 12: 2, 13: 2, 14: 2, 15: 2,
    16: 2, 17: 2,
}  # fmt: skip
# Upper ends of the published ranges, and their names; numbers beyond the last end have the last.
_RANGES = {
    "follow_user_num": (
        [0, 10, 50, 100, 150, 250, 500],
        ["0", "(0,10]", "(10,50]", "(50,100]", "(100,150]", "(150,250]", "(250,500]", "500+"],
    ),
    "fans_user_num": (
        [0, 9, 99, 999, 4_999, 9_999],
        ["0", "[1,10)", "[10,100)", "[100,1k)", "[1k,5k)", "[5k,1w)", "[1w,10w)"],
    ),
    "friend_user_num": (
        [0, 4, 29, 59, 119, 249],
        ["0", "[1,5)", "[5,30)", "[30,60)", "[60,120)", "[120,250)", "250+"],
    ),
    "register_days": (
        [30, 60, 90, 180, 365, 730],
        ["15-30", "31-60", "61-90", "91-180", "181-365", "366-730", "730+"],
    ),
}


def invent_videos(genres: np.ndarray, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of videos and each one's author, (n_items,) int64 from 0.

    Parameters
    ----------
    genres : (n_items, 19) bool
        Columns as `titles.GENRES`.
    rng : np.random.Generator
        The only source of chance.

    Returns
    -------
    items : DataFrame
        item_id, title, year, genres, caption, topics, feat, author_id, video_type, upload_dt,
        upload_type, video_duration (ms), as `kuairec_tables.read_items` has them. There are no
        daily counts: those would be of other users, who are not simulated.
    authors : ndarray
        As in ``author_id``.
    """
    n = len(genres)
    names = np.array(titles.GENRES)
    days = rng.integers(0, 400, n)
    uploaded = np.datetime64("2019-06-01") + days
    called = titles.invent_titles(genres, 2019 + days / 365, rng)
    # Some authors upload much, most of them little.
    activity = rng.dirichlet(np.full(max(1, n // VIDEOS_AN_AUTHOR), 0.7))
    authors = np.unique(rng.choice(len(activity), n, p=activity), return_inverse=True)[1]
    table = pd.DataFrame(
        {
            "item_id": np.arange(n),
            "title": _text(called),
            "year": pd.array(uploaded.astype("datetime64[Y]").astype(int) + 1970, dtype="Int64"),
            "genres": _text("|".join(names[row]) for row in genres),
            "caption": _text(called),
            "topics": _text([""] * n),
            "feat": _text("|".join(map(str, np.flatnonzero(row))) for row in genres),
            "author_id": _text(map(str, authors)),
            "video_type": _text(rng.choice(["NORMAL", "AD"], n, p=[0.95, 0.05])),
            "upload_dt": _text(uploaded.astype(str)),
            "upload_type": _text(rng.choice(["ShortImport", "LongImport", "Kmovie"], n)),
            "video_duration": np.rint(
                np.clip(9_500 * np.exp(0.6 * rng.standard_normal(n)), 3e3, 3e5)
            ),
        }
    )
    return table, authors


def invent_users(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of users, its 31 columns, and the telling codes, (n, len(TELLING)) int64."""
    zeal = rng.standard_normal(n)
    active = np.array(["middle_active", "high_active", "full_active"])
    table = pd.DataFrame(
        {
            "user_id": np.arange(n),
            "user_active_degree": _text(active[np.searchsorted([-1.8, -1.0], zeal)]),
            "is_lowactive_period": (rng.random(n) < 0.001).astype(np.int64),
            "is_live_streamer": (rng.random(n) < 0.01).astype(np.int64),
            "is_video_author": (rng.random(n) < 0.2).astype(np.int64),
        }
    )
    middle = {"follow_user_num": 30, "fans_user_num": 3, "friend_user_num": 1, "register_days": 200}
    for name, (ends, labels) in _RANGES.items():
        number = np.exp(1.2 * rng.standard_normal(n)) * middle[name]
        whole = number.astype(np.int64) + 15 * (name == "register_days")
        table[name] = whole
        table[f"{name}_range"] = _text(np.array(labels)[np.searchsorted(ends, whole)])
    values = {f"onehot_feat{k}": size for k, size in _OTHERS.items()} | TELLING
    codes = {}
    for k in range(18):
        name = f"onehot_feat{k}"
        weight = rng.dirichlet(np.full(values[name], 2.0))
        codes[name] = rng.choice(values[name], n, p=weight)
        table[name] = pd.array(codes[name], dtype="Int64")
    return table, np.column_stack([codes[name] for name in TELLING])


def _text(values: Iterable[str]) -> pd.Series:
    return pd.Series(list(values), dtype="str")
