"""New ratings of one user or one item, held against a whole fit, fold-in or half step."""

import numpy as np
import pytest

from recsys_lib import datasets, models, splits
from recsys_lib.errors import DataError, RecsysError, UnknownIdError
from recsys_lib.evaluation import evaluate
from tests.recsys_lib.models.check_model import assert_same

ALS_FAMILY = {
    "ALS": lambda: models.ALS(n_factors=6, n_epochs=4),
    "ALS with popularity": lambda: models.ALS(n_factors=6, n_epochs=4, popularity=30.0),
    "BiasALS": lambda: models.BiasALS(n_epochs=4),
    "GenreALS": lambda: models.GenreALS(n_factors=6, n_epochs=4),
    "GenreALS with popularity": lambda: models.GenreALS(n_factors=6, n_epochs=4, popularity=30.0),
}
NEW_USER, NEW_ITEM = 10**6, 10**7


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=80, n_items=50, n_ratings=2000, seed=3)


@pytest.fixture(scope="module")
def parts(data):
    """Training ratings, and ratings that come in later."""
    train, _, later = splits.random(data.ratings, valid=0, test=0.3, seed=1)
    return train, later


@pytest.fixture(params=ALS_FAMILY)
def model(request, data, parts):
    return ALS_FAMILY[request.param]().fit(parts[0], items=data.items)


def given_to(ratings, item):
    users, values = ratings.by_item.row(item)
    return dict(zip(ratings.user_ids[users].tolist(), values.tolist(), strict=True))


# ---- items


def test_an_updated_item_is_solved_for_as_in_training(model, data, parts):
    train, later = parts
    whole = splits.merge(train, later)
    for item in range(train.n_items):
        model.partial_fit_items(train.item_ids[item], given_to(later, item))
    expected = model.copy()
    # What a fit on all ratings would have started from; the priors' rows are as they were.
    names, again = expected.feature_names_, expected.unfitted()
    again.init_features(whole.item_ids, whole.by_item.counts, data.items)
    features, found = again.features, again.feature_names_
    known = [names.index(name) if name in names else len(names) - 1 for name in found]
    expected.feature_indices_ = np.array(known, np.int32)[features.indices]
    if expected.feature_names_:
        for item in range(train.n_items):
            mine = slice(features.indptr[item], features.indptr[item + 1])
            rows = expected.feature_rows_[expected.feature_indices_[mine]]
            expected.item_priors_[item] = (features.values[mine, None] * rows).sum(axis=0)
        np.testing.assert_allclose(model.item_priors_, expected.item_priors_, atol=1e-6)
        expected.item_priors_ = model.item_priors_
    prior, rows = expected.item_priors_, expected.item_rows_
    expected.half_step(whole.by_item, expected.user_rows_, prior, rows)
    np.testing.assert_array_equal(model.item_rows_, expected.item_rows_)


def test_a_new_item_is_listed_predicted_and_saved(model, parts, tmp_path):
    train = parts[0]
    trained_ids = train.item_ids.copy()
    model.partial_fit_items(NEW_ITEM, dict.fromkeys(train.user_ids[:60].tolist(), 5.0))
    for k in range(1, 12):  # more than the first room for growth
        model.partial_fit_items(NEW_ITEM + k, {train.user_ids[k].item(): 1.0})
    assert model.item_ids_.tolist() == [*trained_ids, *range(NEW_ITEM, NEW_ITEM + 12)]
    np.testing.assert_array_equal(train.item_ids, trained_ids)
    others = train.user_ids[60:]
    assert (model.predict(others, NEW_ITEM) > model.predict(others, NEW_ITEM + 3)).all()
    listed = model.recommend(others, n=len(trained_ids) + 12)
    assert set(listed.loc[listed["item_id"] == NEW_ITEM, "user_id"]) == set(others)
    assert NEW_ITEM not in set(model.recommend(train.user_ids[:60], n=62)["item_id"])
    model.partial_fit_users(train.user_ids[70], {NEW_ITEM: 4.0})
    assert NEW_ITEM not in set(model.recommend(train.user_ids[70], n=62)["item_id"])
    model.save(tmp_path / "m")
    again = models.load(tmp_path / "m")
    assert_same(again, model, train)
    again.partial_fit_items(NEW_ITEM, {train.user_ids[71].item(): 0.5})
    model.partial_fit_items(NEW_ITEM, {train.user_ids[71].item(): 0.5})
    assert_same(again, model, train)


def test_a_new_film_starts_from_its_genres(data, parts):
    for kind in ("GenreALS", "GenreALS with popularity"):
        model = ALS_FAMILY[kind]().fit(parts[0], items=data.items)
        labels = model.genre_names_[:3]
        model.partial_fit_items(NEW_ITEM, {}, genres="|".join(labels[::-1]))
        expected = model.genre_rows_[:3].sum(axis=0) / np.sqrt(3)
        if model.popularity is not None:
            expected = expected + model.feature_rows_[len(model.genre_names_)]  # the lowest level
        np.testing.assert_allclose(model.item_rows_[-1], expected, atol=1e-6)
        user = parts[0].user_ids[0]
        reasons = model.explain(user, NEW_ITEM)
        assert set(labels) <= set(reasons["part"])
        plain = model.mu_ + model.user_rows_[0] @ np.append(model.item_rows_[-1][:-1], 0)
        plain += model.user_biases_[0] + model.item_biases_[-1]
        np.testing.assert_allclose(reasons["contribution"].sum(), plain, atol=1e-4)
        before = model.copy()
        with pytest.raises(DataError, match="had the genre 'Opera'"):
            model.partial_fit_items(NEW_ITEM + 1, {}, genres="Opera")
        with pytest.raises(RecsysError, match="has its genres from fit"):
            model.partial_fit_items(data.ratings.item_ids[0], {}, genres=labels[0])
        assert_same(model, before, parts[0])


# ---- both


def test_the_order_of_updates_does_not_matter_to_the_same_final_data(data, parts):
    train, later = parts
    users, items = later.user_of_rating(), later.by_user.indices
    events = list(zip(users.tolist(), items.tolist(), later.by_user.values.tolist(), strict=True))
    found = []
    for seed in range(2):
        model = ALS_FAMILY["GenreALS with popularity"]().fit(train, items=data.items)
        for user, item, value in np.random.default_rng(seed).permutation(events):
            model.partial_fit_users(train.user_ids[int(user)], {train.item_ids[int(item)]: value})
        for item in np.random.default_rng(seed).permutation(train.item_ids):
            model.partial_fit_items(item, {})
        found.append(model)
    assert_same(*found, data.ratings)


BAD = {
    "off the scale": (7, {"known": 3.0, "other": 6.0}, DataError, "scale is 0.5 to 5"),
    "not a number": (7, {"known": "four"}, DataError, "'four'"),
    "nan": (7, {"known": float("nan")}, DataError, "nan"),
    "true for 1": (7, {"other": 3, "known": True}, DataError, "True"),
    "an unknown key": (7, {"known": 3.0, 424242: 3.0}, UnknownIdError, "424242"),
    "text for a number": ("seven", {"known": 3.0}, DataError, "(users|items)' ids are integers"),
    "a fraction": (7.5, {"known": 3.0}, DataError, "cannot be a new"),
    "a number too large": (2**70, {"known": 3.0}, DataError, "integers of 64 bits"),
    "a truth value": (True, {"known": 3.0}, DataError, "True cannot be a new"),
    "a list": ([7], {"known": 3.0}, DataError, "cannot be a new"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("side", ["user", "item"])
def test_a_refused_update_leaves_no_trace(side, kind, model, parts):
    train = parts[0]
    one, ratings, error, message = BAD[kind]
    others = train.item_ids if side == "user" else train.user_ids
    names = {"known": others[0].item(), "other": others[1].item()}
    ratings = {names.get(key, key): value for key, value in ratings.items()}
    one = 10**8 + one if type(one) is int else one
    before = model.copy()
    with pytest.raises(error, match=message):
        (model.partial_fit_users if side == "user" else model.partial_fit_items)(one, ratings)
    assert_same(model, before, parts[0])


def test_a_fold_in_that_fails_leaves_no_trace(model, parts, monkeypatch):
    before = model.copy()
    with monkeypatch.context() as patch:
        patch.setattr(model, "user_vectors", lambda ratings: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.partial_fit_users(NEW_USER, {parts[0].item_ids[0]: 3.0})
    assert_same(model, before, parts[0])


def test_an_evaluation_goes_on_after_new_users(data, parts):
    model = ALS_FAMILY["ALS"]().fit(parts[0])
    model.partial_fit_users(NEW_USER, {data.ratings.item_ids[0]: 4.0})
    assert 0 < evaluate(model, *parts, ["rmse", "ndcg@5"])["rmse"] < 2


def test_training_arrays_are_not_copied(data, parts):
    model, train = ALS_FAMILY["ALS"]().fit(parts[0]), parts[0]
    user, item = train.user_ids[0].item(), train.item_ids[0].item()
    model.partial_fit_users(user, {item: 2.0}).partial_fit_items(item, {user: 3.0})
    trained = model._known._train
    assert trained.by_user.values is train.by_user.values
    assert trained.by_item.values is train.by_item.values
