"""Whether a reader's answer to an exercise is right: the answer itself stands in no chapter.

Each function prints "Right." or raises an AssertionError with a hint.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_lib.metrics import auc as user_auc
from recsys_lib.metrics import damped_mean
from recsys_lib.ratings import Ratings


def _right(*answers: tuple[object, object, str, float]) -> None:
    """Take answers: what was given, what is right, a hint, and the tolerance."""
    for given, right, hint, within in answers:
        assert np.allclose(given, right, rtol=0, atol=within), hint  # type: ignore[arg-type]
    print("Right.")


def check_filter(film_counts: np.ndarray, films_left: float, ratings_left: float) -> None:
    """Check the shares of films and of ratings that are left from ten ratings on."""
    n = np.sort(film_counts)
    first = np.searchsorted(n, 10)
    _right(
        (films_left, 1 - first / len(n), "films: is a film with ten ratings kept?", 1e-6),
        (ratings_left, n[first:].sum() / n.sum(), "ratings: divide by all ratings", 1e-6),
    )


def check_means(ratings: Ratings, of_ratings: float, of_films: float) -> None:
    """Check the mean of the ratings, and that of the films' means."""
    rows = ratings.by_item
    means = [rows.row(int(film))[1].mean(dtype=float) for film in np.flatnonzero(rows.counts)]
    _right(
        (of_ratings, ratings.mean, "of ratings: each rating counts once", 1e-4),
        (of_films, np.mean(means), "of films: each film with a rating counts once", 1e-4),
    )


def check_future(train: Ratings, valid: Ratings, test: Ratings, share: float) -> None:
    """Check the share of test ratings before the same user's latest training rating."""
    latest = pd.Series(train.timestamps).groupby(train.user_of_rating()).max()
    learnt = latest.reindex(test.user_of_rating()).to_numpy()
    hint = "does 'later' mean strictly later, and of the same user?"
    _right((share, (test.timestamps < learnt).mean(), hint, 1e-6))


def check_gamma(gamma: float) -> None:
    """Check the γ by which four ratings of 5 have a damped mean of 4.5 where the mean is 3.5."""
    value = float(damped_mean(np.array([20.0]), np.array([4]), 3.5, gamma)[0])
    _right((value, 4.5, f"the damped mean is {value:.3f} with this γ", 1e-6))


def check_one_side(train: Ratings, gamma: float, b_u: np.ndarray) -> None:
    """Check user biases without film biases by the derivative of the objective, which is 0."""
    u = train.user_of_rating()
    left = np.bincount(u, train.by_user.values - train.mean - b_u[u], train.n_users)
    _right((left, gamma * b_u, "the derivative of the objective is not 0 for all users", 1e-3))


def check_auc(scores: np.ndarray, relevant: np.ndarray, auc: float) -> None:
    """Check the share of pairs of a relevant item and another in the right order."""
    _right((auc, user_auc(scores, relevant), "divide by the pairs; do ties count half?", 1e-6))


def check_draw_ratio(train: Ratings, threshold: float, ratio: float) -> None:
    """Check how much likelier one triple is drawn of the user with most ratings than with fewest.

    Only users with a rating of `threshold` or more are drawn at all.
    """
    liked = np.unique(train.user_of_rating()[train.by_user.values >= threshold])
    left = train.n_items - train.by_user.counts[liked]
    _right((ratio, left.max() / left.min(), "count all ratings of a user, not the likes", 1e-6))
