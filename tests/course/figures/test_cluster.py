import numpy as np
import pandas as pd
import pytest

from course.figures import cluster, style


@pytest.fixture(autouse=True)
def _look():
    style.use_style()


def test_each_rating_stands_in_its_block_once_by_user_and_once_by_item():
    users = np.array([0, 1, 2, 3, 4, 0])
    items = np.array([0, 2, 1, 3, 0, 3])
    figure = cluster.blocks(users, items, (5, 4), 2)
    plain, by_user, by_item = figure.axes
    assert plain.lines[0].get_xydata().tolist() == np.column_stack([items, users]).tolist()
    dots = [line for line in by_user.lines if line.get_marker() in ("o", "s")]
    first, second = (sorted(line.get_ydata()) for line in dots)
    edge = by_user.lines[2].get_ydata()[0]
    assert max(first) < edge < min(second)  # users 0, 2, 4 above the line; 1, 3 below
    assert len(first) == 4
    assert len(second) == 2
    needed = by_user.lines[-1]
    assert list(needed.get_xdata()) == [0, 1, 3]
    dots = [line for line in by_item.lines if line.get_marker() in ("o", "s")]
    assert max(dots[0].get_xdata()) < min(dots[1].get_xdata())
    style.save(figure, "x")


def test_what_travels_is_drawn_in_megabytes():
    table = pd.DataFrame({"broadcast": [2e6, 4e6], "shuffle": [1e6, 3e6]}, index=[2, 4])
    axes = cluster.travel(table, limit=8e6).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn["broadcast"] == [2, 4]
    assert drawn["shuffle"] == [1, 3]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "4"]
    assert "megabytes" in axes.get_ylabel()


def test_each_contender_is_a_line_with_its_last_figure():
    curve = pd.DataFrame({"ratings": [1e6, 4e6], "seconds": [0.1, 0.4]})
    other = curve.assign(seconds=[2.0, 5.5])
    axes = cluster.scaling({"one machine": curve, "Spark": other}).axes[0]
    assert [line.get_label() for line in axes.lines] == ["one machine", "Spark"]
    assert [text.get_text() for text in axes.texts] == ["0.4 s", "5.5 s"]
    assert len({line.get_marker() for line in axes.lines}) == 2
    assert axes.get_xscale() == axes.get_yscale() == "log"
