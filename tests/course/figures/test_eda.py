"""The figures of chapter 1, read back from their axes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from course.figures import eda, style
from recsys_lib.ratings import Ratings


@pytest.fixture
def table() -> np.ndarray:
    """30 users x 40 films, 0 for no rating: user u rates film i if the two are popular enough."""
    rng = np.random.default_rng(1)
    u, i = np.ogrid[:30, :40]
    chosen = rng.random((30, 40)) < np.exp(-(u + i) / 15)
    chosen[:, 0] = True  # everybody has rated something
    chosen[:, 39] = False  # and nobody this one
    return np.where(chosen, rng.integers(1, 11, (30, 40)) / 2, 0)


@pytest.fixture
def ratings(table: np.ndarray) -> Ratings:
    user, film = np.nonzero(table)
    frame = pd.DataFrame({"user_id": user, "item_id": film, "rating": table[user, film]})
    frame["timestamp"] = 1_000_000_000 + 86_400 * (100 * user + film)  # user 0 comes first
    return Ratings.from_frame(frame, scale=(0.5, 5), item_ids=np.arange(40))


def test_matrix_shows_every_rating_once(ratings: Ratings, table: np.ndarray):
    figure = eda.matrix(ratings.by_user, 40, blocks=(6, 8))
    whole = figure.axes[0]
    share = np.ma.filled(whole.images[0].get_array(), 0)
    assert share.shape == (6, 8)
    assert share.sum() * (5 * 5) == pytest.approx(len(ratings))  # blocks of 5 x 5 pairs
    assert share[0, 0] == share.max()  # the fullest corner is where rows and columns begin
    assert whole.get_ylim() == (30, 0)  # the most active user is on top


def test_tails_marks_the_share_of_the_first(ratings: Ratings):
    films, users = ratings.by_item.counts, ratings.by_user.counts
    ranks, lorenz = eda.tails(films, users, marked=0.25).axes
    drawn = ranks.lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, np.sort(films[films > 0])[::-1])
    top = np.sort(films)[::-1][:10].sum() / films.sum()  # 10 of 40 films
    held = np.append(0, np.sort(films)[::-1].cumsum()) / films.sum()
    np.testing.assert_allclose(lorenz.lines[0].get_xydata(), np.c_[np.linspace(0, 1, 41), held])
    assert {text.get_text() for text in lorenz.texts} >= {f"films {top:.0%}"}
    assert [top] in [list(line.get_ydata()) for line in lorenz.lines]


def test_stars_parts_whole_from_half_stars(read):
    values = np.array([1, 1, 3.5, 4, 5], np.float32)
    scale, people = eda.stars(values, np.array([2.0, 4.0]), np.array([0.5, 1.0]), {"me": 1}).axes
    heights = {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in scale.patches}
    assert heights == pytest.approx({1: 0.4, 3.5: 0.2, 4: 0.2, 5: 0.2})
    assert read.legend(scale) == ["whole stars", "half stars"]
    np.testing.assert_allclose(people.collections[0].get_offsets(), [[2, 0.5], [4, 1]])
    assert people.lines[-1].get_xydata().tolist() == [[4.0, 1.0]]  # the ring is around user 1
    assert people.lines[0].get_ydata().max() == pytest.approx(2, abs=0.01)  # half of 5 - 1


def test_stars_of_very_many_users_is_thinned_out_but_marks_the_right_one():
    means = np.linspace(1, 5, 12_001)
    people = eda.stars(np.array([1.0, 5.0]), means, np.ones(12_001), {"me": 12_000}).axes[1]
    assert 4000 <= len(people.collections[0].get_offsets()) <= 5000
    assert people.lines[-1].get_xydata().tolist() == [[5.0, 1.0]]


def test_genres_writes_percentages_where_there_are_any(read):
    given = pd.DataFrame([[1, 0.5], [0.002, 1]], ["Noir", "Drama"], ["Noir", "Drama"])
    (axes,) = eda.genres(given, {"Noir": 4, "Drama": 1000}).axes
    assert [(text.get_position(), text.get_text()) for text in axes.texts if text.get_text()] == [
        ((1.5, 0.5), "50")
    ]
    assert read.ticks(axes.yaxis) == ["Noir (4)", "Drama (1,000)"]
    assert axes.collections[0].get_array()[0, 0] is np.ma.masked


def test_selection_marks_the_means():
    (axes,) = eda.selection(np.array([3.0, 5.0]), np.array([1.0, 3.0])).axes
    assert sorted(line.get_xdata()[0] for line in axes.lines) == [2, 4]
    assert sum(bar.get_height() for bar in axes.patches) == 4  # two histograms


def test_parts_colours_each_rating_by_its_part(read, ratings):
    users, rng = ratings.user_of_rating(), np.random.default_rng(0)
    turn = np.arange(len(ratings)) % 3
    three = [(users[turn == k], ratings.timestamps[turn == k]) for k in range(3)]  # users, times
    figure = eda.parts({"by turns": three}, rng, n_drawn=10**6)
    (axes,) = figure.axes
    points = max(axes.collections, key=lambda cloud: len(cloud.get_offsets()))
    when, who = points.get_offsets().T
    assert set(who.astype(int)) == set(range(30))
    order = np.lexsort((when, who))  # as the ratings stand: by user, then by time, here by film
    colours = [to_rgba(c) for c in ("#BDBDBD", style.ORANGE, style.BLUE)]
    drawn = points.get_facecolors()[order]
    assert [tuple(c) for c in drawn] == [colours[k % 3] for k in range(len(ratings))]
    first = 1970 + ratings.timestamps[0] / (365.2425 * 86_400)
    assert when[order][0] == pytest.approx(first)
    assert read.legend(figure) == ["training part", "validation part", "test part"]
