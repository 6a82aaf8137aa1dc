"""Figures that are lines, rows or clouds: what they show is what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from course.figures import (
    ab_test,
    als,
    bias,
    bpr,
    cluster,
    genres,
    latent,
    protocol,
    speed,
    style,
    uncertainty,
)

TABLE = pd.DataFrame({"EASE": [0.9, 0.5, 0.3], "ALS": [0.7, 0.65, 0.1]}, index=[1, 10, 40])
GROUPS = pd.DataFrame({"low": [0.1, 1, 2], "high": [0.5, 1.5, 4]})
CLAIMED = {name: TABLE[[name]].set_axis(["share"], axis=1) for name in TABLE}


@pytest.mark.parametrize(
    ("draw", "x", "y", "scales"),
    [
        (lambda: style.curves({"rank": TABLE}, "value"), "rank", "value", ("linear", "linear")),
        (lambda: style.curves({"x": TABLE}, "y", log="y"), "x", "y", ("linear", "log")),
        (lambda: protocol.negatives(TABLE), "films", "NDCG@10", ("log", "log")),
        (
            lambda: uncertainty.reliability(
                {name: t.rename_axis("level").reset_index() for name, t in CLAIMED.items()}
            ),
            "claims", "inside", ("linear", "linear"),
        ),
        (
            lambda: cluster.scaling(
                {n: pd.DataFrame({"ratings": TABLE.index, "seconds": TABLE[n]}) for n in TABLE}
            ),
            "ratings", "seconds", ("log", "log"),
        ),
    ],
)  # fmt: skip
def test_a_line_a_column_over_the_index(read, draw, x, y, scales):
    axes = draw().axes[0]
    found = read.lines(axes)
    for name in TABLE:
        np.testing.assert_allclose(found[name].get_ydata(), TABLE[name])
        np.testing.assert_array_equal(found[name].get_xdata(), TABLE.index)
    assert len({(found[n].get_marker(), found[n].get_linestyle()) for n in TABLE}) == 2
    assert x in axes.get_xlabel()
    assert y in axes.get_ylabel()
    assert (axes.get_xscale(), axes.get_yscale()) == scales


HISTORY = pd.DataFrame({"epoch": [1, 2], "rmse_train": [0.8, 0.7], "rmse_valid": [0.95, 0.9]})


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (
            lambda: als.progress([4.0, 3.0, 2.5, 2.4], HISTORY.assign(seconds=1), {"floor": 0.75}),
            [
                {"users solved": [4.0, 2.5], "films solved": [3.0, 2.4]},
                {"validation": [0.95, 0.9], "floor": [0.75, 0.75]},
            ],
        ),
        (
            lambda: als.ends(
                [np.array([2, 8]), np.ones(3)], ("K", "τ"), np.eye(2, 3), np.eye(2, 3)
            ),
            [{"K = 2": [1, 0, 0], "K = 8": [0, 1, 0]}] * 2,
        ),
        (
            lambda: style.curves({"x": TABLE.set_axis(["0", "1–9", "> 9"])}, "RMSE"),
            [{name: list(TABLE[name]) for name in TABLE}],
        ),
        (
            lambda: uncertainty.by_group(
                {name: t.reset_index(drop=True).join(GROUPS) for name, t in CLAIMED.items()},
                0.8, "noise",
            ),
            [{name: list(TABLE[name]) for name in TABLE}],
        ),
        (
            lambda: als.draws(pd.DataFrame({"biases": [0.86, 0.88], "ALS": [0.84, 0.85]}, [7, 8])),
            [{"biases": [0.86, 0.88], "ALS": [0.84, 0.85]}, {}],
        ),
        (
            lambda: uncertainty.traces(np.array([[1.0, 0.8, 0.7], [0.5, 0.6, 0.7]]), 2),
            [{"chain 1": [1.0, 0.8, 0.7], "chain 2": [0.5, 0.6, 0.7]}],
        ),
        (
            lambda: speed.roofline(
                pd.DataFrame({"intensity": [2.0, 8.0], "rate": [1.0, 30.0]}), 100.0, 20.0
            ),
            [{"roof": [20, 100, 100], "measured": [1.0, 30.0]}],
        ),
        (
            lambda: style.curves({"film": TABLE, "user": TABLE[["ALS"]]}, "RMSE"),
            [{name: list(TABLE[name]) for name in TABLE}, {"ALS": list(TABLE["ALS"])}],
        ),
    ],
)  # fmt: skip
def test_each_panel_has_its_lines(read, draw, panels):
    for axes, lines in zip(draw().axes, panels, strict=True):
        found = read.values(axes)
        assert {name: found[name] for name in lines} == lines


def test_classes_are_named_in_order(read):
    tables = {"a": GROUPS.assign(share=0.9), "b": GROUPS.iloc[:2].assign(share=0.7)}
    (axes,) = uncertainty.by_group(tables, 0.8, "noise").axes
    assert read.ticks(axes.xaxis) == ["0.10 to 0.50", "1.00 to 1.50", "2.00 to 4.00"]


FILMS = pd.DataFrame({"title": ["A", "B" * 60], "low": [3.0, 2.5], "high": [5.0, 4.5], "raters": 9})
RATED = FILMS.assign(plain=[3.0, 4.0], unbiased=[3.5, 3.8], predicted=[4.5, 4.0])
PARTS = pd.DataFrame({"part": ["mean", "Drama", "own"], "contribution": [3.5, -0.25, 0.5]})


@pytest.mark.parametrize(
    ("draw", "names", "widths", "words"),  # from the top
    [
        (lambda: bias.moved(RATED), ["A", "B" * 39 + "…"], None, None),
        (lambda: uncertainty.shelf(RATED), ["A  (9)", "B" * 39 + "…  (9)"], None, None),
        (lambda: protocol.one_name({"low": 0.1, "high": 0.8}, "low"), ["high", "low"], None, None),
        (lambda: bias.ladder({"b": 0.8, "w": 1.1}), ["w", "b"], [1.1, 0.8], ["0.800", "1.100"]),
        (
            lambda: genres.contributions(PARTS), ["mean", "Drama", "own", "prediction"],
            [3.5, -0.25, 0.5, 3.75], [" 3.50", " −0.25", " +0.50", " 3.75"],
        ),
        (
            lambda: genres.expected(["u", "v"], np.array([3.2, 5.4]), (0.5, 5)), ["u", "v"],
            [3.2, 5.4], ["3.20", "5.40"],
        ),
        (
            lambda: genres.genre_biases(list("AB"), np.array([0.1, -0.2]), np.array([1, 2000])),
            ["A (1)", "B (2,000)"], [0.1, -0.2], [],
        ),
        (
            lambda: speed.steps(pd.DataFrame({"ns": [1000.0, 400.0, 20.0]}, index=list("abc"))),
            list("abc"), None,
            ["1,000 ns", "400 ns, 2.5 × as fast as above", "20 ns, 20 × as fast as above"],
        ),
    ],
)  # fmt: skip
def test_rows_are_named_from_the_top_and_as_long_as_their_values_say(
    read, draw, names, widths, words
):
    (axes,) = draw().axes
    labels = sorted(axes.get_yticklabels(), key=lambda label: label.get_position()[1])
    low, high = axes.get_ylim()
    assert [text.get_text() for text in labels][:: 1 if low > high else -1] == names
    bars = sorted(axes.patches, key=lambda bar: bar.get_y())[:: 1 if low > high else -1]
    assert widths is None or [bar.get_width() for bar in bars] == pytest.approx(widths)
    assert words is None or read.words(axes) == words


COUNTS, MEANS = np.array([1, 4, 100, 400]), np.array([0.5, 5.0, 3.5, 3.6])


@pytest.mark.parametrize(
    ("draw", "x", "y"),
    [
        (lambda: bias.funnel(COUNTS, MEANS, 3.5, 1.0), COUNTS, MEANS),
        (lambda: bias.damped_clouds(COUNTS, {"none": MEANS}, 3.5), COUNTS, MEANS),
    ],
)
def test_clouds_have_a_point_for_each(draw, x, y):
    points = draw().axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 0], x, rtol=0.07)  # equal counts are drawn side by side
    np.testing.assert_array_equal(points[:, 1], y)


def test_false_alarms_and_shares_of_lists_are_lines_too(read):
    table = TABLE.set_axis(["visits", "users"], axis=1)
    (axes,) = ab_test.false_alarms(table, {1: 0.05, 10: 0.13, 99: 0.4}, n=100).axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose([line.get_ydata() for line in curves], table.T)
    crosses = read.lines(axes)["theory, independent users"]
    assert list(crosses.get_xdata()) == [1, 10]  # none further right than what was measured
    assert read.values(axes)["level of the test: 5%"] == [0.05, 0.05]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(0.9 + 2 * np.sqrt(0.9 * 0.1 / 100))
    assert read.words(axes) == list(table)

    shares = {"liked": np.array([2, 1, 1, 0]), "Popularity": np.array([3, 1, 0, 0])}
    lines = read.lines(bpr.long_tail(shares, "liked").axes[0])
    assert lines["liked"].get_xdata().tolist() == [1, 2, 3, 4]
    assert lines["liked"].get_ydata().tolist() == [0.5, 0.75, 1, 1]
    assert lines["Popularity"].get_ydata().tolist() == [0.75, 1, 1, 1]
    assert lines["liked"].get_color() == "black"
    (axes,) = bpr.long_tail({"BPR": np.ones(100_000)}, "liked").axes
    x, y = read.lines(axes)["BPR"].get_data()
    assert len(x) <= 400  # a large catalogue is not drawn film by film
    np.testing.assert_allclose(y, x / 100_000)

    curve = pd.DataFrame({"ratings": [1e5, 1e6, 1e7], "seconds": [0.01, 0.1, 2.0]})
    lines = read.lines(cluster.scaling({"one": curve}).axes[0])
    np.testing.assert_allclose(lines["in proportion"].get_ydata(), [0.01, 0.1, 1.0])


def test_a_figure_that_a_widget_shows_is_not_shown_below_it_again():
    ones, before = np.ones((3, 2)), plt.get_fignums()
    als.ends([np.ones(2), np.ones(2)], ("K", "τ"), np.eye(2), np.eye(2))
    bias.damped_clouds(COUNTS, {"none": MEANS}, 3.5)
    genres.expected(["u"], np.ones(1), (0.5, 5))
    latent.ties(ones, np.full(3, -1), [], ["a", "b", "c"], 0, [1])
    assert plt.get_fignums() == before
