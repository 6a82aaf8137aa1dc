"""What every model promises: one battery, in the manner of scikit-learn's `check_estimator`.

Each check takes a function that makes a small model of one class. `test_check_model.py` runs all of
them over `models.__all__`, so a new model is held to them without being named anywhere.
"""

import copy
import io
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from recsys_lib import models, splits
from recsys_lib.errors import DataError, NotFittedError, RecsysError, UnknownIdError
from recsys_lib.evaluation import evaluate
from recsys_lib.ratings import CSR, Ratings

ROOT = Path(__file__).resolve().parents[3]
HUGE = 2**40  # more than 32 bits hold
# Fits every model where Numba compiles nothing, and tells what it lists for everyone.
SCRIPT = """
import sys, pickle
from recsys_lib import models
name, params, train, items = pickle.load(sys.stdin.buffer)
model = getattr(models, name)(**params).fit(train, items=items, progress=False)
lists = model.recommend(train.user_ids, n=3)
pickle.dump(lists, sys.stdout.buffer)
"""


def table(seed=0, n_users=40, n_items=25, n_ratings=400):
    """Return simulated ratings in whole stars, and the items' table with two genres."""
    rng = np.random.default_rng(seed)
    pair = rng.choice(n_users * n_items, n_ratings, replace=False)
    frame = {"user_id": pair // n_items, "item_id": pair % n_items}
    frame["rating"] = rng.integers(1, 6, n_ratings)
    known = {"user_ids": np.arange(n_users), "item_ids": np.arange(n_items), "scale": (1, 5)}
    items = pd.DataFrame({"item_id": np.arange(n_items)})
    items["year"] = 1950 + np.arange(n_items)
    items["genres"] = [["Drama"] if i % 2 else ["Comedy", "Drama"] for i in range(n_items)]
    return Ratings.from_frame(pd.DataFrame(frame), **known), items


def fit(make, ratings, items, valid=None, **params):
    return make(**params).fit(ratings, valid, items=items)


def told(model, ratings, n=4):
    """Return what a model says: its lists for all users and for a stranger."""
    stranger = model.recommend_for({ratings.item_ids[1]: 4.0, ratings.item_ids[2]: 2.0}, n=n)
    return pd.concat([model.recommend(ratings.user_ids, n=n), stranger], ignore_index=True)


def assert_same(one, other, ratings):
    pd.testing.assert_frame_equal(told(one, ratings), told(other, ratings), check_exact=True)
    for key, array in one.state()[0].items():
        np.testing.assert_array_equal(array, other.state()[0][key], err_msg=key)


def assert_finite(model, ratings):
    """Nothing learnt and nothing listed is NaN or infinite."""
    for key, array in model.state()[0].items():
        if array.dtype.kind == "f":
            assert np.isfinite(array).all(), key
    assert np.isfinite(told(model, ratings)["score"]).all()


def check_parameters_go_in_and_out(make):
    model = make()
    params = model.get_params()
    assert type(model)(**params).get_params() == params
    assert eval(repr(model), vars(models)).get_params() == params
    assert clone(model).get_params() == params
    with pytest.raises(RecsysError, match="no parameter 'n_factorz'"):
        model.set_params(n_factorz=3)


def check_before_fit(make):
    model = make()
    for call in (model.recommend, lambda: model.recommend_for({}), lambda: model.save("x")):
        with pytest.raises(NotFittedError, match="call fit first"):
            call()


def check_copies_are_the_model(make):
    ratings, items = table()
    model = fit(make, ratings, items)
    for other in (copy.deepcopy(model), model.copy(), pickle.loads(pickle.dumps(model))):
        assert_same(model, other, ratings)
    other.partial_fit_users(10**6, {ratings.item_ids[0]: 4.0})
    assert len(model.user_ids_) == 40  # the copy is apart


def check_numpy_scalars_are_parameters(make, tmp_path):
    ratings, items = table()
    as_numpy = {
        key: np.float64(value) if type(value) is float else np.int64(value)
        for key, value in make().get_params().items()
        if type(value) in (int, float)
    }
    model = fit(make, ratings, items, **as_numpy)
    assert_same(model, fit(make, ratings, items), ratings)
    model.save(tmp_path / "m")
    assert models.load(tmp_path / "m").get_params() == make().get_params()


def check_parameters_without_sense_are_refused(make):
    ratings, items = table()
    numbers = {k: v for k, v in make().get_params().items() if type(v) in (int, float)}
    for key in numbers:
        for value in (None, float("nan"), "3", [1], np.random.default_rng(0), -1e9):
            optional = "None" in str(type(make()).__dataclass_fields__[key].type)
            if (value is None and optional) or (value == -1e9 and key == "threshold"):
                continue
            with pytest.raises(RecsysError, match=key):
                fit(make, ratings, items, **{key: value})


def check_huge_seeds(make):
    if "seed" not in make().get_params():
        return
    ratings, items = table()
    one, other = (fit(make, ratings, items, seed=HUGE) for _ in range(2))
    assert_same(one, other, ratings)


def check_fitting_again_is_fitting_anew(make):
    ratings, items = table()
    other, _ = table(seed=1, n_users=30, n_items=20, n_ratings=200)
    model = make()
    model.fit(other, items=items)
    assert_same(model.fit(ratings, items=items), fit(make, ratings, items), ratings)


def check_read_only_arrays(make):
    ratings, items = table()
    expected = fit(make, ratings, items)
    for array in (*ratings.by_user, *ratings.by_item, ratings.user_ids, ratings.item_ids):
        array.flags.writeable = False
    assert_same(fit(make, ratings, items), expected, ratings)


def check_ids_are_only_names(make):
    """Text in the same order as the numbers: the same answers under other names."""
    ratings, items = table()
    frame = ratings.to_frame()
    names = {"user_id": "usér {:03}", "item_id": "🎬 {:03}"}
    for column, name in names.items():
        frame[column] = frame[column].map(name.format)
    ids = {
        "user_ids": [names["user_id"].format(i) for i in range(40)],
        "item_ids": [names["item_id"].format(i) for i in range(25)],
    }
    renamed = Ratings.from_frame(frame, scale=(1, 5), **ids)
    found = told(fit(make, renamed, items.assign(item_id=ids["item_ids"])), renamed)
    expected = told(fit(make, ratings, items), ratings)
    np.testing.assert_array_equal(found["score"], expected["score"])
    np.testing.assert_array_equal(
        found["item_id"], expected["item_id"].map(names["item_id"].format)
    )


def check_validation_parts(make):
    ratings, items = table()
    for other in (table(n_users=41)[0], table(n_items=26)[0]):
        with pytest.raises(DataError, match="valid number"):
            fit(make, ratings, items, other)
    train, empty, _ = splits.random(ratings, valid=0, seed=0)
    assert_same(fit(make, train, items, empty), fit(make, train, items), ratings)


def check_an_empty_training_part_is_refused(make):
    ratings, items = table()
    with pytest.raises(DataError, match="no rating"):
        fit(make, ratings.select(np.zeros(len(ratings), bool)), items)


def check_wrong_containers_are_refused(make):
    ratings, items = table()
    for train in (ratings.to_frame(), np.eye(3), None, [1, 2]):
        with pytest.raises(RecsysError, match="Ratings"):
            fit(make, train, items)
    with pytest.raises(RecsysError, match="Ratings"):
        fit(make, ratings, items, ratings.to_frame())
    model = fit(make, ratings, items)
    for wrong in ([1, 2], {1, 2}, 3):
        with pytest.raises(RecsysError, match="mapping"):
            model.recommend_for(wrong)
    stars = pd.Series({1: 4.0, 2: 2.0})
    pd.testing.assert_frame_equal(model.recommend_for(stars), model.recommend_for(dict(stars)))
    for wrong in (pd.Series([4.0, 2.0], [1, 1]), {1: np.array([4.0])}, {1: "4"}):
        with pytest.raises(DataError, match=r"name one item twice|has the rating"):
            model.recommend_for(wrong)
    for n in (0, 5.0, None, "3", True):
        for call in (model.recommend, model.recommend_for, model.similar_items):
            with pytest.raises(RecsysError, match="n is"):
                call({1: 4.0} if call == model.recommend_for else 1, n=n)
    for wrong in ({1: 2}, ratings.to_frame(), [[1, 2]], [[1], [2, 3]]):
        for call in (model.recommend, lambda ids: model.recommend(1, candidates=ids)):
            with pytest.raises(DataError, match="ids are one id or a sequence of ids, not a"):
                call(wrong)
    for wrong in (99, [1, "2"], 1.5, None, [None], True):
        with pytest.raises(UnknownIdError, match="there is no item"):
            model.recommend_for({}, exclude=[wrong] if wrong is None else wrong)
    with pytest.raises(DataError, match="holds no item"):
        model.recommend(1, candidates=[])


def check_one_id_is_asked_for(make):
    ratings, items = table()
    model = fit(make, ratings, items)
    for call in (model.similar_items, model.similar_users):
        for ids in ([1, 2], []):
            with pytest.raises(RecsysError, match=r"one (user|item) id is asked for"):
                call(ids)


def check_degenerate_tables(make):
    """A model fits them with finite numbers, or says in our words why it does not."""
    _, items = table()
    one_user = [(0, i, 1 + i % 5) for i in range(25)]
    one_item = [(u, 0, 1 + u % 5) for u in range(40)]
    all_equal = [(u, (u + k) % 25, 5) for u in range(40) for k in range(8)]
    full_row = [(0, i, 1 + i % 5) for i in range(25)] + [(u, u % 25, 3) for u in range(1, 40)]
    single = [(0, 0, 3)]
    fitted = 0
    for rows in (one_user, one_item, all_equal, full_row, single):
        frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rating"])
        for ids in (np.arange(25), None):
            ratings = Ratings.from_frame(frame, scale=(1, 5), item_ids=ids)
            try:
                model = fit(make, ratings, items)
            except RecsysError as error:
                assert len(str(error)) > 20
                continue
            fitted += 1
            for key, array in model.state()[0].items():
                assert array.dtype.kind != "f" or np.isfinite(array).all(), key
            lists = model.recommend(ratings.user_ids, n=50)
            assert np.isfinite(lists["score"]).all()
            assert len(lists) == ratings.n_users * ratings.n_items - len(ratings)
    assert fitted  # no model refuses all of them


def check_more_factors_than_ratings(make):
    if "n_factors" not in make().get_params():
        return
    ratings, items = table(n_ratings=20)
    try:
        model = fit(make, ratings, items, n_factors=64)
    except RecsysError as error:
        assert "n_factors" in str(error)
    else:
        assert_finite(model, ratings)


def check_threads_change_no_bit(make):
    ratings, items = table()
    threads, found = numba.get_num_threads(), []
    for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(n)
        found.append(fit(make, ratings, items))
    numba.set_num_threads(threads)
    assert_same(*found, ratings)


def check_without_the_compiler(make):
    """The same lists where Numba compiles nothing; slow, so the table is small."""
    ratings, items = table(n_users=12, n_items=8, n_ratings=40)
    model = fit(make, ratings, items)
    task = pickle.dumps((type(model).__name__, model.get_params(), ratings, items))
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(command, input=task, capture_output=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found = pickle.load(io.BytesIO(done.stdout))
    expected = model.recommend(ratings.user_ids, n=3)
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-3, atol=1e-4)


def check_saving_twice_gives_the_same_bytes(make, tmp_path):
    ratings, items = table()
    model = fit(make, ratings, items)
    model.save(tmp_path / "one")
    again = models.load(tmp_path / "one")
    again.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert_same(model, again, ratings)


def check_lists(make):
    """Ranked, new to the user, in the data's own ids, never padded."""
    ratings, items = table()
    model = fit(make, ratings, items)
    assert_finite(model, ratings)
    lists = model.recommend(ratings.user_ids, n=25)
    for user_id, mine in lists.groupby("user_id"):
        seen = set(ratings.of_user(user_id)["item_id"])
        assert mine["rank"].tolist() == list(range(1, 26 - len(seen)))
        assert mine["score"].is_monotonic_decreasing
        assert set(mine["item_id"]) == set(ratings.item_ids) - seen
    pd.testing.assert_frame_equal(model.recommend(3), model.recommend([3]))


def check_the_ends_of_the_scale(make):
    """Ratings are kept in 32 bits, where 0.3 is a little more than 0.3: still on the scale."""
    ratings, items = table()
    stars = ratings.to_frame().assign(rating=lambda frame: frame["rating"] / 10)
    likes = {"threshold": 0.4} if "threshold" in make().get_params() else {}
    for scale in (None, (0.1, 0.5)):
        tenths = Ratings.from_frame(stars, scale=scale, item_ids=ratings.item_ids)
        model = fit(make, tenths, items, **likes)
        low, high = np.float32([0.1, 0.5])
        for ends in ({0: 0.1, 1: 0.5}, {0: low, 1: high}, {0: float(low), 1: float(high)}):
            assert len(model.recommend_for(ends, n=3)) == 3
        for off in (0.09, 0.51, -(10**400), float("nan")):
            with pytest.raises(DataError, match=r"the scale is 0\.1 to 0\.5"):
                model.recommend_for({0: off})


def check_candidates_and_exclusions(make):
    """What is left of the full list, with the same scores to the bit."""
    ratings, items = table()
    model = fit(make, ratings, items)
    some, out = np.append(ratings.item_ids[2:18], ratings.item_ids[2:5]), {3, 9, 24}
    asks = [lambda u=u, **kw: model.recommend(u, 25, **kw) for u in (ratings.user_ids, 3, None)]
    asks.append(lambda **kw: model.recommend_for({1: 4.0, 2: 2.0}, 25, **kw))
    for ask in asks:
        ranks = ask(seen=True)["rank"]
        assert len(ranks) == 25 * (ranks == 1).sum()
        for seen in (False, True):
            full = ask(seen=seen)
            rest = full[full["item_id"].isin(some) & ~full["item_id"].isin(out)]
            found = ask(candidates=some, exclude=out, seen=seen)
            whose = "user_id" if "user_id" in rest else np.zeros(len(rest))
            rest = rest.assign(rank=rest.groupby(whose).cumcount() + 1).reset_index(drop=True)
            pd.testing.assert_frame_equal(found, rest, check_exact=True)
        assert ask(candidates=3, exclude=3).empty
    pd.testing.assert_frame_equal(ask(candidates=ratings.item_ids), ask(), check_exact=True)


def check_users_and_items_are_alike_by_cosine(make):
    """Against float64; who has rated nothing, or likes nothing, is like nobody."""
    ratings, items = table()
    value, user = ratings.by_user.values, ratings.user_of_rating()
    ratings = ratings.select((user != 5) & ((user != 6) | (value < 3)))
    model = fit(make, ratings, items)
    strangers = [5, 6] if "threshold" in model.get_params() else [5]
    try:
        found = model.similar_users(3, n=HUGE)
    except RecsysError as error:
        assert str(error).endswith("has no factors: to it no users are alike")
        with pytest.raises(RecsysError, match="no factors: to it no items are alike"):
            model.similar_items(3)
        return
    x = model.vectors(np.arange(40)).astype(np.float64)
    x = x[:, :-1] if model.ends_in_bias else x
    x /= np.maximum(np.linalg.norm(x, axis=1), 1e-30)[:, None]
    expected = pd.Series(x @ x[3]).drop([3, *strangers]).sort_values(ascending=False)
    assert sorted(found["user_id"]) == sorted(expected.index)
    assert found["rank"].tolist() == list(range(1, len(expected) + 1))
    np.testing.assert_allclose(found["score"], expected, atol=1e-5)
    np.testing.assert_allclose(found["score"], expected[found["user_id"]], atol=1e-5)
    for stranger in strangers:
        with pytest.raises(RecsysError, match=f"nothing is known of user {stranger}"):
            model.similar_users(stranger)
    full = model.similar_items(3, n=HUGE)
    some = full[full["item_id"].isin(range(2, 18)) & ~full["item_id"].isin([9])]
    found = model.similar_items(3, candidates=range(2, 18), exclude=9)
    pd.testing.assert_series_equal(found["score"], some["score"].head(10).reset_index(drop=True))
    assert found["item_id"].tolist() == some["item_id"].head(10).tolist()


def check_predictions_for_strangers(make):
    ratings, items = table()
    model = fit(make, ratings, items)
    if not model.predicts_ratings:
        return
    known = {1: 4.0, 2: 2.0}
    expected = model.copy().partial_fit_users(10**6, known).predict(10**6, ratings.item_ids)
    np.testing.assert_array_equal(model.predict_for(known, ratings.item_ids), expected)
    assert model.predict_for({}, 3).shape == (1,)
    with pytest.raises(UnknownIdError, match=r"no user 1000000.*predict_for"):
        model.predict(10**6, 3)
    with pytest.raises(UnknownIdError, match="no item 99"):
        model.predict_for(known, [1, 99])


def check_ratings_without_values(make):
    """Who has what, from a table and from SciPy: every model fits it and can be measured on it."""
    ratings, items = table()
    params = {"threshold": None} if "threshold" in make().get_params() else {}
    frame, ids = ratings.to_frame(), {"user_ids": range(40), "item_ids": range(25)}
    pairs = frame["user_id"], frame["item_id"]
    matrix = sparse.csr_array((np.ones(len(frame), bool), pairs), shape=(40, 25))
    told = []
    for whole in (Ratings.from_frame(frame, rating=None, **ids), Ratings.from_scipy(matrix)):
        train, _, test = splits.random(whole, valid=0, test=0.2, seed=0)
        model = fit(make, train, items, **params)
        report = evaluate(model, train, test, relevant=1)
        assert 0 < report["ndcg@10"] <= 1
        assert not model.predicts_ratings or report["rmse"] < 0.2
        told.append(pd.concat([model.recommend([1, 2]), model.recommend_for({1: 1, 2: 1})]))
    pd.testing.assert_frame_equal(*told, check_exact=True)


def check_memory_is_bounded_by_the_catalogue(make):
    ratings, items = table()
    model = fit(make, ratings, items)
    expected = model.recommend(ratings.user_ids, n=25)
    tracemalloc.start()
    try:
        found = model.recommend(ratings.user_ids, n=HUGE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    pd.testing.assert_frame_equal(found, expected)
    assert peak < 20e6  # bytes


def check_indices_out_of_range_are_refused(make):
    """What is handed over by index is checked before a kernel sees it."""
    ratings, items = table()
    model = fit(make, ratings, items)
    one = np.ones(1, np.float32)
    for item in (-1, 25, 2**31 - 1):
        stranger = CSR(np.array([0, 1]), np.array([item], np.int32), one)
        with pytest.raises(DataError, match="from 0 to below 25"):
            model.rank(stranger, 3)
    for user in (-1, 40):
        with pytest.raises(DataError, match="from 0 to below 40"):
            model.rank(np.array([user]), 3)


CHECKS = {name: check for name, check in list(globals().items()) if name.startswith("check_")}
