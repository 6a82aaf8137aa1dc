"""Cold start: how good a model is with few ratings, and how much more ratings improve it.

Some items, or users, are made new and shown step by step (`newcomers`, `learning_curve`); and
ratings come in after the fit (`in_time`, `replay`).
"""

import itertools
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recsys_lib import splits
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import evaluate
from recsys_lib.models.base import RatingModel
from recsys_lib.ratings import CSR, Ratings


def _side(ratings: Ratings, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the items' (or users') ids, how many ratings each has, and whose each rating is."""
    if side == "items":
        return ratings.item_ids, ratings.by_item.counts, ratings.by_user.indices
    if side == "users":
        return ratings.user_ids, ratings.by_user.counts, ratings.user_of_rating()
    raise RecsysError(f"side is {side!r}; it must be 'items' or 'users'")


class Newcomers(NamedTuple):
    """Items (or users) whose ratings a model is shown step by step: see `newcomers`."""

    side: str  # "items" or "users"
    ids: np.ndarray  # the newcomers
    parts: dict[int, Ratings]  # n: all others' ratings, and n of each newcomer's, to train on
    test: Ratings  # the newcomers' ratings that are in none of the parts


def newcomers(
    ratings: Ratings,
    shown: Sequence[int] = (0, 1, 3, 5, 10, 20),
    share: float = 0.1,
    side: str = "items",
    to_find: int = 5,
    seed: int | np.random.Generator = 0,
) -> Newcomers:
    """Make newcomers of some items: the same items, with 0, 1, 3, ... of their ratings known.

    In an ordinary split the items without ratings are other items than those with twenty, and
    usually worse ones. Here they are the same, and so is the test part: only what is known changes.
    A `share` of those with enough ratings is taken: the most that are `shown` (numbers that rise
    from 0; a larger set holds the smaller ones) and `to_find` more, to be tested on. `side` is
    "items" or "users"; `seed` decides who is taken, and in which order their ratings are shown.

    `RecsysError` is raised where an argument is out of range, or none has enough ratings.
    """
    ids, counts, whose = _side(ratings, side)
    if shown[0] != 0 or any(b <= a for a, b in itertools.pairwise(shown)):
        raise RecsysError(f"shown is {shown}; it must rise from 0, as in (0, 5, 20)")
    if not (0 < share < 1 and to_find >= 1):
        raise RecsysError(f"share={share} must lie between 0 and 1, and to_find={to_find} from 1")
    able = np.flatnonzero(counts >= shown[-1] + to_find)
    if len(able) == 0:
        raise RecsysError(f"none of the {side} has {shown[-1] + to_find} ratings; show fewer")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(able)[: max(1, round(share * len(able)))])
    where = np.flatnonzero(np.isin(whose, chosen))
    turn = np.full(len(ratings), -1)  # of a newcomer's ratings: when it is shown, from 0
    turn[where] = pd.Series(rng.random(len(where))).groupby(whose[where]).rank("first") - 1
    parts = {n: ratings.select(turn < n) for n in shown}
    return Newcomers(side, ids[chosen], parts, ratings.select(turn >= shown[-1]))


def learning_curve(
    model: RatingModel,
    new: Newcomers,
    metrics: Sequence[str] = ("rmse",),
    *,
    candidates: str = "all",
) -> pd.DataFrame:
    """Show a fitted model the newcomers' ratings, step by step; return its metrics by ``shown``.

    `model` was fitted on ``new.parts[0]`` and is left as it is: newcomers are taken in by
    `partial_fit_items`, or `partial_fit_users`, and everything else stays. With `candidates`
    "newcomers" the new items are ranked among themselves, as on a shelf of them.
    """
    if candidates not in ("all", "newcomers") or (candidates, new.side) == ("newcomers", "users"):
        raise RecsysError(
            f"candidates is {candidates!r}; it must be 'all', or 'newcomers' where they are items"
        )
    rows = {}
    for n, part in new.parts.items():
        ids, _, whose = _side(part, new.side)
        latest: Any = model.copy()
        take_in(latest, part.select(np.isin(ids, new.ids)[whose]), new.side)
        if candidates == "newcomers":
            latest.rank = partial(latest.rank, candidates=part.item_index(new.ids))
        rows[n] = evaluate(latest, part, new.test, metrics).values
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("shown")


def take_in(model: RatingModel, new: Ratings, side: str = "both") -> None:
    """Update a fitted model in place with new ratings, one user, or item, that has any at a time.

    `side` is "users" (the items stay as they are), "items" (the reverse), or "both": first the
    users and then each item that they have rated. What the model cannot solve for it refuses.
    """
    if side not in ("users", "items", "both"):
        raise RecsysError(f"side is {side!r}; it must be 'users', 'items' or 'both'")
    if side != "items":
        for user, given in _rows(new.by_user, new.user_ids, new.item_ids):
            model.partial_fit_users(user, given)
    if side != "users":
        for item, given in _rows(new.by_item, new.item_ids, new.user_ids):
            # With "both", the users' updates have brought them in already.
            model.partial_fit_items(item, given if side == "items" else {})


def _rows(
    rows: CSR, ids: np.ndarray, others: np.ndarray
) -> Iterator[tuple[Hashable, dict[Any, float]]]:
    """Yield the id of each row that has ratings, and these by the ids of the other side."""
    for row in np.flatnonzero(rows.counts).tolist():
        there, values = rows.row(row)
        yield ids[row], dict(zip(others[there].tolist(), values.tolist(), strict=True))


def in_time(
    ratings: Ratings,
    start: float = 0.5,
    test: float = 0.2,
    points: int = 8,
    seed: int | np.random.Generator = 0,
) -> tuple[Ratings, list[Ratings], Ratings]:
    """Cut ratings into a past, a stream that follows it, and a test part out of the stream's time.

    The past is the share `start` of the ratings, the earliest. Of the others the share `test` is
    held out at random (`seed`): a test part at the end of time would consist of users who had not
    come yet when the stream ended. The rest is cut into `points` pieces of equal size, in the order
    of time. `RecsysError` is raised where a share is not between 0 and 1, or a piece would be
    empty.
    """
    if not (0 < start < 1 and 0 < test < 1):
        raise RecsysError(f"start={start} and test={test} are shares, and lie between 0 and 1")
    past, _, rest = splits.temporal(ratings, 0.0, 1 - start)
    held_out = np.zeros(len(rest), bool)
    held_out[: round(test * len(rest))] = True
    np.random.default_rng(seed).shuffle(held_out)
    coming = np.flatnonzero(~held_out)
    if not 1 <= points <= len(coming) or not held_out.any():
        raise RecsysError(
            f"{len(coming)} ratings come in after the past, too few for points={points} and a test "
            "part; lower start or points"
        )
    assert rest.timestamps is not None
    coming = coming[np.argsort(rest.timestamps[coming], kind="stable")]
    piece = np.full(len(rest), points)  # of each rating; `points` is the test part
    for number, where in enumerate(np.array_split(coming, points)):
        piece[where] = number
    *stream, later_on = (rest.select(piece == k) for k in range(points + 1))
    return past, stream, later_on


def replay(
    model: RatingModel, past: Ratings, stream: Sequence[Ratings], test: Ratings
) -> pd.DataFrame:
    """Fit a model on the past, let the stream come in, and compare ways of keeping up with it.

    Returns RMSEs on the whole test part by ``n_ratings``, how many ratings of the stream are in:
    before the stream and after each piece. The columns are "never updated", "users updated", "users
    and items updated" and "retrained", on all ratings so far.
    """
    ways = {"never updated": model.fit(past, progress=False)}
    for way in ("users updated", "users and items updated", "retrained"):
        ways[way] = model.copy()
    known, rows = past, {}
    for piece in (past, *stream):
        if piece is not past:
            known = splits.merge(known, piece)
            take_in(ways["users updated"], piece, "users")
            take_in(ways["users and items updated"], piece, "both")
            ways["retrained"].fit(known, progress=False)
        rows[len(known) - len(past)] = {
            way: evaluate(one, known, test, ["rmse"])["rmse"] for way, one in ways.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("n_ratings")
