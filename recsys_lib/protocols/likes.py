"""Protocols of likes: a fully observed test matrix, and strangers.

Both ask for lists, and both give one thing to learn from, one to choose by and one to report on:

>>> ground = protocols.watch(data)                                     # doctest: +SKIP
>>> model = ground.development.fit(models.TwoTower(threshold=ground.liked))  # doctest: +SKIP
>>> ground.development.measure(model)["ndcg@10"]                       # doctest: +SKIP
>>> ground.measure(model)["ndcg@10"]                                   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib import evaluation, splits
from recsys_lib.datasets import LIKED, Dataset
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.kernels import ranking
from recsys_lib.models.base import Recommender
from recsys_lib.protocols.parts import Development
from recsys_lib.ratings import Ratings
from recsys_lib.report import Report

METRICS = (
    "precision@10", "recall@10", "ndcg@10", "map@10", "coverage@10", "novelty@10",
)  # fmt: skip
# KuaiRec's daily counts of plays and likes are of the days that are to be predicted: a look ahead.
BEFORE = ("item_id", "year", "genres", "author_id", "upload_type", "video_duration")


@dataclass(frozen=True, eq=False)
class Ground:
    """Parts of the data, and how lists are measured on them.

    Attributes
    ----------
    development : Development
        To learn from and to choose by; of the tables, what was known before anybody watched.
    test : Ratings
        To report on.
    liked : float
        Ratings of at least this are likes.
    options : dict
        For `evaluation.evaluate` on `test`.
    """

    development: Development
    test: Ratings
    liked: float
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def train(self) -> Ratings:
        """The training part."""
        return self.development.train

    @property
    def valid(self) -> Ratings:
        """The validation part."""
        return self.development.valid

    @property
    def likes(self) -> Ratings:
        """What is liked in the training part: for models that count whatever they are given."""
        return self.train.select(self.train.by_user.values >= np.float32(self.liked))

    def measure(self, model: Recommender, metrics: Sequence[str] = METRICS) -> Report:
        """Measure a model fitted on `train` by the test part."""
        return evaluation.evaluate(model, self.train, self.test, metrics, **self.options)


def watch(
    data: Dataset, liked: float = LIKED, valid: float = 0.1, seed: int = 0, cold: float = 0.0
) -> Ground:
    """Train on the big matrix, test on the small one, nearly all of whose pairs are known.

    A list is of the small matrix's videos only, all of which its user has watched: a video that is
    not liked there is a true negative. Validation is a random part of the big matrix, where only
    what the app showed was watched; there too, only what was watched is ranked, since nothing is
    known of the rest.

    Parameters
    ----------
    data : Dataset
        KuaiRec or its like.
    liked : float
        The lowest watch ratio that makes a like. (The authors say: more than 2.)
    valid : float
        Share of the big matrix that is held back for choosing.
    seed : int
        Decides which.
    cold : float
        Share of the small matrix's videos that shall have no watch to learn from. Where there are
        fewer, all watches of some others, drawn at random, are left out of the big matrix.

    Raises
    ------
    DataError
        The data have no fully observed matrix, or a pair is in both.
    RecsysError
        `valid` or `cold` is out of range.
    """
    if not 0 <= cold < 1:
        raise RecsysError(f"cold is {cold}; it is a share of the videos, from 0 to below 1")
    if data.full is None:
        raise DataError(
            f"{data.name} has no fully observed matrix; take kuairec or synthetic-watch"
        )
    big, small = data.ratings, data.full
    shared = ranking.count_shared(*big.by_user[:2], *small.by_user[:2])
    if shared.any():
        raise DataError(
            f"{int(shared.sum())} pairs are in the big matrix and in the small one (the first are "
            f"user {big.user_ids[shared.argmax()]}'s), so a model would be tested on what it learnt"
        )
    big = _cooled(big, small, cold, np.random.default_rng(seed))
    train, held_back, _ = splits.random(big, valid=valid, test=0.0, seed=seed)
    options = {"relevant": liked, "candidates": "test"}
    development = Development(train, held_back, _before(data.items), data.users, options)
    return Ground(development, small, liked, options)


def _before(items: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of an item before anybody has watched or rated it."""
    return items[[name for name in BEFORE if name in items]]


def _cooled(big: Ratings, small: Ratings, share: float, rng: np.random.Generator) -> Ratings:
    """Return the big matrix, without any watch of a share of the small one's videos."""
    tested, counts = np.flatnonzero(small.by_item.counts), big.by_item.counts
    warm = tested[counts[tested] > 0]
    missing = round(share * len(tested)) - (len(tested) - len(warm))
    if missing <= 0:
        return big
    return big.select(~np.isin(big.by_user.indices, rng.choice(warm, missing, replace=False)))


def strangers(
    data: Dataset, liked: float = 4.0, valid: float = 0.1, test: float = 0.2, seed: int = 0
) -> Ground:
    """Hold users out of training, and find a fifth of their ratings from the other four fifths.

    The test part is that of `splits.strong_generalisation`. Validation is of users that are trained
    on, a random part of their ratings: so that a model can look at it while it learns.

    Parameters
    ----------
    data : Dataset
        With star ratings.
    liked : float
        The lowest rating that makes a like.
    valid : float
        Share of the other users' ratings that is held back for choosing.
    test : float
        Share of users who are held out.
    seed : int
        Decides who and which.

    Raises
    ------
    RecsysError
        A share is out of range, or there are too few users.
    """
    known, _, target, history = splits.strong_generalisation(
        data.ratings, valid=0.0, test=test, seed=seed
    )
    train, held_back, _ = splits.random(known, valid=valid, test=0.0, seed=seed)
    asked = {"relevant": liked}
    development = Development(train, held_back, _before(data.items), options=asked)
    return Ground(development, target, liked, {**asked, "history": history})
