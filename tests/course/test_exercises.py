"""The checkers of exercises: they take the right answer, refuse a wrong one, and do not tell it."""

import numpy as np
import pandas as pd
import pytest

from course import exercises
from course.exercises import service, trust
from recsys_lib import datasets, models, splits
from recsys_lib.widgets.taste import taste_of


def refuses(hint, check, *given):
    with pytest.raises(AssertionError, match=hint):
        check(*given)


@pytest.fixture(scope="module")
def parts():
    data = datasets.load("synthetic", n_users=60, n_items=80, n_ratings=2000, seed=3)
    return data.ratings, splits.random(data.ratings, valid=0.1, test=0.2, seed=0)


def n_left(train):
    """Return how many items each user with a like has not rated."""
    rows = [train.by_user.row(u) for u in range(train.n_users)]
    return [train.n_items - len(items) for items, stars in rows if (stars >= 4).any()]


def answers(parts):
    ratings, (train, valid, test) = parts
    n, u = ratings.by_item.counts, train.user_of_rating()
    r = train.by_user.values.astype(float)
    b_u = np.bincount(u, r - train.mean, train.n_users) / (train.by_user.counts + 2.5)
    means = [ratings.by_item.row(k)[1].mean(dtype=float) for k in range(len(n)) if n[k]]
    later = [
        when < train.timestamps[u == user].max(initial=-1)
        for user, when in zip(test.user_of_rating(), test.timestamps, strict=True)
    ]
    return {
        "check_filter": ((n,), [(n >= 10).mean(), n[n >= 10].sum() / n.sum()]),
        "check_means": ((ratings,), [ratings.by_user.values.mean(dtype=float), np.mean(means)]),
        "check_future": ((train, valid, test), [np.mean(later)]),
        "check_gamma": ((), [2.0]),
        "check_one_side": ((train, 2.5), [b_u]),
        "check_auc": ((np.array([1, 3, 3, 0]), np.array([0, 1, 0, 1], bool)), [0.375]),
        "check_draw_ratio": ((train, 4.0), [max(left := n_left(train)) / min(left)]),
    }


@pytest.mark.parametrize(
    "name", ["check_filter", "check_means", "check_future", "check_gamma", "check_one_side",
     "check_auc", "check_draw_ratio"],
)  # fmt: skip
def test_a_checker_takes_the_right_answer_and_no_other(parts, capsys, name):
    given, right = answers(parts)[name]
    check = getattr(exercises, name)
    check(*given, *right)
    assert capsys.readouterr().out == "Right.\n"
    for place in range(len(right)):
        wrong = [answer + 0.01 * (k == place) for k, answer in enumerate(right)]
        with pytest.raises(AssertionError) as caught:
            check(*given, *wrong)
        assert f"{right[place]}" not in str(caught.value)


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=120, n_items=150, n_ratings=2500, seed=3)


def test_the_row_of_a_film_without_ratings(data, capsys):
    ratings = data.ratings
    some = ratings.select(ratings.by_user.indices != 7)
    model = models.GenreALS(n_factors=3, n_epochs=3).fit(some, items=data.items)
    flags = np.isin(model.genre_names_, data.items["genres"][7].split("|"))
    total = model.genre_rows_[flags].sum(axis=0)
    exercises.check_prior_row(model, 7, total / np.sqrt(flags.sum()))
    assert capsys.readouterr().out == "Right.\n"
    refuses("elsewhere", exercises.check_prior_row, model, 7, total + 1)
    refuses("expected 4 numbers", exercises.check_prior_row, model, 7, total[:-1])


def test_a_bias_with_a_prior_mean():
    def bias(residuals, c, gamma, nu, power=1.0):
        n = len(residuals)
        weight = gamma * n ** (nu * power)
        return (np.sum(residuals) + weight * c) / (n + weight) if n else c

    exercises.check_prior_bias(bias)
    refuses("four ratings", exercises.check_prior_bias, lambda *given: bias(*given, power=2.0))
    refuses("without a rating", exercises.check_prior_bias, lambda e, c, gamma, nu: 0.0)


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
    refuses("not places", exercises.check_listed, places, rare, 3 / 8)


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
        refuses("differences", exercises.check_als_gradient, wrong, z, y, price, 3.0, row)


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
    refuses("positive", exercises.check_tuning_luck, lambda n, sd: -luck(n, sd))
    refuses("sd", exercises.check_tuning_luck, lambda n, sd: luck(n, 1.0))


def test_turns_neighbours_and_cosines_of_films():
    p, q = np.random.default_rng(0).normal(size=(2, 50, 3))
    counts = np.arange(50) % 20

    def turn(a, b):
        left, _, right = np.linalg.svd(b.T @ a)
        return left @ right

    def damped(item, n, k, power=1):
        score = q @ q[item] / np.linalg.norm(q, axis=1) * (counts / (counts + k + 1e-9)) ** power
        score[[item, *np.flatnonzero(counts == 0)]] = -9
        return np.argsort(-score)[:n]

    def taste(p, q, i, j):
        return np.dot(p @ q[i], p @ q[j]) / np.linalg.norm(p @ q[i]) / np.linalg.norm(p @ q[j])

    for check, right, wrong, hint, given in (
        (exercises.check_turn, turn, lambda a, b: turn(b, a), "closer", ()),
        (exercises.check_turn, turn, lambda a, b: b.T @ a, "orthogonal", ()),
        (exercises.check_damped, damped, lambda *a: damped(*a, power=0), "k = 5", (q, counts)),
        (exercises.check_taste, taste, lambda p, *a: taste(np.eye(3), *a), "all users", (p, q)),
    ):
        check(right, *given)
        refuses(hint, check, wrong, *given)


@pytest.fixture(scope="module")
def folded(parts):
    """A model, a reader's ratings and the taste that follows from them."""
    model = models.ALS(4, n_epochs=3).fit(parts[1][0])
    ratings = dict(zip(model.item_ids_[:6].tolist(), [5.0, 1.0, 4.0, 3.0, 2.0, 4.5], strict=True))
    return model, ratings, taste_of(model, ratings)


def test_the_film_that_tells_most_is_found_by_solving_anew(folded):
    model, ratings, taste = folded
    candidates = model.item_ids_[6:].tolist()

    def gains(taste, item, candidates):
        C, Z = taste.inverse, taste.vectors
        gain = (Z @ C @ Z[item]) ** 2 / (1 + np.einsum("ia,ab,ib->i", Z, C, Z))
        return pd.Series(gain, model.item_ids_)[candidates]

    given = taste, 9, candidates, model.item_ids_
    service.check_next_film(lambda *asked: gains(*asked).idxmax(), *given)
    refuses("another film", service.check_next_film, lambda *asked: gains(*asked).idxmin(), *given)
    refuses("candidates", service.check_next_film, lambda *asked: next(iter(ratings)), *given)


def test_a_rating_taken_back_is_not_its_part_in_the_score(folded):
    model, ratings, taste = folded
    listed, place = model.item_ids_[9], dict(zip(ratings, range(6), strict=True))

    def change(model, ratings, film, listed):
        fewer = {other: stars for other, stars in ratings.items() if other != film}
        return taste_of(model, fewer).scores()[9] - taste.scores()[9]

    service.check_taken_back(change, model, ratings, listed)
    refuses(
        "fold in", service.check_taken_back,
        lambda model, ratings, film, listed: -taste.pushes(9)[place[film]], model, ratings, listed,
    )  # fmt: skip


def test_the_cheapest_model_and_the_users_that_a_difference_needs():
    def cheapest(table, column="gap high"):
        return table["fit_seconds"][table[column] >= 0].idxmin()

    trust.check_cheapest(cheapest)
    refuses("faster model", trust.check_cheapest, lambda table: cheapest(table, "gap"))
    refuses("decided", trust.check_cheapest, lambda table: table["fit_seconds"].idxmin())
    trust.check_users_needed(lambda x, d: (1.96 * np.std(x) / d) ** 2)
    refuses("d = 0.01", trust.check_users_needed, lambda x, d: 1.96 * np.std(x) / d)


def test_the_mean_of_draws_and_the_ratings_that_make_sure():
    def error(draws, ratings, scale):
        return np.sqrt(np.mean((draws.mean(axis=0).clip(*scale) - ratings) ** 2))

    trust.check_rmse_of_mean(error)
    refuses(
        "average first", trust.check_rmse_of_mean,
        lambda draws, ratings, scale: error(draws.clip(*scale), ratings, scale),
    )  # fmt: skip
    refuses(
        "not the errors", trust.check_rmse_of_mean,
        lambda draws, ratings, scale: np.mean([error(d[None], ratings, scale) for d in draws]),
    )  # fmt: skip

    def fewest(sigma, s, spread):
        return int(np.ceil(sigma**2 * (1 / spread**2 - 1 / s**2)))

    trust.check_ratings_needed(fewest)
    refuses("are enough", trust.check_ratings_needed, lambda *given: fewest(*given) + 1)
    refuses("it is still", trust.check_ratings_needed, lambda *given: fewest(*given) - 1)
