import matplotlib.pyplot as plt
import numpy as np
import pytest

from course.figures import style
from recsys_lib.errors import DataError


def test_figures_are_written_as_svg_and_pdf_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_FIGURES", str(tmp_path / "here"))
    found = []
    for _ in range(2):
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        assert style.save(figure, "name") is figure
        assert not plt.fignum_exists(figure.number)  # shown once, as the value of the cell
        found.append({path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()})
    assert set(found[0]) == {"name.svg", "name.pdf"}
    assert found[0]["name.svg"] == found[1]["name.svg"]
    monkeypatch.setenv("RECSYS_FIGURES", str(tmp_path / "here" / "name.svg"))
    with pytest.raises(DataError, match="is no folder"):
        style.save(figure, "name")


def test_places_are_kept_apart_in_order_and_within():
    values = np.array([3.0, 1.0, 1.01, 1.02, 2.9])
    places = style.apart(values, 0.5)
    assert (np.argsort(places) == np.argsort(values)).all()
    assert np.diff(np.sort(places)).min() >= 0.5 - 1e-12
    np.testing.assert_allclose(style.apart(values * 100, 0.5), values * 100)
    for end in (0.0, 1.0):
        close = style.apart(np.full(8, end), 0.1, within=(0, 1))
        assert close.min() >= 0
        assert close.max() <= 1
        assert np.diff(close).min() >= 0.1 - 1e-12


@pytest.mark.parametrize(
    ("ends", "marks"), [((1, 4), ["1", "2"]), ((1, 10_000), ["1", "10", "100", "1,000", "10,000"])]
)
def test_logarithmic_axes_have_plain_numbers_and_more_than_one(ends, marks):
    figure, axes = plt.subplots()
    style.log_axis(axes, form=style.COUNTS)
    axes.set_xlim(*ends)
    figure.canvas.draw()
    labels = [*axes.get_xticklabels(), *axes.get_xticklabels(minor=True)]
    seen = {text.get_text() for text in labels if ends[0] <= text.get_position()[0] <= ends[1]}
    assert seen - {""} == set(marks)


def test_a_logarithmic_axis_may_have_its_own_ticks(read):
    _, axes = plt.subplots()
    style.log_axis(axes, "y", ticks=[5, 2000])
    style.log_axis(axes, ticks={3: "three"})
    assert read.ticks(axes.yaxis) == ["5", "2,000"]
    assert read.ticks(axes.xaxis) == ["three"]
    assert list(axes.get_xticks(minor=True)) == []
