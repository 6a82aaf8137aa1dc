"""Splits: every rating in one part, nothing leaks, and the order of time is kept."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recsys_lib import splits
from recsys_lib.errors import RecsysError
from recsys_lib.ratings import Ratings
from tests.recsys_lib.small import as_ratings

N_USERS, N_ITEMS = 10, 9


def drawn(n, n_users, n_items, n_times, seed=0):
    """Ratings drawn at random, none of the last user and of the last item."""
    rng = np.random.default_rng(seed)
    pairs = rng.choice((n_users - 1) * (n_items - 1), n, replace=False)
    values, times = rng.integers(1, 11, n) / 2, rng.integers(0, n_times, n)
    return as_ratings(*np.divmod(pairs, n_items - 1), values, n_users, n_items, times=times)


@st.composite
def some_ratings(draw, least=12):
    """Few distinct times, so that ties abound."""
    n, seed = draw(st.integers(least, 70)), draw(st.integers(0, 10**6))
    return drawn(n, N_USERS, N_ITEMS, 7, seed)


SHARES = st.floats(0, 0.4)
SEEDS = st.integers(0, 10)
few = settings(max_examples=20, deadline=None)


def large(n_users=301, n_ratings=20_000):
    return drawn(n_ratings, n_users, 201, 2000)


def columns(*parts):
    """Return user, item, rating and time of all ratings, (4, n), by user and then by item."""
    rows = [
        np.array([p.user_of_rating(), p.by_user.indices, p.by_user.values, p.timestamps])
        for p in parts
    ]
    together = np.concatenate(rows, axis=1)
    return together[:, np.lexsort(together[1::-1])]


def assert_partition(ratings, *parts):
    """Each rating, with its value and time, is in exactly one part; all share one universe."""
    np.testing.assert_array_equal(columns(*parts), columns(ratings))
    for part in parts:
        np.testing.assert_array_equal(part.user_ids, ratings.user_ids)
        np.testing.assert_array_equal(part.item_ids, ratings.item_ids)
        assert part.scale == ratings.scale
        assert len(part.by_user.indptr) == ratings.n_users + 1
        np.testing.assert_array_equal(columns(part)[1], part.by_user.indices)  # rows ascend


def assert_equal_parts(some, others):
    for a, b in zip(some, others, strict=True):
        np.testing.assert_array_equal(columns(a), columns(b))


# ---- random


@few
@given(some_ratings(), SHARES, SHARES, SEEDS)
def test_random_parts_hold_each_rating_once(ratings, valid, test, seed):
    parts = splits.random(ratings, valid, test, seed)
    assert_partition(ratings, *parts)
    n = len(ratings)
    assert [len(part) for part in parts[1:]] == [round(valid * n), round(test * n)]
    assert_equal_parts(parts, splits.random(ratings, valid, test, np.random.default_rng(seed)))


def test_chance_depends_on_the_seed_and_favours_nobody():
    ratings = large()
    a, b = (splits.random(ratings, valid=0.1, test=0.2, seed=seed)[2] for seed in (0, 1))
    shared = len(a.to_frame().merge(b.to_frame()))
    assert 0.15 * len(a) < shared < 0.25 * len(a)  # two draws of a fifth share a fifth of it
    share = a.by_user.counts[:-1] / ratings.by_user.counts[:-1]
    assert abs(share.mean() - 0.2) < 0.02
    assert abs(np.corrcoef(np.arange(len(share)), share)[0, 1]) < 0.2


# ---- temporal


@few
@given(some_ratings(), SHARES, SHARES)
def test_temporal_parts_follow_each_other(ratings, valid, test):
    parts = splits.temporal(ratings, valid, test)
    assert_partition(ratings, *parts)
    n = len(ratings)
    assert [len(part) for part in parts[1:]] == [round(valid * n), round(test * n)]
    # In the order of (time, user, item) the parts are three runs, one after the other.
    user, item, _, time = np.concatenate([columns(part) for part in parts], axis=1)
    number = np.repeat([0, 1, 2], [len(part) for part in parts])
    assert (np.diff(number[np.lexsort([item, user, time])]) >= 0).all()


# ---- leave_last


@few
@given(some_ratings(least=30), st.integers(1, 2))
def test_leave_last_takes_each_users_last(ratings, n):
    assume((ratings.by_user.counts > 2 * n).any())
    parts = splits.leave_last(ratings, n)
    assert_partition(ratings, *parts)
    everything = columns(ratings)
    for u in range(N_USERS):
        own = everything[:, everything[0] == u]
        _, item, _, time = own
        in_time = own[:, np.lexsort([item, time])]
        cut = own.shape[1] - 2 * n
        edges = [cut, cut + n] if cut > 0 else [own.shape[1]] * 2
        for part, expected in zip(parts, np.split(in_time, edges, axis=1), strict=True):
            found = columns(part)
            by_item = expected[:, np.argsort(expected[1])]
            np.testing.assert_array_equal(found[:, found[0] == u], by_item)


def test_leave_last_with_times_that_fill_64_bits():
    ratings = large()
    for times in (ratings.timestamps * 10**15, (ratings.timestamps - 1000) * (9 * 10**15)):
        fine = Ratings(ratings.user_ids, ratings.item_ids, ratings.by_user, timestamps=times)
        for a, b in zip(splits.leave_last(ratings), splits.leave_last(fine), strict=True):
            np.testing.assert_array_equal(columns(a)[:3], columns(b)[:3])


def test_numbers_of_eight_bits_do_not_run_over():
    ratings = large(n_users=51, n_ratings=9000)
    assert_equal_parts(splits.leave_last(ratings, 70), splits.leave_last(ratings, np.int8(70)))
    assert_equal_parts(splits.random(ratings, 0), splits.random(ratings, np.int8(0)))


# ---- strong generalisation


@few
@given(some_ratings(least=30), SEEDS, st.floats(0.01, 0.99))
def test_strong_generalisation_holds_out_whole_users(ratings, seed, held_out):
    counts = ratings.by_user.counts
    n_users = int((counts > 0).sum())
    assume(2 * round(0.2 * n_users) <= (counts >= 2).sum())
    parts = splits.strong_generalisation(ratings, 0.2, 0.2, held_out, seed)
    train, valid, test, _ = parts
    assert_partition(ratings, *parts)
    in_train, in_valid, in_test, shown = (part.by_user.counts > 0 for part in parts)
    assert in_valid.sum() == in_test.sum() == round(0.2 * n_users)
    assert not (in_train & (in_valid | in_test | shown)).any()
    assert not (in_valid & in_test).any()
    np.testing.assert_array_equal(shown, in_valid | in_test)
    for part, inside in ((valid, in_valid), (test, in_test)):
        n = counts[inside]
        to_find = np.clip(np.rint(held_out * n), 1, n - 1)
        np.testing.assert_array_equal(part.by_user.counts[inside], to_find)
    assert_equal_parts(parts, splits.strong_generalisation(ratings, 0.2, 0.2, held_out, seed))
    assert len(train) == counts[in_train].sum()


def test_what_is_shown_of_a_user_is_drawn_at_random():
    _, _, test, _ = splits.strong_generalisation(large(), 0.1, 0.3, 0.3)
    assert abs(test.by_user.indices.mean() / 200 - 0.5) < 0.03  # neither the first nor the last


# ---- merge


@few
@given(some_ratings(), SEEDS)
def test_merge_undoes_a_split(ratings, seed):
    train, valid, test = splits.random(ratings, 0.3, 0.3, seed)
    whole = splits.merge(splits.merge(train, valid), test)
    assert_partition(ratings, whole)
    assert whole.n_duplicates == 0


def test_merge_takes_the_second_of_two_ratings_of_a_pair():
    both = splits.merge(*(as_ratings([0], [0], rating, 1, 1) for rating in (2.0, 5.0)))
    assert both.to_frame()["rating"].tolist() == [5.0]
    assert both.n_duplicates == 1


# ---- bad input


def without_times(ratings):
    return Ratings(ratings.user_ids, ratings.item_ids, ratings.by_user)


def one_with_two():
    """Ratings of four users, of whom a single one has the two that it takes to be held out."""
    return as_ratings([0, 1, 2, 3, 3], [0, 1, 2, 0, 1], 3.0, 4, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: splits.random(r, test=1.0), "test is 1.0"),
        (lambda r: splits.random(r, 0.5, 0.5), "leave none of the 20000 ratings"),
        (lambda r: splits.temporal(r, 0.5, 0.5), "leave none of the 20000 ratings"),
        (lambda r: splits.temporal(without_times(r)), "splits.temporal needs to know when"),
        (lambda r: splits.leave_last(without_times(r)), "splits.leave_last needs to know when"),
        (lambda r: splits.leave_last(r, n=0), "n is 0"),
        (lambda r: splits.leave_last(r, n=5000), "no user has more than 10000 ratings"),
        (lambda r: splits.strong_generalisation(r, held_out=0), "held_out is 0"),
        (lambda r: splits.strong_generalisation(r, held_out=1), "held_out is 1"),
        (lambda r: splits.strong_generalisation(r, 0.5, 0.5), "leave none of the 300 users"),
        (lambda r: splits.strong_generalisation(one_with_two(), 0.25, 0.5), "only 1 have the two"),
        (lambda r: splits.merge(r, large(n_users=11, n_ratings=500)), "other users or items"),
        (lambda r: splits.merge(r, without_times(r)), "one part has timestamps"),
    ],
)
def test_bad_arguments_get_one_clear_line(call, words):
    with pytest.raises(RecsysError, match=words) as caught:
        call(large())
    assert "\n" not in str(caught.value)
