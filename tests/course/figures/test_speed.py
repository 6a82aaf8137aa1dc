import numpy as np
import pandas as pd
import pytest

from course.figures import speed


def test_steps_go_down_from_the_slowest_each_with_its_gain(read):
    table = pd.DataFrame({"ns": [250_000.0, 1000.0, 400.0, 20.0]}, index=list("abcd"))
    figure = speed.steps(table)
    (axes,) = figure.axes
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(ends, table["ns"])
    assert read.ticks(axes.yaxis) == list("abcd")
    assert read.words(axes) == [
        "250,000 ns",
        "1,000 ns, 250 × as fast as above",
        "400 ns, 2.5 × as fast as above",
        "20 ns, 20 × as fast as above",
    ]


def a_race(names, end=0.8):
    return {
        name: pd.DataFrame(
            {"seconds": (i + 1.0) * np.arange(1, 4), "quality": [0.9, 0.85, end + i * 1e-4]}
        )
        for i, name in enumerate(names)
    }


@pytest.mark.parametrize("end", [0.8, 0.95])  # all end at the bottom, all at the top
def test_eight_in_a_race_look_different_and_their_names_keep_apart(read, end):
    names = ["recsys_lib", *(f"library {i}, Cholesky" for i in range(7))]
    curves = a_race(names, end)
    (axes,) = speed.race(curves, "a metric").axes
    for name, curve in curves.items():
        np.testing.assert_array_equal(read.lines(axes)[name].get_xydata(), curve)
    assert len({read.lines(axes)[name].get_color() for name in names}) == 8
    assert len({read.lines(axes)[name].get_marker() for name in names}) == 8
    assert read.words(axes) == names  # from the lowest end to the highest
    assert read.overlapping(axes.texts) == 0


def test_epochs_are_sorted_and_what_was_not_measured_is_not_drawn(read):
    table = pd.DataFrame(
        {16: [4.0, 0.4, 1.0], 32: [8.0, 0.5, 2.0], 64: [np.nan, 2.0, 5.0]},
        index=["Spark", "recsys_lib", "LIBMF"],
    )
    figure = speed.epochs(table)
    (axes,) = figure.axes
    order = ["recsys_lib", "LIBMF", "Spark"]
    assert read.ticks(axes.yaxis) == order
    assert axes.yaxis_inverted()  # the fastest at the top
    for factors in table:
        dots = read.lines(axes)[f"K = {factors}"]
        np.testing.assert_array_equal(dots.get_xdata(), table.loc[order, factors])
        np.testing.assert_array_equal(np.round(dots.get_ydata()), [0, 1, 2])
    assert read.words(axes) == [
        *("0.40 s", "2.5 ×", "10 ×"),
        *("0.50 s", "4.0 ×", "16 ×"),
        *("2.0 s", "2.5 ×"),
    ]
    assert read.overlapping(axes.texts) == 0


def test_the_roof_stacks_the_parts_beside_the_whole_and_the_floor(read):
    table = pd.DataFrame(
        {
            "gather": [0.1, 0.2],
            "sums": [0.3, 1.0],
            "solve": [0.2, 0.6],
            "measured": [0.7, 1.5],
            "arithmetic": [0.1, 0.6],
        },
        index=[16, 64],
    )
    figure = speed.roof(table)
    (axes,) = figure.axes
    assert axes.get_xscale() == "linear"  # stacked lengths add up only there
    left = np.zeros(2)
    for part, bars in zip(("gather", "sums", "solve"), axes.containers, strict=True):
        np.testing.assert_allclose([bar.get_x() for bar in bars], left)
        np.testing.assert_allclose([bar.get_width() for bar in bars], table[part])
        left += table[part]
    whole = read.lines(axes)["the whole epoch, measured"]
    floor = read.lines(axes)["the arithmetic alone, at peak speed"]
    np.testing.assert_array_equal(whole.get_xdata(), table["measured"])
    np.testing.assert_array_equal(floor.get_xdata(), table["arithmetic"])
    assert read.ticks(axes.yaxis) == ["K = 16", "K = 64"]
    assert read.words(axes) == ["0.70 s, 7.0 × the arithmetic", "1.5 s, 2.5 × the arithmetic"]
