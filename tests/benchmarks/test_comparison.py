"""Many models on the same splits: what is fitted, measured and summed up, and what it costs."""

from dataclasses import field

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution

from benchmarks import choosing, protocols
from benchmarks import comparison as bench
from benchmarks.comparison import benchmark, leads, pool, summary, winner
from benchmarks.held_out import Dealt
from course.leaderboard import baselines
from recsys_lib import datasets, evaluation
from recsys_lib.errors import RecsysError
from recsys_lib.models import ALS, BPR, EASE, BayesianALS, BiasALS, Popularity
from tests.benchmarks.test_protocols import pairs

OF_LIKES = ["ndcg@10", "precision@10", "coverage@10"]
METRICS = ["rmse", "mae", "ndcg@5", "coverage@5"]


@pytest.fixture(scope="module")
def data():
    return datasets.load("synthetic", n_users=80, n_items=120, n_ratings=4000, seed=1)


@pytest.fixture(scope="module")
def results(data):
    models = {"ALS": ALS(n_factors=4, n_epochs=4), "flat": BiasALS(), "lists": Popularity()}
    return benchmark(models, data, "3-fold", seeds=(0, 5), metrics=METRICS)


@pytest.fixture(scope="module")
def split():
    data = datasets.simulate_watches(
        n_users=250, n_items=300, n_watches=15_000, n_small_users=80, n_small_items=100, seed=1
    )
    return protocols.fully_observed(data)


@pytest.fixture(scope="module")
def likes(split):
    models = {
        "BPR": BPR(n_factors=8, n_epochs=10, threshold=2.0, seed=5),
        "EASE": EASE(lam=50.0, threshold=2.0),
    }
    how = {"seeds": [0, 1, 2], "metrics": OF_LIKES}
    first = benchmark(baselines(split), split, metrics=OF_LIKES)
    return pd.concat([first, benchmark(models, split, **how)], ignore_index=True)


def of(results, model):
    """The runs of one model."""
    return [*results[results["model"] == model].itertuples()]


# ---- folds of a data set


def test_a_run_is_a_model_seed_and_split(data, results):
    assert len(results) == 3 * 2 * 3
    assert results.groupby(["model", "seed"])["n_ratings"].sum().eq(4000).all()
    for run in results.itertuples():
        (fold,) = (f for f in protocols.folds(data, "3-fold", run.seed) if f.name == run.split)
        model = fold.fit(type(run.fitted)(**run.fitted.get_params()), progress=False)
        wanted = METRICS[2:] if run.model == "lists" else METRICS
        assert fold.test("again", model, wanted).values == run.report.values
        assert not hasattr(run.fitted, "user_ids_")  # fitted models are not kept unasked
        assert results.loc[run.Index, wanted].to_dict() == run.report.values
        assert np.isnan(run.rmse) == (run.model == "lists")
        assert run.n_parameters == model.n_parameters_
    assert {run.fitted.seed for run in of(results, "ALS")} == {0, 5}


def test_splits_are_pooled_user_by_user(results):
    pooled = pool(results)["ALS"]
    reports = [run.report for run in of(results, "ALS")]
    values = {}
    for part in reports:
        for user, value in part.per_user["ndcg@5"].items():
            values.setdefault(user, []).append(value)
    by_hand = {user: np.mean(some) for user, some in values.items()}
    assert dict(pooled.per_user["ndcg@5"]) == pytest.approx(by_hand)
    assert pooled["ndcg@5"] == pytest.approx(np.mean(list(by_hand.values())))
    assert pooled.n_users == len(by_hand) < sum(part.n_users for part in reports)
    squares = sum(part["rmse"] ** 2 * part.n_ratings for part in reports)
    assert pooled["rmse"] == pytest.approx(np.sqrt(squares / 8000))
    absolute = sum(part["mae"] * part.n_ratings for part in reports)
    assert pooled["mae"] == pytest.approx(absolute / 8000)
    assert pooled["coverage@5"] == pytest.approx(np.mean([part["coverage@5"] for part in reports]))


def test_the_summary_holds_spreads_and_costs(results):
    table = summary(results, n=20)
    assert table.index.tolist() == ["ALS", "flat", "lists"]
    for name in table.index:
        rows = results[results["model"] == name]
        assert table.loc[name, "rmse sd"] == pytest.approx(rows["rmse"].std(), nan_ok=True)
        for cost in bench.COSTS:
            assert table.loc[name, cost] == pytest.approx(rows[cost].mean())
        assert table.loc[name, "runs"] == 6
    assert table.loc["ALS", "rmse low"] < table.loc["ALS", "rmse"] < table.loc["ALS", "rmse high"]


def test_models_are_compared_with_one_of_them_user_by_user(results):
    table = leads(results, "flat", "rmse", n=200)
    assert list(table.index) == ["ALS"]  # no ratings predicted, no RMSE: the lists are not here
    expected = evaluation.paired(pool(results)["ALS"], pool(results)["flat"], "rmse", n=200)
    assert table.loc["ALS", ["value", "low", "high", "worse", "better"]].tolist() == [
        expected.difference, expected.low, expected.high, expected.worse, expected.better,
    ]  # fmt: skip
    lists = leads(results, "lists", "ndcg@5", n=50)
    assert set(lists.index) == {"ALS", "flat"}
    assert lists["value"].abs().is_monotonic_increasing  # the nearest first


class Spy(Popularity):
    """Keeps what each fit was given, in a list common to all copies."""

    fits: list = field(default_factory=list)
    size: int = 1
    seed: int = 0
    search_space = {"size": None}  # noqa: RUF012

    def fit(self, train, valid=None, *, items=None, **options):
        self.fits.append((train, valid, items, self.size, self.seed))
        self.ballast = [np.ones(self.size) for _ in range(2)]
        del self.ballast[0]
        return super().fit(train, progress=False)


def test_what_a_model_is_fitted_on_and_what_that_costs(data, monkeypatch):
    monkeypatch.setattr(bench, "WARM_UP", 100)
    fits, told = [], []

    def choose(model, development, n_trials, seed, metric, space, finalists, deals):
        assert type(development) is Dealt
        assert space == {"size": None, "threshold": CategoricalDistribution((None, 4.0))}
        sizes = len(development.train), len(development.valid)
        told.append((type(model), model.size, n_trials, seed, metric, *sizes))
        return choosing.Decision({"size": 10**6}, 0.25, None, None)

    monkeypatch.setattr(choosing, "choose", choose)
    found = benchmark({"spy": Spy(fits=fits, seed=3)}, data, "80-20", seeds=[2], trials=7)
    assert told == [(Spy, 1, 7, 2, "precision@10", 2880, 320)]
    # First a few ratings, so that what follows holds no compilation; then all there is to learn.
    (small, *_), (learning, valid, items, size, seed) = fits
    assert len(small) == 100
    np.testing.assert_array_equal(
        pairs(learning), pairs(next(protocols.folds(data, "80-20", 2)).learning)
    )
    assert (valid, size, seed) == (None, 10**6, 5)
    assert items is data.items
    (run,) = found.itertuples()
    assert run.fitted.size == 10**6
    assert run.valid == 0.25
    assert 2 * 8 < run.memory_mb < 2 * 8 + 2  # both arrays, at the one moment that both exist
    assert run.fit_seconds > 0 and run.tune_seconds > 0


@pytest.mark.parametrize(
    ("models", "options", "says"),
    [
        ({}, {}, "there are 0 models"),
        ({"a": BiasALS()}, {"seeds": []}, "no seed twice"),
        ({"a": BiasALS()}, {"seeds": [1, 1]}, "no seed twice"),
        ({"a": BiasALS()}, {"trials": -1}, "-1 trials"),
        ({"a": BiasALS()}, {"protocol": ""}, "goes with a protocol"),
        ({"a": Spy()}, {"metrics": ["rmse", "mae"]}, "Spy can have none of the metrics rmse"),
        ({"a": Spy()}, {"metrics": ["ncdg@10"]}, "there is no metric 'ncdg@10'"),
    ],
)
def test_what_cannot_be_ends_before_anything_is_fitted(data, models, options, says):
    with pytest.raises(RecsysError, match=says):
        benchmark(models, data, **{"protocol": "80-20", **options})
    assert all(model.fits == [] for model in models.values() if isinstance(model, Spy))


# ---- one split, several seeds


def test_every_seed_is_fitted_and_measured(split, likes):
    runs = of(likes, "BPR")
    assert [run.fitted.seed for run in runs] == [5, 6, 7]
    for run in runs:
        again = split.test(f"again {run.seed}", run.fitted, OF_LIKES)
        assert again.values == run.report.values
    assert len({run.report["ndcg@10"] for run in runs}) == 3
    again = split.fit(BPR(n_factors=8, n_epochs=10, threshold=2.0, seed=6))
    np.testing.assert_array_equal(again.item_vectors(), runs[1].fitted.item_vectors())
    with pytest.raises(RecsysError, match=r"'BPR, seed 0' was tested .* already"):
        benchmark({"BPR": BPR(n_epochs=1, threshold=2.0)}, split, metrics=OF_LIKES)


def test_what_has_no_seed_is_fitted_once(likes):
    runs = {"random": 1, "popularity": 1, "like rate": 1, "BPR": 3, "EASE": 1}
    assert summary(likes, n=20)["runs"].to_dict() == runs
    assert likes.set_index("model")["n_parameters"]["popularity"] == 300


def test_seeds_are_pooled(likes):
    values = [run.report["ndcg@10"] for run in of(likes, "BPR")]
    table = summary(likes, level=0.9, n=300)
    assert table.loc["BPR", "ndcg@10"] == pytest.approx(np.mean(values))
    assert table.loc["BPR", "ndcg@10 sd"] == pytest.approx(np.std(values, ddof=1))
    ends = pool(likes)["BPR"].interval("ndcg@10", level=0.9, n=300)
    assert table.loc["BPR", ["ndcg@10 low", "ndcg@10 high"]].tolist() == pytest.approx(ends)


def test_the_winner_is_named_by_the_validation_parts(data, results):
    models = {"flat": BiasALS(), "ALS": ALS(n_factors=4, n_epochs=4), "lists": Popularity()}
    found = benchmark(models, data, "2-fold", trials=3, metrics=["rmse", "ndcg@5"])
    assert dict(zip(found["model"], found["searched"], strict=True)) == {
        "flat": "rmse", "ALS": "rmse", "lists": "ndcg@5",
    }  # fmt: skip
    means = found.groupby("model")["valid"].mean()
    assert means.drop("lists").between(0.5, 1.5).all() and 0 < means["lists"] < 0.5
    assert winner(found, "rmse") == means.drop("lists").idxmin()
    assert winner(found, "ndcg@5") == "lists"
    # It is read from nothing else: not from the test part, whatever that says.
    worse = found.assign(rmse=0.0, valid=found["valid"].where(found["model"] != "ALS", 9.0))
    assert winner(worse, "rmse") == "flat"
    assert results["valid"].isna().all()
    with pytest.raises(RecsysError, match="set trials"):
        winner(results, "rmse")
    assert found.attrs["versions"]["numpy"] == np.__version__


def test_all_models_are_measured_on_the_same_divisions_with_their_own_threshold(data):
    """A model that has nothing to search, too; a like may be any rating or a relevant one."""
    split = next(protocols.folds(data, "80-20"))
    lists = {"crowd": Popularity(), "fixed": BayesianALS(4, n_samples=4, n_burn=2)}
    found = benchmark(lists, data, "80-20", trials=4, metrics=["ndcg@10"]).set_index("model")
    options = [{"threshold": None}, {"threshold": 4.0}]
    again = choosing.confirm(Popularity(), split.development, options, "ndcg@10", bench.DEALS)
    means = again.mean(axis=1).tolist()
    chosen = options.index({"threshold": found.loc["crowd", "params"]["threshold"]})
    assert found.loc["crowd", "valid"] == pytest.approx(means[chosen])
    alone = choosing.confirm(lists["fixed"], split.development, [{}], "ndcg@10", bench.DEALS)
    assert found.loc["fixed", "valid"] == pytest.approx(alone.to_numpy().mean())


def test_patience_decides_on_the_validation_part_and_the_refit_follows(data):
    split = next(protocols.folds(data, "80-20"))
    model = ALS(n_factors=4, n_epochs=40, tau=0.3, patience=2)
    (run,) = benchmark({"ALS": model}, data, "80-20", metrics=["rmse"]).itertuples()
    log = split.development.fit(model.unfitted()).training_log_
    best = int(log["epoch"][log["rmse_valid"].idxmin()])
    assert (run.params["n_epochs"], run.params["patience"]) == (best, None)
    assert best < len(log) < 40


def test_three_lists_without_a_model(split):
    lists = baselines(split, seed=1)
    liked, watches = split.likes.by_item.counts, split.train.by_item.counts
    np.testing.assert_array_equal(lists["popularity"].item_scores_, liked.astype(np.float32))
    mean = len(split.likes) / len(split.train)
    rate = (liked + 10 * mean) / (watches + 10)
    np.testing.assert_allclose(lists["like rate"].item_scores_, rate, rtol=1e-5)
    reports = {name: split.test(f"1 {name}", m)["ndcg@10"] for name, m in lists.items()}
    assert reports["random"] < reports["popularity"]
    other = baselines(split, seed=2)["random"].item_scores_
    assert not np.array_equal(lists["random"].item_scores_, other)
