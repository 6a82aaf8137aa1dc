import numpy as np
import pandas as pd
import pytest

from course.figures import ab_test as figures


def test_histograms_say_what_share_is_below_the_level(read):
    p = {"visits": np.array([0.01, 0.02, 0.5, 0.9]), "users": np.array([0.2, 0.4, 0.6, 0.04])}
    figure = figures.aa_p_values(p)
    for axes, name, share in zip(figure.axes, p, ("50.0%", "25.0%"), strict=True):
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)
        assert name in axes.get_xlabel()
        assert share in axes.texts[0].get_text()
        assert read.lines(axes)["if the p-values are right"].get_ydata()[0] == pytest.approx(0.05)
    assert figure.axes[0].patches[0].get_height() == pytest.approx(0.5)


def test_estimates_stand_a_row_each_around_the_truth():
    table = pd.DataFrame({"naive": [0.5, 0.52], "IPS": [0.4, 0.5]})
    (axes,) = figures.estimates(table, 0.45).axes
    drawn = [dots.get_offsets().data for dots in axes.collections]
    np.testing.assert_allclose([points[:, 0] for points in drawn], table.T)
    rings, truth = axes.lines
    np.testing.assert_allclose(rings.get_xydata(), [[0.51, 0], [0.45, 1]])
    assert truth.get_xdata() == [0.45, 0.45]


def test_what_a_metric_chose_is_thick_and_named(read):
    table = pd.DataFrame({"ALS": [0.4, 0.5], "EASE": [0.3, 0.6]}, ["calm", "in a hurry"])
    figure = figures.audiences(table, {"NDCG@10": "EASE", "RMSE": "EASE"})
    (axes,) = figure.axes
    np.testing.assert_allclose([line.get_ydata() for line in axes.lines], table.T)
    assert axes.lines[0].get_linewidth() < axes.lines[1].get_linewidth()
    assert read.legend(figure) == ["ALS", "EASE (chosen by NDCG@10 and RMSE)"]
    assert [text.get_text() for text in axes.get_xticklabels()] == list(table.index)
