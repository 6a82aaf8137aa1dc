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
    (axes,) = speed.race(curves).axes
    for name, curve in curves.items():
        np.testing.assert_array_equal(read.lines(axes)[name].get_xydata(), curve)
    assert len({read.lines(axes)[name].get_color() for name in names}) == 8
    assert len({read.lines(axes)[name].get_marker() for name in names}) == 8
    assert read.words(axes) == names  # from the lowest end to the highest
    assert read.overlapping(axes.texts) == 0


def test_epochs_are_sorted_with_median_and_range(read):
    table = pd.DataFrame(
        {"value": [8.0, 0.5, 2.0], "low": [7.0, 0.4, 1.0], "high": [9.0, 0.8, 3.0]},
        index=["Spark", "recsys_lib", "LIBMF"],
    )
    (axes,) = speed.epochs(table).axes
    order = ["recsys_lib", "LIBMF", "Spark"]
    assert read.ticks(axes.yaxis) == order
    assert axes.yaxis_inverted()  # the fastest at the top
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), table.loc[order, "value"])
    ranges = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
    assert ranges == table.loc[order, ["low", "high"]].to_numpy().tolist()
    assert read.words(axes) == ["0.50 s", "2.0 s", "8.0 s"]
    assert read.overlapping(axes.texts) == 0


def test_the_roof_is_the_lower_of_both_limits(read):
    table = pd.DataFrame({"intensity": [2.0, 8.0], "rate": [1.0, 30.0]}, index=["slow", "fast"])
    (axes,) = speed.roofline(table, peak=100.0, bandwidth=20.0).axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert read.lines(axes)["roof"].get_xydata().tolist() == [[1, 20], [5, 100], [32, 100]]
    assert read.lines(axes)["measured"].get_xydata().tolist() == table.to_numpy().tolist()
    assert read.words(axes) == ["slow", "fast"]
