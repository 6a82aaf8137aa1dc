import numpy as np
import pandas as pd

from course.figures import genres


def test_gains_with_their_intervals_and_shares(read):
    table = pd.DataFrame(
        {"gain": [0.05, 0.01], "low": [0.02, -0.01], "high": [0.09, 0.03], "share": [0.25, 0.75]},
        index=["0", "> 0"],
    )
    above, below = genres.gains(table, "of the film").axes
    points, _, bars = above.containers[0].lines
    assert list(points.get_ydata()) == [0.05, 0.01]
    ends = np.array([segment[:, 1] for segment in bars[0].get_segments()])
    np.testing.assert_allclose(ends, [[0.02, 0.09], [-0.01, 0.03]])
    assert [bar.get_height() for bar in below.patches] == [0.25, 0.75]
    assert read.ticks(below.xaxis) == ["0", "> 0"]
