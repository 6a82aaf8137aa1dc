import matplotlib.colors as colors
import numpy as np
import pandas as pd
import pytest

from course.figures import protocol, style


@pytest.fixture(autouse=True)
def _look():
    style.use_style()


def test_each_metric_is_a_line_over_the_ranks():
    table = pd.DataFrame({"recall": [1.0, 1.0, 0.0], "NDCG": [1.0, 0.63, 0.0]}, index=[1, 2, 3])
    figure = protocol.worth(table)
    axes = figure.axes[0]
    drawn = {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines
    }
    assert drawn == {
        "recall": ([1, 2, 3], [1.0, 1.0, 0.0]),
        "NDCG": ([1, 2, 3], [1.0, 0.63, 0.0]),
    }
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["recall", "NDCG"]
    assert len({line.get_marker() for line in axes.lines}) == 2  # told apart without colour
    assert "rank" in axes.get_xlabel()
    style.save(figure, "x")


@pytest.mark.parametrize(
    ("sizes", "ticks"),
    [
        ([10, 100, 1000, 9742], ["10", "100", "1,000", "all\n(9,742)"]),
        ([10, 100, 1000, 1100], ["10", "100", "all\n(1,100)"]),  # labels that would touch
    ],
)
def test_the_whole_catalogue_is_the_last_point_of_each_model(sizes, ticks):
    table = pd.DataFrame({"A": [0.9, 0.5, 0.2, 0.04], "B": [0.8, 0.6, 0.1, 0.05]}, index=sizes)
    figure = protocol.negatives(table)
    axes = figure.axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    for name in table:
        np.testing.assert_array_equal(lines[name].get_xdata(), sizes)
        np.testing.assert_array_equal(lines[name].get_ydata(), table[name])
    assert [label.get_text() for label in axes.get_xticklabels()] == ticks
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "0.05", "0.1", "0.2", "0.5", "1",
    ]  # fmt: skip
    assert any(list(line.get_xdata()) == [100, 100] for line in axes.lines)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "NDCG" in axes.get_ylabel()
    style.save(figure, "x")


def test_values_of_one_name_are_sorted_and_ours_stands_out():
    figure = protocol.one_name({"low": 0.1, "high": 0.8, "ours": 0.3}, "ours")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["low", "ours", "high"]
    assert [label.get_fontweight() for label in axes.get_yticklabels()] == [
        "normal",
        "bold",
        "normal",
    ]
    stems, dots = axes.collections
    assert [segment[1][0] for segment in stems.get_segments()] == [0.1, 0.3, 0.8]
    np.testing.assert_array_equal(dots.get_offsets(), [[0.1, 0], [0.3, 1], [0.8, 2]])
    assert [colors.to_hex(c).upper() for c in dots.get_facecolors()] == [
        style.ORANGE, style.BLUE, style.ORANGE,
    ]  # fmt: skip
    assert [text.get_text() for text in axes.texts] == ["0.10", "0.30", "0.80"]
    assert axes.get_xlim()[0] == 0
    (mark,) = axes.lines
    assert list(mark.get_xdata()) == [0.3, 0.3]
    style.save(figure, "x")
