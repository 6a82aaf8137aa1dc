"""A chapter's data: in stars, and simulated for what they lack."""

import numpy as np
import pytest

from course.data import few_users, having, load, twin
from recsys_lib import datasets


def write(folder, ratings, scale):
    """Write a table of a reader's own, of which everybody has the same ratings."""
    rows = [f"{user},book {n},{rating}" for user in "ab" for n, rating in enumerate(ratings)]
    (folder / "ratings.csv").write_text("\n".join(["user,item,rating", *rows]))
    (folder / "dataset.toml").write_text(f"name = 'books'\nscale = {scale}")
    return str(folder)


@pytest.mark.parametrize(
    ("ratings", "scale", "stars", "ends"),
    [
        ([1, 8, 10], [1, 10], [0.5, 4, 5], (0.5, 5)),
        ([0, 80], [0, 100], [0, 4], (0, 5)),
        ([-10, 0, 6], [-10, 10], [0, 2.5, 4], (0, 5)),
        ([1, 4], [1, 5], [1, 4], (1, 5)),
    ],
)
def test_ratings_are_in_stars(tmp_path, capsys, ratings, scale, stars, ends):
    name = write(tmp_path, ratings, scale)
    data = load(name, "likes")
    assert data.ratings.by_user.values.tolist() == pytest.approx(2 * stars)
    assert data.ratings.scale == pytest.approx(ends)
    low, high = scale
    said = f"books: {low} to {high} are shown as {ends[0]:g} to 5 stars.\n"
    assert capsys.readouterr().out == ("" if high == 5 else said)


def test_what_was_taken_is_liked(tmp_path):
    (tmp_path / "ratings.csv").write_text("user,item\na,x\na,y\nb,x\n")
    ratings = load(str(tmp_path), "likes").ratings
    assert (ratings.by_user.values.tolist(), ratings.scale) == ([5, 5, 5], (0, 5))


def test_what_is_lacking_is_simulated_and_said(tmp_path, capsys):
    books = load(write(tmp_path, [5, 5], [1, 5]))
    assert having(books, "likes") is books
    assert capsys.readouterr().out == ""
    for need in ("ratings", "genres", "times"):
        other = having(books, need)
        assert capsys.readouterr().out.startswith(f"books has no {need}: what follows is computed")
        assert having(other, "likes", "ratings", "genres", "times") is other
    watched = datasets.simulate_watches(60, 90, 900, 10, 20)
    assert having(watched, "genres", "times") is watched
    having(watched, "likes", "ratings")
    assert capsys.readouterr().out.startswith("synthetic-watch has no likes and no ratings: ")


def test_a_twin_has_the_same_size_however_few_the_ratings():
    ratings = datasets.simulate_ratings(50, 80, 300, min_ratings=2).ratings
    other = twin(ratings, seed=3).ratings
    assert (other.n_users, other.n_items, len(other)) == (50, 80, 300)


def test_few_users_are_whole_users_and_none_without_a_rating():
    ratings = datasets.load("synthetic", n_users=60, n_items=50, n_ratings=1500).ratings
    some = ratings.select(ratings.user_of_rating() >= 20)
    few, other = (few_users(some, 10, seed) for seed in (0, 1))
    users = np.flatnonzero(few.by_user.counts)
    assert len(users) == 10 and users.min() >= 20
    assert few.by_user.counts[users].tolist() == ratings.by_user.counts[users].tolist()
    assert few.same_universe(ratings) and users.tolist() != [*np.flatnonzero(other.by_user.counts)]
    assert few_users(some, 40, 0).to_frame().equals(some.to_frame())
