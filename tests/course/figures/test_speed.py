import numpy as np
import pandas as pd
import pytest

from course.figures import speed


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
