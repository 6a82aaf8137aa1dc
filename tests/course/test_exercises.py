"""The checkers of exercises: they take the right answer, refuse a wrong one, and do not tell it."""

import numpy as np
import pytest

from course import exercises
from recsys_lib import datasets, splits


@pytest.fixture(scope="module")
def parts():
    data = datasets.load("synthetic", n_users=60, n_items=80, n_ratings=2000, seed=3)
    return data.ratings, splits.random(data.ratings, valid=0.1, test=0.2, seed=0)


def n_left(train):
    """Return how many items each user with a like has not rated."""
    rows = [train.by_user.row(u) for u in range(train.n_users)]
    return [train.n_items - len(items) for items, stars in rows if (stars >= 4).any()]


def answers(parts):
    ratings, (train, valid, test) = parts
    n, u = ratings.by_item.counts, train.user_of_rating()
    r = train.by_user.values.astype(float)
    b_u = np.bincount(u, r - train.mean, train.n_users) / (train.by_user.counts + 2.5)
    means = [ratings.by_item.row(k)[1].mean(dtype=float) for k in range(len(n)) if n[k]]
    later = [
        when < train.timestamps[u == user].max(initial=-1)
        for user, when in zip(test.user_of_rating(), test.timestamps, strict=True)
    ]
    return {
        "check_filter": ((n,), [(n >= 10).mean(), n[n >= 10].sum() / n.sum()]),
        "check_means": ((ratings,), [ratings.by_user.values.mean(dtype=float), np.mean(means)]),
        "check_future": ((train, valid, test), [np.mean(later)]),
        "check_gamma": ((), [2.0]),
        "check_one_side": ((train, 2.5), [b_u]),
        "check_auc": ((np.array([1, 3, 3, 0]), np.array([0, 1, 0, 1], bool)), [0.375]),
        "check_draw_ratio": (
            (train, 4.0),
            [np.max(left := n_left(train)) / np.min(left)],
        ),
    }


@pytest.mark.parametrize("name", [name for name in vars(exercises) if name.startswith("check_")])
def test_a_checker_takes_the_right_answer_and_no_other(parts, capsys, name):
    given, right = answers(parts)[name]
    check = getattr(exercises, name)
    check(*given, *right)
    assert capsys.readouterr().out == "Right.\n"
    for place in range(len(right)):
        wrong = [answer + 0.01 * (k == place) for k, answer in enumerate(right)]
        with pytest.raises(AssertionError) as caught:
            check(*given, *wrong)
        assert f"{right[place]}" not in str(caught.value)
