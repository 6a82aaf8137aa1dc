"""What every model promises, tested on every model; then what each one promises alone."""

import json
import pickle
import struct

import numba
import numpy as np
import pandas as pd
import pytest

from recsys_lib import datasets, evaluation, io, models, splits
from recsys_lib.errors import DataError, NotFittedError, RecsysError, UnknownIdError
from recsys_lib.ratings import Ratings

MODELS = {
    "Popularity": lambda: models.Popularity(),
    "BiasALS": lambda: models.BiasALS(n_epochs=5),
    "ALS": lambda: models.ALS(n_factors=6, n_epochs=5),
    "GenreALS": lambda: models.GenreALS(n_factors=6, n_epochs=5),
    "BayesianALS": lambda: models.BayesianALS(n_factors=4, n_samples=6, n_burn=4),
    "BPR": lambda: models.BPR(n_factors=6, n_epochs=5),
    "PureSVD": lambda: models.PureSVD(n_factors=6, threshold=3.5),
    "EASE": lambda: models.EASE(lam=20.0, threshold=3.5),
    "AutoEncoder": lambda: models.AutoEncoder((16, 8), threshold=3.5, n_epochs=3),
    "TwoTower": lambda: models.TwoTower(6, 6, (8,), threshold=3.5, n_epochs=2),
    "TwoTowerRegressor": lambda: models.TwoTowerRegressor(6, 6, (8,), n_epochs=2),
    "ImplicitALS": lambda: models.ImplicitALS(n_factors=6, threshold=3.5, n_epochs=5),
}
RATING_MODELS = ["BiasALS", "ALS", "GenreALS"]
FACTOR_MODELS = ["ALS", "GenreALS", "BPR", "ImplicitALS"]
# A trained row equals its fold-in when the items have not moved since: one more users' half step.
EXACT_FOLD_IN = ["BiasALS", "ALS", "GenreALS"]


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=300, n_items=400, n_ratings=15_000, seed=1)


@pytest.fixture(scope="module")
def parts(data):
    return splits.random(data.ratings, valid=0.1, test=0.1, seed=0)


@pytest.fixture(scope="module")
def fitted(data, parts):
    train, valid, _ = parts
    return {name: make().fit(train, valid, items=data.items) for name, make in MODELS.items()}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def model(fitted, name):
    return fitted[name]


def history_of(train, user_id):
    table = train.of_user(user_id)
    return dict(zip(table["item_id"], table["rating"], strict=True))


# ---- every model


def test_recommendations_are_ranked_new_and_in_the_datas_ids(model, data, parts):
    train = parts[0]
    users = data.ratings.user_ids[[7, 3, 250]]
    table = model.recommend(users, n=20)
    assert table.columns.tolist() == ["user_id", "rank", "item_id", "score"]
    assert table["user_id"].tolist() == np.repeat(users, 20).tolist()
    for user_id, mine in table.groupby("user_id"):
        assert mine["rank"].tolist() == list(range(1, 21))
        assert mine["score"].is_monotonic_decreasing
        assert mine["item_id"].is_unique
        assert not set(mine["item_id"]) & set(train.of_user(user_id)["item_id"])
        assert set(mine["item_id"]) <= set(data.items["item_id"])


def test_one_user_and_a_list_of_one_are_the_same(model, data):
    user = data.ratings.user_ids[4]
    pd.testing.assert_frame_equal(model.recommend(user), model.recommend([user]))


def test_more_items_than_there_are(model, data, parts):
    user = data.ratings.user_ids[0]
    table = model.recommend(user, n=10_000)
    assert len(table) == data.ratings.n_items - len(parts[0].of_user(user))


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
    users, items, genres = 300, 400, len(fitted["GenreALS"].feature_names_)
    counts = {
        "Popularity": items,
        "BiasALS": users + items,
        "ALS": (users + items) * 7,
        "GenreALS": (users + items + genres) * 7,
        "BPR": users * 6 + items * 7,
        "ImplicitALS": (users + items) * 6,
        "PureSVD": items * 6 + 6,
        "EASE": items**2,
        "AutoEncoder": items * 16 + 16 + 16 * 8 + 8 + 8 * 16 + 16 + items * 17,
    }
    assert {name: fitted[name].n_parameters_ for name in counts} == counts
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


def test_the_same_seed_gives_the_same_bits_at_any_thread_count(name, data, parts):
    train, valid, _ = parts
    threads = numba.get_num_threads()
    found = []
    for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(n)
        model = MODELS[name]().fit(train, valid, items=data.items)
        found.append((model, model.recommend(data.ratings.user_ids, n=5)))
    numba.set_num_threads(threads)
    (one, first), (two, second) = found
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    for learnt in one._learnt:
        np.testing.assert_array_equal(getattr(one, learnt), getattr(two, learnt))


def test_update_keeps_the_history_and_takes_in_the_new(name, data, parts, tmp_path):
    model = MODELS[name]().fit(parts[0], items=data.items)
    known, item = data.ratings.user_ids[11], model.recommend(data.ratings.user_ids[11]).item_id[0]
    old = history_of(parts[0], known)
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


def test_before_fit(name):
    model = MODELS[name]()
    for call in (model.recommend, lambda: model.recommend_for({}), lambda: model.save("x")):
        with pytest.raises(NotFittedError, match="call fit first"):
            call()


def test_parameters_go_in_and_out(name):
    model = MODELS[name]()
    params = model.get_params()
    assert type(model)(**params).get_params() == params
    assert eval(repr(model), vars(models)).get_params() == params
    for key, value in params.items():
        assert model.set_params(**{key: value}) is model


def test_an_empty_training_part_is_refused(name, data):
    nothing = data.ratings.select(np.zeros(len(data.ratings), bool))
    with pytest.raises(DataError, match="no rating"):
        MODELS[name]().fit(nothing, items=data.items)


def test_text_ids_work_throughout(name, data, parts, tmp_path):
    frame = parts[0].to_frame()
    frame["user_id"] = "usér " + frame["user_id"].astype(str)
    frame["item_id"] = "🎬 " + frame["item_id"].astype(str)
    items = data.items.assign(item_id="🎬 " + data.items["item_id"].astype(str))
    ratings = Ratings.from_frame(frame, scale=(0.5, 5), item_ids=items["item_id"])
    model = MODELS[name]().fit(ratings, items=items)
    user = frame["user_id"].iloc[0]
    model.save(tmp_path / "m")
    pd.testing.assert_frame_equal(
        models.load(tmp_path / "m").recommend(user), model.recommend(user)
    )


# ---- models that predict ratings


@pytest.mark.parametrize("name", RATING_MODELS)
def test_predictions_follow_the_equation(fitted, name, data):
    model = fitted[name]
    u, i = np.divmod(np.arange(300 * 400), 400)
    guess = (
        model.mu_ + model.user_biases_[:, None] + model.item_biases_
        + model.user_factors_ @ model.item_factors_.T
    ).ravel()  # fmt: skip
    got = model.predict(data.ratings.user_ids[u], data.ratings.item_ids[i])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, guess.clip(0.5, 5), atol=1e-5)
    one = model.predict(data.ratings.user_ids[3], data.ratings.item_ids)
    np.testing.assert_array_equal(one, got[3 * 400 : 4 * 400])
    best = model.recommend(data.ratings.user_ids[3], n=1)
    row = np.where(model.item_ids_ == best["item_id"][0])[0][0]
    assert best["score"][0] == pytest.approx(guess[3 * 400 + row], abs=1e-5)


@pytest.mark.parametrize("name", RATING_MODELS)
def test_the_history_tells_the_truth(fitted, name, parts):
    train, valid, _ = parts
    model, last = fitted[name], fitted[name].training_log_.iloc[-1]
    assert model.training_log_["loss"].is_monotonic_decreasing
    assert model.training_log_["epoch"].tolist() == [1, 2, 3, 4, 5]
    frame = valid.to_frame()
    error = model.predict(frame["user_id"], frame["item_id"]) - frame["rating"]
    assert last["rmse_valid"] == pytest.approx(np.sqrt((error**2).mean()), abs=1e-5)
    frame = train.to_frame()
    users, items = train.user_index(frame["user_id"]), train.item_index(frame["item_id"])
    guess = (
        model.mu_ + model.user_biases_[users] + model.item_biases_[items]
        + (model.user_factors_[users] * model.item_factors_[items]).sum(1)
    )  # fmt: skip
    rmse = np.sqrt(((guess - frame["rating"]) ** 2).mean())
    assert last["rmse_train"] == pytest.approx(rmse, abs=1e-5)


@pytest.mark.parametrize("name", EXACT_FOLD_IN)
def test_fold_in_equals_the_trained_row(name, data, parts):
    train = parts[0]
    model = MODELS[name]().fit(train, items=data.items)
    model._solve_users(train)
    for user in data.ratings.user_ids[[0, 17, 299]]:
        row = model._fold_in(model._as_history(history_of(train, user)))[0]
        np.testing.assert_array_equal(row, model.user_rows_[train.user_index(user)[0]])


def test_strangers_are_measured_as_if_they_had_been_there(data):
    """Strong generalisation: the errors on folded-in users are those of their own predictions."""
    train, _, test, history = splits.strong_generalisation(data.ratings, seed=0)
    model = models.ALS(n_factors=4, n_epochs=5).fit(train)
    report = evaluation.evaluate(model, train, test, history=history)
    errors = []
    for user in np.unique(test.user_of_rating()):
        row = model._fold_in(history.by_user.take(np.array([user])))[0]
        items, given = test.by_user.row(user)
        guess = model.mu_ + row[-1] + model.item_biases_[items]
        guess += model.item_factors_[items] @ row[:-1]
        errors.append((guess.clip(*data.ratings.scale) - given) ** 2)
    assert report["rmse"] == pytest.approx(np.sqrt(np.concatenate(errors).mean()), abs=1e-5)


@pytest.mark.parametrize("name", ["ALS", "GenreALS", "ImplicitALS"])
def test_a_resumed_run_equals_one_that_was_never_stopped(name, data, parts, tmp_path):
    train, valid, _ = parts
    whole = MODELS[name]().fit(train, valid, items=data.items, run_dir=tmp_path / "whole")
    model = MODELS[name]().set_params(n_epochs=2)
    model.fit(train, valid, items=data.items, run_dir=tmp_path / "parts")
    again = MODELS[name]().fit(
        train, valid, items=data.items, run_dir=tmp_path / "parts", resume=True
    )
    for learnt in whole._learnt:
        np.testing.assert_array_equal(getattr(again, learnt), getattr(whole, learnt))
    both = [io.read_log(tmp_path / run).drop(columns="seconds") for run in ("whole", "parts")]
    pd.testing.assert_frame_equal(*both)
    other = MODELS[name]().set_params(tau=7.0)
    with pytest.raises(RecsysError, match=r"other parameters \(tau\)"):
        other.fit(train, items=data.items, run_dir=tmp_path / "parts", resume=True)
    with pytest.raises(RecsysError, match="needs run_dir"):
        MODELS[name]().fit(train, items=data.items, resume=True)


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


def test_between_the_noise_floor_and_the_baseline_above():
    """Each model, its τ chosen on validation, closes part of the gap that the one before left."""
    data = datasets.load("synthetic", seed=3)
    train, valid, test = splits.random(data.ratings, seed=0)
    frame = test.to_frame()
    floor = data.truth.noise_floor(test)
    scores = {"mean": float(np.sqrt(np.mean((train.mean - frame["rating"]) ** 2)))}
    for candidates in (
        [models.BiasALS(gamma=gamma) for gamma in (2.5, 5.0)],
        [models.ALS(n_factors=12, tau=tau) for tau in (1.35, 1.6, 2.0)],
        [models.GenreALS(n_factors=12, tau=tau) for tau in (1.35, 1.6, 2.0)],
    ):
        fits = [model.fit(train, valid, items=data.items) for model in candidates]
        best = min(fits, key=lambda model: model.training_log_["rmse_valid"].iloc[-1])
        error = best.predict(frame["user_id"], frame["item_id"]) - frame["rating"]
        scores[type(best).__name__] = float(np.sqrt((error**2).mean()))
    gaps = {name: score - floor for name, score in scores.items()}
    # The bands are shares of the gap above the best that any model could do.
    assert 0 < gaps["BiasALS"] < 0.45 * gaps["mean"]
    assert 0 < gaps["ALS"] < 0.85 * gaps["BiasALS"]
    assert 0 < gaps["GenreALS"] < gaps["ALS"]


# ---- models with factors


@pytest.mark.parametrize("name", FACTOR_MODELS)
def test_similar_items_are_the_nearest_by_cosine(fitted, name, data):
    model = fitted[name]
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
        fitted[name].similar_items(data.ratings.item_ids[0])


def test_nothing_is_like_a_film_of_which_nothing_is_known(parts):
    train = parts[0]
    cold = train.item_ids[train.by_item.counts == 0]
    ratings = train
    if len(cold) == 0:
        ratings = train.select(train.by_user.indices != 0)
        cold = train.item_ids[:1]
    with pytest.raises(RecsysError, match="nothing is known"):
        models.ALS(n_factors=3, n_epochs=2).fit(ratings).similar_items(cold[0])


# ---- GenreALS


@pytest.fixture(scope="module")
def cold_start(data):
    """A film hidden from training, and the model that never saw a rating of it."""
    film = int(np.argmax(data.ratings.by_item.counts))
    train = data.ratings.select(data.ratings.by_user.indices != film)
    return film, train, models.GenreALS(n_factors=4, n_epochs=8).fit(train, items=data.items)


def test_a_film_nobody_rated_is_what_its_genres_say(cold_start, data):
    film, _, model = cold_start
    mine = model.item_genres_[film]
    expected = model.genre_rows_[mine].sum(0) / np.sqrt(mine.sum())
    np.testing.assert_allclose(model.item_rows_[film], expected, atol=1e-5)
    assert np.abs(model.item_factors_[film]).max() > 0
    user = data.ratings.user_ids[0]
    assert np.isfinite(model.predict(user, data.ratings.item_ids[film]))[0]


def test_genres_help_where_ratings_lack(data):
    """Over all films hidden in turn, GenreALS errs less than ALS, which knows nothing of them."""
    rng = np.random.default_rng(0)
    hidden = rng.choice(data.ratings.n_items, 60, replace=False)
    mask = np.isin(data.ratings.by_user.indices, hidden)
    train, test = data.ratings.select(~mask), data.ratings.select(mask).to_frame()
    errors = {}
    for model in (models.ALS(n_factors=6), models.GenreALS(n_factors=6)):
        model.fit(train, items=data.items)
        error = model.predict(test["user_id"], test["item_id"]) - test["rating"]
        errors[type(model).__name__] = float((error**2).mean())
    assert errors["GenreALS"] < errors["ALS"]


def test_popularity_levels_are_part_of_one_objective(data, parts):
    """The loss still never rises, and items of one level, rated or not, share a prior mean."""
    train, valid, _ = parts
    model = models.ALS(n_factors=4, n_epochs=12, popularity=10.0).fit(train, valid)
    assert (
        model.training_log_["loss"].diff().dropna() <= 1e-6 * model.training_log_["loss"].iloc[0]
    ).all()
    counts = train.by_item.counts
    rare = np.flatnonzero(counts <= 2)
    assert {0, 1} <= set(counts[rare])
    assert (model.item_priors_[rare] == model.item_priors_[rare[0]]).all()
    assert np.abs(model.item_priors_[rare[0]]).max() > 0
    unrated = np.flatnonzero(counts == 0)
    np.testing.assert_array_equal(model.item_rows_[unrated], model.item_priors_[unrated])
    often = np.argmax(counts)
    assert not np.allclose(model.item_priors_[often], model.item_priors_[rare[0]])


def test_an_explanation_names_the_popularity_level(data, parts):
    model = models.GenreALS(n_factors=4, n_epochs=5, popularity=10.0)
    model.fit(parts[0], items=data.items)
    user, item = data.ratings.user_ids[8], data.ratings.item_ids[30]
    table = model.explain(user, item)
    assert table["part"].str.startswith("raters: ").sum() == 1
    row_u, row_i = model.user_rows_[8], model.item_rows_[30]
    score = model.mu_ + row_u[-1] + row_i[-1] + row_u[:-1] @ row_i[:-1]
    assert table["contribution"].sum() == pytest.approx(score, abs=1e-5)


def test_an_explanation_adds_up(cold_start, data):
    _, train, model = cold_start
    user, item = data.ratings.user_ids[8], data.ratings.item_ids[30]
    table = model.explain(user, item)
    row_u, row_i = model.user_rows_[8], model.item_rows_[30]
    score = model.mu_ + row_u[-1] + row_i[-1] + row_u[:-1] @ row_i[:-1]
    assert table["contribution"].sum() == pytest.approx(score, abs=1e-5)
    genres = set(data.items.set_index("item_id").loc[item, "genres"].split("|")) - {""}
    assert set(table["part"]) == {
        "average rating", "this user's level", "the film itself", *genres
    }  # fmt: skip
    stranger = model.explain(history_of(train, user), item)
    assert stranger["part"].tolist() == table["part"].tolist()


def test_genres_must_be_given(parts):
    with pytest.raises(RecsysError, match=r"items=data\.items"):
        models.GenreALS().fit(parts[0])


# ---- files


def test_the_log_stands_beside_the_checkpoint(parts, tmp_path):
    train, valid, _ = parts
    model = models.BPR(n_factors=4, n_epochs=3).fit(train, valid, run_dir=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.safetensors", "log.jsonl"]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]) == {"epoch", "loss", "auc_train", "auc_valid", "seconds"}
    arrays, meta = io.load_arrays(tmp_path / "checkpoint.safetensors")
    assert meta["epoch"] == 3
    np.testing.assert_array_equal(arrays["item_rows_"], model.item_rows_)
    untested = models.ALS(n_factors=2, n_epochs=1).fit(train, run_dir=tmp_path / "als")
    assert np.isnan(untested.training_log_["rmse_valid"][0])
    line = (tmp_path / "als" / "log.jsonl").read_text()
    assert json.loads(line)["rmse_valid"] is None


def test_files_that_hold_no_model_are_refused(parts, tmp_path):
    with pytest.raises(DataError, match="no file"):
        models.load(tmp_path / "absent")
    junk = tmp_path / "junk"
    junk.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="not saved by this library"):
        models.load(junk)
    cut = tmp_path / "cut"
    model = models.ALS(n_factors=2, n_epochs=1).fit(parts[0], run_dir=tmp_path)
    model.save(tmp_path / "whole")
    cut.write_bytes((tmp_path / "whole").read_bytes()[:-100])
    with pytest.raises(DataError, match="not saved by this library"):
        models.load(cut)
    with pytest.raises(DataError, match="no fitted model"):
        models.load(tmp_path / "checkpoint.safetensors")
    newer = (tmp_path / "whole").read_bytes()
    size = struct.unpack("<Q", newer[:8])[0]
    header = newer[8 : 8 + size].replace(rb"\"format\": 1", rb"\"format\": 9")
    (tmp_path / "newer").write_bytes(newer[:8] + header + newer[8 + size :])
    with pytest.raises(DataError, match="update recsys_lib"):
        models.load(tmp_path / "newer")


def test_a_failed_save_leaves_the_old_file(parts, tmp_path):
    path = tmp_path / "model"
    path.write_text("precious")
    with pytest.raises(TypeError):
        io.save_arrays(path, {"a": np.zeros(2)}, {"cannot": object()})
    with pytest.raises(RuntimeError, match="half way"), io.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("half way")
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]
