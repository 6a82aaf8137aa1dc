import numpy as np
import pandas as pd
import pytest

from course.figures import bias, style


@pytest.fixture(autouse=True)
def _look():
    style.use_style()


def test_the_funnel_narrows_with_the_square_root_of_the_ratings():
    counts, means = np.array([1, 4, 100, 400]), np.array([0.5, 5.0, 3.5, 3.6])
    axes = style.save(bias.funnel(counts, means, 3.5, 1.0), "x").axes[0]
    low, high = (line for line in axes.lines if len(line.get_xdata()) == 200)
    n, width = low.get_xdata(), high.get_ydata() - low.get_ydata()
    np.testing.assert_allclose(width[n > 10], (4 / np.sqrt(n))[n > 10])
    points = axes.collections[0].get_offsets()
    np.testing.assert_array_equal(points[:, 1], means)
    assert axes.get_xscale() == "log"
    assert "stars" in axes.get_ylabel()


def test_the_least_validation_error_is_marked():
    gammas = np.array([1.0, 3.0, 9.0])
    figure = bias.damping_curve(gammas, np.array([0.7, 0.8, 0.9]), np.array([0.95, 0.9, 0.93]))
    (marked,) = (line for line in figure.axes[0].lines if line.get_label() == "chosen")
    assert (marked.get_xdata(), marked.get_ydata()) == ([3.0], [0.9])
    style.save(figure, "x")


def test_the_ladder_is_sorted_and_shows_the_floor():
    figure = bias.ladder({"best": 0.8, "worst": 1.1, "middle": 0.9}, floor=0.7)
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.8, 0.9, 1.1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["best", "middle", "worst"]
    assert any(list(line.get_xdata()) == [0.7, 0.7] for line in axes.lines)
    assert axes.get_xlim()[0] < 0.7
    style.save(figure, "x")


def test_moved_films_stand_in_the_tables_order():
    table = pd.DataFrame({"title": ["A", "B" * 60], "plain": [3.0, 4.0], "unbiased": [3.5, 3.8]})
    figure = bias.moved(table)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "B" * 40 + "…"]
    plain, unbiased = axes.lines
    assert list(plain.get_xdata()) == [3.0, 4.0]
    assert list(unbiased.get_xdata()) == [3.5, 3.8]
    assert list(plain.get_ydata()) == [1, 0]
    style.save(figure, "x")


def test_figures_are_written_as_svg_and_pdf(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_FIGURES", str(tmp_path / "here"))
    for _ in range(2):
        style.save(bias.ladder({"a": 1.0}), "ladder")
        files = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
        assert set(files) == {"ladder.svg", "ladder.pdf"}
    again = files["ladder.svg"]
    style.save(bias.ladder({"a": 1.0}), "ladder")
    assert (tmp_path / "here" / "ladder.svg").read_bytes() == again


def test_each_damping_has_a_cloud_of_its_own():
    counts = np.array([1, 10, 100])
    clouds = {"none": np.array([5.0, 4.0, 3.5]), "much": np.array([3.6, 3.7, 3.5])}
    figure = bias.damped_clouds(counts, clouds, 3.5)
    for axes, (name, estimates) in zip(figure.axes, clouds.items(), strict=True):
        points = axes.collections[0].get_offsets()
        np.testing.assert_array_equal(points, np.column_stack([counts, estimates]))
        assert name in axes.get_xlabel()
    style.save(figure, "x")
