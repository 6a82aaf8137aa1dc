"""What models share beyond the battery of `check_model.py`; then what each one promises alone."""

import numpy as np
import pytest

from recsys_lib import datasets, evaluation, models, splits

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
