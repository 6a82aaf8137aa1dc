"""Checkers of the exercises on ratings and on models of them; see `course.exercises`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from course.exercises import ask, checker, compare, numbers, task
from recsys_lib.metrics import damped_mean
from recsys_lib.models import ALS, BiasALS
from recsys_lib.ratings import Ratings

# Ratings, films' sums and counts of a small table whose last film has no rating.
STARS, OF_FILM = np.array([5.0, 4, 3, 1, 2, 2]), np.array([0, 0, 0, 1, 2, 2])
SUMS, COUNTS = np.bincount(OF_FILM, STARS, 4), np.bincount(OF_FILM, minlength=4)

check_filter = task(
    lambda n: [np.mean(n >= 10), n[n >= 10].sum() / n.sum()],
    [(np.array([0, 3, 9, 10, 11, 40]),), (np.array([10, 1, 1]),)],
    "return two shares between 0 and 1: of the films, then of the ratings",
    {
        "is a film with ten ratings kept?": lambda n: [(n > 10).mean(), n[n > 10].sum() / n.sum()],
        "divide the ratings that remain by all ratings, and not by the films": lambda n: [
            np.mean(n >= 10),
            n[n >= 10].sum() / len(n),
        ],
        "shares are asked for, and not numbers": lambda n: [sum(n >= 10), n[n >= 10].sum()],
    },
)

check_means = task(
    lambda stars, sums, n: [stars.mean(), np.mean(sums[n > 0] / n[n > 0])],
    [(STARS, SUMS, COUNTS)],
    "return the mean of the ratings, where each rating counts once, then that of the films' means",
    {
        "leave films without a rating out of the second mean": lambda stars, sums, n: [
            stars.mean(),
            np.mean(sums / np.maximum(n, 1)),
        ],
        "the first is right. In the second, each film counts once, whatever its number of "
        "ratings": lambda stars, sums, n: [stars.mean(), stars.mean()],
        "the other way round: the mean of the ratings comes first": lambda stars, sums, n: [
            np.mean(sums[n > 0] / n[n > 0]),
            stars.mean(),
        ],
    },
)


def _some_ratings() -> tuple[Ratings, Ratings]:
    rng = np.random.default_rng(5)
    users, items = np.divmod(rng.permutation(48), 8)
    times = rng.integers(0, 20, 48)
    table = {"user_id": users, "item_id": items, "rating": 3.0, "timestamp": times}
    ratings = Ratings.from_frame(pd.DataFrame(table))
    test = rng.random(48) < 0.4
    return ratings.select(~test), ratings.select(test)


def _later(train: Ratings, test: Ratings) -> tuple[np.ndarray, np.ndarray]:
    latest = pd.Series(train.timestamps).groupby(train.user_of_rating()).max()
    return latest.reindex(test.user_of_rating()).to_numpy(), np.asarray(test.timestamps)


check_future = task(
    lambda train, test: np.mean(np.greater(*_later(train, test))),
    [_some_ratings()],
    "compare each test rating with the latest training rating of its own user",
    {
        "does 'later' mean strictly later?": lambda train, test: np.mean(
            np.greater_equal(*_later(train, test))
        ),
        "of the same user: your share compares with the latest rating of anybody": (
            lambda train, test: np.mean(test.timestamps < train.timestamps.max())
        ),
        "you count the test ratings that come *after* the user's training ratings": (
            lambda train, test: np.mean(np.less(*_later(train, test)))
        ),
    },
)


@checker
def check_gamma(gamma: float) -> None:
    """Check the γ by which four ratings of 5 have a damped mean of 4.5 where the mean is 3.5."""
    numbers(gamma, ())
    ask(gamma >= 0, "γ is a number of extra ratings, so it is not negative")
    value = float(damped_mean(np.array([20.0]), np.array([4]), 3.5, float(gamma))[0])
    compare(value, 4.5, f"with this γ the damped mean is {value:.3f}")


def _biases(sums: np.ndarray, u: np.ndarray, gamma: float) -> np.ndarray:
    return sums / (np.bincount(u, minlength=len(sums)) + gamma)


check_user_biases = task(
    lambda u, r, mu, gamma: _biases(np.bincount(u, r - mu), u, gamma),
    [(OF_FILM, STARS, 3.0, 2.5), (OF_FILM[::-1], STARS, 2.0, 0.5)],
    "for each user, the derivative of the objective by the user's bias should be 0",
    {
        "right direction, but you forgot the γ extra ratings": lambda u, r, mu, gamma: _biases(
            np.bincount(u, r - mu), u, 0
        ),
        "a bias is a deviation: you forgot to subtract μ": lambda u, r, mu, gamma: _biases(
            np.bincount(u, r), u, gamma
        ),
        "each user has an own number of ratings to divide by": lambda u, r, mu, gamma: (
            np.bincount(u, r - mu) / (len(r) + gamma)
        ),
    },
    1e-4,
)


def _slopes(
    x: np.ndarray, z: np.ndarray, y: np.ndarray, lam: float, price: np.ndarray
) -> list[float]:
    """Differences of L_u(x), λ/2 Σ (y - z·x)² plus half of `price` times x²."""

    def loss(x: np.ndarray) -> float:
        return float(0.5 * lam * np.sum((y - z @ x) ** 2) + 0.5 * price @ x**2)

    return [(loss(x + step) - loss(x - step)) / 2e-5 for step in 1e-5 * np.eye(len(x))]


_Z, _PRICE = np.sin(np.arange(18.0)).reshape(6, 3), np.array([2.0, 2.0, 1.0])

check_als_gradient = task(
    _slopes,
    [(np.array([0.3, -1.0, 2.0]), _Z, np.cos(np.arange(6.0)), 3.0, _PRICE)],
    "differences of L_u disagree with it",
    {
        "the sign: L_u rises in this direction": lambda x, z, y, lam, price: (
            lam * z.T @ (y - z @ x) - price * x
        ),
        "the part of the errors is right, but you forgot the penalty": (
            lambda x, z, y, lam, price: -lam * z.T @ (y - z @ x)
        ),
        "λ weighs the errors": lambda x, z, y, lam, price: -z.T @ (y - z @ x) + price * x,
    },
    1e-4,
)

_LOSSES = 10 + 100 * 0.5 ** np.arange(12)


def _first(losses: np.ndarray, share: float, goal: float = 0.0) -> int:
    goal = goal or losses[0] - share * (losses[0] - losses[-1])
    return next(epoch for epoch, loss in enumerate(losses, 1) if loss <= goal)


check_als_reached = task(
    _first,
    [(_LOSSES, share) for share in (0.3, 0.7, 0.97)],
    "the way goes from the first loss to the last one",
    {
        "epochs are counted from 1": lambda losses, share: _first(losses, share) - 1,
        "that is one epoch too late": lambda losses, share: _first(losses, share) + 1,
        "the way ends at the last loss, and not at 0": lambda losses, share: _first(
            losses, share, max((1 - share) * losses[0], losses[-1])
        ),
    },
    0,
)


@checker
def check_als_known(
    recommend_known: Callable[..., pd.Series],
    model: ALS,
    train: Ratings,
    ratings: Mapping[int, float],
    least: int,
) -> None:
    """Check a list of ten films with at least `least` ratings each, the best first."""
    ids = np.asarray(recommend_known(ratings, least, 10))
    counts = train.by_item.counts
    ranked = model.recommend_for(ratings, train.n_items, candidates=train.item_ids[counts >= least])
    n = min(10, len(ranked))
    ask(np.isin(ids, train.item_ids).all(), "return ids of films")
    ask(ids.shape == (n,), f"a list of {n} films is asked for, and not one of {ids.size}")
    fewest = counts[train.item_index(ids)].min()
    ask(fewest >= least, f"a film on the list has only {fewest} ratings")
    ask(not {*ids} & {*ratings}, "the list holds a film that was rated already")
    best = ranked["score"].iloc[:10]
    found = ranked.set_index("item_id")["score"].reindex(ids)
    ask(np.allclose(np.sort(found)[::-1], best, atol=1e-3), "better films are left")
    ask(np.allclose(found, best, atol=1e-3), "the best film does not stand first")


_ROWS = np.cos(np.arange(20.0)).reshape(5, 4)
check_prior_row = task(
    lambda rows, flags: rows.T @ flags / flags.sum() ** 0.5,
    [(_ROWS, np.array([True, False, True, True, True])), (_ROWS, np.arange(5) == 2)],
    "which rows are added, and what is the sum divided by?",
    {
        "divide by the *root* of the number of genres": lambda rows, flags: rows[flags].mean(0),
        "the sum is right, but its length grows with the number of genres": lambda rows, flags: (
            rows[flags].sum(0)
        ),
        "divide by the number of the film's genres, and not of all genres": lambda rows, flags: (
            rows[flags].sum(0) / len(flags) ** 0.5
        ),
    },
)


def _prior_bias(e: list[float], c: float, weight: float) -> float:
    return (sum(e) + weight * c) / max(len(e) + weight, 1e-12)


check_prior_bias = task(
    lambda e, c, gamma, nu: _prior_bias(e, c, gamma * len(e) ** nu) if e else c,
    [([1.0], 0.2, 2.0, 0.5), ([1.0] * 4, 0.5, 3.0, 0.5), ([], 0.3, 2.0, 0.5)],
    "the weighted mean of the residuals and of c has its derivative at 0",
    {
        "the weight of the prior grows with the number of ratings": lambda e, c, gamma, nu: (
            _prior_bias(e, c, gamma) if e else c
        ),
        "this draws the bias to 0, and not to c": lambda e, c, gamma, nu: _prior_bias(
            e, 0, gamma * len(e) ** nu
        ),
        "divide by the weight of the prior, too": lambda e, c, gamma, nu: (
            (sum(e) + gamma * len(e) ** nu * c) / max(len(e), 1)
        ),
    },
)


@checker
def check_split_films(
    ratings: Ratings, split_films: Callable[..., tuple[Ratings, Ratings]]
) -> None:
    """Check a split that holds out a share of the rated films with all their ratings."""
    train, test = split_films(ratings, 0.2, 0)
    a, b, every = (part.by_item.counts for part in (train, test, ratings))
    ask(not ((a > 0) & (b > 0)).any(), "a film has ratings in both parts: draw films, not ratings")
    ask(np.array_equal(a + b, every), "together the parts do not hold each rating once")
    drawn, rated = int((b > 0).sum()), int((every > 0).sum())
    ask(abs(drawn - 0.2 * rated) <= 1, "take the share of the films that have ratings")
    again = split_films(ratings, 0.2, 1)[1].by_item.counts
    ask(not np.array_equal(b, again), "another seed should draw other films")


@checker
def check_user_update(train: Ratings, new_bias: Callable[..., float]) -> None:
    """Check a user's bias after an update, given residuals and the weight of the penalty."""
    model = BiasALS(n_epochs=3).fit(train, progress=False)
    compare(new_bias([], model.gamma, model.nu), 0, "without ratings the bias stays at 0")
    counts = train.by_user.counts
    user = int(np.argmin(np.where(counts > 0, counts, counts.max())))
    film = int(np.argmax(train.by_item.counts))
    mine = train.of_user(train.user_ids[user]).set_index("item_id")["rating"]
    mine.loc[train.item_ids[film]] = train.scale[1]
    model.partial_fit_users(train.user_ids[user], {train.item_ids[film]: train.scale[1]})
    e = mine.to_numpy() - model.mu_ - model.item_biases_[train.item_index(mine.index.to_numpy())]
    found = new_bias(e.astype(float), model.gamma, model.nu)
    wrong = {
        "you forgot the penalty": e.mean(),
        "the weight of the penalty grows with n": e.sum() / (len(e) + model.gamma),
        "divide by the weight of the penalty alone?": e.sum() / (model.gamma * len(e) ** model.nu),
    }
    compare(found, model.user_biases_[user], "the model finds another bias", wrong.items(), 1e-4)


@checker
def check_show(ratings: Ratings, show: Callable[..., Ratings]) -> None:
    """Check a function that leaves n ratings of one film, and all of the other films."""
    film = int(np.argmax(ratings.by_item.counts))
    others = np.arange(ratings.n_items) != film
    before = np.array([], int)
    for n in (0, 1, 3):
        part = show(ratings, film, n)
        left = part.by_item.counts
        ask(left[film] == n, f"with n = {n} the film has {left[film]} ratings")
        same = left[others] == ratings.by_item.counts[others]
        ask(same.all(), "the ratings of other films should stay")
        users = part.by_item.row(film)[0]
        ask(np.isin(before, users).all(), "a larger n should keep the ratings of a smaller one")
        before = users


check_listed = task(
    lambda places, rare: rare[places].any(axis=1).mean(),
    [(np.array([[0, 1], [1, 2], [2, 0], [0, 1]]), np.array([True, False, False]))],
    "each list counts once, if one of its films or more is marked",
    {
        "count users, not places": lambda places, rare: rare[places].mean(),
        "one film is enough: not all of the list": lambda places, rare: (
            rare[places].all(axis=1).mean()
        ),
        "a share is asked for, and not a number": lambda places, rare: (
            rare[places].any(axis=1).sum()
        ),
    },
)
