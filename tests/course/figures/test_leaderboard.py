import numpy as np
import pandas as pd

from course.figures import leaderboard as figures
from course.figures import style


def test_a_contest_has_a_row_a_model_and_the_winner_no_gap():
    table = pd.DataFrame(
        {
            "ndcg@10": [0.8, 0.82, 0.9], "low": [0.7, 0.75, 0.85], "high": [0.9, 0.91, 0.95],
            "gap": [0, 0.02, 0.1], "gap low": [0, 0.01, 0.08], "gap high": [0, 0.03, 0.12],
        },
        index=["winner", "next", "last"],
    )  # fmt: skip
    left, right = figures.contest(table, "ndcg@10", "NDCG@10").axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["last", "next", "winner"]
    segments = [[s[:, 0].tolist() for s in axes.collections[0].get_segments()]
                for axes in (left, right)]  # fmt: skip
    assert segments == [[[0.7, 0.9], [0.75, 0.91], [0.85, 0.95]], [[0.01, 0.03], [0.08, 0.12]]]
    rows = [s[0, 1] for s in right.collections[0].get_segments()]
    assert rows == [1, 0]  # the rows of the left panel
    assert "winner" in right.get_xlabel()


def test_a_model_without_ratings_is_a_line_across(read):
    table = pd.DataFrame(
        {
            "rmse": [0.8, 0.9, np.nan], "rmse low": [0.7, 0.85, np.nan],
            "rmse high": [0.85, 0.95, np.nan], "ndcg@10": [0.05, 0.04, 0.12],
            "ndcg@10 low": [0.04, 0.03, 0.11], "ndcg@10 high": [0.06, 0.05, 0.13],
        },
        index=["A", "B", "P"],
    )  # fmt: skip
    figure = style.save(
        figures.two_orders(table, "rmse", "ndcg@10", ("RMSE (stars)", "NDCG@10")), "x"
    )
    axes = figure.axes[0]
    points = {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in axes.lines}
    assert (points["A"], points["B"]) == (([0.8], [0.05]), ([0.9], [0.04]))
    assert any(list(line.get_ydata()) == [0.12, 0.12] for line in axes.lines)
    assert read.words(axes) == ["P"]
    assert read.legend(figure) == ["A", "B"]
