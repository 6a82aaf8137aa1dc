import numpy as np
import pandas as pd
import pytest

from course.figures import genres, style


@pytest.fixture(autouse=True)
def _look():
    style.use_style()


def test_errors_by_class_with_their_shares():
    table = pd.DataFrame(
        {"ALS": [1.0, 0.8], "GenreALS": [0.9, 0.79], "share": [0.2, 0.8]}, index=["0", "> 0"]
    )
    figure = style.save(genres.error_by_count(table), "x")
    axes, below = figure.axes
    assert {line.get_label(): list(line.get_ydata()) for line in axes.lines} == {
        "ALS": [1.0, 0.8], "GenreALS": [0.9, 0.79]
    }  # fmt: skip
    assert [bar.get_height() for bar in below.patches] == [0.2, 0.8]
    assert [label.get_text() for label in below.get_xticklabels()] == ["0", "> 0"]


def test_solver_errors_on_a_logarithmic_axis():
    figure = style.save(genres.solver_errors({"a": [1, 2, 4], "b": [1, 0.1, 0.01]}), "x")
    assert figure.axes[0].get_yscale() == "log"
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[1, 2, 4], [1, 0.1, 0.01]]


def test_genres_are_sorted_by_bias():
    figure = genres.genre_biases(["A", "B", "C"], np.array([0.1, -0.2, 0.3]), np.array([1, 2, 3]))
    axes = style.save(figure, "x").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [-0.2, 0.1, 0.3]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["B (2)", "A (1)", "C (3)"]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()


def test_contributions_end_at_their_sum():
    table = pd.DataFrame({"part": ["mean", "Drama", "own"], "contribution": [3.5, -0.25, 0.5]})
    axes = style.save(genres.contributions(table), "x").axes[0]
    *parts, total = axes.patches
    assert [(bar.get_x(), bar.get_width()) for bar in parts] == [
        (0, 3.5),
        (3.5, -0.25),
        (3.25, 0.5),
    ]
    assert total.get_width() == 3.75
    texts = [text.get_text().strip() for text in axes.texts]
    assert texts == ["+3.50", "-0.25", "+0.50", "3.75"]


def test_tenths_of_users_by_prediction():
    predicted = np.arange(100.0)
    figure = style.save(genres.against_truth(predicted, 2 * predicted, ("p", "g")), "x")
    points = figure.axes[0].containers[0].lines[0]
    np.testing.assert_allclose(points.get_xdata(), np.arange(10) * 10 + 4.5)
    np.testing.assert_allclose(points.get_ydata(), 2 * points.get_xdata())


def test_expected_ratings_are_bars_with_their_numbers():
    figure = genres.expected(["user 1", "user 2"], np.array([3.25, 5.4]), (0.5, 5.0))
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [3.25, 5.4]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["user 1", "user 2"]
    assert [text.get_text() for text in axes.texts] == ["3.25", "5.40"]
    style.save(figure, "x")
