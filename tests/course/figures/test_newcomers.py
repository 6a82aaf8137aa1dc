import numpy as np
import pandas as pd

from course.figures import newcomers

CURVES = pd.DataFrame(
    {"bias": [1.1, 1.0, 0.95], "plain": [1.0, 0.8, 0.7], "prior": [0.9, 0.7, 0.6]},
    index=[0, 1, 3],
)


def test_learning_curves_share_an_axis():
    figure = newcomers.learning_curves({"film": CURVES, "user": CURVES[["plain"]]}, "RMSE")
    left, right = figure.axes
    assert {line.get_label(): list(line.get_ydata()) for line in left.lines[:3]} == {
        name: list(CURVES[name]) for name in CURVES
    }
    assert [label.get_text() for label in left.get_xticklabels()] == ["0", "1", "3"]
    assert (left.get_xlabel(), right.get_xlabel(), left.get_ylabel()) == ("film", "user", "RMSE")
    assert len(right.lines) == 1


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
