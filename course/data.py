"""A data set as the chapters read it: ratings in stars, and simulated data for what it lacks."""

from __future__ import annotations

from dataclasses import replace

from recsys_lib import datasets
from recsys_lib.ratings import Ratings

STARS = 5.0  # the highest rating of the chapters, and of MovieLens
SIMULATED = "synthetic"


def load(name: str, *needs: str) -> datasets.Dataset:
    """Load a data set by name; a scale that does not end at five stars is stretched until it does.

    What is lowest stays in proportion: from 1 to 10 becomes from 0.5 to 5. A line says so. `needs`
    are those of `having`.
    """
    data = having(datasets.load(name), *needs)
    (low, high), ratings = data.ratings.scale, data.ratings
    if high == STARS:
        return data
    zero = min(low, 0.0)
    factor = STARS / (high - zero)
    lowest = (low - zero) * factor
    print(f"{data.name}: {low:g} to {high:g} are shown as {lowest:g} to {STARS:g} stars.")
    rows = ratings.by_user._replace(values=(ratings.by_user.values - zero) * factor)
    scaled = (lowest, STARS)
    ids = ratings.user_ids, ratings.item_ids
    return replace(data, ratings=Ratings(*ids, rows, None, ratings.timestamps, scaled))


def having(data: datasets.Dataset, *needs: str) -> datasets.Dataset:
    """Return the data, or simulated data if they lack what is needed; a line says so.

    `needs` are of "likes" (any data but watch ratios), "ratings" (likes that differ), "genres" and
    "times".
    """
    values = data.ratings.by_user.values
    likes = data.full is None
    has = {
        "likes": likes,
        "ratings": likes and values.min() < values.max(),
        "genres": bool((data.items["genres"] != "").any()),
        "times": data.ratings.timestamps is not None,
    }
    lacking = [need for need in needs if not has[need]]
    if not lacking:
        return data
    print(f"{data.name} has no {' and no '.join(lacking)}: here they are simulated.")
    return datasets.load(SIMULATED)


def twin(ratings: Ratings, seed: int) -> datasets.Dataset:
    """Simulate as many users, films and ratings."""
    least = min(20, len(ratings) // ratings.n_users)
    size = ratings.n_users, ratings.n_items, len(ratings)
    return datasets.simulate_ratings(*size, seed=seed, min_ratings=least)
