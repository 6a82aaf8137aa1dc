"""Checkers of the exercises on ratings and on models of them; see `course.exercises`."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from course.exercises import ask, checker, compare, numbers, task
from recsys_lib.metrics import damped_mean
from recsys_lib.models import ALS
from recsys_lib.ratings import Ratings

# Ratings, films' sums and counts of a small table whose last film has no rating.
STARS, OF_FILM = np.array([5.0, 4, 3, 1, 2, 2]), np.array([0, 0, 0, 1, 2, 2])
SUMS, COUNTS = np.bincount(OF_FILM, STARS, 4), np.bincount(OF_FILM, minlength=4)


def _left(n: np.ndarray, often: np.ndarray) -> list[float]:
    return [float(often.mean()), n[often].sum() / n.sum()]


check_filter = task(
    lambda n: _left(n, n >= 10),
    [(np.array([0, 3, 9, 10, 11, 40]),), (np.array([10, 1, 1]),)],
    "return two shares between 0 and 1: of the films, then of the ratings",
    {
        "is a film with ten ratings kept?": lambda n: _left(n, n > 10),
        "shares are asked for, and not numbers": lambda n: [sum(n >= 10), n[n >= 10].sum()],
        "divide by all ratings, not films": lambda n: [np.mean(n >= 10), n[n >= 10].sum() / len(n)],
    },
)


def _of_films(s: np.ndarray, n: np.ndarray) -> float:
    return float(np.mean(s[n > 0] / n[n > 0]))


check_means = task(
    lambda r, s, n: [r.mean(), _of_films(s, n)],
    [(STARS, SUMS, COUNTS)],
    "return the mean of the ratings, where each rating counts once, then that of the films' means",
    {
        "leave films without a rating out": lambda r, s, n: [r.mean(), np.mean(s / (n + (n == 0)))],
        "in the second mean, films count once each": lambda r, s, n: [r.mean(), r.mean()],
        "the other way round": lambda r, s, n: [_of_films(s, n), r.mean()],
    },
)


def _some_ratings() -> tuple[Ratings, Ratings]:
    rng = np.random.default_rng(5)
    users, items = np.divmod(rng.permutation(48), 8)
    table = pd.DataFrame({"user_id": users, "item_id": items, "rating": 3.0})
    ratings = Ratings.from_frame(table.assign(timestamp=rng.integers(0, 20, 48)))
    test = rng.random(48) < 0.4
    return ratings.select(~test), ratings.select(test)


def _lead(train: Ratings, test: Ratings) -> np.ndarray:
    """By how much the user's latest training rating is later than each test rating."""
    latest = pd.Series(train.timestamps).groupby(train.user_of_rating()).max()
    return latest.reindex(test.user_of_rating()).to_numpy() - test.timestamps


check_future = task(
    lambda train, test: np.mean(_lead(train, test) > 0),
    [_some_ratings()],
    "compare each test rating with the latest training rating of its own user",
    {
        "does 'later' mean strictly later?": lambda train, test: np.mean(_lead(train, test) >= 0),
        "these test ratings come *after* training": lambda a, b: np.mean(_lead(a, b) < 0),
        "of the same user, not of anybody": lambda a, b: np.mean(b.timestamps < a.timestamps.max()),
    },
)


@checker
def check_gamma(gamma: float) -> None:
    """Check the γ by which four ratings of 5 have a damped mean of 4.5 where the mean is 3.5."""
    numbers(gamma, ())
    ask(gamma >= 0, "γ is a number of extra ratings, so it is not negative")
    value = float(damped_mean(np.array([20.0]), np.array([4]), 3.5, float(gamma))[0])
    compare(value, 4.5, f"with this γ the damped mean is {value:.3f}")


def _biases(u: np.ndarray, e: np.ndarray, gamma: float) -> np.ndarray:
    return np.bincount(u, e) / (np.bincount(u) + gamma)


check_user_biases = task(
    lambda u, r, mu, g: _biases(u, r - mu, g),
    [(OF_FILM, STARS, 3.0, 2.5), (OF_FILM[::-1], STARS, 2.0, 0.5)],
    "the derivative of the objective with respect to each user's bias should be 0",
    {
        "right direction, but you forgot γ": lambda u, r, mu, g: _biases(u, r - mu, 0),
        "right direction, but you forgot to subtract μ": lambda u, r, mu, g: _biases(u, r, g),
        "each user has their own n": lambda u, r, mu, g: np.bincount(u, r - mu) / (len(r) + g),
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
        "the sign: L_u rises in this direction": lambda *given: np.negative(_slopes(*given)),
        "you forgot the penalty": lambda x, z, y, lam, price: _slopes(x, z, y, lam, 0 * price),
        "λ weighs the errors": lambda x, z, y, lam, price: _slopes(x, z, y, 1, price),
    },
    1e-4,
)

_LOSSES = 10 + 100 * 0.5 ** np.arange(12)


def _first(losses: np.ndarray, share: float) -> int:
    goal = losses[0] - share * (losses[0] - losses[-1])
    return next(epoch for epoch, loss in enumerate(losses, 1) if loss <= goal)


check_als_reached = task(
    _first,
    [(_LOSSES, share) for share in (0.3, 0.7, 0.97)],
    "the way goes from the first loss to the last one",
    {
        "epochs are counted from 1": lambda losses, share: _first(losses, share) - 1,
        "that is one epoch too late": lambda losses, share: _first(losses, share) + 1,
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
    lambda rows, has: rows.T @ has / has.sum() ** 0.5,
    [(_ROWS, np.array([True, False, True, True, True])), (_ROWS, np.arange(5) == 2)],
    "which rows are added, and what is the sum divided by?",
    {
        "divide by the *root* of the number of genres": lambda rows, has: rows[has].mean(0),
        "its length grows with the number of genres": lambda rows, has: rows[has].sum(0),
        "count the film's genres, not all genres": lambda rows, has: rows.T @ has / len(has) ** 0.5,
    },
)


def _drawn(e: list[float], c: float, weight: float) -> float:
    return (sum(e) + weight * c) / (len(e) + weight) if e else c


check_prior_bias = task(
    lambda e, c, gamma, nu: _drawn(e, c, gamma * len(e) ** nu),
    [([1.0], 0.2, 2.0, 0.5), ([1.0] * 4, 0.5, 3.0, 0.5), ([], 0.3, 2.0, 0.5)],
    "the weighted mean of the residuals and of c has its derivative at 0",
    {
        "the weight of the prior grows with the ratings": lambda e, c, g, nu: _drawn(e, c, g),
        "this draws the bias to 0, not to c": lambda e, c, g, nu: _drawn(e, 0, g * len(e) ** nu),
    },
)


@checker
def check_split_films(
    split_films: Callable[..., tuple[Ratings, Ratings]], ratings: Ratings
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


def _update(e: list[float], price: float) -> float:
    return sum(e) / (len(e) + price) if e else 0.0


check_user_update = task(
    lambda e, g, nu: _update(e, g * len(e) ** nu),
    [([], 3.0, 0.5), ([1.0], 3.0, 0.5), ([0.5, -1.0, 2.0, 1.5], 2.0, 0.5)],
    "the bias at which the derivative is 0; without ratings it stays at 0",
    {
        "you forgot the penalty": lambda e, g, nu: _update(e, 0),
        "the weight of the penalty grows with n": lambda e, g, nu: _update(e, g),
    },
)


@checker
def check_show(show: Callable[..., Ratings], ratings: Ratings) -> None:
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
        "one film is enough, not all": lambda places, rare: rare[places].all(axis=1).mean(),
        "a share is asked for": lambda places, rare: rare[places].any(axis=1).sum(),
    },
)
