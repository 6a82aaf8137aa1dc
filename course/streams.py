"""Ratings that come in after a model was fitted: take them in, and see what staying still costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys_lib import splits
from recsys_lib.errors import RecsysError
from recsys_lib.evaluation import evaluate
from recsys_lib.ratings import Ratings

if TYPE_CHECKING:
    from recsys_lib.models.rating import RatingModel


def take_in(model: RatingModel, new: Ratings, side: str = "both") -> None:
    """Update a fitted model with ratings: one update for each user, or item, that has any.

    Parameters
    ----------
    model : RatingModel
        It is changed; ``model.copy()`` beforehand keeps what it was.
    new : Ratings
        What has come in. Users whom the model does not know are new ones; with "items", items are.
    side : {"users", "items", "both"}
        "users" solves for the users and leaves the items as they are, "items" the reverse. "both"
        solves for the users first and then for each item that they have rated.

    Raises
    ------
    RecsysError
        The side is unknown, or the model cannot solve for it; an id of the other side is unknown.
    """
    if side not in ("users", "items", "both"):
        raise RecsysError(f"side is {side!r}; it must be 'users', 'items' or 'both'")
    items = new.item_ids
    if side != "items":
        for user in np.flatnonzero(new.by_user.counts).tolist():
            rated, values = new.by_user.row(user)
            given = dict(zip(items[rated].tolist(), values.tolist(), strict=True))
            model.partial_fit_users(new.user_ids[user], given)
    if side != "users":
        for item in np.flatnonzero(new.by_item.counts).tolist():
            users, values = new.by_item.row(item)
            given = dict(zip(new.user_ids[users].tolist(), values.tolist(), strict=True))
            # With "both", the users' updates have brought them in already.
            model.partial_fit_items(items[item], given if side == "items" else {})


def in_time(
    ratings: Ratings,
    start: float = 0.5,
    test: float = 0.2,
    points: int = 8,
    seed: int | np.random.Generator = 0,
) -> tuple[Ratings, list[Ratings], Ratings]:
    """Cut ratings into a past, a stream that follows it, and a test part out of the stream's time.

    Parameters
    ----------
    ratings : Ratings
        With timestamps.
    start : float
        Share of the ratings that is past, the earliest.
    test : float
        Share of the others that is held out, at random: a test part at the end of time would
        consist of users who had not come yet when the stream ended.
    points : int
        Into how many pieces of equal size the stream is cut, in the order of time.
    seed : int or Generator
        Decides what is held out.

    Returns
    -------
    past : Ratings
    stream : list of Ratings
    test : Ratings

    Raises
    ------
    DataError
        The ratings have no timestamps.
    RecsysError
        A share is not between 0 and 1, or a piece would be empty.
    """
    for name, share in (("start", start), ("test", test)):
        if not 0 < share < 1:
            raise RecsysError(f"{name} is {share}; it is a share of the ratings, between 0 and 1")
    later = splits.temporal_labels(ratings, 0.0, 1 - start) == splits.TEST
    rest = np.flatnonzero(later)
    held_out = np.zeros(len(rest), bool)
    held_out[: round(test * len(rest))] = True
    np.random.default_rng(seed).shuffle(held_out)
    coming = rest[~held_out]
    if not 1 <= points <= len(coming) or not held_out.any():
        raise RecsysError(
            f"{len(coming)} ratings come in after the past, too few for points={points} and a test "
            "part; lower start or points"
        )
    assert ratings.timestamps is not None
    coming = coming[np.argsort(ratings.timestamps[coming], kind="stable")]
    stream = [_only(ratings, piece) for piece in np.array_split(coming, points)]
    return ratings.select(~later), stream, _only(ratings, rest[held_out])


def _only(ratings: Ratings, where: np.ndarray) -> Ratings:
    mask = np.zeros(len(ratings), bool)
    mask[where] = True
    return ratings.select(mask)


def replay(
    model: RatingModel,
    past: Ratings,
    stream: list[Ratings],
    test: Ratings,
    items: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Fit on the past, let the stream come in, and compare ways of keeping up with it.

    Parameters
    ----------
    model : RatingModel
        Of a kind that has `partial_fit_items`; it is fitted here.
    past, stream, test : Ratings, list of Ratings, Ratings
        As `in_time` returns them.
    items : DataFrame, optional
        What is known of the items, for models that read it.

    Returns
    -------
    DataFrame
        A row before the stream and one after each piece of it; by ``n_ratings``, how many ratings
        of the stream are in. Columns are RMSEs on the whole test part: "never updated", "users
        updated", "users and items updated" and "retrained", on all ratings so far.
    """
    known = past
    never = model.fit(past, items=items, progress=False)
    rows = {0: dict.fromkeys(_WAYS, evaluate(never, known, test, ["rmse"])["rmse"])}
    users, both, retrained = never.copy(), never.copy(), never.copy()
    for piece in stream:
        known = splits.merge(known, piece)
        take_in(users, piece, "users")
        take_in(both, piece, "both")
        retrained.fit(known, items=items, progress=False)
        found = [
            evaluate(m, known, test, ["rmse"])["rmse"] for m in (never, users, both, retrained)
        ]
        rows[len(known) - len(past)] = dict(zip(_WAYS, found, strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("n_ratings")


_WAYS = ("never updated", "users updated", "users and items updated", "retrained")
