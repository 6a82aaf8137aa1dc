"""GenreALS: what genres say of an item, and explanations that add up."""

import numpy as np
import pytest

from recsys_lib import models
from recsys_lib.errors import RecsysError


@pytest.mark.parametrize("bayesian", [False, True])
def test_genres_help_where_ratings_lack(data, bayesian):
    """Over all films hidden in turn, a model that knows their genres errs less than one without."""
    hidden = np.random.default_rng(0).choice(data.ratings.n_items, 60, replace=False)
    mask = np.isin(data.ratings.by_user.indices, hidden)
    train, test = data.ratings.select(~mask), data.ratings.select(mask).to_frame()
    errors = []
    for items in (data.items, None):
        model = models.ALS(n_factors=6) if items is None else models.GenreALS(n_factors=6)
        if bayesian:
            model = models.BayesianALS(n_factors=8, n_samples=30, n_burn=15)
        model.fit(train, items=items)
        if not bayesian:
            assert any("genre" in name for name in model.feature_names_) == (items is not None)
        error = model.predict(test["user_id"], test["item_id"]) - test["rating"]
        errors.append(float((error**2).mean()))
    assert errors[0] < errors[1]


@pytest.mark.parametrize("popularity", [None, 10.0])
def test_an_explanation_adds_up(data, parts, popularity):
    model = models.GenreALS(n_factors=4, n_epochs=8, popularity=popularity)
    model.fit(parts[0], items=data.items)
    user, item = data.ratings.user_ids[8], data.ratings.item_ids[30]
    table = model.explain(user, item)
    row_u, row_i = model.user_rows_[8], model.item_rows_[30]
    score = model.mu_ + row_u[-1] + row_i[-1] + row_u[:-1] @ row_i[:-1]
    assert table["contribution"].sum() == pytest.approx(score, abs=1e-5)
    genres = set(data.items.set_index("item_id").loc[item, "genres"].split("|")) - {""}
    raters = table["part"].str.startswith("raters: ")
    assert raters.sum() == (popularity is not None)
    assert set(table["part"][~raters]) == {
        "average rating", "this user's level", "the film itself", *genres
    }  # fmt: skip
    known = parts[0].of_user(user).set_index("item_id")["rating"].to_dict()
    stranger = model.explain(known, item)
    assert stranger["part"].tolist() == table["part"].tolist()


def test_genres_must_be_given(parts):
    with pytest.raises(RecsysError, match=r"items=data\.items"):
        models.GenreALS().fit(parts[0])
