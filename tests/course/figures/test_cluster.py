import numpy as np

from course.figures import cluster


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
