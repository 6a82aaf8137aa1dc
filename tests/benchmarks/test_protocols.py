"""One protocol for every model: what a tuner can reach, and a test part that is read once."""

import gc
import types
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import choosing, protocols
from benchmarks.comparison import benchmark
from recsys_lib import datasets, evaluation, splits
from recsys_lib.errors import NotFittedError, RecsysError
from recsys_lib.models import BPR, EASE, BiasALS, GenreALS, Popularity
from recsys_lib.ratings import CSR, Ratings

RANDOM = ["3-fold", "80-20", "75-25"]
NAMES = [*RANDOM, "temporal", "leave-last"]
HELD_OUT = ["cold-items", "cold-users-3", "mult-vae"]


def with_values(data, values):
    """Return the same data set with other ratings (nnz,) of the same pairs."""
    old = data.ratings
    by_user = old.by_user._replace(values=np.asarray(values, np.float32))
    ratings = Ratings(old.user_ids, old.item_ids, by_user, old.timestamps, (0.5, 5.0))
    return replace(data, ratings=ratings)


def pairs(ratings):
    return ratings.user_of_rating().astype(np.int64) * ratings.n_items + ratings.by_user.indices


def sealed(fold):
    """What nobody but this test may look at."""
    return fold._test


# ---- folds


@pytest.mark.parametrize("protocol", NAMES)
def test_parts_are_disjoint_and_complete(data, protocol):
    for fold in protocols.folds(data, protocol):
        train, valid, test = fold.development.train, fold.development.valid, sealed(fold)
        together = np.concatenate([pairs(train), pairs(valid), pairs(test)])
        np.testing.assert_array_equal(np.sort(together), pairs(data.ratings))
        both = splits.merge(train, valid)
        np.testing.assert_array_equal(pairs(fold.learning), pairs(both))
        np.testing.assert_array_equal(fold.learning.by_user.values, both.by_user.values)
        assert min(len(train), len(valid), len(test)) > 0
        assert fold.development.items is data.items
        for part in (train, valid, test, fold.learning):
            np.testing.assert_array_equal(part.user_ids, data.ratings.user_ids)
            np.testing.assert_array_equal(part.item_ids, data.ratings.item_ids)


@pytest.mark.parametrize("k", [7, 300])  # more folds than a byte has numbers
def test_each_rating_is_tested_in_one_fold(data, k):
    tested = [pairs(sealed(fold)) for fold in protocols.folds(data, f"{k}-fold", seed=3)]
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), pairs(data.ratings))
    assert {len(part) for part in tested} == {4000 // k, 4000 // k + 1}


def test_sizes_are_what_the_name_says(data):
    (fold,) = protocols.folds(data, "75-25")
    assert (len(sealed(fold)), len(fold.development.valid)) == (1000, 300)
    (fold,) = protocols.folds(data, "temporal")
    assert (len(sealed(fold)), len(fold.development.valid)) == (400, 360)
    assert fold.learning.timestamps.max() <= sealed(fold).timestamps.min()
    assert fold.development.train.timestamps.max() <= fold.development.valid.timestamps.min()
    (fold,) = protocols.folds(data, "leave-last")
    assert (sealed(fold).by_user.counts == 1).all()


@pytest.mark.parametrize("protocol", [*NAMES, *HELD_OUT])
def test_data_name_and_seed_decide_a_fold(data, protocol):
    def drawn(seed):
        return [
            [pairs(part) for part in (fold.development.train, sealed(fold))]
            for fold in protocols.folds(data, protocol, seed)
        ]

    one, again, other = drawn(4), drawn(4), drawn(5)
    for (train, test), (same_train, same_test) in zip(one, again, strict=True):
        np.testing.assert_array_equal(train, same_train)
        np.testing.assert_array_equal(test, same_test)
    changed = [not np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True)]
    assert all(changed) if protocol in RANDOM + HELD_OUT else not any(changed)


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
        ("u1-u5", {}, "synthetic comes without the splits u1, u2, u3, u4, u5"),
        ("ua-ub", {}, "synthetic comes without the splits ua, ub"),
    ],
)
def test_a_protocol_that_cannot_be_is_told_in_one_line(data, protocol, options, says):
    with pytest.raises(RecsysError, match=says) as caught:
        protocols.folds(data, protocol, **options)
    assert "\n" not in str(caught.value)
    with pytest.raises(RecsysError, match="3 ratings are too few"):
        few = replace(data, ratings=data.ratings.select(np.arange(4000) < 3))
        protocols.folds(few, "80-20")


@pytest.mark.parametrize("protocol", HELD_OUT)
def test_other_items_or_users_are_held_out_where_a_search_confirms(data, protocol):
    """What is new in the validation part is new in other draws of it, too; and nothing is lost."""
    side, held_out, every = "by_item" if protocol == "cold-items" else "by_user", [], []
    development = next(protocols.folds(data, protocol)).development
    for d in (development, development.redealt(np.random.default_rng(1))):
        new = getattr(d.valid, side).counts > 0
        assert not getattr(d.train, side).counts[new].any()
        assert protocol != "cold-users-3" or (d.valid_input.by_user.counts[new] == 3).all()
        held_out.append(new)
        parts = [pairs(p) for p in (d.train, d.valid, d.valid_input) if p is not None]
        every.append(np.sort(np.concatenate(parts)))
    # Of mult-vae, the likes of a user who has too few of the catalogue are left out.
    assert len(np.setdiff1d(*every[::-1])) == 0
    assert protocol == "mult-vae" or len(every[0]) == len(every[1])
    assert not np.array_equal(*held_out) and abs(held_out[0].sum() - held_out[1].sum()) <= 1


def test_cold_items_and_users_have_all_their_ratings_held_out(data):
    fold = next(protocols.folds(data, "cold-items"))
    new = sealed(fold).by_item.counts > 0
    assert new.sum() == round(0.2 * (data.ratings.by_item.counts > 0).sum())
    np.testing.assert_array_equal(sealed(fold).by_item.counts, data.ratings.by_item.counts * new)
    assert not fold.learning.by_item.counts[new].any()
    (report,) = benchmark({"": GenreALS(n_epochs=5)}, data, "cold-items", trials=2)["report"]
    assert report.candidates == "new" and 0.4 < report.interval("rmse")[0] < report["rmse"] < 1.5
    fold = next(protocols.folds(data, "cold-users-3"))
    users, shown = sealed(fold).by_user.counts > 0, fold.test_input.by_user.counts
    np.testing.assert_array_equal(shown, 3 * users)
    assert users.sum() == 16 and not fold.learning.by_user.counts[users].any()
    assert len(next(protocols.folds(data, "cold-users")).test_input) == 0


def test_leave_one_out_ranks_the_catalogue_for_the_last_of_all_ratings(data):
    fold = next(protocols.folds(data, "leave-one-out"))
    model = Popularity().fit(fold.learning)
    report, frame = fold.test("popularity", model, ["hit_rate@10"]), data.ratings.to_frame()
    last = frame.sort_values(["timestamp", "item_id"]).drop_duplicates("user_id", keep="last")
    top = model.recommend(last["user_id"], n=10)
    hits = last.merge(top, on=["user_id", "item_id"])
    assert report["hit_rate@10"] == len(hits) / len(last) > 0


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
        else:
            todo += gc.get_referents(thing)
    return list(found.values())


def leaks(development, fold):
    """Return what in reach of a Development holds a rating, a time or a pair of the test part.

    The ratings and times of the data that this is asked about occur once each.
    """
    test, bad = sealed(fold), []
    for thing in reach(development):
        if isinstance(thing, np.ndarray) and thing.dtype.kind in "fiu":
            if any(np.isin(some, thing).any() for some in (test.by_user.values, test.timestamps)):
                bad.append(thing)
        elif isinstance(thing, CSR):
            row = np.repeat(np.arange(len(thing.indptr) - 1), thing.counts)
            of_users = len(thing.indptr) - 1 == test.n_users
            user, item = (row, thing.indices) if of_users else (thing.indices, row)
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


@pytest.mark.parametrize("protocol", [*NAMES, *HELD_OUT, "leave-one-out"])
def test_no_way_leads_from_a_development_to_the_test_part(unique, protocol):
    for fold in protocols.folds(unique, protocol):
        development = fold.development
        development.train.by_item  # noqa: B018 - all that is built at first use is there as well
        fold.learning.by_item  # noqa: B018
        assert leaks(development, fold) == []


def hint(make):
    return lambda d, f: object.__setattr__(d, "hint", make(f))


LEAKS = {
    "the split itself": hint(lambda f: f),
    "the split, in a closure": hint(lambda f: lambda: f.test_input or f),
    "a bound method": hint(lambda f: f.test),
    "the whole": lambda d, f: setattr(d.train, "whole", splits.merge(f.learning, f._test)),
    "a copy": hint(lambda f: f._test.by_user.values[3:9].copy()),
    "copied times": lambda d, f: setattr(d.valid, "hint", [f._test.timestamps[:2] + 0]),
    "in a table": lambda d, f: object.__setattr__(
        d, "items", d.items.assign(hint=np.resize(f._test.by_user.values, len(d.items)))
    ),
    "in an object array": hint(lambda f: np.array([f], object)),
    "copied pairs": hint(lambda f: CSR(*map(np.copy, f._test.by_user))._replace(values=None)),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_development_that_leaks_is_found_out(unique, kind):
    fold = next(protocols.folds(unique, "80-20"))
    development = fold.development
    with pytest.raises(AttributeError):  # nobody gives it other parts by a slip
        development.valid = fold.learning
    LEAKS[kind](development, fold)
    assert leaks(development, fold) != []


# ---- the leak test, by what comes out


def test_other_test_ratings_change_no_bit_of_a_choice(data, monkeypatch):
    """The whole way, as `reproduce` goes it: sample, search, finals; a test part's 5 is a 0.5."""
    monkeypatch.setattr(choosing, "ENOUGH", 1500)
    tested = np.isin(pairs(data.ratings), pairs(sealed(next(protocols.folds(data, "80-20")))))
    values = data.ratings.by_user.values
    turned = with_values(data, np.where(tested, 5.5 - values, values))
    clean, dirty = (
        benchmark({"BiasALS": BiasALS()}, some, "80-20", metrics=["rmse"], trials=4).iloc[0]
        for some in (data, turned)
    )
    assert clean["params"] == dirty["params"]
    assert dirty["rmse"] > clean["rmse"] + 0.1


# ---- the test part is read once


def test_a_split_tests_once_under_a_name(data):
    fold = next(protocols.folds(data, "80-20"))
    model = fold.fit(BiasALS(), progress=False)
    for one, metric, error in ((BiasALS(), "rmse", NotFittedError), (model, "rsme", RecsysError)):
        with pytest.raises(error):  # what told nothing does not count
            fold.test("bias", one, [metric])
    report = fold.test("bias", model, ["rmse"])
    direct = evaluation.evaluate(model, fold.learning, sealed(fold), ["rmse"])
    assert report.values == direct.values and report.relevant == 4.0
    with pytest.raises(RecsysError, match="'bias' was tested on 'split' already") as caught:
        fold.test("bias", model, ["mae"])
    assert "\n" not in str(caught.value)
    assert fold.test("another", model, ["rmse"]).values == report.values


# ---- protocols of likes


@pytest.fixture(scope="module")
def starred():
    return datasets.load("synthetic", n_users=200, n_items=300, n_ratings=12_000, seed=1)


def test_the_big_matrix_is_parted_and_the_small_one_is_the_test(watched):
    split = protocols.fully_observed(watched)
    together = np.sort(np.concatenate([pairs(split.train), pairs(split.valid)]))
    np.testing.assert_array_equal(together, pairs(watched.ratings))
    assert len(split.valid) == 2_000
    assert sealed(split) is watched.full
    report = split.test("popularity", Popularity().fit(split.likes))
    assert report.candidates == "test"  # only what has been judged is ranked
    assert (
        report.n_users
        == (watched.full.by_user.select(watched.full.by_user.values >= 2).counts > 0).sum()
    )
    other = protocols.fully_observed(watched, seed=1)
    assert not np.array_equal(pairs(other.valid), pairs(split.valid))


def test_likes_are_what_the_threshold_says(watched, starred):
    for split, least in (
        (protocols.fully_observed(watched), 2),
        (protocols.user_holdout(starred), 4),
    ):
        values = split.train.by_user.values
        assert len(split.likes) == (values >= least).sum() < len(values)
        assert split.likes.by_user.values.min() >= least
        assert split.relevant == split.development.options["relevant"] == least


def test_strangers_are_strangers_and_validation_is_of_the_trained(starred):
    split = protocols.user_holdout(starred, seed=2)
    shown = split.test_input
    held_out = sealed(split).by_user.counts > 0
    assert held_out.sum() == 40
    np.testing.assert_array_equal(shown.by_user.counts > 0, held_out)
    for part in (split.train, split.valid):
        assert not part.by_user.counts[held_out].any()
    together = np.concatenate([pairs(p) for p in (split.train, split.valid, sealed(split), shown)])
    np.testing.assert_array_equal(np.sort(together), pairs(starred.ratings))
    model = split.fit(BPR(threshold=4.0, n_epochs=5))
    assert split.learning is split.train
    assert split.development.measure(model).n_users > 100
    report = split.test("BPR", model)
    assert report.n_users <= 40
    assert report["ndcg@10"] > 0


def test_mult_vae_is_the_papers_protocol(starred):
    """Written anew from Liang et al. 2018, section 4, with data frames and dense matrices."""
    split = next(protocols.folds(starred, "mult-vae", seed=2))
    likes = starred.ratings.to_frame().query("rating >= 4")
    likes = likes[likes.groupby("user_id")["rating"].transform("size") >= 5]
    parts = split.train, sealed(split), split.test_input, split.valid, split.development.valid_input
    train, test, shown, valid, valid_shown = (part.to_frame() for part in parts)
    key, everyone, learners = ["user_id", "item_id"], {*likes["user_id"]}, {*train["user_id"]}
    assert len(learners) == len(everyone) - 2 * round(0.1 * len(everyone))
    known = likes[likes["user_id"].isin(learners)]
    assert len(train) == len(known) == len(train[key].merge(known[key]))
    catalogue = sorted({*known["item_id"]})
    assert split.train.item_ids.tolist() == catalogue
    theirs = likes[likes["item_id"].isin(catalogue) & ~likes["user_id"].isin(learners)]
    sizes = theirs.groupby("user_id").size()
    sizes = sizes[sizes >= 5]
    tested = test["user_id"].unique(), valid["user_id"].unique()
    assert sorted([*tested[0], *tested[1]]) == sizes.index.tolist()
    for find, given in ((test, shown), (valid, valid_shown)):
        found = find.groupby("user_id").size()
        np.testing.assert_array_equal(found, np.floor(0.2 * sizes[found.index]))
        total = pd.concat([find, given])[key].merge(theirs[key]).groupby("user_id").size()
        np.testing.assert_array_equal(total, sizes[found.index])
    # EASE in closed form, and the metrics of the authors' code.
    x = pd.crosstab(train["user_id"], train["item_id"]).to_numpy(float)
    inverse = np.linalg.inv(x.T @ x + 50 * np.eye(len(catalogue)))
    b = np.where(np.eye(len(catalogue)), 0, -inverse / np.diag(inverse))
    weights, values = 1 / np.log2(np.arange(2, 102)), []
    for user, wanted in test.groupby("user_id")["item_id"]:
        seen = np.isin(catalogue, shown.loc[shown["user_id"] == user, "item_id"])
        order = np.argsort(-np.where(seen, -np.inf, seen @ b))[:100]
        hits, n = np.isin(np.array(catalogue)[order], wanted), len(wanted)
        ndcg = hits @ weights / weights[: min(n, 100)].sum()
        values.append([ndcg, *(hits[:k].sum() / min(k, n) for k in (20, 50))])
    report = split.test("EASE", split.fit(EASE(lam=50.0)), protocols.OF_LISTS["mult-vae"])
    np.testing.assert_allclose([*report.values.values()], np.mean(values, axis=0), atol=1e-6)
    assert benchmark({"EASE": EASE()}, starred, "mult-vae", trials=2)["valid"].notna().all()


def test_models_may_read_what_was_known_before_and_nothing_else(watched, starred):
    class Asks(Popularity):
        def fit(self, train, valid=None, **known):
            self.given = train, valid, known["items"], known["users"]
            return super().fit(train, valid)

    split = protocols.fully_observed(watched)
    train, valid, items, users = split.development.fit(Asks()).given
    assert (train, valid) == (split.train, split.valid)
    assert users is watched.users
    # Whatever counts what happened in the days of the watches would be a look ahead.
    kept = {"item_id", "year", "genres", "author_id", "upload_type", "video_duration"}
    assert set(items) == kept < set(watched.items)
    np.testing.assert_array_equal(items["author_id"], watched.items["author_id"])
    _, _, items, users = protocols.user_holdout(starred).development.fit(Asks()).given
    assert set(items) == {"item_id", "year", "genres"}
    assert users is None
