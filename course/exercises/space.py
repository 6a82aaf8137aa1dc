"""Checkers of the exercises on vectors of films and on a reader's taste; see `course.exercises`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.linalg import norm
from scipy.linalg import orthogonal_procrustes

from course.exercises import ask, checker, compare, numbers, task
from recsys_lib.models import ALS
from recsys_lib.widgets.taste import Taste

_RNG = np.random.default_rng(7)
_A = _RNG.normal(size=(60, 4))
_B = _A @ np.linalg.qr(_RNG.normal(size=(4, 4)))[0] + 0.3 * _RNG.normal(size=(60, 4))

check_turn = task(
    lambda a, b: orthogonal_procrustes(b, a)[0],
    [(_A, _B), (_B, _A)],
    "another orthogonal matrix is closer, or this one is not orthogonal",
    {
        "that turns a towards b, and not b towards a": lambda a, b: orthogonal_procrustes(a, b)[0],
        "it is not orthogonal: it stretches": lambda a, b: np.linalg.lstsq(b, a)[0],
        "that product still has its singular values": lambda a, b: b.T @ a,
    },
)


@checker
def check_damped(damped: Callable[..., np.ndarray], q: np.ndarray, counts: np.ndarray) -> None:
    """Check the items with the largest cosines with one item's vector, times n / (n + h)."""
    item, length = int(np.argmax(counts)), np.maximum(norm(q, axis=1), 1e-12)
    for h in (0, 5, 50):
        found = numbers(damped(item, 10, h), (10,)).astype(int)
        ask(item not in found, "the film itself is on its list")
        ask((counts[found] > 0).all(), "a film without ratings is on the list")
        scores = q @ q[item] / length / length[item] * counts / np.maximum(counts + h, 1)
        scores[(counts == 0) | (np.arange(len(q)) == item)] = -np.inf
        best = np.sort(scores)[::-1][:10]
        mine = np.sort(scores[found])[::-1]
        hint = f"with h = {h} others are better: is the cosine times n / (n + h)?"
        ask(np.allclose(mine, best, atol=1e-5), hint)
        ask(np.allclose(scores[found], best, atol=1e-5), "the best film stands first")


@checker
def check_taste(taste_cosine: Callable[..., float], p: np.ndarray, q: np.ndarray) -> None:
    """Check the cosine of two items' p·q over all users, with vectors (n, K) of both sides."""
    i, j = np.argsort(-norm(q, axis=1))[:2]
    one, other = p @ q[i], p @ q[j]
    found = taste_cosine(p, q, i, i)
    compare(found, 1, "a film is as similar to itself as can be", within=1e-4)
    wrong = {
        "that is the cosine of the films' own vectors": q[i] @ q[j] / norm(q[i]) / norm(q[j]),
        "a cosine looks at angles: nothing is subtracted first": np.corrcoef(one, other)[0, 1],
    }
    right = one @ other / norm(one) / norm(other)
    compare(taste_cosine(p, q, i, j), right, "over all users", wrong.items(), 1e-4)


@checker
def check_next_film(
    next_film: Callable[..., Any], taste: Taste, item: int, candidates: list[Any], ids: np.ndarray
) -> None:
    """Check which candidate's rating makes the variance of an item's prediction the smallest."""
    found = next_film(taste, item, candidates)
    ask(np.ndim(found) == 0 and found in candidates, "return the id of one of the candidates")
    place = {one: k for k, one in enumerate(ids.tolist())}
    Z, before = taste.vectors, np.linalg.inv(taste.inverse)

    def left(film: Any) -> float:  # of the variance, where one system more is solved
        z = Z[place[film]]
        return float(Z[item] @ np.linalg.solve(before + np.outer(z, z), Z[item]))

    variances = [left(one) for one in candidates]
    ask(left(found) < max(variances), "this film tells *least*")
    least = min(variances) * (1 + 1e-9)
    ask(left(found) <= least, "another film tells more: did you divide by 1 + z·C z?")


@checker
def check_taken_back(
    taken_back: Callable[..., float], model: ALS, ratings: dict[Any, float], listed: Any
) -> None:
    """Check by how much the score of an item changes if a rating is taken back."""
    for film in ratings:
        fewer = {other: stars for other, stars in ratings.items() if other != film}
        lists = [model.recommend_for(r, candidates=[listed], seen=True) for r in (fewer, ratings)]
        change = lists[0]["score"][0] - lists[1]["score"][0]
        wrong = {"the sign: the score without the rating, less that with it": -change}
        hint = "fold in all ratings but this one, and subtract the score with all"
        compare(taken_back(model, ratings, film, listed), change, hint, wrong.items(), 1e-3)


@checker
def check_permuted(permutation_p: Callable[..., float]) -> None:
    """Check the p-value of a permutation test whose shuffles stay within groups."""
    labels, groups, n = np.arange(40.0), np.arange(40) % 2, 19
    for shape, right in ((lambda x: np.sum(x == labels), 1 / (n + 1)), (lambda x: 0, 1.0)):
        seen: list[np.ndarray] = []

        def statistic(x: Any, shape: Any = shape, seen: Any = seen) -> Any:
            seen.append(np.copy(x))
            return shape(x)

        found = permutation_p(statistic, labels, groups, n)
        within = [np.array_equal(np.sort(x[groups == 1]), labels[groups == 1]) for x in seen]
        ask(all(within), "a label has left its group")
        shuffles = sum(not np.array_equal(x, labels) for x in seen)
        ask(shuffles == n, f"{shuffles} shuffles were looked at, and not n = {n}")
        wrong = {
            "0 cannot be: the true order is one of the n + 1": 0,
            "a shuffle that is as large counts": 1 / (n + 1),
            "n shuffles and the true order are n + 1": right * (n + 1) / n,
        }
        hint = "the share of the n + 1 orders that are at least as large"
        compare(found, right, hint, wrong.items(), 1e-9)
