"""Whether a reader's answer to an exercise is right: the answer itself stands in no chapter.

Each function prints "Right." or raises an AssertionError with a hint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from recsys_lib.models import ALS
from recsys_lib.ratings import Ratings


def check_als_gradient(
    gradient: Callable[..., np.ndarray],
    z: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    lam: float,
    row: np.ndarray,
) -> None:
    """Check ∇L_u by differences of L_u, and that it vanishes at the solved `row` (K + 1,).

    L_u(x) is λ/2 Σ (y - z·x)² plus half of the `weights` (K + 1,) times x².
    """

    def loss(x: np.ndarray) -> float:
        return float(0.5 * lam * np.sum((y - z @ x) ** 2) + 0.5 * weights @ x**2)

    x, steps = np.linspace(-1, 1, len(row)), 1e-5 * np.eye(len(row))
    slopes = [(loss(x + step) - loss(x - step)) / 2e-5 for step in steps]
    found = gradient(x, z, y)
    assert np.shape(found) == x.shape, f"its shape is {np.shape(found)}, that of x is {x.shape}"
    assert np.allclose(found, slopes, 1e-4, 1e-4), "differences of L_u disagree with it"
    assert np.allclose(gradient(row, z, y), 0, atol=1e-6), "it is not 0 at the solution"
    print("Right.")


def check_als_reached(reached: Callable[[np.ndarray, float], int]) -> None:
    """Check how many epochs a falling objective takes for a share of its way."""
    losses = 10 + 100 * 0.5 ** np.arange(12)
    for share in (0.3, 0.7, 0.97):
        way = (losses[0] - losses) / (losses[0] - losses[-1])
        found = reached(losses, share)
        assert found > 0 and way[int(found) - 1] >= share, f"not yet there: share {share}"
        assert found == 1 or way[int(found) - 2] < share, f"an earlier epoch is there: {share}"
    print("Right.")


def check_als_known(
    recommend_known: Callable[..., pd.Series],
    model: ALS,
    train: Ratings,
    ratings: Mapping[int, float],
    least: int,
) -> None:
    """Check a list of ten films with at least `least` ratings each, the best first."""
    ids = np.asarray(recommend_known(ratings, least, 10))
    counts = train.by_item.counts
    ranked = model.recommend_for(ratings, n=train.n_items)
    ranked = ranked[counts[train.item_index(ranked["item_id"])] >= least]
    assert len(ids) == min(10, len(ranked)), f"the list has {len(ids)} films"
    fewest = counts[train.item_index(ids)].min()
    assert fewest >= least, f"a film on the list has only {fewest} ratings"
    assert not {*ids} & {*ratings}, "the list holds a film that was rated already"
    scores = ranked.set_index("item_id")["score"]
    found = scores.reindex(ids).to_numpy()
    assert np.allclose(np.sort(found)[::-1], scores.iloc[:10], atol=1e-3), "better films are left"
    assert np.allclose(found, scores.iloc[:10], atol=1e-3), "the best film does not stand first"
    print("Right.")


def check_tuning_paired(
    paired_interval: Callable[[np.ndarray, np.ndarray], tuple[float, float, float]],
) -> None:
    """Check a mean difference and its interval, of users that both models find hard or easy."""
    rng = np.random.default_rng(7)
    shared = rng.normal(1, 0.5, 400)
    a, b = (shared + rng.normal(mean, 0.1, 400) for mean in (0.0, 0.03))
    mean, low, high = paired_interval(a, b)
    assert np.isclose(mean, a.mean() - b.mean()), "the mean is not that of a - b"
    assert np.isclose(mean - low, high - mean), "the interval is not centred on the mean"
    error = (high - low) / 3.92
    assert error < 0.02, "too wide: is it the error of the differences, or of each model alone?"
    assert np.isclose(error, np.std(a - b, ddof=1) / 20, rtol=0.01), "divide by the root of n"
    print("Right.")


def check_tuning_luck(luck: Callable[[int, float], float]) -> None:
    """Check the mean of the smallest of n normal numbers with mean 0, its sign turned."""
    assert abs(luck(1, 1.0)) < 0.05, "with a single trial there is no luck"
    for n, value in ((2, 1 / np.sqrt(np.pi)), (3, 1.5 / np.sqrt(np.pi)), (100, 2.508)):
        found = luck(n, 1.0)
        assert found > 0, "by how much it is too good is a positive number"
        assert abs(found - value) < 0.05, f"with {n} trials it is not {found:.3f}"
    assert abs(luck(3, 0.1) / luck(3, 1.0) - 0.1) < 0.01, "it is in proportion to sd"
    print("Right.")
