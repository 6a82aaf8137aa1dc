import numpy as np
import pandas as pd

from course.figures import newcomers


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
    assert left.get_ylim() == right.get_ylim()
