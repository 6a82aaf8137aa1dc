import numpy as np
import pandas as pd
import pytest

from course.figures import leaderboard as figures
from course.figures import style


@pytest.fixture
def curve():
    return pd.DataFrame(
        {
            "model": ["BiasALS", "ALS", "GenreALS"] * 2,
            "n": [10, 10, 10, 40, 40, 40],
            "rmse": [0.90, 0.89, 0.88, 0.86, 0.80, 0.79],
        }
    )


def test_the_curve_shows_each_model_its_band_and_the_floor(read, curve):
    bands = {"BiasALS": 0.84, "ALS": 0.7503, "GenreALS": 0.75}
    axes = figures.learning(curve, bands, 0.745, within=0.02).axes[0]
    lines = read.lines(axes)
    for name, rows in curve.groupby("model"):
        np.testing.assert_array_equal(lines[name].get_xydata(), rows[["n", "rmse"]])
    assert any(set(line.get_ydata()) == {0.745} for line in axes.lines)
    heights = sorted(
        (path.vertices[:, 1].min(), path.vertices[:, 1].max())
        for band in axes.collections
        for path in band.get_paths()
    )
    # Bands that are nearly the same are one.
    np.testing.assert_allclose(heights, [(0.75, 0.765), (0.84, 0.84 * 1.02)])
    assert any("GenreALS and ALS" in text and "2%" in text for text in read.words(axes))
    assert read.ticks(axes.xaxis) == ["10", "40"]


def test_parts_stack_up_to_the_squared_error(read):
    table = pd.DataFrame(
        {
            "model": ["A", "A", "B", "B"], "n": [10, 40, 10, 40], "chance": [0.5] * 4,
            "form": [0.1, 0.1, 0.0, 0.0], "to learn": [0.2, 0.05, 0.4, 0.1],
        }
    )  # fmt: skip
    figure = figures.parts(table)
    assert [axes.get_title() for axes in figure.axes] == ["A", "B"]
    tops = [max(path.vertices[:, 1].max() for path in area.get_paths())
            for axes in figure.axes for area in axes.collections]  # fmt: skip
    np.testing.assert_allclose(tops, [0.5, 0.6, 0.8, 0.5, 0.5, 0.9])
    assert read.legend(figure) == ["not yet learnt", "beyond the model's form", "chance"]


def test_alone_and_paired_share_their_rows():
    alone = pd.DataFrame(
        {"value": [0.8, 0.82, 0.9], "low": [0.7, 0.75, 0.85], "high": [0.9, 0.91, 0.95]},
        index=["best", "next", "last"],
    )
    paired = pd.DataFrame(
        {"value": [0.02, 0.1], "low": [0.01, 0.08], "high": [0.03, 0.12]}, index=["next", "last"]
    )
    figure = figures.alone_and_paired(alone, paired, "RMSE")
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["last", "next", "best"]
    segments = [[s[:, 0].tolist() for s in axes.collections[0].get_segments()]
                for axes in figure.axes]  # fmt: skip
    assert segments == [[[0.7, 0.9], [0.75, 0.91], [0.85, 0.95]], [[0.01, 0.03], [0.08, 0.12]]]
    rows = [s[0, 1] for s in right.collections[0].get_segments()]
    assert rows == [1, 0]  # the rows of the left panel


def test_every_split_is_a_line_over_the_models_best_first():
    table = pd.DataFrame(
        {"model": ["P", "A", "B"] * 2, "seed": [0, 0, 0, 1, 1, 1],
         "rmse": [np.nan, 0.9, 0.8, np.nan, 0.92, 0.81]}
    )  # fmt: skip
    axes = figures.by_split(table).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["B", "A"]
    assert [list(line.get_ydata()) for line in axes.lines] == [[0.8, 0.9], [0.81, 0.92]]


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
