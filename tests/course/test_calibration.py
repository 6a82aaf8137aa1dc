"""Shares of ratings inside intervals, against distributions whose quantiles are known."""

import numpy as np
import pytest
from scipy.special import ndtri

from course import calibration
from recsys_lib.errors import RecsysError


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    predicted, spread = rng.normal(3, 1, 40_000), np.repeat([0.5, 1.5], 20_000)
    return predicted, spread, predicted + spread * rng.standard_normal(40_000)


def test_the_shares_and_widths_are_those_of_the_intervals(world):
    predicted, spread, ratings = world

    def intervals(level):
        reach = ndtri((1 + level) / 2) * spread
        return predicted - reach, predicted + reach

    table = calibration.reliability(intervals, ratings, [0.2, 0.5, 0.8, 0.99])
    error = np.sqrt(table["level"] * (1 - table["level"]) / len(ratings))
    assert ((table["share"] - table["level"]).abs() < 4 * error).all()
    assert table["width"].iloc[2] == pytest.approx(2 * 1.2816 * spread.mean(), rel=1e-3)


def test_conformal_intervals_hold_what_they_claim_whatever_the_distribution():
    rng, levels = np.random.default_rng(1), [0.5, 0.8, 0.95]
    shares = []
    for _ in range(400):  # few residuals, so that a rank that is one off is seen
        residuals, to_come = rng.exponential(size=19), rng.exponential(size=(50))
        intervals = calibration.conformal(np.zeros(50), residuals)
        shares.append(calibration.reliability(intervals, to_come, levels)["share"])
    assert np.mean(shares, axis=0) == pytest.approx(levels, abs=0.01)
    low, high = calibration.conformal(np.zeros(1), np.ones(3))(0.9)  # three cannot say
    assert (low, high) == (-np.inf, np.inf)


def test_one_width_for_all_fails_group_by_group(world):
    predicted, spread, ratings = world
    one = calibration.conformal(predicted, ratings - predicted)
    table = calibration.by_quantile(calibration.inside(one, ratings, 0.8), spread, 2)
    assert table["low"].tolist() == table["high"].tolist() == [0.5, 1.5]
    assert table["share"][0] > 0.95
    assert table["share"][1] < 0.75


def test_groups_are_of_equal_size_and_keep_ties_together():
    by = np.array([5, 1, 3, 3, 3, 9])
    table = calibration.by_quantile(np.array([1, 0, 1, 0, 1, 1], bool), by, 3)
    assert table["n"].tolist() == [4, 2]
    assert table["share"].tolist() == [0.5, 1.0]
    assert table["high"].tolist() == [3, 9]


def test_the_ends_are_inside():
    ends = calibration.inside(lambda level: (np.array([1.0, 1]), np.array([5.0, 5])), [1, 5], 0.8)
    assert ends.all()


def test_what_is_refused():
    with pytest.raises(RecsysError, match="no rating"):
        calibration.reliability(calibration.conformal(np.empty(0), np.ones(3)), np.empty(0))
    with pytest.raises(RecsysError, match="2 ratings and 3 values"):
        calibration.by_quantile(np.ones(2, bool), np.arange(3))
