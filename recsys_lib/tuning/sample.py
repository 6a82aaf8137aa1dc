"""Fewer ratings to search on: good and bad parameters can be told apart by those of some users."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsys_lib.evaluation import Development

ENOUGH = 2_000_000  # ratings


def some_users(development: Development, limit: int = ENOUGH, seed: int = 0) -> Development:
    """Return the ratings of as many users, drawn at random, as have at most `limit` together.

    Parameters
    ----------
    development : Development
        Returned as it is if it has no more than `limit` ratings. Users and items keep their index.
    limit : int
        How many ratings to keep, training and validation together.
    seed : int
        Decides which users.

    Returns
    -------
    Development
    """
    counts = development.train.by_user.counts + development.valid.by_user.counts
    if counts.sum() <= limit:
        return development
    drawn = draw_users(counts, limit, seed)
    train, valid = (
        part.select(drawn[part.user_of_rating()]) for part in (development.train, development.valid)
    )
    return replace(development, train=train, valid=valid)


def draw_users(counts: np.ndarray, limit: int, seed: int = 0) -> np.ndarray:
    """Return which users to keep, (n_users,) bool: the first at random with `limit` ratings in all.

    `counts` are the users' numbers of ratings.
    """
    order = np.random.default_rng(seed).permutation(len(counts))
    drawn = np.zeros(len(counts), bool)
    drawn[order[np.cumsum(counts[order]) <= limit]] = True
    return drawn
