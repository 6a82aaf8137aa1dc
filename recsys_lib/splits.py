"""Divide ratings into a training, a validation and a test part.

Each protocol answers a different question, and metrics of two protocols cannot be compared. All
parts have the users and items of the whole, so that an index means the same in each; together they
hold every rating once. The same arguments give the same parts.

>>> from recsys_lib import datasets, splits
>>> data = datasets.load("synthetic", n_users=50, n_items=80, n_ratings=1500, seed=0)
>>> train, valid, test = splits.random(data.ratings, valid=0.1, test=0.2, seed=0)
>>> len(train), len(valid), len(test)
(1050, 150, 300)
"""

import numpy as np

from recsys_lib.errors import DataError, RecsysError, check_value, check_whole, generator
from recsys_lib.ratings import Ratings, check_parts

Seed = int | np.random.Generator
Parts = tuple[Ratings, Ratings, Ratings]  # to train on, to choose by, to test on
TRAIN, VALID, TEST, SHOWN = 0, 1, 2, 3


def random(ratings: Ratings, valid: float = 0.1, test: float = 0.1, seed: Seed = 0) -> Parts:
    """Divide the ratings at random, to measure how well missing entries of the table are filled.

    `valid` and `test` are shares of the ratings, from 0, together below 1; the parts have exactly
    the rounded sizes. `seed` is an int or a Generator. Returns train, valid and test. Raises
    `RecsysError` if a share is out of range or leaves nothing to train on.

    The trap: a model learns from ratings given after those it is tested on, which is impossible in
    use, and active users dominate the test part. Most published RMSEs are of this kind. A user or
    an item with few ratings may have none left in `train`.
    """
    check_parts(ratings=ratings)
    n_valid, n_test = _sizes(len(ratings), valid, test, "ratings")
    labels = np.full(len(ratings), TRAIN, np.uint8)  # a byte a rating is all the memory it takes
    labels[:n_test], labels[n_test : n_test + n_valid] = TEST, VALID
    generator(seed).shuffle(labels)
    return _parts(ratings, labels)


def temporal(ratings: Ratings, valid: float = 0.1, test: float = 0.1) -> Parts:
    """Divide at two moments, to measure how well the past predicts the future.

    As `random`, but the latest ratings go to `test` and those before to `valid`. Ratings in the
    same second are ordered by user and item. Raises `DataError` if the ratings have no timestamps.

    This protocol is nearest to use. The trap: if users rate for a day and never come back, as in
    MovieLens, most users of the test part have no rating in `train`, and all get the same list. A
    `Report` counts them.
    """
    times = _timestamps(ratings, "temporal")
    n_valid, n_test = _sizes(len(ratings), valid, test, "ratings")
    labels = np.full(len(ratings), TRAIN, np.uint8)
    labels[_latest(times, n_valid + n_test)] = VALID
    labels[_latest(times, n_test)] = TEST
    return _parts(ratings, labels)


def leave_last(ratings: Ratings, n: int = 1) -> Parts:
    """Hold out each user's last ratings, to measure the prediction of a known user's next item.

    A user's last `n` ratings go to `test`, the `n` before to `valid`; ratings in the same second
    are ordered by item index. All ratings of users with 2n ratings or fewer stay in `train`.
    Returns train, valid and test. Raises `DataError` if the ratings have no timestamps,
    `RecsysError` if `n` is below 1 or no user has more than 2n ratings.

    The trap: every user is cut at another moment, so the model learns from other users' future what
    became popular; `temporal` avoids this. Each user weighs the same, whatever their number of
    ratings. In MovieLens, the ratings of a session are seconds apart and follow the order in which
    films were shown, so "last" means less than it seems.
    """
    times = _timestamps(ratings, "leave_last")
    n = check_whole("n", n, 1, "a whole number of ratings of each user")
    counts = ratings.by_user.counts
    if not (counts > 2 * n).any():
        told = f"no user has more than {2 * n} ratings, so leave_last(n={n}) would test nobody"
        raise RecsysError(f"{told}; take a smaller n")
    labels = np.full(len(ratings), TRAIN, np.uint8)
    order = _order_in_rows(counts, times)
    # Sorted, each row still fills its own places: so places from the row's end count back.
    from_end = np.repeat(ratings.by_user.indptr[1:], counts) - np.arange(len(order))
    enough = np.repeat(counts > 2 * n, counts)
    labels[order[enough & (from_end <= 2 * n)]] = VALID
    labels[order[enough & (from_end <= n)]] = TEST
    return _parts(ratings, labels)


def strong_generalisation(
    ratings: Ratings, valid: float = 0.1, test: float = 0.1, held_out: float = 0.2, seed: Seed = 0
) -> tuple[Ratings, Ratings, Ratings, Ratings]:
    """Hold out whole users, to measure the lists of new users.

    `valid` and `test` are shares of the users, from 0, together below 1. Only users with 2 ratings
    or more are held out; `RecsysError` is raised if there are too few. `held_out` is the share of
    each such user's ratings that is to be predicted, drawn at random; the rest is shown to the
    model; each part has at least one rating. `seed` is an int or a Generator.

    Returns train, valid and test, all ratings of the other users and the ratings to predict, and
    shown, the shown ratings of the users of both parts: ``evaluate(model, train, test,
    test_input=shown)`` folds these users in.

    The protocol of Liang et al. 2018 (arXiv 1802.05814) and of most work on autoencoders. The trap:
    its metrics are far from those of protocols in which the users were trained on, and the shown
    ratings are drawn at random, not by time.
    """
    check_parts(ratings=ratings)
    wanted = "the share of a user's ratings to find, between 0 and 1"
    check_value("held_out", held_out, wanted, lambda one: 0 < one < 1)
    counts = ratings.by_user.counts
    n_valid, n_test = _sizes(int((counts > 0).sum()), valid, test, "users")
    able = np.flatnonzero(counts >= 2)
    if n_valid + n_test > len(able):
        told = f"{n_valid + n_test} users are to be held out, but only {len(able)} have the two"
        raise RecsysError(f"{told} ratings it takes; lower valid and test")
    rng = generator(seed)
    chosen = rng.permutation(able)[: n_valid + n_test]
    part_of_user = np.full(ratings.n_users, TRAIN, np.uint8)
    part_of_user[chosen[:n_test]], part_of_user[chosen[n_test:]] = TEST, VALID
    labels = np.repeat(part_of_user, counts)
    where, size = np.flatnonzero(labels != TRAIN), counts[part_of_user != TRAIN]
    to_find = np.clip(np.rint(held_out * size).astype(np.int64), 1, size - 1)
    # Each user's ratings in a random order of their own, of which the first are to be found.
    where = where[_order_in_rows(size, rng.integers(0, 2**32, len(where)))]
    place = np.arange(len(where)) - np.repeat(np.cumsum(size) - size, size)
    labels[where[place >= np.repeat(to_find, size)]] = SHOWN
    return *_parts(ratings, labels), ratings.select(labels == SHOWN)


def draw_users(counts: np.ndarray, most: int, seed: int = 0) -> np.ndarray:
    """Return random users with at most `most` ratings in total, (n_users,) bool.

    `counts` are the users' numbers of ratings.
    """
    order = generator(seed).permutation(len(counts))
    drawn = np.zeros(len(counts), bool)
    drawn[order[np.cumsum(counts[order]) <= most]] = True
    return drawn


def merge(a: Ratings, b: Ratings) -> Ratings:
    """Return the union of two parts of one split, such as `train` and `valid` for the final fit.

    If a pair is in both, the rating in `b` counts, or the later one by timestamp. Raises
    `DataError` if users or items differ, or only one part has timestamps.
    """
    check_parts(b=b)
    check_parts(a=a, b=b)
    if (a.timestamps is None) != (b.timestamps is None):
        raise DataError("one part has timestamps and the other has none; merge parts of one split")
    times = None if a.timestamps is None else np.concatenate([a.timestamps, b.timestamps])
    (_, *some), (_, *others) = a.by_user, b.by_user
    users = np.concatenate([a.user_of_rating(), b.user_of_rating()])
    items, values = (np.concatenate(pair) for pair in zip(some, others, strict=True))
    scale = min(a.scale[0], b.scale[0]), max(a.scale[1], b.scale[1])
    return Ratings.from_arrays(users, items, values, times, a.user_ids, a.item_ids, scale)


def _sizes(n: int, valid: float, test: float, what: str) -> tuple[int, int]:
    """Return how many of `n` go to `valid` and to `test`."""
    wanted = f"a share of the {what}, from 0 to below 1 (0.1: a tenth)"
    for name, share in (("valid", valid), ("test", test)):
        check_value(name, share, wanted, lambda one: 0 <= one < 1)
    n_valid, n_test = (round(float(share) * n) for share in (valid, test))
    if n_valid + n_test >= n:
        told = f"valid={valid} and test={test} leave none of the {n} {what} to train on"
        raise RecsysError(f"{told}; lower them")
    return n_valid, n_test


def _timestamps(ratings: Ratings, name: str) -> np.ndarray:
    check_parts(ratings=ratings)
    if ratings.timestamps is None:
        told = "needs to know when each rating was given, and these have no timestamps"
        raise DataError(f"splits.{name} {told}; use splits.random")
    return ratings.timestamps


def _latest(times: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the `n` latest; among equal times, the later positions.

    A selection, not a sort: linear in time, and one copy in memory.
    """
    if n == 0:
        return np.empty(0, np.int64)
    cut = np.partition(times, len(times) - n)[len(times) - n]
    after, at = np.flatnonzero(times > cut), np.flatnonzero(times == cut)
    return np.concatenate([after, at[len(at) - (n - len(after)) :]])


def _order_in_rows(counts: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the order that sorts `keys` (int64) within rows of `counts` entries; ties stay put.

    One stable sort of whole numbers, the row in the high bits and the key in the low ones, is
    several times as fast as a sort by two keys.
    """
    low = int(keys.min(initial=0))
    bits = (int(keys.max(initial=0)) - low).bit_length()
    if bits + len(counts).bit_length() > 63:  # times finer than a second: their ranks will do
        keys, low = np.unique(keys, return_inverse=True)[1], 0
        bits = len(keys).bit_length()
    row = np.repeat(np.arange(len(counts), dtype=np.int64) << bits, counts)
    return np.argsort(row | (keys - low), kind="stable")


def _parts(ratings: Ratings, labels: np.ndarray) -> Parts:
    train, valid, test = (ratings.select(labels == label) for label in (TRAIN, VALID, TEST))
    return train, valid, test
