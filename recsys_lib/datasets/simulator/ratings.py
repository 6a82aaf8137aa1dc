"""A simulator of MovieLens whose true distribution of every rating is known."""

from math import ceil, log, sqrt

import numpy as np
import pandas as pd

from recsys_lib.datasets.dataset import Dataset
from recsys_lib.datasets.simulator import catalogue
from recsys_lib.datasets.simulator.kernels import BLOCK, DAY, END, START, YEAR, Films, Users, live
from recsys_lib.datasets.simulator.truth import RatingTruth
from recsys_lib.errors import DataError, check_whole, taking
from recsys_lib.kernels.threads import share
from recsys_lib.ratings import CSR, Ratings

N_FACTORS = 8  # K, the length of p_u and q_i
TASTE = 0.45  # standard deviation of p_u·q_i over all pairs, in stars
NOISE = 0.735  # median over users of the noise's standard deviation, in stars
ABOUT = {  # `Dataset.info` of simulated data
    "licence": "none needed: all users, items and ratings are invented",
    **dict.fromkeys(("path", "citation", "url")),
}
_HALF_STARS = 33 * YEAR  # 2003: who came before keeps to whole stars


@taking("these sizes", MemoryError)
def simulate_ratings(
    n_users: int = 1_000,
    n_items: int = 2_000,
    n_ratings: int = 100_000,
    *,
    seed: int = 0,
    min_ratings: int = 20,
) -> Dataset:
    """Simulate users who watch and rate films.

    A rating is the enjoyment μ + b_u + b_i + p_u·q_i + drift(t) plus normal noise, rounded to whole
    or half stars as the user does. Which films a user watches depends on the film's popularity, its
    age and the user's taste p_u·q_i, but never on the noise, so observed ratings follow the
    distribution of `RatingTruth`, the `truth`. Sizes that contradict each other raise `DataError`.

    Parameters
    ----------
    n_users, n_items, n_ratings : int
        Size of the data: exactly `n_ratings` different pairs. Some items may get no rating.
    seed : int
        The same seed gives the same bits, at any number of threads.
    min_ratings : int
        Lowest number of ratings of a user; 20 in MovieLens.
    """
    for name, value in {**locals()}.items():
        check_whole(name, value, int(name != "seed"))
    if n_ratings > n_users * n_items:
        raise DataError(
            f"n_ratings={n_ratings} is more than the {n_users * n_items} pairs of "
            f"n_users={n_users} and n_items={n_items}: ask for fewer ratings or more of the others"
        )
    if n_ratings < n_users * min_ratings:
        raise DataError(
            f"n_ratings={n_ratings} is too few for n_users={n_users} with min_ratings={min_ratings}"
            f" each: ask for at least {n_users * min_ratings} ratings, for fewer users or for a "
            "smaller min_ratings"
        )
    rng = np.random.default_rng(seed)
    items, films = _make_films(n_items, n_ratings, rng)
    users = _make_users(n_users, n_ratings, min_ratings, films.released, rng)
    mu, drift = 3.6, 0.1  # what is observed has a mean of about 3.5, as MovieLens has
    rated = tuple(np.empty(n_ratings, kind) for kind in (np.int32, np.float32, np.int64))
    indices, values, times = rated
    key = rng.integers(2**64, dtype=np.uint64)
    share(-(-n_users // BLOCK), live, key, mu, drift, users, films, rated)
    ids = items["item_id"].to_numpy()
    ratings = Ratings(
        np.arange(1, n_users + 1), ids, CSR(users.indptr, indices, values), timestamps=times
    )
    truth = RatingTruth(
        mu=mu,
        drift=drift,
        user_biases=users.bias,
        item_biases=films.bias,
        user_factors=users.factors,
        item_factors=films.factors,
        user_noise=users.noise,
        user_halves=users.halves,
        ratings=ratings,
        cold_items=ids[np.bincount(indices, minlength=n_items) == 0],
    )
    return Dataset("synthetic", ratings, items, None, {**ABOUT}, truth)


def _make_films(n: int, n_ratings: int, rng: np.random.Generator) -> tuple[pd.DataFrame, Films]:
    """Return the table of films, and what the kernels need of it."""
    genres = catalogue.draw_genres(n, rng)
    years = catalogue.draw_years(genres, rng)
    table = pd.DataFrame(
        {
            # Ids have gaps, as MovieLens' have: who takes an id for an index is found out.
            "item_id": np.cumsum(rng.integers(1, 4, n)),
            "title": catalogue.invent_titles(genres, years, rng),
            "year": pd.array(years.astype(np.int64), dtype="Int64"),
            "genres": catalogue.genre_texts(genres),
        }
    )
    fame = rng.standard_normal(n) + catalogue.blend(genres, catalogue.POPULARITY)
    fame = catalogue.standardised(fame)
    # Good films are seen more; and they fail further below the middle than they succeed above it.
    luck = rng.standard_normal(n)
    bias = 0.27 * fame + catalogue.blend(genres, catalogue.QUALITY) + 0.3 * luck - 0.08 * luck**2
    vectors = catalogue.genre_vectors(N_FACTORS, rng)
    own = sqrt(1 - catalogue.GENRE_SHARE) * rng.standard_normal((n, N_FACTORS))
    # The larger the catalogue, the longer its tail; though everything in it somebody cared for. And
    # no film takes more than about 1 % of the choices: half of MovieLens' users have seen its most
    # popular film, the other half have not.
    size = log(n / 2000)
    weight = np.exp(max(1.2, 1.6 + 0.22 * size + 0.045 * size * abs(size)) * fame)
    weight += 0.4 * weight.sum() / n_ratings
    capped = weight
    for _ in range(20):  # the limit depends on the sum of what it limits
        capped = weight / (1 + weight / (max(0.011, 5 / n) * capped.sum()))
    weight = capped / capped.sum()
    cumulative = np.cumsum(weight)
    cumulative /= cumulative[-1]
    films = Films(
        bias=(bias - (weight * bias).sum()).astype(np.float32),
        factors=(catalogue.blend(genres, vectors) + own).astype(np.float32),
        released=(years - 1970) * YEAR + 2 * DAY,  # calendar years begin up to 2 days late
        weight=weight,
        cumulative=cumulative,
        guide=np.searchsorted(cumulative, np.arange(n) / n, side="right"),
    )
    return table, films


def _make_users(
    n: int, n_ratings: int, least: int, released: np.ndarray, rng: np.random.Generator
) -> Users:
    n_films = len(released)
    zeal = rng.standard_normal(n)
    # Nobody sees more than half of all films, unless the average user must see a quarter.
    most = ceil(np.clip(2 * n_ratings / n, n_films / 2, n_films))
    counts = share_out(n_ratings, np.exp(1.35 * zeal), least, most)
    # Some years bring more newcomers. Nobody begins before there are films enough to rate.
    year = rng.choice(22, n, p=rng.dirichlet(np.full(22, 8.0)))
    enough = np.minimum(counts + counts // 2, n_films) - 1
    began = np.minimum(START + (year + rng.random(n)) * YEAR, END - 60.0 * counts)
    began = np.ceil(np.maximum(began, np.sort(released)[enough]))
    halves = np.where(rng.random(n) < 0.1, 0, rng.uniform(0.35, 0.6, n))
    halves[began < _HALF_STARS] = 0
    spectrum = 0.75 ** np.arange(N_FACTORS)
    spectrum *= TASTE / sqrt((spectrum**2).sum())
    strength = np.exp(0.3 * rng.standard_normal((n, 1)) - 0.09)  # mean square 1
    return Users(
        bias=(0.4 * rng.standard_normal(n) - 0.07 * zeal).astype(np.float32),
        factors=(strength * spectrum * rng.standard_normal((n, N_FACTORS))).astype(np.float32),
        noise=(NOISE * np.exp(0.3 * rng.standard_normal(n))).astype(np.float32),
        halves=halves.astype(np.float32),
        began=began,
        returns=0.5 * rng.random(n) ** 9,  # most come once, some for years
        indptr=np.concatenate([[0], np.cumsum(counts)]),
    )


def share_out(total: int, shares: np.ndarray, least: int, most: int) -> np.ndarray:
    """Return whole numbers from `least` to `most`, (n,) int64, that add up to `total`.

    They are proportional to `shares` as far as the limits allow.
    """
    spare = total - least * len(shares)
    low, high = 0.0, float(most / shares.min())
    for _ in range(200):  # bisection on the common factor, to the last bit
        middle = (low + high) / 2
        if np.minimum(middle * shares, most - least).sum() <= spare:
            low = middle
        else:
            high = middle
    exact = np.minimum(low * shares, most - least)
    counts = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(counts - exact, kind="stable")[: spare - counts.sum()]
    counts[largest_remainders] += 1
    return counts + least
