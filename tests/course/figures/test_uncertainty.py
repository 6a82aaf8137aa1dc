"""The figures of the chapter on certainty, read back from their axes."""

import numpy as np
import pandas as pd
import pytest

from course.figures import uncertainty


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_posteriors_are_named():
    bias = np.linspace(-1, 1, 201)
    densities = {f"{n}": np.exp(-n * (bias - 0.5) ** 2) for n in (1, 10)}
    axes = uncertainty.posterior(bias, densities).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["1", "10"]
    peaks = [bias[line.get_ydata().argmax()] for line in axes.get_lines()]
    assert peaks == pytest.approx([0.5, 0.5])
    assert "stars" in axes.get_xlabel()


def test_draws_and_their_mean():
    mean = pd.DataFrame({"epoch": [3, 4], "rmse_valid": [1.0, 0.9]})
    single = pd.DataFrame({"epoch": [3, 4], "rmse": [1.0, 1.05]})
    found = lines(uncertainty.draws(single, mean, 0.95).axes[0])
    assert found["mean of the draws so far"].get_ydata().tolist() == [1.0, 0.9]
    assert found["one draw"].get_ydata().tolist() == [1.0, 1.05]


def test_reliability_on_square_axes():
    table = pd.DataFrame({"level": [0.5, 0.8], "share": [0.45, 0.85]})
    axes = uncertainty.reliability({"model": table}).axes[0]
    assert lines(axes)["model"].get_ydata().tolist() == [0.45, 0.85]
    assert axes.get_aspect() == 1
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)


def test_groups_have_their_ends_as_labels():
    table = pd.DataFrame({"low": [0.1, 0.5], "high": [0.4, 2.0], "share": [0.9, 0.7], "n": [3, 3]})
    axes = uncertainty.by_group({"a": table, "b": table}, 0.8, "noise").axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.10 to 0.40", "0.50 to 2.00"]
    assert lines(axes)["b"].get_ydata().tolist() == [0.9, 0.7]
    assert "80%" in axes.get_ylabel()


def test_a_shelf_from_best_to_worst():
    table = pd.DataFrame(
        {"title": ["A", "B"], "predicted": [4.5, 4.0], "low": [3, 3], "high": [5, 5], "raters": 1}
    )
    axes = uncertainty.shelf(table).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["A  (1)", "B  (1)"]
    assert axes.get_lines()[0].get_ydata().tolist() == [1, 0]
