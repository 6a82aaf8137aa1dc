import numpy as np
import pandas as pd
import pytest

from course.figures import als


def test_the_valleys_show_both_paths_and_the_bottom_of_the_cut(read):
    y, tau = 1.0, 0.1
    corner = np.array([[0.1, 0.4], [0.4 / (0.16 + tau), 0.4]])
    slope = np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]])
    figure = als.valleys(y, tau, corner, slope)
    map_, cuts = figure.axes
    np.testing.assert_array_equal(read.lines(map_)["alternating"].get_xydata(), corner)
    np.testing.assert_array_equal(read.lines(map_)["gradient descent"].get_xydata(), slope)
    cut = read.lines(cuts)["p alone, q = 0.4"]
    (bottom,) = (line for line in cuts.lines if len(line.get_xdata()) == 1)
    assert bottom.get_xdata()[0] == pytest.approx(corner[1, 0])
    assert bottom.get_ydata()[0] <= cut.get_ydata().min()  # the cut is sampled, the bottom is not
    assert np.all(np.diff(cut.get_ydata(), 2) > 0)  # a parabola
    assert np.any(np.diff(read.lines(cuts)["p = q, both at once"].get_ydata(), 2) < 0)  # a hump


def test_progress_tells_the_sides_apart_and_draws_the_levels(read):
    history = pd.DataFrame(
        {"epoch": [1, 2], "rmse_train": [0.8, 0.7], "rmse_valid": [0.95, 0.9], "seconds": [1, 1]}
    )
    figure = als.progress([4.0, 3.0, 2.5, 2.4], history, {"biases only": 0.92, "noise floor": 0.75})
    left, right = figure.axes
    assert list(read.lines(left)["users solved"].get_ydata()) == [4.0, 2.5]
    assert list(read.lines(left)["films solved"].get_ydata()) == [3.0, 2.4]
    assert list(read.lines(left)["films solved"].get_xdata()) == [1.0, 2.0]
    assert list(read.lines(right)["validation"].get_ydata()) == [0.95, 0.9]
    assert set(read.lines(right)["noise floor"].get_ydata()) == {0.75}
    assert "stars" in right.get_ylabel()


def a_run(values):
    n = len(values)
    return pd.DataFrame({"tau": np.geomspace(0.3, 9, n), "gamma": np.full(n, 2.0), "value": values})


def test_the_contest_shows_where_each_looked_and_its_best_so_far(read):
    runs = {
        "grid": [a_run([0.88, 0.9, 0.87])],
        "TPE": [a_run([0.89, 0.86, 0.861, 0.85]), a_run([0.9, 0.95, 0.87, 0.88])],
    }
    figure = als.contest(runs, ("tau", "gamma"))
    panels = {axes.get_title(): axes for axes in figure.axes}
    for name, (run, *_) in runs.items():
        (dots,) = panels[name].collections
        np.testing.assert_array_equal(dots.get_offsets(), run[["tau", "gamma"]])
        np.testing.assert_array_equal(dots.get_array(), run["value"])
        (ring,) = panels[name].lines
        assert ring.get_xdata()[0] == run.loc[run["value"].idxmin(), "tau"]
    assert panels["grid"].get_xlim() == panels["TPE"].get_xlim()
    assert (panels["grid"].get_xlabel(), panels["grid"].get_ylabel()) == ("τ", "γ")
    best = next(axes for axes in figure.axes if axes.get_xlabel() == "trials made")
    assert list(read.lines(best)["grid"].get_ydata()) == [0.88, 0.88, 0.87]
    assert list(read.lines(best)["TPE"].get_ydata()) == [0.89, 0.86, 0.86, 0.85]
    assert list(read.lines(best)["_TPE"].get_ydata()) == [0.9, 0.9, 0.87, 0.87]
    assert "stars" in best.get_ylabel()


def test_one_wild_trial_does_not_flatten_the_contest():
    figure = als.contest({"random": [a_run([9.0, 0.87, 0.86])]}, ("tau", "gamma"))
    best = next(axes for axes in figure.axes if axes.get_xlabel() == "trials made")
    assert best.get_ylim()[1] < 1.0
    (dots,) = figure.axes[0].collections
    assert dots.norm.vmax < 1.0


def test_draws_show_distances_from_each_mean(read):
    table = pd.DataFrame({"biases only": [0.86, 0.88], "ALS": [0.84, 0.85]}, index=[7, 8])
    figure = als.draws(table)
    left, right = figure.axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["7", "8"]
    assert list(read.lines(left)["ALS"].get_ydata()) == [0.84, 0.85]
    strays = [line.get_xdata() for line in right.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(strays[:3], [[-10, 10], [-5, 5], [-5, 5]])
    assert "thousandths" in right.get_xlabel()


def test_descent_has_a_panel_for_each_schedule(read):
    exact = pd.DataFrame({"epoch": [1, 2], "rmse_valid": [0.9, 0.86]})
    runs = pd.DataFrame(
        {
            "schedule": ["constant", "constant", "falling", "falling"],
            "rate": [0.01, 0.01, 0.1, 0.1],
            "epoch": [1, 2, 1, 2],
            "rmse": [0.95, 0.92, 0.91, 0.9],
        }
    )
    constant, falling = als.descent(exact, runs).axes
    for axes in (constant, falling):
        assert list(read.lines(axes)["ALS"].get_ydata()) == [0.9, 0.86]
    assert list(read.lines(constant)["SGD, step 0.01"].get_ydata()) == [0.95, 0.92]
    assert list(read.lines(falling)["SGD, step 0.1"].get_ydata()) == [0.91, 0.9]
    assert "falling" in falling.get_xlabel()


def test_ends_are_drawn_a_line_for_each_first_value():
    values = [np.array([2, 8]), np.array([0.1, 1.0, 4.0])]
    train, valid = np.arange(6.0).reshape(2, 3), np.arange(6.0, 12).reshape(2, 3)
    figure = als.ends(values, ("K", "τ"), train, valid)
    for axes, part in zip(figure.axes, (train, valid), strict=True):
        np.testing.assert_array_equal([line.get_ydata() for line in axes.lines], part)
        assert "τ" in axes.get_xlabel()
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["K = 2", "K = 8"]
