"""What models share beyond the battery of `check_model.py`; then what each one promises alone."""

import re

import numpy as np
import pandas as pd
import pytest

from recsys_lib import models
from recsys_lib.errors import DataError, NotFittedError, RecsysError, UnknownIdError

# ---- every model


def test_for_nobody_in_particular_the_best_loved(model, parts):
    train = parts[0]
    table = model.recommend(n=5)
    frame = train.to_frame().groupby("item_id")["rating"].agg(["sum", "count"])
    damped = (frame["sum"] + 10 * model.mu_) / (frame["count"] + 10)
    best = damped.sort_values(ascending=False).head(5)
    assert table["item_id"].tolist() == best.index.tolist()
    np.testing.assert_allclose(table["score"], best, rtol=1e-5)


def test_a_stranger_gets_a_list_without_training(model, data):
    liked = data.ratings.item_ids[np.argsort(-data.ratings.by_item.counts)[:2]]
    table = model.recommend_for({liked[0]: 5.0, liked[1]: 1.0}, n=7)
    assert table.columns.tolist() == ["rank", "item_id", "score"]
    assert len(table) == 7
    assert not set(table["item_id"]) & set(liked)
    assert len(model.recommend_for({}, n=3)) == 3


def test_parameters_are_counted(fitted):
    users, items, genres = 300, 400, len(fitted("GenreALS").feature_names_)
    counts = {
        "Popularity": items,
        "BiasALS": users + items,
        "ALS": (users + items) * 7,
        "GenreALS": (users + items + genres) * 7,
        "BPR": users * 6 + items * 7,
        "ImplicitALS": (users + items) * 6,
        "PureSVD": items * 6 + 6,
        "EASE": items**2,
        "AutoEncoder": items * 8 + 8 + items * 9,
    }
    assert {name: fitted(name).n_parameters_ for name in counts} == counts
    with pytest.raises(NotFittedError):
        _ = models.BPR().n_parameters_


def test_save_and_load(model, data, tmp_path):
    path = tmp_path / "deep" / "model.safetensors"
    model.save(path)
    again = models.load(path)
    assert repr(again) == repr(model)
    users = data.ratings.user_ids[:50]
    pd.testing.assert_frame_equal(again.recommend(users), model.recommend(users))
    ratings = {data.ratings.item_ids[5]: 4.5}
    pd.testing.assert_frame_equal(again.recommend_for(ratings), model.recommend_for(ratings))
    pd.testing.assert_frame_equal(again.recommend(), model.recommend())
    pd.testing.assert_frame_equal(again.training_log_, model.training_log_, check_dtype=False)
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]


def test_update_keeps_the_history_and_takes_in_the_new(
    name, data, parts, tmp_path, small, known_of
):
    model = small(name).fit(parts[0], items=data.items)
    known, item = data.ratings.user_ids[11], model.recommend(data.ratings.user_ids[11]).item_id[0]
    old = known_of(parts[0], known)
    model.partial_fit_users(known, {item: 1.0})
    fresh = model.recommend_for({**old, item: 1.0})
    got = model.recommend(known)
    assert got["item_id"].tolist() == fresh["item_id"].tolist()
    assert item not in set(got["item_id"])
    model.partial_fit_users(10**6, {item: 5.0}).partial_fit_users(10**6, {item: 4.0})
    expected = model.recommend_for({item: 4.0})
    assert model.recommend(10**6)["item_id"].tolist() == expected["item_id"].tolist()
    model.save(tmp_path / "m")
    again = models.load(tmp_path / "m")
    for user in (known, 10**6, data.ratings.user_ids[0]):
        pd.testing.assert_frame_equal(again.recommend(user), model.recommend(user))


def test_what_a_model_refuses(model, data):
    item = data.ratings.item_ids[0]
    with pytest.raises(UnknownIdError, match="no user 999999"):
        model.recommend(999_999)
    with pytest.raises(UnknownIdError, match="no item 999999"):
        model.recommend_for({999_999: 3.0})
    with pytest.raises(DataError, match=r"scale is 0\.5 to 5"):
        model.recommend_for({item: 6.0})
    with pytest.raises(DataError, match="nan"):
        model.partial_fit_users(data.ratings.user_ids[0], {item: float("nan")})
    with pytest.raises(RecsysError, match="at least one"):
        model.recommend(n=0)
    with pytest.raises(RecsysError, match="no parameter 'n_factorz'"):
        model.set_params(n_factorz=3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_factors": -1}, "n_factors"),
        ({"n_epochs": 0}, "n_epochs"),
        ({"tau": 0.0}, "tau"),
        ({"gamma": -1.0}, "gamma"),
        ({"lam": float("nan")}, "lam"),
        ({"nu": -0.1}, "nu"),
    ],
)
def test_parameters_without_sense_are_refused(params, message, parts):
    with pytest.raises(RecsysError, match=message):
        models.ALS(**params).fit(parts[0])


# ---- models with factors


@pytest.mark.parametrize("name", ["ALS", "GenreALS", "BPR", "ImplicitALS"])
def test_similar_items_are_the_nearest_by_cosine(fitted, name, data):
    model = fitted(name)
    item = data.ratings.item_ids[np.argmax(data.ratings.by_item.counts)]
    table = model.similar_items(item, n=6)
    q = model.item_factors_.astype(float)
    length = np.linalg.norm(q, axis=1)
    row = data.ratings.item_index(item)[0]
    cosine = q @ q[row] / np.where(length > 0, length, np.inf) / length[row]
    cosine[row] = -np.inf
    assert table["item_id"].tolist() == data.ratings.item_ids[np.argsort(-cosine)[:6]].tolist()
    np.testing.assert_allclose(table["score"], np.sort(cosine)[::-1][:6], atol=1e-5)


@pytest.mark.parametrize("name", ["Popularity", "BiasALS"])
def test_without_factors_no_items_are_alike(fitted, name, data):
    with pytest.raises(RecsysError, match="no factors"):
        fitted(name).similar_items(data.ratings.item_ids[0])


def test_nothing_is_like_a_film_of_which_nothing_is_known(parts):
    train = parts[0]
    cold = train.item_ids[train.by_item.counts == 0]
    ratings = train
    if len(cold) == 0:
        ratings = train.select(train.by_user.indices != 0)
        cold = train.item_ids[:1]
    with pytest.raises(RecsysError, match="nothing is known"):
        models.ALS(n_factors=3, n_epochs=2).fit(ratings).similar_items(cold[0])


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("ALS", {"n_factors": 2.5}, "n_factors is 2.5; it must be a whole number, 0 or more"),
        ("ALS", {"tau": "1"}, "tau is '1'; it must be a number, above 0"),
        ("ALS", {"tau": np.inf}, "tau is inf; it must be above 0"),
        ("ALS", {"patience": 0}, "patience is 0; it must be above 0, or None"),
        ("BPR", {"seed": 2**70}, "seed is 1180591620717411303424; it must be below 9223372036854"),
        ("EASE", {"threshold": 10**400}, "it must be below 9223372036854775808, or None"),
        ("ImplicitALS", {"by_value": 1}, "by_value is 1; it must be True or False"),
        ("AutoEncoder", {"hidden": (8, 2.5)}, "sequence of 1 or more whole numbers"),
    ],
)
def test_parameters_of_another_type_are_refused(name, params, message, parts):
    with pytest.raises(RecsysError, match=re.escape(message)):
        getattr(models, name)(**params).fit(parts[0])


def test_numbers_of_numpy_become_pythons(parts):
    model = models.ALS(n_factors=np.int64(2), tau=np.float32(1.5), n_epochs=np.int32(1))
    kinds = {name: type(value) for name, value in model.fit(parts[0]).get_params().items()}
    assert (kinds["n_factors"], kinds["tau"], kinds["n_epochs"]) == (int, float, int)
