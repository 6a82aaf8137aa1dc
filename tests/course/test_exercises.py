import numpy as np
import pytest

from course import exercises
from recsys_lib import models


def test_the_gradient_is_held_against_differences():
    rng = np.random.default_rng(0)
    z, y, price = rng.normal(size=(6, 3)), rng.normal(size=6), np.array([2.0, 2.0, 1.0])
    row = np.linalg.solve(3 * z.T @ z + np.diag(price), 3 * z.T @ y)

    def gradient(x, z, y):
        return -3 * z.T @ (y - z @ x) + price * x

    exercises.check_als_gradient(gradient, z, y, price, 3.0, row)
    for wrong in (
        lambda x, z, y: -gradient(x, z, y),
        lambda x, z, y: gradient(x, z, y) - price * x,
    ):
        with pytest.raises(AssertionError, match="differences"):
            exercises.check_als_gradient(wrong, z, y, price, 3.0, row)


def test_the_first_epoch_that_is_there_counts():
    def reached(losses, share):
        return int(np.argmax((losses[0] - losses) >= share * (losses[0] - losses[-1]))) + 1

    exercises.check_als_reached(reached)
    for wrong, hint in ((1, "earlier"), (-1, "not yet")):
        with pytest.raises(AssertionError, match=hint):
            exercises.check_als_reached(lambda *asked, wrong=wrong: reached(*asked) + wrong)


def test_a_list_holds_known_films_best_first(data):
    train = data.ratings
    model = models.ALS(2, n_epochs=2).fit(train)
    counts = train.by_item.counts
    rated, least = {train.item_ids[counts.argmax()]: 5.0}, int(np.sort(counts)[-20])

    def known(ratings, least, n):
        ranked = model.recommend_for(ratings, n=train.n_items)["item_id"]
        return ranked[counts[train.item_index(ranked)] >= least].head(n)

    exercises.check_als_known(known, model, train, rated, least)
    with pytest.raises(AssertionError, match="first"):
        exercises.check_als_known(lambda *a: known(*a).iloc[::-1], model, train, rated, least)
    with pytest.raises(AssertionError, match="only"):
        exercises.check_als_known(lambda r, _, n: known(r, 0, n), model, train, rated, least)


def test_an_interval_is_that_of_the_differences():
    def paired(a, b, error=None):
        error = np.std(a - b, ddof=1) / np.sqrt(len(a)) if error is None else error
        mean = np.mean(a - b)
        return mean, mean - 1.96 * error, mean + 1.96 * error

    exercises.check_tuning_paired(paired)
    with pytest.raises(AssertionError, match="too wide"):
        exercises.check_tuning_paired(
            lambda a, b: paired(a, b, np.hypot(a.std(), b.std()) / np.sqrt(len(a)))
        )


def test_luck_is_that_of_the_smallest_of_many():
    def luck(n, sd):
        return -np.random.default_rng(1).normal(0, sd, (20_000, n)).min(axis=1).mean()

    exercises.check_tuning_luck(luck)
    with pytest.raises(AssertionError, match="positive"):
        exercises.check_tuning_luck(lambda n, sd: -luck(n, sd))
    with pytest.raises(AssertionError, match="sd"):
        exercises.check_tuning_luck(lambda n, sd: luck(n, 1.0))
