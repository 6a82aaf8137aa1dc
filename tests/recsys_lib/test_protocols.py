"""One protocol for every model: what a tuner can reach, and a test part that is read once."""

import gc
import logging
import types
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_lib import __main__ as command
from recsys_lib import datasets, evaluation, protocols, splits, tuning
from recsys_lib.errors import DataError, NotFittedError, RecsysError
from recsys_lib.models import ALS, BiasALS, Popularity
from recsys_lib.protocols import Development, runs
from recsys_lib.ratings import CSR, Ratings

RANDOM = ["3-fold", "80-20", "75-25"]
NAMES = [*RANDOM, "temporal", "leave-last"]


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=80, n_items=120, n_ratings=4000, seed=1)


def with_values(data, values):
    """Return the same data set with other ratings (nnz,) of the same pairs."""
    old = data.ratings
    by_user = old.by_user._replace(values=np.asarray(values, np.float32))
    ratings = Ratings(old.user_ids, old.item_ids, by_user, None, old.timestamps, (0.5, 5.0))
    return replace(data, ratings=ratings)


def pairs(ratings):
    return ratings.user_of_rating().astype(np.int64) * ratings.n_items + ratings.by_user.indices


def sealed(fold):
    """What nobody but this test may look at."""
    return fold.exam._test


# ---- folds


@pytest.mark.parametrize("protocol", NAMES)
def sealeds_are_disjoint_and_complete(data, protocol):
    for fold in protocols.folds(data, protocol):
        train, valid, test = fold.development.train, fold.development.valid, sealed(fold)
        together = np.concatenate([pairs(train), pairs(valid), pairs(test)])
        np.testing.assert_array_equal(np.sort(together), pairs(data.ratings))
        both = splits.merge(train, valid)
        np.testing.assert_array_equal(pairs(fold.learning), pairs(both))
        np.testing.assert_array_equal(fold.learning.by_user.values, both.by_user.values)
        assert min(len(train), len(valid), len(test)) > 0
        assert fold.exam.n_ratings == len(test)
        assert fold.development.items is data.items
        for part in (train, valid, test, fold.learning):
            np.testing.assert_array_equal(part.user_ids, data.ratings.user_ids)
            np.testing.assert_array_equal(part.item_ids, data.ratings.item_ids)


def test_each_rating_is_tested_in_one_fold(data):
    tested = [pairs(sealed(fold)) for fold in protocols.folds(data, "7-fold", seed=3)]
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), pairs(data.ratings))
    assert {len(part) for part in tested} == {4000 // 7, 4000 // 7 + 1}


def test_sizes_are_what_the_name_says(data):
    (fold,) = protocols.folds(data, "75-25", valid=0.2)
    assert (len(sealed(fold)), len(fold.development.valid)) == (1000, 600)
    (fold,) = protocols.folds(data, "temporal", valid=0.2)
    assert (len(sealed(fold)), len(fold.development.valid)) == (400, 720)
    assert fold.learning.timestamps.max() <= sealed(fold).timestamps.min()
    assert fold.development.train.timestamps.max() <= fold.development.valid.timestamps.min()
    (fold,) = protocols.folds(data, "leave-last")
    assert (sealed(fold).by_user.counts == 1).all()


@pytest.mark.parametrize("protocol", NAMES)
def test_data_name_and_seed_decide_a_fold(data, protocol):
    def drawn(seed, **options):
        return [
            [pairs(part) for part in (fold.development.train, sealed(fold))]
            for fold in protocols.folds(data, protocol, seed, **options)
        ]

    one, again, other = drawn(4), drawn(4), drawn(5)
    for (train, test), (same_train, same_test) in zip(one, again, strict=True):
        np.testing.assert_array_equal(train, same_train)
        np.testing.assert_array_equal(test, same_test)
    changed = [not np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True)]
    assert all(changed) if protocol in RANDOM else not any(changed)
    # How much is held back to choose by moves no rating into or out of the test part.
    for (_, test), (_, same_test) in zip(one, drawn(4, valid=0.3), strict=True):
        np.testing.assert_array_equal(test, same_test)


def test_validation_is_drawn_afresh_in_each_fold(data):
    a, b, _ = (pairs(fold.development.valid) for fold in protocols.folds(data, "3-fold"))
    assert len(np.intersect1d(a, b)) < 0.3 * len(a)


@pytest.mark.parametrize(
    ("protocol", "options", "says"),
    [
        ("5fold", {}, r"no protocol '5fold'; there are 5-fold, 80-20, 90-10, u1-u5"),
        ("80-30", {}, "two shares that make 100"),
        ("1-fold", {}, "k is 1"),
        ("4001-fold", {}, "k is 4001"),
        ("80-20", {"seed": -1}, "seed is -1"),
        ("80-20", {"seed": 0.5}, "seed is 0.5"),
        ("80-20", {"valid": 0}, "valid is 0"),
        ("80-20", {"valid": 1e-5}, "4000 ratings are too few"),
        ("u1-u5", {}, "synthetic comes without the splits u1, u2, u3, u4, u5"),
        ("ua-ub", {}, "synthetic comes without the splits ua, ub"),
    ],
)
def test_a_protocol_that_cannot_be_is_told_in_one_line(data, protocol, options, says):
    with pytest.raises(RecsysError, match=says) as caught:
        protocols.folds(data, protocol, **options)
    assert "\n" not in str(caught.value)


def test_times_are_needed_where_time_decides(data):
    old = data.ratings
    bare = replace(data, ratings=Ratings(old.user_ids, old.item_ids, old.by_user))
    assert protocols.folds(bare, "80-20")[0].learning.timestamps is None
    for protocol in ("temporal", "leave-last"):
        with pytest.raises(DataError, match="timestamps"):
            protocols.folds(bare, protocol)


# ---- the leak test, by what can be reached


def reach(root):
    """Return every object one can get to from `root`: the attributes, elements, bases, closures.

    Classes, modules and a function's globals are left out: through those one gets anywhere.
    """
    found, todo = {}, [root]
    while todo:
        thing = todo.pop()
        if isinstance(thing, type | types.ModuleType | str | bytes) or id(thing) in found:
            continue
        found[id(thing)] = thing
        if isinstance(thing, types.FunctionType):
            todo += [thing.__closure__, thing.__defaults__, thing.__kwdefaults__, vars(thing)]
        elif isinstance(thing, np.ndarray):  # NumPy does not tell the collector
            todo += [thing.base, *(thing.ravel().tolist() if thing.dtype == object else ())]
        elif isinstance(thing, memoryview):
            todo.append(thing.obj)
        else:
            todo += gc.get_referents(thing)
    return list(found.values())


def arrays_in(root):
    return [thing for thing in reach(root) if isinstance(thing, np.ndarray)]


def leaks(development, fold):
    """Return what in reach of a Development shares memory with the test part, or holds some of it.

    The ratings and times of the data that this is asked about occur once each.
    """
    test, whole = sealed(fold), fold._ratings
    secret = [
        array for part in (test, whole) for array in (*part.by_user, *part.by_item, part.timestamps)
    ]

    def leaky(array):
        shares = any(np.may_share_memory(array, other) for other in secret)
        holds = array.dtype.kind in "fiu" and any(
            np.isin(values, array).any() for values in (test.by_user.values, test.timestamps)
        )
        return shares or holds

    bad = [array for array in arrays_in(development) if leaky(array)]
    for thing in reach(development):
        if isinstance(thing, Ratings) and np.isin(pairs(test), pairs(thing)).any():
            bad.append(thing)
        if isinstance(thing, CSR):
            rows = len(thing.indptr) - 1
            row = np.repeat(np.arange(rows), thing.counts)
            user, item = (row, thing.indices) if rows == test.n_users else (thing.indices, row)
            if np.isin(pairs(test), user.astype(np.int64) * test.n_items + item).any():
                bad.append(thing)
    return bad


@pytest.fixture(scope="module")
def unique(data):
    """The same pairs, each with a rating and a time of its own: a copied one is recognised."""
    rng = np.random.default_rng(2)
    n = len(data.ratings)
    marked = with_values(data, 0.5 + 4.5 * rng.permutation(n) / n)
    marked.ratings.timestamps = 10**9 + rng.permutation(n)
    assert len(np.unique(marked.ratings.by_user.values)) == n
    return marked


@pytest.mark.parametrize("protocol", NAMES)
def test_no_way_leads_from_a_development_to_the_test_part(unique, protocol):
    for fold in protocols.folds(unique, protocol):
        development = fold.development
        development.train.by_item  # noqa: B018 - all that is built at first use is there as well
        fold.learning.by_item  # noqa: B018
        seen = arrays_in(development)
        for part in (development.train, development.valid):  # the walk does find what is there
            for array in (part.by_user.values, part.timestamps, development.train.by_item.indices):
                assert any(np.shares_memory(array, other) for other in seen)
        item_ids = development.items["item_id"].to_numpy()
        assert any(np.shares_memory(item_ids, other) for other in seen)
        assert leaks(development, fold) == []


LEAKS = {
    "the fold itself": lambda d, f: object.__setattr__(d, "fold", f),
    "the exam, in a closure": lambda d, f: object.__setattr__(d, "hint", lambda: f.exam),
    "a bound method": lambda d, f: object.__setattr__(d, "hint", f.exam.sit),
    "the whole": lambda d, f: setattr(d.train, "whole", f._ratings),
    "a view": lambda d, f: object.__setattr__(d, "hint", f.exam._test.by_user.values[::-2]),
    "a copy": lambda d, f: setattr(d.valid, "hint", f.exam._test.by_user.values[3:9].copy()),
    "copied times": lambda d, f: setattr(d.valid, "hint", [f.exam._test.timestamps[:2] + 0]),
    "in a table": lambda d, f: object.__setattr__(
        d, "items", d.items.assign(hint=np.resize(f.exam._test.by_user.values, len(d.items)))
    ),
    "in an object array": lambda d, f: object.__setattr__(d, "hint", np.array([f], object)),
    "copied pairs": lambda d, f: object.__setattr__(
        d, "hint", CSR(*(array.copy() for array in f.exam._test.by_user))._replace(values=None)
    ),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_development_that_leaks_is_found_out(unique, kind):
    fold = protocols.folds(unique, "80-20")[0]
    development = fold.development
    assert leaks(development, fold) == []
    LEAKS[kind](development, fold)
    assert leaks(development, fold) != []


def test_a_development_cannot_be_given_other_parts(data):
    fold = protocols.folds(data, "80-20")[0]
    with pytest.raises(AttributeError):
        fold.development.valid = fold.learning


# ---- the leak test, by what comes out


def poisoned(data, protocol, number, part):
    """Return the data with every rating of a fold's `part` turned round: 5 becomes 0.5."""
    labels = protocols.folds(data, protocol)[number]._labels
    values = data.ratings.by_user.values
    return with_values(data, np.where(labels == part, 5.5 - values, values))


def search(data, protocol, number):
    development = protocols.folds(data, protocol)[number].development
    found = tuning.tune(ALS(n_epochs=4), development, 5, seed=7, progress=False)
    return found.best_params, found.best_value, found.trials.drop(columns="seconds")


@pytest.mark.parametrize(("protocol", "number"), [("80-20", 0), ("3-fold", 2), ("leave-last", 0)])
def test_other_test_ratings_change_no_bit_of_a_search(data, protocol, number):
    params, value, trials = search(data, protocol, number)
    other = poisoned(data, protocol, number, splits.TEST)
    same_params, same_value, same_trials = search(other, protocol, number)
    assert (params, value) == (same_params, same_value)
    pd.testing.assert_frame_equal(trials, same_trials, check_exact=True)
    # But those of the validation part do, or nothing would have been shown.
    assert search(poisoned(data, protocol, number, splits.VALID), protocol, number)[1] != value


def test_other_test_ratings_change_no_bit_of_a_choice(data):
    """The whole way, as `reproduce` goes it: sample, search, finals."""
    clean, dirty = (
        protocols.run(
            some, {"BiasALS": BiasALS()}, "80-20", metrics=["rmse"], progress=False,
            tune=lambda model, parts: command.choose(model, parts, 4, seed=0, limit=1500),
        )
        for some in (data, poisoned(data, "80-20", 0, splits.TEST))
    )  # fmt: skip
    assert clean.params == dirty.params
    assert dirty.table["rmse"][0] > clean.table["rmse"][0] + 0.1


# ---- the exam


def test_an_exam_is_sat_once_under_a_name(data):
    fold = protocols.folds(data, "80-20")[0]
    model = BiasALS().fit(fold.learning, progress=False)
    report = fold.exam.sit("bias", model, fold.learning, ["rmse"])
    direct = evaluation.evaluate(model, fold.learning, sealed(fold), ["rmse"])
    assert report.values == direct.values
    with pytest.raises(RecsysError, match="'bias' has sat this exam already") as caught:
        fold.exam.sit("bias", model, fold.learning, ["mae"])
    assert "\n" not in str(caught.value)
    assert fold.exam.sit("another", model, fold.learning, ["rmse"]).values == report.values


def test_a_sitting_that_told_nothing_does_not_count(data):
    fold = protocols.folds(data, "80-20")[0]
    with pytest.raises(NotFittedError):
        fold.exam.sit("bias", BiasALS(), fold.learning)
    model = BiasALS().fit(fold.learning, progress=False)
    with pytest.raises(RecsysError, match="no metric"):
        fold.exam.sit("bias", model, fold.learning, ["rsme"])
    strict = fold.exam.sit("bias", model, fold.learning, ["ndcg@5"], relevant=5.0)
    assert strict.relevant == 5.0


# ---- all models on all folds


class Spy(Popularity):
    """Keeps what each fit was given, in a list common to all copies."""

    by = "count"

    def __init__(self, fits, size=1, seed=0):
        self.fits, self.size, self.seed = fits, size, seed

    def fit(self, train, valid=None, items=None, *, progress=None, run_dir=None):
        self.fits.append((train, valid, items, self.size, self.seed))
        self.ballast = [np.ones(self.size) for _ in range(2)]
        del self.ballast[0]
        return super().fit(train)


def test_a_run_is_a_row_a_model_seed_and_fold(data):
    models = {"good": ALS(n_factors=2, n_epochs=3), "flat": BiasALS(), "lists": Popularity()}
    found = protocols.run(
        data, models, "3-fold", seeds=(0, 5), metrics=["rmse", "ndcg@5"], progress=False
    )
    table = found.table
    assert found.metrics == ["rmse", "ndcg@5"]
    assert len(table) == 3 * 2 * 3
    assert table["n_ratings"].groupby([table["model"], table["seed"]]).sum().eq(4000).all()
    for _, row in table.iterrows():
        key = (row["model"], row["seed"], row["fold"])
        params = found.params[key]
        (fold,) = (f for f in protocols.folds(data, "3-fold", row["seed"]) if f.name == row["fold"])
        model = type(models[row["model"]])(**params).fit(fold.learning, progress=False)
        metrics = ["ndcg@5"] if row["model"] == "lists" else ["rmse", "ndcg@5"]
        report = evaluation.evaluate(model, fold.learning, sealed(fold), metrics)
        assert found.reports[key].values == report.values
        assert row[metrics].to_dict() == report.values
        assert np.isnan(row["rmse"]) == (row["model"] == "lists")
    assert {p["seed"] for (name, seed, _), p in found.params.items() if name == "good"} == {0, 5}
    assert not hasattr(models["good"], "user_ids_")  # copies were fitted

    summary = found.summary()
    assert summary.index.tolist() == [*models]
    for name in models:
        mine = table[table["model"] == name]
        assert summary.loc[name, "rmse sd"] == pytest.approx(mine["rmse"].std(), nan_ok=True)
        assert summary.loc[name, "ndcg@5"] == pytest.approx(mine["ndcg@5"].mean())
        assert summary.loc[name, "memory_mb"] == pytest.approx(mine["memory_mb"].mean())
        assert summary.loc[name, "runs"] == 6


def test_what_a_model_is_fitted_on_and_what_that_costs(data, monkeypatch):
    monkeypatch.setattr(runs, "WARM_UP", 100)
    fits, told = [], []

    def tune(model, development):
        assert type(development) is Development
        told.append((type(model), model.size, len(development.train), len(development.valid)))
        return {"size": 10**6}

    found = protocols.run(data, {"spy": Spy(fits, seed=3)}, "80-20", seeds=[2], tune=tune)
    assert told == [(Spy, 1, 2880, 320)]
    # First a few ratings, so that what follows holds no compilation; then all there is to learn.
    (small, *_), (learning, valid, items, size, seed) = fits
    assert len(small) == 100
    np.testing.assert_array_equal(
        pairs(learning), pairs(protocols.folds(data, "80-20", 2)[0].learning)
    )
    assert (valid, size, seed) == (None, 10**6, 5)
    assert items is data.items
    assert found.params["spy", 2, "split"]["size"] == 10**6
    (row,) = found.table.to_dict("records")
    assert 2 * 8 < row["memory_mb"] < 2 * 8 + 2  # both arrays, at the one moment that both exist
    assert row["fit_seconds"] > 0 and row["tune_seconds"] > 0
    assert np.isnan(found.summary().loc["spy", "ndcg@10 sd"])


def test_each_result_goes_to_the_log(data, caplog):
    caplog.set_level(logging.INFO, "recsys_lib")
    protocols.run(data, {"a": BiasALS()}, "2-fold", metrics=["rmse"], progress=False)
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("a, seed 0, fold")]
    assert len(lines) == 2 and all("rmse 0." in line for line in lines)


@pytest.mark.parametrize(
    ("models", "options", "says"),
    [
        ({}, {}, "there are 0 models"),
        ({"a": BiasALS()}, {"seeds": []}, "no seed twice"),
        ({"a": BiasALS()}, {"seeds": [1, 1]}, "no seed twice"),
        ({"a": Spy([])}, {"metrics": ["rmse", "mae"]}, "Spy can have none of the metrics rmse"),
        ({"a": Spy([])}, {"metrics": ["ncdg@10"]}, "there is no metric 'ncdg@10'"),
    ],
)
def test_a_run_that_cannot_be_ends_before_anything_is_fitted(data, models, options, says):
    with pytest.raises(RecsysError, match=says):
        protocols.run(data, models, "80-20", **options)
    assert all(model.fits == [] for model in models.values() if isinstance(model, Spy))
