"""The leaderboard: who takes part, its page, its bands against slow references."""

import re

import numpy as np
import pandas as pd
import pytest

from course import leaderboard
from course.leaderboard import curve as curve_module
from course.leaderboard import table as table_module
from recsys_lib import datasets, evaluation, models, splits
from recsys_lib.datasets import registry
from recsys_lib.errors import DataError, RecsysError


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=120, n_items=80, n_ratings=4800, seed=1)


# --- the table ------------------------------------------------------------------------------------


def test_best_knows_which_way_is_up():
    table = pd.DataFrame(
        {"rmse": [0.9, 0.8, np.nan], "ndcg@10": [0.2, 0.1, 0.3], "novelty@10": [1.0, 2.0, 3.0]},
        index=["A", "B", "C"],
    )
    assert leaderboard.best(table, "rmse") == "B"
    assert leaderboard.best(table, "ndcg@10") == "C"
    with pytest.raises(RecsysError, match="drawn by lot"):
        leaderboard.best(table, "novelty@10")
    with pytest.raises(RecsysError, match="no 'mae'"):
        leaderboard.best(table, "mae")


def test_the_page_is_a_table_with_the_best_in_bold():
    table = pd.DataFrame(
        {
            "rmse": [np.nan, 0.8031, 0.7], "rmse low": [np.nan, 0.79, 0.68],
            "rmse high": [np.nan, 0.816, 0.72], "ndcg@10": [0.25, 0.125, 0.01],
            "coverage@10": [0.1, 0.2, 0.3], "fit_seconds": [0.001, 12.34, 0.0],
            "memory_mb": [0.2, 3.0, 0.1],
        },
        index=["Popularity", "ALS", "Oracle"],
    )  # fmt: skip
    columns = [*leaderboard.ACCURACY, *leaderboard.REACH, *leaderboard.COSTS]
    header, rule, *rows = leaderboard.page(table, columns).splitlines()
    assert header.count("|") == rule.count("|") == 7
    assert [row.count("|") for row in rows] == [7, 7, 7]
    popularity, als, oracle = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows)
    assert popularity == ["Popularity", "–", "**0.250**", "0.100", "&lt; 0.1", "0.2"]
    assert als[:3] == ["ALS", "**0.803**<br><small>±0.013</small>", "0.125"]
    assert als[4:] == ["12.3", "3.0"]
    assert oracle[0] == "*Oracle*"  # out of competition: italic, and nothing bold
    assert not any("**" in cell for cell in oracle)
    only = leaderboard.page(table, ["ndcg@10"], apart=())
    assert "RMSE" not in only
    assert "| Oracle |" in only


# --- who takes part, on what ----------------------------------------------------------------------


def test_contestants_have_the_chosen_parameters(monkeypatch):
    monkeypatch.setattr(
        table_module.tuned, "load_params", lambda name, of: {"seed": 7} if name == "ALS" else {}
    )
    entered = leaderboard.contestants("ml-100k", ["BPR"], BayesianALS={"n_samples": 3})
    assert list(entered) == ["Popularity", "BiasALS", "ALS", "GenreALS", "BayesianALS"]
    assert [type(model).__name__ for model in entered.values()] == list(entered)
    assert entered["ALS"].seed == 7
    assert entered["BayesianALS"].n_samples == 3


def test_some_users_are_whole_users(data):
    assert leaderboard.some_users(data, len(data.ratings)) is data
    some = leaderboard.some_users(data, 1000, seed=2)
    assert 800 < some.ratings.n_ratings <= 1000
    assert some.name == f"synthetic, {some.ratings.n_users} of its users"
    np.testing.assert_array_equal(some.ratings.item_ids, data.ratings.item_ids)
    whole = data.ratings.to_frame()
    theirs = whole[whole["user_id"].isin(some.ratings.user_ids)].reset_index(drop=True)
    pd.testing.assert_frame_equal(some.ratings.to_frame(), theirs)
    assert leaderboard.some_users(data, 1000, 3).ratings.n_users != 0
    with pytest.raises(RecsysError, match="no user has 5"):
        leaderboard.some_users(data, 5)


# --- published numbers ----------------------------------------------------------------------------


def test_every_published_number_has_its_protocol_and_its_source(root):
    table = leaderboard.published()
    assert list(table.columns) == [
        "dataset", "protocol", "model", "like", "metric", "value", "source", "cite",
    ]  # fmt: skip
    needed = table.drop(columns=["like", "cite"])
    assert needed.notna().all(axis=None)
    assert (needed.drop(columns="value").map(str.strip) != "").all(axis=None)
    assert set(table["dataset"]) <= {*registry.RELEASES, "kuairec"}
    assert set(table["like"].dropna()) <= set(models.__all__)
    assert (table["value"] > 0).all()
    assert not table.duplicated(["dataset", "protocol", "model", "metric", "source"]).any()
    fractions = table[table["metric"] != "fit seconds"]
    assert (fractions["value"] < 1).all()
    bibliography = (root / "book" / "references.bib").read_text("utf-8")
    keys = {key for cite in table["cite"].dropna() for key in cite.split(",")}
    assert keys <= set(re.findall(r"@\w+\{(.+?),", bibliography))


def test_only_the_same_data_and_protocol_stand_beside():
    ours = pd.DataFrame({"rmse": [0.86, 0.92]}, index=["ALS", "BiasALS"])
    beside = leaderboard.beside(ours, "ml-100k", "5-fold")
    assert beside["like"].tolist() == ["BiasALS", "ALS"]
    assert beside["difference"].tolist() == pytest.approx([0.92 - 0.944, 0.86 - 0.934])
    assert len(leaderboard.beside(ours, "ml-100k", "80-20")) == 0
    assert len(leaderboard.beside(ours, "synthetic", "5-fold")) == 0
    assert len(leaderboard.beside(ours.rename(columns={"rmse": "mae"}), "ml-100k", "5-fold")) == 0


def test_published_numbers_are_written_a_source_a_row():
    header, _, *rows = leaderboard.published_page(leaderboard.published("ml-100k")).splitlines()
    assert len(rows) == 2
    assert "Baseline 0.944; SVD 0.934; SVD++ 0.919" in rows[0]
    assert "{cite}`hug2020surprise`" in rows[0]
    assert {row.count("|") for row in rows} == {header.count("|")}


# --- the oracle -----------------------------------------------------------------------------------


def test_the_oracle_predicts_what_the_truth_expects(data):
    train, _, test = splits.random(data.ratings, 0.1, 0.2, seed=0)
    oracle = leaderboard.Oracle(data.truth).fit(train)
    users = data.ratings.user_ids[test.user_of_rating()]
    items = data.ratings.item_ids[test.by_user.indices]
    np.testing.assert_array_equal(oracle.predict(users, items), data.truth.expected(users, items))
    found = evaluation.evaluate(oracle, train, test, ["rmse"])["rmse"]
    assert found == pytest.approx(data.truth.rmse(test), rel=0.005)  # it does not know when
    assert found < evaluation.evaluate(models.BiasALS().fit(train), train, test, ["rmse"])["rmse"]


def test_the_oracle_lists_what_is_enjoyed_most(data):
    some = leaderboard.some_users(data, 2000, seed=1)
    oracle = leaderboard.Oracle(data.truth).fit(some.ratings)
    user = some.ratings.user_ids[3]
    joy = pd.Series(data.truth.enjoyment(user, some.ratings.item_ids), some.ratings.item_ids)
    seen = some.ratings.item_ids[some.ratings.by_user.row(3)[0]]
    expected = joy.drop(seen).sort_values(ascending=False).index[:8].tolist()
    assert oracle.recommend(user, n=8)["item_id"].tolist() == expected


# --- the best of a form ---------------------------------------------------------------------------


def _expected(data):
    ratings = data.ratings
    users, items = ratings.user_of_rating(), ratings.by_user.indices
    e = data.truth.expected(ratings.user_ids[users], ratings.item_ids[items], ratings.timestamps)
    return users, items, e.astype(float)


def test_the_best_biases_are_those_of_least_squares():
    data = datasets.load("synthetic", n_users=40, n_items=30, n_ratings=700, min_ratings=5, seed=2)
    users, items, e = _expected(data)
    n_users, n_items = data.ratings.n_users, data.ratings.n_items
    dummies = np.zeros((len(e), n_users + n_items))
    dummies[np.arange(len(e)), users] = 1
    dummies[np.arange(len(e)), n_users + items] = 1
    slow = dummies @ np.linalg.lstsq(dummies, e, rcond=None)[0]
    best = curve_module.best_of_form(data, data.ratings, 0)
    fast = best.predict(data.ratings.user_ids[users], data.ratings.item_ids[items])
    np.testing.assert_allclose(fast, slow.clip(*data.ratings.scale), atol=2e-3)


@pytest.mark.parametrize("n_factors", [1, 3])
def test_the_best_factors_of_a_full_table_are_its_singular_vectors(n_factors):
    n_users, n_items = 50, 30  # everybody has rated everything, so there is a closed form
    data = datasets.load(
        "synthetic", n_users=n_users, n_items=n_items, n_ratings=n_users * n_items, seed=3
    )
    users, items, e = _expected(data)
    table = e.reshape(n_users, n_items)
    biases = table.mean(1, keepdims=True) + table.mean(0) - table.mean()
    left, sizes, right = np.linalg.svd(table - biases)
    exact = biases + (left[:, :n_factors] * sizes[:n_factors]) @ right[:n_factors]
    best = curve_module.best_of_form(data, data.ratings, n_factors)
    found = best.predict(data.ratings.user_ids[users], data.ratings.item_ids[items])
    missed = np.sqrt(np.mean((found - e) ** 2))
    least = np.sqrt(np.mean((exact - table) ** 2))
    assert missed == pytest.approx(least, rel=0.01)
    assert least < np.sqrt(np.mean((biases - table) ** 2))


def test_only_simulated_data_have_a_best(data):
    real = datasets.Dataset("mine", data.ratings, data.items)
    with pytest.raises(DataError, match="of mine nobody knows the truth"):
        curve_module.best_of_form(real, data.ratings, 0)
    with pytest.raises(DataError, match="nobody knows"):
        leaderboard.learning_curve(real, {"BiasALS": [models.BiasALS()]}, [5])


# --- the learning curve ---------------------------------------------------------------------------


class Watched(models.ALS):
    """ALS that remembers what it was fitted on."""

    seen: list = []  # noqa: RUF012 - shared on purpose: the curve makes new models

    def fit(self, train, *args, **options):
        self.seen.append((self.n_factors, train))
        return super().fit(train, *args, **options)


@pytest.fixture(scope="module")
def rich():
    return datasets.load(
        "synthetic", n_users=60, n_items=80, n_ratings=60 * 60, min_ratings=60, seed=5
    )


def test_no_size_sees_the_test_part_and_each_holds_the_ones_before(rich):
    Watched.seen.clear()
    candidates = {"W": [Watched(n_factors=k, n_epochs=2) for k in (1, 2)]}
    curve = leaderboard.learning_curve(rich, candidates, [10, 20, 40], n_test=20, seed=4)
    place = curve_module._deal(rich.ratings, 60, 4)
    test = rich.ratings.select(place < 20)
    assert (test.by_user.counts == 20).all()
    assert curve.n_test == len(test) == 60 * 20
    pairs = _pairs(test)
    for _, part in Watched.seen:
        assert not pairs & _pairs(part)
    fits = [Watched.seen[k : k + 3] for k in (0, 3, 6)]  # two candidates, then the chosen one
    for (one, two, final), n in zip(fits, (10, 20, 40), strict=True):
        assert (final[1].by_user.counts == n).all()
        assert len(one[1]) == len(two[1]) == round(0.9 * 60 * n)
        assert _pairs(one[1]) == _pairs(two[1]) < _pairs(final[1])
        assert [one[0], two[0]] == [1, 2]
    parts = [_pairs(final[1]) for _, _, final in fits]
    assert parts[0] < parts[1] < parts[2]
    widest = curve_module.best_of_form(rich, test, 2)  # not that of the candidate with one factor
    nothing = rich.ratings.select(place < 0)
    assert curve.bands["W"] == evaluation.evaluate(widest, nothing, test, ["rmse"])["rmse"]


def _pairs(ratings):
    users = ratings.user_of_rating().tolist()
    return set(zip(users, ratings.by_user.indices.tolist(), strict=True))


def test_the_chosen_candidate_is_the_best_on_what_was_held_back(rich):
    good, bad = models.ALS(n_factors=2, n_epochs=4), models.ALS(n_factors=2, tau=0.01, gamma=0.01)
    place = curve_module._deal(rich.ratings, 60, 0)
    learning = rich.ratings.select(place < 30)
    for order in ([good, bad], [bad, good]):
        assert repr(curve_module._chosen(order, learning, rich.items, 0)) == repr(good)


def test_the_curve_s_numbers_are_evaluation_s(rich):
    candidates = {"BiasALS": [models.BiasALS()], "ALS": [models.ALS(n_factors=2, n_epochs=3)]}
    curve = leaderboard.learning_curve(rich, candidates, [15, 40], n_test=20, seed=1)
    place = curve_module._deal(rich.ratings, 60, 1)
    test = rich.ratings.select(place < 20)
    for row in curve.table.itertuples():
        learning = rich.ratings.select((place >= 20) & (place < 20 + row.n))
        model = candidates[row.model][0].fit(learning, items=rich.items)
        assert row.rmse == evaluation.evaluate(model, learning, test, ["rmse"])["rmse"]
        assert row.above == pytest.approx(row.rmse / curve.bands[row.model] - 1)
    for name, n_factors in (("BiasALS", 0), ("ALS", 2)):
        best = curve_module.best_of_form(rich, test, n_factors)
        nothing = rich.ratings.select(place < 0)
        assert curve.bands[name] == evaluation.evaluate(best, nothing, test, ["rmse"])["rmse"]
    assert curve.floor == rich.truth.rmse(test)
    assert curve.floor < curve.bands["ALS"] < curve.bands["BiasALS"]
    parts = curve.parts()
    np.testing.assert_allclose(
        parts[["chance", "form", "to learn"]].sum(axis=1), curve.table["rmse"] ** 2
    )
    assert (parts["to learn"] > 0).all()


def test_enough_is_from_where_on_a_model_stays():
    table = pd.DataFrame(
        {
            "model": ["A"] * 3 + ["B"] * 3 + ["C"] * 3,
            "n": [1, 2, 4] * 3,
            "above": [0.01, 0.03, 0.01, 0.02, 0.01, 0.0, 0.0, 0.0, 0.05],
        }
    )
    curve = curve_module.Curve(table, pd.Series(dtype=float), 0.7, 10)
    assert curve.enough(0.02)[["A", "B"]].tolist() == [4, 1]
    assert np.isnan(curve.enough(0.02)["C"])


@pytest.mark.parametrize(
    ("candidates", "sizes", "message"),
    [
        ({}, [5], "at least one candidate"),
        ({"ALS": []}, [5], "at least one candidate"),
        ({"ALS": [models.ALS()]}, [], "ascending"),
        ({"ALS": [models.ALS()]}, [10, 5], "ascending"),
        ({"ALS": [models.ALS()]}, [100], r"has 60 ratings, and 150 are to be dealt"),
    ],
)
def test_what_cannot_be_is_refused(rich, candidates, sizes, message):
    with pytest.raises(RecsysError, match=message):
        leaderboard.learning_curve(rich, candidates, sizes)
