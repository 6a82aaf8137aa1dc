import io

import numpy as np
import pandas as pd
import pytest

from course.figures import newcomers


def test_places_end_with_their_titles_apart():
    curves = {
        "A title that is a good deal too long to be shown": pd.Series([3.0, 3.5], index=[0, 40]),
        "B": pd.Series([3.2, 3.51], index=[0, 100]),
        "C": pd.Series([3.1, 2.0], index=[0, 10]),
    }
    figure = newcomers.places(curves, [3.6, 3.5, 1.9])
    axes = figure.axes[0]
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_ls() == "-"]
    assert [list(line.get_ydata()) for line in drawn] == [[3.0, 3.5], [3.2, 3.51], [3.1, 2.0]]
    dotted = [line.get_ydata()[0] for line in axes.lines if line.get_ls() == ":"]
    assert dotted == [3.6, 3.5, 1.9]
    texts = [text.get_text() for text in axes.texts]
    assert texts[0].endswith("…") and len(texts[0]) <= newcomers.LONGEST and texts[1:] == ["B", "C"]
    heights = sorted(text.xy[1] for text in axes.texts)
    assert np.diff(heights).min() >= 0.055 * (3.6 - 1.9) - 1e-6
    assert axes.get_xlim() == (0, 100)
    figure.savefig(io.BytesIO())
    right = max(text.get_window_extent().x1 for text in axes.texts)
    assert right <= figure.bbox.x1  # nothing is cut off


CURVES = pd.DataFrame(
    {"bias": [1.1, 1.0, 0.95], "plain": [1.0, 0.8, 0.7], "prior": [0.9, 0.7, 0.6]},
    index=[0, 1, 3],
)


def test_learning_curves_and_where_one_reaches_the_other():
    figure = newcomers.learning_curves(
        {"film": CURVES, "user": CURVES[["plain"]]}, "RMSE", mark=("prior", "plain")
    )
    left, right = figure.axes
    assert {line.get_label(): list(line.get_ydata()) for line in left.lines[:3]} == {
        name: list(CURVES[name]) for name in CURVES
    }
    assert [label.get_text() for label in left.get_xticklabels()] == ["0", "1", "3"]
    assert (left.get_xlabel(), right.get_xlabel(), left.get_ylabel()) == ("film", "user", "RMSE")
    assert len(right.lines) == 1
    assert [text.get_text() for text in left.texts] == ["0.5 ratings"]
    np.testing.assert_allclose(left.lines[-1].get_xdata(), np.log2(1.5))
    np.testing.assert_allclose(left.lines[-1].get_ydata(), 0.9)


def test_the_crossing():
    assert newcomers.crossing(CURVES, "prior", "plain") == pytest.approx(0.5)
    assert newcomers.crossing(CURVES, "plain", "bias") == pytest.approx(1.0)
    assert newcomers.crossing(CURVES, "bias", "prior") == 0
    assert np.isnan(newcomers.crossing(CURVES, "prior", "bias"))
    figure = newcomers.learning_curves({"film": CURVES}, "RMSE", mark=("prior", "bias"))
    axes = figure.axes[0]
    assert not axes.texts  # the level is drawn to the end, and no crossing
    np.testing.assert_allclose(axes.lines[-1].get_xdata(), [0, 2])


def test_gains_with_their_intervals_and_shares():
    table = pd.DataFrame(
        {"gain": [0.05, 0.01], "low": [0.02, -0.01], "high": [0.09, 0.03], "share": [0.25, 0.75]},
        index=["0", "> 0"],
    )
    figure = newcomers.gains({"of the film": table, "of the user": table[1:]})
    left, right, left_below, right_below = figure.axes
    points, _, bars = left.containers[0].lines
    assert list(points.get_ydata()) == [0.05, 0.01]
    ends = np.array([segment[:, 1] for segment in bars[0].get_segments()])
    np.testing.assert_allclose(ends, [[0.02, 0.09], [-0.01, 0.03]])
    assert [bar.get_height() for bar in left_below.patches] == [0.25, 0.75]
    assert [label.get_text() for label in right_below.get_xticklabels()] == ["> 0"]
    assert (left_below.get_xlabel(), right_below.get_xlabel()) == ("of the film", "of the user")
    assert "stars" in left.get_ylabel()
    assert left.get_ylim() == right.get_ylim()
