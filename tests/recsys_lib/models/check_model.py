"""What every model promises: one battery, in the manner of scikit-learn's `check_estimator`.

A check names what it needs: `make`, a function that makes a small model of one class, a table of
`ratings` and `items`, a `model` fitted to it. `test_check_model.py` runs all of them over
`models.__all__`, so a new model is held to them without being named anywhere.
"""

import copy
import pickle
import re
from contextlib import nullcontext
from decimal import Decimal

import numba
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone

from recsys_lib import evaluation, models, splits
from recsys_lib.errors import DataError, NotFittedError, RecsysError, UnknownIdError
from recsys_lib.models import training
from recsys_lib.ratings import CSR, Ratings

HUGE = 2**40  # more than 32 bits hold
STRANGE = 10**6  # an id that the table does not have
ITERATIVE = [name for name in models.__all__ if getattr(models, name)().n_epochs > 1]
# Values of parameters that no model takes, but for those of another type.
REFUSED = {
    "n_factors": [-1, 2.5], "n_epochs": [0], "n_samples": [0], "n_burn": [-1], "seed": [-1, 2**70],
    "lam": [0.0], "tau": [0.0], "gamma": [0.0], "beta": [0.0], "nu": [-0.1], "popularity": [0.0],
    "alpha": [-1.0], "reg": [-0.1], "solver": ["lu"], "n_neighbors": [0], "shrinkage": [-0.1],
    "by": ["stars"], "damping": [-1.0], "threshold": [9.0, 10**400], "loss": ["mse"],
    "hidden": [(8, 0), (8, 2.5), 8], "width": [0], "temperature": [0.0], "history_size": [0],
    "learning_rate": [0.0], "weight_decay": [-0.1], "dropout": [1.0], "batch_size": [0],
    "n_chains": [0, 10**9], "patience": [0], "device": ["abacus"],
}  # fmt: skip


def table(seed=0, n_users=40, n_items=25, n_ratings=400):
    """Return simulated ratings in whole stars, and the items' table with two genres."""
    rng = np.random.default_rng(seed)
    pair = rng.choice(n_users * n_items, n_ratings, replace=False)
    frame = {"user_id": pair // n_items, "item_id": pair % n_items}
    frame["rating"] = rng.integers(1, 6, n_ratings)
    known = {"user_ids": np.arange(n_users), "item_ids": np.arange(n_items), "scale": (1, 5)}
    items = pd.DataFrame({"item_id": np.arange(n_items)})
    items["year"] = 1950 + np.arange(n_items)
    items["genres"] = ["Drama" if i % 2 else "Comedy|Drama" for i in range(n_items)]
    return Ratings.from_frame(pd.DataFrame(frame), **known), items


def fit(make, ratings, items, valid=None, **params):
    return make(**params).fit(ratings, valid, items=items)


def told(model, ratings):
    """Return what a model says: its lists for all users and for a stranger."""
    stranger = model.recommend_for({ratings.item_ids[1]: 4.0, ratings.item_ids[2]: 2.0}, n=4)
    return pd.concat([model.recommend(model.user_ids_, n=4), stranger], ignore_index=True)


def assert_same(one, other, ratings):
    pd.testing.assert_frame_equal(told(one, ratings), told(other, ratings), check_exact=True)
    for name in ("user_ids_", "item_ids_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert [part.keys() for part in one.state()] == [part.keys() for part in other.state()]
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
    for call in (
        *(model.copy, lambda: model.recommend_for({}), lambda: model.save("x")),
        *(lambda: model.recommend(1), lambda: model.similar_items(1), lambda: model.n_parameters_),
        *(lambda: model.partial_fit_users(1, {}), lambda: model.partial_fit_items(1, {})),
    ):
        with pytest.raises(NotFittedError, match="call fit first"):
            call()


def check_copies_are_the_model(model, ratings):
    model.partial_fit_users(STRANGE, {0: 3.0})
    before = pickle.loads(pickle.dumps(model))
    for other in (copy.deepcopy(model), model.copy()):
        assert_same(model, other, ratings)
        other.partial_fit_users(STRANGE + 1, {0: 1.0}).partial_fit_users(STRANGE, {1: 1.0})
        other.partial_fit_users(0, {0: 1.0})
        if not cannot_take_in_items(other):
            other.partial_fit_items(STRANGE, {STRANGE + 1: 2.0})
        assert_same(model, before, ratings)
        model.partial_fit_users(STRANGE + 2, {0: 5.0})
        assert other.user_ids_[-1] == STRANGE + 1
        model = before.copy()


def cannot_take_in_items(model, *ids):
    """Whether a model has no way to; it says so, and is as it was."""
    if isinstance(model, models.ALS):
        return False
    before = model.copy()
    for item in ids or (0, STRANGE):
        with pytest.raises(RecsysError, match="cannot take in the ratings of one item"):
            model.partial_fit_items(item, {0: 4.0})
    np.testing.assert_array_equal(model.item_ids_, before.item_ids_)
    return True


def check_new_ratings_are_taken_in(make, tmp_path):
    """Each user's in turn: as if all had been folded in at once, to the bit."""
    ratings, items = table(n_ratings=500)
    train, _, later = splits.random(ratings, valid=0, test=0.3, seed=1)
    model = fit(make, train, items)
    whole, everyone = splits.merge(train, later), np.arange(40)
    expected = model.user_vectors(whole.by_user.take(everyone))
    for user in everyone:
        items_of, values = later.by_user.row(user)
        model.partial_fit_users(user, dict(zip(items_of.tolist(), values.tolist(), strict=True)))
    np.testing.assert_array_equal(model.vectors(everyone), expected)
    model.partial_fit_users(STRANGE, {2: 5.0}).partial_fit_users(STRANGE, {2: 4.0})
    lists = model.recommend([*everyone, STRANGE], n=25)
    stranger = lists.query("user_id == @STRANGE").reset_index(drop=True).drop(columns="user_id")
    pd.testing.assert_frame_equal(stranger, model.recommend_for({2: 4.0}, n=25))
    for user in everyone:
        seen = set(whole.of_user(user)["item_id"])
        assert set(lists.loc[lists["user_id"] == user, "item_id"]) == set(range(25)) - seen
    model.save(tmp_path / "m")
    again = models.load(tmp_path / "m").recommend([*everyone, STRANGE], n=25)
    pd.testing.assert_frame_equal(again, lists)


def check_numpy_scalars_are_parameters(make, ratings, items, tmp_path):
    as_numpy = {
        key: np.float64(value) if type(value) is float else np.int64(value)
        for key, value in make().get_params().items()
        if type(value) in (int, float)
    }
    model = fit(make, ratings, items, **as_numpy)
    assert_same(model, fit(make, ratings, items), ratings)
    model.save(tmp_path / "m")
    for found in (model, models.load(tmp_path / "m")):
        assert repr(found) == repr(make())  # in Python's own numbers


def check_parameters_without_sense_are_refused(make, ratings, items):
    for key, usual in make().get_params().items():
        wrong = list(REFUSED.get(key, ()))
        if type(usual) in (int, float):
            optional = "None" in str(type(make()).__dataclass_fields__[key].type)
            wrong += [float("nan"), float("inf"), "3", [1], np.random.default_rng(0)]
            wrong += [None] * (not optional) + [-1e9] * (key != "threshold")
        if key == "n_factors" and not isinstance(make(), models.ALS | models.BayesianALS):
            wrong.append(0)  # those two have biases left
        for value in wrong:
            with pytest.raises(RecsysError, match=rf"{key} is .* must be |lower the {key}"):
                fit(make, ratings, items, **{key: value})


def check_what_was_learnt_keeps_its_size_until_the_next_fit(model, ratings):
    for name, value in (("n_factors", 2), ("n_factors", 60), ("hidden", (3,)), ("width", 2)):
        if name in model.get_params():
            other, refuses = model.copy().set_params(**{name: value}), hasattr(model, "hidden")
            with pytest.raises(RecsysError, match="fit again") if refuses else nullcontext():
                for one in (model, other):
                    one.partial_fit_users(STRANGE, {0: 3.0})
                    isinstance(one, models.ALS) and one.partial_fit_items(STRANGE, {0: 3.0})
                assert_same(other, model, ratings)


def check_seeds(make, ratings, items):
    if "seed" not in make().get_params():
        return
    one, other = (fit(make, ratings, items, seed=HUGE) for _ in range(2))
    assert_same(one, other, ratings)
    if make().n_epochs > 1:  # what is solved at once needs the seed for no more than its start
        assert not np.array_equal(one.item_vectors(), fit(make, ratings, items).item_vectors())


def check_fitting_again_is_fitting_anew(make, ratings, items):
    other, _ = table(seed=1, n_users=30, n_items=20, n_ratings=200)
    model = make()
    model.fit(other, items=items).partial_fit_users(STRANGE, {})
    assert_same(model.fit(ratings, items=items), fit(make, ratings, items), ratings)


def check_read_only_arrays(make, model, ratings, items):
    for array in (*ratings.by_user, *ratings.by_item, ratings.user_ids, ratings.item_ids):
        array.flags.writeable = False
    again = fit(make, ratings, items)
    assert_same(again, model, ratings)
    again.partial_fit_users(0, {1: 2.0}).partial_fit_users(STRANGE, {1: 2.0})
    if not cannot_take_in_items(again):
        again.partial_fit_items(1, {0: 3.0}).partial_fit_items(STRANGE, {0: 3.0})


def check_ids_are_only_names(make, ratings, items, tmp_path):
    """Text in the same order as the numbers: the same answers under other names."""
    frame = ratings.to_frame()
    names = {"user_id": "usér {:03}", "item_id": "🎬 {:03}"}
    for column, name in names.items():
        frame[column] = frame[column].map(name.format)
    ids = {
        "user_ids": [names["user_id"].format(i) for i in range(40)],
        "item_ids": [names["item_id"].format(i) for i in range(25)],
    }
    renamed = Ratings.from_frame(frame, scale=(1, 5), **ids)
    model = fit(make, renamed, items.assign(item_id=ids["item_ids"]))
    found = told(model, renamed)
    expected = told(fit(make, ratings, items), ratings)
    np.testing.assert_array_equal(found["score"], expected["score"])
    np.testing.assert_array_equal(
        found["item_id"], expected["item_id"].map(names["item_id"].format)
    )
    model.partial_fit_users("Ä new one", {"🎬 003": 5.0})
    if not cannot_take_in_items(model, "🎬 003"):
        model.partial_fit_items("Ω", {"usér 001": 5.0, "Ä new one": 4.0})
    model.save(tmp_path / "m")
    again = models.load(tmp_path / "m")
    assert_same(again, model, renamed)
    assert again.recommend("Ä new one").equals(model.recommend("Ä new one"))
    with pytest.raises(DataError, match="users' ids are text"):
        model.partial_fit_users(3, {"🎬 003": 5.0})


def check_validation_parts(make, ratings, items):
    for other in (table(n_users=41)[0], table(n_items=26)[0]):
        with pytest.raises(DataError, match="valid number"):
            fit(make, ratings, items, other)
    train, empty, _ = splits.random(ratings, valid=0, seed=0)
    model = fit(make, train, items)
    assert_same(fit(make, train, items, empty), model, ratings)
    if model.monitor[0] in model.training_log_:
        assert model.training_log_[model.monitor[0]].isna().all()
    if "patience" in model.get_params():  # it waits for nothing
        assert len(fit(make, train, items, patience=1).training_log_) == model.n_epochs


def check_the_log_says_what_evaluation_finds(make):
    """One row per epoch, as the callback saw it; the last, or the best where it stops early."""
    ratings, items = table(n_ratings=600)
    known = splits.random(ratings, valid=0.2, test=0, seed=0)[:2]
    strangers = splits.strong_generalisation(ratings, valid=0.3, test=0, held_out=0.5)
    for train, valid, valid_input in ((*known, None), (*strangers[:2], strangers[3])):
        rows, model = [], make()
        if valid_input is not None and "patience" in model.get_params():
            model.set_params(patience=3)
        model.fit(train, valid, items=items, callback=rows.append, valid_input=valid_input)
        pd.testing.assert_frame_equal(model.training_log_, pd.DataFrame(rows))
        assert model.training_log_["epoch"].tolist() == list(range(1, len(rows) + 1))
        column, best = model.monitor
        if column in model.training_log_ and (model.patience or valid_input is None):
            values = model.training_log_[column]
            logged = values.iloc[-1] if model.patience is None else getattr(values, best)()
            metric = {"rmse_valid": "rmse", "ndcg_valid": "ndcg@10"}[column]
            found = evaluation.evaluate(model, train, valid, [metric], test_input=valid_input)
            assert logged == pytest.approx(found[metric], rel=1e-4)


class Interrupted(Exception):
    pass


def interrupt_after(epoch):
    def callback(row):
        if row["epoch"] == epoch:
            raise Interrupted

    return callback


def check_a_resumed_run_is_one_that_was_never_stopped(make, ratings, items, tmp_path):
    if make().n_epochs == 1:
        return
    train, valid, _ = splits.random(ratings, valid=0.2, test=0, seed=0)
    how = {"items": items, "run_dir": tmp_path / "run"}
    longer = {"n_epochs": 6} if "n_epochs" in make().get_params() else {}  # than at first
    whole = make(**longer).fit(train, valid, items=items, run_dir=tmp_path / "whole")
    with pytest.raises(Interrupted):
        make().fit(train, valid, callback=interrupt_after(2), **how)
    again = make(**longer).fit(train, valid, resume=True, **how)
    assert_same(again, whole, ratings)
    logs = [pd.read_json(tmp_path / name / training.LOG, lines=True) for name in ("whole", "run")]
    for log in (*logs[1:], again.training_log_):
        pd.testing.assert_frame_equal(*(x.drop(columns="seconds") for x in (log, logs[0])))


def check_a_fit_that_fails_at_once_leaves_the_model_as_it_was(make, ratings, items, tmp_path):
    """Where it may not write, it is refused before it begins; a model that is none stays none."""
    other, _ = table(seed=1, n_users=90, n_items=60, n_ratings=900)
    model, fresh, file = fit(make, ratings, items), make(), tmp_path / "file"
    file.touch()

    def broken(*parts):
        raise Interrupted

    for one in (model, fresh):
        for wrong in ({"run_dir": file}, {"run_dir": file / "x"}, {"run_dir": "/proc/here"}):
            one._init = broken
            with pytest.raises(DataError, match="is no folder to write in"):
                one.fit(other, **wrong)
        for wrong in ({"resume": True}, {"resume": "no"}, {"progress": 2}):
            with pytest.raises(RecsysError, match=r"resume|progress"):
                one.fit(other, **wrong)
        for step in ("_init", "_epoch"):
            vars(one).pop("_init", None)
            setattr(one, step, broken)
            with pytest.raises(Interrupted):
                one.fit(other, items=items)
    for size in {"n_factors", "width"} & {*model.get_params()}:
        with pytest.raises(RecsysError, match="takes more memory than there is"):
            make(**{size: 2**50}).fit(ratings, items=items)
    assert_same(model, fit(make, ratings, items), ratings)
    with pytest.raises(NotFittedError):
        fresh.recommend(1)


def check_an_empty_training_part_is_refused(make, ratings, items):
    with pytest.raises(DataError, match="no rating"):
        fit(make, ratings.select(np.zeros(len(ratings), bool)), items)


def check_wrong_containers_are_refused(model, ratings):
    stars = pd.Series({1: 4.0, 2: 2.0})
    pd.testing.assert_frame_equal(model.recommend_for(stars), model.recommend_for(dict(stars)))
    for wrong in (pd.Series([4.0, 2.0], [1, 1]), {1: np.array([4.0])}, {1: "4"}):
        with pytest.raises(DataError, match=r"name one item twice|has the rating"):
            model.recommend_for(wrong)
    with pytest.raises(DataError, match="holds no item"):
        model.recommend(1, candidates=[])
    for call in (lambda: model.recommend(STRANGE), lambda: model.recommend_for({STRANGE: 3.0})):
        with pytest.raises(UnknownIdError, match=f"no (user|item) {STRANGE}"):
            call()
    for stars in (6.0, float("nan"), "four", True, np.True_, np.timedelta64(4, "s"), np.ma.masked):
        for call in (model.recommend_for, lambda rated: model.partial_fit_users(0, rated)):
            with pytest.raises(DataError, match=re.escape(repr(stars))):
                call({1: stars})
    named = model.recommend_for({Decimal(1): 4.0})  # hashed as 1, and found by another way
    pd.testing.assert_frame_equal(named, model.recommend_for({1: 4.0}))
    if not cannot_take_in_items(model):
        one, other = (model.copy().partial_fit_items(1, {kind(3): 4}) for kind in (int, Decimal))
        assert_same(one, other, ratings)
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


def check_threads_change_no_bit(make):
    """Nor does a fit draw from others' random numbers, or leave others' settings changed."""
    ratings, items = table(n_users=600, n_items=200, n_ratings=8_000)
    threads, torchs, found = numba.get_num_threads(), torch.get_num_threads(), []
    drawn = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(n)
        torch.set_num_threads(n)
        found.append(fit(make, ratings, items))
        assert torch.get_num_threads() == n and not torch.are_deterministic_algorithms_enabled()
    numba.set_num_threads(threads)
    torch.set_num_threads(torchs)
    assert_same(*found, ratings)
    np.testing.assert_array_equal(np.random.get_state()[1], drawn[0])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), drawn[1])


def check_saving_keeps_all_and_gives_the_same_bytes(make, ratings, items, tmp_path):
    model, folder = fit(make, ratings, items), tmp_path / "deep" / "down"
    model.save(folder / "one")
    again = models.load(folder / "one")
    again.save(folder / "two")
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()
    assert {path.name for path in folder.iterdir()} == {"one", "two"}
    assert_same(model, again, ratings)
    assert repr(again) == repr(model)
    log = model.training_log_
    pd.testing.assert_frame_equal(again.training_log_, log, check_dtype=False)


def check_lists(model, ratings):
    """Ranked, new to the user, in the data's own ids, never padded."""
    assert_finite(model, ratings)
    lists = model.recommend(ratings.user_ids, n=25)
    for user_id, mine in lists.groupby("user_id"):
        seen = set(ratings.of_user(user_id)["item_id"])
        assert mine["rank"].tolist() == list(range(1, 26 - len(seen)))
        assert mine["score"].is_monotonic_decreasing
        assert set(mine["item_id"]) == set(ratings.item_ids) - seen
        if model.predicts_ratings:
            guess = model.predict(user_id, mine["item_id"])
            assert guess.dtype == np.float32
            np.testing.assert_allclose(guess, mine["score"].clip(1, 5), atol=1e-4)
    liked = {ratings.item_ids[1]: 5.0, ratings.item_ids[2]: 1.0}
    stranger = model.recommend_for(liked, n=25)
    assert stranger.columns.tolist() == ["rank", "item_id", "score"]
    assert set(stranger["item_id"]) == set(ratings.item_ids) - set(liked)
    assert len(model.recommend_for({}, n=3)) == 3
    pd.testing.assert_frame_equal(model.recommend(3), model.recommend([3]))
    if model.predicts_ratings:
        model.mu_ = 99.0
        assert (model.predict(3, ratings.item_ids) == 5).all()  # never off the scale


def check_the_ends_of_the_scale(make, ratings, items):
    """Ratings are kept in 32 bits, where 0.3 is a little more than 0.3: still on the scale."""
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


def check_candidates_and_exclusions(model, ratings):
    """What is left of the full list, with the same scores to the bit."""
    some, out = np.append(ratings.item_ids[2:18], ratings.item_ids[2:5]), {3, 9, 24}
    asks = [lambda u=u, **kw: model.recommend(u, 25, **kw) for u in (ratings.user_ids, 3)]
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


def check_users_and_items_are_alike_by_cosine(make, ratings, items):
    """Against float64; of whom nothing is known, or no like, is like nobody."""
    value, user, item = ratings.by_user.values, ratings.user_of_rating(), ratings.by_user.indices
    ratings = ratings.select((user != 5) & (item != 5) & ((user != 6) | (value < 3)))
    model = fit(make, ratings, items)
    strangers = [5, 6] if "threshold" in model.get_params() else [5]
    if model.item_vectors().shape[1] == model.ends_in_bias or isinstance(model, models.Popularity):
        for what, ask in (("user", model.similar_users), ("item", model.similar_items)):
            with pytest.raises(RecsysError, match=f"has no factors: to it no {what}s are alike"):
                ask(3)
        return

    def assert_nearest(found, vectors, strangers):
        x = vectors.astype(np.float64)
        x = x[:, :-1] if model.ends_in_bias else x
        x /= np.maximum(np.linalg.norm(x, axis=1), 1e-30)[:, None]
        expected = pd.Series(x @ x[3]).drop([3, *strangers]).sort_values(ascending=False)
        assert sorted(found.iloc[:, 1]) == sorted(expected.index)
        assert found["rank"].tolist() == list(range(1, len(expected) + 1))
        np.testing.assert_allclose(found["score"], expected, atol=1e-5)
        np.testing.assert_allclose(found["score"], expected[found.iloc[:, 1]], atol=1e-5)

    assert_nearest(model.similar_users(3, n=HUGE), model.vectors(np.arange(40)), strangers)
    for stranger in strangers:
        with pytest.raises(RecsysError, match=f"nothing is known of user {stranger}"):
            model.similar_users(stranger)
    full = model.similar_items(3, n=HUGE)
    if isinstance(model, models.ALS | models.BayesianALS | models.BPR | models.ImplicitALS):
        unknown = [] if model.item_vectors()[5, :-1].any() else [5]
        assert_nearest(full, model.item_vectors(), unknown)
        for stranger in unknown:
            with pytest.raises(RecsysError, match=f"nothing is known of item {stranger}"):
                model.similar_items(stranger)
    some = full[full["item_id"].isin(range(2, 18)) & ~full["item_id"].isin([9])]
    found = model.similar_items(3, candidates=range(2, 18), exclude=9)
    pd.testing.assert_series_equal(found["score"], some["score"].head(10).reset_index(drop=True))
    assert found["item_id"].tolist() == some["item_id"].head(10).tolist()


def check_predictions_for_strangers(model, ratings):
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


def check_ratings_without_values(make, ratings, items):
    """Who has what, from a table and from SciPy: every model fits it and can be measured on it."""
    params = {"threshold": None} if "threshold" in make().get_params() else {}
    frame, ids = ratings.to_frame(), {"user_ids": range(40), "item_ids": range(25)}
    pairs = frame["user_id"], frame["item_id"]
    matrix = sparse.csr_array((np.ones(len(frame), bool), pairs), shape=(40, 25))
    told = []
    for whole in (Ratings.from_frame(frame, rating=None, **ids), Ratings.from_scipy(matrix)):
        train, _, test = splits.random(whole, valid=0, test=0.2, seed=0)
        model = fit(make, train, items, **params)
        report = evaluation.evaluate(model, train, test, relevant=1)
        assert 0 < report["ndcg@10"] <= 1
        assert not model.predicts_ratings or report["rmse"] < 0.2
        told.append(pd.concat([model.recommend([1, 2]), model.recommend_for({1: 1, 2: 1})]))
    pd.testing.assert_frame_equal(*told, check_exact=True)


def check_indices_out_of_range_are_refused(model, ratings):
    """What is handed over by index is checked before a kernel sees it."""
    one, two = np.ones(1, np.float32), np.ones(2, np.float32)
    strangers = [
        CSR(np.array([0, 1]), np.array([item], np.int32), one) for item in (-1, 25, 2**31 - 1)
    ]
    strangers += [
        CSR(np.array([0, 2]), np.array([3], np.int32), one),
        CSR(np.array([0, 2]), np.array([3, 3], np.int32), two),
        CSR(np.array([0, 1]), np.array([3], np.int64), one),
    ]
    who, pair = np.arange(2), np.zeros(1, np.int32)
    for stranger in strangers:
        for ask in (model.user_vectors, lambda some: model.rank(some, 3, candidates=pair)):
            with pytest.raises(DataError, match="the ratings"):
                ask(stranger)
        if model.predicts_ratings:
            with pytest.raises(DataError, match="the ratings"):
                model.predict_pairs(stranger, pair, pair)
    for user in ([-1], [40], [0.0], [True] * 40, [[0]], 0, [None]):
        with pytest.raises(DataError, match="from 0 to below 40"):
            model.rank(np.array(user), 3)
    for bad in (-1, 25, 2**31 - 1) if model.predicts_ratings else ():
        wrong = np.array([bad], np.int32)
        for asked in ((who, wrong, pair), (who, pair, wrong), (wrong.astype(int) - 40, pair, pair)):
            with pytest.raises(DataError, match="from 0 to below"):
                model.predict_pairs(*asked)


CHECKS = {name: check for name, check in list(globals().items()) if name.startswith("check_")}
