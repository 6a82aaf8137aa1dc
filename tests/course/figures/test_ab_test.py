import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from course.figures import ab_test as figures
from course.figures import style


def test_histograms_say_what_share_is_below_the_level(read):
    p = {"visits": np.array([0.01, 0.02, 0.5, 0.9]), "users": np.array([0.2, 0.4, 0.6, 0.04])}
    figure = figures.aa_p_values(p)
    for axes, name, share in zip(figure.axes, p, ("50.0%", "25.0%"), strict=True):
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)
        assert name in axes.get_xlabel()
        assert share in axes.texts[0].get_text()
        assert read.lines(axes)["if they told the truth"].get_ydata()[0] == pytest.approx(0.05)
    assert figure.axes[0].patches[0].get_height() == pytest.approx(0.5)


def test_paths_that_ever_dip_are_marked_where_they_first_do(read):
    looks = np.arange(1, 5)
    p = np.array([[0.5, 0.04, 0.3, 0.6], [0.9, 0.8, 0.7, 0.06], [0.2, 0.3, 1e-9, 0.01]])
    figure = figures.p_value_paths(looks, p)
    axes = figure.axes[0]
    dots = [line.get_xydata().tolist()[0] for line in axes.lines if line.get_markersize() == 5]
    assert dots == [[2, 0.04], [3, figures.LEAST_P]]  # what is below the edge stands on it
    paths = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert [to_hex(line.get_color()) == style.RED.lower() for line in paths] == [False, True, True]
    assert read.legend(figure) == ["2 of 3 were below on some day, 1 on the last", "1 never were"]


def test_a_result_grows_within_both_its_bands(read):
    days = np.arange(1, 7)
    table = pd.DataFrame(
        {"difference": 0.02, "margin": 0.1 / days, "valid margin": 0.2 / days}, index=days
    )
    figure = figures.growing(table, 0.025, planned=4)
    axes = figure.axes[0]
    wide, narrow = (band.get_paths()[0].vertices[:, 1] for band in axes.collections)
    assert (wide.min(), wide.max()) == pytest.approx((2 - 20, 2 + 20))  # percentage points
    assert (narrow.min(), narrow.max()) == pytest.approx((2 - 10, 2 + 10))
    assert read.lines(axes)["the truth"].get_ydata()[0] == pytest.approx(2.5)
    np.testing.assert_allclose(read.lines(axes)["difference so far"].get_ydata(), 2)
    assert any(list(line.get_xdata()) == [4, 4] for line in axes.lines)
    low, high = axes.get_ylim()
    # From the third day on all of the narrow band is seen, and zero.
    assert low < 2 - 10 / 3 < 2 + 10 / 3 < high < 12


def test_the_choice_of_each_metric_is_ringed():
    table = pd.DataFrame(
        {
            "rmse": [0.9, 0.8, 0.8, np.nan],
            "ndcg@10": [0.05, 0.02, np.nan, 0.09],
            "online": [0.5, 0.2, 0.4, 0.21],
            "error": 0.01,
        },
        index=["good", "precise", "the same, cut", "famous"],
    )
    figure = figures.offline_online(table)
    for axes, rings, points in (
        (figure.axes[0], [[0.8, 0.2], [0.8, 0.4]], [[0.9, 0.5], [0.8, 0.2], [0.8, 0.4]]),
        (figure.axes[1], [[0.09, 0.21]], [[0.05, 0.5], [0.02, 0.2], [0.09, 0.21]]),
    ):
        ring = next(line for line in axes.lines if line.get_markersize() == 16)
        assert ring.get_xydata().tolist() == rings
        star = next(line for line in axes.lines if line.get_marker() == "*")
        assert star.get_xydata().tolist() == [points[0]]
        drawn = [bar.lines[0].get_xydata().tolist()[0] for bar in axes.containers]
        assert drawn == points
        ends = axes.containers[0].lines[2][0].get_segments()[0][:, 1]
        np.testing.assert_allclose(ends, [0.48, 0.52])
    assert [axes.xaxis_inverted() for axes in figure.axes] == [True, False]  # right is better
    names = {text.get_text(): text.xyann[1] for text in figure.axes[1].texts}
    assert sorted(names, key=names.get) == list(table["online"].sort_values().index)
