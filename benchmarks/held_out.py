"""Whole users or items held out: how they are drawn, and drawn anew where a search confirms."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from recsys_lib import splits
from recsys_lib.errors import DataError, RecsysError
from recsys_lib.ratings import Ratings
from recsys_lib.tuning import Development

# Of Liang et al. 2018: what is liked, the likes that a user has at least, the most users that are
# held out to test on, and to choose by (ml-20m: 10,000 each of 136,677), their likes to find.
LIKED, FEWEST_LIKES, MOST_HELD_OUT, TO_FIND = 4.0, 5, 10_000, 0.2
HELD_OUT = 0.1  # of smaller data, the share of users


class Dealt(Development):
    """A division whose validation part was drawn, and can be drawn anew."""

    def redealt(self, rng: np.random.Generator) -> Dealt:
        """Return the same ratings divided anew at random, into parts of the same sizes."""
        whole = splits.merge(self.train, self.valid)
        share = len(self.valid) / len(whole)
        train, valid, _ = splits.random(whole, valid=share, test=0.0, seed=rng)
        return replace(self, train=train, valid=valid)


class ColdItems(Dealt):
    """A division in which the items of the validation part have no rating in the training part."""

    def redealt(self, rng: np.random.Generator) -> Dealt:
        """Return the same ratings in other parts: as many other items are held out."""
        whole = splits.merge(self.train, self.valid)
        train, valid = hold_out_items(whole, int((self.valid.by_item.counts > 0).sum()), rng)
        return replace(self, train=train, valid=valid)


class ColdUsers(Dealt):
    """A division in which the users of the validation part are strangers to the training part."""

    def redealt(self, rng: np.random.Generator) -> Dealt:
        """Return the same ratings in other parts: as many other users are held out."""
        shown = cast(Ratings, self.valid_input)
        held_out, given = self.valid.by_user.counts > 0, shown.by_user.counts
        whole = splits.merge(splits.merge(self.train, self.valid), shown)
        n_shown = int(given[held_out].max())
        train, valid, shown = hold_out_users(whole, int(held_out.sum()), n_shown, rng)
        return replace(self, train=train, valid=valid, valid_input=shown)


class HeldOutLikers(Dealt):
    """What models are chosen by of `likers`."""

    def redealt(self, rng: np.random.Generator) -> Dealt:
        """Return the same likes in other parts: as many other users are held out."""
        shown = cast(Ratings, self.valid_input)
        whole = splits.merge(splits.merge(self.train, self.valid), shown)
        users = np.flatnonzero(whole.by_user.counts)
        drawn = _draw(users, int((shown.by_user.counts > 0).sum()), "users with", rng)
        train = whole.select(~np.isin(whole.user_of_rating(), drawn))
        shown, valid = _show(whole, drawn, rng)
        return replace(self, train=train, valid=valid, valid_input=shown)


def likers(ratings: Ratings, seed: int = 0) -> tuple[HeldOutLikers, Ratings, Ratings]:
    """Divide likes as Liang et al. 2018 (arXiv 1802.05814) do: strong generalisation.

    Ratings of `LIKED` or more are likes, all else is left out, and so are users with fewer than
    `FEWEST_LIKES`. Of the others `MOST_HELD_OUT` are held out to test on and as many to choose by,
    of smaller data a share `HELD_OUT` each; `seed` draws them. The catalogue is what the rest has
    liked. A share `TO_FIND` of a held-out user's likes in it, drawn at random and rounded down, is
    to be found from the others; whoever has fewer than `FEWEST_LIKES` of these is not tested.

    Returns the development part, what is to be found, and what is shown of the users tested.
    `DataError` is raised where the ratings are on another scale, or the users are too few.
    """
    if not ratings.scale[0] < LIKED <= ratings.scale[1] <= 5:
        raise DataError(f"mult-vae is of ratings up to 5 stars, and these are of {ratings.scale}")
    likes = ratings.select(ratings.by_user.values >= np.float32(LIKED))
    able = np.flatnonzero(likes.by_user.counts >= FEWEST_LIKES)
    n = min(MOST_HELD_OUT, round(HELD_OUT * len(able)))
    if n == 0:
        raise DataError(f"{len(able)} users have {FEWEST_LIKES} likes: too few to hold some out")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(able))
    learners, rows = able[order[2 * n :]], likes.user_of_rating()
    catalogue = np.unique(likes.by_user.indices[np.isin(rows, learners)])
    kept = _numbered_anew(likes, able, catalogue)
    train = kept.select(np.isin(kept.user_of_rating(), order[2 * n :]))
    shown, test = _show(kept, order[:n], rng)
    valid_input, valid = _show(kept, order[n : 2 * n], rng)
    part = HeldOutLikers(train, valid, relevant=LIKED, valid_input=valid_input)
    return part, test, shown


def hold_out_items(ratings: Ratings, n: int, rng: np.random.Generator) -> tuple[Ratings, Ratings]:
    """Return the ratings without those of `n` items drawn at random, and those."""
    drawn = _draw(np.flatnonzero(ratings.by_item.counts), n, "items", rng)
    held_out = np.isin(ratings.by_user.indices, drawn)
    return ratings.select(~held_out), ratings.select(held_out)


def hold_out_users(
    ratings: Ratings, n: int, n_shown: int, rng: np.random.Generator
) -> tuple[Ratings, Ratings, Ratings]:
    """Return the ratings without those of `n` users drawn at random; those; what is shown."""
    counts = ratings.by_user.counts
    drawn = np.zeros(len(counts), bool)
    drawn[_draw(np.flatnonzero(counts > n_shown), n, f"users with more than {n_shown}", rng)] = True
    held_out = drawn[ratings.user_of_rating()]
    shown = held_out & (_places(ratings, rng) < n_shown)
    parts = ~held_out, held_out & ~shown, shown
    return ratings.select(parts[0]), ratings.select(parts[1]), ratings.select(parts[2])


def _draw(able: np.ndarray, n: int, what: str, rng: np.random.Generator) -> np.ndarray:
    if not 0 < n < len(able):
        raise RecsysError(f"{n} of the {len(able)} {what} ratings cannot be held out")
    return rng.permutation(able)[:n]


def _places(ratings: Ratings, rng: np.random.Generator) -> np.ndarray:
    """Return for each rating its place in a random order of its user's ratings, from 0."""
    rows = ratings.user_of_rating()
    order = np.lexsort((rng.random(len(rows)), rows))
    places = np.empty(len(rows), np.int64)
    places[order] = np.arange(len(rows)) - ratings.by_user.indptr[rows[order]]
    return places


def _show(likes: Ratings, users: np.ndarray, rng: np.random.Generator) -> tuple[Ratings, Ratings]:
    """Return what is shown of some users' likes, and what is to be found."""
    n, rows = likes.by_user.counts, likes.user_of_rating()
    theirs = np.isin(rows, users[n[users] >= FEWEST_LIKES])
    find = theirs & (_places(likes, rng) < np.floor(TO_FIND * n)[rows])
    return likes.select(theirs & ~find), likes.select(find)


def _numbered_anew(ratings: Ratings, users: np.ndarray, items: np.ndarray) -> Ratings:
    """Return some users' ratings of some items (both ascending), as if there were no others."""
    rows = ratings.user_of_rating()
    kept = np.isin(rows, users) & np.isin(ratings.by_user.indices, items)
    u = np.searchsorted(users, rows[kept]).astype(np.int32)
    i = np.searchsorted(items, ratings.by_user.indices[kept]).astype(np.int32)
    ids = ratings.user_ids[users], ratings.item_ids[items]
    return Ratings.from_arrays(u, i, ratings.by_user.values[kept], None, *ids, ratings.scale)
