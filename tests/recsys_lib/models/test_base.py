"""What models share beyond the battery of `check_model.py`; then what each one promises alone."""

import re

import numpy as np
import pytest

from recsys_lib import datasets, evaluation, models, splits
from recsys_lib.errors import RecsysError

# ---- every model


def test_the_best_loved_have_the_highest_damped_mean(parts):
    model = models.Popularity(by="mean").fit(parts[0])
    frame = parts[0].to_frame().groupby("item_id")["rating"].agg(["sum", "count"])
    damped = (frame["sum"] + 10 * model.mu_) / (frame["count"] + 10)
    best = damped.sort_values(ascending=False).head(5)
    table = model.recommend_for({}, n=5)
    assert table["item_id"].tolist() == best.index.tolist()
    np.testing.assert_allclose(table["score"], best, rtol=1e-5)


@pytest.fixture(scope="module")
def strangers():
    data = datasets.load("synthetic", n_users=600, n_items=300, n_ratings=30_000, seed=2)
    return splits.strong_generalisation(data.ratings, seed=0)


NETWORK = {"n_epochs": 20, "learning_rate": 5e-3, "hidden": (32,)}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        *(("BPR", {"n_factors": 16}), ("ImplicitALS", {"n_factors": 16})),
        *(("PureSVD", {"n_factors": 8}), ("EASE", {"lam": 50.0})),
        *(("AutoEncoder", {**NETWORK, "loss": loss}) for loss in ("multinomial", "bce")),
        ("TwoTower", {**NETWORK, "n_factors": 16, "width": 16}),
    ],
)
def test_models_of_likes_find_for_strangers_what_popularity_does_not(name, params, strangers):
    train, _, test, known = strangers
    found = {}
    for model in (models.Popularity(threshold=4.0), getattr(models, name)(threshold=4.0, **params)):
        report = evaluation.evaluate(
            model.fit(train), train, test, ["ndcg@10", "auc"], test_input=known
        )
        found[type(model).__name__] = report["ndcg@10"]
        assert report["auc"] > 0.5
    assert found[name] > 1.1 * found["Popularity"], found


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


# ---- models with factors


@pytest.mark.parametrize("name", ["ALS", "GenreALS", "BPR", "ImplicitALS", "BayesianALS"])
def test_similar_items_are_the_nearest_by_cosine(fitted, name, data):
    model = fitted(name)
    item = data.ratings.item_ids[np.argmax(data.ratings.by_item.counts)]
    table = model.similar_items(item, n=6)
    factors = model.item_means_[..., :-1] if name == "BayesianALS" else model.item_factors_
    q = factors.reshape(len(factors), -1).astype(float)
    length = np.linalg.norm(q, axis=1)
    row = data.ratings.item_index(item)[0]
    cosine = q @ q[row] / np.where(length > 0, length, np.inf) / length[row]
    cosine[row] = -np.inf
    assert table["item_id"].tolist() == data.ratings.item_ids[np.argsort(-cosine)[:6]].tolist()
    np.testing.assert_allclose(table["score"], np.sort(cosine)[::-1][:6], atol=1e-5)


def test_nothing_is_like_a_film_of_which_nothing_is_known(parts):
    ratings = parts[0].select(parts[0].by_user.indices != 0)
    with pytest.raises(RecsysError, match="nothing is known"):
        models.ALS(n_factors=3, n_epochs=2).fit(ratings).similar_items(ratings.item_ids[0])


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("ALS", {"n_factors": 2.5}, "n_factors is 2.5; it must be a whole number, 0 or more"),
        ("ALS", {"tau": "1"}, "tau is '1'; it must be a number, above 0"),
        ("ALS", {"patience": 0}, "patience is 0; it must be a whole number, above 0, or None"),
        ("ALS", {"tau": np.inf}, "tau is inf; it must be a number, above 0"),
        ("BPR", {"seed": 2**70}, "seed is 1180591620717411303424; it must be below 9223372036854"),
        ("EASE", {"threshold": 10**400}, "it must be below 9223372036854775808, or None"),
        ("AutoEncoder", {"hidden": (8, 2.5)}, "sequence of 1 or more whole numbers"),
        ("AutoEncoder", {"loss": "mse"}, "loss is 'mse'; it must be 'multinomial' or 'bce'"),
        ("AutoEncoder", {"dropout": 1.0}, "dropout is 1.0; it must be a number, from 0 to below 1"),
        ("BPR", {"threshold": 9.0}, "the training part is a like; lower the threshold"),
    ],
)
def test_a_refused_parameter_is_told_with_what_it_must_be(name, params, message, parts):
    with pytest.raises(RecsysError, match=re.escape(message)):
        getattr(models, name)(**params).fit(parts[0])
