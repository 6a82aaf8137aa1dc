"""The splits that come with a release: ML-100K's five folds, of which many papers report the mean.

The archive holds u1.base, u1.test to u5.base, u5.test (the five test parts are disjoint and make up
the whole), and ua and ub, whose test parts hold ten ratings of every user and nothing in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recsys_lib.datasets.archive import read_ratings
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.registry import RELEASES
from recsys_lib.errors import DataError
from recsys_lib.ratings import Ratings

U1_TO_U5 = ("u1", "u2", "u3", "u4", "u5")
UA_AND_UB = ("ua", "ub")
_HAS_THEM = "ml-100k"


def test_masks(data: Dataset, names: Sequence[str] = U1_TO_U5) -> list[np.ndarray]:
    """Return which ratings the test part of each named split holds, (nnz,) bool.

    Parameters
    ----------
    data : Dataset
        ML-100K, as ``datasets.load("ml-100k")`` returns it.
    names : sequence of str
        Of u1 to u5, ua, ub.

    Raises
    ------
    DataError
        Other data were given, or a file is missing or does not go with ``u.data``.
    """
    path = data.info.get("path")
    if data.name != _HAS_THEM or not path:
        raise DataError(
            f"{data.name} comes without the splits {', '.join(names)}: they are a part of "
            f"{_HAS_THEM}; take another protocol, such as 5-fold"
        )
    masks = []
    for name in names:
        base, test = (_where(data.ratings, Path(path), f"{name}.{end}") for end in ("base", "test"))
        if not np.array_equal(base, ~test):
            raise DataError(
                f"{path}: {name}.base and {name}.test do not hold every rating of u.data once "
                f"(they hold {base.sum()} and {test.sum()}, {(base & test).sum()} of them both, of "
                f"{len(data.ratings)}); unpack {RELEASES[_HAS_THEM].url} again"
            )
        masks.append(test)
    return masks


def _where(ratings: Ratings, path: Path, file: str) -> np.ndarray:
    """Return which of the ratings stand in a file of the release, (nnz,) bool."""
    part = read_ratings(RELEASES[_HAS_THEM], path, file, ratings.item_ids)
    where = path / file
    if part.n_duplicates:
        raise DataError(f"{where} holds {part.n_duplicates} ratings twice")
    if not np.isin(part.user_ids, ratings.user_ids).all():
        raise DataError(f"{where} holds users of whom u.data knows nothing")
    users = ratings.user_index(part.user_ids)[part.user_of_rating()]
    # Stored by user and then by item, the pairs' numbers ascend.
    pairs = ratings.user_of_rating().astype(np.int64) * ratings.n_items + ratings.by_user.indices
    wanted = users.astype(np.int64) * ratings.n_items + part.by_user.indices
    place = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    wrong = (pairs[place] != wanted) | (ratings.by_user.values[place] != part.by_user.values)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{where}: user {ratings.user_ids[users[row]]}'s rating of movie "
            f"{ratings.item_ids[part.by_user.indices[row]]} is not that of u.data "
            f"({int(wrong.sum())} such ratings)"
        )
    found = np.zeros(len(ratings), bool)
    found[place] = True
    return found
