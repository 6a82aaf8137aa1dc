"""A simulator of KuaiRec that knows the truth: who watches which video, and for how long.

What it imitates of KuaiRec: two disjoint matrices, the small one 99.6 % dense; watch ratios with a
mode below 1, some next to 0, a long tail to the right and few above 2; the columns of its tables.
How strong tastes are, and how much the features tell of them, is chosen and not measured.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np

from recsys_lib.datasets import titles
from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.synthetic import genre_vectors, share_out
from recsys_lib.datasets.watch_tables import invent_users, invent_videos
from recsys_lib.datasets.watch_truth import WatchTruth
from recsys_lib.errors import DataError
from recsys_lib.ratings import CSR, Ratings

START, DAYS = 1_593_878_400, 63  # the first second, 2020-07-05, and how long people watch
BLOCKED = 0.004  # chance that a user has blocked an author: 99.6 % of the small matrix are left
COLD = 0.05  # share of the small matrix's videos that nobody watches in the big one
USERS_AT_A_TIME = 256
# Shares of a user's and of a video's factors that follow from their features.
USER_SHARE, GENRE_SHARE, AUTHOR_SHARE = 0.4, 0.4, 0.2


class _Options(NamedTuple):
    n_users: int
    n_items: int
    n_watches: int
    n_small_users: int
    n_small_items: int
    seed: int
    n_factors: int
    taste: float


def generate(
    n_users: int = 1_500,
    n_items: int = 2_000,
    n_watches: int = 480_000,
    n_small_users: int = 300,
    n_small_items: int = 600,
    *,
    seed: int = 0,
    n_factors: int = 8,
    taste: float = 0.7,
) -> Dataset:
    """Simulate users who watch short videos, as an app's recommender shows them and then all.

    Parameters
    ----------
    n_users, n_items : int
        Size of the big matrix; both matrices have these users and videos for their universe.
    n_watches : int
        Exactly so many are in the big matrix. What is watched there depends on the video's fame and
        on the user's taste, never on the noise.
    n_small_users, n_small_items : int
        Size of the small matrix, all of whose pairs are watched unless the user has blocked the
        video's author. Some of its videos nobody watches in the big one: they are cold.
    seed : int
        Same seed, same bits.
    n_factors : int
        K, the length of p_u and q_i.
    taste : float
        Standard deviation of p_u·q_i over all pairs; that of all enjoyment is about 1.

    Returns
    -------
    Dataset
        With `full` and `truth`.

    Raises
    ------
    DataError
        The sizes contradict each other; the message says what to change.
    """
    options = _Options(**locals())
    _check(options)
    rng = np.random.default_rng(seed)
    genres = titles.draw_genres(n_items, rng)
    items, authors = invent_videos(genres, rng)
    users, codes = invent_users(n_users, rng)
    p, q = _user_factors(codes, options, rng), _item_factors(genres, authors, n_factors, rng)
    fame = rng.standard_normal(n_items) + 0.5 * titles.blend(genres, titles.POPULARITY)
    # Short videos are played again more often; an author's videos are alike in quality.
    short = -_standardised(np.log(items["video_duration"].to_numpy()))
    merit = rng.standard_normal(authors.max() + 1)[authors]
    bias = (
        0.25 * short + 0.25 * merit + 0.2 * _standardised(fame) + 0.4 * rng.standard_normal(n_items)
    )
    small_users = np.sort(rng.choice(n_users, n_small_users, replace=False)).astype(np.int32)
    small_items = _famous(0.5 * fame, n_small_items, rng)
    n_cold = round(COLD * n_small_items)
    cold = rng.choice(small_items, n_cold, replace=False)
    fame[cold] = -inf
    n_authors = int(authors.max()) + 1
    blocked = rng.random((n_small_users, n_authors)) < BLOCKED
    user_ids, item_ids = users["user_id"].to_numpy(), items["item_id"].to_numpy()
    draft = WatchTruth(
        user_biases=(0.45 * rng.standard_normal(n_users)).astype(np.float32),
        item_biases=bias.astype(np.float32), user_factors=p, item_factors=q,
        skip=1.3, steep=0.8, glance=0.06, level=-0.35, slope=0.4, noise=0.42,
        ratings=_no_ratings(user_ids, item_ids), full=_no_ratings(user_ids, item_ids),
        cold_items=item_ids[np.sort(cold)],
    )  # fmt: skip
    indptr, indices = _shown(options, p, q, fame, small_users, small_items, blocked, authors, rng)
    rows = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(indptr))
    ratios = _drawn(draft, rows, indices, rng)
    times = START + rng.integers(0, DAYS * 86_400, n_watches)
    pairs = ~blocked[:, authors[small_items]]
    some, others = np.nonzero(pairs)
    full_ratios = _drawn(draft, small_users[some], small_items[others], rng)
    scale = (0.0, float(max(ratios.max(), full_ratios.max())))
    big = Ratings(user_ids, item_ids, CSR(indptr, indices, ratios), None, times, scale)
    counts = np.zeros(n_users + 1, np.int64)
    counts[small_users + 1] = pairs.sum(axis=1)
    full_rows = CSR(np.cumsum(counts), small_items[others], full_ratios)
    full = Ratings(user_ids, item_ids, full_rows, None, None, scale)
    truth = WatchTruth(**{**vars(draft), "ratings": big, "full": full})
    info = {
        "name": "synthetic-watch",
        "source": "synthetic",
        "path": None,
        "licence": "none needed: all users, videos and watches are invented",
        "citation": None,
        "url": None,
        "options": options._asdict(),
    }
    return Dataset("synthetic-watch", big, items, users, info, truth, full)


def _check(options: _Options) -> None:
    """Refuse options that are out of range or contradict each other."""
    for name, value in options._asdict().items():
        if name == "taste":
            if not 0 <= value < inf:
                raise DataError(f"taste={value!r}: it must be a number, not negative")
        elif not isinstance(value, int | np.integer) or value < (name != "seed"):
            raise DataError(f"{name}={value!r}: it must be a whole number and positive")
    if options.n_small_users > options.n_users or options.n_small_items >= options.n_items:
        raise DataError(
            f"the small matrix is to have {options.n_small_users} users and "
            f"{options.n_small_items} videos, the big one {options.n_users} and {options.n_items}: "
            "it is a part of the big one, and some videos must be left outside"
        )
    most = _most(options)
    if not options.n_users <= options.n_watches <= options.n_users * most:
        raise DataError(
            f"n_watches={options.n_watches}: with these sizes each user has 1 to {most} watches, "
            f"so ask for {options.n_users} to {options.n_users * most}"
        )


def _most(options: _Options) -> int:
    """Return the most videos that a user is shown: some of those outside the small matrix."""
    return max(1, int(0.7 * (options.n_items - options.n_small_items)))


def _user_factors(codes: np.ndarray, options: _Options, rng: np.random.Generator) -> np.ndarray:
    """Return p_u (n_users, K) float32: a part for each telling code, and a part of one's own."""
    k = options.n_factors
    told = np.zeros((len(codes), k))
    for column in codes.T:
        told += rng.standard_normal((column.max() + 1, k))[column]
    own = rng.standard_normal(told.shape)
    p = sqrt(USER_SHARE / codes.shape[1]) * told + sqrt(1 - USER_SHARE) * own
    spectrum = 0.8 ** np.arange(k)
    return (p * spectrum * options.taste / sqrt((spectrum**2).sum())).astype(np.float32)


def _item_factors(
    genres: np.ndarray, authors: np.ndarray, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Return q_i (n_items, K) float32: of the genres, of the author, and of the video alone."""
    told = sqrt(GENRE_SHARE) * _standardised(titles.blend(genres, genre_vectors(k, rng)))
    style = sqrt(AUTHOR_SHARE) * rng.standard_normal((authors.max() + 1, k))[authors]
    own = sqrt(1 - GENRE_SHARE - AUTHOR_SHARE) * rng.standard_normal((len(genres), k))
    return (told + style + own).astype(np.float32)


def _standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)


def _famous(weight: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` indices without replacement, by log-weights, ascending int32 (a Gumbel race)."""
    race = weight + rng.gumbel(size=len(weight))
    return np.sort(np.argpartition(-race, n - 1)[:n]).astype(np.int32)


def _shown(
    options: _Options,
    p: np.ndarray,
    q: np.ndarray,
    fame: np.ndarray,
    small_users: np.ndarray,
    small_items: np.ndarray,
    blocked: np.ndarray,
    authors: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return who watches what in the big matrix: indptr int64, indices int32.

    Of the videos outside the small matrix, each user gets so many without replacement, with
    probabilities in proportion to exp(fame + taste): the recommender of the app guesses both.
    """
    zeal = np.exp(0.5 * rng.standard_normal(options.n_users))
    counts = share_out(options.n_watches, zeal, 1, _most(options))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.empty(options.n_watches, np.int32)
    # Where each user stands in the small matrix, -1 outside.
    place = np.full(options.n_users, -1)
    place[small_users] = np.arange(len(small_users))
    for start in range(0, options.n_users, USERS_AT_A_TIME):
        part = slice(start, min(start + USERS_AT_A_TIME, options.n_users))
        # Not by BLAS, whose last bits may depend on its threads.
        race = fame + np.einsum("uk,ik->ui", p[part], q) / max(options.taste, 1e-9)
        race += rng.gumbel(size=race.shape)
        for u, row in enumerate(race, start):
            if place[u] >= 0:
                row[small_items] = -inf
                row[blocked[place[u]][authors]] = -inf
            best = np.argpartition(-row, counts[u] - 1)[: counts[u]]
            indices[indptr[u] : indptr[u + 1]] = np.sort(best)
    return indptr, indices


def _drawn(
    truth: WatchTruth, users: np.ndarray, items: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the watch ratios of pairs, (n,) float32, a million at a time."""
    ratios = np.empty(len(users), np.float32)
    for start in range(0, len(users), 1 << 20):
        part = slice(start, start + (1 << 20))
        ratios[part] = truth._draw(truth._enjoyment(users[part], items[part]), rng)
    return ratios


def _no_ratings(user_ids: Any, item_ids: Any) -> Ratings:
    rows = CSR(
        np.zeros(len(user_ids) + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
    )
    return Ratings(user_ids, item_ids, rows)
