"""A data set as the chapters read it: ratings in stars, and simulated data for what it lacks."""

from dataclasses import replace

import numpy as np

from recsys_lib import datasets
from recsys_lib.ratings import Ratings

STARS = 5.0  # the highest rating of the chapters, and of MovieLens


def load(name: str, *needs: str) -> datasets.Dataset:
    """Load a data set by name, with ratings up to five stars, and all that is among its `needs`.

    Another scale is stretched, and what is lowest stays in proportion: 1 to 10 becomes 0.5 to 5. A
    line says so. `needs` are those of `having`.
    """
    data = having(datasets.load(name), *needs)
    (low, high), ratings = data.ratings.scale, data.ratings
    if high == STARS:
        return data
    if low == high:  # a row says no more than that somebody took the item
        low = high - 1
    zero = min(low, 0.0)
    star = (high - zero) / STARS
    scale = ((low - zero) / star, STARS)
    print(f"{data.name}: {low:g} to {high:g} are shown as {scale[0]:g} to {STARS:g} stars.")
    rows = ratings.by_user._replace(values=(ratings.by_user.values - zero) / star)
    ids = ratings.user_ids, ratings.item_ids
    return replace(data, ratings=Ratings(*ids, rows, ratings.timestamps, scale))


def having(data: datasets.Dataset, *needs: str) -> datasets.Dataset:
    """Return the data, or simulated ones if they lack any of the `needs`, which a line then says.

    Needs are "likes" (all data have them but watch ratios), "ratings" (likes that differ), "genres"
    and "times".
    """
    values, likes = data.ratings.by_user.values, data.full is None
    has = {
        "likes": likes,
        "ratings": likes and values.min() < values.max(),
        "genres": bool((data.items["genres"] != "").any()),
        "times": data.ratings.timestamps is not None,
    }
    lack = " and no ".join(need for need in needs if not has[need])
    if not lack:
        return data
    print(f"{data.name} has no {lack}: what follows is computed on simulated data.")
    return datasets.load("synthetic")


def twin(ratings: Ratings, seed: int) -> datasets.Dataset:
    """Simulate as many users, films and ratings."""
    size = ratings.n_users, ratings.n_items, len(ratings)
    least = min(20, len(ratings) // ratings.n_users)
    return datasets.simulate_ratings(*size, seed=seed, min_ratings=least)


def few_users(ratings: Ratings, most: int, seed: int) -> Ratings:
    """Return the ratings of at most `most` of the users who have any, drawn at random."""
    users = np.random.default_rng(seed).permutation(np.flatnonzero(ratings.by_user.counts))[:most]
    return ratings.select(np.isin(ratings.user_of_rating(), users))
