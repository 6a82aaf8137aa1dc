"""The checkers accept what is right, and refuse what is nearly right."""

import numpy as np
import pytest

from course import exercises
from recsys_lib import datasets, models


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=120, n_items=150, n_ratings=2500, seed=3)


def test_the_row_of_a_film_without_ratings(data, capsys):
    ratings = data.ratings
    some = ratings.select(ratings.by_user.indices != 7)
    model = models.GenreALS(n_factors=3, n_epochs=3).fit(some, items=data.items)
    flags = model.item_genres_[7]
    total = model.genre_rows_[flags].sum(axis=0)
    exercises.check_prior_row(model, 7, total / np.sqrt(flags.sum()))
    assert capsys.readouterr().out == "Right.\n"
    with pytest.raises(AssertionError, match="elsewhere"):
        exercises.check_prior_row(model, 7, total + 1)
    with pytest.raises(AssertionError, match="expected 4 numbers"):
        exercises.check_prior_row(model, 7, total[:-1])


def test_a_bias_with_a_prior_mean():
    def bias(residuals, c, gamma, nu, power=1.0):
        n = len(residuals)
        weight = gamma * n ** (nu * power)
        return (np.sum(residuals) + weight * c) / (n + weight) if n else c

    exercises.check_prior_bias(bias)
    with pytest.raises(AssertionError, match="four ratings"):
        exercises.check_prior_bias(lambda *given: bias(*given, power=2.0))
    with pytest.raises(AssertionError, match="without a rating"):
        exercises.check_prior_bias(lambda e, c, gamma, nu: 0.0)


def test_a_split_by_films(data):
    def split(ratings, share, seed, of_films=True):
        rng = np.random.default_rng(seed)
        films = np.flatnonzero(ratings.by_item.counts)
        drawn = rng.permutation(films)[: round(share * len(films))]
        held_out = np.isin(ratings.by_user.indices, drawn)
        if not of_films:
            held_out = rng.random(len(ratings)) < share
        return ratings.select(~held_out), ratings.select(held_out)

    exercises.check_split_films(data.ratings, split)
    with pytest.raises(AssertionError, match="both parts"):
        exercises.check_split_films(data.ratings, lambda *given: split(*given, of_films=False))
    with pytest.raises(AssertionError, match="another seed"):
        exercises.check_split_films(data.ratings, lambda r, share, seed: split(r, share, 0))


def test_the_update_of_a_user(data):
    def bias(residuals, gamma, nu):
        n = len(residuals)
        return np.sum(residuals) / (n + gamma * n**nu) if n else 0

    exercises.check_user_update(data.ratings, bias)
    with pytest.raises(AssertionError, match="another bias"):
        exercises.check_user_update(data.ratings, lambda e, g, nu: np.mean(e) if len(e) else 0)


def test_ratings_of_one_film_shown(data):
    def show(ratings, film, n):
        keep = np.ones(len(ratings), bool)
        keep[np.flatnonzero(ratings.by_user.indices == film)[n:]] = False
        return ratings.select(keep)

    exercises.check_show(data.ratings, show)
    with pytest.raises(AssertionError, match="should have 1 ratings"):
        exercises.check_show(data.ratings, lambda r, film, n: show(r, film, 0))
    with pytest.raises(AssertionError, match="other films"):
        exercises.check_show(
            data.ratings, lambda r, film, n: show(r.select(np.arange(len(r)) > 9), film, n)
        )


def test_lists_with_rare_films():
    rare = np.array([True, False, False])
    places = np.array([[0, 1], [1, 2], [2, 0], [0, 1]])
    exercises.check_listed(places, rare, 0.75)
    with pytest.raises(AssertionError, match="not places"):
        exercises.check_listed(places, rare, 3 / 8)
