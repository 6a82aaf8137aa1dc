"""Read KuaiRec 2.0, archive or folder: who watched which video for how long (Gao et al. 2022).

Two matrices of watch ratios over the same users and videos: a big, sparse one that an app's
recommender brought about, and a small one of some users and some videos, nearly all of whose pairs
were shown on purpose. No pair is in both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_lib.datasets import kuairec_tables as tables
from recsys_lib.datasets.dataset import Parts
from recsys_lib.datasets.movielens import check_ids, open_member, positions, read_columns
from recsys_lib.datasets.registry import Release
from recsys_lib.datasets.tables import refuse
from recsys_lib.errors import DataError
from recsys_lib.ratings import Ratings

_COLUMNS = {
    "user_id": pa.int32(),
    "video_id": pa.int32(),
    "watch_ratio": pa.float32(),
    "timestamp": pa.float64(),
}


def read(release: Release, path: Path) -> Parts:
    """Read both matrices and the tables of videos and users.

    Parameters
    ----------
    release : Release
        `registry.KUAIREC`.
    path : Path
        The archive, or the folder that holds its files.

    Returns
    -------
    Parts
        ``ratings``, the big matrix, and ``full``, the small one; values are watch ratios. Of
        several watches of a video by one user the last counts; `Ratings.n_duplicates` says how many
        were dropped. A matrix has times (whole seconds) if every row of its file has one, which
        many rows of the small one have not; without them, the row furthest down is the last.
        ``items`` and ``users`` are described in `kuairec_tables`.

    Raises
    ------
    DataError
        A file is missing, or a row of one is not as published; the message names it.
    """
    _check_complete(release, path)
    items = tables.read_items(release, path)
    users = tables.read_users(release, path)
    small = release.layout.more[0]
    matrices = [
        _read_matrix(release, path, file, users["user_id"], items["item_id"])
        for file in (release.layout.ratings, small)
    ]
    # No ratio is too large, but models want an end to the scale: the largest that occurs.
    high = max(float(matrix.by_user.values.max()) for matrix in matrices)
    for matrix in matrices:
        matrix.scale = (release.scale[0], high)
    return Parts(matrices[0], items, users, matrices[1])


def _check_complete(release: Release, path: Path) -> None:
    if not path.is_dir():
        return
    missing = [name for name in release.layout.files if not (path / name).is_file()]
    if missing:
        raise DataError(
            f"{path} is not all of {release.name}: it lacks {', '.join(missing)}; fetch "
            f"{release.url} ({release.size / 1e6:,.0f} MB) and put it, still zipped, beside this "
            "folder or in its place"
        )


def _read_matrix(
    release: Release, path: Path, file: str, users: pd.Series, items: pd.Series
) -> Ratings:
    """Read one file of watches; users and videos are numbered as in the two tables."""
    first = 2  # the row of the file that the first watch stands in
    with open_member(release, path, file) as (stream, where):
        columns = read_columns(stream, release.layout, where, _COLUMNS, may_be_empty=True)
    user_ids, item_ids = users.to_numpy(), items.to_numpy()
    who, what, ratios, seconds = columns
    columns.clear()
    bad = ~(np.isfinite(ratios) & (ratios >= 0))
    if bad.any():
        row = int(bad.argmax())
        refuse(where, row + first, f"{ratios[row]:g} is not a watch ratio")
    check_ids(who, "user", where, first)
    check_ids(what, "video", where, first)
    (users_at, stranger), (items_at, strange_item) = (
        positions(who, user_ids),
        positions(what, item_ids),
    )
    for place, kind, table in (
        (stranger, "user", release.layout.users),
        (strange_item, "video", release.layout.items),
    ):
        if place is not None:
            refuse(where, place + first, f"its {kind} does not stand in {table}")
    del who, what
    times = None if np.isnan(seconds).any() else seconds.astype(np.int64)
    del seconds
    return Ratings.from_arrays(users_at, items_at, ratios, times, user_ids, item_ids, release.scale)
