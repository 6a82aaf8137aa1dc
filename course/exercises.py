"""Whether a reader's answer to an exercise is right: the answer itself stands in no chapter.

Each function prints "Right." or raises an AssertionError with a hint.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from recsys_lib.metrics import auc as user_auc
from recsys_lib.metrics import damped_mean
from recsys_lib.models import BiasALS, GenreALS
from recsys_lib.ratings import Ratings


def _right(*answers: tuple[object, object, str, float]) -> None:
    # each: what was given, what is right, a hint, the tolerance
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


def check_prior_row(model: GenreALS, film: int, row: np.ndarray) -> None:
    """Check the row at which a film without ratings starts, (K + 1,): factors, then the bias."""
    expected = model.item_rows_[film]
    assert np.shape(row) == expected.shape, f"expected {len(expected)} numbers: factors and bias"
    _right((row, expected, "the model put the film elsewhere: what is the sum divided by?", 1e-4))


def check_prior_bias(bias: Callable[..., float]) -> None:
    """Check a film's bias, given residuals, its prior mean and the weight of the prior."""
    assert bias([], 0.3, 2.0, 0.5) == 0.3, "without a rating the prior mean is all there is"
    one, four = bias([1.0], 0.0, 2.0, 0.5), bias([1.0] * 4, 0.5, 3.0, 0.5)
    _right(
        (one, 1 / 3, "one rating, prior mean 0: what weighs the prior?", 1e-6),
        (four, 0.7, "four ratings: how does the weight grow with n?", 1e-6),
    )


def check_split_films(
    ratings: Ratings, split_films: Callable[..., tuple[Ratings, Ratings]]
) -> None:
    """Check a split that holds out a share of the rated films with all their ratings."""
    train, test = split_films(ratings, 0.2, 0)
    a, b, every = (part.by_item.counts for part in (train, test, ratings))
    assert not ((a > 0) & (b > 0)).any(), "a film has ratings in both parts"
    assert np.array_equal(a + b, every), "together the parts hold each rating once"
    drawn, rated = int((b > 0).sum()), int((every > 0).sum())
    assert abs(drawn - 0.2 * rated) <= 1, "take the share of the films that have ratings"
    again = split_films(ratings, 0.2, 1)[1].by_item.counts
    assert not np.array_equal(b, again), "another seed draws other films"
    print("Right.")


def check_user_update(train: Ratings, new_bias: Callable[..., float]) -> None:
    """Check a user's bias after an update, given residuals and the weight of the penalty."""
    model = BiasALS(n_epochs=3).fit(train, progress=False)
    assert new_bias([], model.gamma, model.nu) == 0, "nothing is known: the bias stays at 0"
    counts = train.by_user.counts
    user = int(np.argmin(np.where(counts > 0, counts, counts.max())))
    film = int(np.argmax(train.by_item.counts))
    mine = train.of_user(train.user_ids[user]).set_index("item_id")["rating"]
    mine.loc[train.item_ids[film]] = train.scale[1]
    model.partial_fit_users(train.user_ids[user], {train.item_ids[film]: train.scale[1]})
    places = train.item_index(mine.index.to_numpy())
    residuals = mine.to_numpy() - model.mu_ - model.item_biases_[places]
    found = new_bias(residuals, model.gamma, model.nu)
    _right(
        (found, model.user_biases_[user], "the model has another bias: what grows with n?", 1e-4)
    )


def check_show(ratings: Ratings, show: Callable[..., Ratings]) -> None:
    """Check a function that leaves n ratings of one film, and all of the other films."""
    film = int(np.argmax(ratings.by_item.counts))
    others = np.arange(ratings.n_items) != film
    before = np.array([], int)
    for n in (0, 1, 3):
        part = show(ratings, film, n)
        assert part.by_item.counts[film] == n, f"the film should have {n} ratings"
        same = part.by_item.counts[others] == ratings.by_item.counts[others]
        assert same.all(), "the ratings of other films should stay"
        users = part.by_item.row(film)[0]
        assert np.isin(before, users).all(), "a larger n should keep the ratings of a smaller one"
        before = users
    print("Right.")


def check_listed(places: np.ndarray, rare: np.ndarray, share: float) -> None:
    """Check the share of lists (a row a user) with one of the films that `rare` marks."""
    _right((share, rare[places].any(axis=1).mean(), "count users, not places", 1e-6))


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
