"""Whether a reader's answer to an exercise is right: the answer itself stands in no chapter.

Each function prints "Right." or raises an AssertionError with a hint.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys_lib.models import GenreALS
from recsys_lib.ratings import Ratings


def _right(answer: object, expected: object, hint: str, within: float = 1e-6) -> None:
    assert np.allclose(answer, expected, rtol=0, atol=within), hint  # type: ignore[arg-type]


def check_prior_row(model: GenreALS, film: int, row: np.ndarray) -> None:
    """Check the row at which a film without ratings starts, (K + 1,): factors, then the bias."""
    expected = model.item_rows_[film]
    assert np.shape(row) == expected.shape, f"expected {len(expected)} numbers: factors and bias"
    _right(row, expected, "the model put the film elsewhere: what is the sum divided by?", 1e-4)
    print("Right.")


def check_prior_bias(bias: Callable[..., float]) -> None:
    """Check a film's bias, given residuals, its prior mean and the weight of the prior."""
    assert bias([], 0.3, 2.0, 0.5) == 0.3, "without a rating the prior mean is all there is"
    _right(bias([1.0], 0.0, 2.0, 0.5), 1 / 3, "one rating, prior mean 0: what weighs the prior?")
    _right(bias([1.0] * 4, 0.5, 3.0, 0.5), 0.7, "four ratings: how does the weight grow with n?")
    print("Right.")


def check_split_films(
    ratings: Ratings, split_films: Callable[..., tuple[Ratings, Ratings]]
) -> None:
    """Check a split that holds out a share of the rated films with all their ratings."""
    train, test = split_films(ratings, 0.2, 0)
    a, b, every = (part.by_item.counts for part in (train, test, ratings))
    assert not ((a > 0) & (b > 0)).any(), "a film has ratings in both parts"
    assert np.array_equal(a + b, every), "together the parts hold each rating once"
    drawn, rated = int((b > 0).sum()), int((every > 0).sum())
    assert abs(drawn - 0.2 * rated) <= 1, "take the share of the films that have ratings"
    again = split_films(ratings, 0.2, 1)[1].by_item.counts
    assert not np.array_equal(b, again), "another seed draws other films"
    print("Right.")
