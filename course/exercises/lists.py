"""Checkers of the exercises on lists and on models of likes; see `course.exercises`."""

import numpy as np
from scipy.special import expit, softmax
from scipy.stats import binom, hypergeom

from course.exercises import task
from recsys_lib import metrics

check_best_precision = task(
    lambda R: np.minimum(R, 10).mean() / 10,
    [(np.array([1, 3, 10, 40]),), (np.array([2, 2, 25]),)],
    "a list of ten has at most ten hits, and at most as many as there are relevant films",
    {
        "that is above what a list of ten can hold": lambda R: R.mean() / 10,
        "precision at ten divides by ten, also where fewer are relevant": lambda R: 1.0,
        "that is recall: it divides by the relevant films": lambda R: (
            np.minimum(R, 10) / R
        ).mean(),
    },
)


def _dcg(hits: list[bool]) -> float:
    return float(sum(hit / np.log2(rank + 1) for rank, hit in enumerate(hits, 1)))


check_ndcg = task(
    lambda hits, n: metrics.ndcg_at_k(np.array([hits]), np.array([n]))[0],
    [([True, False], 1), ([False, True, False], 1), ([False, True, True], 5)],
    "the discounted hits of this list, divided by those of the best possible list",
    {
        "right direction: now divide by the best possible list": lambda h, n: _dcg(h),
        "the best list has no more hits than places": lambda h, n: _dcg(h) / _dcg([True] * n),
        "no list has more hits than relevant films": lambda h, n: _dcg(h) / _dcg([True] * len(h)),
    },
)


def _hit(rank: int, n: int, m: int, most: int = 9) -> float:
    return float(hypergeom(n - 1, rank - 1, m).cdf(most))


check_sampled_hit = task(
    _hit,
    [(500, 5000, 100), (50, 700, 120)],
    "how many of the films above may be drawn, at most, so that the film is among the first ten?",
    {
        "with ten drawn from above, the film is eleventh": lambda r, n, m: _hit(r, n, m, 10),
        "nearly: you put each film back": lambda r, n, m: binom(m, (r - 1) / (n - 1)).cdf(9),
        "the film itself is not among those above it": lambda r, n, m: _hit(r + 1, n, m),
    },
)


def _pairs(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    return np.asarray(scores[relevant][:, None] - scores[~relevant])


_SCORES = np.round(3 * np.sin(np.arange(30)))

check_auc = task(
    metrics.auc,
    [(_SCORES, np.arange(30) % 4 == 0), (np.array([1.0, 2, 3]), np.array([False, True, True]))],
    "the share of pairs of a relevant film and another in which the relevant one is above",
    {
        "a tie counts half: you count it as wrong": lambda s, r: (_pairs(s, r) > 0).mean(),
        "a tie counts half: you count it as right": lambda s, r: (_pairs(s, r) >= 0).mean(),
        "these are the pairs in the wrong order": lambda s, r: 1 - metrics.auc(s, r),
    },
)

check_draw_ratio = task(
    lambda n, N: (N - n.min()) / (N - n.max()),
    [(np.array([20, 35, 300]), 1000), (np.array([3, 3, 8]), 10)],
    "of which user is a given triple drawn most often, and with which probability?",
    {
        "the larger one is on top: more than 1": lambda n, N: (N - n.max()) / (N - n.min()),
        "every like is drawn equally often. What differs is j": lambda n, N: n.max() / n.min(),
        "j is drawn from the films that the user has not rated": lambda n, N: 1.0,
    },
)


def _ridge(R: np.ndarray, j: int, lam: float, own: float = 0.0) -> np.ndarray:
    """Column j of EASE's matrix, from the inverse of the whole square."""
    inverse = np.linalg.inv(R.T @ R + lam * np.eye(R.shape[1]))
    return np.where(np.arange(R.shape[1]) == j, own, -inverse[:, j] / inverse[j, j])


_LIKES = (np.random.default_rng(3).random((40, 6)) < 0.4).astype(float)

check_ridge_column = task(
    _ridge,
    [(_LIKES, 0, 5.0), (_LIKES, 4, 2.0)],
    "one weight for each film, that of film j is 0, and λ stands on the diagonal",
    {
        "film j is among its own predictors": lambda R, j, lam: np.linalg.solve(
            R.T @ R + lam * np.eye(R.shape[1]), R.T @ R[:, j]
        ),
        "right but for film j, whose own weight is 0": lambda R, j, lam: _ridge(R, j, lam, -1),
        "right direction, but you forgot the penalty λ": lambda R, j, lam: _ridge(R, j, 1e-9),
    },
    1e-5,
)


def _implicit(p: np.ndarray, liked: np.ndarray, gram: np.ndarray, alpha: float) -> float:
    x = liked @ p
    return float(0.5 * (p @ gram @ p + ((1 + alpha) * (1 - x) ** 2 - x**2).sum()))


_P, _Q = np.array([0.5, -1.0, 2.0]), np.sin(np.arange(27.0)).reshape(9, 3)

check_implicit_loss = task(
    _implicit,
    [(_P, _Q[:4], _Q.T @ _Q, 2.0), (_P, _Q[:0], _Q.T @ _Q, 2.0)],
    "with G alone all films count as zeros: what changes for those that are liked?",
    {
        "a liked film counts as a zero as well": lambda p, q, G, a: (
            _implicit(p, q, G, a) + 0.5 * ((q @ p) ** 2).sum()
        ),
        "the factor of one half is missing": lambda *given: 2 * _implicit(*given),
        "a like has the weight 1 + α": lambda p, q, G, a: _implicit(p, q, G, a - 1),
    },
)

_Z, _LIKED = np.cos(np.arange(30.0)), (np.arange(30) % 6 == 0).astype(float)

check_multinomial_gradient = task(
    lambda z, r: r.sum() * softmax(z) - r,
    [(_Z, _LIKED), (np.full(30, 1e3), np.eye(30)[0])],
    "differences of the loss disagree with it",
    {
        "right direction, but there is more than one like: multiply p": lambda z, r: softmax(z) - r,
        "the sign: the loss rises in this direction": lambda z, r: r - r.sum() * softmax(z),
        "that is the gradient of binary cross-entropy": lambda z, r: expit(z) - r,
    },
)

check_histories = task(
    lambda H: [np.delete(H, i, 0).sum(axis=0) / max(len(H) - 1, 1) for i in range(len(H))],
    [(np.sin(np.arange(4.0 * n)).reshape(n, 4),) for n in (1, 2, 30)],
    "row i is the mean of all rows but row i; of a single row it is zeros",
    {
        "the like that is to be found is still in its history": lambda H: H * 0 + H.mean(axis=0),
        "n - 1 rows are left, so divide by that": lambda H: (H.sum(axis=0) - H) / len(H),
        "that is the sum of the others, and not their mean": lambda H: H.sum(axis=0) - H,
    },
)

_RIVALS = (0.3, np.sin(np.arange(12.0)), np.arange(12) % 5 / 40)


def _rivals(own: float, rivals: np.ndarray, drawn: np.ndarray) -> float:
    return float(np.log1p(np.sum(np.exp(rivals - own) / drawn)))


check_rivals = task(
    lambda s, r, pi, a, n: _rivals(s, r, len(r) * (a * pi + (1 - a) / n)),
    [(*_RIVALS, a, 50) for a in (0.8, 0.0)],
    "the own score beside the corrected sum over the rivals, as in the formula above",
    {
        "nothing is corrected": lambda s, r, pi, a, n: _rivals(s, r, np.ones(len(r))),
        "a film without likes is drawn too, by the second way": lambda *given: np.inf,
        "m rivals are drawn: divide by m as well": lambda s, r, pi, a, n: _rivals(
            s, r, a * pi + (1 - a) / n
        ),
    },
)
