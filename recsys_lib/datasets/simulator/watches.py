"""A simulator of KuaiRec: who watches which video, and for how long.

It imitates these properties of KuaiRec: two disjoint matrices, the small one 99.6 % dense; watch
ratios with a mode below 1, some near 0, a long right tail and few above 2; the columns of its
tables. The strength of tastes, and how much the features say about them, is chosen and not
measured.
"""

from math import inf, sqrt

import numpy as np
import pandas as pd

from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.simulator import catalogue
from recsys_lib.datasets.simulator.catalogue import GENRE_SHARE
from recsys_lib.datasets.simulator.ratings import ABOUT, N_FACTORS, share_out
from recsys_lib.datasets.simulator.truth import WatchTruth
from recsys_lib.errors import DataError, check_whole, taking
from recsys_lib.ratings import CSR, Ratings

START, DAYS = 1_593_878_400, 63  # the first second, 2020-07-05, and how long people watch
BLOCKED = 0.004  # chance that a user has blocked an author: 99.6 % of the small matrix are left
TASTE = 0.7  # standard deviation of p_u·q_i over all pairs; that of all enjoyment is about 1
COLD = 0.05  # share of the small matrix's videos that nobody watches in the big one
VIDEOS_AN_AUTHOR = 6
TELLING = ("onehot_feat1", "onehot_feat2", "onehot_feat9")  # codes that go with a user's taste
USER_SHARE, AUTHOR_SHARE = 0.4, 0.2  # of a user's and a video's factors, from codes and author


@taking("these sizes", MemoryError)
def simulate_watches(
    n_users: int = 1_500,
    n_items: int = 2_000,
    n_watches: int = 480_000,
    n_small_users: int = 300,
    n_small_items: int = 600,
    *,
    seed: int = 0,
) -> Dataset:
    """Simulate users who watch short videos: those that an app shows, and then a `full` matrix.

    The `truth` is a `WatchTruth`. Sizes that contradict each other raise `DataError`.

    Parameters
    ----------
    n_users, n_items : int
        Size of the big matrix; both matrices have these users and videos.
    n_watches : int
        Number of watches in the big matrix. Which videos a user watches there depends on the
        video's popularity and the user's taste, never on the noise.
    n_small_users, n_small_items : int
        Size of the small matrix. All of its pairs are watched, unless the user has blocked the
        video's author. Some of its videos have no watch in the big matrix: they are cold items.
    seed : int
        The same seed gives the same bits.
    """
    for name, value in {**locals()}.items():
        check_whole(name, value, int(name != "seed"))
    if n_small_users > n_users or n_small_items >= n_items:
        raise DataError(
            f"the small matrix is to have {n_small_users} users and {n_small_items} videos, the "
            f"big one {n_users} and {n_items}: "
            "it is a part of the big one, and some videos must be left outside"
        )
    # The most videos that a user is shown: some of those outside the small matrix.
    most = max(1, int(0.7 * (n_items - n_small_items)))
    if not n_users <= n_watches <= n_users * most:
        raise DataError(
            f"n_watches={n_watches}: with these sizes each user has 1 to {most} watches, "
            f"so ask for {n_users} to {n_users * most}"
        )
    rng = np.random.default_rng(seed)
    genres = catalogue.draw_genres(n_items, rng)
    items, authors = _invent_videos(genres, rng)
    users, codes = _invent_users(n_users, rng)
    user_ids, item_ids = users["user_id"].to_numpy(), items["item_id"].to_numpy()
    user_factors = _user_factors(codes, rng)
    item_factors = _item_factors(genres, authors, rng)
    fame = rng.standard_normal(n_items) + 0.5 * catalogue.blend(genres, catalogue.POPULARITY)
    # Short videos are played again more often; an author's videos are alike in quality.
    short = -catalogue.standardised(np.log(items["video_duration"].to_numpy()))
    merit = rng.standard_normal(authors.max() + 1)[authors]
    bias = 0.25 * short + 0.25 * merit + 0.2 * catalogue.standardised(fame)
    bias += 0.4 * rng.standard_normal(n_items)
    small_users = np.sort(rng.choice(n_users, n_small_users, replace=False)).astype(np.int32)
    small_items = _draw(0.5 * fame, n_small_items, rng)
    cold = rng.choice(small_items, round(COLD * n_small_items), replace=False)
    fame[cold] = -inf
    blocked = rng.random((n_small_users, authors.max() + 1)) < BLOCKED
    user_biases = (0.45 * rng.standard_normal(n_users)).astype(np.float32)
    zeal = np.exp(0.5 * rng.standard_normal(n_users))
    indptr = np.concatenate([[0], np.cumsum(share_out(n_watches, zeal, 1, most))])
    barred = np.zeros((n_small_users, n_items), bool)
    barred[:, small_items] = True
    barred |= blocked[:, authors]
    indices = _shown(user_factors, item_factors, indptr, fame, small_users, barred, rng)
    ratios = np.zeros(n_watches, np.float32)  # for now
    big = Ratings(user_ids, item_ids, CSR(indptr, indices, ratios))
    truth = WatchTruth(
        user_biases=user_biases,
        item_biases=bias.astype(np.float32),
        user_factors=user_factors,
        item_factors=item_factors,
        cold_items=item_ids[np.sort(cold)],
        ratings=big,
    )
    ratios[:] = truth.simulate(big.user_of_rating(), indices, rng)  # ids are indices
    big.timestamps = START + rng.integers(0, DAYS * 86_400, n_watches)
    some, others = np.nonzero(~blocked[:, authors[small_items]])
    pairs = small_users[some], small_items[others]
    full_ratios = truth.simulate(*pairs, rng)
    big.scale = 0.0, float(max(ratios.max(), full_ratios.max()))
    full = Ratings.from_arrays(*pairs, full_ratios, None, user_ids, item_ids, big.scale)
    return Dataset("synthetic-watch", big, items, users, {**ABOUT}, truth, full)


def _invent_videos(genres: np.ndarray, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of videos, as `kuairec.read` has it, and their authors (n,) from 0."""
    n = len(genres)
    days = rng.integers(0, 400, n)
    uploaded = np.datetime64("2019-06-01") + days
    titles = catalogue.invent_titles(genres, 2019 + days / 365, rng)
    # Some authors upload much, most of them little.
    activity = rng.dirichlet(np.full(max(1, n // VIDEOS_AN_AUTHOR), 0.7))
    authors = np.unique(rng.choice(len(activity), n, p=activity), return_inverse=True)[1]
    table = pd.DataFrame(
        {
            "item_id": np.arange(n),
            "title": titles,
            "year": pd.array(uploaded.astype("datetime64[Y]").astype(int) + 1970, dtype="Int64"),
            "genres": catalogue.genre_texts(genres),
            "caption": titles,
            "author_id": [*map(str, authors)],
            "video_type": rng.choice(["NORMAL", "AD"], n, p=[0.95, 0.05]),
            "upload_dt": uploaded.astype(str),
            "upload_type": rng.choice(["ShortImport", "LongImport", "Kmovie"], n),
            "video_duration": np.rint(  # ms
                np.clip(9_500 * np.exp(0.6 * rng.standard_normal(n)), 3e3, 3e5)
            ),
        }
    )
    return table, authors


def _invent_users(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of users, its 31 columns, and the telling codes, (n, len(TELLING)) int64."""
    zeal = rng.standard_normal(n)
    active = np.array(["middle_active", "high_active", "full_active"])
    table = pd.DataFrame(
        {
            "user_id": np.arange(n),
            "user_active_degree": active[np.searchsorted([-1.8, -1.0], zeal)],
            "is_lowactive_period": (rng.random(n) < 0.001).astype(np.int64),
            "is_live_streamer": (rng.random(n) < 0.01).astype(np.int64),
            "is_video_author": (rng.random(n) < 0.2).astype(np.int64),
        }
    )
    for name, number in catalogue.TABLES["range"].items():
        amount = np.exp(1.2 * rng.standard_normal(n)) * number["middle"]
        whole = amount.astype(np.int64) + 15 * (name == "register_days")
        table[name] = whole
        labels = np.array(number["labels"])[np.searchsorted(number["ends"], whole)]
        table[f"{name}_range"] = labels
    codes = {}
    for name, size in catalogue.TABLES["codes"].items():
        codes[name] = rng.choice(size, n, p=rng.dirichlet(np.full(size, 2.0)))
        table[name] = pd.array(codes[name], dtype="Int64")
    return table, np.column_stack([codes[name] for name in TELLING])


def _user_factors(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return p_u (n_users, K) float32: a part for each telling code, and a part of one's own."""
    told = np.zeros((len(codes), N_FACTORS))
    for column in codes.T:
        told += rng.standard_normal((column.max() + 1, N_FACTORS))[column]
    own = rng.standard_normal(told.shape)
    p = sqrt(USER_SHARE / codes.shape[1]) * told + sqrt(1 - USER_SHARE) * own
    spectrum = 0.8 ** np.arange(N_FACTORS)
    return (p * spectrum * TASTE / sqrt((spectrum**2).sum())).astype(np.float32)


def _item_factors(genres: np.ndarray, authors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return q_i (n_items, K) float32: of the genres, of the author, and of the video alone."""
    vectors = catalogue.genre_vectors(N_FACTORS, rng)
    told = sqrt(GENRE_SHARE) * catalogue.standardised(catalogue.blend(genres, vectors))
    style = sqrt(AUTHOR_SHARE) * rng.standard_normal((authors.max() + 1, N_FACTORS))[authors]
    own = sqrt(1 - GENRE_SHARE - AUTHOR_SHARE) * rng.standard_normal((len(genres), N_FACTORS))
    return (told + style + own).astype(np.float32)


def _shown(
    user_factors: np.ndarray,
    item_factors: np.ndarray,
    indptr: np.ndarray,
    fame: np.ndarray,
    small_users: np.ndarray,
    barred: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return what each user watches in the big matrix, indices int32 by `indptr`.

    So many without replacement, with probabilities in proportion to exp(fame + taste): the
    recommender of the app guesses both. `barred` are the pairs of the small matrix's users, a row
    each, that are not shown.
    """
    indices = np.empty(indptr[-1], np.int32)
    place = dict(zip(small_users.tolist(), barred, strict=True))
    for u, p in enumerate(user_factors):
        # Not by BLAS, whose last bits may depend on its threads.
        weights = fame + np.einsum("k,ik->i", p, item_factors) / TASTE
        weights[place.get(u, [])] = -inf
        mine = slice(indptr[u], indptr[u + 1])
        indices[mine] = _draw(weights, mine.stop - mine.start, rng)
    return indices


def _draw(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` positions without replacement by log-weights (m,), ascending: a Gumbel race."""
    race = weights + rng.gumbel(size=len(weights))
    return np.sort(np.argpartition(-race, n - 1)[:n]).astype(np.int32)
