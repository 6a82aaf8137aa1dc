"""Protocols by name: what is for learning, what for choosing, and what is read once.

A split is fully determined by the data, the protocol's name and a seed. What may be looked at while
a model is being chosen is its `Development`: training and validation ratings, and no way from them
to the test ratings. Those the `Split` keeps to itself, and each model is measured on them once.

>>> split = next(protocols.folds(data, "80-20"))                       # doctest: +SKIP
>>> model = split.development.fit(models.ALS())                        # doctest: +SKIP
>>> split.development.measure(model, ["rmse"])                         # doctest: +SKIP
>>> split.test("ALS", split.fit(models.ALS()))                         # doctest: +SKIP
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from benchmarks import held_out, official
from benchmarks.held_out import Dealt
from recsys_lib import splits
from recsys_lib.datasets import Dataset
from recsys_lib.errors import DataError, RecsysError, check_value, generator
from recsys_lib.evaluation import Report, evaluate
from recsys_lib.models import Recommender
from recsys_lib.models.base import as_scipy
from recsys_lib.ratings import Ratings
from recsys_lib.splits import TEST, TRAIN, VALID

PROTOCOLS = {
    "5-fold": "random folds, each the test part once",
    "80-20": "a random fifth is the test part",
    "90-10": "a random tenth is the test part",
    "u1-u5": "the five folds that come with ml-100k",
    "ua-ub": "the two splits that come with ml-100k, ten test ratings of every user",
    "temporal": "the last tenth of all ratings is the test part",
    "leave-last": "the last rating of every user is the test part",
    "cold-items": "all ratings of a random fifth of the items are the test part",
    "cold-users": "all ratings of a random fifth of the users (cold-users-5: but for five, shown)",
    "mult-vae": "likes of a tenth of the users, at most 10,000, from four fifths of their likes",
    "leave-one-out": "each user's last rating, of whatever value, in lists of the whole catalogue",
}
# What the protocols of lists are measured by; models are chosen by the first.
OF_LISTS = {
    "mult-vae": ["ndcg@100", "capped_recall@20", "capped_recall@50"],
    "leave-one-out": ["ndcg@10", "hit_rate@10"],
}
PUBLISHED = {"u1-u5": official.U1_TO_U5, "ua-ub": official.UA_AND_UB}
FOLDS = r"([1-9]\d*)-fold"
SHARES = r"([1-9]\d?)-([1-9]\d?)"  # in per cent, of learning and of the test part
LAST = 0.1  # share of the ratings that "temporal" tests on
COLD_USERS = r"cold-users(?:-([1-9]\d*))?"  # and how many ratings of each are shown
COLD = 0.2  # share of the items, or users, that are the test part
HELD_BACK = 0.1  # share of what is not the test part: ratings, items or users to choose by
LIKED_WATCHES, LIKED_STARS = 2.0, 4.0  # KuaiRec's authors say of a watch ratio: more than 2
# What is known of an item before anybody has tried it; titles and captions are no features.
BEFORE = ("item_id", "year", "genres", "author_id", "upload_type", "video_duration")
M = TypeVar("M", bound=Recommender)


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One division of the data: what a model is chosen by, learns from and is tested on.

    `name` is such as ``"fold 1"``. `test_input` is what is known of the users of the test part,
    where those are strangers to all else. `refit` says whether the model that is tested learns from
    the validation part, too; else it is fitted as in `development`, and the validation part says
    when to stop.
    """

    name: str
    development: Dealt
    _test: Ratings  # sealed: all one can do with it is `test`, once for each name
    test_input: Ratings | None = None
    refit: bool = True
    _tested: set[str] = field(default_factory=set, init=False)

    def __repr__(self) -> str:
        sizes = f"train {len(self.train):,}, valid {len(self.valid):,}, test {len(self._test):,}"
        return f"Split({self.name!r}, {sizes})"

    @property
    def train(self) -> Ratings:
        """The training part."""
        return self.development.train

    @property
    def valid(self) -> Ratings:
        """The validation part."""
        return self.development.valid

    @property
    def relevant(self) -> float:
        """The lowest rating that makes an item relevant: a like."""
        return self.development.relevant

    @property
    def likes(self) -> Ratings:
        """What is liked in the training part: for models that count whatever they are given."""
        return self.train.select(self.train.by_user.values >= np.float32(self.relevant))

    @cached_property
    def learning(self) -> Ratings:
        """What the model that is tested is fitted on, and what its lists leave out."""
        return splits.merge(self.train, self.valid) if self.refit else self.train

    def fit(self, model: M, **options: Any) -> M:
        """Fit a model on `learning`; `options` go to its `fit` as well."""
        if not self.refit:
            return self.development.fit(model, **options)
        options = {"items": self.development.items, "users": self.development.users, **options}
        return model.fit(self.learning, **options)

    def test(self, name: str, model: Recommender, metrics: Any = None) -> Report:
        """Measure a model fitted on `learning` on the test part, the only time under this `name`.

        A second result could be the better of two, and so chosen by the test part. What
        `evaluation.evaluate` refuses does not count.
        """
        if name in self._tested:
            raise RecsysError(
                f"{name!r} was tested on {self.name!r} already, and the test part is read once: "
                "keep the first report, and choose between models by the validation part"
            )
        report = evaluate(
            model, self.learning, self._test, metrics, test_input=self.test_input,
            **self.development.options,
        )  # fmt: skip
        self._tested.add(name)
        return report


def folds(data: Dataset, protocol: str, seed: int = 0) -> Iterator[Split]:
    """Divide a data set as a protocol says; of large data one fold at a time is in memory.

    Parameters
    ----------
    data : Dataset
        Whatever `datasets.load` returns.
    protocol : str
        A name in `PROTOCOLS`, or its like: ``"10-fold"``, ``"75-25"``.
        Of what is not the test part, a share `HELD_BACK` goes to validation; "leave-last",
        "leave-one-out" and "mult-vae" have rules of their own: each user's last rating but one, and
        as many users as are tested.
    seed : int
        Decides what is dealt out at random.

    Raises
    ------
    RecsysError
        There is no such protocol, or the data cannot have it.
    """
    if not (isinstance(seed, int | np.integer) and seed >= 0):
        raise RecsysError(f"seed is {seed!r}; it must be a whole number, 0 or more")
    ratings = data.ratings
    if protocol == "mult-vae":
        return iter([_mult_vae(data, int(seed))])
    if protocol == "leave-one-out":
        return iter([_leave_one_out(data)])
    if protocol == "cold-items":
        return iter([_cold_items(data, int(seed))])
    if match := re.fullmatch(COLD_USERS, protocol):
        return iter([_cold_users(data, int(match[1] or 0), int(seed))])
    if protocol == "temporal":
        parts = splits.temporal(ratings, HELD_BACK * (1 - LAST), LAST)
        return iter([_dealt(data, "the last", *parts)])
    if protocol == "leave-last":
        return iter([_dealt(data, "the last", *splits.leave_last(ratings))])
    tests = _test_parts(data, protocol, int(seed))
    labels = {
        name: _hold_back(test, np.random.default_rng([int(seed), number]))
        for number, (name, test) in enumerate(tests.items(), 1)
    }
    return (_divide(data, name, label) for name, label in labels.items())


def _divide(data: Dataset, name: str, labels: np.ndarray) -> Split:
    parts = (data.ratings.select(labels == part) for part in (TRAIN, VALID, TEST))
    return _dealt(data, name, *parts)


def _dealt(data: Dataset, name: str, train: Ratings, valid: Ratings, test: Ratings) -> Split:
    return Split(name, Dealt(train, valid, data.items, data.users), test)


def fold_numbers(n: int, k: int, seed: int) -> np.ndarray:
    """Assign n ratings to k folds at random, for cross-validation: their numbers (n,) from 0.

    Sizes differ by at most one. The trap: the folds share most of their training ratings, so their
    spread says less than that of k independent trials would (Bengio & Grandvalet 2004); and
    parameters chosen on one fold's training part have seen the test ratings of all other folds.
    """
    wanted = f"a whole number of folds, from 2 to one for each of the {n} ratings"
    check_value("k", k, wanted, lambda k: 2 <= k <= n)
    number = (np.arange(n) % k).astype(np.min_scalar_type(k))
    generator(seed).shuffle(number)
    return number


def _test_parts(data: Dataset, protocol: str, seed: int) -> dict[str, np.ndarray]:
    """Return which ratings are the test part of each fold, (nnz,) bool."""
    if protocol in PUBLISHED:
        names = PUBLISHED[protocol]
        return dict(zip(names, official.test_masks(data, names), strict=True))
    n = len(data.ratings)
    if match := re.fullmatch(FOLDS, protocol):
        number = fold_numbers(n, int(match[1]), seed)
        return {f"fold {k + 1}": number == k for k in range(int(match[1]))}
    shares = re.fullmatch(SHARES, protocol)
    if not (shares and int(shares[1]) + int(shares[2]) == 100):
        raise RecsysError(
            f"there is no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}, any number of "
            "folds (10-fold) and any two shares that make 100 (75-25)"
        )
    test = np.zeros(n, bool)
    test[: round(n * int(shares[2]) / 100)] = True
    np.random.default_rng(seed).shuffle(test)
    return {"split": test}


def _hold_back(test: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the labels, with a random share of what is not the test part for validation."""
    labels = np.where(test, np.uint8(TEST), np.uint8(TRAIN))
    rest = np.flatnonzero(~test)
    n_valid = round(HELD_BACK * len(rest))
    if not (test.any() and 0 < n_valid < len(rest)):
        raise RecsysError(f"{len(test)} ratings are too few to be parted in three")
    labels[rng.choice(rest, n_valid, replace=False)] = VALID
    return labels


# --- cold start: whole items or users are held out ---


def _cold_items(data: Dataset, seed: int) -> Split:
    """Hold out a share `COLD` of the rated items, and of the others a share `HELD_BACK`.

    Lists are of the items without a rating in the training part. An interval over users says
    nothing of which items were drawn: other seeds do.
    """
    rng = np.random.default_rng(seed)
    rated = int((data.ratings.by_item.counts > 0).sum())
    n_test = round(COLD * rated)
    known, test = held_out.hold_out_items(data.ratings, n_test, rng)
    train, held_back = held_out.hold_out_items(known, round(HELD_BACK * (rated - n_test)), rng)
    development = held_out.ColdItems(train, held_back, _before(data), data.users, candidates="new")
    return Split("cold items", development, test)


def _cold_users(data: Dataset, n_shown: int, seed: int) -> Split:
    """Hold out a share `COLD` of the users, and of the others a share `HELD_BACK`.

    Of each, `n_shown` ratings are shown; users without any more than these are not held out.
    """
    rng = np.random.default_rng(seed)
    users = int((data.ratings.by_user.counts > 0).sum())
    n_test = round(COLD * users)
    known, test, shown = held_out.hold_out_users(data.ratings, n_test, n_shown, rng)
    n_valid = round(HELD_BACK * (users - n_test))
    train, held_back, valid_input = held_out.hold_out_users(known, n_valid, n_shown, rng)
    development = held_out.ColdUsers(
        train, held_back, data.items, data.users, valid_input=valid_input
    )
    return Split("cold users", development, test, shown, refit=False)


# --- protocols of likes ---------------------------------------------------------------------------


def fully_observed(data: Dataset, seed: int = 0) -> Split:
    """Train on the big matrix, test on the small one, nearly all of whose pairs are known.

    A list is of the items that its user has tried: one that is not liked is a true negative.
    Validation is a random share of the big matrix, where users tried only what they were shown. A
    watch ratio of `LIKED_WATCHES` or more makes a like.

    Raises
    ------
    DataError
        The data have no fully observed matrix, or a pair is in both.
    """
    if data.full is None:
        raise DataError(
            f"{data.name} has no fully observed matrix; take kuairec or synthetic-watch"
        )
    big, small = data.ratings, data.full
    pairs, others = (as_scipy(part.by_user, big.n_items) for part in (big, small))
    shared = pairs.multiply(others).getnnz(axis=1)
    if shared.any():
        raise DataError(
            f"{int(shared.sum())} pairs are in the big matrix and in the small one (the first are "
            f"user {big.user_ids[shared.argmax()]}'s), so a model would be tested on what it learnt"
        )
    train, held_back, _ = splits.random(big, valid=HELD_BACK, test=0.0, seed=seed)
    development = Dealt(
        train, held_back, _before(data), data.users, relevant=LIKED_WATCHES, candidates="test"
    )
    return Split("fully observed", development, small, refit=False)


def user_holdout(data: Dataset, seed: int = 0) -> Split:
    """Hold users out of training, and find a fifth of their ratings from the other four fifths.

    The test part is that of `splits.strong_generalisation`, of a fifth of the users; `seed` draws
    them. Validation is of users that are trained on: so that a model can look at it while it
    learns. An item is liked from a rating of `LIKED_STARS` on.
    """
    parts = splits.strong_generalisation(data.ratings, valid=0.0, test=0.2, seed=seed)
    known, _, target, shown = parts
    train, held_back, _ = splits.random(known, valid=HELD_BACK, test=0.0, seed=seed)
    development = Dealt(train, held_back, _before(data), relevant=LIKED_STARS)
    return Split("user holdout", development, target, shown, refit=False)


def _mult_vae(data: Dataset, seed: int) -> Split:
    items = _before(data)
    development, test, shown = held_out.likers(data.ratings, seed)
    known = items[items["item_id"].isin(development.train.item_ids)]
    return Split("mult-vae", replace(development, items=known), test, shown, refit=False)


def _leave_one_out(data: Dataset) -> Split:
    """Test on each user's last rating, choose by the last but one, as He et al. 2017.

    Their lists are of that item and 99 others; these are of the whole catalogue, without what the
    user has rated in the training part.
    """
    every = float(data.ratings.by_user.values.min())
    split = _dealt(data, "the last", *splits.leave_last(data.ratings))
    development = replace(split.development, items=_before(data), relevant=every)
    return replace(split, development=development, refit=False)


def _before(data: Dataset) -> pd.DataFrame:
    """Return what is known of an item before anybody has tried it."""
    return data.items[[name for name in BEFORE if name in data.items]]
