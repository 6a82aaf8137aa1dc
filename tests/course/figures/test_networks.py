"""The figures on likes and networks."""

import numpy as np
import pandas as pd
import pytest

from course.figures import networks


def test_shares_of_watch_ratios_add_up_with_what_is_beyond(read):
    big = np.concatenate([np.full(75, 0.52), np.full(25, 9.0)])
    figure = networks.ratios({"big": big, "small": np.full(4, 1.02)}, 2.0)
    (axes,) = figure.axes
    steps = axes.patches[0].get_data()
    assert steps.values.sum() == pytest.approx(0.75)
    assert steps.edges[steps.values.argmax()] == pytest.approx(0.5)
    assert read.legend(axes) == ["big (25.0% above 4)", "small (0.0% above 4)"]


def test_losses_are_shares_and_the_best_epoch_is_ringed():
    table = pd.DataFrame(
        {"epoch": [1, 2, 3], "loss": [8.0, 4.0, 2.0], "ndcg_valid": [0.1, 0.3, 0.2]}
    )
    left, right = networks.learning({"two towers": table}).axes
    assert left.lines[0].get_ydata().tolist() == [1, 0.5, 0.25]
    ring = right.lines[1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (2, 0.3)


def test_standings_have_a_row_a_model_and_a_line_for_the_oracle():
    films = pd.DataFrame(
        {"ndcg@10": [0.1, 0.3], "low": [0.05, 0.2], "high": [0.15, 0.4]}, index=["random", "EASE"]
    )
    videos = pd.concat([films, films.iloc[:1].rename({"random": "oracle"}) + 0.5])
    one, two = networks.standings({"films": films, "videos": videos}).axes
    assert [label.get_text() for label in one.get_yticklabels()] == ["EASE", "random"]
    assert sorted(line.get_xdata()[0] for line in one.lines if len(line.get_xdata()) == 1) == [
        0.1,
        0.3,
    ]
    assert one.get_xlabel() == "NDCG@10, films"
    assert len(two.lines) == len(one.lines) + 1
    assert two.lines[-1].get_xdata()[0] == 0.6
