import numpy as np
import pandas as pd
import pytest

from course.figures import bpr


def test_the_cost_of_a_pair(read):
    axes = bpr.pair_cost().axes[0]
    cost, pull = read.lines(axes)["BPR: −ln σ(x)"], read.lines(axes)["the pull σ(−x)"]
    x, y = cost.get_data()
    middle = len(x) // 2
    assert x[middle] == pytest.approx(0)
    assert y[middle] == pytest.approx(np.log(2))
    # The pull is the slope, turned about.
    np.testing.assert_allclose(-np.gradient(y, x)[1:-1], pull.get_ydata()[1:-1], atol=1e-4)


def test_both_rulers_ring_their_own_best(read):
    history = pd.DataFrame({"epoch": [1, 2, 3, 4], "auc_train": [0.7, 0.8, 0.9, 0.95]})
    curve = pd.DataFrame({"auc": [0.7, 0.85, 0.8], "ndcg@10": [0.1, 0.08, 0.2]}, index=[1, 2, 4])
    figure = bpr.learning(history, curve, {"auc": 0.75, "ndcg@10": 0.12})
    auc, ndcg = figure.axes
    for axes, column, best, mark in ((auc, "auc", 2, 0.75), (ndcg, "ndcg@10", 4, 0.12)):
        drawn = read.lines(axes)
        np.testing.assert_allclose(drawn["BPR, validation"].get_ydata(), curve[column])
        np.testing.assert_allclose(drawn["popularity, validation"].get_ydata(), mark)
        ring = next(line for line in axes.lines if line.get_markersize() == 12)
        assert ring.get_xdata().tolist() == [best]
        assert ring.get_ydata().tolist() == [curve[column][best]]
    assert read.lines(auc)["triples of training"].get_ydata().tolist() == [0.7, 0.8, 0.9, 0.95]


def test_the_area_is_the_auc_and_the_height_is_recall(read):
    # User 0 likes the films at places 1 and 12 of 102, user 1 that at place 51 of 101.
    table = pd.DataFrame({"user_id": [0, 0, 1], "rank": [1, 12, 51], "above": [0, 10, 50]})
    table["others"] = 100
    figure = bpr.found_by_place({"ALS": table, "BPR": table.assign(above=0)})
    left, right = figure.axes
    whole = read.lines(left)["ALS"]
    x, y = whole.get_data()
    area = np.sum(y[:-1] * np.diff(x))
    assert area == pytest.approx(((1 + 0.9) / 2 + 0.5) / 2, abs=2e-3)
    assert y[-1] == pytest.approx(1)
    np.testing.assert_allclose(read.lines(left)["BPR"].get_ydata(), 1)
    by_place = dict(zip(*read.lines(right)["ALS"].get_data(), strict=True))
    for place, share in ((1, 0.25), (10, 0.25), (12, 0.5), (50, 0.5), (51, 1.0)):
        assert by_place[place] == pytest.approx(share)
