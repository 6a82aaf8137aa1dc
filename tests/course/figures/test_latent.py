import numpy as np
import pandas as pd

from course.figures import latent


def test_map_colours_groups_and_writes_titles_that_do_not_overlap(read):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((300, 2))
    groups = np.arange(300) % 3 - 1
    titles = [f"A film called {k}" for k in range(300)]
    figure = latent.film_map(points, groups, ["A", "B"], titles)
    axes = figure.axes[0]
    sizes = {c.get_label(): len(c.get_offsets()) for c in axes.collections}
    assert sizes["A"] == sizes["B"] == 100
    assert read.legend(figure) == ["A", "B"]
    written = read.words(axes)
    assert 10 <= len(written) <= 24
    assert titles[0] in written  # the first film has the first choice
    assert read.overlapping(axes.texts) == 0
    rings = np.array([line.get_xydata()[0] for line in axes.lines])
    np.testing.assert_allclose(rings, points[[titles.index(name) for name in written]])


def test_agreement_draws_sizes_on_one_scale():
    panels = {"one": np.array([[1, -0.5], [0, 0.25]]), "two": np.eye(2)}
    figure = latent.axis_agreement(panels)
    first, second = (axes.images[0] for axes in figure.axes[:2])
    np.testing.assert_array_equal(first.get_array(), [[1, 0.5], [0, 0.25]])
    assert first.get_clim() == second.get_clim() == (0, 1)
    assert tuple(first.get_extent()) == (0.5, 2.5, 2.5, 0.5)  # axes count from 1


def test_direction_marks_the_median_of_each_band(read):
    groups = {
        "right": (np.array([0.2, 0.4, 0.9]), ["a", "b", "c"]),
        "left": (np.array([-0.5, -0.4, 0.0]), ["d", "e", "f"]),
    }
    axes = latent.along_direction(groups, ("L", "R")).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["right (3)", "left (3)"]
    np.testing.assert_allclose(axes.collections[0].get_offsets()[:, 0], [0.2, 0.4, 0.9])
    medians = [line.get_xdata()[0] for line in axes.lines if line.get_linewidth() == 1.8]
    assert medians == [0.4, -0.4]
    assert set(read.words(axes)) == set("abcdef")


def test_few_ratings_draws_medians_and_chance():
    counts, steps = np.repeat([1, 100], 5), np.arange(5) / 10
    columns = ["ratings", "share", "error", "chance"]
    shares = pd.DataFrame([[1, 0.4, 0.1, 0.4], [100, 0.8, 0.05, 0.5]], columns=columns)
    left, right = latent.few_ratings(counts, np.concatenate([steps, 1 + steps]), shares).axes
    np.testing.assert_allclose(left.lines[0].get_xydata(), [[1, 0.2], [100, 1.2]])
    assert len(left.collections[0].get_offsets()) == 10
    assert left.get_xscale() == right.get_xscale() == "log"
    found, _, (bars,) = right.containers[0].lines
    np.testing.assert_allclose(found.get_ydata(orig=False), [0.4, 0.8])
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [0.2, 0.6])  # two standard errors
    chance = next(line for line in right.lines if line.get_label() == "chance")
    np.testing.assert_allclose(chance.get_ydata(), [0.4, 0.5])


def test_recovered_draws_the_factors_and_the_films():
    factors = pd.DataFrame({"strength": [0.1, 0.3], "found": [0.2, 0.9], "chance": [0, 0.01]})
    films = pd.DataFrame({"ratings": [1, 10], "cosine": [0.1, 0.7], "error": [0.01, 0.01]})
    left, right = latent.recovered(factors, films).axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["found", "by chance"]
    np.testing.assert_allclose(left.lines[0].get_xydata(), [[0.1, 0.2], [0.3, 0.9]])
    np.testing.assert_allclose(right.containers[0].lines[0].get_ydata(orig=False), [0.1, 0.7])


def test_ties_lead_from_the_film_to_the_others():
    points = np.random.default_rng(0).uniform(size=(9, 2))
    titles = [f"film {k}" for k in range(9)]
    figure = latent.ties(points, np.full(9, -1), [], titles, 4, [1, 7])
    lines = [line.get_xydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(lines, [points[[4, 1]], points[[4, 7]]])
    assert {text.get_text() for text in figure.axes[0].texts} <= {"film 1", "film 4", "film 7"}
