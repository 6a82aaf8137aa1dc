"""Protocols by name: what is for learning, what for choosing, and what is read once.

A fold is fully determined by the data, the protocol's name and a seed. What may be looked at while
a model is being chosen is a `Development`: training and validation ratings, and no way from them to
the test ratings. Those are sealed in an `Exam`, which each model sits once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from recsys_lib import evaluation, splits
from recsys_lib.datasets import Dataset, official
from recsys_lib.errors import RecsysError
from recsys_lib.models.base import Recommender
from recsys_lib.ratings import Ratings
from recsys_lib.report import Report
from recsys_lib.splits import TEST, TRAIN, VALID

PROTOCOLS = {
    "5-fold": "random folds, each the test part once",
    "80-20": "a random fifth is the test part",
    "90-10": "a random tenth is the test part",
    "u1-u5": "the five folds that come with ml-100k",
    "ua-ub": "the two splits that come with ml-100k, ten test ratings of every user",
    "temporal": "the last tenth of all ratings is the test part",
    "leave-last": "the last rating of every user is the test part",
}
PUBLISHED = {"u1-u5": official.U1_TO_U5, "ua-ub": official.UA_AND_UB}
FOLDS = r"([1-9]\d*)-fold"
SHARES = r"([1-9]\d?)-([1-9]\d?)"  # in per cent, of learning and of the test part
M = TypeVar("M", bound=Recommender)
LAST = 0.1  # share of the ratings that "temporal" tests on


@dataclass(frozen=True, eq=False)
class Development:
    """All that choosing a model gets to see: copies, without any reference to the test ratings.

    Attributes
    ----------
    train, valid : Ratings
        To learn from and to choose by.
    items, users : DataFrame or None
        What is known of the items and of the users.
    options : dict
        How lists are measured on `valid`: see `evaluation.evaluate`.
    """

    train: Ratings
    valid: Ratings
    items: pd.DataFrame | None = None
    users: pd.DataFrame | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def fit(self, model: M, **options: Any) -> M:
        """Fit a model on `train`, with all that is here; `options` go to its `fit` as well."""
        model.fit(self.train, self.valid, items=self.items, users=self.users, **options)
        return model

    def measure(self, model: Recommender, metrics: Sequence[str] | None = None) -> Report:
        """Measure a model fitted on `train` by the validation part."""
        return evaluation.evaluate(model, self.train, self.valid, metrics, **self.options)


class Exam:
    """A test part, sealed: all one can do with it is to sit the exam, once."""

    def __init__(self, test: Ratings) -> None:
        self._test = test
        self._sat: set[str] = set()

    @property
    def n_ratings(self) -> int:
        """Number of test ratings."""
        return len(self._test)

    def sit(
        self,
        name: str,
        model: Recommender,
        trained_on: Ratings,
        metrics: Sequence[str] | None = None,
        **options: Any,
    ) -> Report:
        """Measure a fitted model on the test part, the only time under this name.

        Parameters
        ----------
        name : str
            Whose result it is. A second result under it could be the better of two, and so would
            have been chosen by the test part.
        model : Recommender
            Fitted on `trained_on`.
        trained_on : Ratings
            What lists leave out: `Fold.learning`.
        metrics, **options :
            As `evaluation.evaluate` takes them.

        Raises
        ------
        RecsysError
            There is a result of this name already; or `evaluate` refuses, which counts as no
            sitting: nobody has learnt anything.
        """
        if name in self._sat:
            raise RecsysError(
                f"{name!r} has sat this exam already, and the test part is read once: keep the "
                "first report, and choose between models by development.valid"
            )
        report = evaluation.evaluate(model, trained_on, self._test, metrics, **options)
        self._sat.add(name)
        return report


class Fold:
    """One division of the data: what a model is chosen by, learns from and is tested on.

    Each part is copied at its first use, so that a list of folds takes a byte a rating and fold.

    Parameters
    ----------
    name : str
        Such as ``"fold 1"``.
    ratings : Ratings
        The whole.
    labels : (nnz,) uint8
        `splits.TRAIN`, `VALID` or `TEST` for each rating.
    items : DataFrame, optional
        What is known of the items.
    """

    def __init__(
        self, name: str, ratings: Ratings, labels: np.ndarray, items: pd.DataFrame | None = None
    ) -> None:
        self.name = name
        self._ratings, self._labels, self._items = ratings, labels, items

    def __repr__(self) -> str:
        n_train, n_valid, n_test = np.bincount(self._labels, minlength=3)
        return f"Fold({self.name!r}, train {n_train:,}, valid {n_valid:,}, test {n_test:,})"

    @cached_property
    def development(self) -> Development:
        """What a model may be chosen by."""
        train, valid = (self._ratings.select(self._labels == part) for part in (TRAIN, VALID))
        return Development(train, valid, self._items)

    @cached_property
    def learning(self) -> Ratings:
        """Training and validation ratings together: what the chosen model is fitted on."""
        return self._ratings.select(self._labels != TEST)

    @cached_property
    def exam(self) -> Exam:
        """The test part, sealed."""
        return Exam(self._ratings.select(self._labels == TEST))


def folds(data: Dataset, protocol: str, seed: int = 0, valid: float = 0.1) -> list[Fold]:
    """Divide a data set as a protocol says.

    Parameters
    ----------
    data : Dataset
        Whatever `datasets.load` returns.
    protocol : str
        A name in `PROTOCOLS`, or its like: ``"10-fold"``, ``"75-25"``.
    seed : int
        Decides what is dealt out at random.
    valid : float
        Share of what is not the test part that goes to validation. It changes no test part.
        "leave-last" has its own rule: each user's last rating but one.

    Raises
    ------
    RecsysError
        There is no such protocol, or the data cannot have it.
    """
    if not (isinstance(seed, int | np.integer) and seed >= 0):
        raise RecsysError(f"seed is {seed!r}; it must be a whole number, 0 or more")
    if not 0 < valid < 1:
        raise RecsysError(f"valid is {valid}; it is a share, between 0 and 1 (0.1: a tenth)")
    check(protocol)
    ratings = data.ratings
    if protocol == "temporal":
        labels = {"the last": splits.temporal_labels(ratings, valid * (1 - LAST), LAST)}
    elif protocol == "leave-last":
        labels = {"the last": splits.leave_last_labels(ratings)}
    else:
        tests = _test_parts(data, protocol, int(seed))
        labels = {
            name: _hold_back(test, valid, np.random.default_rng([int(seed), number]))
            for number, (name, test) in enumerate(tests.items(), 1)
        }
    return [Fold(name, ratings, label, data.items) for name, label in labels.items()]


def check(protocol: str) -> str:
    """Return `protocol` if there is such a one; else raise an error that lists them."""
    shares = re.fullmatch(SHARES, protocol)
    known = protocol in PROTOCOLS or re.fullmatch(FOLDS, protocol)
    if not (known or (shares and int(shares[1]) + int(shares[2]) == 100)):
        raise RecsysError(
            f"there is no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}, any number of "
            "folds (10-fold) and any two shares that make 100 (75-25)"
        )
    return protocol


def _test_parts(data: Dataset, protocol: str, seed: int) -> dict[str, np.ndarray]:
    """Return which ratings are the test part of each fold, (nnz,) bool."""
    if protocol in PUBLISHED:
        names = PUBLISHED[protocol]
        return dict(zip(names, official.test_masks(data, names), strict=True))
    n = len(data.ratings)
    if match := re.fullmatch(FOLDS, protocol):
        number = splits.fold_numbers(n, int(match[1]), seed)
        return {f"fold {k + 1}": number == k for k in range(int(match[1]))}
    test = np.zeros(n, bool)
    test[: round(n * int(protocol.partition("-")[2]) / 100)] = True
    np.random.default_rng(seed).shuffle(test)
    return {"split": test}


def _hold_back(test: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return the labels, with a random `share` of what is not the test part for validation."""
    labels = np.where(test, np.uint8(TEST), np.uint8(TRAIN))
    rest = np.flatnonzero(~test)
    n_valid = round(share * len(rest))
    if not (test.any() and 0 < n_valid < len(rest)):
        raise RecsysError(f"{len(test)} ratings are too few to be parted in three")
    labels[rng.choice(rest, n_valid, replace=False)] = VALID
    return labels
