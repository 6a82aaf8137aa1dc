"""Small ratings for the tests, from plain arrays."""

import numpy as np

from recsys_lib.ratings import Ratings


def as_ratings(users, items, values, n_users, n_items, scale=(0.5, 5.0), times=None):
    """Return the ratings of users and items that are named by their numbers."""
    users, items = (np.asarray(some, np.int32) for some in (users, items))
    values = np.broadcast_to(np.asarray(values, np.float32), users.shape)
    ids = np.arange(n_users), np.arange(n_items)
    return Ratings.from_arrays(users, items, values, times, *ids, scale)
