"""The widgets' Python half: tastes, packed films, traits, and the form that lives in a page."""

import base64
import inspect
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from traitlets import TraitError

from recsys_lib import datasets, models, splits
from recsys_lib.errors import DataError, RecsysError, UnknownIdError
from recsys_lib.widgets import (
    BiasExplorer,
    FitExplorer,
    GenreSliders,
    ItemMap,
    RatingDemo,
    assets,
)
from recsys_lib.widgets.catalogue import catalogue, quantised
from recsys_lib.widgets.taste import measured_noise, noise_at, taste_of


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=400, n_items=300, n_ratings=20_000, seed=2)


@pytest.fixture(scope="module", params=["ALS", "GenreALS"])
def model(request, data):
    made = {"ALS": models.ALS(6, n_epochs=5), "GenreALS": models.GenreALS(6, lam=1.5, n_epochs=5)}
    return made[request.param].fit(data.ratings, items=data.items)


@pytest.fixture
def demo(model, data):
    return RatingDemo(model, data.items)


def some_ratings(model, rng, n):
    items = rng.choice(model.item_ids_, n, replace=False).tolist()
    return dict(zip(items, (rng.integers(1, 11, n) / 2).tolist(), strict=True))


@pytest.mark.parametrize("n", [0, 1, 2, 30, 290])
def test_a_taste_scores_as_recommend_for(model, n):
    ratings = some_ratings(model, np.random.default_rng(n), n)
    table = model.recommend_for(ratings, n=300)
    scores = pd.Series(taste_of(model, ratings).scores(), model.item_ids_)
    np.testing.assert_allclose(scores[table["item_id"]], table["score"], atol=2e-5)


def test_the_spread_is_that_of_tastes_drawn_from_the_posterior(model):
    """Perturb ratings and prior by their own noise: the solutions then scatter as the posterior."""
    rng = np.random.default_rng(1)
    ratings, noise = some_ratings(model, rng, 8), 0.7
    taste = taste_of(model, ratings)
    size, draws = len(taste.row), 4000
    penalty = np.array([model.tau] * model.n_factors + [model.gamma]) * 8**model.nu
    said = taste.surprise + noise * rng.standard_normal((draws, 8))
    prior = noise * np.sqrt(model.lam / penalty) * rng.standard_normal((draws, size))
    z = taste.vectors[taste.rated]
    system = model.lam * z.T @ z + np.diag(penalty)
    rows = np.linalg.solve(system, (model.lam * said @ z + prior * penalty).T).T
    scores = rows @ taste.vectors.T + noise * rng.standard_normal((draws, 300))
    np.testing.assert_allclose(scores.std(axis=0), taste.spread(noise), rtol=0.06)


def test_two_thirds_of_other_users_ratings_lie_within_the_measured_spread(model, data):
    """Of newcomers with one, five and twenty known ratings: 68.3 % for each, not on average."""
    _, hidden, _, shown = splits.strong_generalisation(data.ratings, valid=0.5, test=0, seed=0)
    even = hidden.user_of_rating() % 2 == 0
    noise = measured_noise(model, shown, hidden.select(even))
    for n in (1, 5, 20):
        inside = []
        for user in np.flatnonzero((shown.by_user.counts >= n) & (hidden.by_user.counts > 0)):
            items, values = shown.by_user.row(user)
            known = dict(zip(model.item_ids_[items[-n:]].tolist(), values[-n:], strict=True))
            taste = taste_of(model, known)
            items, values = hidden.by_user.row(user)
            if user % 2:
                errors = np.abs(values - taste.scores(items))
                inside.append(errors < taste.spread(noise_at(noise, n), items))
        inside = np.concatenate(inside)
        assert inside.mean() == pytest.approx(0.683, abs=4 * np.sqrt(0.22 / len(inside)))
    assert [noise_at(noise, n) for n in (0, 4, 999)] == [noise[0], noise[3], noise[max(noise)]]
    with pytest.raises(DataError, match="both shown and hidden"):
        measured_noise(model, shown, shown.select(np.zeros(len(shown), bool)))


def test_quantised_rows_keep_within_half_a_step(model):
    rng = np.random.default_rng(4)
    rows, step = quantised(model.item_rows_)
    assert rows.dtype == np.int16
    assert np.abs(rows).max(axis=0).tolist() == [2**15 - 1] * rows.shape[1]
    assert (np.abs(rows * step - model.item_rows_) <= step * 0.5001).all()
    for row in rng.standard_normal((20, rows.shape[1])):
        factors = row.copy()
        factors[-1] = 1
        off = np.abs((rows * step - model.item_rows_) @ factors).max()
        bound = np.abs(factors) @ step / 2
        assert bound / 20 < off <= bound * 1.0001  # a bound that says something


def test_a_demo_may_show_the_most_rated_films_only(model, data):
    positions, packed = catalogue(model, data.items, n_items=40)
    counts = data.ratings.by_item.counts
    assert packed["ids"] == data.ratings.item_ids[positions].tolist()
    assert counts[positions].min() >= np.sort(counts)[-40]
    assert packed["counts"] == counts[positions].tolist()
    rows = np.frombuffer(packed["rows"], "<i2").reshape(40, -1)
    unpacked = rows * packed["columnScale"]
    np.testing.assert_allclose(unpacked, model.item_rows_[positions], atol=1e-4)


def test_what_cannot_be_shown_is_told(model, data):
    with pytest.raises(DataError, match=r"no row for item"):
        RatingDemo(model, data.items.iloc[1:])
    with pytest.raises(RecsysError, match="n_items is 0; it must be a whole number"):
        RatingDemo(model, data.items, n_items=0)
    with pytest.raises(RecsysError, match="fewer than two factors"):
        RatingDemo(models.BiasALS(n_epochs=1).fit(data.ratings), data.items)
    with pytest.raises(RecsysError, match="one of them for 0"):
        RatingDemo(model, data.items, noise={5: 0.9})
    with pytest.raises(RecsysError, match="not Popularity"):
        RatingDemo(models.Popularity().fit(data.ratings), data.items)


def test_python_sees_what_the_browser_sends(demo, model):
    seen = []
    demo.observe(lambda change: seen.append(change["new"]), "ratings")
    first, second = demo.catalogue["ids"][:2]
    demo.set_state({"ratings": [[first, 4.5], [second, 1]]})  # as the front end's message has it
    assert seen == [{first: 4.5, second: 1}]
    expected = model.recommend_for(seen[0])
    assert demo.recommendations["item_id"].tolist() == expected["item_id"].tolist()
    np.testing.assert_allclose(demo.recommendations["score"], expected["score"], atol=1e-4)


def test_the_browser_is_sent_what_python_sets(demo):
    third = demo.catalogue["ids"][3]
    demo.ratings = {third: 2.0}
    assert demo.get_state(["ratings"])["ratings"] == [[third, 2.0]]


def test_wrong_ratings_are_refused_and_leave_no_trace(demo):
    first = demo.catalogue["ids"][0]
    for wrong, error in (({first: 9.0}, DataError), ({-5: 3.0}, UnknownIdError)):
        with pytest.raises(error):
            demo.ratings = wrong
    with pytest.raises(TraitError):
        demo.ratings = 3
    assert demo.ratings == {}
    assert len(demo.recommendations) == 10


def test_ready_made_tastes_are_of_films_in_the_demo(demo, model, data):
    assert len(demo.tastes) == 5
    for ratings in demo.tastes.values():
        assert set(ratings) <= set(demo.catalogue["ids"])
        assert len(set(ratings.values())) == 2
    plain = RatingDemo(model, data.items.assign(genres=""))
    most = data.ratings.item_ids[np.argsort(-data.ratings.by_item.counts, kind="stable")[:4]]
    assert plain.tastes == {"Popular": dict.fromkeys(most.tolist(), 5.0)}


def test_bundles_have_no_import_left_and_each_part_once():
    for name in ("atlas", "bias", "demo", "fits", "genres"):
        text = assets.module(name)
        assert not re.search(r"^import ", text, re.MULTILINE)
        assert text.count("export ") == text.count("export default ") == 1
        declared = re.findall(r"^(?:function|const|let|class) (\w+)", text, re.MULTILINE)
        assert len(declared) == len(set(declared)) > 5
    assert "export" not in assets.page_script(("demo", "genres"))


def test_the_films_of_a_page_weigh_less_than_one_and_a_half_megabytes():
    data = datasets.load("synthetic", n_users=500, n_items=11_000, n_ratings=30_000, seed=0)
    model = models.GenreALS(20, n_epochs=1).fit(data.ratings, items=data.items)
    assert len(RatingDemo(model, data.items, n_items=10_000).to_html().encode()) < 1_500_000


def test_the_genre_sliders_predict_as_the_model_does_for_a_new_film(data):
    model = models.GenreALS(6, n_epochs=5).fit(data.ratings, items=data.items)
    mix = model.genre_names_[1:4]
    sliders = GenreSliders(model)
    sliders.weights = dict.fromkeys(mix, 1.0)
    grown = model.copy().partial_fit_items(10**6, {}, genres="|".join(mix))
    users = [int(name.split()[1]) for name in sliders.fixed["readers"]]
    low, high = model.scale_
    expected = grown.predict(users, 10**6)
    np.testing.assert_allclose(sliders.predictions().clip(low, high), expected, atol=1e-4)
    assert np.ptp(expected) > 0
    with pytest.raises(RecsysError, match="no genres"):
        GenreSliders(models.ALS(2, n_epochs=1).fit(data.ratings))


def test_the_best_films_of_the_explorer_are_the_best_of_all(data):
    model = models.BiasALS().fit(data.ratings)
    explorer = BiasExplorer(model, data.items, [0.0, 2.0, 40.0])
    titles = data.items.set_index("item_id")["title"]
    users, stars = data.ratings.user_of_rating(), data.ratings.by_user.values.astype(float)
    for fair in (False, True):
        explorer.fair = fair
        known = stars - model.user_biases_[users].astype(float) * fair
        sums = np.bincount(data.ratings.by_user.indices, known, data.ratings.n_items)
        for explorer.gamma in (0.0, 2.0, 40.0):
            counts = data.ratings.by_item.counts
            with np.errstate(invalid="ignore"):
                every = (sums + explorer.gamma * data.ratings.mean) / (counts + explorer.gamma)
            every[counts == 0] = -np.inf
            best = explorer.best()
            np.testing.assert_allclose(best["estimate"], np.sort(every)[::-1][:8], rtol=1e-6)
            first = titles[data.ratings.item_ids[np.argmax(every)]]
            assert best["title"][0].startswith(first)
    with pytest.raises(DataError, match="one of"):
        explorer.gamma = 3.0


def histories(values=(1, 2), epochs=3):
    rows = [
        (k, tau, epoch, 1 / (k * epoch), tau / epoch)
        for k in values
        for tau in (0.5, 1.0)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows, columns=["K", "tau", "epoch", "rmse_train", "rmse_valid"])


def test_the_fit_explorer_holds_every_curve_in_its_place():
    explorer = FitExplorer(histories().sample(frac=1, random_state=0))
    assert explorer.fixed["values"] == [[1, 2], [0.5, 1.0]]
    assert explorer.fixed["train"][1][0] == pytest.approx([1 / 2, 1 / 4, 1 / 6], abs=1e-5)
    assert explorer.fixed["valid"][0][1] == pytest.approx([1.0, 0.5, 1 / 3], abs=1e-5)
    assert explorer.fixed["best"] == [0, 0]
    with pytest.raises(DataError, match="one row for each"):
        FitExplorer(histories().iloc[1:])
    with pytest.raises(DataError, match="no value number 2"):
        explorer.chosen = [0, 2]


def test_help_names_what_a_widget_is_given():
    assert [*inspect.signature(FitExplorer).parameters] == ["fits", "figure"]


def test_the_map_knows_the_nearest_and_refuses_parts_that_do_not_fit():
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], float)
    atlas = ItemMap(vectors, list("abcd"), vectors)
    near = atlas.fixed["near"]
    assert [other for other, _ in near[0]] == [1, 2, 3]
    assert near[3][-1] == (0, -1.0)
    with pytest.raises(DataError, match="as many of each"):
        ItemMap(vectors, list("abc"), vectors)
    with pytest.raises(DataError, match="finite"):
        ItemMap(vectors * np.nan, list("abcd"), vectors)
    with pytest.raises(DataError, match="no item 4 on a map of 4"):
        atlas.chosen = 4


def test_plain_forms_are_pictures_with_words(data):
    drawn = []

    def figure(*args):
        drawn.append(args)
        return Figure()

    bias = models.BiasALS().fit(data.ratings)
    genres = models.GenreALS(6, n_epochs=2).fit(data.ratings, items=data.items)
    titles = [f"<i>{k}" for k in range(8)]
    for widget in (
        BiasExplorer(bias, data.items, [0.0, 5.0], figure=figure),
        FitExplorer(histories(), figure=figure),
        GenreSliders(genres, figure=figure),
        ItemMap(np.eye(8)[:, :2], titles, np.eye(8), figure=figure),
    ):
        text = widget.to_html()
        (picture,) = re.findall(r"<img [^>]*>", text)
        words = re.search('alt="([^"]*)"', picture)[1]
        assert len(words) > 30
        drawing = base64.b64decode(re.search('base64,([^"]*)', picture)[1])
        assert drawing.count(b"<svg") == 1
        assert "<i>" not in re.sub("<script.*?</script>", "", text, flags=re.DOTALL)
        widget.figure = None
        assert "<img" not in widget.to_html()
        assert f"<p>{words}</p>" in widget.to_html()  # a widget without a figure still has words
    assert len(drawn) == 4
