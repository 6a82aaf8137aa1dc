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
    best = read.values(next(axes for axes in figure.axes if axes.get_xlabel() == "trials made"))
    assert best["grid"] == [0.88, 0.88, 0.87]
    assert best["TPE"] == [0.89, 0.86, 0.86, 0.85]
    assert best["_TPE"] == [0.9, 0.9, 0.87, 0.87]
