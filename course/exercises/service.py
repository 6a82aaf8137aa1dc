"""Checks of the exercises on models in service; see `course.exercises`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recsys_lib.models import ALS
from recsys_lib.widgets.taste import Taste


def check_next_film(
    next_film: Callable[..., Any], taste: Taste, item: int, candidates: list[Any], ids: np.ndarray
) -> None:
    """Check which candidate's rating makes the variance of an item's prediction the smallest."""
    found = next_film(taste, item, candidates)
    assert found in candidates, "return one of the candidates' ids"
    place = {one: k for k, one in enumerate(ids.tolist())}
    Z, before = taste.vectors, np.linalg.inv(taste.inverse)

    def left(film: Any) -> float:  # of the variance, where one system more is solved
        z = Z[place[film]]
        return float(Z[item] @ np.linalg.solve(before + np.outer(z, z), Z[item]))

    least = min(map(left, candidates))
    assert left(found) <= least * (1 + 1e-9), "another film tells more"
    print("Right.")


def check_taken_back(
    taken_back: Callable[..., float], model: ALS, ratings: dict[Any, float], listed: Any
) -> None:
    """Check by how much the score of an item changes if a rating is taken back."""
    for film in ratings:
        fewer = {other: stars for other, stars in ratings.items() if other != film}
        lists = [model.recommend_for(r, candidates=[listed], seen=True) for r in (fewer, ratings)]
        change = lists[0]["score"][0] - lists[1]["score"][0]
        hint = "fold in all ratings but this one, and subtract the score with it"
        assert np.isclose(taken_back(model, ratings, film, listed), change, atol=1e-3), hint
    print("Right.")
